/* SPDX-License-Identifier: MIT
 *
 * obtain — writes down what is wanted and drives the machines until it is there. The same names
 * again: nothing is issued unless it is due or forced. Other names: a new version of the same
 * certificate.
 */
#include "acme/identifier.h"
#include "agent/apply.h"
#include "agent/folders.h"
#include "agent/rehearsal.h"
#include "agent/report.h"
#include "agent/run.h"
#include "agent/wanted.h"
#include "agent/wish.h"
#include "agent/wishing.h"
#include "base/log.h"
#include "store/account.h"
#include "store/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct obtain {
	struct context *c;
	struct strlist names;
	char *handle;
	struct certificate *certificate;
	bool force;   /* --force, or something changed that only a new version can have */
	bool renamed; /* the set of names changed */
	struct rehearsal *rehearsal; /* of a dry run */
};

static int handle_check(const char *handle, struct err *e)
{
	if (!wishing_handle_ok(handle))
		return usage(e,
			     "\"%s\" cannot name a certificate: use 1 to 64 of a-z, 0-9, \".\", "
			     "\"_\", \"-\", beginning with a letter or digit; see --name",
			     handle);
	return 0;
}

/* "*.example.org" is called example.org; an IPv6 address has its colons replaced. A name that is
 * too long is cut, and told apart from others that begin alike by a few bytes of its hash. */
static char *handle_default(const char *name)
{
	char *handle = mem_str(identifier_is_wildcard(name) ? name + 2 : name);
	uint8_t hash[32];

	for (char *p = handle; *p != '\0'; p++)
		*p = *p == ':' ? '-' : *p;
	if (strlen(handle) <= WISHING_HANDLE_MAX)
		return handle;
	sha256(handle, strlen(handle), hash);
	snprintf(handle + WISHING_HANDLE_MAX - 9, 10, "-%02x%02x%02x%02x", hash[0], hash[1],
		 hash[2], hash[3]);
	return handle;
}

static int obtain_find_names(struct obtain *b, struct err *e)
{
	struct certificate_walk w AUTO_CERTIFICATE_WALK = {0};
	AUTO_FREE char *wanted = identifier_set(&b->names);
	int r = 0;

	while (b->certificate == NULL && (r = certificate_walk(b->c->store, &w, e)) > 0)
		for (size_t i = 0; i < w.count && b->certificate == NULL; i++) {
			AUTO_FREE char *has = identifier_set(&w.list[i]->names);

			if (str_equal(wanted, has))
				b->certificate = TAKE(w.list[i]);
		}
	return r < 0 ? r : 0;
}

/* The certificate that is meant: by handle; without one, by the same set of names first. */
static int obtain_find(struct obtain *b, struct err *e)
{
	int r = b->c->options->name == NULL ? obtain_find_names(b, e) : 0;

	if (r != 0 || b->certificate != NULL)
		return r;
	return certificate_find(b->c->store, b->handle, &b->certificate, e);
}

/* The CA: as typed, else the certificate's, else the default. */
static int obtain_server(struct obtain *b, const char **ret_url, struct account **ret_present,
			 struct err *e)
{
	const struct options *o = b->c->options;
	int r = 0;

	if (b->certificate != NULL)
		r = account_load(b->c->store, b->certificate->account_id, ret_present, e);
	if (r != 0)
		return r;
	if (o->server == NULL && !o->staging && *ret_present != NULL)
		*ret_url = (*ret_present)->server;
	else if (r == 0)
		r = wishing_server(o->server, o->staging, ret_url, e);
	if (r == 0 && b->c->rehearsal != NULL)
		*ret_url = wishing_staging(*ret_url);
	return r;
}

static void certificate_new(struct obtain *b)
{
	b->certificate = mem_new(sizeof(*b->certificate));
	b->certificate->name = mem_str(b->handle);
	b->certificate->origin = mem_str(CERTIFICATE_COMMAND);
	b->certificate->wish = mem_str("{}");
	strlist_copy(&b->certificate->names, &b->names);
}

