/* SPDX-License-Identifier: MIT
 *
 * report — see report.h.
 */
#include "agent/report.h"

#include "agent/outlook.h"
#include "agent/stream.h"
#include "base/log.h"
#include "store/deployment.h"
#include "store/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json *report_time(int64_t when)
{
	char text[CLOCK_TEXT_SIZE];

	return json_new_text(when != 0 ? clock_format(when, text) : NULL);
}

static void error_take(struct report *r, const struct standing *st)
{
	if (st->error.code == ERR_NONE || st->error_at < r->error_at)
		return;
	r->error = st->error;
	r->error.retry_at = st->next_at;
	r->error_at = st->error_at;
}

/* The first one that waits for its window. */
static int report_window(struct context *c, struct report *r, const struct deployment *d,
			 struct err *e)
{
	AUTO_TARGET struct target *t = NULL;
	struct schedule_deploy_input in = {.now = clock_now(c->clock)};
	struct schedule_deploy next = {0};
	int ret = target_load(c->store, d->target_id, &t, e);

	if (ret != 0 || t == NULL)
		return ret;
	in.window = t->window;
	ret = outlook_deploy(c->store, d, in, &next, e);
	if (ret == 0 && next.when > in.now && (r->deploys_at == 0 || next.when < r->deploys_at))
		r->deploys_at = next.when;
	return ret;
}

/* "degraded": the certificate is fine, and a deployment of it is not. */
static int report_deployments(struct context *c, struct report *r, bool *ret_degraded,
			      struct err *e)
{
	struct deployment **list = NULL;
	size_t count = 0;
	int ret;

	if (r->live == NULL)
		return 0;
	ret = deployment_list(c->store, r->live->id, &list, &count, e);
	for (size_t i = 0; ret == 0 && i < count; i++) {
		if (list[i]->ended_at != 0)
			continue;
		r->pending++;
		ret = report_window(c, r, list[i], e);
		if (list[i]->standing.failures == 0)
			continue;
		*ret_degraded = true;
		error_take(r, &list[i]->standing);
	}
	deployment_list_free(list, count);
	return ret;
}

static const char *state_of(const struct report *r, const struct order *o, bool degraded,
			    int64_t now)
{
	const bool live_order = o != NULL && o->ended_at == 0;

	if (r->certificate->removed_at != 0)
		return "removed";
	if (r->live != NULL && r->live->not_after <= now)
		return "expired";
	if (live_order && o->standing.failures == 0)
		return "renewing";
	if (r->certificate->dropped_at != 0)
		return "dropped";
	if (r->renewal.failures > 0 || live_order)
		return "failing";
	if (degraded || r->left_out.count > 0)
		return "degraded";
	return r->next.what != SCHEDULE_NOTHING && r->next.due <= now ? "due" : "valid";
}

/* busy: it may have a live order or deployment. */
static int report_state(struct context *c, struct report *r, bool busy, struct err *e)
{
	AUTO_ORDER_ROW struct order *o = NULL;
	bool degraded = false;
	int ret = 0;

	r->error = r->renewal.error;
	r->error.retry_at = r->renewal.next_at;
	r->error_at = r->renewal.error_at;
	if (busy)
		ret = order_latest(c->store, r->certificate->id, &o, e);
	if (ret == 0 && busy)
		ret = report_deployments(c, r, &degraded, e);
	if (ret != 0)
		return ret;
	if (o != NULL && o->ended_at == 0)
		error_take(r, &o->standing);
	r->state = state_of(r, o, degraded, clock_now(c->clock));
	return 0;
}

static void report_take(struct report *r, const struct certificate *certificate, struct outlook *o)
{
	r->certificate = certificate;
	r->live = TAKE(o->live);
	r->renewal = o->renewal;
	r->next = o->next;
	r->left_out = o->left_out;
	r->left_at = o->in.left_at;
	o->left_out = (struct strlist){0};
}

int report_read(struct context *c, const struct certificate *certificate,
		struct report **ret_report, struct err *e)
{
	AUTO_REPORT struct report *r = mem_new(sizeof(*r));
	struct limits_book book AUTO_LIMITS_BOOK = {.store = c->store};
	struct outlook o AUTO_OUTLOOK = {.book = c->book != NULL ? c->book : &book};
	int ret = outlook_read(c->store, certificate, clock_now(c->clock), &o, e);

	report_take(r, certificate, &o);
	if (ret == 0)
		ret = report_state(c, r, true, e);
	if (ret == 0)
		*ret_report = TAKE(r);
	return ret;
}

static int report_glance(struct context *c, const struct certificate *certificate, struct report *r,
			 struct err *e)
{
	struct outlook o AUTO_OUTLOOK = {.book = c->book};
	bool busy = false;
	int ret = outlook_glance(c->store, certificate, clock_now(c->clock), &o, e);

	report_take(r, certificate, &o);
	if (ret == 0)
		ret = certificate_busy(c->store, certificate->id, &busy, e);
	return ret == 0 ? report_state(c, r, busy, e) : ret;
}

struct piece {
	struct report reports[STORE_PIECE];
	size_t count;
};

static void piece_clear(struct piece *p)
{
	for (size_t i = 0; i < p->count; i++) {
		version_free(p->reports[i].live);
		strlist_clear(&p->reports[i].left_out);
	}
	*p = (struct piece){0};
}

