/* SPDX-License-Identifier: MIT
 *
 * stage — the order machine: how one attempt gets a certificate, and what survives a crash.
 *
 *   NEW ⇒ AUTHORIZE ⇒ PRESENT → SETTLE → ANSWER → VALIDATE → FINALIZE → PROCESS → DOWNLOAD
 *               │         ⇑                   ↑        │                                 ⇓
 *               │         ⇑                   └────────┘ told again (RFC 8555 8.2)       ⇓
 *               │       REVIEW ← READ (a restart at AUTHORIZE or PRESENT)            WITHDRAW
 *               └→ FINALIZE when every authorization is valid already                    ⇓
 *                         permanent failure anywhere, an order that is invalid,    DONE or FAILED
 *                         an answer that was refused, an hour of PROCESS: ⇒ WITHDRAW
 *
 * REVIEW is AUTHORIZE again, in memory: the row is further already.
 * ⇒ is durable before anything more goes out; → lives in memory. So an order has five commits: its
 * birth (agent/renewal.c), and the four ⇒ of a good run; a CA that is slow to issue costs one more.
 *
 * 1. Only step_goes() changes a stage. ask has no effects, except that NEW parks beside an account
 *    that is parked; hear has only database effects. What they write is kept only together with
 *    the fenced UPDATE of the order's own row.
 * 2. Nothing goes out before what it rests on is durable: the turn commits, then submits.
 * 3. A commit that fails is a crash: works are dropped, memory forgotten, rows read again.
 * 4. The key is durable before the CSR is, the challenge rows before a solver acts and until it
 *    has taken them back; a version and its deployments are born in one transaction.
 * 5. After any doubt the CA's order status chooses the stage: pending → REVIEW, ready → FINALIZE
 *    (the same CSR, always), processing → PROCESS, valid → DOWNLOAD, invalid → REVIEW to learn
 *    why, and then ⇒ WITHDRAW whatever it says, gone (404) ⇒ WITHDRAW. What a challenge or an
 *    authorization says of our answer counts before that: a refused one ends the attempt although
 *    the order is pending (agent/verdict.c).
 * 6. Waiting is step_waits() or the row's next_at, never a sleep; a request that meets a passing
 *    error is repeated by its work, after 1, 2 and 4 s. What the CA was told of stays answered
 *    while the order is parked.
 * 7. A claim is charged before anything goes out; the fourth without progress is a failure.
 *    An answer is nobody's failure only if who had published it (shown_by) has ended since.
 * 8. One live order per certificate and key kind; one live order per order URL.
 */
#include "agent/stage.h"

#include "acme/identifier.h"
#include "acme/retry.h"
#include "agent/engine.h"
#include "agent/fallback.h"
#include "agent/folders.h"
#include "agent/machines.h"
#include "agent/verdict.h"
#include "agent/wire.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define ORDER_TAKEN_RESTS 5

static const struct stage *const stages[] = {
	&stage_new,      &stage_read,     &stage_authorize, &stage_review,   &stage_present,
	&stage_settle,   &stage_answer,   &stage_validate,  &stage_finalize, &stage_process,
	&stage_download, &stage_withdraw, &stage_done,      &stage_failed,
};

struct order_memory *order_memory(const struct step *s)
{
	return s->memory;
}

/* The row names only durable stages. */
static const struct stage *stage_of(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(stages); i++)
		if (stages[i]->durable && str_equal(stages[i]->name, name))
			return stages[i];
	return NULL;
}

/* Its certificate was deleted: nothing more is asked of the CA, what was published is withdrawn. */
static int order_removed(struct step *s)
{
	if (s->stage == &stage_withdraw)
		return 0;
	s->stage = &stage_withdraw;
	s->standing->error_at = step_now(s);
	(void)err_set(&s->standing->error, ERR_CONFIG, "the certificate was deleted");
	return 0;
}

