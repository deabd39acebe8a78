/* SPDX-License-Identifier: MIT
 *
 * frame — what travels over the control socket: a length (4 bytes, big-endian) and as many bytes
 * of JSON, an object with "version" 1. Both sides hold the same limits.
 */
#ifndef AGENT_FRAME_H
#define AGENT_FRAME_H

#include "base/buf.h"
#include "base/json.h"

#define FRAME_VERSION 1
#define FRAME_HEADER  4
#define FRAME_MAX     65536 /* bytes of JSON */

enum frame_state {
	FRAME_INCOMPLETE = 0, /* more bytes may make it one */
	FRAME_COMPLETE,
	FRAME_BAD, /* it can never become one; e says why */
};

/* Judges what has arrived so far. *ret_json is the caller's when the frame is complete. */
enum frame_state frame_parse(const char *data, size_t len, struct json **ret_json, struct err *e);

/* Adds the frame of j. -1: it is too long; nothing was added. */
int frame_add(struct buf *b, const struct json *j);

/* {"version":1}, to be filled. The caller's. */
struct json *frame_new(void);

#endif
