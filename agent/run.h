/* SPDX-License-Identifier: MIT
 *
 * run — what commands that make something happen have in common: an engine of their own, limited
 * to some certificates, driven until those are settled; and what became of them.
 */
#ifndef AGENT_RUN_H
#define AGENT_RUN_H

#include "agent/command.h"
#include "agent/engine.h"
#include "store/certificate.h"

enum run_result {
	RUN_NOTHING = 0, /* was not due, and is deployed */
	RUN_DONE,        /* a new version, and all its deployments; or those that were pending */
	RUN_LATER,       /* waits for a better time; nothing is lost */
	RUN_FAILED,
};

/* One certificate a command works on. */
struct run_item {
	int64_t certificate_id;
	enum engine_issue issue;
	int64_t live_before;    /* filled by run_items: the version that was live, … */
	int64_t began_at;       /* … when the run began, … */
	bool patient;           /* … whether back-offs held, … */
	bool pending_before;    /* … and whether deployments of it were waiting; */
	bool said;              /* people were told what failed; */
	bool limited;           /* a limit of the CA was in the way, or a refusal; */
	bool called;            /* a hook of it called us: nothing was done; */
	enum run_result result; /* what became of it */
};

/* Drives the items until they are settled. patient: back-offs hold (a renewal of whatever is due).
 * An error is the engine's; the items' own failures were logged and are in their results. */
int run_items(struct context *c, struct run_item *items, size_t count, bool patient, struct err *e);

/* Drives one account until it is READY, or cannot be for now. */
int run_account(struct context *c, int64_t account_id, struct err *e);

/* The exit code for what became of them: the worst one counts. */
int run_exit(const struct options *o, const struct run_item *items, size_t count);

/* What the schedule says of a certificate now. */
struct schedule;
int run_schedule(struct context *c, const struct certificate *certificate, struct schedule *ret,
		 struct err *e);

/* Finds a certificate by the operand; ERR_CONFIG with a sentence when there is none. */
int run_find(struct context *c, const char *name, struct certificate **ret_certificate,
	     struct err *e);

/* Runs write in a turn: commits when it returns 0, undoes it otherwise. */
int run_turn(struct context *c, int (*write)(void *arg, struct err *e), void *arg, struct err *e);

/* For commands about one certificate: reads the operand's row within a turn (so that nothing read
 * before can go back), lets write change it, commits. *ret_certificate is the caller's, also after
 * a failure. */
typedef int run_write(struct context *c, struct certificate *certificate, struct err *e);
int run_change(struct context *c, run_write *write, struct certificate **ret_certificate,
	       struct err *e);

/* Opens the store, runs a command on it, and wakes the daemon if something was written. People are
 * told when another program has the store. */
int run_with_store(struct context *c, enum store_how how, command_fn *fn, struct err *e);

/* The same on the store as it is at this moment, beside whoever writes to it. */
int run_reader(struct context *c, command_fn *fn, struct err *e);

/* ERR_BUSY when a hook of this certificate called the command: before it changes anything. */
int run_refuse_called(struct context *c, const struct certificate *certificate, struct err *e);

/* The one operand a command wants, or "usage". */
int run_operand(struct context *c, const char **ret_operand, struct err *e);

#endif
