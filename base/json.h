/* SPDX-License-Identifier: MIT
 *
 * json — the only door to jansson.
 *
 * Reading: a value is parsed once with limits that hold before the library sees a byte, then
 * walked with const pointers that live as long as the root. Asking for the wrong type yields
 * NULL, 0 or false; whoever needs the difference asks json_get first.
 * Writing: values are built and printed; a value put into another belongs to it.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json;

/* What a CA may send. */
#define JSON_MAX_DEPTH  32
#define JSON_MAX_NODES  4096
#define JSON_MAX_STRING 8192

/* Parses one object or array that fills data. ERR_PROTOCOL for bad syntax, duplicate members, NUL
 * in a string, or any limit passed. *ret_json is the caller's (json_free). */
int json_parse(const char *data, size_t len, struct json **ret_json, struct err *e);

/* The member, or NULL when v is NULL, no object, or has none of that name. Borrowed. */
const struct json *json_get(const struct json *v, const char *key);

const char *json_text(const struct json *v);                 /* NULL: no string. Borrowed */
bool json_number(const struct json *v, int64_t *ret_number); /* false: no integer */
bool json_flag(const struct json *v);                        /* true only for JSON true */
bool json_is_map(const struct json *v);
bool json_is_list(const struct json *v);
size_t json_count(const struct json *v);                        /* of a list; else 0 */
const struct json *json_at(const struct json *v, size_t index); /* of a list, or NULL */

/* json_text of a member; NULL when it is absent or no string. */
const char *json_get_text(const struct json *v, const char *key);

/* Calls visit for each member of a map, in the order of the text. */
void json_each(const struct json *v, void (*visit)(void *arg, const char *key, const struct json *),
	       void *arg);

struct json *json_new_map(void);
struct json *json_new_list(void);
struct json *json_new_text(const char *text); /* NULL text becomes JSON null */
struct json *json_new_number(int64_t number);
struct json *json_new_flag(bool flag);

void json_put(struct json *map, const char *key, struct json *value); /* takes value */
void json_put_text(struct json *map, const char *key, const char *text);
void json_put_number(struct json *map, const char *key, int64_t number);
void json_put_flag(struct json *map, const char *key, bool flag);
void json_add(struct json *list, struct json *value); /* takes value */
void json_add_text(struct json *list, const char *text);

/* Compact text in insertion order, or indented by two for people. The caller frees it. Text that
 * is not UTF-8 was replaced byte by byte with U+FFFD when it was put. */
char *json_print(const struct json *v, bool indented);

/* A root of its own with the same values. NULL stays NULL. */
struct json *json_clone(const struct json *v);

void json_free(struct json *v); /* only roots */
void auto_json(struct json **v);
#define AUTO_JSON AUTO(auto_json)

#endif
