/* SPDX-License-Identifier: MIT
 *
 * engine — the turn: hear what arrived, ask what is due, ONE commit for all of it, then submit.
 *
 * The daemon and every command drive the same engine; a command's is limited to the certificates
 * it was asked for and stops when they are settled.
 */
#ifndef AGENT_ENGINE_H
#define AGENT_ENGINE_H

#include "acme/session.h"
#include "agent/counters.h"
#include "agent/step.h"
#include "base/loop.h"
#include "store/store.h"

struct deployer_ops;
struct passed_sockets;
struct standalone;

struct engine_config {
	struct store *store;       /* borrowed */
	struct loop *loop;         /* borrowed */
	const struct clock *clock; /* borrowed */
	bool by_hand;              /* a command: ignores back-offs (never a Retry-After), tries each
				    * certificate once, works only on its scope */
	bool patient;              /* … but back-offs hold */
	bool informed;             /* CAs are asked when they advise to renew (RFC 9773) */
	struct store
		*rehearsal; /* a dry run (agent/rehearsal.h): the real store, with whose answers
			     * its own are served; no hooks, of deployers the check only */
	bool here;          /* for tests: as responder_config's */
	const struct passed_sockets *sockets; /* listening already, for standalone; or NULL */
	/* The program that the operator is told by, empty: by the log alone; NULL: nobody is told
	 * (agent/notice.c). Borrowed. */
	const struct strlist *notify;
	struct counters *counters;     /* borrowed; NULL: nobody counts */
	const struct callers *callers; /* whose hooks called us; borrowed; NULL: nobody's */
	int64_t account; /* a command: brought to READY (or REFUSED) though nothing uses it; 0: none
			  */
	int64_t look_ms; /* the longest time between two looks for ownerless work; 0: a minute */
	/* How to reach a CA; NULL: transport_http_new. */
	int (*transport_new)(struct loop *l, const struct transport_config *config,
			     struct transport **ret_transport, struct err *e);
	/* Who deploys; NULL: wire_deployer. */
	const struct deployer_ops *(*deployer)(const char *name);
};

int engine_new(const struct engine_config *config, struct engine **ret_engine, struct err *e);

enum engine_issue {
	ISSUE_IF_DUE = 0,
	ISSUE_NOW,   /* although it is not due */
	ISSUE_NEVER, /* only finishes what is under way */
};

/* Adds a certificate to a command's scope. */
void engine_add(struct engine *g, int64_t certificate_id, enum engine_issue issue);

/* Whether it is in a command's scope as ISSUE_NOW. */
bool engine_wants_now(const struct engine *g, int64_t certificate_id);

/* One turn if something is to be done. *ret_ms: milliseconds until the next one is due (−1:
 * nothing is). It does not wait for another program that has the store: the turn comes later. An
 * error has ended the engine: ERR_STORE after several turns failed, or when the store's files were
 * replaced, or a command was kept from them too long. */
int engine_tick(struct engine *g, int64_t *ret_ms, struct err *e);

/* Nothing of the scope is under way here or in another living process. */
bool engine_settled(const struct engine *g);

/* Whether this engine has logged what failed of a certificate in its scope: another process that
 * had its order told only its own people. */
bool engine_said(const struct engine *g, int64_t certificate_id);
void engine_says(struct engine *g, int64_t certificate_id); /* it has, from now on */

/* Whether it was not begun because the CA's limits are in the way, or because what came of the last
 * one was refused; then people were told. */
bool engine_limited(const struct engine *g, int64_t certificate_id);

/* Looks for work at the next tick instead of within a minute. */
void engine_poke(struct engine *g);

/* Begins no new order or step any more; what is out is awaited for at most ms milliseconds. Then
 * comes engine_stop. */
void engine_drain(struct engine *g, int64_t ms);

/* Nothing is out any more, or the time is over. */
bool engine_drained(const struct engine *g);

/* What the daemon tells of itself. error is of the last turn that could not be committed. */
struct engine_live {
	size_t orders;       /* under way here */
	int64_t next_at;     /* when something is due by the rows, 0: nothing is */
	int64_t ca_requests; /* asked of CAs since the start */
	int64_t ca_failures; /* of them, those that had no answer or a problem */
	struct err error;
	int64_t error_at;
	int64_t held_at;    /* since when another program has the store, 0: nobody has */
	const char *holder; /* who; borrowed */
};
void engine_live(const struct engine *g, struct engine_live *ret);

/* The step at an index, for a list of what is under way; NULL behind the last one. Borrowed. */
const struct step *engine_step(const struct engine *g, size_t index);

/* For work_ca.c: a request was asked, or came back; failed: without the answer it was for. */
void engine_asked(struct engine *g);
void engine_answered(struct engine *g, bool failed);

/* An orderly end: gives back the claims of what is under way, so that they are not counted as
 * crashes. What it leaves goes on with the next engine. */
void engine_stop(struct engine *g);

void engine_free(struct engine *g);

/* For stages and works. All borrowed. */
struct store *engine_store(const struct engine *g);
struct loop *engine_loop(const struct engine *g);
const struct clock *engine_clock(const struct engine *g);
struct standalone *engine_standalone(const struct engine *g);

/* The program of notices; never NULL where it is asked for. */
const struct strlist *engine_notify(const struct engine *g);

/* Whether this is a dry run. */
bool engine_rehearses(const struct engine *g);

/* Whether a command drives it, and not the daemon. */
bool engine_by_hand(const struct engine *g);

/* Whether an operator asked for the very certificates of the scope, so that back-offs and windows
 * do not hold. */
bool engine_hurries(const struct engine *g);

/* Whether a hook that called us runs what brings things to this target: it waits for us. */
bool engine_target_calls(const struct engine *g, int64_t target_id);

/* Unix seconds: when this engine began. */
int64_t engine_began(const struct engine *g);

/* The deployer of that name, NULL: there is none. */
const struct deployer_ops *engine_deployer(const struct engine *g, const char *name);

/* The session with an account's CA, made when first needed. */
int engine_session(struct engine *g, const struct account *a, struct session **ret_session,
		   struct err *e);

/* An account's key, borrowed: kept while anything is under way, because reading one costs more than
 * all the rest of a request. A key never changes under its id. */
int engine_account_key(struct engine *g, int64_t key_id, const struct key **ret_key, struct err *e);

/* Puts a new step into the engine, as owned by this process already (an order just inserted). */
struct step *engine_adopt(struct engine *g, const struct machine *m, int64_t id);

/* Whether another step of this process works on that target (deployments). */
bool engine_target_busy(const struct engine *g, const struct step *except, int64_t target_id);

/* The order of this certificate was interrupted through no fault of the CA's or the operator's: a
 * command may try once more. */
void engine_again(struct engine *g, int64_t certificate_id);

/* Counts that a step's stage could not go on, where it says so otherwise than by an error. */
void engine_failed(const struct step *s);

/* For work.c: w was answered. */
void engine_heard(struct engine *g, struct work *w);
void engine_unheard(struct engine *g, struct work *w); /* takes it out of the queue again */

#endif
