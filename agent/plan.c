/* SPDX-License-Identifier: MIT
 *
 * plan — see plan.h: the certificates stand in a heap by what the schedule says of each; the first
 * one is issued in memory, and the schedule asked again.
 */
#include "agent/plan.h"

#include "agent/lifetimes.h"
#include "agent/outlook.h"
#include "agent/schedule_deploy.h"
#include "agent/wish.h"
#include "store/account.h"

#include <stdlib.h>
#include <string.h>

#define DAY      86400
#define SHORTEST 20 /* seconds from one issue to the next */
#define BACKDATE                                                                                   \
	3600 /* how far before the issue a certificate begins, when none is there to see           \
	      */

struct plan_item {
	struct certificate *certificate;
	struct outlook o;
	struct wish *wish;
	char *server;
	const char *profile; /* borrowed from the wish; NULL: none is named */
	bool replaces;       /* its orders will say what they replace */
	bool deployed;       /* there is something that is served */
};

struct planning {
	struct context *c;
	struct plan *plan;
	struct limits_book book;
	size_t *heap; /* indexes of items; the first is due first */
	size_t heap_count;
	int64_t next_id; /* of versions that there are not */
};

/* --- reading --- */

static int item_read(struct planning *p, struct certificate *c, struct plan_item *item,
		     struct err *e)
{
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	AUTO_FREE char *replaces = NULL;
	int r;

	item->certificate = c;
	r = outlook_read(p->c->store, c, p->plan->from, &item->o, e);
	if (r == 0)
		r = account_load(p->c->store, c->account_id, &a, e);
	if (r == 0)
		r = wish_parse(c->wish, &item->wish, e);
	if (r != 0)
		return err_while(e, "%s", c->name);
	item->server = mem_str(a != NULL ? a->server : "");
	item->profile = json_get_text(item->wish->root, "profile");
	replaces = outlook_replaces(p->c->store, &item->o);
	item->replaces = replaces != NULL;
	item->deployed = item->o.live != NULL;
	return 0;
}

static void rest_add(struct plan *plan, const struct plan_item *item)
{
	plan->rests = mem_grow(plan->rests, plan->rest_count + 1, sizeof(*plan->rests));
	plan->rests[plan->rest_count++] = (struct plan_rest){
		.name = item->certificate->name,
		.why = mem_str(item->o.next.why),
	};
}

static int items_read(struct planning *p, struct err *e)
{
	struct certificate **list = NULL;
	size_t count = 0;
	int r = certificate_list(p->c->store, &list, &count, e);

	p->plan->items = mem_new((count + 1) * sizeof(*p->plan->items));
	for (size_t i = 0; i < count; i++) {
		struct plan_item *item = &p->plan->items[p->plan->item_count];

		if (r != 0) {
			certificate_free(list[i]);
			continue;
		}
		p->plan->item_count++;
		r = item_read(p, list[i], item, e);
	}
	free(list);
	return r;
}

/* --- the heap --- */

static int64_t when_of(const struct planning *p, size_t at)
{
	return p->plan->items[p->heap[at]].o.next.when;
}

static bool is_before(const struct planning *p, size_t a, size_t b)
{
	return when_of(p, a) < when_of(p, b) ||
	       (when_of(p, a) == when_of(p, b) && p->heap[a] < p->heap[b]);
}

static void swap(struct planning *p, size_t a, size_t b)
{
	size_t kept = p->heap[a];

	p->heap[a] = p->heap[b];
	p->heap[b] = kept;
}

static void heap_sink(struct planning *p, size_t at)
{
	for (;;) {
		size_t least = at;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
			if (child < p->heap_count && is_before(p, child, least))
				least = child;
		if (least == at)
			return;
		swap(p, at, least);
		at = least;
	}
}

static void heap_make(struct planning *p)
{
	for (size_t i = 0; i < p->plan->item_count; i++)
		if (p->plan->items[i].o.next.what == SCHEDULE_NOTHING)
			rest_add(p->plan, &p->plan->items[i]);
		else
			p->heap[p->heap_count++] = i;
	for (size_t i = p->heap_count / 2; i-- > 0;)
		heap_sink(p, i);
}

/* --- one certificate is issued --- */

