/* SPDX-License-Identifier: MIT
 *
 * plan — see plan.h: the certificates stand in a heap by what the schedule says of each; the first
 * one is issued in memory, and the schedule asked again. What follows from it stands in a second
 * heap until nothing earlier can come any more, so that no more than that is ever kept.
 */
#include "agent/plan.h"

#include "agent/lifetimes.h"
#include "agent/outlook.h"
#include "agent/schedule_deploy.h"
#include "agent/wish.h"
#include "store/account.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#define DAY      86400
#define SHORTEST 20   /* seconds from one issue to the next */
#define BACKDATE 3600 /* how far before the issue one begins, when none is there to see */

/* What the schedule needs of a certificate from its first planned issue on: there may be very
 * many. */
struct plan_item {
	size_t index; /* by name */
	int64_t certificate_id, account_id;
	char *name;
	char *names; /* joined; NULL: no limits of its CA are known */
	char *why;   /* of what comes next */
	/* words of the plan: */
	const char *server, *profile; /* profile NULL: none is named */
	const char *deploys;          /* a line with the name and one with the window of each */
	int64_t when;                 /* of what comes next */
	int64_t created_at, not_before, not_after; /* of what is live then */
	int64_t previous_at, issued, hasty;
	int64_t advised_from, advised_until; /* the CA's advice about that; 0: none */
	enum schedule_what what;
	bool live;     /* there is something that is served */
	bool replaces; /* its orders will say what they replace */
};

struct plan_work {
	struct context *c;
	struct limits_book book;
	void *words; /* tsearch(3): what many certificates have in common is kept once */
	struct plan_item **items;
	size_t item_count;
	struct plan_item **heap; /* those with something to come; the first is due first */
	size_t heap_count;
	struct plan_event *events; /* a heap: the first comes first */
	size_t event_count;
	int64_t number; /* of events so far */
	char *told;     /* text of the event that was told last */
};

/* --- reading --- */

static int words_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* NULL stays NULL. */
static const char *word(struct plan_work *w, const char *text)
{
	AUTO_FREE char *copy = mem_str(text);
	char **found;

	if (text == NULL)
		return NULL;
	found = tsearch(copy, &w->words, words_compare);
	if (found == NULL)
		abort(); /* out of memory, as in base/mem.c */
	if (*found == copy)
		(void)TAKE(copy);
	return *found;
}

static const char *deploys_of(struct plan_work *w, const struct wish *wish)
{
	struct strlist lines AUTO_STRLIST = {0};
	AUTO_FREE char *text = NULL;

	for (size_t i = 0; i < json_count(wish->deploy); i++) {
		const struct json *settings = json_at(wish->deploy, i);
		const char *window = json_get_text(settings, "window");

		strlist_addf(&lines, "%s\n%s\n", json_get_text(settings, "name"),
			     window != NULL ? window : "");
	}
	text = strlist_join(&lines, "");
	return word(w, text);
}

static void item_fill(struct plan_item *item, const struct certificate *c, const struct outlook *o)
{
	item->certificate_id = c->id;
	item->account_id = c->account_id;
	item->name = mem_str(c->name);
	item->why = mem_str(o->next.why);
	item->when = o->next.when;
	item->what = o->next.what;
	item->issued = o->renewal.issued;
	item->hasty = o->renewal.hasty;
	item->live = o->live != NULL;
	if (o->live == NULL)
		return;
	item->created_at = o->live->created_at;
	item->not_before = o->live->not_before;
	item->not_after = o->live->not_after;
	if (schedule_in_force(&o->in)) {
		item->advised_from = o->info->window_start;
		item->advised_until = o->info->window_end;
	}
}

static int item_read(struct plan *plan, const struct certificate *c, struct plan_item *item,
		     struct err *e)
{
	struct plan_work *w = plan->work;
	struct outlook o AUTO_OUTLOOK = {0};
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	AUTO_WISH struct wish *wish = NULL;
	AUTO_FREE char *replaces = NULL;
	int r = outlook_read(w->c->store, c, plan->from, &o, e);

