/* SPDX-License-Identifier: MIT
 *
 * fallback — see fallback.h.
 */
#include "agent/fallback.h"

#include "agent/engine.h"
#include "store/version.h"

#include <stdio.h>
#include <stdlib.h>

/* What a CA says of itself, its account or its policy, and not of what is to be certified. */
static const char *const of_the_ca[] = {
	"badSignatureAlgorithm", "externalAccountRequired", "invalidContact",
	"invalidProfile",        "rejectedIdentifier",      "unsupportedContact",
	"unsupportedIdentifier", "userActionRequired",
};

static bool is_of_the_ca(const struct err *why)
{
	for (size_t i = 0; i < COUNT_OF(of_the_ca); i++)
		if (str_equal(why->type, of_the_ca[i]))
			return true;
	return false;
}

bool fallback_wanted(const struct fallback_input *in)
{
	const struct err *why = in->why;
	bool passes = why->code == ERR_NET || why->code == ERR_BUSY;
	bool near = in->not_after != 0 && in->not_after - in->now < in->lifetime / 6;

	if (why->cause == CAUSE_ACCOUNT_REFUSED)
		return true;
	if (why->cause != CAUSE_NONE) /* it only looks like a failure of the CA's */
		return false;
	if (!passes)
		return why->code == ERR_PROTOCOL || is_of_the_ca(why);
	return near || in->failures >= FALLBACK_FAILURES ||
	       (why->code == ERR_BUSY && why->retry_at >= in->now + FALLBACK_WAIT_S);
}

/* The account after the present one; 0: that was the last one. */
static int64_t next_account(const struct certificate *c)
{
	for (size_t i = 0; i + 1 < c->accounts.count; i++)
		if (c->accounts.ids[i] == c->account_id)
			return c->accounts.ids[i + 1];
	return 0;
}

static int input_of(struct step *s, const struct certificate *c, struct fallback_input *in,
		    struct err *e)
{
	AUTO_VERSION struct version *live = NULL;
	int r = version_load(engine_store(s->engine), c->live_version_id, &live, e);

	in->now = step_now(s);
	if (r == 0 && live != NULL) {
		in->not_after = live->not_after;
		in->lifetime = live->not_after - live->not_before;
	}
	return r;
}

static int move(struct step *s, struct certificate *c, int64_t to, struct err *why, struct err *e)
{
	struct store *store = engine_store(s->engine);
	AUTO_ACCOUNT_ROW struct account *from = NULL;
	AUTO_ACCOUNT_ROW struct account *next = NULL;
	int r = account_load(store, c->account_id, &from, e);

	if (r == 0)
		r = account_load(store, to, &next, e);
	if (r == 0 && (from == NULL || next == NULL))
		r = err_set(e, ERR_SYS, "the account %lld is gone", (long long)to);
	if (r != 0)
		return r;
	c->account_id = to;
	c->moved_at = step_now(s);
	r = certificate_save(store, c, e);
	if (r != 0)
		return r;
	step_event(s, "moved", "from %s to %s: %s", from->server, next->server, why->text);
	err_while(why, "%s is tried instead of %s", next->server, from->server);
	why->code = ERR_NET;
	(void)err_because(why, CAUSE_INTERRUPTED);
	return 0;
}

int fallback_try(struct step *s, int64_t failures, struct err *why, bool *ret_moved, struct err *e)
{
	struct store *store = engine_store(s->engine);
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct fallback_input in = {.why = why, .failures = failures};
	int64_t to;
	int r = certificate_load(store, s->certificate_id, &c, e);

	*ret_moved = false;
	if (r != 0 || c == NULL || engine_rehearses(s->engine))
		return r;
	to = next_account(c);
	if (to == 0)
		return 0;
	r = input_of(s, c, &in, e);
	if (r != 0 || !fallback_wanted(&in))
		return r;
	r = move(s, c, to, why, e);
	*ret_moved = r == 0;
	return r;
}

int fallback_return(struct store *store, struct certificate *c, int64_t now, struct err *e)
{
	if (c->moved_at == 0 || c->accounts.count == 0 ||
	    (now >= c->moved_at && now - c->moved_at < FALLBACK_STAYS_S))
		return 0;
	c->moved_at = 0;
	c->account_id = c->accounts.ids[0];
	return certificate_save(store, c, e);
}
