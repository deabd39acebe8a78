/* SPDX-License-Identifier: MIT
 *
 * listening — the sockets of one port, open and waiting: bound here, or passed by a service
 * manager. Who accepts from them is another's affair (agent/listener_http01.h), perhaps in another
 * process.
 */
#ifndef AGENT_LISTENING_H
#define AGENT_LISTENING_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define LISTENING_MAX 2 /* v4 and v6 */

struct listening_config {
	const char *address; /* numeric, v4 or v6; NULL: any, both v4 and v6 */
	int port;            /* 0: one the system chooses (tests) */
	/* Sockets that listen already and stay their owner's; those of this port and address are
	 * used instead of binding. While nobody accepts, who connects to them waits. */
	const int *passed; /* borrowed */
	size_t passed_count;
};

struct listening {
	int fds[LISTENING_MAX]; /* -1: none; never block */
	int port;
	bool passed; /* copies of sockets that go on listening */
};

/* *ret is the caller's. ERR_BUSY: the port is taken (listener_port_holder tells by whom).
 * ERR_CONFIG: the port or address cannot be used, and the operator has to change it. A host without
 * IPv6 is served by IPv4 alone. */
int listening_open(const struct listening_config *config, struct listening *ret, struct err *e);

/* From here on the port is free for another everleaf, also while another process still has copies
 * of the sockets. */
void listening_close(struct listening *l);

#endif
