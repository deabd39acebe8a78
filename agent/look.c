/* SPDX-License-Identifier: MIT
 *
 * look — finds rows that want work and that nobody alive has, claims them, and makes steps of
 * them: what a crash or another process left behind, what is due by the schedule, what a command
 * was asked for. Runs within a turn.
 */
#include "acme/retry.h"
#include "agent/caller.h"
#include "agent/engine_internal.h"
#include "agent/machines.h"
#include "agent/outlook.h"
#include "agent/standalone.h"
#include "agent/wish.h"
#include "base/log.h"
#include "store/notice.h"
#include "store/order.h"
#include "store/version.h"

#include <stdlib.h>

#define MAX_CLAIMS                                                                                 \
	4 /* the fourth claim of a stage without progress is a failure (HACKING.md, rule 7) */

#define NOTICES_AT_ONCE 8

struct look {
	struct engine *g;
	int64_t now;
	int64_t next_at; /* the earliest time at which something is due */
};

static struct step *step_of(const struct engine *g, const struct machine *m, int64_t id)
{
	for (size_t i = 0; i < g->step_count; i++)
		if (g->steps[i]->machine == m && g->steps[i]->id == id && !g->steps[i]->over)
			return g->steps[i];
	return NULL;
}

bool engine_target_busy(const struct engine *g, const struct step *except, int64_t target_id)
{
	for (size_t i = 0; i < g->step_count; i++)
		if (g->steps[i] != except && !g->steps[i]->over &&
		    deployment_target(g->steps[i]) == target_id)
			return true;
	return false;
}

bool engine_wants_now(const struct engine *g, int64_t certificate_id)
{
	const struct scope *scope = engine_scope(g, certificate_id);

	return scope != NULL && scope->issue == ISSUE_NOW;
}

bool engine_target_calls(const struct engine *g, int64_t target_id)
{
	return callers_hold(g->config.callers, target_id);
}

void engine_note_end(struct engine *g, const struct step *s)
{
	engine_poke(g);
	if (!g->config.by_hand)
		return;
	g->ended = mem_grow(g->ended, g->ended_count + 1, sizeof(*g->ended));
	g->ended[g->ended_count++] = (struct ended){s->machine, s->id};
}

/* Also in this turn, before it was noted. */
static bool ended_here(const struct engine *g, const struct machine *m, int64_t id)
{
	for (size_t i = 0; i < g->step_count; i++)
		if (g->steps[i]->machine == m && g->steps[i]->id == id && g->steps[i]->over)
			return true;
	for (size_t i = 0; i < g->ended_count; i++)
		if (g->ended[i].machine == m && g->ended[i].id == id)
			return true;
	return false;
}

static void look_later(struct look *l, int64_t when)
{
	if (when < l->next_at)
		l->next_at = when;
}

/* A row that cannot be read stops nobody else's: its machine says what becomes of it, or it is left
 * alone until somebody has mended it. */
static int look_unreadable(struct step *s, const struct err *why, struct err *e)
{
	if (why->code == ERR_STORE) {
		*e = *why;
		return why->code;
	}
	if (s->stage != NULL && s->label != NULL)
		return s->machine->failed(s, why, e);
	log_line(LOG_ERROR, "%s %lld: %s", s->machine->name, (long long)s->id, why->text);
	s->over = true;
	if (s->machine->claim == CLAIMABLES)
		return 0;
	return claim_release(s->engine->config.store, s->machine->claim, s->id, e);
}

/* Claims a row and reads it. What could not be read or was tried too often is the machine's to
 * say. */
static int look_claim(struct look *l, const struct machine *m, int64_t id, struct err *e)
{
	struct err why = {0};
	struct step *s;
	bool taken = false;
	int r;

	r = claim_take(l->g->config.store, m->claim, id, &taken, e);
	if (r != 0)
		return r;
	if (!taken) {
		l->g->elsewhere++;
		return 0;
	}
	s = engine_adopt(l->g, m, id);
	s->wrote = true;
	r = m->load(s, &why);
	if (r == 0 && !s->over && s->standing->attempts >= MAX_CLAIMS)
		r = err_set(&why, ERR_NET, "everleaf ended %d times while it was at \"%s\"",
			    MAX_CLAIMS - 1, s->stage->name);
	if (r == 0)
		return 0;
	return look_unreadable(s, &why, e);
}

/* A command goes over a back-off, once in a run, but not over a time the CA asked for. */
static bool look_hurries(const struct look *l, const struct machine *m, const struct open_row *row)
{
	return engine_hurries(l->g) && !ended_here(l->g, m, row->id) && row->retry_at <= l->now;
}

/* One that waits for the hook that called us is not waited for. */
static int look_elsewhere(struct look *l, const struct machine *m, const struct open_row *row,
			  struct err *e)
{
	AUTO_DEPLOYMENT struct deployment *d = NULL;
	int r = 0;

