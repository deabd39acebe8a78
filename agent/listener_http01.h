/* SPDX-License-Identifier: MIT
 *
 * listener_http01 — the web server that answers http-01 validations, and nothing else (RFC 8555
 * 8.3).
 *
 * It reads no store: the answer to a token is the file of that name in a directory (STATE/answers),
 * so every listener of one state directory can answer for all its processes. Whatever the Internet
 * sends, it keeps at most LISTENER_MAX_CONNECTIONS, each for LISTENER_MS in all; when there is no
 * room, who has waited longest without a whole request makes room, so that a CA always gets in.
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

struct listener_config {
	const char *address; /* numeric, v4 or v6; NULL: any, both v4 and v6 */
	int port;            /* 0: one the system chooses (tests) */
	/* Sockets that listen already and stay their owner's; those of this port and address are
	 * used instead of binding. While no listener is open, who connects to them waits. */
	const int *passed; /* borrowed while listener_open runs */
	size_t passed_count;
	const char *answers_dir; /* has to exist; borrowed while listener_open runs */
	/* An answer has been written out to a GET: the CA has probably seen it, so now is the time
	 * to ask how it went. May free the listener. NULL: nobody wants to know. */
	void (*fetched)(void *arg, const char *token);
	void *arg;
};

/* *ret_listener is the caller's. ERR_BUSY: the port is taken (listener_port_holder tells by whom).
 * ERR_CONFIG: the port, address or directory cannot be used, and the operator has to change it.
 * A host without IPv6 is served by IPv4 alone. */
int listener_open(struct loop *l, const struct listener_config *config,
		  struct listener **ret_listener, struct err *e);

/* The port it listens on. */
int listener_port(const struct listener *s);

/* How many connections are open now. */
size_t listener_count(const struct listener *s);

/* Closes the sockets and every connection. NULL is fine. */
void listener_free(struct listener *s);

#endif
