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
#include "agent/leave_out.h"
#include "agent/standalone.h"
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

/* Why an authorization that can no longer become valid cannot: its challenge's problem. */
static int authorization_error(struct step *s, const struct acme_authorization *a, struct err *e)
{
	for (size_t i = 0; i < a->challenge_count; i++) {
		if (a->challenges[i].problem == NULL)
			continue;
		retry_error(a->challenges[i].problem, 0, step_now(s), e);
		e->code = ERR_PROBLEM;
		return err_while(e, "%s", a->identifier);
	}
	return err_set(e, ERR_PROBLEM, "the CA says that the authorization for %s is %s",
		       a->identifier, acme_status_name(a->status));
}

static bool answer_was_left(const struct step *s, const struct acme_authorization *a)
{
	for (size_t i = 0; i < a->challenge_count; i++)
		if (a->challenges[i].token != NULL &&
		    standalone_was_left(engine_standalone(s->engine), a->challenges[i].token))
			return true;
	return false;
}

static bool may_become_valid(const struct acme_authorization *a)
{
	return a->status == ACME_PENDING || a->status == ACME_VALID;
}

static int authorize_leaves_out(struct step *s, struct err *why, bool *ret_left, struct err *e)
{
	const struct order_memory *m = order_memory(s);
	struct strlist failed AUTO_STRLIST = {0};

	for (size_t i = 0; i < m->authorization_count; i++)
		if (!may_become_valid(m->authorizations[i]))
			strlist_addf(&failed, "%s%s", m->authorizations[i]->wildcard ? "*." : "",
				     m->authorizations[i]->identifier);
	return leave_out(s, &failed, why, ret_left, e);
}

/* The process that published or showed the answers died while the CA was asking for them: nobody's
 * fault, so the order is replaced at once (HACKING.md, rule 7). */
static int authorize_refused(struct step *s, const struct acme_authorization *a, struct err *e)
{
	struct err why = {0};
	bool left = false;
	int r;

	authorization_error(s, a, &why);
	if (!order_memory(s)->resumed && !answer_was_left(s, a)) {
		r = authorize_leaves_out(s, &why, &left, e);
		if (r != 0)
			return r;
		if (left)
			return order_fails(s, &why, e);
		*e = why;
		return e->code;
	}
	why.code = ERR_NET;
	(void)err_because(&why, CAUSE_INTERRUPTED);
	return order_fails(s, &why, e);
}

static const struct acme_challenge *challenge_choose(const struct acme_authorization *a,
						     const struct solver_ops *solver)
{
	for (size_t i = 0; i < a->challenge_count; i++) {
		const struct acme_challenge *c = &a->challenges[i];

		if (c->token != NULL && acme_token_ok(c->token) &&
		    solver->handles(c->type, a->wildcard))
			return c;
	}
	return NULL;
}

static int challenge_missing(const struct acme_authorization *a, const struct solver_ops *solver,
			     struct err *e)
{
	struct strlist types AUTO_STRLIST = {0};
	AUTO_FREE char *offered = NULL;

	for (size_t i = 0; i < a->challenge_count; i++)
		strlist_add(&types, a->challenges[i].type);
	offered = strlist_join(&types, ", ");
	return err_set(e, ERR_CONFIG,
		       "the CA offers %s for %s%s, and the solver %s answers none of them",
		       offered[0] != '\0' ? offered : "no challenge", a->wildcard ? "*." : "",
		       a->identifier, solver->name);
}

static void challenge_remember(struct order_memory *m, struct challenge *c,
			       const struct acme_challenge *chosen)
{
	size_t n = m->challenge_count++;

	m->challenges = mem_grow(m->challenges, n + 1, sizeof(*m->challenges));
	m->answered = mem_grow(m->answered, n + 1, sizeof(*m->answered));
	m->fetched = mem_grow(m->fetched, n + 1, sizeof(*m->fetched));
	m->challenges[n] = c;
	m->answered[n] = chosen->status != ACME_PENDING && chosen->status != ACME_UNKNOWN;
	m->fetched[n] = false;
}

static int authorize_plan(struct step *s, size_t index, struct err *e)
{
	struct order_memory *m = order_memory(s);
	const struct acme_authorization *a = m->authorizations[index];
	const struct solver_ops *solver = wire_solver(json_get_text(m->wish->solver, "name"));
	const struct acme_challenge *chosen;
	struct challenge *c;

	if (solver == NULL)
		return err_set(e, ERR_CONFIG, "no solver is named for %s", a->identifier);
	chosen = challenge_choose(a, solver);
	if (chosen == NULL)
		return challenge_missing(a, solver, e);
	c = mem_new(sizeof(*c));
	c->order_id = s->id;
	c->authorization_url = mem_str(m->acme->authorizations.items[index]);
	c->identifier = mem_str(a->identifier);
	c->wildcard = a->wildcard;
	c->type = mem_str(chosen->type);
	c->url = mem_str(chosen->url);
	c->token = mem_str(chosen->token);
	c->solver = json_print(m->wish->solver, false);
	challenge_remember(m, c, chosen);
	return challenge_put(engine_store(s->engine), c, e);
}

/* All were read. */
static int authorize_decide(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int r = 0;

	for (size_t i = 0; i < m->authorization_count; i++)
		if (!may_become_valid(m->authorizations[i]))
			return authorize_refused(s, m->authorizations[i], e);
	if (m->acme->status == ACME_INVALID) {
		if (m->acme->problem != NULL)
			return retry_error(m->acme->problem, 0, step_now(s), e) != 0 ? ERR_PROBLEM
										     : 0;
		return err_set(e, ERR_PROBLEM, "the CA made the order invalid and says no reason");
	}
	for (size_t i = 0; r == 0 && i < m->authorization_count; i++)
		if (m->authorizations[i]->status == ACME_PENDING)
			r = authorize_plan(s, i, e);
	if (r != 0)
		return r;
	if (m->challenge_count == 0)
		return step_goes(s, &stage_finalize, e);
	m->phase = 0;
	m->order->hooked = m->order->hooked || m->wish->pre_hook.count > 0;
	return step_goes(s, &stage_present, e);
}

static int authorize_hear(struct step *s, struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int r;

	if (w == NULL)
		return err_set(e, ERR_PROTOCOL, "the CA's order has no authorizations");
	r = order_problem(s, w, e);
	if (r == 0)
		r = acme_authorization_parse(w->response->body.data, w->response->body.len,
					     &m->authorizations[w->index], e);
	if (r != 0)
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
