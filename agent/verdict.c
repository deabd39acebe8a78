/* SPDX-License-Identifier: MIT
 *
 * verdict — see verdict.h.
 */
#include "agent/verdict.h"

#include "acme/identifier.h"
#include "acme/retry.h"
#include "agent/engine.h"
#include "agent/leave_out.h"
#include "agent/standalone.h"
#include "agent/wire.h"

#include <stdlib.h>

/* A validation that failed is no matter of trying the same request again. */
static void why_of_problem(const struct acme_problem *p, const char *name, int64_t now,
			   struct err *why)
{
	retry_error(p, 0, now, why);
	why->code = ERR_PROBLEM;
	err_while(why, "%s", name);
}

enum verdict verdict_of_challenge(const struct acme_challenge *c, const char *name, int64_t now,
				  struct err *ret_why)
{
	if (c->problem != NULL && c->status != ACME_VALID)
		why_of_problem(c->problem, name, now, ret_why);
	switch (c->status) {
	case ACME_VALID:
		return VERDICT_VALID;
	case ACME_INVALID:
		if (c->problem == NULL)
			err_set(ret_why, ERR_PROBLEM,
				"%s: the CA judged our answer invalid and says no reason; does the "
				"name lead to this machine?",
				name);
		return VERDICT_REFUSED;
	case ACME_PENDING:
		return c->problem != NULL ? VERDICT_AGAIN : VERDICT_NONE;
	default: /* processing: the CA tries again by itself; unknown: the authorization counts */
		return VERDICT_NONE;
	}
}

/* The chosen challenge's words, else those of any other. */
static void why_of_authorization(const struct acme_authorization *a,
				 const struct acme_challenge *chosen, const char *name, int64_t now,
				 struct err *why)
{
	const struct acme_problem *p = chosen != NULL ? chosen->problem : NULL;

	for (size_t i = 0; p == NULL && i < a->challenge_count; i++)
		p = a->challenges[i].problem;
	if (p != NULL)
		why_of_problem(p, name, now, why);
	else
		err_set(why, ERR_PROBLEM,
			"%s: the CA says that the authorization is %s, and no reason", name,
			acme_status_name(a->status));
}

enum verdict verdict_of_authorization(const struct acme_authorization *a,
				      const struct acme_challenge *chosen, const char *name,
				      int64_t now, struct err *ret_why)
{
	enum verdict v;

	if (a->status == ACME_VALID)
		return VERDICT_VALID;
	if (a->status != ACME_PENDING) {
		why_of_authorization(a, chosen, name, now, ret_why);
		return VERDICT_REFUSED;
	}
	if (chosen == NULL)
		return VERDICT_NONE;
	v = verdict_of_challenge(chosen, name, now, ret_why);
	return v == VERDICT_VALID ? VERDICT_NONE : v; /* until the authorization says so, too */
}

const char *verdict_name(const struct order *o, const struct acme_authorization *a)
{
	for (size_t i = 0; i < o->names.count; i++) {
		const char *name = o->names.items[i];
		bool wildcard = identifier_is_wildcard(name);

		if (wildcard == a->wildcard && str_equal(wildcard ? name + 2 : name, a->identifier))
			return name;
	}
	return NULL;
}

/* --- what follows from a refusal --- */

/* What a CA says that found nobody, or somebody else, where our answer should have been. */
static bool is_of_fetching(const struct err *why)
{
	static const char *const types[] = {"", "connection", "unauthorized", "incorrectResponse",
					    "tls"};

	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (str_equal(why->type, types[i]))
			return true;
	return false;
}

/* Whether who showed the answer has ended since the CA was told of it. An answer that does not end
 * with us was there all the time, so its refusal has a reason of its own. */
static bool was_missed(const struct step *s, const char *token, const struct err *why)
{
	const struct order_memory *m = order_memory(s);
	const struct solver_ops *solver = wire_solver(json_get_text(m->wish->solver, "name"));

	return solver != NULL && solver->ends_with_us && is_of_fetching(why) &&
	       (m->left ||
		(token != NULL && standalone_was_left(engine_standalone(s->engine), token)));
}

void refusals_add(const struct step *s, struct refusals *r, const char *name, const char *token,
		  const struct err *why)
{
	bool missed = was_missed(s, token, why);

	if (r->names.count == 0 || (r->missed && !missed)) {
		r->why = *why;
		r->missed = missed;
	}
	strlist_add(&r->names, name);
}

/* The process that showed the answers ended while the CA was asking for them: nobody's fault, so
 * the order is replaced at once (HACKING.md, rule 7). */
int refusals_end(struct step *s, struct refusals *r, struct err *e)
{
	bool left_out = false;
	int rc;

	if (r->missed) {
		r->why.code = ERR_NET;
		(void)err_because(&r->why, CAUSE_INTERRUPTED);
		return order_fails(s, &r->why, e);
	}
	rc = leave_out(s, &r->names, &r->why, &left_out, e);
	if (rc != 0)
		return rc;
	return left_out ? order_fails(s, &r->why, e) : order_over(s, &r->why, e);
}

void refusals_clear(struct refusals *r)
{
	strlist_clear(&r->names);
}
