/* SPDX-License-Identifier: MIT
 *
 * observe — what a daemon shows of itself: metrics on a socket, and in a file that is written anew
 * each minute. Nothing of it stops the daemon: what fails is logged, and tried again.
 */
#ifndef AGENT_OBSERVE_H
#define AGENT_OBSERVE_H

#include "agent/command.h"
#include "agent/counters.h"
#include "base/loop.h"

struct observer;

/* Where; either may be NULL. Borrowed. */
struct observe_config {
	const char *listen;   /* agent/listener_metrics.h */
	const char *textfile; /* path */
	const struct counters *counters;
};

/* Everything is borrowed. ERR_CONFIG: the address cannot be used. */
int observe_start(struct context *c, struct loop *l, const struct observe_config *config,
		  struct observer **ret_observer, struct err *e);

void observe_stop(struct observer *o); /* NULL is fine */

#endif
