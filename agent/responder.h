/* SPDX-License-Identifier: MIT
 *
 * responder — answers challenges at the ports that it is told of, from one folder: by a process of
 * its own (agent/respond.h), so that a CA never waits for us.
 *
 * The ports are opened here and stay open here. Should that process die, who connects meanwhile
 * waits in the kernel for the next one, which is started at once; one that keeps dying, after a
 * pause. It ends with us.
 *
 * Tests that turn the wheel by hand have the same listener in this process.
 */
#ifndef AGENT_RESPONDER_H
#define AGENT_RESPONDER_H

#include "agent/listening.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"

#include <stdbool.h>

struct responder;

struct responder_config {
	struct loop *loop;                             /* borrowed */
	const struct clock *clock;                     /* borrowed */
	const char *answers;                           /* path of the folder; borrowed */
	bool here;                                     /* not in a process of its own */
	void (*fetched)(void *arg, const char *token); /* a CA was given this one's answer */
	void (*serves)(void *arg); /* responder_serves has become true for a port */
	void *arg;
};

/* Opens the folder. */
int responder_new(const struct responder_config *config, struct responder **ret_responder,
		  struct err *e);

/* Starts the process, unless it runs: it would be with the first port at the latest. */
void responder_start(struct responder *r);

/* Opens a port, unless it has it. As listening_open. */
int responder_open(struct responder *r, const struct listening_config *where, struct err *e);

/* It has a port. */
bool responder_listens(const struct responder *r);

/* Whether the answers are shown at that port by now: one that the responder has. */
bool responder_serves(const struct responder *r, const struct listening_config *where);

/* Why there is no process that shows them; code ERR_NONE: nothing went wrong. */
const struct err *responder_trouble(const struct responder *r);

/* How many of its processes have died. */
unsigned responder_losses(const struct responder *r);

/* Gives all ports up. */
void responder_close(struct responder *r);

void responder_free(struct responder *r);

#endif
