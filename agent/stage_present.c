/* SPDX-License-Identifier: MIT
 *
 * PRESENT and SETTLE — publishes the answers through the solver, and waits until they can be found
 * (RFC 8555 8.3; 8.2: no answer to the CA before we believe that it will find ours).
 *
 * May run twice: solvers are idempotent, and the challenge rows were durable before. The pre-hook
 * runs first; the row remembers that it may have, so that the post-hook will.
 */
#include "agent/stage.h"

#include "agent/engine.h"
#include "agent/machines.h"
#include "agent/standalone.h"

#include <stdlib.h>

enum present_phase {
	PRESENT_HOOK = 0,
	PRESENT_ANSWERS,
};

static int present_thumbprint(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	const struct key *key = NULL;
	int r;

	r = account_load(engine_store(s->engine), m->order->account_id, &a, e);
	if (r == 0 && a == NULL)
		r = err_set(e, ERR_SYS, "the order's account is gone");
	if (r == 0)
		r = engine_account_key(s->engine, a->key_id, &key, e);
	if (r != 0)
		return r;
	free(m->thumbprint);
	m->thumbprint = key_jwk_thumbprint(key);
	return 0;
}

static int solver_each(struct step *s, enum solver_verb verb, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->challenge_count; i++) {
		/* RFC 8555 8.1; our own thumbprint only, never text of the CA's */
		AUTO_FREE char *answer =
			mem_printf("%s.%s", m->challenges[i]->token, m->thumbprint);
		struct solver_ask ask = {verb, m->challenges[i], answer};

		r = work_solver(s, i, &ask, e);
	}
	return r;
}

static int present_ask(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int r;

	if (m->challenges == NULL)
		return step_goes(s, &stage_read, e);
	if (m->phase == PRESENT_HOOK && m->wish->pre_hook.count > 0 &&
	    !engine_rehearses(s->engine)) {
		struct strlist environment AUTO_STRLIST = {0};

		strlist_addf(&environment, "EVERLEAF_CERTIFICATE=%s", s->label);
		return work_hook(s, &m->wish->pre_hook, &environment, e);
	}
	m->phase = PRESENT_ANSWERS;
	r = present_thumbprint(s, e);
	return r != 0 ? r : solver_each(s, SOLVER_PRESENT, e);
}

static int present_hear(struct step *s, struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);

	if (w != NULL && w->error.code != ERR_NONE) {
		*e = w->error;
		return err_while(e, m->phase == PRESENT_HOOK ? "the pre-hook"
							     : "publishing the answer");
	}
	if (w != NULL && w->output != NULL && w->output[0] != '\0')
		step_event(s, "output", "%s", w->output);
	if (!step_all_heard(s))
		return 0;
	if (m->phase == PRESENT_HOOK) {
		m->phase = PRESENT_ANSWERS;
		step_waits(s, 0);
		return 0;
	}
	return step_goes(s, &stage_settle, e);
}

static int settle_ask(struct step *s, struct err *e)
{
	return solver_each(s, SOLVER_READY, e);
}

static int settle_hear(struct step *s, struct work *w, struct err *e)
{
	if (w != NULL && w->error.code != ERR_NONE) {
		*e = w->error;
		return e->code;
	}
	return step_all_heard(s) ? step_goes(s, &stage_answer, e) : 0;
}

bool order_presents_soon(const struct step *s)
{
	const struct order_memory *m = order_memory(s);

	return m != NULL && s->works != NULL && m->wish != NULL &&
	       (s->stage == &stage_new || s->stage == &stage_authorize) &&
	       str_equal(json_get_text(m->wish->solver, "name"), solver_standalone.name);
}

const struct stage stage_present = {
	.name = "present",
	.ask = present_ask,
	.hear = present_hear,
	.durable = true,
};

const struct stage stage_settle = {.name = "settle", .ask = settle_ask, .hear = settle_hear};
