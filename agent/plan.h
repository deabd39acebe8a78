/* SPDX-License-Identifier: MIT
 *
 * plan — the schedule run ahead: what would be done on which day if everything that is tried
 * succeeded. It reads the store once, in pieces, and then asks agent/schedule.h,
 * agent/schedule_deploy.h and agent/limits.h under a clock of its own; it changes nothing and asks
 * nobody. Its events come one by one, so that those of very many certificates are never kept at
 * once, and while one is printed nobody is kept from writing to the store.
 *
 * What a CA will advise about certificates that are not there yet nobody knows: they are planned
 * by their lifetime, which is that of the present one unless the CA has announced another
 * (agent/lifetimes.h).
 */
#ifndef AGENT_PLAN_H
#define AGENT_PLAN_H

#include "agent/command.h"

enum plan_what {
	PLAN_ISSUE = 0,
	PLAN_RENEW,
	PLAN_DEPLOY,
};

struct plan_event {
	int64_t at;
	enum plan_what what;
	const char *name;  /* of the certificate; borrowed from the plan */
	int64_t not_after; /* of the new one; 0 for a deployment */
	char *text;        /* why, or of a deployment where and why then; until the next event */
	int64_t number;    /* the plan's own */
};

/* A limit of a CA where the plan comes nearest to it. */
struct plan_limit {
	char *what; /* as in agent/limits.h */
	int64_t used, most;
	int64_t at;
};

/* A lifetime that a CA has announced, and whom it concerns. */
struct plan_change {
	int64_t from, lifetime;
	const char *server, *profile;
	size_t certificates;
};

/* A certificate that nothing is planned for. */
struct plan_rest {
	const char *name; /* borrowed from the plan */
	const char *why;  /* the same */
};

struct plan_work;

/* Loads and limits are whole when the last event was told. */
struct plan {
	int64_t from, until;
	int64_t *loads; /* orders of each day, counted from `from` */
	size_t day_count;
	struct plan_limit *limits;
	size_t limit_count;
	struct plan_change *changes;
	size_t change_count;
	struct plan_rest *rests;
	size_t rest_count;
	struct plan_work *work; /* plan.c's own */
};

#define PLAN_DAYS     400
#define PLAN_MAX_DAYS 4000

/* Reads what there is to plan, for so many days from now on. *ret_plan is the caller's; it borrows
 * c. */
int plan_begin(struct context *c, int64_t days, struct plan **ret_plan, struct err *e);

/* 1: the next event, by time; 0: there is none any more. */
int plan_next(struct plan *p, struct plan_event *ret_event, struct err *e);

void plan_free(struct plan *p);
void auto_plan(struct plan **p);
#define AUTO_PLAN AUTO(auto_plan)

#endif
