/* SPDX-License-Identifier: MIT
 *
 * apply — see apply.h.
 */
#include "agent/apply.h"

#include "acme/identifier.h"
#include "agent/folders.h"
#include "agent/run.h"
#include "agent/wanted.h"
#include "agent/wish.h"
#include "base/log.h"
#include "store/account.h"
#include "store/event.h"

#include <stdlib.h>
#include <unistd.h>

struct apply {
	struct context *c;
	const struct config *config;
	struct config_errors *errors;
	int64_t *accounts;  /* ids of the rows of config->accounts, 0: not looked for yet */
	struct id_list met; /* rows that the file defines */
	size_t changed, dropped;
	bool looked; /* for what obtain deploys where: when it is first asked */
	struct folders folders;
	struct strlist names; /* of its certificates */
};

/* --- accounts --- */

static int account_put(struct apply *a, const struct config_account *from, int64_t *ret_id,
		       struct err *e)
{
	AUTO_ACCOUNT_ROW struct account *row = wanted_account_of_file(a->c, from);
	int r = account_insert(a->c->store, row, e);

	if (r == 0)
		r = account_configure(a->c->store, row, e);
	*ret_id = row->id;
	return r;
}

/* An account that no certificate uses is not made. */
static int account_id(struct apply *a, const char *name, int64_t *ret_id, struct err *e)
{
	const struct config_account *from = config_account_find(a->config, name);
	size_t i = (size_t)(from - a->config->accounts);
	int r = 0;

	if (a->accounts[i] == 0)
		r = account_put(a, from, &a->accounts[i], e);
	*ret_id = a->accounts[i];
	return r;
}

/* Those that only commands use are what the file says, too. */
static int accounts_rest(struct apply *a, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->config->account_count; i++) {
		const struct config_account *from = &a->config->accounts[i];
		AUTO_ACCOUNT_ROW struct account *row = NULL;

		if (a->accounts[i] == 0)
			r = account_find(a->c->store, from->server, from->name, &row, e);
		if (row != NULL)
			r = account_put(a, from, &a->accounts[i], e);
	}
	return r;
}

static int accounts_of(struct apply *a, const struct config_certificate *from,
		       struct id_list *accounts, struct err *e)
{
	for (size_t i = 0; i < from->accounts.count; i++) {
		int64_t id = 0;
		int r = account_id(a, from->accounts.items[i], &id, e);

		if (r != 0)
			return r;
		id_list_add(accounts, id);
	}
	return 0;
}

/* --- certificates --- */

static int certificate_event(struct apply *a, int64_t id, const char *kind, const char *origin,
			     struct err *e)
{
	AUTO_FREE char *text = mem_str(origin);
	AUTO_FREE char *word = mem_str(kind);
	struct event ev = {.certificate_id = id, .kind = word, .text = text};

	return event_record(a->c->store, &ev, e);
}

/* Makes a row say what the file says. *ret_changes: it did not. */
static int certificate_fill(struct apply *a, const struct config_certificate *from,
			    struct certificate *c, bool *ret_changes, struct err *e)
{
	AUTO_FREE char *origin = config_origin(&from->at);
	struct id_list accounts AUTO_ID_LIST = {0};
	int r = accounts_of(a, from, &accounts, e);

	if (r != 0)
		return r;
	*ret_changes = !str_equal(c->origin, origin) || !strlist_equal(&c->names, &from->names) ||
		       !strlist_equal(&c->optional, &from->optional) ||
		       !str_equal(c->wish, from->wish) || !id_list_equal(&c->accounts, &accounts) ||
		       c->paused != from->paused || c->dropped_at != 0;
	if (!*ret_changes)
		return 0;
	/* who moved to another CA because one failed stays there for now */
	if (c->moved_at == 0 || !id_list_has(&accounts, c->account_id)) {
		c->account_id = accounts.ids[0];
		c->moved_at = 0;
	}
	mem_set_str(&c->origin, origin);
	strlist_copy(&c->names, &from->names);
	strlist_copy(&c->optional, &from->optional);
	mem_set_str(&c->wish, from->wish);
	id_list_clear(&c->accounts);
	c->accounts = accounts;
	accounts = (struct id_list){0};
	c->paused = from->paused;
	c->dropped_at = 0;
	return 0;
}

static int certificate_make(struct apply *a, const struct config_certificate *from, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *c = mem_new(sizeof(*c));
	bool changes;
	int r;

	c->name = mem_str(from->name);
	r = certificate_fill(a, from, c, &changes, e);
	if (r == 0)
		r = certificate_insert(a->c->store, c, e);
	if (r == 0)
		r = certificate_event(a, c->id, "configured", c->origin, e);
	if (r == 0)
		id_list_add(&a->met, c->id);
	a->changed++;
	return r;
}

