/* SPDX-License-Identifier: MIT
 *
 * types — what the values of a configuration can be: each turns a node into JSON, or complains
 * about it at its place and yields NULL.
 *
 * A text is taken as it stands, quoted or not; only a flag and a port must not be quoted. Nothing
 * (`key:`) and a plain null are no text.
 */
#ifndef AGENT_CONFIG_TYPES_H
#define AGENT_CONFIG_TYPES_H

#include "agent/config/schema.h"

/* "a list", "a map", "null", "nothing" or "a text". */
const char *type_of(const struct node *v);

schema_type type_text, type_path, type_flag, type_port, type_address;
schema_type type_command;   /* a list of a program's full path and its arguments; a warning when
			     * it cannot be run */
schema_type type_hook;      /* the same, but it may be empty: none */
schema_type type_texts;     /* one text, or a list of them */
schema_type type_names;     /* one DNS name or IP address, or a list of them: canonical */
schema_type type_server;    /* the URL, also for a short name */
schema_type type_contacts;  /* one mail address, or a list */
schema_type type_bundle;    /* a path; a warning when it cannot be read */
schema_type type_reference; /* agent/config/secret.h */
schema_type type_key_kind;  /* its usual name, whatever was typed */
schema_type type_mode;
schema_type type_endpoint; /* HOST:PORT */
schema_type type_listen;   /* ADDRESS:PORT or unix:/path */
schema_type type_window;   /* agent/window.h */
schema_type type_format;   /* of the log */

/* One of the texts (NULL ends the list), which `want` puts into words. */
struct json *type_one_of(struct reading *r, const struct node *v, const char *want,
			 const char *const *texts);

#endif
