/* SPDX-License-Identifier: MIT
 *
 * poll_loop — base/loop.h on poll() and the real clock, for tests that run real programs.
 */
#ifndef TESTS_UNIT_POLL_LOOP_H
#define TESTS_UNIT_POLL_LOOP_H

#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct poll_loop;

struct poll_loop *poll_loop_new(void);

/* Borrowed; lives as long as p. */
struct loop *poll_loop_loop(struct poll_loop *p);

/* Turns until *stop is true. False: it did not become true within a minute. */
bool poll_loop_run(struct poll_loop *p, const bool *stop);

/* Turns until no child is left to be reaped, cancelled ones included. False as above. */
bool poll_loop_reap(struct poll_loop *p);

/* Watches that are left, cancelled children not counted. */
size_t poll_loop_watches(const struct poll_loop *p);

void poll_loop_free(struct poll_loop *p);

#endif
