/* SPDX-License-Identifier: MIT
 *
 * renew — whatever is due, or the certificates that are named. Without names it is patient:
 * back-offs after failures hold, so that it can be run from cron as often as one likes.
 */
#include "agent/apply.h"
#include "agent/rehearsal.h"
#include "agent/report.h"
#include "agent/run.h"
#include "agent/stream.h"
#include "agent/wanted.h"
#include "agent/wishing.h"
#include "agent/words.h"
#include "base/log.h"
#include "store/account.h"
#include "store/renewal_info.h"

#include <stdio.h>
#include <stdlib.h>

struct renew {
	struct context *c;
	struct certificate **list;
	struct run_item *items; /* as many */
	size_t count;
	int64_t others;     /* more that are not paused and certainly not due */
	const char *server; /* they move there; NULL: they stay */
	bool misconfigured; /* the configuration file has a mistake */
};

static int list_active(struct store *s, struct certificate ***ret_list, size_t *ret_count,
		       struct err *e)
{
	size_t count = 0, kept = 0;
	int r = certificate_list(s, ret_list, &count, e);

	for (size_t i = 0; i < count; i++)
		if ((*ret_list)[i]->paused)
			certificate_free((*ret_list)[i]);
		else
			(*ret_list)[kept++] = (*ret_list)[i];
	*ret_count = kept;
	return r;
}

/* Whatever is due: of the others only how many they are. */
static int renew_read_due(struct renew *n, struct err *e)
{
	struct store *s = n->c->store;
	bool notices = n->c->options->notify_hook != NULL;
	int r = store_look_begin(s, e);

	if (r == 0)
		r = certificate_list_wanting(s, notices, &n->list, &n->count, e);
	if (r == 0)
		r = certificate_count(s, &n->others, e);
	n->others -= (int64_t)n->count;
	store_look_end(s);
	return r;
}

/* Something is said that concerns also those that are not due. */
static bool concerns_all(const struct options *o)
{
	return o->force || o->recheck || o->dry_run || o->ca_bundle != NULL || o->proxy != NULL ||
	       o->agree_tos;
}

/* Whether there is, or may be, something to do for one that is named: it is due whatever back-off
 * it has, or there is work of it that the schedule does not see. */
static int renew_wants(struct renew *n, const struct certificate *c, bool *ret_wants, struct err *e)
{
	const struct options *o = n->c->options;
	struct schedule s = {0};
	int r = run_schedule(n->c, c, &s, e);

	*ret_wants = concerns_all(o) || o->server != NULL || o->staging ||
		     (s.what != SCHEDULE_NOTHING && s.due <= clock_now(n->c->clock));
	if (r != 0 || *ret_wants)
		return r;
	return certificate_wants(n->c->store, c->id, o->notify_hook != NULL, ret_wants, e);
}

/* Of those that are not due only how many they are. */
static int renew_read_named(struct renew *n, const char *name, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	bool wants = false;
	int r = run_find(n->c, name, &c, e);

	if (r == 0 && c->paused)
		r = err_set(e, ERR_CONFIG, "%s is paused; everleaf resume %s first", name, name);
	if (r == 0)
		r = renew_wants(n, c, &wants, e);
	if (r == 0 && wants)
		n->list[n->count++] = TAKE(c);
	else if (r == 0)
		n->others++;
	return r;
}

/* Those that are named, or all that are not paused. */
static int renew_read(struct renew *n, struct err *e)
{
	const struct options *o = n->c->options;
	const struct strlist *names = &o->operands;
	int r = 0;

	if (names->count == 0)
		return concerns_all(o) ? list_active(n->c->store, &n->list, &n->count, e)
				       : renew_read_due(n, e);
	n->list = mem_new(names->count * sizeof(*n->list));
	for (size_t i = 0; r == 0 && i < names->count; i++)
		r = renew_read_named(n, names->items[i], e);
	return r;
}