/* What is deployed from now on is deployed now; a new version comes if only that can be what is
 * wanted (agent/schedule.h). */
static int certificate_change(struct apply *a, const struct config_certificate *from,
			      struct certificate *c, struct err *e)
{
	AUTO_FREE char *wish = mem_str(c->wish);
	struct strlist names AUTO_STRLIST = {0};
	bool changes;
	int r;

	strlist_copy(&names, &c->names);
	r = certificate_fill(a, from, c, &changes, e);
	id_list_add(&a->met, c->id);
	if (r != 0 || !changes)
		return r;
	log_line(LOG_INFO, "%s: as %s says now", c->name, c->origin);
	a->changed++;
	r = certificate_save(a->c->store, c, e);
	if (r == 0)
		r = certificate_event(a, c->id, "configured", c->origin, e);
	if (r == 0)
		r = wanted_names(a->c, c, &names, e);
	if (r == 0)
		r = wanted_order(a->c->store, c, e);
	if (r == 0 && c->live_version_id != 0 && !str_equal(wish, c->wish))
		r = wanted_deployments(a->c, c, false, e);
	return r;
}

/* Walked once, and only if the file says something new. */
static int folders_of_commands(struct apply *a, struct err *e)
{
	struct certificate_walk w AUTO_CERTIFICATE_WALK = {0};
	int r = 0;

	while (!a->looked && (r = certificate_walk(a->c->store, &w, e)) > 0)
		for (size_t i = 0; i < w.count; i++) {
			AUTO_WISH struct wish *wish = NULL;
			char *name;

			if (!certificate_is_of_command(w.list[i]) ||
			    wish_parse(w.list[i]->wish, &wish, NULL) != 0)
				continue;
			strlist_add(&a->names, w.list[i]->name);
			name = a->names.items[a->names.count - 1];
			folders_add(&a->folders, name, wish->deploy);
		}
	a->looked = a->looked || r == 0;
	return r;
}

/* *ret_clashes: what everleaf obtain made is deployed there already, and is kept as it is. */
static int certificate_clashes(struct apply *a, const struct config_certificate *from,
			       const struct certificate *c, bool *ret_clashes, struct err *e)
{
	AUTO_WISH struct wish *wish = NULL;
	const char *other, *place = NULL;
	struct err why = {0};
	int r = 0;

	*ret_clashes = false;
	if (c != NULL && str_equal(c->wish, from->wish) && c->dropped_at == 0)
		return 0;
	r = folders_of_commands(a, e);
	if (r == 0)
		r = wish_parse(from->wish, &wish, e);
	if (r != 0)
		return r;
	other = folders_other(&a->folders, from->name, wish->deploy, &place);
	if (other == NULL)
		return 0;
	*ret_clashes = true;
	(void)folders_clash(from->name, other, place, &why);
	config_error_add(a->errors, &from->at, "%s", why.text);
	if (c != NULL)
		id_list_add(&a->met, c->id); /* it stays as it was */
	return 0;
}

static int certificate_apply(struct apply *a, const struct config_certificate *from, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	bool clashes = false;
	int r = certificate_find(a->c->store, from->name, &c, e);

	if (r == 0 && (c == NULL || !certificate_is_of_command(c)))
		r = certificate_clashes(a, from, c, &clashes, e);
	if (r != 0 || clashes)
		return r;
	if (c == NULL)
		return certificate_make(a, from, e);
	if (!certificate_is_of_command(c))
		return certificate_change(a, from, c, e);
	config_error_add(a->errors, &from->at,
			 "a certificate \"%s\" was made by everleaf obtain, and is kept as it is: "
			 "give this one another name, or run everleaf delete %s first",
			 from->name, from->name);
	return 0;
}

static int certificate_drop(struct apply *a, struct certificate *c, struct err *e)
{
	int r;

	log_line(LOG_NOTICE, "%s: no file defines it any more (it was %s): it is not renewed",
		 c->name, c->origin);
	c->dropped_at = clock_now(a->c->clock);
	a->dropped++;
	r = certificate_save(a->c->store, c, e);
	return r == 0 ? certificate_event(a, c->id, "dropped", c->origin, e) : r;
}

