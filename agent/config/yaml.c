/* SPDX-License-Identifier: MIT
 *
 * yaml — the only door to libyaml: node_parse. It takes events, not libyaml's documents, so that
 * our limits hold before anything is built, and nothing is ever expanded.
 */
#include "agent/config/node.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define CORE "tag:yaml.org,2002:"

static const char no_alias[] =
	"aliases (*) are not used here: write it out, in quotes if it begins with *";

struct parsing {
	yaml_parser_t yaml;
	yaml_event_t event; /* the present one */
	const char *text;
	size_t len;
	const struct place *file;
	size_t *nodes;
	struct config_errors *errors;
	bool refused; /* something was complained about, but reading can go on */
};

static struct place place_of(const struct parsing *p, const yaml_mark_t *mark)
{
	struct place at = *p->file;

	at.line = (int)mark->line + 1;
	at.column = (int)mark->column + 1;
	return at;
}

static void refuse(struct parsing *p, const char *why)
{
	struct place at = place_of(p, &p->event.start_mark);

	config_error_add(p->errors, &at, "%s", why);
	p->refused = true;
}

/* --- syntax --- */

/* Where libyaml tells only how many bytes it has read. */
static struct place place_of_offset(const struct parsing *p, size_t offset)
{
	struct place at = *p->file;

	at.line = at.column = 1;
	for (size_t i = 0; i < offset && i < p->len; i++) {
		if (p->text[i] == '\n') {
			at.line++;
			at.column = 1;
		} else if (((unsigned char)p->text[i] & 0xc0) != 0x80) {
			at.column++;
		}
	}
	return at;
}

/* What stands at a mark, which counts characters and not bytes; NUL at the end. */
static char character_at(const struct parsing *p, const yaml_mark_t *mark)
{
	size_t left = mark->index;

	for (size_t i = 0; i < p->len; i++)
		if (((unsigned char)p->text[i] & 0xc0) != 0x80 && left-- == 0)
			return p->text[i];
	return '\0';
}

static void complain_syntax(struct parsing *p)
{
	const yaml_parser_t *y = &p->yaml;
	struct place at = place_of(p, &y->problem_mark);
	struct place from = place_of(p, &y->context_mark);
	const char *problem = y->problem != NULL ? y->problem : "it cannot be read";

	if (y->error == YAML_READER_ERROR) {
		at = place_of_offset(p, y->problem_offset);
		config_error_add(p->errors, &at, "this is not UTF-8 text: %s", problem);
	} else if (character_at(p, &y->problem_mark) == '\t') {
		config_error_add(p->errors, &at, "a tab: YAML is indented by spaces");
	} else if (y->context != NULL && character_at(p, &y->context_mark) == '*') {
		config_error_add(p->errors, &from, "%s", no_alias);
	} else if (y->context != NULL) {
		config_error_add(p->errors, &at, "this is not YAML: %s, %s from %d:%d on", problem,
				 y->context, from.line, from.column);
	} else {
		config_error_add(p->errors, &at, "this is not YAML: %s", problem);
	}
}

/* The next event; false: none, and that was complained about. */
static bool next(struct parsing *p)
{
	yaml_event_delete(&p->event);
	if (yaml_parser_parse(&p->yaml, &p->event) == 1)
		return true;
	if (p->yaml.error == YAML_MEMORY_ERROR)
		abort(); /* base/mem.h */
	complain_syntax(p);
	return false;
}

/* --- nodes --- */

static void check_extras(struct parsing *p, const yaml_char_t *anchor, const yaml_char_t *tag,
			 const char *core)
{
	if (anchor != NULL)
		refuse(p, "anchors (&) are not used here: write it out where it is needed");
	if (tag != NULL && !str_equal((const char *)tag, core))
		refuse(p, "tags (!) are not used here: leave it out");
}

static struct node *node_new(struct parsing *p, enum node_kind kind)
{
	struct node *n;

	if (*p->nodes == 0) {
		refuse(p, "the configuration is too large: it has more than 100000 values");
		return NULL;
	}
	--*p->nodes;
	n = mem_new(sizeof(*n));
	n->kind = kind;
	n->at = place_of(p, &p->event.start_mark);
	return n;
}

static void node_add(struct node *parent, struct node *key, struct node *value)
{
	parent->items = mem_grow(parent->items, parent->count + 1, sizeof(parent->items[0]));
	parent->items[parent->count] = value;
	if (parent->kind == NODE_MAP) {
		parent->keys = mem_grow(parent->keys, parent->count + 1, sizeof(parent->keys[0]));
		parent->keys[parent->count] = key;
	}
	parent->count++;
}

