/* SPDX-License-Identifier: MIT
 *
 * ANSWER and VALIDATE — tells the CA that it may look (RFC 8555 7.5.1) and waits for its verdict:
 * the answer to the challenge may have it already; then the order is read, which speaks for all its
 * authorizations at once, and every few polls the authorizations, because there are CAs whose order
 * stays pending when one of them has failed.
 *
 * A CA that could not fetch an answer may leave the challenge pending, with an error: it is told
 * again (8.2), a few times.
 *
 * Our own listener knows when the CA has fetched an answer, so the first look comes as soon as
 * its last fetch is over, not after a fixed wait.
 */
#include "agent/stage.h"

#include "acme/retry.h"
#include "agent/engine.h"
#include "agent/machines.h"
#include "agent/standalone.h"
#include "agent/verdict.h"

#include <stdlib.h>

#define VALIDATE_LIMIT 300  /* seconds, then the order is parked */
#define VALIDATE_READS 3    /* each so-manieth poll reads the authorizations */
#define AGAIN_LIMIT    3    /* how often a CA is told again after an error of its own … */
#define AGAIN_MS       5000 /* … and how long after it; doubling */
#define FETCH_WAIT_MS  2000 /* for the first fetch, when our listener would see it */

/* --- the CA has spoken of an answer --- */

/* "*.example.org" for the wildcard of example.org. The caller frees it. */
static char *name_of(const struct challenge *c)
{
	return mem_printf("%s%s", c->wildcard ? "*." : "", c->identifier);
}

/* People are told what a CA met, once: it says the same at each poll. */
static void answer_says(struct step *s, struct answer *a, const struct err *why)
{
	if (why->code == ERR_NONE || str_equal(a->said, why->text))
		return;
	mem_set_str(&a->said, why->text);
	step_log(s, LOG_NOTICE, "%s; the CA may look again", why->text);
	step_event(s, "unanswered", "%s", why->text);
}

static void answer_judge(struct step *s, size_t index, enum verdict v, const struct err *why)
{
	struct order_memory *m = order_memory(s);
	const struct challenge *c = m->challenges[index];
	struct answer *a = &m->answers[index];
	AUTO_FREE char *name = name_of(c);

	if (v == VERDICT_VALID)
		a->valid = true;
	if (v == VERDICT_AGAIN && a->tries == AGAIN_LIMIT)
		v = VERDICT_REFUSED;
	if (v == VERDICT_REFUSED) {
		refusals_add(s, &m->refusals, name, c->token, why);
		return;
	}
	answer_says(s, a, why);
	if (v != VERDICT_AGAIN)
		return;
	a->tries++;
	a->told = false;
}

/* What is to be done when all that was out is heard: true, and *ret_r says how that went. */
static bool answers_end(struct step *s, int *ret_r, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int tries = 0;

	if (m->refusals.names.count > 0) {
		*ret_r = refusals_end(s, &m->refusals, e);
		return true;
	}
	for (size_t i = 0; i < m->challenge_count; i++)
		if (!m->answers[i].told && m->answers[i].tries > tries)
			tries = m->answers[i].tries;
	if (tries == 0)
		return false;
	*ret_r = step_goes(s, &stage_answer, e);
	step_waits(s, (int64_t)AGAIN_MS << (tries - 1));
	return true;
}

/* --- ANSWER --- */

static int answer_ask(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int r = 0;

	m->asked = true;
	for (size_t i = 0; r == 0 && i < m->challenge_count; i++)
		if (!m->answers[i].told)
			r = order_asks(s, i, request_answer_challenge(m->challenges[i]->url), e);
	return r;
}

/* The CA does not take this answer (any more). What that means its authorization says: after a
 * crash it may be answered already. */
static bool answer_is_refused(const struct work *w)
{
	switch (w->response != NULL && w->response->problem != NULL
			? retry_classify(w->response->problem, w->response->retry_after)
			: RETRY_LATER) {
	case RETRY_LATER:
	case RETRY_WAIT:
	case RETRY_NONCE:
	case RETRY_ACCOUNT:
	case RETRY_OPERATOR:
		return false;
	default:
		return true;
	}
}

