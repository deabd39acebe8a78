/* SPDX-License-Identifier: MIT
 *
 * listener_http01 — the web server that answers http-01 validations, and nothing else (RFC 8555
 * 8.3).
 *
 * It reads no store: the answer to a token is the file of that name in a directory (STATE/answers),
 * so every listener of one state directory can answer for all its processes. Whatever the Internet
 * sends, it keeps at most LISTENER_MAX_CONNECTIONS, each for LISTENER_MS in all; when there is no
 * room, who has waited longest without a whole request makes room, so that a CA always gets in.
 *
 * It is the same in whatever process and on whatever loop it runs (agent/responder.h).
 */
#ifndef AGENT_LISTENER_HTTP01_H
#define AGENT_LISTENER_HTTP01_H

#include "base/err.h"
#include "base/loop.h"

#include <stddef.h>

#define LISTENER_MAX_CONNECTIONS                                                                   \
	512 /* several CAs' eyes on as many challenges as we have at once */
#define LISTENER_MS         5000
#define LISTENER_MAX_ANSWER 1024

struct listener;
struct listening;

struct listener_config {
	const struct listening *listening; /* whose sockets it accepts from; stay the caller's */
	int answers_fd;                    /* the directory; stays the caller's, and open */
	/* An answer has been written out to a GET: the CA has probably seen it, so now is the time
	 * to ask how it went. May free the listener. NULL: nobody wants to know. */
	void (*fetched)(void *arg, const char *token);
	void *arg;
};

/* The caller's. */
struct listener *listener_new(struct loop *l, const struct listener_config *config);

/* How many connections are open now. */
size_t listener_count(const struct listener *s);

/* Accepts no more and closes every connection. NULL is fine. */
void listener_free(struct listener *s);

#endif