/* A key of another kind is a reason to issue; so is a change of the CA. */
static bool wants_issue(const char *old, const char *new)
{
	AUTO_WISH struct wish *before = NULL;
	AUTO_WISH struct wish *after = NULL;

	if (wish_parse(old, &before, NULL) != 0 || wish_parse(new, &after, NULL) != 0)
		return false;
	return before->key != after->key;
}

/* By itself, or by a wildcard. */
static bool is_covered(const struct strlist *names, const char *name)
{
	AUTO_FREE char *wildcard = mem_printf("*%s", name + strcspn(name, "."));

	return strlist_has(names, name) || strlist_has(names, wildcard);
}

/* Also those that the certificate has. */
static void names_expand(const struct certificate *c, struct strlist *names)
{
	struct strlist all AUTO_STRLIST = {0};

	strlist_copy(&all, &c->names);
	for (size_t i = 0; i < names->count; i++)
		if (!strlist_has(&all, names->items[i]))
			strlist_add(&all, names->items[i]);
	strlist_copy(names, &all);
}

static int names_refuse(const struct obtain *b, const struct strlist *lost, struct err *e)
{
	const struct certificate *c = b->certificate;
	struct strlist all AUTO_STRLIST = {0};
	AUTO_FREE char *has = strlist_join(&c->names, ",");
	AUTO_FREE char *wants = strlist_join(&b->names, ",");
	AUTO_FREE char *loses = strlist_join(lost, ", ");
	AUTO_FREE char *both = NULL;

	strlist_copy(&all, &b->names);
	names_expand(c, &all);
	both = strlist_join(&all, ",");
	return err_set(
		e, ERR_CONFIG,
		"%s has the names %s, and with %s it would lose %s: to keep what it has give "
		"--expand, or -d %s; if it shall have only the new ones, --name %s",
		c->name, has, wants, loses, both, c->name);
}

/* What is wanted and served is not taken from a certificate that was not named. */
static int obtain_keeps(struct obtain *b, struct err *e)
{
	const struct certificate *c = b->certificate;
	AUTO_VERSION struct version *live = NULL;
	struct strlist lost AUTO_STRLIST = {0};
	int r;

	if (c == NULL || b->c->options->name != NULL || b->c->options->expand)
		return 0;
	r = version_glance(b->c->store, c->live_version_id, &live, e);
	if (r != 0 || live == NULL)
		return r;
	for (size_t i = 0; i < c->names.count; i++)
		if (strlist_has(&live->names, c->names.items[i]) &&
		    !is_covered(&b->names, c->names.items[i]))
			strlist_add(&lost, c->names.items[i]);
	return lost.count > 0 ? names_refuse(b, &lost, e) : 0;
}

static bool obtain_renames(struct obtain *b, struct strlist *ret_before)
{
	AUTO_FREE char *before = identifier_set(&b->certificate->names);
	AUTO_FREE char *after = identifier_set(&b->names);

	strlist_copy(ret_before, &b->certificate->names);
	strlist_copy(&b->certificate->names, &b->names);
	return !str_equal(before, after);
}

/* Also what a file defined that says nothing of it any more; all that it said of it stays. */
static void obtain_takes(struct certificate *c)
{
	struct strlist optional AUTO_STRLIST = {0};

	mem_set_str(&c->origin, CERTIFICATE_COMMAND);
	c->dropped_at = 0;
	for (size_t i = 0; i < c->optional.count; i++)
		if (strlist_has(&c->names, c->optional.items[i]))
			strlist_add(&optional, c->optional.items[i]);
	strlist_copy(&c->optional, &optional);
}