static int answer_heard(struct step *s, const struct work *w, struct err *e)
{
	AUTO_CHALLENGE struct acme_challenge *c = NULL;
	struct order_memory *m = order_memory(s);
	struct answer *a = &m->answers[w->index];
	AUTO_FREE char *name = name_of(m->challenges[w->index]);
	struct err why = {0};
	int r = order_problem(s, w, e);

	if (r != 0 && !answer_is_refused(w))
		return err_while(e, "%s", name);
	a->told = true;
	if (r != 0) {
		a->refusal = a->refusal != NULL ? a->refusal : mem_new(sizeof(*a->refusal));
		*a->refusal = *e;
		err_while(a->refusal, "%s", name);
		return 0;
	}
	/* what cannot be read was taken all the same: the authorization will say what came of it */
	if (acme_challenge_parse(w->response->body.data, w->response->body.len, &c, NULL) == 0)
		answer_judge(s, w->index, verdict_of_challenge(c, name, step_now(s), &why), &why);
	return 0;
}

static int answer_hear(struct step *s, struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);
	char until[CLOCK_TEXT_SIZE];
	int r = 0;

	if (w != NULL)
		r = answer_heard(s, w, e);
	if (r != 0 || !step_all_heard(s) || answers_end(s, &r, e))
		return r;
	m->polls = 0;
	m->since = step_now(s);
	step_log(s, LOG_NOTICE,
		 "waiting for the CA to fetch and judge %zu answer%s, until %s at most",
		 m->challenge_count, m->challenge_count == 1 ? "" : "s",
		 clock_format(m->since + VALIDATE_LIMIT, until));
	return step_goes(s, &stage_validate, e);
}

/* --- VALIDATE --- */

