/* SPDX-License-Identifier: MIT
 *
 * files — the files of a configuration and what stands on their first two levels: sections and
 * names. Who may write to a file of these decides which programs run with our rights, so it is
 * judged like a program (hooks/program.h).
 */
#include "agent/config/reader.h"
#include "agent/config/types.h"
#include "agent/wishing.h"
#include "base/file.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_DEPTH 4
#define FORBIDDEN (S_IWGRP | S_IWOTH)

static void load(struct reader *r, const char *path, int depth, const struct place *from);

/* --- entries --- */

struct entry *section_find(const struct section *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (str_equal(s->entries[i].key->text, name))
			return &s->entries[i];
	return NULL;
}

void section_complain(struct reader *r, const struct section *s, const char *name,
		      const struct place *at)
{
	struct strlist known AUTO_STRLIST = {0};
	AUTO_FREE char *suggestion = NULL;

	for (size_t i = 0; i < s->count; i++)
		strlist_add(&known, s->entries[i].key->text);
	suggestion = config_suggestion(name, &known);
	config_error_add(r->reading.errors, at, "there is no %s \"%s\"%s", s->what, name,
			 suggestion);
}

/* Of two that are called the same nobody knows which is meant: neither is used. */
static void entry_add(struct reader *r, struct section *s, const struct node *key,
		      const struct node *value)
{
	struct entry *first = section_find(s, key->text);
	bool good = wishing_handle_ok(key->text);

	if (first != NULL) {
		first->bad = true;
		config_error_add(r->reading.errors, &key->at,
				 "%s \"%s\" is defined a second time: first at %s:%d:%d", s->what,
				 key->text, first->key->at.file, first->key->at.line,
				 first->key->at.column);
		return;
	}
	if (!good)
		config_error_add(r->reading.errors, &key->at,
				 "\"%s\" cannot be the name of %s %s: use 1 to 64 of a-z, 0-9, "
				 "\".\", \"_\", \"-\", beginning with a letter or digit",
				 key->text, strchr("aeiou", s->what[0]) != NULL ? "an" : "a",
				 s->what);
	s->entries = mem_grow(s->entries, s->count + 1, sizeof(s->entries[0]));
	s->entries[s->count++] = (struct entry){.key = key, .value = value, .bad = !good};
}

static void section_refuse(struct reader *r, const struct node *key, const struct node *value)
{
	config_error_add(r->reading.errors, &value->at, "\"%s\" has to be a map of names, not %s",
			 key->text, type_of(value));
	r->config->complete = false;
}

static void section_add(struct reader *r, struct section *s, const struct node *key,
			const struct node *value)
{
	if (value->kind != NODE_MAP && !node_is_empty(value))
		section_refuse(r, key, value);
	for (size_t i = 0; value->kind == NODE_MAP && i < value->count; i++)
		entry_add(r, s, value->keys[i], value->items[i]);
}

static const char defaults_twice[] = "rests on \"defaults\", which is given twice";

static void single_add(struct reader *r, struct single *s, const struct node *key,
		       const struct node *value)
{
	if (s->key == NULL) {
		if (!node_is_empty(value))
			*s = (struct single){key, value};
		return;
	}
	config_error_add(r->reading.errors, &key->at,
			 "\"%s\" is given a second time: first at %s:%d:%d", key->text,
			 s->key->at.file, s->key->at.line, s->key->at.column);
	if (s == &r->defaults)
		r->defaults_unclear = defaults_twice;
}

/* --- include --- */

/* What stands in a file that cannot be read nobody knows. */
static void lose(struct reader *r, bool defaults)
{
	r->config->complete = false;
	r->defaults_lost = r->defaults_lost || defaults;
}

/* The pattern as seen from the folder of the file it stands in, whose own name is no pattern. */
static char *pattern_from(const char *file, const char *pattern)
{
	const char *slash = strrchr(file, '/');
	AUTO_FREE char *folder = NULL;
	char *to;

	if (pattern[0] == '/' || slash == NULL)
		return mem_str(pattern);
	folder = mem_new(2 * (size_t)(slash - file) + 1);
	to = folder;
	for (const char *p = file; p < slash; p++) {
		if (strchr("*?[\\", *p) != NULL)
			*to++ = '\\';
		*to++ = *p;
	}
	return mem_printf("%s/%s", folder, pattern);
}

