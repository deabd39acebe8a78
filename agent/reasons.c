/* SPDX-License-Identifier: MIT
 *
 * reasons — see reasons.h. It asks the schedule again with less, to say what would be without what
 * the CA advised or without a back-off: there is no second opinion here.
 */
#include "agent/reasons.h"

#include "agent/outlook.h"
#include "agent/report.h"
#include "agent/run.h"
#include "store/account.h"
#include "store/deployment.h"
#include "store/order.h"

#include <stdlib.h>
#include <string.h>

struct finding {
	struct context *c;
	const struct certificate *certificate;
	struct outlook o;
	struct report *report;
	struct reasons *reasons;
};

static void add(struct finding *f, const char *about, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void add(struct finding *f, const char *about, const char *format, ...)
{
	struct reasons *l = f->reasons;
	va_list ap;

	va_start(ap, format);
	l->items = mem_grow(l->items, l->count + 1, sizeof(*l->items));
	l->items[l->count++] = (struct reason){about, mem_vprintf(format, ap)};
	va_end(ap);
}

static const char *when(int64_t at, char text[CLOCK_TEXT_SIZE])
{
	return at <= 0 ? "now" : clock_format(at, text);
}

/* --- what is wanted and what is there --- */

static void find_wanted(struct finding *f)
{
	const struct certificate *c = f->certificate;
	AUTO_FREE char *names = strlist_join(&c->names, ", ");
	AUTO_FREE char *optional = strlist_join(&c->optional, ", ");
	AUTO_FREE char *left = strlist_join(&f->o.left_out, ", ");
	bool command = certificate_is_of_command(c);
	char at[CLOCK_TEXT_SIZE];

	add(f, "wanted", "%s, by %s%s", names, command ? "a command" : "the file, ",
	    command ? "" : c->origin);
	if (c->optional.count > 0)
		add(f, "wanted", "of them optional: %s", optional);
	if (f->o.left_out.count > 0)
		add(f, "wanted", "left out since it failed at %s: %s", when(f->o.in.left_at, at),
		    left);
}

static void find_there(struct finding *f)
{
	const struct version *v = f->o.live;
	char from[CLOCK_TEXT_SIZE], until[CLOCK_TEXT_SIZE];

	if (v == NULL)
		add(f, "there", "no certificate yet");
	else
		add(f, "there", "serial %s, valid from %s to %s, by %s", v->serial,
		    when(v->not_before, from), when(v->not_after, until), v->issuer);
}

static int find_ca(struct finding *f, struct err *e)
{
	const struct certificate *c = f->certificate;
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	char at[CLOCK_TEXT_SIZE];
	int r = account_load(f->c->store, c->account_id, &a, e);

	if (r != 0 || a == NULL)
		return r;
	add(f, "CA", "%s", a->server);
	if (c->moved_at != 0)
		add(f, "CA",
		    "since %s, because the preferred one failed; the next order a day "
		    "after that goes there again",
		    when(c->moved_at, at));
	if (!account_is_ready(a) && a->standing.error.code != ERR_NONE)
		add(f, "CA", "its account: %s; it goes on at %s", a->standing.error.text,
		    when(a->standing.next_at, at));
	return 0;
}

/* --- when --- */

static void find_advice(struct finding *f)
{
	const struct renewal_info *info = f->o.info;
	char from[CLOCK_TEXT_SIZE], until[CLOCK_TEXT_SIZE], at[CLOCK_TEXT_SIZE];

	if (f->o.live == NULL)
		return;
	if (f->o.live->ari_id == NULL)
		add(f, "advice",
		    "none: the certificate has no authority key identifier, by which the CA could "
		    "be asked about it");
	else if (info == NULL || info->version_id != f->o.live->id)
		add(f, "advice", "the CA was not asked yet when it advises to renew");
	else if (info->window_end == 0)
		add(f, "advice", "none from the CA%s%s",
		    info->standing.error.code != ERR_NONE ? ": " : "",
		    info->standing.error.code != ERR_NONE ? info->standing.error.text : "");
	else
		add(f, "advice", "the CA advises between %s and %s; chosen of that: %s",
		    when(info->window_start, from), when(info->window_end, until),
		    when(f->o.next.due, at));
	if (info != NULL && info->explanation_url != NULL)
		add(f, "advice", "the CA explains it at %s", info->explanation_url);
	if (info != NULL && schedule_asks_at(&f->o.in) != INT64_MAX)
		add(f, "advice", "the CA is asked again at %s",
		    when(schedule_asks_at(&f->o.in), at));
}

static void find_lifetime(struct finding *f)
{
	struct schedule_input in = f->o.in;
	struct schedule alone;
	char at[CLOCK_TEXT_SIZE];

	in.info = NULL;
	alone = schedule(&in);
	if (f->o.live != NULL && alone.what == SCHEDULE_RENEW)
		add(f, "lifetime", "without advice: %s: %s", when(alone.due, at), alone.why);
}

static void find_back_off(struct finding *f)
{
	const struct renewal *r = &f->o.renewal;
	char at[CLOCK_TEXT_SIZE], next[CLOCK_TEXT_SIZE];

	if (r->failures > 0)
		add(f, "back-off", "%lld attempt%s failed, the last one at %s; not again before %s",
		    (long long)r->failures, r->failures == 1 ? "" : "s", when(r->error_at, at),
		    when(r->next_at, next));
}

static int find_limits(struct finding *f, struct err *e)
{
	struct outlook_rooms room = {0};
	int r = outlook_rooms_read(f->c->store, f->certificate, f->o.in.now, &room, e);

	for (size_t i = 0; i < room.count; i++)
		add(f, "limits", "%lld of %lld %s", (long long)room.rooms[i].used,
		    (long long)room.rooms[i].most, room.rooms[i].what);
	limit_rooms_free(room.rooms, room.count);
	return r;
}

/* --- what is under way --- */

static int find_order(struct finding *f, struct err *e)
{
	AUTO_ORDER_ROW struct order *o = NULL;
	char since[CLOCK_TEXT_SIZE], next[CLOCK_TEXT_SIZE];
	int r = order_latest(f->c->store, f->certificate->id, &o, e);

	if (r != 0 || o == NULL || o->ended_at != 0)
		return r;
	add(f, "order", "under way since %s, at \"%s\"", when(o->created_at, since), o->stage);
	if (o->standing.failures > 0)
		add(f, "order", "it goes on at %s", when(o->standing.next_at, next));
	return 0;
}

static int find_deployment(struct finding *f, const struct deployment *d, struct err *e)
{
	AUTO_TARGET struct target *t = NULL;
	struct schedule_deploy_input in = {.now = f->o.in.now};
	struct schedule_deploy next = {0};
	char at[CLOCK_TEXT_SIZE];
	int r = target_load(f->c->store, d->target_id, &t, e);

	if (r != 0 || t == NULL)
		return r;
	in.window = t->window;
	r = outlook_deploy(f->c->store, d, in, &next, e);
	if (r != 0)
		return r;
	if (d->standing.error.code != ERR_NONE)
		add(f, "deployment", "%s %s: %s; it goes on at %s", t->deployer, t->settings,
		    d->standing.error.text, when(d->standing.next_at, at));
	else if (next.when > in.now)
		add(f, "deployment", "%s %s: waits until %s: %s", t->deployer, t->settings,
		    when(next.when, at), next.why);
	else
		add(f, "deployment", "%s %s: pending%s%s", t->deployer, t->settings,
		    d->standing.next_at > 0 ? ", not before " : "",
		    d->standing.next_at > 0 ? when(d->standing.next_at, at) : "");
	return 0;
}

static int find_deployments(struct finding *f, struct err *e)
{
	struct deployment **list = NULL;
	size_t count = 0;
	int r = 0;

	if (f->o.live != NULL)
		r = deployment_list(f->c->store, f->o.live->id, &list, &count, e);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (list[i]->ended_at == 0)
			r = find_deployment(f, list[i], e);
	deployment_list_free(list, count);
	return r;
}

static void find_error(struct finding *f)
{
	const struct report *r = f->report;
	char at[CLOCK_TEXT_SIZE];

	if (r->error.code != ERR_NONE)
		add(f, "last error", "at %s: %s", when(r->error_at, at), r->error.text);
}

static void find_next(struct finding *f)
{
	static const char *const what[] = {"nothing", "issue it", "renew it"};
	const struct schedule *s = &f->o.next;
	char at[CLOCK_TEXT_SIZE];

	if (s->what == SCHEDULE_NOTHING)
		add(f, "next", "nothing: %s", s->why);
	else
		add(f, "next", "%s %s%s: %s", what[s->what], s->when <= f->o.in.now ? "" : "at ",
		    s->when <= f->o.in.now ? "now" : when(s->when, at), s->why);
}

int reasons_find(struct context *c, const struct certificate *certificate, struct reasons *reasons,
		 struct err *e)
{
	struct limits_book book AUTO_LIMITS_BOOK = {.store = c->store};
	struct finding f = {
		.c = c,
		.certificate = certificate,
		.o = {.book = &book}, /* what is due and limited says so */
		.reasons = reasons,
	};
	int r = outlook_read(c->store, certificate, clock_now(c->clock), &f.o, e);

	if (r == 0)
		r = report_read(c, certificate, &f.report, e);
	if (r == 0) {
		find_wanted(&f);
		find_there(&f);
		r = find_ca(&f, e);
	}
	if (r == 0) {
		find_advice(&f);
		find_lifetime(&f);
		find_back_off(&f);
		r = find_limits(&f, e);
	}
	if (r == 0)
		r = find_order(&f, e);
	if (r == 0)
		r = find_deployments(&f, e);
	if (r == 0) {
		find_error(&f);
		find_next(&f);
	}
	report_free(f.report);
	outlook_clear(&f.o);
	return r;
}

void reasons_clear(struct reasons *reasons)
{
	for (size_t i = 0; i < reasons->count; i++)
		free(reasons->items[i].text);
	free(reasons->items);
	*reasons = (struct reasons){0};
}