static int order_machine_load(struct step *s, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct order_memory *m = mem_new(sizeof(*m));
	int r;

	s->memory = m;
	r = order_load(engine_store(s->engine), s->id, &m->order, e);
	if (r == 0 && m->order == NULL)
		r = err_set(e, ERR_SYS, "order %lld is gone", (long long)s->id);
	if (r != 0)
		return r;
	s->standing = &m->order->standing;
	s->stage = s->saved = stage_of(m->order->stage);
	r = certificate_load(engine_store(s->engine), m->order->certificate_id, &c, e);
	s->certificate_id = m->order->certificate_id;
	s->label = mem_str(c != NULL ? c->name : m->order->names.items[0]);
	if (r == 0 && s->stage == NULL)
		r = err_set(e, ERR_SYS, "order %lld is at the unknown stage \"%s\"",
			    (long long)s->id, m->order->stage);
	if (r == 0)
		r = wish_parse(m->order->wish, &m->wish, e);
	if (r != 0)
		return r;
	m->resumed = s->stage == &stage_present || s->stage == &stage_authorize;
	m->left = m->order->shown_by[0] != '\0' &&
		  !owner_alive(engine_store(s->engine), m->order->shown_by);
	m->dated = m->order->processing_at != 0;
	if (m->resumed)
		s->stage = &stage_read;
	if (c == NULL || c->removed_at != 0)
		return order_removed(s);
	return 0;
}

static int order_machine_save(struct step *s, bool release, struct err *e)
{
	struct order *o = order_memory(s)->order;

	if (s->stage->durable)
		mem_set_str(&o->stage, s->stage->name);
	return order_save(engine_store(s->engine), o, release, e);
}

static int order_ends(struct step *s, const struct err *why, struct err *e);

/* One that the CA is issuing goes on at the latest when that has taken too long. */
static int order_parks(struct step *s, const struct err *why, struct err *e)
{
	int64_t until = order_memory(s)->order->processing_at + ORDER_PROCESSING_S;

	return step_parks_before(s, why, until > step_now(s) ? until : INT64_MAX, e);
}

/* A refusal that may be about the account: the order waits until the CA was asked about that, and
 * goes on from what the CA says of the order then. An order that cannot be read after that is gone
 * with the account that it was made for. */
static int order_doubts(struct step *s, const struct err *why, bool *ret_heard, struct err *e)
{
	struct order_memory *m = order_memory(s);
	bool definite = m->doubt == ORDER_DOUBTED;
	struct err gone = *why;
	int r;

	if (m->doubt == ORDER_SURE || s->stage == &stage_withdraw)
		return 0;
	m->doubt = ORDER_SURE;
	r = account_doubted(s, m->order->account_id, m->confirmed, ret_heard, e);
	if (r != 0)
		return r;
	if (*ret_heard) {
		step_log(s, LOG_NOTICE, "%s; the CA is asked whether it knows the account",
			 why->text);
		if (s->stage != &stage_new)
			return step_goes(s, &stage_read, e);
		works_drop(s);
		step_waits(s, 0);
	} else if (s->stage == &stage_read && definite) {
		*ret_heard = true;
		err_while(&gone, "the order is gone with its account");
		gone.code = ERR_NET;
		(void)err_because(&gone, CAUSE_INTERRUPTED);
		return order_fails(s, &gone, e);
	}
	return 0;
}

/* What may pass by itself parks the order where it is; anything else ends the attempt. */
static int order_machine_failed(struct step *s, const struct err *why, struct err *e)
{
	struct err first = s->standing->error;
	struct err copy = *why;
	bool moved = false, heard = false;
	int r;

	if (why->cause == CAUSE_BAD_NONCE && step_rests(s, why)) {
		order_memory(s)->finalized = 0; /* the CA has not looked at the CSR */
		return 0;
	}
	if (why->cause == CAUSE_ORDER_TAKEN && s->parks < ORDER_TAKEN_RESTS && step_rests(s, why))
		return 0;
	r = order_doubts(s, why, &heard, e);
	if (r != 0 || heard)
		return r;
	if (why->cause == CAUSE_ORDER_TAKEN)
		copy.code = ERR_NET; /* the other order is in no hurry: park */
	if (s->stage ==
	    &stage_withdraw) /* what made the attempt fail is what people want to read */
		return step_parks(s, first.code != ERR_NONE ? &first : why, e);
	if (copy.code != ERR_NET && copy.code != ERR_BUSY)
		return order_ends(s, &copy, e);
	r = fallback_try(s, s->standing->failures + 1, &copy, &moved, e);
	if (r != 0)
		return r;
	return moved ? order_fails(s, &copy, e) : order_parks(s, why, e);
}

