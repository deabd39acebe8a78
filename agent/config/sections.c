/* SPDX-License-Identifier: MIT
 *
 * sections — the keys of accounts, solvers, deployers, defaults and the rest, as tables, and what
 * has to be seen of each beyond its keys.
 */
#include "agent/config/reader.h"
#include "agent/config/types.h"
#include "agent/wire.h"
#include "agent/wishing.h"

#include <stdlib.h>
#include <string.h>

/* --- the tables --- */

static schema_type eab, solver_kind, deployer_kind;

static const struct schema_key eab_keys[] = {
	{"kid", type_text, true, NULL},
	{"hmac-key", type_reference, true, NULL},
	{NULL, NULL, false, NULL},
};

static const struct schema_key account_keys[] = {
	{"server", type_server, true, NULL},
	{"contact", type_contacts, false, NULL},
	{"agree-tos", type_flag, false, NULL},
	{"ca-bundle", type_bundle, false, NULL},
	{"proxy", type_text, false, NULL},
	{"key", type_reference, false, NULL},
	{"eab", eab, false, NULL},
	{NULL, NULL, false, NULL},
};

/* What a wish calls "name" (agent/wish.h) is "type" here, where everything has a name. */
static const struct schema_key webroot_keys[] = {
	{"type", solver_kind, true, "name"},
	{"directory", type_path, true, NULL},
	{NULL, NULL, false, NULL},
};

static const struct schema_key standalone_keys[] = {
	{"type", solver_kind, true, "name"},
	{"port", type_port, false, NULL},
	{"address", type_address, false, NULL},
	{NULL, NULL, false, NULL},
};

static const struct schema_key solver_exec_keys[] = {
	{"type", solver_kind, true, "name"},
	{"command", type_command, true, NULL},
	{NULL, NULL, false, NULL},
};

static const struct schema_key files_keys[] = {
	{"type", deployer_kind, true, "name"}, {"directory", type_path, true, NULL},
	{"owner", type_text, false, NULL},     {"group", type_text, false, NULL},
	{"mode", type_mode, false, NULL},      {"prove", type_endpoint, false, NULL},
	{"window", type_window, false, NULL},  {NULL, NULL, false, NULL},
};

static const struct schema_key deployer_exec_keys[] = {
	{"type", deployer_kind, true, "name"},
	{"command", type_command, false, NULL}, /* one of these two: exec_judge */
	{"reload", type_command, false, NULL},
	{"check", type_command, false, NULL},
	{"prove", type_endpoint, false, NULL},
	{"window", type_window, false, NULL},
	{NULL, NULL, false, NULL},
};

static const struct schema_key defaults_keys[] = {
	{"account", type_texts, false, NULL},  {"solver", type_text, false, NULL},
	{"deploy", type_texts, false, NULL},   {"key", type_key_kind, false, NULL},
	{"profile", type_text, false, NULL},   {"pre-hook", type_hook, false, NULL},
	{"post-hook", type_hook, false, NULL}, {NULL, NULL, false, NULL},
};

static const struct schema_key notify_keys[] = {
	{"command", type_command, true, NULL},
	{NULL, NULL, false, NULL},
};

static const struct schema_key metrics_keys[] = {
	{"listen", type_listen, false, NULL},
	{"textfile", type_path, false, NULL},
	{NULL, NULL, false, NULL},
};

static const struct schema_key log_keys[] = {
	{"format", type_format, false, NULL},
	{NULL, NULL, false, NULL},
};

/* --- kinds of solvers and deployers --- */

struct kind {
	const char *name;
	const struct schema_key *keys;
};

static const struct kind solver_kinds[] = {
	{"webroot", webroot_keys},
	{"standalone", standalone_keys},
	{"exec", solver_exec_keys},
	{NULL, NULL},
};

static const struct kind deployer_kinds[] = {
	{"files", files_keys},
	{"exec", deployer_exec_keys},
	{NULL, NULL},
};

static struct json *solver_kind(struct reading *r, const struct node *v)
{
	static const char *const names[] = {"webroot", "standalone", "exec", NULL};

	return type_one_of(r, v, "webroot, standalone or exec", names);
}

static struct json *deployer_kind(struct reading *r, const struct node *v)
{
	static const char *const names[] = {"files", "exec", NULL};

	return type_one_of(r, v, "files or exec", names);
}

static struct json *eab(struct reading *r, const struct node *v)
{
	bool good;
	AUTO_JSON struct json *read = schema_read(r, v, "\"eab\"", eab_keys, &good);

