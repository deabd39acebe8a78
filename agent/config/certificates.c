/* SPDX-License-Identifier: MIT
 *
 * certificates — puts each certificate together from its own keys, the defaults, and the entries
 * that they name. What is wrong with it, or with what it rests on, leaves out this one alone.
 */
#include "acme/identifier.h"
#include "agent/config/reader.h"
#include "agent/config/types.h"
#include "agent/wire.h"
#include "agent/wish.h"
#include "agent/wishing.h"

#include <stdlib.h>
#include <string.h>

#define DEPLOY_MAX 32 /* a wish is read back with JSON_MAX_NODES */

static const struct schema_key certificate_keys[] = {
	{"names", type_names, false, NULL},
	{"optional", type_names, false, NULL},
	{"account", type_texts, false, NULL},
	{"solver", type_text, false, NULL},
	{"deploy", type_texts, false, NULL},
	{"key", type_key_kind, false, NULL},
	{"profile", type_text, false, NULL},
	{"pre-hook", type_hook, false, NULL},
	{"post-hook", type_hook, false, NULL},
	{"paused", type_flag, false, NULL},
	{NULL, NULL, false, NULL},
};

/* A certificate that is being put together. */
struct making {
	struct reader *r;
	const struct entry *entry;
	struct json *own; /* its own keys */
	struct strlist names, optional, accounts;
	struct wish_parts wish;
	struct json *shown; /* for people */
	bool good;
};

static void making_clear(struct making *m)
{
	json_free(m->own);
	json_free(m->shown);
	strlist_clear(&m->names);
	strlist_clear(&m->optional);
	strlist_clear(&m->accounts);
	wish_parts_clear(&m->wish);
}

/* --- settings: its own, or the defaults' --- */

/* One sentence at the certificate; what is really wrong was said at its own place. */
static void leave(struct making *m, const char *because)
{
	const struct node *key = m->entry->key;

	config_error_add(m->r->reading.errors, &key->at,
			 "certificate \"%s\" %s, so this certificate is left as it was", key->text,
			 because);
	m->good = false;
}

/* NULL: neither it nor the defaults say anything (usable). *ret_node: where it is said, NULL for
 * the defaults. */
static const struct json *setting(struct making *m, const char *key, const struct node **ret_node)
{
	*ret_node = node_get(m->entry->value, key);
	if (*ret_node != NULL)
		return json_get(m->own, key);
	if (strlist_has(&m->r->defaults_bad, key)) {
		AUTO_FREE char *because =
			mem_printf("takes \"%s\" from \"defaults\", where it has an error", key);

		leave(m, because);
		return NULL;
	}
	return json_get(m->r->defaults_read, key);
}

/* The entry that a setting names; NULL when there is none that can be used. at: where it is named,
 * NULL: in the defaults. */
static const struct entry *resolve(struct making *m, const struct section *s, const char *name,
				   const struct node *at)
{
	const struct entry *entry = section_find(s, name);
	AUTO_FREE char *because = NULL;

	if (entry == NULL) {
		section_complain(m->r, s, name, &at->at);
		m->good = false;
		return NULL;
	}
	if (!entry->bad)
		return entry;
	because = mem_printf("uses %s \"%s\", which has an error", s->what, name);
	leave(m, because);
	return NULL;
}

static const struct node *item_of(const struct node *v, size_t i)
{
	return v != NULL && v->kind == NODE_LIST ? v->items[i] : v;
}

/* --- its parts --- */

/* All names, the optional ones too: it says of each that it may be left out. */
static void make_names(struct making *m)
{
	const struct node *at = node_get(m->entry->value, "names");
	AUTO_FREE char *own_name = NULL;
	struct err e = {0};

	reader_texts(json_get(m->own, "names"), &m->names);
	reader_texts(json_get(m->own, "optional"), &m->optional);
	if (at == NULL && identifier_canonical(m->entry->key->text, &own_name, &e) != 0) {
		config_error_add(
			m->r->reading.errors, &m->entry->key->at,
			"certificate \"%s\" has no \"names\", and its own name is none: %s",
			m->entry->key->text, e.text);
		m->good = false;
		return;
	}
	if (own_name != NULL)
		strlist_add(&m->names, own_name);
	for (size_t i = 0; i < m->optional.count; i++)
		if (!strlist_has(&m->names, m->optional.items[i]))
			strlist_add(&m->names, m->optional.items[i]);
	if (!m->good)
		return;
	if (at == NULL)
		at = m->entry->key;
	if (identifier_list(&m->names, &e) != 0)
		config_error_add(m->r->reading.errors, &at->at, "%s", e.text);
	else if (m->names.count == m->optional.count)
		config_error_add(m->r->reading.errors, &at->at,
				 "all names are optional: one at least has to be in every "
				 "certificate");
	else
		return;
	m->good = false;
}