void order_forget_authorizations(struct order_memory *m)
{
	for (size_t i = 0; i < m->authorization_count; i++)
		acme_authorization_free(m->authorizations[i]);
	free(TAKE(m->authorizations));
	m->authorization_count = 0;
	for (size_t i = 0; m->answers != NULL && i < m->challenge_count; i++) {
		free(m->answers[i].said);
		free(m->answers[i].refusal);
	}
	free(TAKE(m->answers));
	challenge_list_free(TAKE(m->challenges), m->challenge_count);
	m->challenge_count = 0;
	refusals_clear(&m->refusals);
}

static void order_machine_forget(struct step *s)
{
	struct order_memory *m = order_memory(s);

	if (m == NULL)
		return;
	order_forget_authorizations(m);
	acme_order_free(m->acme);
	wish_free(m->wish);
	order_free(m->order);
	free(m->thumbprint);
	strlist_clear(&m->alternates);
	free(TAKE(s->memory));
	s->standing = NULL;
}

const struct machine machine_order = {
	.name = "order",
	.claim = CLAIM_ORDER,
	.load = order_machine_load,
	.save = order_machine_save,
	.failed = order_machine_failed,
	.forget = order_machine_forget,
};

/* --- the few ways on --- */

int order_wanted(struct step *s, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	int r;

	r = certificate_load(engine_store(s->engine), s->certificate_id, &c, e);
	if (r == 0 && (c == NULL || c->removed_at != 0))
		r = err_set(e, ERR_CONFIG,
			    "the certificate was deleted while it was being renewed");
	return r;
}

int order_room(const struct step *s, struct err *e)
{
	const struct json *deploy = order_memory(s)->wish->deploy;
	struct deployer_task task = {
		.certificate = s->label,
		.names = &order_memory(s)->order->names,
		.key_fd = -1,
		.only_looks = true,
	};
	int r = store_room(engine_store(s->engine), e);

	if (engine_rehearses(s->engine))
		deploy = NULL; /* which pays for nothing, and whose CHECK says it of each of them */
	folders_task(&task, engine_store(s->engine));
	for (size_t i = 0; r == 0 && i < json_count(deploy); i++) {
		const struct deployer_ops *ops;

		task.settings = json_at(deploy, i);
		ops = engine_deployer(s->engine, json_get_text(task.settings, "name"));
		if (ops != NULL && ops->room != NULL)
			r = ops->room(&task, e);
	}
	return r != 0 ? err_while(e, "no certificate is asked for yet") : 0;
}

int order_asks(struct step *s, size_t index, struct acme_request *request, struct err *e)
{
	return work_ca(s, index, order_memory(s)->order->account_id, request, e);
}

/* What a refusal says of the account. Of a certificate that does not come it says little: the CA
 * has just shown the order, and will be asked for that again. */
static enum order_doubt order_doubt(const struct step *s, const struct acme_response *answer)
{
	const struct acme_problem *p = answer->problem;

	if (!retry_doubts_account(p, answer->retry_after))
		return ORDER_SURE;
	if (s->stage == &stage_download && answer->status != 401 &&
	    !acme_problem_is(p, "unauthorized") && !acme_problem_is(p, "accountDoesNotExist"))
		return ORDER_SURE;
	return answer->status < 500 ? ORDER_DOUBTED : ORDER_DOUBTED_FAINTLY;
}

int order_problem(struct step *s, const struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);

	m->doubt = ORDER_SURE;
	if (w->error.code != ERR_NONE) {
		*e = w->error;
		return e->code;
	}
	if (w->response == NULL || w->response->problem == NULL)
		return 0;
	m->doubt = order_doubt(s, w->response);
	m->confirmed = w->confirmed;
	return retry_error(w->response->problem, w->response->retry_after, step_now(s), e);
}

/* RFC 8555 7.4: the identifiers must be those of the request, in any order. */
static int order_check_names(const struct order *o, const struct acme_order *acme, struct err *e)
{
	AUTO_FREE char *wanted = identifier_set(&o->names);
	AUTO_FREE char *got = identifier_set(&acme->identifiers);

	if (str_equal(wanted, got))
		return 0;
	return err_set(e, ERR_PROTOCOL, "the CA made an order for \"%s\" instead of \"%s\"", got,
		       wanted);
}

int order_read(struct step *s, const struct work *w, struct acme_order **ret_acme, struct err *e)
{
	AUTO_ORDER struct acme_order *acme = NULL;
	int r = order_problem(s, w, e);

	if (r == 0)
		r = acme_order_parse(w->response->body.data, w->response->body.len, &acme, e);
	if (r == 0)
		r = order_check_names(order_memory(s)->order, acme, e);
	if (r != 0)
		return r;
	*ret_acme = TAKE(acme);
	return 0;
}

