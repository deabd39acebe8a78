/* SPDX-License-Identifier: MIT
 *
 * stream — JSON on stdout that is printed while it is made, so that a list of very many costs the
 * memory of one. What comes out is the same text as that of a tree (json_print, indented).
 *
 *     struct stream s = {0};
 *     stream_begin(&s);                      {"schema":1
 *     stream_open(&s, "certificates", '[');  ,"certificates":[
 *     stream_put(&s, NULL, report_json(r));  {…}, for each
 *     stream_end(&s);                        ]}
 *
 * Who fails halfway leaves it without its end: no reader takes that for the whole.
 */
#ifndef AGENT_STREAM_H
#define AGENT_STREAM_H

#include "base/json.h"

#define STREAM_DEPTH 8

struct stream {
	char closes[STREAM_DEPTH]; /* of what is open */
	size_t depth;
	bool filled; /* the innermost has something in it */
};

/* Begins the map that every answer is, with its "schema". */
void stream_begin(struct stream *s);

/* A map '{' or a list '[' in what is open; key NULL in a list. */
void stream_open(struct stream *s, const char *key, char bracket);
void stream_close(struct stream *s);

/* A value in what is open. Takes it. */
void stream_put(struct stream *s, const char *key, struct json *value);

/* Closes all that is open, and the line. */
void stream_end(struct stream *s);

#endif