/* In a look: copies what is told of them. */
static int piece_read(struct context *c, struct certificate *const *certificates, size_t count,
		      struct piece *p, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = report_glance(c, certificates[i], &p->reports[p->count++], e);
	return r;
}

/* After it: whoever is told may print, and wait for whoever reads that. */
static int piece_tell(struct piece *p, const struct report_list *list, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->count; i++)
		r = list->fn(list->arg, &p->reports[i], e);
	piece_clear(p);
	return r;
}

int report_each(struct context *c, const struct report_list *list, struct err *e)
{
	struct piece *p = mem_new(sizeof(*p));
	int r = 0;

	for (size_t at = 0; r == 0 && at < list->count; at += STORE_PIECE) {
		size_t rest = list->count - at;

		r = store_look_begin(c->store, e);
		if (r != 0)
			break;
		r = piece_read(c, list->certificates + at, rest < STORE_PIECE ? rest : STORE_PIECE,
			       p, e);
		store_look_end(c->store);
		if (r == 0)
			r = piece_tell(p, list, e);
	}
	piece_clear(p);
	free(p);
	return r;
}

static int walk_read(struct context *c, struct certificate_walk *w, struct piece *p, struct err *e)
{
	int r = store_look_begin(c->store, e);

	if (r != 0)
		return r;
	r = certificate_walk(c->store, w, e);
	if (r > 0)
		r = piece_read(c, w->list, w->count, p, e);
	store_look_end(c->store);
	return r < 0 ? r : w->count > 0;
}

int report_all(struct context *c, const struct report_list *list, struct err *e)
{
	struct certificate_walk w AUTO_CERTIFICATE_WALK = {0};
	struct piece *p = mem_new(sizeof(*p));
	int told = 0;
	int r = 1;

	while (r > 0 && told == 0) {
		r = walk_read(c, &w, p, e);
		if (r > 0)
			told = piece_tell(p, list, e);
	}
	piece_clear(p);
	free(p);
	return r < 0 ? r : told;
}

static struct json *names_json(const struct strlist *names)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < names->count; i++)
		json_add_text(list, names->items[i]);
	return list;
}

static struct json *next_json(const struct schedule *s)
{
	static const char *const what[] = {"nothing", "issue", "renew"};
	struct json *j = json_new_map();

	json_put_text(j, "what", what[s->what]);
	json_put(j, "at", s->when > 0 ? report_time(s->when) : json_new_text(NULL));
	json_put_text(j, "why", s->why);
	return j;
}

static struct json *error_json(const struct err *error, int64_t at)
{
	struct json *j;

	if (error->code == ERR_NONE)
		return json_new_text(NULL);
	j = json_new_map();
	json_put_text(j, "code", err_code_name(error->code));
	json_put_text(j, "type", error->type[0] != '\0' ? error->type : NULL);
	json_put_text(j, "text", error->text);
	json_put(j, "at", report_time(at));
	json_put(j, "retry_at", report_time(error->retry_at));
	return j;
}

struct json *report_json(const struct report *r)
{
	struct json *j = json_new_map();

	json_put_text(j, "name", r->certificate->name);
	json_put(j, "names", names_json(&r->certificate->names));
	json_put(j, "left_out", names_json(&r->left_out));
	json_put_text(j, "state", r->state);
	json_put_text(j, "serial", r->live != NULL ? r->live->serial : NULL);
	json_put(j, "not_before", report_time(r->live != NULL ? r->live->not_before : 0));
	json_put(j, "not_after", report_time(r->live != NULL ? r->live->not_after : 0));
	json_put(j, "next", next_json(&r->next));
	json_put(j, "deploys_at", report_time(r->deploys_at));
	json_put(j, "last_error", error_json(&r->error, r->error_at));
	return j;
}

int report_reason(struct context *c, const struct certificate *certificate, struct err *e)
{
	AUTO_REPORT struct report *r = NULL;
	char when[CLOCK_TEXT_SIZE];
	int ret = report_read(c, certificate, &r, e);

	if (ret != 0 || r->error.code == ERR_NONE)
		return ret;
	if (r->error.retry_at > clock_now(c->clock))
		log_line(LOG_ERROR, "%s: %s; it is tried again at %s", certificate->name,
			 r->error.text, clock_format(r->error.retry_at, when));
	else
		log_line(LOG_ERROR, "%s: %s", certificate->name, r->error.text);
	return 0;
}

void report_print(const char *member, struct json *value)
{
	struct stream s = {0};

	stream_begin(&s);
	stream_put(&s, member, value);
	stream_end(&s);
}

const char *report_color(const struct context *c, const char *state)
{
	if (!c->color)
		return "";
	if (str_equal(state, "valid"))
		return "\033[32m";
	if (str_equal(state, "due") || str_equal(state, "renewing") || str_equal(state, "degraded"))
		return "\033[33m";
	return "\033[31m";
}

const char *report_plain(const struct context *c)
{
	return c->color ? "\033[0m" : "";
}

void report_free(struct report *r)
{
	if (r == NULL)
		return;
	strlist_clear(&r->left_out);
	version_free(r->live);
	free(r);
}

void auto_report(struct report **r)
{
	report_free(*r);
}
