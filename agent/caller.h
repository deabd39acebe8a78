/* SPDX-License-Identifier: MIT
 *
 * caller — whether we were called by a program that an everleaf runs and waits for: a command that
 * waited for that everleaf in turn would wait for itself.
 *
 * Programs find EVERLEAF_HOOK in their environment: which row runs them, of which certificate, and
 * who has it. It is looked for in our own environment and in those that our ancestors were started
 * with (/proc), because sudo and others clean it. One that is left over (a server that a hook
 * started) says nothing, once the row has another owner.
 */
#ifndef AGENT_CALLER_H
#define AGENT_CALLER_H

#include "agent/step.h"

/* A row whose program we descend from. */
struct caller {
	enum claimable what; /* CLAIM_ORDER or CLAIM_DEPLOYMENT */
	int64_t id, certificate_id;
	int64_t target_id; /* of a deployment, else 0 */
};

struct callers {
	struct caller *list; /* owned */
	size_t count;
};

/* "EVERLEAF_HOOK=…" for the programs of a step; NULL when nobody waits for its row. The caller's.
 */
char *caller_marker(const struct step *s);

/* Who called us and still has the row, in this store; mostly nobody. */
int callers_find(struct store *store, struct callers *ret_callers, struct err *e);

/* ERR_BUSY with the sentence, when a hook of this certificate called us. */
int callers_refuse(const struct callers *callers, int64_t certificate_id, const char *name,
		   struct err *e);

/* Whether a caller runs what brings things to this target. NULL: nobody called. */
bool callers_hold(const struct callers *callers, int64_t target_id);

void callers_clear(struct callers *callers);
#define AUTO_CALLERS AUTO(callers_clear)

#endif
