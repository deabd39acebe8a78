/* SPDX-License-Identifier: MIT
 *
 * reader — what the files of agent/config/ share while a configuration is read. For nobody else.
 *
 * files.c fills the sections with what stands in the files; sections.c reads everything but the
 * certificates; certificates.c puts the certificates together.
 */
#ifndef AGENT_CONFIG_READER_H
#define AGENT_CONFIG_READER_H

#include "agent/config/config.h"
#include "agent/config/node.h"
#include "agent/config/schema.h"
#include "agent/folders.h"

/* NAME: … of a section. */
struct entry {
	const struct node *key, *value;
	struct json *read; /* as of its schema; NULL until it was read */
	bool bad;          /* what rests on it cannot be used */
};

struct section {
	const char *name;   /* "solvers" */
	const char *what;   /* "solver" */
	struct json *shown; /* for config->effective: {NAME: value}; NULL: nothing */
	struct entry *entries;
	size_t count;
};

/* A section that is given once. */
struct single {
	const struct node *key, *value; /* NULL: not given */
};

/* A file that was read. */
struct source {
	char *real;        /* without links: it is the same file however it is called */
	struct place from; /* where it is included; file NULL: the first one */
};

struct reader {
	struct config *config;
	struct reading reading;
	size_t nodes; /* how many more there may be */
	struct node **roots;
	struct source *sources;
	size_t root_count, source_count;
	struct section accounts, solvers, deployers, certificates;
	struct folders folders; /* of the certificates */
	struct single defaults, notify, metrics, log;
	struct json *defaults_read;
	struct strlist defaults_bad;  /* keys of defaults that cannot be used */
	const char *defaults_unclear; /* why none of it can be used, and so no certificate that may
				       * rest on it; static, NULL: it can */
	bool defaults_lost;           /* defaults may stand where nothing could be read */
};

/* files.c: reads a file and what it includes into the sections. */
void reader_load(struct reader *r, const char *path);

/* sections.c: what has names, and the defaults; and what is given once */
void reader_read_sections(struct reader *r);
void reader_read_singles(struct reader *r);

/* certificates.c, after the sections */
void reader_read_certificates(struct reader *r);

/* NULL: there is none. */
struct entry *section_find(const struct section *s, const char *name);

/* config.c */
void config_certificate_clear(struct config_certificate *c);

/* Complains that there is no entry of that name. */
void section_complain(struct reader *r, const struct section *s, const char *name,
		      const struct place *at);

/* Adds value, with its "origin", to what is shown of the section. */
void section_show(struct section *s, const struct node *key, const struct json *value);

/* The texts of a list. */
void reader_texts(const struct json *list, struct strlist *texts);

#endif
