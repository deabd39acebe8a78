/* SPDX-License-Identifier: MIT
 *
 * json — the only door to jansson. A struct json is a json_t under another name.
 *
 * The library would build any tree that fits into memory, so one scan over the raw bytes enforces
 * our limits first. The scan need not understand bad syntax: it only must not
 * count less than the library would build.
 */
#include "base/json.h"

#include "base/buf.h"
#include "base/text.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* What the scan has seen so far. */
struct scan {
	size_t depth;
	size_t nodes;
	char previous; /* the last byte outside strings that is no white space */
};

static bool is_opening(char c)
{
	return c == '[' || c == '{';
}

static bool is_closing(char c)
{
	return c == ']' || c == '}';
}

/* Counts values: one for each comma and one for the first child of each container. Returns which
 * limit was passed, or NULL. */
static const char *scan_mark(struct scan *s, char c)
{
	if (is_opening(c))
		s->depth++;
	if (is_closing(c) && s->depth > 0)
		s->depth--;
	if (c == ',' || (is_opening(s->previous) && !is_closing(c)))
		s->nodes++;
	s->previous = c;
	if (s->depth > JSON_MAX_DEPTH)
		return "it is nested too deeply";
	return s->nodes > JSON_MAX_NODES ? "it has too many values" : NULL;
}

/* Moves *at from behind an opening quote to behind the closing one. False: too long. */
static bool skip_string(const char *data, size_t len, size_t *at)
{
	size_t start = *at;
	size_t i = start;

	while (i < len && data[i] != '"') {
		i += data[i] == '\\' ? 2 : 1;
		if (i - start > JSON_MAX_STRING)
			return false;
	}
	*at = i < len ? i + 1 : len; /* one that never ends is the library's to refuse */
	return true;
}

/* Which limit data passes, or NULL. */
static const char *passed_limit(const char *data, size_t len)
{
	struct scan s = {.nodes = 1}; /* the root */

	for (size_t at = 0; at < len;) {
		char c = data[at++];
		const char *passed;

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
			continue;
		passed = scan_mark(&s, c);
		if (passed != NULL)
			return passed;
		if (c == '"' && !skip_string(data, len, &at))
			return "it has a string that is too long";
	}
	return NULL;
}

static const json_t *library(const struct json *v)
{
	return (const json_t *)v;
}

int json_parse(const char *data, size_t len, struct json **ret_json, struct err *e)
{
	const char *passed = passed_limit(data, len);
	json_error_t why;
	json_t *v;

	if (passed != NULL)
		return err_set(e, ERR_PROTOCOL, "the JSON text is refused: %s", passed);
	v = json_loadb(data, len, JSON_REJECT_DUPLICATES, &why);
	if (v == NULL)
		return err_set(e, ERR_PROTOCOL,
			       "the JSON text is not valid: %s (line %d, column %d)", why.text,
			       why.line, why.column);
	*ret_json = (struct json *)v;
	return 0;
}

const struct json *json_get(const struct json *v, const char *key)
{
	return (const struct json *)json_object_get(library(v), key);
}

const char *json_text(const struct json *v)
{
	return json_string_value(library(v));
}

bool json_number(const struct json *v, int64_t *ret_number)
{
	if (!json_is_integer(library(v)))
		return false;
	*ret_number = json_integer_value(library(v));
	return true;
}

bool json_flag(const struct json *v)
{
	return json_is_true(library(v));
}

bool json_is_map(const struct json *v)
{
	return json_is_object(library(v));
}

bool json_is_list(const struct json *v)
{
	return json_is_array(library(v));
}

size_t json_count(const struct json *v)
{
	return json_array_size(library(v));
}

const struct json *json_at(const struct json *v, size_t index)
{
	return (const struct json *)json_array_get(library(v), index);
}

const char *json_get_text(const struct json *v, const char *key)
{
	return json_text(json_get(v, key));
}

void json_each(const struct json *v, void (*visit)(void *arg, const char *key, const struct json *),
	       void *arg)
{
	json_t *map = (json_t *)v; /* the library's iterator could change it; ours does not */

	for (void *i = json_object_iter(map); i != NULL; i = json_object_iter_next(map, i))
		visit(arg, json_object_iter_key(i), (const struct json *)json_object_iter_value(i));
}

/* The library fails here only without memory (mem.h) or by our own bug. */
static struct json *built(json_t *v)
{
	if (v == NULL)
		abort();
	return (struct json *)v;
}

/* A copy in which each byte that is no part of well-formed UTF-8 became U+FFFD. */
static char *valid_text(const char *text)
{
	size_t len = strlen(text);
	struct buf valid;

	buf_init(&valid, SIZE_MAX);
	for (size_t at = 0; at < len;) {
		uint32_t code_point;
		size_t taken = text_character(text + at, len - at, &code_point);

		if (taken > 0)
			buf_add(&valid, text + at, taken);
		else
			buf_add_text(&valid, REPLACEMENT);
		at += taken > 0 ? taken : 1;
	}
	return buf_take(&valid);
}

struct json *json_new_map(void)
{
	return built(json_object());
}

struct json *json_new_list(void)
{
	return built(json_array());
}

struct json *json_new_text(const char *text)
{
	AUTO_FREE char *valid = NULL;

	if (text == NULL)
		return built(json_null());
	valid = valid_text(text);
	return built(json_string(valid));
}

struct json *json_new_number(int64_t number)
{
	return built(json_integer(number));
}

struct json *json_new_flag(bool flag)
{
	return built(json_boolean(flag));
}

struct json *json_clone(const struct json *v)
{
	return v != NULL ? built(json_deep_copy(library(v))) : NULL;
}

void json_put(struct json *map, const char *key, struct json *value)
{
	AUTO_FREE char *valid = valid_text(key);

	assert(json_is_map(map) && value != NULL);
	if (json_object_set_new((json_t *)map, valid, (json_t *)value) != 0)
		abort();
}

void json_put_text(struct json *map, const char *key, const char *text)
{
	json_put(map, key, json_new_text(text));
}

void json_put_number(struct json *map, const char *key, int64_t number)
{
	json_put(map, key, json_new_number(number));
}

void json_put_flag(struct json *map, const char *key, bool flag)
{
	json_put(map, key, json_new_flag(flag));
}

void json_add(struct json *list, struct json *value)
{
	assert(json_is_list(list) && value != NULL);
	if (json_array_append_new((json_t *)list, (json_t *)value) != 0)
		abort();
}

void json_add_text(struct json *list, const char *text)
{
	json_add(list, json_new_text(text));
}

char *json_print(const struct json *v, bool indented)
{
	size_t layout = indented ? JSON_INDENT(2) : JSON_COMPACT;
	char *text = json_dumps(library(v), JSON_ENCODE_ANY | layout);

	if (text == NULL)
		abort();
	return text;
}

void json_free(struct json *v)
{
	json_decref((json_t *)v);
}

void auto_json(struct json **v)
{
	json_free(*v);
}
