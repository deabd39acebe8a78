/* SPDX-License-Identifier: MIT
 *
 * fields — members of the CA's JSON objects, read under the rules that all of them share: URLs
 * are https, times are RFC 3339, status texts are known, identifiers are canonical. Private to
 * acme/.
 */
#ifndef ACME_FIELDS_H
#define ACME_FIELDS_H

#include "acme/types.h"
#include "base/json.h"

/* A whole body as one JSON object of at most ACME_MAX_JSON bytes. *ret_json is the caller's. */
int fields_body(const char *body, size_t len, struct json **ret_json, struct err *e);

/* A URL that has to be there; and one that may be absent (then *ret_url stays as it is). */
int fields_url(const struct json *v, const char *key, char **ret_url, struct err *e);
int fields_url_optional(const struct json *v, const char *key, char **ret_url, struct err *e);

/* Adds a list of URLs that has to be there. */
int fields_url_list(const struct json *v, const char *key, size_t max, struct strlist *urls,
		    struct err *e);

#define FIELDS_STATUS(s) (1U << (s))

/* "status": one of the allowed bits. */
int fields_status(const struct json *v, unsigned allowed, enum acme_status *ret_status,
		  struct err *e);

/* The status a text names; ACME_UNKNOWN for NULL and any other text. */
enum acme_status fields_status_parse(const char *text);

/* "expires": Unix seconds; *ret_when stays as it is when absent. */
int fields_expires(const struct json *v, int64_t *ret_when, struct err *e);

/* {"type":…,"value":…} as canonical text; the type has to fit. *ret_name is the caller's. */
int fields_identifier(const struct json *v, char **ret_name, struct err *e);

/* The problem document in "error", or NULL (7.1.3, 8). The caller's. */
struct acme_problem *fields_error(const struct json *v);

#endif