	if (l->g->config.callers != NULL && m == &machine_deployment)
		r = deployment_load(l->g->config.store, row->id, &d, e);
	if (r == 0 && (d == NULL || !engine_target_calls(l->g, d->target_id)))
		l->g->elsewhere++;
	return r;
}

static int look_row(struct look *l, const struct machine *m, const struct open_row *row,
		    struct err *e)
{
	const struct retry_wait wait = {row->next_at, row->retry_at, row->error_at};
	int64_t until = retry_until(&wait, l->now);

	if (step_of(l->g, m, row->id) != NULL)
		return 0;
	if (row->taken && !row->mine)
		return look_elsewhere(l, m, row, e);
	if (until > l->now && !look_hurries(l, m, row)) {
		look_later(l, until);
		return 0;
	}
	return look_claim(l, m, row->id, e);
}

/* A command works on what it was asked for and leaves the rest alone. */
static bool look_concerns(const struct look *l, const struct open_row *row)
{
	if (!l->g->config.by_hand)
		return true;
	return row->certificate_id == 0 || engine_scope(l->g, row->certificate_id) != NULL;
}

static int look_rows(struct look *l, const struct machine *m, const struct open_rows *rows,
		     struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rows->count; i++)
		if (look_concerns(l, &rows->rows[i]))
			r = look_row(l, m, &rows->rows[i], e);
	return r;
}

/* There is nothing to do for it before: another look before is spared. */
static int look_leaves(struct look *l, const struct certificate *c, int64_t until, struct err *e)
{
	look_later(l, until);
	return renewal_look(l->g->config.store, c->id, until, e);
}

static bool has_order(const struct open_rows *orders, int64_t certificate_id)
{
	for (size_t i = 0; i < orders->count; i++)
		if (orders->rows[i].certificate_id == certificate_id)
			return true;
	return false;
}

static bool look_limited(const struct certificate *c, const char *why, struct scope *scope)
{
	if (!scope->limited)
		log_line(LOG_ERROR, "%s: %s", c->name, why);
	scope->limited = scope->said = true;
	return false;
}

/* Whether it is to become an order now: it is due, or the operator wants it. A limit of the CA is
 * like a Retry-After: it holds for everybody; what was refused is asked for again only by who says
 * so. */
static bool look_issues(struct look *l, const struct certificate *c, const struct outlook *o)
{
	const struct schedule *s = &o->next;
	struct scope *scope = engine_scope(l->g, c->id);

	if (s->what == SCHEDULE_NOTHING)
		return false;
	if (scope == NULL)
		return s->when <= l->now;
	if (scope->tried || (scope->issue == ISSUE_NOW && scope->under_way))
		return false;
	if (s->free_at > l->now)
		return look_limited(c, o->limit.why, scope);
	if (s->held_until > l->now && s->due <= l->now && scope->issue != ISSUE_NOW &&
	    !l->g->config.patient)
		return look_limited(c, s->why, scope);
	scope->tried =
		scope->issue == ISSUE_NOW || (l->g->config.patient ? s->when : s->due) <= l->now;
	return scope->tried;
}

/* Whether the CA is to be asked about it now. What this run has issued is asked about later. */
static bool look_asks(const struct look *l, const struct certificate *c, const struct outlook *o)
{
	const struct scope *scope = engine_scope(l->g, c->id);

	return l->g->config.informed && schedule_asks(&o->in) && (scope == NULL || !scope->tried);
}

/* There is nothing to do for it before. */
static int64_t look_until(const struct look *l, const struct outlook *o)
{
	int64_t when = o->next.what != SCHEDULE_NOTHING ? o->next.when : INT64_MAX;
	int64_t asks_at = l->g->config.informed ? schedule_asks_at(&o->in) : INT64_MAX;

	return asks_at < when ? asks_at : when;
}

/* The schedule says what there is to look at; a command that is not patient looks at all that it
 * was asked for. */
static bool by_schedule(const struct engine *g)
{
	return !g->config.by_hand || g->config.patient;
}

/* What it has cannot be read: nothing is begun for it, and others are not stopped by it. A command
 * says so by itself, when it looks at what came of it. */
static int look_puzzles(struct look *l, const struct certificate *c, const struct err *why,
			struct err *e)
{
	if (why->code == ERR_STORE) {
		*e = *why;
		return e->code;
	}
	if (l->g->config.by_hand)
		return 0;
	log_line(LOG_ERROR, "%s: %s", c->name, why->text);
	return look_leaves(l, c, INT64_MAX, e);
}

