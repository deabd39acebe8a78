/* SPDX-License-Identifier: MIT
 *
 * listener_metrics — a page for Prometheus on a unix socket or a port of loopback, and nothing
 * else. It keeps at most LISTENER_METRICS_CONNECTIONS, each for LISTENER_METRICS_MS in all.
 */
#ifndef AGENT_LISTENER_METRICS_H
#define AGENT_LISTENER_METRICS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

#define LISTENER_METRICS_CONNECTIONS 16
#define LISTENER_METRICS_MS          5000
#define LISTENER_METRICS_REQUEST     8192 /* bytes of a request, all headers included */

struct listener_metrics;

struct listener_metrics_config {
	/* "unix:PATH" (absolute; the socket gets mode 0660), "127.0.0.1:PORT", "[::1]:PORT". */
	const char *address;
	/* Appends the page. Called from the loop. */
	int (*page)(void *arg, struct buf *out, struct err *e);
	void *arg;
};

/* ERR_CONFIG: the address is none of those, or cannot be used. A socket that nobody listens on any
 * more is replaced. */
int listener_metrics_open(struct loop *l, const struct listener_metrics_config *config,
			  struct listener_metrics **ret_listener, struct err *e);

/* How many connections are open now. */
size_t listener_metrics_count(const struct listener_metrics *s);

/* NULL is fine. The unix socket is removed. */
void listener_metrics_free(struct listener_metrics *s);

#endif
