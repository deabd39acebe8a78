/* SPDX-License-Identifier: MIT
 *
 * run — see run.h. The loop is the daemon's (cmd_run.c) with a stop.
 */
#include "agent/run.h"

#include "acme/accept.h"
#include "agent/caller.h"
#include "agent/control.h"
#include "agent/loop.h"
#include "agent/outlook.h"
#include "agent/report.h"
#include "base/log.h"
#include "store/deployment.h"
#include "store/order.h"
#include "store/version.h"

#include <stdlib.h>

int run_schedule(struct context *c, const struct certificate *certificate, struct schedule *ret,
		 struct err *e)
{
	struct limits_book book AUTO_LIMITS_BOOK = {.store = c->store};
	struct outlook o AUTO_OUTLOOK = {.book = c->book != NULL ? c->book : &book};
	int r = outlook_read(c->store, certificate, clock_now(c->clock), &o, e);

	if (r == 0)
		*ret = o.next;
	return r;
}

int run_find(struct context *c, const char *name, struct certificate **ret_certificate,
	     struct err *e)
{
	int r = certificate_find(c->store, name, ret_certificate, e);

	if (r == 0 && *ret_certificate == NULL)
		return err_set(e, ERR_CONFIG,
			       "there is no certificate \"%s\"; everleaf status lists them", name);
	return r;
}

int run_operand(struct context *c, const char **ret_operand, struct err *e)
{
	if (c->options->operands.count != 1)
		return usage(e, "everleaf %s wants the name of one certificate",
			     command_name(c->options->verb));
	*ret_operand = c->options->operands.items[0];
	return 0;
}

static void run_tells(const char *sentence)
{
	log_line(LOG_NOTICE, "%s", sentence);
}

/* Whatever was written may be work for a daemon, which then need not look for it. */
static void run_wakes(const struct context *c)
{
	AUTO_FREE char *path = command_control_path(c->options);

	if (path != NULL)
		control_wake(path);
}

int run_with_store(struct context *c, enum store_how how, command_fn *fn, struct err *e)
{
	AUTO_FREE char *dir = NULL;
	struct store_opening o = {
		.clock = c->clock, .how = how, .wait_ms = STORE_WAIT_MS, .tell = run_tells};
	int r = command_state(c->options, &dir, e);

	o.dir = dir;
	if (r == 0)
		r = store_open_as(&o, &c->store, e);
	if (r != 0)
		return r;
	r = fn(c, e);
	if (store_commits(c->store) > 0)
		run_wakes(c);
	store_free(TAKE(c->store));
	return r;
}

int run_reader(struct context *c, command_fn *fn, struct err *e)
{
	return run_with_store(c, STORE_READER, fn, e);
}

int run_turn(struct context *c, int (*write)(void *arg, struct err *e), void *arg, struct err *e)
{
	int r = store_turn_begin(c->store, e);

	if (r != 0)
		return r;
	log_hold();
	r = write(arg, e);
	if (r == 0)
		r = store_turn_commit(c->store, e);
	else
		store_turn_undo(c->store);
	log_release();
	return r;
}

struct change {
	struct context *c;
	run_write *write;
	const char *name;
	struct certificate **ret_certificate;
};

static int change_write(void *arg, struct err *e)
{
	const struct change *change = arg;
	int r = run_find(change->c, change->name, change->ret_certificate, e);

	return r == 0 ? change->write(change->c, *change->ret_certificate, e) : r;
}

int run_change(struct context *c, run_write *write, struct certificate **ret_certificate,
	       struct err *e)
{
	struct change change = {.c = c, .write = write, .ret_certificate = ret_certificate};
	int r = run_operand(c, &change.name, e);

	return r == 0 ? run_turn(c, change_write, &change, e) : r;
}

static int run_until_settled(struct engine *g, struct loop *l, struct err *e)
{
	int64_t ms = 0;
	int r;

	for (;;) {
		r = engine_tick(g, &ms, e);
		if (r != 0)
			return r;
		if (engine_settled(g))
			return 0;
		if (loop_should_stop(l))
			return err_set(e, ERR_BUSY, "stopped; the next everleaf goes on from here");
		r = loop_wait(l, ms);
		if (r != 0)
			return err_set(e, ERR_SYS, "the event loop failed");
	}
}