/* server NULL: its CA stays, and only what was typed about that changes. The row is read again: it
 * may have a new version by now. */
static int renew_move_one(struct context *c, int64_t id, const char *server, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *now = NULL;
	int r;

	r = certificate_load(c->store, id, &now, e);
	if (r != 0 || now == NULL)
		return r;
	r = run_refuse_called(c, now, e);
	if (r == 0 && server != NULL)
		r = apply_refuse(now, e);
	if (r == 0)
		r = wanted_account(c, now, server, e);
	if (r == 0)
		r = certificate_save(c->store, now, e);
	return r == 0 ? wanted_order(c->store, now, e) : r;
}

static int renew_move_write(void *arg, struct err *e)
{
	struct renew *n = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n->count; i++)
		r = renew_move_one(n->c, n->list[i]->id, n->server, e);
	return r;
}

/* Another CA from now on, or another way to the present one. */
static int renew_move(struct renew *n, struct err *e)
{
	const struct options *o = n->c->options;
	bool moves = o->server != NULL || o->staging;
	int r = 0;

	if (!moves && o->ca_bundle == NULL && o->proxy == NULL && !o->agree_tos)
		return 0;
	if (moves && o->operands.count == 0)
		return usage(e, "say which certificates shall move to another server");
	if (moves)
		r = wishing_server(o->server, o->staging, &n->server, e);
	return r == 0 ? run_turn(n->c, renew_move_write, n, e) : r;
}

static int renew_report(void *arg, const struct report *r, struct err *e)
{
	struct stream *s = arg;

	(void)e;
	if (!r->certificate->paused)
		stream_put(s, NULL, report_json(r));
	return 0;
}

/* Those that were named, as they are now. */
static int renew_report_named(struct renew *n, struct report_list *list, struct err *e)
{
	const struct strlist *names = &n->c->options->operands;
	struct certificate **now = mem_new(names->count * sizeof(struct certificate *));
	int r = 0;

	for (size_t i = 0; r == 0 && i < names->count; i++) {
		r = certificate_find(n->c->store, names->items[i], &now[list->count], e);
		list->count += r == 0 && now[list->count] != NULL;
	}
	list->certificates = now;
	if (r == 0)
		r = report_each(n->c, list, e);
	certificate_list_free(now, list->count);
	return r;
}

static int renew_json(struct renew *n, struct err *e)
{
	struct stream s = {0};
	struct report_list list = {.fn = renew_report, .arg = &s};
	int r;

	stream_begin(&s);
	stream_open(&s, "certificates", '[');
	r = n->c->options->operands.count == 0 ? report_all(n->c, &list, e)
					       : renew_report_named(n, &list, e);
	if (r == 0)
		stream_end(&s);
	return r;
}

static void renew_say(const struct renew *n)
{
	size_t count = n->count + (size_t)n->others;
	size_t by[RUN_FAILED + 1] = {[RUN_NOTHING] = (size_t)n->others};

	for (size_t i = 0; i < n->count; i++)
		by[n->items[i].result]++;
	printf("%zu certificate%s: %zu renewed, %zu not due, %zu waiting, %zu failed\n", count,
	       count == 1 ? "" : "s", by[RUN_DONE], by[RUN_NOTHING], by[RUN_LATER], by[RUN_FAILED]);
}

static int renew_run(struct renew *n, struct err *e)
{
	const struct options *o = n->c->options;
	int r;

	n->items = mem_new(n->count * sizeof(*n->items));
	for (size_t i = 0; i < n->count; i++) {
		n->items[i].certificate_id = n->list[i]->id;
		if (o->force || o->server != NULL || o->staging)
			n->items[i].issue = ISSUE_NOW;
	}
	r = run_items(n->c, n->items, n->count, o->operands.count == 0, e);
	if (r == 0 && o->json)
		r = renew_json(n, e);
	else if (r == 0 && !o->quiet)
		renew_say(n);
	return r;
}