/* A folder that is not there has no matches; one that cannot be read may have some. */
static int folder_unreadable(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

static void include_one(struct reader *r, const struct node *v, int depth)
{
	AUTO_FREE char *pattern = NULL;
	glob_t found = {0};
	int result;

	if (node_is_empty(v))
		return;
	if (v->kind != NODE_TEXT || v->text[0] == '\0') {
		lose(r, true);
		config_error_add(r->reading.errors, &v->at,
				 "\"include\" has to be a path, or a list of paths, not %s",
				 type_of(v));
		return;
	}
	pattern = pattern_from(v->at.file, v->text);
	result = glob(pattern, 0, folder_unreadable, &found);
	if (result == GLOB_NOMATCH && strpbrk(v->text, "*?[") == NULL)
		config_error_add(r->reading.errors, &v->at, "there is no file %s", pattern);
	else if (result != 0 && result != GLOB_NOMATCH)
		config_error_add(r->reading.errors, &v->at, "cannot look for %s", pattern);
	if (result != 0 && (result != GLOB_NOMATCH || strpbrk(v->text, "*?[") == NULL))
		lose(r, true);
	for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
		load(r, found.gl_pathv[i], depth + 1, &v->at);
	globfree(&found);
}

static void include(struct reader *r, const struct node *v, int depth)
{
	for (size_t i = 0; v->kind == NODE_LIST && i < v->count; i++)
		include_one(r, v->items[i], depth);
	if (v->kind != NODE_LIST)
		include_one(r, v, depth);
}

/* --- a file --- */

/* A key of the first level, and where what stands below it goes. */
struct top {
	const char *name;
	size_t offset; /* in struct reader */
	bool once;
};

static const struct top tops[] = {
	{"accounts", offsetof(struct reader, accounts), false},
	{"solvers", offsetof(struct reader, solvers), false},
	{"deployers", offsetof(struct reader, deployers), false},
	{"certificates", offsetof(struct reader, certificates), false},
	{"defaults", offsetof(struct reader, defaults), true},
	{"notify", offsetof(struct reader, notify), true},
	{"metrics", offsetof(struct reader, metrics), true},
	{"log", offsetof(struct reader, log), true},
};

static void top_unknown(struct reader *r, const struct node *key)
{
	struct strlist known AUTO_STRLIST = {0};
	AUTO_FREE char *suggestion = NULL;

	strlist_add(&known, "include");
	for (size_t i = 0; i < COUNT_OF(tops); i++)
		strlist_add(&known, tops[i].name);
	suggestion = config_suggestion(key->text, &known);
	config_error_add(r->reading.errors, &key->at, "\"%s\" is no section of a configuration%s",
			 key->text, suggestion);
	r->config->complete = false; /* were they the certificates? */
	if (strstr(suggestion, "\"defaults\"") != NULL)
		r->defaults_lost = true;
}

static void top_add(struct reader *r, const struct node *key, const struct node *value, int depth)
{
	if (str_equal(key->text, "include")) {
		include(r, value, depth);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(tops); i++) {
		void *field = (char *)r + tops[i].offset;

		if (!str_equal(tops[i].name, key->text))
			continue;
		if (tops[i].once)
			single_add(r, field, key, value);
		else
			section_add(r, field, key, value);
		return;
	}
	top_unknown(r, key);
}

static void top_repeated(struct reader *r, const struct node *key, const struct node *root)
{
	size_t first = 0;

	while (!str_equal(root->keys[first]->text, key->text))
		first++;
	config_error_add(r->reading.errors, &key->at,
			 "\"%s\" stands here a second time: first in line %d", key->text,
			 root->keys[first]->at.line);
	r->config->complete = false; /* what stands below it is not read */
	if (str_equal(key->text, "defaults"))
		r->defaults_unclear = defaults_twice;
}

/* False: it was read before, or cannot be. at: where it is complained about. */
static bool source_add(struct reader *r, const char *path, const struct place *from)
{
	AUTO_FREE char *real = realpath(path, NULL);

	for (size_t i = 0; real != NULL && i < r->source_count; i++) {
		const struct place *first = &r->sources[i].from;

		if (!str_equal(r->sources[i].real, real))
			continue;
		if (first->file == NULL)
			config_error_add(r->reading.errors, from,
					 "%s is the file with which everything begins", path);
		else
			config_error_add(r->reading.errors, from,
					 "%s is included a second time: first at %s:%d:%d", path,
					 first->file, first->line, first->column);
		return false;
	}
	r->sources = mem_grow(r->sources, r->source_count + 1, sizeof(r->sources[0]));
	r->sources[r->source_count++] = (struct source){
		.real = real != NULL ? TAKE(real) : mem_str(path),
		.from = from != NULL ? *from : (struct place){0},
	};
	return true;
}

/* NULL after a complaint: at the place that includes it, or, without one, at the file. */
static struct node *parse(struct reader *r, const struct place *file, const struct place *from)
{
	struct buf text AUTO_BUF = {0};
	struct node *root;
	struct err e = {0};

	buf_init(&text, NODE_MAX_BYTES);
	if (file_read_judged(file->file, FORBIDDEN, &text, &e) != 0) {
		config_error_add(r->reading.errors, from != NULL ? from : file, "%s", e.text);
		lose(r, true);
		return NULL;
	}
	root = node_parse(text.data, text.len, file, &r->nodes, r->reading.errors);
	if (root == NULL)
		lose(r, memmem(text.data, text.len, "defaults", 8) != NULL);
	return root;
}

static void load(struct reader *r, const char *path, int depth, const struct place *from)
{
	struct place file = {.order = r->config->files.count};
	struct node *root;

	if (depth > MAX_DEPTH) {
		config_error_add(r->reading.errors, from,
				 "files include files more than %d times over", MAX_DEPTH);
		lose(r, true);
		return;
	}
	if (!source_add(r, path, from))
		return;
	strlist_add(&r->config->files, path);
	file.file = r->config->files.items[file.order];
	root = parse(r, &file, from);
	if (root == NULL)
		return;
	r->roots = mem_grow(r->roots, r->root_count + 1, sizeof(struct node *));
	r->roots[r->root_count++] = root;
	if (root->kind != NODE_MAP && !node_is_empty(root)) {
		config_error_add(r->reading.errors, &root->at,
				 "a configuration has to be a map of sections, not %s",
				 type_of(root));
		r->config->complete = false;
	}
	for (size_t i = 0; root->kind == NODE_MAP && i < root->count; i++)
		if (node_get(root, root->keys[i]->text) == root->items[i])
			top_add(r, root->keys[i], root->items[i], depth);
		else
			top_repeated(r, root->keys[i], root);
}

void reader_load(struct reader *r, const char *path)
{
	load(r, path, 0, NULL);
}