int order_authorization(struct step *s, const struct work *w, struct acme_authorization **ret_a,
			struct err *e)
{
	int r = order_problem(s, w, e);

	if (r != 0)
		return r;
	return acme_authorization_parse(w->response->body.data, w->response->body.len, ret_a, e);
}

int order_withdraws(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);

	m->phase = 0;
	m->polls = 0;
	return step_goes(s, &stage_withdraw, e);
}

int order_fails(struct step *s, const struct err *why, struct err *e)
{
	s->standing->error = *why;
	s->standing->error_at = step_now(s);
	step_log(s, LOG_ERROR, "%s", why->text);
	return order_withdraws(s, e);
}

static int order_ends(struct step *s, const struct err *why, struct err *e)
{
	struct renewal renewal = {0};
	struct err copy = *why;
	bool moved = false;
	int r = renewal_load(engine_store(s->engine), s->certificate_id, &renewal, e);

	if (r == 0)
		r = fallback_try(s, renewal.failures + 1, &copy, &moved, e);
	return r != 0 ? r : order_fails(s, &copy, e);
}

int order_over(struct step *s, const struct err *why, struct err *e)
{
	engine_failed(s);
	return order_ends(s, why, e);
}

static const struct stage *stage_for(enum acme_status status)
{
	switch (status) {
	case ACME_READY:
		return &stage_finalize;
	case ACME_PROCESSING:
		return &stage_process;
	case ACME_VALID:
		return &stage_download;
	default: /* pending; invalid or expired: the authorizations say why */
		return &stage_review;
	}
}

int order_follows(struct step *s, struct acme_order *acme, struct err *e)
{
	struct order_memory *m = order_memory(s);
	const struct stage *to = stage_for(acme->status);

	if (m->acme != acme)
		acme_order_free(m->acme);
	m->acme = acme;
	m->order->issued = acme->status == ACME_VALID || acme->status == ACME_PROCESSING;
	m->polls = 0;
	m->since = step_now(s);
	if (to != &stage_process)
		m->order->processing_at = 0;
	else if (m->order->processing_at == 0 || m->order->processing_at > m->since)
		m->order->processing_at = m->since;
	if (to == &stage_review)
		order_forget_authorizations(m);
	return step_goes(s, to, e);
}

void order_waits(struct step *s, int64_t retry_after, int64_t ms)
{
	char when[CLOCK_TEXT_SIZE];

	retry_after = retry_after_poll(retry_after);
	if (retry_after > 0) {
		ms = retry_after * 1000;
		step_log(s, LOG_NOTICE, "the CA asks to be asked again at %s",
			 clock_format(step_now(s) + retry_after, when));
	}
	step_waits(s, ms);
}

bool order_polls(struct step *s, int64_t retry_after, int64_t limit)
{
	struct order_memory *m = order_memory(s);

	if (step_now(s) - m->since > limit)
		return false;
	order_waits(s, retry_after, retry_poll_ms(m->polls, 0));
	m->polls++;
	return true;
}

/* --- READ: what does the CA say of an order that somebody else had begun? --- */

static int read_ask(struct step *s, struct err *e)
{
	bool ready = false;
	int r = order_account(s, &ready, e);

	if (r != 0 || !ready)
		return r;
	return order_asks(s, 0, request_read(order_memory(s)->order->url), e);
}

static int read_hear(struct step *s, struct work *w, struct err *e)
{
	struct acme_order *acme = NULL;
	int r;

	if (w->response != NULL && w->response->status == 404 && order_memory(s)->resumed) {
		struct err gone = {0};

		err_set(&gone, ERR_NET, "the CA does not know order %lld any more",
			(long long)s->id);
		(void)err_because(&gone, CAUSE_INTERRUPTED);
		return order_fails(s, &gone, e);
	}
	r = order_read(s, w, &acme, e);
	if (r != 0)
		return r;
	return order_follows(s, acme, e);
}

const struct stage stage_read = {.name = "read", .ask = read_ask, .hear = read_hear};

/* --- the two ends; nobody asks there --- */

const struct stage stage_done = {.name = "done", .durable = true};
const struct stage stage_failed = {.name = "failed", .durable = true};
