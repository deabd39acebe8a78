/* SPDX-License-Identifier: MIT
 *
 * waiting — for another program that has the store: how long, and who that is.
 *
 * A command waits, and says for whom. A loop does not: its most_ms is a few milliseconds, and it
 * comes again later.
 */
#ifndef STORE_WAITING_H
#define STORE_WAITING_H

#include "base/err.h"

#include <stdbool.h>

struct store;

struct waiting {
	const struct store *store;          /* borrowed: whose files these are */
	int most_ms;                        /* then it is given up */
	int waited_ms;                      /* in this wait so far */
	void (*tell)(const char *sentence); /* for whom, once a wait, after a second; or NULL */
};

/* Sleeps a little, longer from try to try (the first is 0). False: it is given up. */
bool waiting_goes_on(struct waiting *w, int tries);

/* ERR_STORE, CAUSE_HELD: who holds the store, and what to do. */
int waiting_failed(const struct waiting *w, struct err *e);

#endif