static int look_certificate(struct look *l, const struct certificate *c, struct err *e)
{
	const struct scope *scope = engine_scope(l->g, c->id);
	struct outlook o AUTO_OUTLOOK = {
		.book = &l->g->book,
		.wanted = scope != NULL && scope->issue == ISSUE_NOW && !scope->tried,
	};
	struct err why = {0};
	struct step *step;
	int r;

	if (step_of(l->g, &machine_renewal, c->id) != NULL ||
	    step_of(l->g, &machine_renewal_info, c->id) != NULL)
		return 0;
	r = outlook_read(l->g->config.store, c, l->now, &o, &why);
	if (r != 0)
		return look_puzzles(l, c, &why, e);
	if (!look_issues(l, c, &o)) {
		if (look_asks(l, c, &o))
			return look_claim(l, &machine_renewal_info, c->id, e);
		return by_schedule(l->g) ? look_leaves(l, c, look_until(l, &o), e) : 0;
	}
	if (o.limits != NULL)
		limits_begin(o.limits, &o.wish, l->now);
	step = engine_adopt(l->g, &machine_renewal, c->id);
	r = machine_renewal.load(step, &why);
	return r != 0 ? look_unreadable(step, &why, e) : 0;
}

/* It ends in a certificate with the key and from the CA that are wanted now. */
static int order_suffices(struct look *l, const struct certificate *c, bool *ret_suffices,
			  struct err *e)
{
	AUTO_ORDER_ROW struct order *o = NULL;
	AUTO_WISH struct wish *wish = NULL;
	int r;

	r = order_latest(l->g->config.store, c->id, &o, e);
	if (r == 0)
		*ret_suffices = o != NULL && o->account_id == c->account_id &&
				wish_parse(c->wish, &wish, NULL) == 0 &&
				str_equal(o->key_kind, key_kind_name(wish->key));
	return r;
}

/* What the CA advises of the present certificate (it may have been revoked) is asked also while
 * there is an order for the next one, which may be parked for long. */
static int look_asks_only(struct look *l, const struct certificate *c, struct err *e)
{
	struct outlook o AUTO_OUTLOOK = {0};
	struct err why = {0};
	int r;

	if (!l->g->config.informed)
		return by_schedule(l->g) ? look_leaves(l, c, INT64_MAX, e) : 0;
	if (step_of(l->g, &machine_renewal_info, c->id) != NULL)
		return 0;
	r = outlook_read(l->g->config.store, c, l->now, &o, &why);
	if (r != 0)
		return look_puzzles(l, c, &why, e);
	if (look_asks(l, c, &o))
		return look_claim(l, &machine_renewal_info, c->id, e);
	return by_schedule(l->g) ? look_leaves(l, c, schedule_asks_at(&o.in), e) : 0;
}

/* An order that is there already, ours or another process's, is what --force asked for, if it
 * suffices. Its end has the certificate looked at again. */
static int look_is_under_way(struct look *l, const struct certificate *c, struct err *e)
{
	struct scope *scope = engine_scope(l->g, c->id);
	int r = 0;

	if (scope != NULL && !scope->under_way)
		r = order_suffices(l, c, &scope->under_way, e);
	return r != 0 ? r : look_asks_only(l, c, e);
}

static int look_at(struct look *l, const struct open_rows *orders, int64_t id, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	int r = certificate_load(l->g->config.store, id, &c, e);

	if (r != 0 || c == NULL || c->removed_at != 0)
		return r;
	return has_order(orders, id) ? look_is_under_way(l, c, e) : look_certificate(l, c, e);
}

/* What was begun is counted from its row once it has one. */
static void look_counts_anew(struct engine *g)
{
	for (size_t i = 0; i < g->step_count; i++)
		if (g->steps[i]->machine == &machine_renewal && !g->steps[i]->over)
			return;
	limits_forget(&g->book);
}

static int look_scope(struct look *l, const struct open_rows *orders, struct err *e)
{
	struct engine *g = l->g;
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->scope_count && g->step_count < ENGINE_MAX_STEPS; i++)
		if (!g->scopes[i].tried && (g->scopes[i].issue == ISSUE_NOW || !by_schedule(g)))
			r = look_at(l, orders, g->scopes[i].certificate_id, e);
	return r;
}

static int look_due(struct look *l, const struct open_rows *orders, struct err *e)
{
	struct engine *g = l->g;
	struct id_list due AUTO_ID_LIST = {0};
	int64_t next = INT64_MAX;
	int r = certificate_due(g->config.store, &due, &next, e);

	look_later(l, next);
	for (size_t i = 0; r == 0 && i < due.count && g->step_count < ENGINE_MAX_STEPS; i++) {
		const struct scope *scope = engine_scope(g, due.ids[i]);

		if (!g->config.by_hand || (scope != NULL && !scope->tried))
			r = look_at(l, orders, due.ids[i], e);
	}
	return r;
}

