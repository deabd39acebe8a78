/* SPDX-License-Identifier: MIT
 *
 * step — one row being worked on, and what its stages may do with it.
 *
 * A step is a row of one machine (renewal, account, order, deployment) that this process has
 * claimed, with what it remembers in memory. Its stage asks (computes works, no effects); the works
 * go out after the turn's commit; their outcomes are heard in a later turn (database effects only).
 * Everything here is called from within a turn, in a savepoint of the step's own.
 */
#ifndef AGENT_STEP_H
#define AGENT_STEP_H

#include "agent/wish.h"
#include "base/key.h"
#include "base/log.h"
#include "store/account.h"
#include "store/certificate.h"
#include "store/deployment.h"
#include "store/order.h"

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct step;
struct work;

/* One stage of a machine. */
struct stage {
	const char *name;
	/* Adds works with work_*(); adding none means: hear at once, with work NULL. May say
	 * step_waits() instead. */
	int (*ask)(struct step *s, struct err *e);
	/* Called for each outcome; step_all_heard() tells when it was the last. An error goes to
	 * the machine's failed(). */
	int (*hear)(struct step *s, struct work *w, struct err *e);
	bool durable; /* its name stands in the row: going here is committed before anything goes
		       * out */
	bool trying;  /* coming here is no success yet: failures in a row and their back-off stay */
};

struct machine {
	const char *name;
	enum claimable claim; /* CLAIMABLES: its rows are not claimed (renewal) */
	/* Reads the row into s and sets s->stage; the row is claimed already. */
	int (*load)(struct step *s, struct err *e);
	/* Writes s's row with the stage and standing of s; see account_save. */
	int (*save)(struct step *s, bool release, struct err *e);
	/* The stage asked or heard could not go on: writes what becomes of the row. */
	int (*failed)(struct step *s, const struct err *why, struct err *e);
	void (*forget)(struct step *s); /* frees what load and the stages remember */
};

struct step {
	struct engine *engine;
	const struct machine *machine;
	const struct stage *stage;
	const struct stage *saved; /* the durable one that the row names; load sets it */
	int64_t id;                /* of the row; the certificate's for a renewal */
	int64_t certificate_id;    /* 0 for accounts */
	char *label;               /* the certificate's name or the CA's URL, for people */
	struct standing *standing; /* of the row; NULL for a renewal */
	int64_t since;             /* Unix seconds: when it came to this stage here */
	int64_t due_ms;            /* mono: when to ask; STEP_NEVER while works are out */
	bool waits;                /* the stage said step_waits() */
	struct work *works;        /* out or to be submitted */
	struct work *spent; /* dropped, freed after the turn: a hear may still read its own */
	size_t unheard;     /* how many of them have not been heard */
	void *memory;       /* the machine's own */
	int parks;          /* rests in memory in a row (badNonce, another's order) */
	int64_t commits;    /* turns that changed something of it */
	bool wrote;         /* in this turn */
	bool over;          /* to be dropped after this turn */
	bool cut;           /* a program ran for it when the engine was stopped */
};

#define STEP_NEVER INT64_MAX

/* Changes the stage — the only function that does — and logs the arrow. A durable stage is saved
 * in the row, with attempts and failures reset when the row did not name it yet. Works still out
 * are cancelled. */
int step_goes(struct step *s, const struct stage *to, struct err *e);

/* Writes the row as it is, at the stage it is at. */
int step_keeps(struct step *s, struct err *e);

/* The same stage asks again in ms milliseconds. No failure, nothing durable. */
void step_waits(struct step *s, int64_t ms);

/* The same stage asks again after 1 s, doubling to 30 s, because of why: for what is no failure
 * (HACKING.md, rule 7). False: it has rested STEP_RESTS times, two minutes, and does no more: it is
 * a failure like any other. */
#define STEP_RESTS 8
bool step_rests(struct step *s, const struct err *why);

/* A failure: gives the row back because of why (kept with the row) and forgets the step. It goes on
 * when the CA said, else after 1, 10, 100 minutes, then daily, but within schedule_patience of the
 * live certificate (an account's: of the first to end of those that use it). A try that an
 * operator's hand made within a back-off is not counted: the time that was set holds. */
int step_parks(struct step *s, const struct err *why, struct err *e);

/* The same, but it goes on at the latest then. */
int step_parks_before(struct step *s, const struct err *why, int64_t latest, struct err *e);

/* The same until a time that something else sets (the account, for its orders). Not counted. */
int step_parks_until(struct step *s, const struct err *why, int64_t next_at, struct err *e);

/* The same without a failure: it is not its time yet. next_at is at most a day ahead (HACKING.md,
 * rule 6). */
int step_postpones(struct step *s, int64_t next_at, struct err *e);

/* step_parks for a certificate whose attempt ended, in its renewal row. */
int step_certificate_failed(struct step *s, const struct err *why, struct err *e);

/* The row has ended: saves it with the stage's name, gives it back and forgets the step. */
int step_ends(struct step *s, const struct stage *at, struct err *e);

/* Whether the outcome being heard was the last one out. */
bool step_all_heard(const struct step *s);

/* Adds an event of this step's certificate and order. */
int step_event(struct step *s, const char *kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A line for the operator about this row: "LABEL: …", or with fields (base/log.h). */
void step_log(const struct step *s, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

int64_t step_now(const struct step *s);

/* For retry_backoff: differs from row to row and from store to store. */
uint32_t step_spread(const struct step *s);

#endif