static bool all_fetched(const struct order_memory *m)
{
	for (size_t i = 0; i < m->challenge_count; i++)
		if (!m->answers[i].fetched)
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

/* May come at any time: an order that has been read again has no answers to speak of. */
void order_fetched(struct step *s, const char *token)
{
	struct order_memory *m = order_memory(s);
	bool ours = false;

	for (size_t i = 0; m != NULL && m->answers != NULL && i < m->challenge_count; i++)
		if (str_equal(m->challenges[i]->token, token))
			m->answers[i].fetched = ours = true;
	if (ours && s->stage == &stage_validate && m->polls == 1 && s->works == NULL &&
	    all_fetched(m))
		step_waits(s, retry_poll_ms(0, 1));
}

static bool any_refusal(const struct order_memory *m)
{
	for (size_t i = 0; i < m->challenge_count; i++)
		if (m->answers[i].refusal != NULL)
			return true;
	return false;
}

bool order_is_judged(const struct step *s)
{
	return s->stage == &stage_answer || s->stage == &stage_validate;
}

void order_stood_still(struct step *s, bool unseen)
{
	struct order_memory *m = order_memory(s);

	if (m == NULL)
		return;
	m->since = step_now(s); /* the CA's time counts from here */
	m->left = m->left || (unseen && order_is_judged(s));
}

static int validate_ask(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	size_t asked = 0;
	int r = 0;

	if (m->polls == 0 && !any_refusal(m)) {
		step_waits(s, validate_first_ms(s));
		m->polls = 1;
		return 0;
	}
	m->reads = m->polls % VALIDATE_READS == 0;
	for (size_t i = 0; r == 0 && m->reads && i < m->challenge_count; i++)
		if (!m->answers[i].valid) {
			r = order_asks(s, i, request_read(m->challenges[i]->authorization_url), e);
			asked++;
		}
	m->reads = asked > 0;
	return asked > 0 ? r : order_asks(s, 0, request_read(m->order->url), e);
}

/* ERR_NET: the CA has had time enough. */
static int validate_waits(struct step *s, int64_t retry_after, struct err *e)
{
	struct order_memory *m = order_memory(s);
	struct strlist names AUTO_STRLIST = {0};
	AUTO_FREE char *text = NULL;

	if (order_polls(s, retry_after, VALIDATE_LIMIT))
		return 0;
	for (size_t i = 0; i < m->challenge_count; i++)
		if (!m->answers[i].valid)
			strlist_addf(&names, "%s%s", m->challenges[i]->wildcard ? "*." : "",
				     m->challenges[i]->identifier);
	text = strlist_join(&names, ", ");
	if (names.count == 0)
		return err_set(e, ERR_NET,
			       "the CA has authorized all names, but its order is still pending "
			       "after %d minutes",
			       VALIDATE_LIMIT / 60);
	return err_set(e, ERR_NET, "the CA has not judged the answer for %s within %d minutes",
		       text, VALIDATE_LIMIT / 60);
}

static const struct acme_challenge *challenge_of(const struct acme_authorization *a,
						 const char *url)
{
	for (size_t i = 0; i < a->challenge_count; i++)
		if (str_equal(a->challenges[i].url, url))
			return &a->challenges[i];
	return NULL;
}

/* The CA refused to be told of it, and has not begun to look: then it never will. */
static enum verdict refusal_counts(struct answer *a, enum verdict v,
				   const struct acme_challenge *chosen, struct err *why)
{
	if (a->refusal == NULL)
		return v;
	if ((v == VERDICT_NONE || v == VERDICT_AGAIN) &&
	    (chosen == NULL || chosen->status == ACME_PENDING)) {
		*why = *a->refusal;
		v = VERDICT_REFUSED;
	}
	free(TAKE(a->refusal));
	return v;
}

static int authorization_heard(struct step *s, const struct work *w, struct err *e)
{
	AUTO_AUTHORIZATION struct acme_authorization *a = NULL;
	struct order_memory *m = order_memory(s);
	const struct challenge *c = m->challenges[w->index];
	AUTO_FREE char *name = name_of(c);
	const struct acme_challenge *chosen;
	struct err why = {0};
	enum verdict v;
	int r;

	r = order_authorization(s, w, &a, e);
	if (r != 0)
		return r;
	if (!str_equal(verdict_name(m->order, a), name))
		return err_set(e, ERR_PROTOCOL, "the CA's authorization for %s is for %s%s by now",
			       name, a->wildcard ? "*." : "", a->identifier);
	chosen = challenge_of(a, c->url);
	v = verdict_of_authorization(a, chosen, name, step_now(s), &why);
	v = refusal_counts(&m->answers[w->index], v, chosen, &why);
	answer_judge(s, w->index, v, &why);
	if (w->response->retry_after > m->retry_after)
		m->retry_after = w->response->retry_after;
	return 0;
}

static bool all_valid(const struct order_memory *m)
{
	for (size_t i = 0; i < m->challenge_count; i++)
		if (!m->answers[i].valid)
			return false;
	return true;
}

static int authorizations_hear(struct step *s, const struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int64_t retry_after;
	int r = authorization_heard(s, w, e);

	if (r != 0 || !step_all_heard(s) || answers_end(s, &r, e))
		return r;
	retry_after = m->retry_after;
	m->retry_after = 0;
	if (!all_valid(m))
		return validate_waits(s, retry_after, e);
	m->polls++; /* the order must say the same by now */
	step_waits(s, 0);
	return 0;
}

static int validate_hear(struct step *s, struct work *w, struct err *e)
{
	AUTO_ORDER struct acme_order *acme = NULL;
	int r;

	if (order_memory(s)->reads)
		return authorizations_hear(s, w, e);
	r = order_read(s, w, &acme, e);
	if (r != 0)
		return r;
	if (acme->status == ACME_PENDING)
		return validate_waits(s, w->response->retry_after, e);
	return order_follows(s, TAKE(acme), e);
}

const struct stage stage_answer = {.name = "answer", .ask = answer_ask, .hear = answer_hear};

const struct stage stage_validate = {
	.name = "validate",
	.ask = validate_ask,
	.hear = validate_hear,
};