/* Whether deployments of a version have not ended; and whether one was tried since began_at. */
static int deployments_pending(struct context *c, const struct run_item *item, int64_t version_id,
			       enum run_result *ret_result, struct err *e)
{
	struct deployment **list = NULL;
	size_t count = 0;
	enum run_result result = RUN_NOTHING;
	int r;

	r = deployment_list(c->store, version_id, &list, &count, e);
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (list[i]->ended_at != 0)
			continue;
		if (list[i]->standing.error_at >= item->began_at)
			result = RUN_FAILED;
		else if (result == RUN_NOTHING)
			result = RUN_LATER;
	}
	deployment_list_free(list, count);
	if (r == 0)
		*ret_result = result;
	return r;
}

static int item_before(struct context *c, struct run_item *item, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	enum run_result pending = RUN_NOTHING;
	int r;

	r = certificate_load(c->store, item->certificate_id, &certificate, e);
	if (r != 0 || certificate == NULL)
		return r;
	item->live_before = certificate->live_version_id;
	item->began_at = clock_now(c->clock);
	r = deployments_pending(c, item, item->live_before, &pending, e);
	item->pending_before = pending != RUN_NOTHING;
	return r;
}

/* Why there is no new version: the order waits, or it failed; or there was none to be had. */
static int order_result(struct context *c, const struct certificate *certificate,
			struct run_item *item, struct err *e)
{
	AUTO_ORDER_ROW struct order *o = NULL;
	struct schedule s = {0};
	int64_t now = clock_now(c->clock);
	int r;

	r = order_latest(c->store, certificate->id, &o, e);
	if (r == 0)
		r = run_schedule(c, certificate, &s, e);
	if (r != 0)
		return r;
	if (item->limited || (o != NULL && o->ended_at == 0))
		item->result = RUN_LATER;
	else if (s.what != SCHEDULE_NOTHING && s.due <= now)
		item->result =
			item->patient && s.when > now && o != NULL && o->ended_at < item->began_at
				? RUN_LATER /* within its back-off: nothing was tried */
				: RUN_FAILED;
	return 0;
}

/* There is a new version, but what this run tried after it came (from another process) may have
 * failed. */
static int version_result(struct context *c, struct run_item *item, struct err *e)
{
	AUTO_ORDER_ROW struct order *o = NULL;
	int r = order_latest(c->store, item->certificate_id, &o, e);

	if (r == 0 && item->said && o != NULL && o->ended_at != 0 && o->version_id == 0)
		item->result = RUN_FAILED;
	return r;
}

static int item_result(struct context *c, struct run_item *item, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	enum run_result pending = RUN_NOTHING;
	int r;

	item->result = item->called ? RUN_LATER : RUN_NOTHING;
	if (item->called)
		return 0;
	r = certificate_load(c->store, item->certificate_id, &certificate, e);
	if (r == 0 && item->issue != ISSUE_NEVER &&
	    (certificate == NULL || certificate->removed_at != 0)) {
		item->result = RUN_FAILED; /* deleted meanwhile */
		return 0;
	}
	if (r != 0 || certificate == NULL)
		return r;
	if (certificate->live_version_id != item->live_before)
		item->result = RUN_DONE;
	else if (item->issue == ISSUE_NOW)
		item->result = RUN_FAILED; /* unless the order says otherwise */
	if (item->issue != ISSUE_NEVER)
		r = item->result == RUN_DONE ? version_result(c, item, e)
					     : order_result(c, certificate, item, e);
	if (r != 0 || item->result > RUN_DONE)
		return r;
	r = deployments_pending(c, item, certificate->live_version_id, &pending, e);
	if (pending != RUN_NOTHING)
		item->result = pending;
	else if (item->pending_before)
		item->result = RUN_DONE;
	return r;
}