	if (r == 0)
		r = account_load(w->c->store, c->account_id, &a, e);
	if (r == 0)
		r = wish_parse(c->wish, &wish, e);
	if (r != 0)
		return err_while(e, "%s", c->name);
	item_fill(item, c, &o);
	item->server = word(w, a != NULL ? a->server : "");
	item->profile = word(w, json_get_text(wish->root, "profile"));
	item->deploys = deploys_of(w, wish);
	replaces = outlook_replaces(w->c->store, &o);
	item->replaces = replaces != NULL;
	if (limits_known(item->server))
		item->names = strlist_join(&c->names, " ");
	return 0;
}

static void rest_add(struct plan *plan, const struct plan_item *item)
{
	plan->rests = mem_grow(plan->rests, plan->rest_count + 1, sizeof(*plan->rests));
	plan->rests[plan->rest_count++] = (struct plan_rest){.name = item->name, .why = item->why};
}

/* A look. 1: there may be more. */
static int piece_read(struct plan *plan, struct certificate_walk *walk, struct err *e)
{
	struct plan_work *w = plan->work;
	int r = store_look_begin(w->c->store, e);

	if (r == 0)
		r = certificate_walk(w->c->store, walk, e);
	for (size_t i = 0; r > 0 && i < walk->count; i++) {
		struct plan_item *item = mem_new(sizeof(*item));
		int one;

		item->index = w->item_count;
		w->items = mem_grow(w->items, w->item_count + 1, sizeof(struct plan_item *));
		w->items[w->item_count++] = item;
		one = item_read(plan, walk->list[i], item, e);
		r = one != 0 ? one : r;
	}
	store_look_end(w->c->store);
	return r;
}

/* In pieces, so that others write meanwhile. Each certificate is planned as it was in its look, and
 * all of them from one time on: of what changes while they are read some is in the plan and some is
 * not, as of what changes a moment later. */
static int items_read(struct plan *plan, struct err *e)
{
	struct certificate_walk walk AUTO_CERTIFICATE_WALK = {0};
	int r;

	do
		r = piece_read(plan, &walk, e);
	while (r > 0);
	return r;
}

/* --- the heap of certificates --- */

static bool is_before(const struct plan_item *a, const struct plan_item *b)
{
	return a->when < b->when || (a->when == b->when && a->index < b->index);
}

static void heap_sink(struct plan_work *w, size_t at)
{
	for (;;) {
		struct plan_item *kept = w->heap[at];
		size_t least = at;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
			if (child < w->heap_count && is_before(w->heap[child], w->heap[least]))
				least = child;
		if (least == at)
			return;
		w->heap[at] = w->heap[least];
		w->heap[least] = kept;
		at = least;
	}
}

static void heap_make(struct plan *plan)
{
	struct plan_work *w = plan->work;

	w->heap = mem_new((w->item_count + 1) * sizeof(struct plan_item *));
	for (size_t i = 0; i < w->item_count; i++)
		if (w->items[i]->what == SCHEDULE_NOTHING)
			rest_add(plan, w->items[i]);
		else
			w->heap[w->heap_count++] = w->items[i];
	for (size_t i = w->heap_count / 2; i-- > 0;)
		heap_sink(w, i);
}

/* --- the heap of events --- */

/* By time; of one time by what is done, and by name. */
static bool comes_before(const struct plan_event *a, const struct plan_event *b)
{
	int names;

	if (a->at != b->at)
		return a->at < b->at;
	if (a->what != b->what)
		return a->what < b->what;
	names = strcmp(a->name, b->name);
	return names < 0 || (names == 0 && a->number < b->number);
}

