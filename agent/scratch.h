/* SPDX-License-Identifier: MIT
 *
 * scratch — a store for a dry run: a folder of its own in STATE/scratch, locked by its process for
 * life and removed at the end. What a killed dry run left is taken over by the next process that
 * asks.
 */
#ifndef AGENT_SCRATCH_H
#define AGENT_SCRATCH_H

#include "base/clock.h"
#include "base/err.h"
#include "store/store.h"

#include <stdbool.h>

struct scratch {
	char *dir;
	int fd; /* locked */
	struct store *store;
};

/* state: the state directory whose dry run it is. *ret_scratch is the caller's. */
int scratch_new(const char *state, const struct clock *clock, struct scratch **ret_scratch,
		struct err *e);

/* Takes over one whose process is dead; false: there is none. Its store is NULL when it cannot be
 * opened. */
bool scratch_take(const char *state, const struct clock *clock, struct scratch **ret_scratch);

/* Closes the store and removes it. */
void scratch_free(struct scratch *s);

#endif
