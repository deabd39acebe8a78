/* SPDX-License-Identifier: MIT
 *
 * config — see config.h: from a path to what it says.
 */
#include "agent/config/config.h"

#include "agent/config/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading --- */

static void section_clear(struct section *s)
{
	for (size_t i = 0; i < s->count; i++)
		json_free(s->entries[i].read);
	free(s->entries);
	json_free(s->shown);
}

static void reader_clear(struct reader *r)
{
	section_clear(&r->accounts);
	section_clear(&r->solvers);
	section_clear(&r->deployers);
	section_clear(&r->certificates);
	json_free(r->defaults_read);
	folders_clear(&r->folders);
	strlist_clear(&r->defaults_bad);
	for (size_t i = 0; i < r->root_count; i++)
		node_free(r->roots[i]);
	for (size_t i = 0; i < r->source_count; i++)
		free(r->sources[i].real);
	free(r->roots);
	free(r->sources);
}

static void show(struct config *c, struct section *s)
{
	if (s->shown != NULL)
		json_put(c->effective, s->name, TAKE(s->shown));
}

struct config *config_read(const char *path, unsigned flags, struct config_errors *errors)
{
	struct config *c = mem_new(sizeof(*c));
	struct reader r AUTO(reader_clear) = {
		.config = c,
		.reading = {.errors = errors, .secrets = (flags & CONFIG_SECRETS) != 0},
		.nodes = NODE_MAX_NODES,
		.accounts = {.name = "accounts", .what = "account"},
		.solvers = {.name = "solvers", .what = "solver"},
		.deployers = {.name = "deployers", .what = "deployer"},
		.certificates = {.name = "certificates", .what = "certificate"},
	};

	c->complete = true;
	c->effective = json_new_map();
	if (path != NULL)
		reader_load(&r, path);
	reader_read_sections(&r);
	reader_read_certificates(&r);
	show(c, &r.accounts);
	show(c, &r.solvers);
	show(c, &r.deployers);
	show(c, &r.certificates);
	reader_read_singles(&r);
	config_errors_sort(errors);
	return c;
}

/* --- what was read --- */

char *config_origin(const struct place *at)
{
	return mem_printf("%s:%d", at->file, at->line);
}

const struct config_account *config_account_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->account_count; i++)
		if (str_equal(c->accounts[i].name, name))
			return &c->accounts[i];
	return NULL;
}

const struct config_certificate *config_certificate_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->certificate_count; i++)
		if (str_equal(c->certificates[i].name, name))
			return &c->certificates[i];
	return NULL;
}

static void account_clear(struct config_account *a)
{
	free(a->name);
	free(a->server);
	strlist_clear(&a->contact);
	free(a->ca_bundle);
	free(a->proxy);
	free(a->key);
	free(a->eab_kid);
	free(a->eab_hmac_key);
}

void config_certificate_clear(struct config_certificate *c)
{
	free(c->name);
	strlist_clear(&c->names);
	strlist_clear(&c->optional);
	strlist_clear(&c->accounts);
	free(c->wish);
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->account_count; i++)
		account_clear(&c->accounts[i]);
	for (size_t i = 0; i < c->certificate_count; i++)
		config_certificate_clear(&c->certificates[i]);
	free(c->accounts);
	free(c->certificates);
	strlist_clear(&c->left);
	strlist_clear(&c->notify);
	free(c->metrics_listen);
	free(c->metrics_textfile);
	free(c->log_format);
	strlist_clear(&c->files);
	json_free(c->effective);
	free(c);
}

void auto_config(struct config **c)
{
	config_free(*c);
}