	return good ? TAKE(read) : NULL;
}

/* Reads by the keys of its type. Without a type that is known only that is complained about: what
 * the other keys should be nobody can say. */
static void entry_read_kind(struct reader *r, struct entry *entry, const struct kind *kinds,
			    const char *what)
{
	const struct node *type = node_get(entry->value, "type");
	const struct schema_key *keys = NULL;
	struct schema_key only_type[2] = {kinds[0].keys[0]};
	bool good;

	for (const struct kind *k = kinds; type != NULL && k->name != NULL; k++)
		if (type->kind == NODE_TEXT && str_equal(k->name, type->text))
			keys = k->keys;
	if (keys != NULL) {
		entry->read = schema_read(&r->reading, entry->value, what, keys, &good);
	} else if (type != NULL) {
		r->reading.key = "type";
		entry->read = only_type[0].type(&r->reading, type);
		good = false;
	} else if (entry->value->kind == NODE_MAP) {
		config_error_add(r->reading.errors, &entry->value->at, "%s has no \"type\"", what);
		good = false;
	} else {
		entry->read = schema_read(&r->reading, entry->value, what, only_type, &good);
	}
	entry->bad = entry->bad || !good;
}

/* What is perhaps different when it matters is a warning. Of commands their type has seen that. */
static void warn(struct reader *r, const struct entry *entry, int result, const struct err *e)
{
	if (result != 0)
		config_warning_add(r->reading.errors, &entry->key->at, "%s", e->text);
}

static void solver_read(struct reader *r, struct entry *entry, const char *what)
{
	int64_t port;
	struct err e = {0};

	entry_read_kind(r, entry, solver_kinds, what);
	if (entry->bad)
		return;
	if (str_equal(json_get_text(entry->read, "name"), "standalone") &&
	    !json_number(json_get(entry->read, "port"), &port))
		json_put_number(entry->read, "port", 80);
	if (json_get(entry->read, "command") == NULL)
		warn(r, entry, wishing_solver_check(entry->read, &e), &e);
}

/* Once for each certificate, or once for all that are deployed together. */
static void exec_judge(struct reader *r, struct entry *entry, const char *what)
{
	const struct node *reload = node_get(entry->value, "reload");
	bool both = reload != NULL && node_get(entry->value, "command") != NULL;

	if (both)
		config_error_add(r->reading.errors, &reload->at,
				 "%s has \"command\" and \"reload\": leave out one of them", what);
	else if (reload == NULL && node_get(entry->value, "command") == NULL)
		config_error_add(r->reading.errors, &entry->value->at,
				 "%s has neither \"command\" nor \"reload\"", what);
	else
		return;
	entry->bad = true;
}

/* It stands for all of them, so no certificate's name can be in it. */
static void reload_judge(struct reader *r, struct entry *entry, const char *what)
{
	if (!folders_named(entry->read, "reload"))
		return;
	config_error_add(r->reading.errors, &node_get(entry->value, "reload")->at,
			 "%s: \"reload\" is run once for all certificates, so there is no {name} "
			 "in it; \"command\" is run for each",
			 what);
	entry->bad = true;
}

static void deployer_read(struct reader *r, struct entry *entry, const char *what)
{
	struct deployer_task task = {.certificate = "NAME", .key_fd = -1};
	const struct deployer_ops *ops;
	struct err e = {0};

	entry_read_kind(r, entry, deployer_kinds, what);
	if (str_equal(json_get_text(entry->read, "name"), "exec"))
		exec_judge(r, entry, what);
	if (!entry->bad)
		reload_judge(r, entry, what);
	if (entry->bad)
		return;
	ops = wire_deployer(json_get_text(entry->read, "name"));
	task.settings = entry->read;
	if (ops->room != NULL && !folders_named(entry->read, "directory"))
		warn(r, entry, ops->room(&task, &e), &e);
}

/* --- accounts --- */

static void account_keep(struct config *c, const struct entry *entry)
{
	const struct json *j = entry->read;
	struct config_account *a;

	c->accounts = mem_grow(c->accounts, c->account_count + 1, sizeof(c->accounts[0]));
	a = &c->accounts[c->account_count++];
	*a = (struct config_account){
		.name = mem_str(entry->key->text),
		.server = mem_str(json_get_text(j, "server")),
		.agree_tos = json_flag(json_get(j, "agree-tos")),
		.ca_bundle = mem_str(json_get_text(j, "ca-bundle")),
		.proxy = mem_str(json_get_text(j, "proxy")),
		.key = mem_str(json_get_text(j, "key")),
		.eab_kid = mem_str(json_get_text(json_get(j, "eab"), "kid")),
		.eab_hmac_key = mem_str(json_get_text(json_get(j, "eab"), "hmac-key")),
		.at = entry->key->at,
	};
	reader_texts(json_get(j, "contact"), &a->contact);
}