/* What the file does not define any more, as far as all of it could be read. */
static int certificates_drop(struct apply *a, struct err *e)
{
	struct certificate **list = NULL;
	size_t count = 0;
	int r = certificate_list_of_files(a->c->store, &list, &count, e);

	id_list_sort(&a->met);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (!id_list_finds(&a->met, list[i]->id) &&
		    !strlist_has(&a->config->left, list[i]->name))
			r = certificate_drop(a, list[i], e);
	certificate_list_free(list, count);
	return r;
}

static int apply_write(void *arg, struct err *e)
{
	struct apply *a = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->config->certificate_count; i++)
		r = certificate_apply(a, &a->config->certificates[i], e);
	if (r == 0)
		r = accounts_rest(a, e);
	return r == 0 && a->config->complete ? certificates_drop(a, e) : r;
}

/* --- the file --- */

/* The default file may be missing, but not once there was one: to give everything up that it
 * defined is said by an empty one. */
static int file_missing(struct context *c, const char *path, struct err *e)
{
	struct certificate **list = NULL;
	size_t count = 0;
	int r = certificate_list_of_files(c->store, &list, &count, e);

	certificate_list_free(list, count);
	if (r != 0 || count == 0)
		return r;
	return err_set(e, ERR_CONFIG,
		       "%s is not there any more, so everything that it defined stays as it was; "
		       "an empty file would give that up",
		       path);
}

static int errors_say(const struct config_errors *errors, struct err *e)
{
	size_t count = config_errors_count(errors, false);
	AUTO_FREE char *first = NULL;

	for (size_t i = 0; i < errors->count; i++) {
		AUTO_FREE char *line = config_error_line(&errors->items[i]);

		log_line(errors->items[i].warning ? LOG_NOTICE : LOG_ERROR, "%s", line);
		if (!errors->items[i].warning && first == NULL)
			first = mem_str(line);
	}
	if (count == 0)
		return 0;
	if (count == 1)
		return err_set(e, ERR_CONFIG, "%s", first);
	return err_set(e, ERR_CONFIG, "%s, and %zu more; see everleaf check-config", first,
		       count - 1);
}

static int apply_config(struct context *c, const struct config *config,
			struct config_errors *errors, struct err *e)
{
	struct apply a = {.c = c, .config = config, .errors = errors};
	int r;

	a.accounts = mem_new((config->account_count + 1) * sizeof(*a.accounts));
	r = run_turn(c, apply_write, &a, e);
	if (r == 0 && a.changed + a.dropped > 0)
		log_line(LOG_NOTICE, "the configuration changed %zu and dropped %zu certificates",
			 a.changed, a.dropped);
	free(a.accounts);
	id_list_clear(&a.met);
	folders_clear(&a.folders);
	strlist_clear(&a.names);
	return r;
}

int apply_file(struct context *c, struct config **ret_config, struct err *e)
{
	struct config_errors errors AUTO(config_errors_clear) = {0};
	AUTO_CONFIG struct config *config = NULL;
	bool asked;
	const char *path = command_config_file(c->options, &asked);
	bool there = asked || access(path, F_OK) == 0;
	int r = 0;

	config = config_read(there ? path : NULL, CONFIG_SECRETS, &errors);
	if (!there)
		r = file_missing(c, path, e);
	else
		r = apply_config(c, config, &errors, e);
	if (r == 0)
		r = errors_say(&errors, e);
	if (ret_config != NULL && (r == 0 || r == ERR_CONFIG))
		*ret_config = TAKE(config);
	return r;
}

/* --- the other way round --- */

int apply_refuse(const struct certificate *certificate, struct err *e)
{
	if (certificate_is_of_command(certificate) || certificate->dropped_at != 0)
		return 0;
	return err_set(e, ERR_CONFIG,
		       "%s is defined at %s: change it there, and run everleaf reload",
		       certificate->name, certificate->origin);
}

struct config *apply_look(const struct context *c)
{
	struct config_errors errors AUTO(config_errors_clear) = {0};
	bool asked;
	const char *path = command_config_file(c->options, &asked);

	return access(path, F_OK) == 0 ? config_read(path, 0, &errors) : NULL;
}

int apply_refuse_new(const struct config *config, const char *handle, const struct strlist *names,
		     struct err *e)
{
	AUTO_FREE char *wanted = identifier_set(names);

	for (size_t i = 0; config != NULL && i < config->certificate_count; i++) {
		const struct config_certificate *it = &config->certificates[i];
		AUTO_FREE char *has = identifier_set(&it->names);
		AUTO_FREE char *origin = config_origin(&it->at);

		if (str_equal(it->name, handle) || str_equal(has, wanted))
			return err_set(e, ERR_CONFIG,
				       "%s is defined at %s: change it there, and run everleaf "
				       "reload",
				       it->name, origin);
	}
	return 0;
}
