/* SPDX-License-Identifier: MIT
 *
 * daemon — `everleaf run`: the engine without a scope and without a stop, its control socket, and
 * what it tells a service manager.
 */
#ifndef AGENT_DAEMON_H
#define AGENT_DAEMON_H

#include "agent/command.h"
#include "agent/engine.h"

#define DAEMON_DRAIN_MS 9000 /* how long SIGTERM waits for what is out: ten seconds in all */

/* Runs until SIGTERM or SIGINT. An error has ended the engine. */
int daemon_run(struct context *c, struct err *e);

#endif