/* Without any word: the only account there is. */
static void make_only_account(struct making *m)
{
	const struct section *s = &m->r->accounts;
	const char *why = "there is more than one: say which, here or in \"defaults\"";

	if (s->count == 1 && m->r->config->complete) {
		if (resolve(m, s, s->entries[0].key->text, NULL) != NULL)
			strlist_add(&m->accounts, s->entries[0].key->text);
		return;
	}
	if (s->count == 0)
		why = "\"accounts\" has none";
	else if (s->count == 1)
		why = "there may be more than one: not everything could be read";
	config_error_add(m->r->reading.errors, &m->entry->key->at,
			 "certificate \"%s\" has no \"account\", and %s", m->entry->key->text, why);
	m->good = false;
}

static void make_accounts(struct making *m)
{
	const struct node *at = NULL;
	bool good = m->good;
	const struct json *list = setting(m, "account", &at);

	if (list == NULL && at == NULL && m->good == good) {
		make_only_account(m);
		return;
	}
	if (list != NULL && json_count(list) == 0) {
		config_error_add(m->r->reading.errors, at != NULL ? &at->at : &m->entry->key->at,
				 "\"account\" names no account");
		m->good = false;
	}
	for (size_t i = 0; i < json_count(list); i++)
		if (resolve(m, &m->r->accounts, json_text(json_at(list, i)), item_of(at, i)) !=
		    NULL)
			strlist_add(&m->accounts, json_text(json_at(list, i)));
}

static void make_solver(struct making *m)
{
	const struct node *at = NULL;
	bool good = m->good;
	const char *name = json_text(setting(m, "solver", &at));
	const struct entry *entry = NULL;
	const struct node *names = node_get(m->entry->value, "names");
	struct err e = {0};

	if (name != NULL) {
		entry = resolve(m, &m->r->solvers, name, at);
		if (entry == NULL)
			return;
		m->wish.solver = json_clone(entry->read);
		json_put_text(m->shown, "solver", name);
	} else if (at == NULL && m->good == good) {
		m->wish.solver = json_new_map();
		json_put_text(m->wish.solver, "name", "standalone");
		json_put_number(m->wish.solver, "port", 80);
	} else {
		return;
	}
	if (wishing_solver_handles(m->wish.solver, &m->names, &e) == 0)
		return;
	config_error_add(m->r->reading.errors, names != NULL ? &names->at : &m->entry->key->at,
			 "%s", e.text);
	m->good = false;
}

/* A directory that is this certificate's is looked at here, another one at its deployer. */
static void make_deployer(struct making *m, const struct entry *entry)
{
	struct json *deployer = folders_expand(entry->read, m->entry->key->text);
	struct deployer_task task = {
		.settings = deployer,
		.certificate = m->entry->key->text,
		.key_fd = -1,
	};
	const struct deployer_ops *ops = wire_deployer(json_get_text(deployer, "name"));
	struct err e = {0};

	if (folders_named(entry->read, "directory") && ops->room != NULL &&
	    ops->room(&task, &e) != 0)
		config_warning_add(m->r->reading.errors, &m->entry->key->at, "%s", e.text);
	json_add(m->wish.deploy, deployer);
}

static void make_deploy(struct making *m)
{
	const struct node *at = NULL;
	const struct json *list = setting(m, "deploy", &at);

	m->wish.deploy = json_new_list();
	if (json_count(list) > DEPLOY_MAX) {
		config_error_add(m->r->reading.errors, at != NULL ? &at->at : &m->entry->key->at,
				 "a certificate has at most %d deployers", DEPLOY_MAX);
		m->good = false;
		return;
	}
	for (size_t i = 0; i < json_count(list); i++) {
		const char *name = json_text(json_at(list, i));
		const struct entry *entry = resolve(m, &m->r->deployers, name, item_of(at, i));

		if (entry != NULL)
			make_deployer(m, entry);
	}
	json_put(m->shown, "deploy", list != NULL ? json_clone(list) : json_new_list());
}