static struct plan_event *event_add(struct plan *plan, int64_t at, enum plan_what what,
				    const struct plan_item *item)
{
	plan->events = mem_grow(plan->events, plan->event_count + 1, sizeof(*plan->events));
	plan->events[plan->event_count] = (struct plan_event){
		.at = at,
		.what = what,
		.name = item->certificate->name,
	};
	return &plan->events[plan->event_count++];
}

/* What the deployers of the wish will do with it, and when. */
static void item_deploys(struct planning *p, const struct plan_item *item, int64_t at,
			 const struct version *served)
{
	for (size_t i = 0; i < json_count(item->wish->deploy); i++) {
		const struct json *settings = json_at(item->wish->deploy, i);
		const struct schedule_deploy_input in = {
			.window = json_get_text(settings, "window"),
			.served = served,
			.now = at,
		};
		const struct schedule_deploy s = schedule_deploy(&in);
		struct plan_event *event = event_add(p->plan, s.when, PLAN_DEPLOY, item);

		event->text = mem_printf("%s: %s", json_get_text(settings, "name"), s.why);
	}
}

static struct version *version_planned(struct planning *p, const struct plan_item *item, int64_t at)
{
	const struct version *live = item->o.live;
	struct version *v = mem_new(sizeof(*v));
	int64_t before = live != NULL ? live->not_after - live->not_before : 0;
	int64_t backdate = live != NULL ? live->created_at - live->not_before : BACKDATE;

	v->id = p->next_id--;
	v->certificate_id = item->certificate->id;
	v->account_id = item->certificate->account_id;
	v->key_kind = mem_str(key_kind_name(item->wish->key));
	v->fingerprint = mem_str("");
	strlist_copy(&v->names, &item->certificate->names);
	v->created_at = at;
	v->not_before = at - (backdate >= 0 && backdate < DAY ? backdate : BACKDATE);
	v->not_after = v->not_before + lifetime_expected(item->server, item->profile, before, at);
	return v;
}

static void item_is_issued(struct planning *p, struct plan_item *item, int64_t at)
{
	bool renews = item->o.next.what == SCHEDULE_RENEW;
	struct version *v = version_planned(p, item, at);
	struct plan_event *event = event_add(p->plan, at, renews ? PLAN_RENEW : PLAN_ISSUE, item);

	event->not_after = v->not_after;
	event->text = mem_str(item->o.next.why);
	item_deploys(p, item, at, item->deployed ? item->o.live : NULL);
	p->plan->loads[(at - p->plan->from) / DAY]++;
	item->o.in.previous_at = item->o.live != NULL ? item->o.live->created_at : 0;
	version_free(item->o.live);
	item->o.live = v;
	item->deployed = true;
	item->o.renewal.failures = 0;
	item->o.renewal.issued++;
	strlist_clear(&item->o.left_out);
	item->o.in.live = v;
	item->o.in.limit = NULL;
	item->o.in.now = at;
	item->o.next = schedule(&item->o.in);
	if (item->o.next.when < at + SHORTEST) /* it was dated back by more than it lives */
		item->o.next.when = at + SHORTEST;
}

/* --- the CA's limits --- */

static void limit_note(struct plan *plan, struct limit_room *room, int64_t at)
{
	struct plan_limit *l = NULL;

	for (size_t i = 0; i < plan->limit_count && l == NULL; i++)
		if (str_equal(plan->limits[i].what, room->what))
			l = &plan->limits[i];
	if (l == NULL) {
		plan->limits = mem_grow(plan->limits, plan->limit_count + 1, sizeof(*plan->limits));
		l = &plan->limits[plan->limit_count++];
		*l = (struct plan_limit){.what = mem_str(room->what), .most = room->most};
	}
	if (l->at != 0 && room->used <= l->used)
		return;
	l->used = room->used;
	l->at = at;
}

static void limits_note(struct planning *p, const struct limits *limits,
			const struct limit_wish *wish, int64_t at)
{
	struct limit_room *rooms = NULL;
	size_t count = limits_room(limits, wish, at, &rooms);

	for (size_t i = 0; i < count; i++)
		if (rooms[i].used > 0)
			limit_note(p->plan, &rooms[i], at);
	limit_rooms_free(rooms, count);
}