static void account_read(struct reader *r, struct entry *entry, const char *what)
{
	bool good;

	entry->read = schema_read(&r->reading, entry->value, what, account_keys, &good);
	entry->bad = entry->bad || !good;
	if (!entry->bad)
		account_keep(r->config, entry);
}

/* --- defaults --- */

/* A reference that leads nowhere is complained about here, once, and not at each certificate. */
static void defaults_resolve(struct reader *r, const struct section *s, const char *key)
{
	const struct node *v = node_get(r->defaults.value, key);
	const struct json *read = json_get(r->defaults_read, key);
	bool good = true;

	for (size_t i = 0; read != NULL && i < (json_is_list(read) ? json_count(read) : 1); i++) {
		const char *name = json_text(json_is_list(read) ? json_at(read, i) : read);

		if (section_find(s, name) != NULL)
			continue;
		section_complain(r, s, name, v->kind == NODE_LIST ? &v->items[i]->at : &v->at);
		good = false;
	}
	if (!good)
		strlist_add(&r->defaults_bad, key);
}

static void defaults_read(struct reader *r)
{
	const struct node *v = r->defaults.value;
	size_t known = 0;
	bool good;

	if (v == NULL) {
		r->defaults_read = json_new_map();
		if (r->defaults_lost)
			r->defaults_unclear = "may rest on \"defaults\" that could not be read";
		return;
	}
	r->defaults_read = schema_read(&r->reading, v, "\"defaults\"", defaults_keys, &good);
	for (const struct schema_key *k = defaults_keys; k->name != NULL; k++) {
		known += node_get(v, k->name) != NULL;
		if (node_get(v, k->name) != NULL && json_get(r->defaults_read, k->name) == NULL)
			strlist_add(&r->defaults_bad, k->name);
	}
	if (v->kind != NODE_MAP || known != v->count)
		r->defaults_unclear = "rests on \"defaults\", which has an error";
	defaults_resolve(r, &r->accounts, "account");
	defaults_resolve(r, &r->solvers, "solver");
	defaults_resolve(r, &r->deployers, "deploy");
}

/* --- all of them --- */

void reader_texts(const struct json *list, struct strlist *texts)
{
	for (size_t i = 0; i < json_count(list); i++)
		strlist_add(texts, json_text(json_at(list, i)));
}

static void show_single(struct reader *r, const struct single *s, const struct json *read)
{
	if (s->key != NULL)
		json_put(r->config->effective, s->key->text, json_clone(read));
}

void reader_read_singles(struct reader *r)
{
	struct config *c = r->config;
	AUTO_JSON struct json *notify = NULL;
	AUTO_JSON struct json *metrics = NULL;
	AUTO_JSON struct json *log = NULL;
	bool good;

	if (r->notify.value != NULL)
		notify =
			schema_read(&r->reading, r->notify.value, "\"notify\"", notify_keys, &good);
	if (r->metrics.value != NULL)
		metrics = schema_read(&r->reading, r->metrics.value, "\"metrics\"", metrics_keys,
				      &good);
	if (r->log.value != NULL)
		log = schema_read(&r->reading, r->log.value, "\"log\"", log_keys, &good);
	reader_texts(json_get(notify, "command"), &c->notify);
	c->metrics_listen = mem_str(json_get_text(metrics, "listen"));
	c->metrics_textfile = mem_str(json_get_text(metrics, "textfile"));
	c->log_format = mem_str(json_get_text(log, "format"));
	show_single(r, &r->notify, notify);
	show_single(r, &r->metrics, metrics);
	show_single(r, &r->log, log);
}

static void section_read(struct reader *r, struct section *s,
			 void (*read)(struct reader *r, struct entry *entry, const char *what))
{
	for (size_t i = 0; i < s->count; i++) {
		struct entry *entry = &s->entries[i];
		AUTO_FREE char *what = mem_printf("%s \"%s\"", s->what, entry->key->text);

		read(r, entry, what);
		if (!entry->bad)
			section_show(s, entry->key, entry->read);
	}
}

void reader_read_sections(struct reader *r)
{
	section_read(r, &r->accounts, account_read);
	section_read(r, &r->solvers, solver_read);
	section_read(r, &r->deployers, deployer_read);
	defaults_read(r);
}
