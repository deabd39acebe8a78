/* SPDX-License-Identifier: MIT
 *
 * FINALIZE and PROCESS — hands the CSR to the CA once every authorization is valid, and waits for
 * the certificate (RFC 8555 7.4).
 *
 * May run twice: after a crash nobody knows whether the first POST arrived. So the CSR is always
 * the one stored with the order, and any doubt is settled by the order's status, never by a second
 * CSR (invariant 5 of stage.c).
 */
#include "agent/stage.h"

#include "acme/retry.h"
#include "agent/engine.h"

#define FINALIZE_LIMIT 3   /* finalize requests of one step */
#define PROCESS_LIMIT  600 /* seconds, then the order is parked */
#define PROCESS_DATED  10  /* seconds, then since when is durable: a quick CA costs no commit */

static int finalize_ask(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int r;

	if (m->acme == NULL)
		return step_goes(s, &stage_read, e);
	r = order_wanted(s, e);
	if (r == 0)
		r = order_room(s, e);
	if (r == 0 && m->finalized++ >= FINALIZE_LIMIT)
		r = err_set(e, ERR_NET, "the CA has not taken the CSR in %d tries", FINALIZE_LIMIT);
	if (r != 0)
		return r;
	m->asked = true;
	return order_asks(
		s, 0, request_finalize(m->acme->finalize, m->order->csr.data, m->order->csr.len),
		e);
}

static int finalize_hear(struct step *s, struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);
	AUTO_ORDER struct acme_order *acme = NULL;
	char until[CLOCK_TEXT_SIZE];
	int r;

	/* 403 orderNotReady is how a CA greets our second finalize after a crash: not a failure */
	if (w->response != NULL && acme_problem_is(w->response->problem, "orderNotReady"))
		return step_goes(s, &stage_read, e);
	r = order_read(s, w, &acme, e);
	if (r != 0)
		return r;
	m->taken = true;
	if (acme->status != ACME_PROCESSING)
		return order_follows(s, TAKE(acme), e);
	r = order_follows(s, TAKE(acme), e);
	step_log(s, LOG_NOTICE, "waiting for the CA to issue, until %s at most",
		 clock_format(m->since + PROCESS_LIMIT, until));
	m->polls = 1;
	order_waits(s, w->response->retry_after, retry_poll_ms(0, 1));
	return r;
}

static int process_ask(struct step *s, struct err *e)
{
	return order_asks(s, 0, request_read(order_memory(s)->order->url), e);
}

/* Restarts do not make it younger. */
static int process_waits(struct step *s, int64_t retry_after, struct err *e)
{
	struct order_memory *m = order_memory(s);
	int64_t since = m->order->processing_at;
	char at[CLOCK_TEXT_SIZE];
	struct err why = {0};

	if (step_now(s) - since >= ORDER_PROCESSING_S) {
		err_set(&why, ERR_NET,
			"the CA has been issuing since %s and is not done: its order is given up",
			clock_format(since, at));
		return order_over(s, &why, e);
	}
	if (!order_polls(s, retry_after, PROCESS_LIMIT))
		return err_set(e, ERR_NET, "the CA has not issued within %d minutes",
			       PROCESS_LIMIT / 60);
	if (m->dated || step_now(s) - since < PROCESS_DATED)
		return 0;
	m->dated = true;
	return step_keeps(s, e);
}

static int process_hear(struct step *s, struct work *w, struct err *e)
{
	AUTO_ORDER struct acme_order *acme = NULL;
	int r;

	r = order_read(s, w, &acme, e);
	if (r != 0)
		return r;
	if (acme->status == ACME_PROCESSING)
		return process_waits(s, w->response->retry_after, e);
	return order_follows(s, TAKE(acme), e);
}

const struct stage stage_finalize = {
	.name = "finalize",
	.ask = finalize_ask,
	.hear = finalize_hear,
};

const struct stage stage_process = {.name = "process", .ask = process_ask, .hear = process_hear};