/* *ret_free: it can be issued at that time; else its schedule says when. */
static int item_limits(struct planning *p, struct plan_item *item, int64_t at, bool *ret_free,
		       struct err *e)
{
	const struct limit_wish wish = {
		.account_id = item->certificate->account_id,
		.names = &item->certificate->names,
		.replaces = item->replaces,
		.renews = item->o.next.what == SCHEDULE_RENEW,
	};
	struct limits *limits = NULL;
	int r = limits_find(&p->book, item->server, p->plan->from, &limits, e);

	*ret_free = true;
	if (r != 0 || limits == NULL)
		return r;
	item->o.limit = limits_judge(limits, &wish, at);
	if (item->o.limit.at > at) {
		item->o.in.limit = &item->o.limit;
		item->o.in.now = at;
		item->o.next = schedule(&item->o.in);
		*ret_free = false;
		return 0;
	}
	limits_begin(limits, &wish, at);
	limits_note(p, limits, &wish, at);
	return 0;
}

/* --- the whole --- */

static int plan_run(struct planning *p, struct err *e)
{
	while (p->heap_count > 0) {
		struct plan_item *item = &p->plan->items[p->heap[0]];
		int64_t at = item->o.next.when;
		bool is_free = true;
		int r;

		at = at > p->plan->from ? at : p->plan->from; /* what is late is due now */
		if (at >= p->plan->until)
			return 0;
		r = item_limits(p, item, at, &is_free, e);
		if (r != 0)
			return r;
		if (is_free)
			item_is_issued(p, item, at);
		heap_sink(p, 0);
	}
	return 0;
}

/* By time; of one time in the order in which they were planned. */
static int compare_events(const void *a, const void *b)
{
	const struct plan_event *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->what != y->what)
		return x->what < y->what ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void changes_find(struct plan *plan)
{
	const struct lifetime_change *change;

	for (size_t i = 0; (change = lifetime_change(i)) != NULL; i++) {
		size_t count = 0;

		for (size_t k = 0; k < plan->item_count; k++)
			count += plan->items[k].o.next.what != SCHEDULE_NOTHING &&
				 lifetime_applies(change, plan->items[k].server,
						  plan->items[k].profile);
		if (count == 0 || change->from < plan->from || change->from >= plan->until)
			continue;
		plan->changes =
			mem_grow(plan->changes, plan->change_count + 1, sizeof(*plan->changes));
		plan->changes[plan->change_count++] = (struct plan_change){
			.from = change->from,
			.lifetime = change->lifetime,
			.server = change->server,
			.profile = change->profile,
			.certificates = count,
		};
	}
}

static void deploys_cut(struct plan *plan)
{
	while (plan->event_count > 0 && plan->events[plan->event_count - 1].at >= plan->until)
		free(plan->events[--plan->event_count].text);
}

int plan_make(struct context *c, int64_t days, struct plan **ret_plan, struct err *e)
{
	AUTO_PLAN struct plan *plan = mem_new(sizeof(*plan));
	struct planning p = {.c = c, .plan = plan, .book = {.store = c->store}, .next_id = -1};
	int r;

	plan->from = clock_now(c->clock);
	plan->until = plan->from + days * DAY;
	plan->day_count = (size_t)days;
	plan->loads = mem_new((size_t)days * sizeof(*plan->loads));
	r = items_read(&p, e);
	p.heap = mem_new((plan->item_count + 1) * sizeof(*p.heap));
	if (r == 0) {
		heap_make(&p);
		r = plan_run(&p, e);
	}
	limits_forget(&p.book);
	free(p.heap);
	if (r != 0)
		return r;
	if (plan->event_count > 0)
		qsort(plan->events, plan->event_count, sizeof(*plan->events), compare_events);
	deploys_cut(plan);
	changes_find(plan);
	*ret_plan = TAKE(plan);
	return 0;
}

static void item_clear(struct plan_item *item)
{
	outlook_clear(&item->o);
	wish_free(item->wish);
	free(item->server);
	certificate_free(item->certificate);
}

void plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->item_count; i++)
		item_clear(&p->items[i]);
	for (size_t i = 0; i < p->event_count; i++)
		free(p->events[i].text);
	for (size_t i = 0; i < p->limit_count; i++)
		free(p->limits[i].what);
	for (size_t i = 0; i < p->rest_count; i++)
		free(p->rests[i].why);
	free(p->items);
	free(p->events);
	free(p->loads);
	free(p->limits);
	free(p->changes);
	free(p->rests);
	free(p);
}

void auto_plan(struct plan **p)
{
	plan_free(*p);
}
