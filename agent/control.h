/* SPDX-License-Identifier: MIT
 *
 * control — the daemon's control socket (everleaf(1), FILES): one framed request of a local
 * process, one framed answer, and the connection is closed.
 *
 * Root and the daemon's own user may ask; others are told that they may not. Whatever arrives, it
 * keeps at most CONTROL_MAX_CLIENTS (more wait in the kernel's queue), each for CONTROL_MS in all.
 * No key and no secret is ever said here.
 */
#ifndef AGENT_CONTROL_H
#define AGENT_CONTROL_H

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONTROL_MAX_CLIENTS 32
#define CONTROL_MS          10000

struct control;

struct control_config {
	struct loop *loop; /* borrowed */
	const char *path;  /* where to bind it; borrowed while control_open runs */
	int passed_fd;     /* a listening socket that we were started with, to which path becomes a
			    * link; taken. -1: bind one */
	/* What is answered to {"do": verb}; an object from frame_new(), which control takes. NULL:
	 * there is no such verb. */
	struct json *(*answer)(void *arg, const char *verb);
	void *arg;
};

/* Opens the socket with mode 0600, in place of one that nobody answers any more. ERR_BUSY: another
 * daemon answers there. ERR_CONFIG: something else is there, or the path is too long. */
int control_open(const struct control_config *config, struct control **ret_control, struct err *e);

/* How many clients are connected now. */
size_t control_count(const struct control *c);

/* Closes everything; takes the socket away if it is still the one that was bound. NULL is fine. */
void control_free(struct control *c);

/* Whether a user may ask. */
bool control_may(uid_t uid);

/* --- the other side (agent/control_client.c) --- */

/* A socket connected to path. ERR_CONFIG when nobody answers there. */
int control_connect(const char *path, int *ret_fd, struct err *e);

/* Asks the daemon and waits at most CONTROL_MS for its answer, which is the caller's. ERR_CONFIG
 * when there is no daemon or it refuses, ERR_NET when it does not answer. */
int control_ask(const char *path, const char *verb, struct json **ret_answer, struct err *e);

/* Tells the daemon, if there is one, to look for work now. Waits for nothing. */
void control_wake(const char *path);

#endif