/* Takes the text. */
static void event_add(struct plan_work *w, struct plan_event event)
{
	size_t at = w->event_count++;

	w->events = mem_grow(w->events, w->event_count, sizeof(*w->events));
	event.number = w->number++;
	while (at > 0 && comes_before(&event, &w->events[(at - 1) / 2])) {
		w->events[at] = w->events[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	w->events[at] = event;
}

static struct plan_event event_take(struct plan_work *w)
{
	struct plan_event first = w->events[0];
	struct plan_event last = w->events[--w->event_count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < w->event_count &&
		    comes_before(&w->events[child + 1], &w->events[child]))
			child++;
		if (child >= w->event_count || !comes_before(&w->events[child], &last))
			break;
		w->events[at] = w->events[child];
		at = child;
	}
	w->events[at] = last;
	return first;
}

/* --- one certificate is issued --- */

static char *line_take(const char **at)
{
	size_t len = strcspn(*at, "\n");
	char *line = mem_strn(*at, len);

	*at += len + ((*at)[len] == '\n');
	return line;
}

/* What the deployers of the wish will do with it, and when. */
static void item_deploys(struct plan_work *w, const struct plan_item *item, int64_t at)
{
	const struct version served = {.not_before = item->not_before,
				       .not_after = item->not_after};

	for (const char *next = item->deploys; *next != '\0';) {
		AUTO_FREE char *name = line_take(&next);
		AUTO_FREE char *window = line_take(&next);
		const struct schedule_deploy_input in = {
			.window = window,
			.served = item->live ? &served : NULL,
			.now = at,
		};
		const struct schedule_deploy s = schedule_deploy(&in);

		event_add(w, (struct plan_event){
				     .at = s.when,
				     .what = PLAN_DEPLOY,
				     .name = item->name,
				     .text = mem_printf("%s: %s", name, s.why),
			     });
	}
}

/* When it is renewed next. It is what was wanted, the CA has advised nothing about it, and nothing
 * has failed: its times are all that counts. */
static void item_schedule(const struct plan_work *w, struct plan_item *item, int64_t at)
{
	const struct certificate certificate = {.id = item->certificate_id};
	struct renewal renewal = {.issued = item->issued};
	const struct version live = {
		.created_at = item->created_at,
		.not_before = item->not_before,
		.not_after = item->not_after,
	};
	const struct schedule_input in = {
		.certificate = &certificate,
		.live = &live,
		.previous_at = item->previous_at,
		.renewal = &renewal,
		.seed = store_seed(w->c->store),
		.now = at,
	};
	struct schedule next;

	item->hasty = schedule_is_hasty(&in) ? item->hasty + 1 : 0;
	renewal.hasty = item->hasty;
	next = schedule(&in);
	item->what = next.what;
	/* it may be dated back by more than it lives */
	item->when = next.when < at + SHORTEST ? at + SHORTEST : next.when;
	mem_set_str(&item->why, next.why);
}

static void item_is_issued(struct plan *plan, struct plan_item *item, int64_t at)
{
	const struct plan_item before = *item;
	int64_t life = item->live ? item->not_after - item->not_before : 0;
	int64_t backdate = item->live ? item->created_at - item->not_before : BACKDATE;

	item->not_before = at - (backdate >= 0 && backdate < DAY ? backdate : BACKDATE);
	item->not_after =
		item->not_before + lifetime_expected(item->server, item->profile, life, at);
	event_add(plan->work,
		  (struct plan_event){
			  .at = at,
			  .what = item->what == SCHEDULE_RENEW ? PLAN_RENEW : PLAN_ISSUE,
			  .name = item->name,
			  .not_after = item->not_after,
			  .text = mem_str(item->why),
		  });
	item_deploys(plan->work, &before, at);
	plan->loads[(at - plan->from) / DAY]++;
	item->previous_at = item->what == SCHEDULE_RENEW ? item->created_at : 0;
	item->advised_from = item->advised_until = 0;
	item->created_at = at;
	item->live = true;
	item->issued++;
	item_schedule(plan->work, item, at);
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

static void limits_note(struct plan *plan, const struct limits *limits,
			const struct limit_wish *wish, int64_t at)
{
	struct limit_room *rooms = NULL;
	size_t count = limits_room(limits, wish, at, &rooms);

	for (size_t i = 0; i < count; i++)
		if (rooms[i].used > 0)
			limit_note(plan, &rooms[i], at);
	limit_rooms_free(rooms, count);
}

/* Of what there is not yet the CA will advise the time at which it is planned. */
static bool item_is_exempt(const struct plan_item *item, int64_t at)
{
	return item->replaces &&
	       (item->advised_until == 0 || (item->advised_from <= at && at < item->advised_until));
}

/* *ret_free: it can be issued at that time; else it waits until there is room. */
static int item_limits(struct plan *plan, struct plan_item *item, int64_t at, bool *ret_free,
		       struct err *e)
{
	struct strlist names AUTO_STRLIST = {0};
	const struct limit_wish wish = {
		.account_id = item->account_id,
		.names = &names,
		.exempt = item_is_exempt(item, at),
		.renews = item->what == SCHEDULE_RENEW,
	};
	struct limit_verdict verdict;
	struct limits *limits = NULL;
	int r = limits_find(&plan->work->book, item->server, plan->from, &limits, e);

	*ret_free = true;
	if (r != 0 || limits == NULL)
		return r;
	strlist_add_split(&names, item->names, " ");
	verdict = limits_judge(limits, &wish, at);
	if (verdict.at > at) {
		item->when = verdict.at;
		mem_set_str(&item->why, verdict.why);
		*ret_free = false;
		return 0;
	}
	limits_begin(limits, &wish, at);
	limits_note(plan, limits, &wish, at);
	return 0;
}

/* --- the whole --- */

/* When the first certificate of the heap is issued; INT64_MAX: none is any more. */
static int64_t next_issue(const struct plan *plan)
{
	const struct plan_work *w = plan->work;
	int64_t at = w->heap_count > 0 ? w->heap[0]->when : INT64_MAX;

	at = at > plan->from ? at : plan->from; /* what is late is due now */
	return at < plan->until ? at : INT64_MAX;
}

static int plan_issue(struct plan *plan, int64_t at, struct err *e)
{
	struct plan_item *item = plan->work->heap[0];
	bool is_free = true;
	int r = item_limits(plan, item, at, &is_free, e);

	if (r != 0)
		return r;
	if (is_free)
		item_is_issued(plan, item, at);
	heap_sink(plan->work, 0);
	return 0;
}

int plan_next(struct plan *plan, struct plan_event *ret_event, struct err *e)
{
	struct plan_work *w = plan->work;

	for (;;) {
		int64_t at = next_issue(plan);
		int r;

		if (w->event_count > 0 && w->events[0].at < at)
			break;
		if (at == INT64_MAX)
			return 0;
		r = plan_issue(plan, at, e);
		if (r != 0)
			return r;
	}
	if (w->events[0].at >= plan->until)
		return 0;
	*ret_event = event_take(w);
	free(w->told);
	w->told = ret_event->text;
	return 1;
}

static void changes_find(struct plan *plan)
{
	const struct plan_work *w = plan->work;
	const struct lifetime_change *change;

	for (size_t i = 0; (change = lifetime_change(i)) != NULL; i++) {
		size_t count = 0;

		for (size_t k = 0; k < w->heap_count; k++)
			count += lifetime_applies(change, w->heap[k]->server, w->heap[k]->profile);
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

int plan_begin(struct context *c, int64_t days, struct plan **ret_plan, struct err *e)
{
	AUTO_PLAN struct plan *plan = mem_new(sizeof(*plan));
	int r;

	plan->from = clock_now(c->clock);
	plan->until = plan->from + days * DAY;
	plan->day_count = (size_t)days;
	plan->loads = mem_new((size_t)days * sizeof(*plan->loads));
	plan->work = mem_new(sizeof(*plan->work));
	plan->work->c = c;
	plan->work->book.store = c->store;
	r = items_read(plan, e);
	if (r != 0)
		return r;
	heap_make(plan);
	changes_find(plan);
	*ret_plan = TAKE(plan);
	return 0;
}

static void work_free(struct plan_work *w)
{
	for (size_t i = 0; i < w->item_count; i++) {
		free(w->items[i]->name);
		free(w->items[i]->names);
		free(w->items[i]->why);
		free(w->items[i]);
	}
	for (size_t i = 0; i < w->event_count; i++)
		free(w->events[i].text);
	limits_forget(&w->book);
	tdestroy(w->words, free);
	free(w->items);
	free(w->heap);
	free(w->events);
	free(w->told);
	free(w);
}

void plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	work_free(p->work);
	for (size_t i = 0; i < p->limit_count; i++)
		free(p->limits[i].what);
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