struct renew_copy {
	struct rehearsal *h;
	struct renew *n;
};

static int renew_copy_write(void *arg, struct err *e)
{
	struct renew_copy *copy = arg;
	struct renew *n = copy->n;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n->count; i++)
		r = rehearsal_copy(copy->h, n->list[i], &n->items[i].certificate_id, e);
	return r;
}

static int renew_rehearse(struct renew *n, struct err *e)
{
	struct rehearsal h = {0};
	struct renew_copy copy = {&h, n};
	int r;

	n->items = mem_new(n->count * sizeof(*n->items));
	r = rehearsal_begin(&h, n->c, e);
	if (r == 0)
		r = run_turn(&h.c, renew_copy_write, &copy, e);
	if (r == 0)
		r = rehearsal_run(&h, n->items, n->count, e);
	rehearsal_end(&h);
	return r;
}

static int renew_recheck_write(void *arg, struct err *e)
{
	struct renew *n = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n->count; i++)
		r = renewal_info_recheck(n->c->store, n->list[i]->id, e);
	return r;
}

/* Also of those whose certificates are not due: what the file says of a contact is for the CA. A
 * failure was said, and is kept with the account. */
static int renew_contacts(struct renew *n, struct err *e)
{
	struct account **list = NULL;
	size_t count = 0;
	int r = account_list(n->c->store, &list, &count, e);

	for (size_t i = 0; i < count; i++) {
		if (r == 0 && str_equal(list[i]->stage, "update") &&
		    list[i]->standing.next_at <= clock_now(n->c->clock))
			r = run_account(n->c, list[i]->id, e);
		account_free(list[i]);
	}
	free(list);
	return r;
}

/* Without a program of its own it tells nobody, so that a daemon beside it does. */
static int renew_really(struct renew *n, struct err *e)
{
	struct strlist notify AUTO_STRLIST = {0};
	int r = 0;

	if (n->c->options->notify_hook != NULL) {
		r = words_command(n->c->options->notify_hook, &notify, e);
		n->c->notify = &notify;
	}
	if (r == 0)
		r = renew_move(n, e);
	rehearsals_end(n->c);
	n->c->informed = true;
	if (r == 0 && n->c->options->recheck)
		r = run_turn(n->c, renew_recheck_write, n, e);
	if (r == 0 && n->c->options->operands.count == 0)
		r = renew_contacts(n, e);
	if (r == 0)
		r = renew_run(n, e);
	n->c->notify = NULL;
	/* A run that changed nothing made nothing old; at the latest a day later one does. */
	if (r != 0 || store_commits(n->c->store) == 0)
		return r;
	r = store_prune(n->c->store, e);
	return r != 0 && e->cause == CAUSE_HELD ? 0 : r; /* the next run does it */
}

/* A mistake in the file stops nothing that it does not concern, and is no success. */
static int renew_apply(struct renew *n, struct config **ret_config, struct err *e)
{
	int r = apply_file(n->c, ret_config, e);

	n->misconfigured = r == ERR_CONFIG;
	return n->misconfigured ? 0 : r;
}

int cmd_renew(struct context *c, struct err *e)
{
	struct renew n = {.c = c};
	AUTO_CONFIG struct config *config = NULL;
	int r = 0;

	if (c->options->dry_run)
		config = apply_look(c);
	else
		r = renew_apply(&n, &config, e);
	c->config = config;
	if (r == 0)
		r = renew_read(&n, e);
	if (r == 0 && n.count > 0)
		r = store_check_rest(c->store, e);
	if (r == 0)
		r = c->options->dry_run ? renew_rehearse(&n, e) : renew_really(&n, e);
	if (r == 0)
		r = run_exit(c->options, n.items, n.count);
	if (n.misconfigured && r >= 0)
		r = EXIT_FAILED;
	certificate_list_free(n.list, n.count);
	free(n.items);
	c->config = NULL;
	return r;
}
