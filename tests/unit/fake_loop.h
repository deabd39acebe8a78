/* SPDX-License-Identifier: MIT
 *
 * fake_loop — base/loop.h turned by hand, with a virtual clock: nothing happens by itself, years
 * pass in no time, and a test can ask what is still being watched.
 */
#ifndef TESTS_UNIT_FAKE_LOOP_H
#define TESTS_UNIT_FAKE_LOOP_H

#include "base/clock.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>

#define FAKE_LOOP_START 1795000000 /* Unix seconds when a fake loop is made */

struct fake_loop;

struct fake_loop *fake_loop_new(void);

/* Watches that are left are forgotten without being called. */
void fake_loop_free(struct fake_loop *f);

/* Both borrowed; they live as long as f. */
struct loop *fake_loop_loop(struct fake_loop *f);
const struct clock *fake_loop_clock(struct fake_loop *f);

/* Fires the timer that is due now and was made first. False: none is due. */
bool fake_loop_turn(struct fake_loop *f);

/* Turns until no timer is due now. The clock stands still. */
void fake_loop_settle(struct fake_loop *f);

/* Lets ms milliseconds pass; each timer fires at its own time. */
void fake_loop_advance(struct fake_loop *f, int64_t ms);

/* Fires the timer due next, however far ahead that is. False: there is none. */
bool fake_loop_skip(struct fake_loop *f);

/* Moves the wall clock alone, as an administrator would. */
void fake_loop_set_now(struct fake_loop *f, int64_t now);

/* A descriptor became ready, a child ended: calls every watch that asked for it. Returns how many
 * were called. */
size_t fake_loop_fd_ready(struct fake_loop *f, int fd, unsigned events);
size_t fake_loop_child_ends(struct fake_loop *f, pid_t pid, int wait_status);

/* Watches of all kinds that are left: 0 at the end of a test that leaks none. */
size_t fake_loop_watches(const struct fake_loop *f);

/* Milliseconds until the next timer, -1: none. */
int64_t fake_loop_next_ms(const struct fake_loop *f);

#endif
