/* SPDX-License-Identifier: MIT
 *
 * AUTHORIZE and REVIEW — reads every authorization of the order (RFC 8555 7.5) and decides which
 * challenge of each is to be answered.
 *
 * May run any number of times: it only reads. What it leaves behind are the challenge rows, which
 * are durable before a solver acts on them (invariant 4).
 */
#include "agent/stage.h"

#include "acme/retry.h"
#include "agent/engine.h"
#include "agent/verdict.h"
#include "agent/wire.h"

#include <stdio.h>
#include <stdlib.h>

static int authorize_ask(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int r = 0;

	order_forget_authorizations(m);
	if (m->acme == NULL)
		return step_goes(s, &stage_read, e);
	m->authorization_count = m->acme->authorizations.count;
	m->authorizations = mem_new(m->authorization_count * sizeof(*m->authorizations));
	for (size_t i = 0; r == 0 && i < m->authorization_count; i++)
		r = order_asks(s, i, request_read(m->acme->authorizations.items[i]), e);
	return r;
}

static const struct solver_ops *order_solver(const struct step *s)
{
	return wire_solver(json_get_text(order_memory(s)->wish->solver, "name"));
}

/* One that has failed only when there is no other: it tells why. */
static const struct acme_challenge *challenge_choose(const struct acme_authorization *a,
						     const struct solver_ops *solver)
{
	const struct acme_challenge *failed = NULL;

	for (size_t i = 0; solver != NULL && i < a->challenge_count; i++) {
		const struct acme_challenge *c = &a->challenges[i];

		if (c->token == NULL || !acme_token_ok(c->token) ||
		    !solver->handles(c->type, a->wildcard))
			continue;
		if (c->status != ACME_INVALID)
			return c;
		failed = failed != NULL ? failed : c;
	}
	return failed;
}

static int challenge_missing(const struct acme_authorization *a, const char *name,
			     const struct solver_ops *solver, struct err *e)
{
	struct strlist types AUTO_STRLIST = {0};
	AUTO_FREE char *offered = NULL;

	for (size_t i = 0; i < a->challenge_count; i++)
		strlist_add(&types, a->challenges[i].type);
	offered = strlist_join(&types, ", ");
	return err_set(e, ERR_CONFIG,
		       "the CA offers %s for %s, and the solver %s answers none of them",
		       offered[0] != '\0' ? offered : "no challenge", name, solver->name);
}

static void challenge_remember(struct order_memory *m, struct challenge *c,
			       const struct acme_challenge *chosen)
{
	size_t n = m->challenge_count++;

	m->challenges = mem_grow(m->challenges, n + 1, sizeof(*m->challenges));
	m->answers = mem_grow(m->answers, n + 1, sizeof(*m->answers));
	m->challenges[n] = c;
	m->answers[n] = (struct answer){
		.told = chosen->status != ACME_PENDING && chosen->status != ACME_UNKNOWN,
	};
}

/* Solvers, hooks and files get our name, not the CA's spelling of it. */
static int authorize_plan(struct step *s, size_t index, struct err *e)
{
	struct order_memory *m = order_memory(s);
	const struct acme_authorization *a = m->authorizations[index];
	const struct solver_ops *solver = order_solver(s);
	const char *name = verdict_name(m->order, a);
	const struct acme_challenge *chosen;
	struct challenge *c;

	if (solver == NULL)
		return err_set(e, ERR_CONFIG, "no solver is named for %s", name);
	chosen = challenge_choose(a, solver);
	if (chosen == NULL)
		return challenge_missing(a, name, solver, e);
	c = mem_new(sizeof(*c));
	c->order_id = s->id;
	c->authorization_url = mem_str(m->acme->authorizations.items[index]);
	c->identifier = mem_str(a->wildcard ? name + 2 : name);
	c->wildcard = a->wildcard;
	c->type = mem_str(chosen->type);
	c->url = mem_str(chosen->url);
	c->token = mem_str(chosen->token);
	c->solver = json_print(m->wish->solver, false);
	challenge_remember(m, c, chosen);
	return challenge_put(engine_store(s->engine), c, e);
}

/* What can no longer become valid, whether or not the order says so, too. */
static void authorize_judge(struct step *s)
{
	struct order_memory *m = order_memory(s);

	for (size_t i = 0; i < m->authorization_count; i++) {
		const struct acme_authorization *a = m->authorizations[i];
		const struct acme_challenge *chosen;
		struct err why = {0};
		const char *name;

		if (a == NULL)
			continue;
		name = verdict_name(m->order, a);
		chosen = challenge_choose(a, order_solver(s));
		if (verdict_of_authorization(a, chosen, name, step_now(s), &why) == VERDICT_REFUSED)
			refusals_add(s, &m->refusals, name, chosen != NULL ? chosen->token : NULL,
				     &why);
	}
}

static bool order_is_dead(const struct order_memory *m)
{
	return m->acme->status == ACME_INVALID || m->acme->status == ACME_EXPIRED;
}

/* No authorization says why. */
static int authorize_dead(struct step *s, struct err *e)
{
	const struct order_memory *m = order_memory(s);
	struct err why = {0};

	if (m->acme->problem != NULL)
		retry_error(m->acme->problem, 0, step_now(s), &why);
	else
		err_set(&why, ERR_PROBLEM, "the CA made the order %s and says no reason",
			acme_status_name(m->acme->status));
	return order_over(s, &why, e);
}

/* All were read. */
static int authorize_decide(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int r = 0;

	authorize_judge(s);
	if (m->refusals.names.count > 0)
		return refusals_end(s, &m->refusals, e);
	if (order_is_dead(m))
		return authorize_dead(s, e);
	for (size_t i = 0; r == 0 && i < m->authorization_count; i++)
		if (m->authorizations[i]->status == ACME_PENDING)
			r = authorize_plan(s, i, e);
	if (r != 0)
		return r;
	if (m->challenge_count == 0)
		return step_goes(s, &stage_finalize, e);
	m->phase = 0;
	m->order->hooked = m->order->hooked || m->wish->pre_hook.count > 0;
	snprintf(m->order->shown_by, sizeof(m->order->shown_by), "%s",
		 store_owner(engine_store(s->engine)));
	return step_goes(s, &stage_present, e);
}

/* RFC 8555 7.1.4: what is authorized are the order's identifiers and nothing else. */
static int authorize_read(struct step *s, const struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);
	AUTO_AUTHORIZATION struct acme_authorization *a = NULL;
	int r = order_authorization(s, w, &a, e);

	if (r == 0 && verdict_name(m->order, a) == NULL)
		r = err_set(e, ERR_PROTOCOL,
			    "the CA wants an authorization for %s%s, which was not ordered",
			    a->wildcard ? "*." : "", a->identifier);
	if (r != 0)
		return r;
	m->authorizations[w->index] = TAKE(a);
	return 0;
}

/* A dead order's authorizations only say why it is dead. */
static int authorize_hear(struct step *s, struct work *w, struct err *e)
{
	const struct order_memory *m = order_memory(s);
	int r = 0;

	if (w != NULL)
		r = authorize_read(s, w, e);
	else if (!order_is_dead(m))
		r = err_set(e, ERR_PROTOCOL, "the CA's order has no authorizations");
	if (r != 0 && !order_is_dead(m))
		return r;
	return step_all_heard(s) ? authorize_decide(s, e) : 0;
}

const struct stage stage_authorize = {
	.name = "authorize",
	.ask = authorize_ask,
	.hear = authorize_hear,
	.durable = true,
};

const struct stage stage_review = {
	.name = "review",
	.ask = authorize_ask,
	.hear = authorize_hear,
};
