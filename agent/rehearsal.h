/* SPDX-License-Identifier: MIT
 *
 * rehearsal — a dry run: the same machines in a scratch store, with an account that is thrown away
 * at the end, the real solver, and of the deployers only their check. Nothing of it reaches the
 * store, the deployed files or the hooks.
 */
#ifndef AGENT_REHEARSAL_H
#define AGENT_REHEARSAL_H

#include "agent/run.h"
#include "agent/scratch.h"

struct rehearsal {
	struct context c; /* the command's, with the scratch store */
	struct scratch *scratch;
};

/* The caller ends it, also when this fails. */
int rehearsal_begin(struct rehearsal *h, const struct context *c, struct err *e);

/* A certificate of the real store, as it is wanted there. Unless it was typed, the CA is the
 * staging server of its own where that is known, else its own. Within a turn of the scratch store.
 */
int rehearsal_copy(struct rehearsal *h, const struct certificate *from, int64_t *ret_id,
		   struct err *e);

/* Issues all of them, gives the accounts up, and prints what became of each. */
int rehearsal_run(struct rehearsal *h, struct run_item *items, size_t count, struct err *e);

void rehearsal_end(struct rehearsal *h);

/* Ends the dry runs of processes that died: takes back what they have published, gives their
 * accounts up, and removes their stores. */
void rehearsals_end(const struct context *c);

#endif