static struct node *scalar(struct parsing *p)
{
	const char *text = (const char *)p->event.data.scalar.value;
	size_t len = p->event.data.scalar.length;
	struct node *n = node_new(p, NODE_TEXT);

	if (n == NULL)
		return NULL;
	check_extras(p, p->event.data.scalar.anchor, p->event.data.scalar.tag, CORE "str");
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < 0x20 && text[i] != '\n' && text[i] != '\t') ||
		    text[i] == 0x7f) {
			refuse(p, "a control character has no place in a text");
			break;
		}
	n->text = mem_strn(text, len);
	n->quoted = p->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
		    p->event.data.scalar.tag != NULL;
	return n;
}

static struct node *value(struct parsing *p, int depth);

static struct node *list(struct parsing *p, int depth)
{
	AUTO_NODE struct node *n = node_new(p, NODE_LIST);

	if (n == NULL)
		return NULL;
	check_extras(p, p->event.data.sequence_start.anchor, p->event.data.sequence_start.tag,
		     CORE "seq");
	for (;;) {
		struct node *item;

		if (!next(p))
			return NULL;
		if (p->event.type == YAML_SEQUENCE_END_EVENT)
			return TAKE(n);
		item = value(p, depth + 1);
		if (item == NULL)
			return NULL;
		node_add(n, NULL, item);
	}
}

static struct node *map(struct parsing *p, int depth)
{
	AUTO_NODE struct node *n = node_new(p, NODE_MAP);

	if (n == NULL)
		return NULL;
	check_extras(p, p->event.data.mapping_start.anchor, p->event.data.mapping_start.tag,
		     CORE "map");
	for (;;) {
		AUTO_NODE struct node *key = NULL;
		struct node *item;

		if (!next(p))
			return NULL;
		if (p->event.type == YAML_MAPPING_END_EVENT)
			return TAKE(n);
		if (p->event.type != YAML_SCALAR_EVENT && p->event.type != YAML_ALIAS_EVENT) {
			refuse(p, "a key has to be a text");
			return NULL;
		}
		key = value(p, depth + 1);
		if (key == NULL || !next(p))
			return NULL;
		item = value(p, depth + 1);
		if (item == NULL)
			return NULL;
		node_add(n, TAKE(key), item);
	}
}

/* NULL: reading cannot go on. */
static struct node *value(struct parsing *p, int depth)
{
	struct node *n;

	if (depth > NODE_MAX_DEPTH) {
		refuse(p, "this is nested too deeply: more than 32 levels");
		return NULL;
	}
	if (p->event.type == YAML_SEQUENCE_START_EVENT)
		return list(p, depth);
	if (p->event.type == YAML_MAPPING_START_EVENT)
		return map(p, depth);
	if (p->event.type == YAML_SCALAR_EVENT)
		return scalar(p);
	refuse(p, no_alias);
	n = node_new(p, NODE_TEXT);
	if (n != NULL)
		n->text = mem_str("");
	return n;
}

static struct node *document(struct parsing *p)
{
	AUTO_NODE struct node *root = NULL;

	if (!next(p) || !next(p)) /* the stream begins, and a document */
		return NULL;
	if (p->event.type == YAML_STREAM_END_EVENT)
		return node_new(p, NODE_MAP);
	if (!next(p))
		return NULL;
	root = value(p, 1);
	if (root == NULL || !next(p) || !next(p))
		return NULL;
	if (p->event.type != YAML_STREAM_END_EVENT)
		refuse(p, "a second document begins here: a file is one document");
	return TAKE(root);
}

struct node *node_parse(const char *text, size_t len, const struct place *file, size_t *nodes,
			struct config_errors *errors)
{
	struct parsing p = {
		.text = text, .len = len, .file = file, .nodes = nodes, .errors = errors};
	struct node *root;

	if (yaml_parser_initialize(&p.yaml) != 1)
		abort(); /* base/mem.h */
	yaml_parser_set_encoding(&p.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p.yaml, (const unsigned char *)text, len);
	root = document(&p);
	yaml_event_delete(&p.event);
	yaml_parser_delete(&p.yaml);
	if (root != NULL && p.refused) {
		node_free(root);
		return NULL;
	}
	return root;
}
