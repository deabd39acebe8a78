/* SPDX-License-Identifier: MIT
 *
 * loop — base/loop.h over libevent: sockets, timers, ended children, and the signals that ask us
 * to stop. One per process, because signals belong to the process.
 *
 *     while (!loop_should_stop(l)) {
 *         … do what is due, learn how long nothing else is …
 *         r = loop_wait(l, ms);
 *     }
 */
#ifndef AGENT_LOOP_H
#define AGENT_LOOP_H

#include "base/err.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;

/* Catches SIGINT, SIGTERM, SIGHUP and SIGCHLD, and ignores SIGPIPE (which a started program
 * inherits: hooks/child.c sets it back). *ret_loop is the caller's. ERR_SYS when the system gives
 * no descriptors. */
int loop_event_new(struct loop **ret_loop, struct err *e);

/* Turns the wheel once: waits at most ms (-1: until something happens, 0: not at all), calls back
 * for all that is ready, returns. ERR_SYS when waiting itself failed: the process cannot go on. */
int loop_wait(struct loop *l, int64_t ms);

/* True from the first SIGINT or SIGTERM on. The same signal a second time ends the process at
 * once, as it would without us: an operator who insists is obeyed, and a crash is harmless. */
bool loop_should_stop(const struct loop *l);

/* True once after SIGHUP: the daemon reads its configuration again, a command stops. */
bool loop_take_hangup(struct loop *l);

/* libevent's own handle, for what base/loop.h does not offer. Borrowed. */
struct event_base *loop_event_base(struct loop *l);

/* Forgets every watch without calling it and gives the signals back. NULL is fine. */
void loop_event_free(struct loop *l);

#endif