/* Whether a certificate that is there may be changed like this. */
static int obtain_may(struct obtain *b, struct err *e)
{
	const struct certificate *c = b->certificate;
	int r = 0;

	if (b->c->rehearsal == NULL)
		r = apply_refuse(c, e);
	if (r == 0 && b->c->rehearsal == NULL)
		r = run_refuse_called(b->c, c, e);
	if (r == 0 && c->paused)
		r = err_set(e, ERR_CONFIG, "%s is paused; everleaf resume %s first", c->name,
			    c->name);
	return r == 0 ? obtain_keeps(b, e) : r;
}

/* A dry run's scratch store knows of no other certificate; the real one does. */
static int obtain_wish(struct obtain *b, char **ret_wish, struct err *e)
{
	const struct certificate *c = b->certificate;
	struct store *real = b->c->rehearsal != NULL ? b->c->rehearsal : b->c->store;
	struct wishing_of of = {
		.certificate = c != NULL ? c->name : b->handle,
		.names = &b->names,
		.wish = c != NULL ? c->wish : NULL,
	};
	int r = wishing(b->c->options, &of, ret_wish, e);

	return r == 0 ? folders_refuse(real, of.certificate, *ret_wish, e) : r;
}

static int obtain_write(void *arg, struct err *e)
{
	struct obtain *b = arg;
	AUTO_ACCOUNT_ROW struct account *present = NULL;
	AUTO_FREE char *wish = NULL;
	struct strlist before AUTO_STRLIST = {0};
	const char *server = NULL;
	bool known;
	int r;

	r = obtain_find(b, e);
	if (r == 0)
		r = obtain_server(b, &server, &present, e);
	known = b->certificate != NULL;
	if (r == 0 && known)
		r = obtain_may(b, e);
	if (r == 0 && known && b->c->options->expand)
		names_expand(b->certificate, &b->names);
	if (r == 0)
		r = obtain_wish(b, &wish, e);
	if (r == 0 && !known)
		certificate_new(b);
	if (r != 0)
		return r;
	if (known && (wants_issue(b->certificate->wish, wish) ||
		      (present != NULL && !str_equal(present->server, server))))
		b->force = true;
	r = wanted_account(b->c, b->certificate, server, e);
	if (r != 0)
		return r;
	mem_set_str(&b->certificate->wish, wish);
	b->renamed = obtain_renames(b, &before);
	obtain_takes(b->certificate);
	r = known ? certificate_save(b->c->store, b->certificate, e)
		  : certificate_insert(b->c->store, b->certificate, e);
	if (r == 0 && b->renamed)
		r = wanted_names(b->c, b->certificate, &before, e);
	if (r == 0)
		r = wanted_order(b->c->store, b->certificate, e);
	if (r == 0 && !b->force && !b->renamed)
		r = wanted_deployments(b->c, b->certificate, false, e);
	return r;
}

static int obtain_complete(void *arg, struct err *e)
{
	struct obtain *b = arg;
	AUTO_CERTIFICATE struct certificate *now = NULL;
	int r;

	r = certificate_load(b->c->store, b->certificate->id, &now, e);
	if (r != 0 || now == NULL || now->removed_at != 0)
		return r;
	return wanted_deployments(b->c, now, false, e);
}

/* A contact that was typed and that the CA does not have is no success. */
static int obtain_contact(struct obtain *b, struct run_item *item, struct err *e)
{
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	int r = account_load(b->c->store, b->certificate->account_id, &a, e);

	if (r == 0 && a != NULL && b->c->options->mail != NULL && str_equal(a->stage, "update"))
		item->result = a->standing.error.code == ERR_BUSY ? RUN_LATER : RUN_FAILED;
	return r;
}

/* What is wanted is durable before anything is done about it. Another process may have issued by an
 * older wish meanwhile, so what this one names is completed at the end. */