static void make_hook(struct making *m, const char *key, struct json **ret_hook)
{
	const struct node *at = NULL;
	const struct json *words = setting(m, key, &at);

	if (json_count(words) == 0)
		return;
	*ret_hook = json_clone(words);
	json_put(m->shown, key, json_clone(words));
}

static void make_key(struct making *m)
{
	const struct node *at = NULL;
	const char *kind = json_text(setting(m, "key", &at));

	m->wish.key = kind != NULL ? key_kind_parse(kind) : KEY_EC256;
	m->wish.profile = json_text(setting(m, "profile", &at));
	json_put_text(m->shown, "key", key_kind_name(m->wish.key));
	if (m->wish.profile != NULL)
		json_put_text(m->shown, "profile", m->wish.profile);
}

/* --- the whole --- */

static struct json *list_of(const struct strlist *texts)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < texts->count; i++)
		json_add_text(list, texts->items[i]);
	return list;
}

static void make_all(struct making *m)
{
	bool paused = json_flag(json_get(m->own, "paused"));

	make_names(m);
	json_put(m->shown, "names", list_of(&m->names));
	if (m->optional.count > 0)
		json_put(m->shown, "optional", list_of(&m->optional));
	make_accounts(m);
	json_put(m->shown, "account", list_of(&m->accounts));
	make_solver(m);
	make_deploy(m);
	make_key(m);
	make_hook(m, "pre-hook", &m->wish.pre_hook);
	make_hook(m, "post-hook", &m->wish.post_hook);
	json_put_flag(m->shown, "paused", paused);
}

static void keep(struct making *m)
{
	struct config *c = m->r->config;
	struct config_certificate *to;
	struct json *deploy = json_clone(m->wish.deploy);

	c->certificates =
		mem_grow(c->certificates, c->certificate_count + 1, sizeof(c->certificates[0]));
	to = &c->certificates[c->certificate_count++];
	*to = (struct config_certificate){
		.name = mem_str(m->entry->key->text),
		.names = m->names,
		.optional = m->optional,
		.accounts = m->accounts,
		.wish = wish_print(&m->wish),
		.paused = json_flag(json_get(m->own, "paused")),
		.at = m->entry->key->at,
	};
	m->names = m->optional = m->accounts = (struct strlist){0};
	folders_add(&m->r->folders, m->entry->key->text, deploy);
	json_free(deploy);
	section_show(&m->r->certificates, m->entry->key, m->shown);
}

/* "www.example.org:" alone is a certificate, too: of that name, by the defaults. */
static void certificate_read(struct reader *r, const struct entry *entry)
{
	struct making m AUTO(making_clear) = {.r = r, .entry = entry, .good = !entry->bad};
	AUTO_FREE char *what = mem_printf("certificate \"%s\"", entry->key->text);
	bool good = true;

	m.shown = json_new_map();
	m.own = node_is_empty(entry->value)
			? json_new_map()
			: schema_read(&r->reading, entry->value, what, certificate_keys, &good);
	m.good = m.good && good;
	if (r->defaults_unclear != NULL)
		leave(&m, r->defaults_unclear);
	else
		make_all(&m);
	if (m.good)
		keep(&m);
	else
		strlist_add(&r->config->left, entry->key->text);
}

/* Of two that are deployed into one place neither is used: each would take the other's away. */
static bool certificate_clashes(struct reader *r, const struct config_certificate *c)
{
	const struct place *at = &c->at;
	AUTO_WISH struct wish *wish = NULL;
	const char *other, *place = NULL;
	struct err e = {0};

	if (wish_parse(c->wish, &wish, &e) != 0)
		return false;
	other = folders_other(&r->folders, c->name, wish->deploy, &place);
	if (other == NULL)
		return false;
	(void)folders_clash(c->name, other, place, &e);
	config_error_add(r->reading.errors, at, "%s", e.text);
	return true;
}

static void clashes_leave(struct reader *r)
{
	struct config *c = r->config;
	size_t kept = 0;

	for (size_t i = 0; i < c->certificate_count; i++) {
		if (certificate_clashes(r, &c->certificates[i])) {
			strlist_add(&c->left, c->certificates[i].name);
			config_certificate_clear(&c->certificates[i]);
		} else {
			c->certificates[kept++] = c->certificates[i];
		}
	}
	c->certificate_count = kept;
}

void reader_read_certificates(struct reader *r)
{
	for (size_t i = 0; i < r->certificates.count; i++)
		certificate_read(r, &r->certificates.entries[i]);
	clashes_leave(r);
}