/* Not more at once than is good for anybody: the end of a step has the rest looked at. */
static int look_certificates(struct look *l, const struct open_rows *orders, struct err *e)
{
	int r = look_scope(l, orders, e);

	return r == 0 && by_schedule(l->g) ? look_due(l, orders, e) : r;
}

/* A command's are those that certificates in its scope use, and the one that it was asked for. */
static int look_accounts(struct look *l, struct err *e)
{
	struct open_rows accounts AUTO_OPEN_ROWS = {0};
	struct store *store = l->g->config.store;
	int r = account_open(store, l->g->config.account, &accounts, e);

	for (size_t i = 0; r == 0 && i < accounts.count; i++) {
		struct id_list users AUTO_ID_LIST = {0};
		bool concerns =
			!l->g->config.by_hand || accounts.rows[i].id == l->g->config.account;

		if (!concerns)
			r = certificate_of_account(store, accounts.rows[i].id, &users, e);
		for (size_t u = 0; !concerns && u < users.count; u++)
			concerns = engine_scope(l->g, users.ids[u]) != NULL;
		if (r == 0 && concerns)
			r = look_row(l, &machine_account, &accounts.rows[i], e);
	}
	return r;
}

static size_t notices_running(const struct engine *g)
{
	size_t count = 0;

	for (size_t i = 0; i < g->step_count; i++)
		count += g->steps[i]->machine == &machine_notice && !g->steps[i]->over;
	return count;
}

/* Nobody waits for notices, and those that find no room now are looked at when one has ended. */
static int look_notices(struct look *l, struct err *e)
{
	struct open_rows rows AUTO_OPEN_ROWS = {0};
	struct store *store = l->g->config.store;
	int64_t next = INT64_MAX;
	int r;

	if (l->g->config.notify == NULL)
		return 0;
	r = notice_due(store, &rows, &next, e);
	look_later(l, next);
	for (size_t i = 0; r == 0 && i < rows.count; i++) {
		const struct open_row *row = &rows.rows[i];
		bool wanted = false;

		if (notices_running(l->g) >= NOTICES_AT_ONCE)
			break;
		if ((row->taken && !row->mine) || !look_concerns(l, row) ||
		    step_of(l->g, &machine_notice, row->id) != NULL)
			continue;
		r = notice_wanted(store, l->g->config.clock, row->id, &wanted, e);
		if (r == 0 && wanted)
			r = look_claim(l, &machine_notice, row->id, e);
	}
	return r;
}

/* Accounts are looked at after orders: an order that was just claimed may need one. */
static int look_all(struct look *l, struct err *e)
{
	struct open_rows orders AUTO_OPEN_ROWS = {0};
	struct open_rows deployments AUTO_OPEN_ROWS = {0};
	struct store *store = l->g->config.store;
	int r;

	r = order_open(store, 0, &orders, e);
	if (r == 0)
		r = look_rows(l, &machine_order, &orders, e);
	if (r == 0)
		r = look_certificates(l, &orders, e);
	if (r == 0)
		r = look_accounts(l, e);
	if (r == 0)
		r = deployment_open(store, 0, &deployments, e);
	if (r == 0)
		r = look_rows(l, &machine_deployment, &deployments, e);
	if (r == 0)
		r = look_notices(l, e);
	return r;
}

/* Another process has rows that we want, or its answers need our listener. */
static bool look_waits(struct engine *g)
{
	bool serves = standalone_review(g->standalone) &&
		      (!g->config.by_hand || standalone_needed(g->standalone, false));

	if (g->config.by_hand && !g->waits_said && g->step_count == 0 &&
	    (g->elsewhere > 0 || serves)) {
		log_line(LOG_NOTICE, g->elsewhere > 0
					     ? "waiting for another everleaf that works on this"
					     : "waiting for another everleaf whose answers this "
					       "one shows to the CA");
		g->waits_said = true;
	}
	return g->elsewhere > 0 || serves;
}

int engine_look(struct engine *g, struct err *e)
{
	struct look l = {.g = g, .now = clock_now(g->config.clock), .next_at = INT64_MAX};
	int64_t soon = g->config.by_hand ? ENGINE_LOOK_SOON_MS : ENGINE_LOOK_IDLE_MS;
	int64_t ms = g->config.look_ms;
	int r;

	g->elsewhere = 0;
	look_counts_anew(g);
	r = look_all(&l, e);
	if (r != 0)
		return r;
	g->next_at = l.next_at != INT64_MAX ? l.next_at : 0;
	if (l.next_at < l.now + ms / 1000)
		ms = (l.next_at - l.now) * 1000;
	if (ms < ENGINE_LOOK_SOON_MS)
		ms = ENGINE_LOOK_SOON_MS;
	if (look_waits(g) && ms > soon)
		ms = soon;
	g->look_ms = clock_mono_ms(g->config.clock) + ms;
	g->looked = true;
	return 0;
}