static int obtain_run(struct obtain *b, struct run_item *item, struct err *e)
{
	struct run_item rest = {.issue = ISSUE_NEVER};
	int r;

	r = apply_refuse_new(b->c->config, b->handle, &b->names, e);
	if (r == 0)
		r = run_turn(b->c, obtain_write, b, e);
	if (r != 0)
		return r;
	item->certificate_id = rest.certificate_id = b->certificate->id;
	item->issue = b->force ? ISSUE_NOW : ISSUE_IF_DUE;
	r = run_items(b->c, item, 1, false, e);
	if (r != 0 || item->result > RUN_DONE)
		return r;
	r = run_turn(b->c, obtain_complete, b, e);
	if (r == 0)
		r = run_items(b->c, &rest, 1, false, e);
	if (r == 0 && rest.result > item->result)
		item->result = rest.result;
	return r == 0 ? obtain_contact(b, item, e) : r;
}

static int obtain_say(struct obtain *b, enum run_result result, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *now = NULL;
	struct schedule s = {0};
	char when[CLOCK_TEXT_SIZE];
	int r;

	r = certificate_load(b->c->store, b->certificate->id, &now, e);
	if (r == 0 && now != NULL)
		r = run_schedule(b->c, now, &s, e);
	if (r != 0 || now == NULL)
		return r;
	if (result == RUN_NOTHING && s.what != SCHEDULE_NOTHING && !b->c->options->json)
		log_line(LOG_NOTICE, "%s: not due before %s (%s); --force issues it anyway",
			 now->name, clock_format(s.when, when), s.why);
	if (!b->c->options->json && (result == RUN_FAILED || b->c->options->quiet))
		return 0;
	return report_show(b->c, now, e);
}

/* What the store remembers of the certificate, if it does, for the dry run to begin with. */
static int obtain_copy(void *arg, struct err *e)
{
	struct obtain *b = arg;
	int64_t id;

	return rehearsal_copy(b->rehearsal, b->certificate, &id, e);
}

static int obtain_rehearse(struct obtain *b, struct run_item *item, struct err *e)
{
	struct rehearsal h = {0};
	int r = rehearsal_begin(&h, b->c, e);

	if (r == 0)
		r = obtain_find(b, e);
	if (r == 0)
		r = obtain_keeps(b, e);
	b->c = &h.c;
	b->rehearsal = &h;
	if (r == 0 && b->certificate != NULL)
		r = run_turn(b->c, obtain_copy, b, e);
	certificate_free(TAKE(b->certificate));
	if (r == 0)
		r = run_turn(b->c, obtain_write, b, e);
	if (r == 0) {
		item->certificate_id = b->certificate->id;
		r = rehearsal_run(&h, item, 1, e);
	}
	rehearsal_end(&h);
	return r;
}

static int obtain_names(struct obtain *b, struct err *e)
{
	const struct options *o = b->c->options;
	struct err why = {0};

	strlist_copy(&b->names, &o->domains);
	if (o->operands.count > 0)
		return usage(e, "\"%s\": names are given with -d", o->operands.items[0]);
	if (b->names.count == 0)
		return usage(e, "give at least one name with -d");
	if (identifier_list(&b->names, &why) != 0)
		return usage(e, "%s", why.text);
	b->handle = o->name != NULL ? mem_str(o->name) : handle_default(b->names.items[0]);
	return handle_check(b->handle, e);
}

int cmd_obtain(struct context *c, struct err *e)
{
	struct obtain b = {.c = c, .force = c->options->force};
	AUTO_CONFIG struct config *config = apply_look(c);
	struct run_item item = {0};
	int r;

	c->config = config;
	r = obtain_names(&b, e);
	if (r == 0 && c->options->dry_run)
		r = obtain_rehearse(&b, &item, e);
	else if (r == 0)
		r = obtain_run(&b, &item, e);
	if (r == 0 && !c->options->dry_run)
		r = obtain_say(&b, item.result, e);
	strlist_clear(&b.names);
	certificate_free(b.certificate);
	free(b.handle);
	c->config = NULL;
	return r == 0 ? run_exit(c->options, &item, 1) : r;
}