/* Nothing was tried in this run, or by another process: what failed there is the reason. */
static int item_reason(struct context *c, const struct run_item *item, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	int r = certificate_load(c->store, item->certificate_id, &certificate, e);

	if (r != 0 || item->said)
		return r;
	if (certificate == NULL || certificate->removed_at != 0) {
		log_line(LOG_ERROR, "%s was deleted meanwhile",
			 certificate != NULL ? certificate->name : "a certificate");
		return 0;
	}
	return report_reason(c, certificate, e);
}

int run_refuse_called(struct context *c, const struct certificate *certificate, struct err *e)
{
	struct callers callers AUTO_CALLERS = {0};
	int r = callers_find(c->store, &callers, e);

	return r == 0 ? callers_refuse(&callers, certificate->id, certificate->name, e) : r;
}

/* Of several certificates, the one whose hook called us is left out. */
static int item_called(struct context *c, struct run_item *item, const struct callers *callers,
		       struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	struct err why = {0};
	int r = certificate_load(c->store, item->certificate_id, &certificate, e);

	if (r != 0 || certificate == NULL ||
	    callers_refuse(callers, item->certificate_id, certificate->name, &why) == 0)
		return r;
	log_line(LOG_ERROR, "%s", why.text);
	item->called = item->said = true;
	return 0;
}

static void item_heard(struct run_item *item, const struct engine *g)
{
	item->said = item->called || engine_said(g, item->certificate_id);
	item->limited = engine_limited(g, item->certificate_id);
}

int run_items(struct context *c, struct run_item *items, size_t count, bool patient, struct err *e)
{
	struct engine_config config = {
		.store = c->store,
		.clock = c->clock,
		.by_hand = true,
		.patient = patient,
		.informed = c->informed,
		.rehearsal = c->rehearsal,
		.notify = c->notify,
	};
	struct callers callers AUTO_CALLERS = {0};
	struct engine *g = NULL;
	int r;

	if (count == 0)
		return 0;
	r = callers_find(c->store, &callers, e);
	config.callers = callers.count > 0 ? &callers : NULL;
	for (size_t i = 0; r == 0 && i < count; i++) {
		items[i].patient = patient;
		if (items[i].issue != ISSUE_NEVER)
			r = accept_clock(clock_now(c->clock), e); /* what is due, it cannot say */
		if (r == 0)
			r = item_before(c, &items[i], e);
		if (r == 0)
			r = item_called(c, &items[i], &callers, e);
	}
	if (r == 0)
		r = loop_event_new(&config.loop, e);
	if (r == 0)
		r = engine_new(&config, &g, e);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (!items[i].called)
			engine_add(g, items[i].certificate_id, items[i].issue);
	if (r == 0)
		r = run_until_settled(g, config.loop, e);
	if (r == ERR_BUSY)
		engine_stop(g);
	for (size_t i = 0; r == 0 && i < count; i++)
		item_heard(&items[i], g);
	engine_free(g);
	loop_event_free(config.loop);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = item_result(c, &items[i], e);
		if (r == 0 && items[i].result > RUN_DONE)
			r = item_reason(c, &items[i], e);
	}
	return r;
}

int run_account(struct context *c, int64_t account_id, struct err *e)
{
	struct engine_config config = {
		.store = c->store,
		.clock = c->clock,
		.by_hand = true,
		.account = account_id,
	};
	struct engine *g = NULL;
	int r = loop_event_new(&config.loop, e);

	if (r == 0)
		r = engine_new(&config, &g, e);
	if (r == 0)
		r = run_until_settled(g, config.loop, e);
	if (r == ERR_BUSY)
		engine_stop(g);
	engine_free(g);
	loop_event_free(config.loop);
	return r;
}

int run_exit(const struct options *o, const struct run_item *items, size_t count)
{
	enum run_result worst = RUN_NOTHING;

	for (size_t i = 0; i < count; i++)
		worst = items[i].result > worst ? items[i].result : worst;
	switch (worst) {
	case RUN_NOTHING:
		return o->exit_code ? EXIT_NOTHING : EXIT_DONE;
	case RUN_DONE:
		return EXIT_DONE;
	case RUN_LATER:
		return EXIT_LATER;
	default:
		return EXIT_FAILED;
	}
}
