/* SPDX-License-Identifier: MIT
 *
 * WITHDRAW — takes back what was published (RFC 8555 8.3), runs the post-hook if the pre-hook may
 * have run, and closes the order as DONE or FAILED.
 *
 * May run twice: taking back what is not there is success. A solver that fails is tried again a
 * few times and then left alone, with an event: the certificate is issued all the same. So is one
 * that ends us each time.
 */
#include "agent/stage.h"

#include "agent/engine.h"
#include "base/log.h"

#include <stdlib.h>

#define WITHDRAW_TRIES 3
#define REPLACED_LIMIT 3 /* orders in a row (HACKING.md, rule 7) */

enum withdraw_phase {
	WITHDRAW_ANSWERS = 0,
	WITHDRAW_HOOK,
	WITHDRAW_END,
};

static int withdraw_answers(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	struct store *store = engine_store(s->engine);
	int r;

	order_forget_authorizations(m);
	r = challenge_list(store, s->id, &m->challenges, &m->challenge_count, e);
	for (size_t i = 0; r == 0 && i < m->challenge_count; i++) {
		struct solver_ask ask = {SOLVER_WITHDRAW, m->challenges[i], NULL};
		bool shared = false;

		if (m->challenges[i]->withdrawn)
			continue;
		r = challenge_shared(store, m->challenges[i], &shared, e);
		if (r == 0 && !shared)
			r = work_solver(s, i, &ask, e);
	}
	return r;
}

/* everleaf has ended so often while it was here that the row was parked (rule 7): perhaps because
 * of a program that would be run here. The order ends without. */
static int withdraw_leaves(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);

	m->phase = WITHDRAW_HOOK;
	step_log(s, LOG_ERROR, "what was published is left where it is");
	step_event(s, "left", "everleaf ended each time it took back what was published");
	order_forget_authorizations(m);
	return challenge_list(engine_store(s->engine), s->id, &m->challenges, &m->challenge_count,
			      e);
}

static int withdraw_ask(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);

	if (s->saved == &stage_withdraw && s->standing->failures > 0)
		return withdraw_leaves(s, e);
	if (m->phase == WITHDRAW_ANSWERS)
		return withdraw_answers(s, e);
	if (m->phase == WITHDRAW_HOOK && m->order->hooked && m->wish != NULL &&
	    m->wish->post_hook.count > 0 && !engine_rehearses(s->engine)) {
		struct strlist environment AUTO_STRLIST = {0};

		strlist_addf(&environment, "EVERLEAF_CERTIFICATE=%s", s->label);
		return work_hook(s, &m->wish->post_hook, &environment, e);
	}
	return 0; /* heard at once */
}

/* Nobody was to blame, so another order takes its place at once: a few times in a row, because what
 * keeps happening is a failure whoever is to blame. An operator's change of mind is not counted. */
static int withdraw_replaces(struct step *s, const struct err *why, bool *ret_replaced,
			     struct err *e)
{
	struct store *store = engine_store(s->engine);
	struct renewal renewal = {0};
	int r;

	if (why->cause != CAUSE_INTERRUPTED && why->cause != CAUSE_CHANGED)
		return 0;
	r = renewal_load(store, s->certificate_id, &renewal, e);
	if (r != 0 || (why->cause == CAUSE_INTERRUPTED && renewal.replaced >= REPLACED_LIMIT))
		return r;
	renewal.replaced += why->cause == CAUSE_INTERRUPTED;
	r = renewal_save(store, &renewal, e);
	if (r != 0)
		return r;
	*ret_replaced = true;
	engine_again(s->engine, s->certificate_id);
	return step_event(s, "interrupted", "%s; a new order takes its place", why->text);
}

/* The attempt failed: the next one comes after a back-off, unless nobody was to blame. */
static int withdraw_failed(struct step *s, struct err *e)
{
	const struct err *why = &s->standing->error;
	bool replaced = false;
	int r;

	r = withdraw_replaces(s, why, &replaced, e);
	if (r != 0 || replaced)
		return r;
	/* It was dead when it was taken up: that was not what a command has tried. */
	if (order_memory(s)->resumed && !order_memory(s)->asked)
		engine_again(s->engine, s->certificate_id);
	r = step_certificate_failed(s, why, e);
	return r != 0 ? r : step_event(s, "failed", "%s", why->text);
}

static int withdraw_end(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	struct order *o = m->order;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->challenge_count; i++)
		r = challenge_withdrawn(engine_store(s->engine), m->challenges[i]->id, e);
	if (r == 0 && o->version_id == 0)
		r = withdraw_failed(s, e);
	if (r != 0)
		return r;
	r = renewal_look(engine_store(s->engine), s->certificate_id, 0, e);
	if (r != 0)
		return r;
	o->ended_at = step_now(s);
	o->standing.next_at = 0;
	return step_ends(s, o->version_id != 0 ? &stage_done : &stage_failed, e);
}

static int withdraw_trouble(struct step *s, const struct work *w)
{
	struct order_memory *m = order_memory(s);
	const char *what = m->phase == WITHDRAW_HOOK ? "the post-hook" : "taking back the answer";

	struct err why = w->error;

	err_while(&why, "%s", what);
	if (m->phase == WITHDRAW_ANSWERS && ++m->polls < WITHDRAW_TRIES && step_rests(s, &why))
		return 1;
	step_log(s, LOG_ERROR, "%s", why.text);
	step_event(s, "left", "%s", why.text);
	return 0;
}

static int withdraw_hear(struct step *s, struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);

	if (w != NULL && w->error.code != ERR_NONE && withdraw_trouble(s, w) != 0)
		return 0;
	if (w != NULL && w->output != NULL && w->output[0] != '\0')
		step_event(s, "output", "%s", w->output);
	if (!step_all_heard(s))
		return 0;
	if (++m->phase == WITHDRAW_END)
		return withdraw_end(s, e);
	step_waits(s, 0);
	return 0;
}

const struct stage stage_withdraw = {
	.name = "withdraw",
	.ask = withdraw_ask,
	.hear = withdraw_hear,
	.durable = true,
};
