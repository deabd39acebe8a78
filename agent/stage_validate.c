/* SPDX-License-Identifier: MIT
 *
 * ANSWER and VALIDATE — tells the CA that it may look (RFC 8555 7.5.1) and waits for its verdict
 * by reading the order, which speaks for all its authorizations at once.
 *
 * Our own listener knows when the CA has fetched an answer, so the first look comes as soon as
 * its last fetch is over, not after a fixed wait.
 */
#include "agent/stage.h"

#include "acme/retry.h"
#include "agent/engine.h"
#include "agent/machines.h"
#include "agent/standalone.h"

#include <stdlib.h>

#define VALIDATE_LIMIT 300  /* seconds, then the order is parked */
#define FETCH_WAIT_MS  2000 /* for the first fetch, when our listener would see it */

static int answer_ask(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->challenge_count; i++)
		if (!m->answered[i])
			r = order_asks(s, i, request_answer_challenge(m->challenges[i]->url), e);
	return r;
}

/* A challenge that the CA calls answered already (our POST before a crash, a reused
 * authorization) is no failure: the order's status is what counts. */
static bool answer_is_over(const struct work *w)
{
	return w->response != NULL && w->response->problem != NULL &&
	       retry_classify(w->response->problem, w->response->retry_after) == RETRY_CONFIG;
}

static int answer_hear(struct step *s, struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);
	char until[CLOCK_TEXT_SIZE];

	if (w != NULL && !answer_is_over(w)) {
		int r = order_problem(s, w, e);

		if (r != 0)
			return r;
	}
	if (w != NULL)
		m->answered[w->index] = true;
	if (!step_all_heard(s))
		return 0;
	m->polls = 0;
	m->since = step_now(s);
	step_log(s, LOG_NOTICE,
		 "waiting for the CA to fetch and judge %zu answer%s, until %s at most",
		 m->challenge_count, m->challenge_count == 1 ? "" : "s",
		 clock_format(m->since + VALIDATE_LIMIT, until));
	return step_goes(s, &stage_validate, e);
}

static bool all_fetched(const struct order_memory *m)
{
	for (size_t i = 0; i < m->challenge_count; i++)
		if (!m->fetched[i])
			return false;
	return m->challenge_count > 0;
}

/* How long before the first look. */
static int64_t validate_first_ms(const struct step *s)
{
	const struct order_memory *m = order_memory(s);

	if (all_fetched(m))
		return retry_poll_ms(0, 1);
	if (standalone_listens(engine_standalone(s->engine)))
		return FETCH_WAIT_MS;
	return retry_poll_ms(0, 0);
}

void order_fetched(struct step *s, const char *token)
{
	struct order_memory *m = order_memory(s);
	bool ours = false;

	for (size_t i = 0; m != NULL && i < m->challenge_count; i++)
		if (str_equal(m->challenges[i]->token, token))
			m->fetched[i] = ours = true;
	if (ours && s->stage == &stage_validate && m->polls == 1 && s->works == NULL &&
	    all_fetched(m))
		step_waits(s, retry_poll_ms(0, 1));
}

static int validate_ask(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);

	if (m->polls == 0) {
		step_waits(s, validate_first_ms(s));
		m->polls = 1;
		return 0;
	}
	return order_asks(s, 0, request_read(m->order->url), e);
}

static int validate_hear(struct step *s, struct work *w, struct err *e)
{
	AUTO_ORDER struct acme_order *acme = NULL;
	int r;

	r = order_read(s, w, &acme, e);
	if (r != 0)
		return r;
	if (acme->status == ACME_PENDING)
		return order_polls(s, w->response->retry_after, VALIDATE_LIMIT, e);
	return order_follows(s, TAKE(acme), e);
}

const struct stage stage_answer = {.name = "answer", .ask = answer_ask, .hear = answer_hear};

const struct stage stage_validate = {
	.name = "validate",
	.ask = validate_ask,
	.hear = validate_hear,
};
