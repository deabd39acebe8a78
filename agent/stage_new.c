/* SPDX-License-Identifier: MIT
 *
 * NEW — asks the CA for an order (RFC 8555 7.4). Key, CSR and row were committed at its birth.
 *
 * May run twice: when its answer is lost, the CA keeps one order that nobody will use (invariant
 * 5), or hands the same one out again. The order URL is durable before anything rests on it.
 */
#include "agent/stage.h"

#include "acme/identifier.h"
#include "agent/engine.h"
#include "agent/fallback.h"
#include "agent/leave_out.h"
#include "store/renewal_info.h"

#include <stdlib.h>

#define ACCOUNT_WAIT_MS 100 /* until the account's own step has gone on */

/* The account has its own machine. An order whose account cannot get ready shares its error, and
 * waits as long as it does: with a back-off of its own it would wake up before the account, find
 * it waiting, and count that as one more failure. */
static int new_account_parked(struct step *s, const struct account *a, struct err *e)
{
	const struct err *why = &a->standing.error;
	struct err moved_why = *why;
	bool moved = false;
	int r;

	if (why->code == ERR_CONFIG || why->code == ERR_PROBLEM || why->code == ERR_PROTOCOL) {
		*e = *why; /* waiting would not help */
		if (str_equal(a->stage, "refused"))
			(void)err_because(e, CAUSE_ACCOUNT_REFUSED);
		return e->code;
	}
	r = fallback_try(s, a->standing.failures, &moved_why, &moved, e);
	if (r != 0)
		return r;
	if (moved)
		return order_fails(s, &moved_why, e);
	s->standing->failures = a->standing.failures;
	return step_parks_until(s, &a->standing.error, a->standing.next_at, e);
}

static int new_account_wait(struct step *s, const struct account *a, struct err *e)
{
	if (str_equal(a->stage, "dead"))
		return err_set(e, ERR_CONFIG, "the account at %s is deactivated", a->server);
	if (a->standing.owner[0] == '\0' && a->standing.error.code != ERR_NONE &&
	    a->standing.next_at > step_now(s))
		return new_account_parked(s, a, e);
	step_waits(s, ACCOUNT_WAIT_MS);
	return 0;
}

int order_account(struct step *s, bool *ret_ready, struct err *e)
{
	const struct order *o = order_memory(s)->order;
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	int r = account_load(engine_store(s->engine), o->account_id, &a, e);

	if (r == 0 && a == NULL)
		r = err_set(e, ERR_SYS, "account %lld is gone", (long long)o->account_id);
	if (r != 0)
		return r;
	/* whoever tells the CA another contact hears at once whether it knows the account */
	*ret_ready = account_is_ready(a) && a->standing.owner[0] == '\0';
	return *ret_ready ? 0 : new_account_wait(s, a, e);
}

static int new_ask(struct step *s, struct err *e)
{
	const struct order *o = order_memory(s)->order;
	const char *profile;
	bool ready = false;
	int r;

	r = order_wanted(s, e);
	if (r == 0)
		r = order_account(s, &ready, e);
	if (r != 0 || !ready)
		return r;
	r = order_room(s, e);
	if (r != 0)
		return r;
	profile = json_get_text(order_memory(s)->wish->root, "profile");
	return order_asks(s, 0, request_new_order(&o->names, profile, o->replaces), e);
}

/* Types that name what is refused, and it is not the predecessor. */
static const char *const of_the_order[] = {
	"accountDoesNotExist",
	"badNonce",
	"caa",
	"externalAccountRequired",
	"invalidProfile",
	"rateLimited",
	"rejectedIdentifier",
	"unsupportedIdentifier",
	"userActionRequired",
};

/* Without what it replaces the order may be fine: CAs disagree about the status and the type of
 * that refusal (RFC 9773 5 has 409 alreadyReplaced; Boulder's are malformed, unauthorized, or a
 * 404). */
static bool new_refuses_to_replace(const struct order *o, const struct work *w)
{
	const struct acme_problem *p = w->response != NULL ? w->response->problem : NULL;

	if (p == NULL || o->replaces == NULL || p->status < 400 || p->status > 500 ||
	    p->status == 429 || p->status == 401)
		return false;
	for (size_t i = 0; i < COUNT_OF(of_the_order); i++)
		if (acme_problem_is(p, of_the_order[i]))
			return false;
	return true;
}

/* Whether it was the predecessor that was refused, the answer to this one tells. */
static int new_without_replaces(struct step *s, const struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);

	/* an internal error (500) may be this order's only: the next one asks again */
	m->alone = w->response->problem->status < 500;
	step_log(s, LOG_NOTICE,
		 "the CA does not take the order as the successor of the present certificate; "
		 "it is asked for an independent one");
	mem_set_str(&m->order->replaces, NULL);
	return step_goes(s, &stage_new, e);
}

static int new_remembers_refusal(struct step *s, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	int r = certificate_load(engine_store(s->engine), s->certificate_id, &c, e);

	if (r != 0 || c == NULL)
		return r;
	return renewal_info_refused(engine_store(s->engine), c->id, c->live_version_id, e);
}

/* The order's own name for an identifier in the CA's spelling; NULL: the order is not about it. */
static const char *new_name(const struct order *o, const char *spelled)
{
	AUTO_FREE char *name = NULL;

	if (spelled == NULL || identifier_canonical(spelled, &name, NULL) != 0)
		return NULL;
	for (size_t i = 0; i < o->names.count; i++)
		if (str_equal(o->names.items[i], name))
			return o->names.items[i];
	return NULL;
}

/* The CA refuses names one by one (RFC 8555 6.7.1), and the rest may be fine. */
static int new_refused(struct step *s, const struct work *w, struct err *e)
{
	const struct acme_problem *p = w->response != NULL ? w->response->problem : NULL;
	struct strlist names AUTO_STRLIST = {0};
	struct err why = *e;
	bool left = false;
	int r;

	for (size_t i = 0; p != NULL && i < p->subproblem_count; i++) {
		const char *name = new_name(order_memory(s)->order, p->subproblems[i].identifier);

		if (name != NULL && !strlist_has(&names, name))
			strlist_add(&names, name);
	}
	if (names.count == 0)
		return e->code;
	r = leave_out(s, &names, &why, &left, e);
	if (r != 0)
		return r;
	return left ? order_fails(s, &why, e) : e->code;
}

static int new_hear(struct step *s, struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);
	AUTO_ORDER struct acme_order *acme = NULL;
	int r;

	if (new_refuses_to_replace(m->order, w))
		return new_without_replaces(s, w, e);
	r = order_read(s, w, &acme, e);
	if (r != 0)
		return new_refused(s, w, e);
	if (w->response->location == NULL)
		return err_set(e, ERR_PROTOCOL, "the CA's new order has no Location");
	if (m->alone) {
		r = new_remembers_refusal(s, e);
		if (r != 0)
			return r;
	}
	mem_set_str(&m->order->url, w->response->location);
	step_log(s, LOG_NOTICE, "the CA accepted the order for %zu name%s", m->order->names.count,
		 m->order->names.count == 1 ? "" : "s");
	r = step_goes(s, &stage_authorize, e);
	if (r != 0) {
		mem_set_str(&m->order->url, NULL); /* another live order has it: wait, ask again */
		s->stage = &stage_new;
		return r;
	}
	m->acme = TAKE(acme);
	return 0;
}

const struct stage stage_new = {.name = "new", .ask = new_ask, .hear = new_hear, .durable = true};
