/* SPDX-License-Identifier: MIT
 *
 * limits — see the header.
 *
 * For each thing that is counted (an account, a set of names, …) one time is enough: when its
 * bucket will be full again. An order moves it ahead by window / most, and is allowed while it is
 * less than a window ahead of now.
 */
#include "agent/limits.h"

#include "acme/domain.h"
#include "acme/identifier.h"
#include "base/clock.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR INT64_C(3600)
#define DAY  (24 * HOUR)

/* A bucket that was empty all the time is exact only if its whole past is known; this is less than
 * what the store keeps (store/prune.c). */
#define PAST (28 * DAY)

enum limit_kind {
	LIMIT_ORDERS = 0, /* newOrder requests of an account */
	LIMIT_DOMAIN,     /* certificates per registered domain, whoever asked */
	LIMIT_SET,        /* certificates for exactly the same names, whoever asked */
	LIMIT_REFUSED,    /* failed authorizations of a name, per account */
	LIMIT_KINDS,      /* how many */
};

struct limit {
	int64_t most;
	int64_t window;
	const char *what; /* plural; "%d … : SUBJECT is free again" */
};

/* letsencrypt.org/docs/rate-limits, June 2025. */
static const struct limit lets_encrypt[LIMIT_KINDS] = {
	[LIMIT_ORDERS] = {300, 3 * HOUR, "new orders per account in 3 hours"},
	[LIMIT_DOMAIN] = {50, 7 * DAY, "certificates per registered domain in 7 days"},
	[LIMIT_SET] = {5, 7 * DAY, "certificates for exactly the same names in 7 days"},
	[LIMIT_REFUSED] = {5, HOUR, "failed validations per name and account in an hour"},
};

static const struct {
	const char *server;
	const struct limit *limits; /* LIMIT_KINDS of them */
} cas[] = {
	{"https://acme-v02.api.letsencrypt.org/directory", lets_encrypt},
};

struct bucket {
	char *key;
	int64_t full_at;
};

struct limits_page {
	char *server;
	struct limits *limits;
};

struct limits {
	const struct limit *limits;
	void *buckets; /* tsearch(3): by key */
};

static const struct limit *limits_of(const char *server)
{
	for (size_t i = 0; i < COUNT_OF(cas); i++)
		if (str_equal(cas[i].server, server))
			return cas[i].limits;
	return NULL;
}

bool limits_known(const char *server)
{
	return limits_of(server) != NULL;
}

/* --- buckets --- */

static int bucket_compare(const void *a, const void *b)
{
	const struct bucket *one = a;
	const struct bucket *other = b;

	return strcmp(one->key, other->key);
}

static char *bucket_key(enum limit_kind kind, int64_t account_id, const char *subject)
{
	bool per_account = kind == LIMIT_ORDERS || kind == LIMIT_REFUSED;

	return mem_printf("%d %" PRId64 " %s", (int)kind, per_account ? account_id : 0, subject);
}

/* 0: nothing is used. */
static int64_t bucket_full_at(const struct limits *l, const char *key)
{
	const struct bucket wanted = {.key = (char *)key};
	struct bucket *const *found = tfind(&wanted, &l->buckets, bucket_compare);

	return found != NULL ? (*found)->full_at : 0;
}

static void bucket_use(struct limits *l, enum limit_kind kind, char *key, int64_t at)
{
	struct bucket *b = mem_new(sizeof(*b));
	struct bucket **found;

	b->key = key;
	found = tsearch(b, &l->buckets, bucket_compare);
	if (found == NULL)
		abort(); /* out of memory, as in base/mem.c */
	if (*found != b) {
		free(b->key);
		free(b);
	}
	b = *found;
	b->full_at =
		(b->full_at > at ? b->full_at : at) + l->limits[kind].window / l->limits[kind].most;
}

static void bucket_free(void *node)
{
	struct bucket *b = node;

	free(b->key);
	free(b);
}

/* What a kind counts names by. */
static void subjects_of(enum limit_kind kind, const struct strlist *names, struct strlist *ret)
{
	AUTO_FREE char *set = NULL;

	if (kind == LIMIT_ORDERS)
		strlist_add(ret, "this account");
	if (kind == LIMIT_SET) {
		set = identifier_set(names);
		strlist_add(ret, set);
	}
	if (kind != LIMIT_DOMAIN && kind != LIMIT_REFUSED)
		return;
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->items[i];
		AUTO_FREE char *subject =
			kind == LIMIT_DOMAIN
				? domain_registered(name)
				: mem_str(name + (identifier_is_wildcard(name) ? 2 : 0));

		if (!strlist_has(ret, subject))
			strlist_add(ret, subject);
	}
}

static void limits_use(struct limits *l, enum limit_kind kind, const struct limit_wish *w,
		       int64_t at)
{
	struct strlist subjects AUTO_STRLIST = {0};

	subjects_of(kind, w->names, &subjects);
	for (size_t i = 0; i < subjects.count; i++)
		bucket_use(l, kind, bucket_key(kind, w->account_id, subjects.items[i]), at);
}

/* --- counting --- */

static bool is_exempt(enum limit_kind kind, const struct limit_wish *w)
{
	return w->exempt || (w->renews && (kind == LIMIT_ORDERS || kind == LIMIT_DOMAIN));
}

/* What it uses: of the limit on a set of names also when it is exempt from that. */
static void limits_spend(struct limits *l, const struct limit_wish *w, bool issued, int64_t at)
{
	if (!is_exempt(LIMIT_ORDERS, w))
		limits_use(l, LIMIT_ORDERS, w, at);
	if (issued && !is_exempt(LIMIT_DOMAIN, w))
		limits_use(l, LIMIT_DOMAIN, w, at);
	if (issued)
		limits_use(l, LIMIT_SET, w, at);
}

static void limits_add(struct limits *l, const struct past_order *o, int64_t now)
{
	struct strlist names AUTO_STRLIST = {0};
	struct strlist had AUTO_STRLIST = {0};
	AUTO_FREE char *set = NULL;
	AUTO_FREE char *had_set = NULL;
	struct limit_wish w = {.account_id = o->account_id, .names = &names};

	strlist_add_split(&names, o->names, " ");
	if (o->had != NULL) {
		strlist_add_split(&had, o->had, " ");
		set = identifier_set(&names);
		had_set = identifier_set(&had);
	}
	w.exempt = o->exempt;
	w.renews = o->had != NULL && str_equal(set, had_set);
	if (o->known)
		limits_spend(l, &w, o->issued, o->began_at < now ? o->began_at : now);
	if (o->refused_at != 0)
		limits_use(l, LIMIT_REFUSED, &w, o->refused_at < now ? o->refused_at : now);
}

struct limits *limits_count(const char *server, const struct past_orders *past, int64_t now)
{
	const struct limit *limits = limits_of(server);
	struct limits *l;

	if (limits == NULL)
		return NULL;
	l = mem_new(sizeof(*l));
	l->limits = limits;
	for (size_t i = 0; i < past->count; i++)
		limits_add(l, &past->orders[i], now);
	return l;
}

int limits_find(struct limits_book *b, const char *server, int64_t now, struct limits **ret_limits,
		struct err *e)
{
	struct past_orders past AUTO_PAST_ORDERS = {0};
	int r;

	*ret_limits = NULL;
	if (limits_of(server) == NULL)
		return 0;
	for (size_t i = 0; i < b->count; i++) {
		if (str_equal(b->pages[i].server, server)) {
			*ret_limits = b->pages[i].limits;
			return 0;
		}
	}
	r = past_orders_read(b->store, server, now - PAST, &past, e);
	if (r != 0)
		return r;
	*ret_limits = limits_count(server, &past, now);
	b->pages = mem_grow(b->pages, b->count + 1, sizeof(*b->pages));
	b->pages[b->count++] = (struct limits_page){mem_str(server), *ret_limits};
	return 0;
}

void limits_forget(struct limits_book *b)
{
	for (size_t i = 0; i < b->count; i++) {
		free(b->pages[i].server);
		limits_free(b->pages[i].limits);
	}
	free(TAKE(b->pages));
	b->count = 0;
}

void limits_begin(struct limits *l, const struct limit_wish *w, int64_t now)
{
	limits_spend(l, w, true, now);
}

/* --- what follows --- */

static void verdict_set(struct limit_verdict *v, const struct limit *limit, const char *subject,
			int64_t at)
{
	char when[CLOCK_TEXT_SIZE];

	v->at = at;
	snprintf(v->why, sizeof(v->why), "the CA allows %" PRId64 " %s: %.48s is free again at %s",
		 limit->most, limit->what, subject, clock_format(at, when));
}

/* When a subject of a wish has room again. */
static int64_t free_at(const struct limits *l, enum limit_kind kind, const struct limit_wish *w,
		       const char *subject)
{
	AUTO_FREE char *key = bucket_key(kind, w->account_id, subject);
	const struct limit *limit = &l->limits[kind];

	return bucket_full_at(l, key) + limit->window / limit->most - limit->window;
}

struct limit_verdict limits_judge(const struct limits *l, const struct limit_wish *w, int64_t now)
{
	struct limit_verdict v = {0};

	for (enum limit_kind kind = 0; kind < LIMIT_KINDS; kind++) {
		struct strlist subjects AUTO_STRLIST = {0};

		if (is_exempt(kind, w))
			continue;
		subjects_of(kind, w->names, &subjects);
		for (size_t i = 0; i < subjects.count; i++) {
			int64_t at = free_at(l, kind, w, subjects.items[i]);

			if (at > now && at > v.at)
				verdict_set(&v, &l->limits[kind], subjects.items[i], at);
		}
	}
	return v;
}

void limits_queue(struct limits *l, const struct limit_wish *w, int64_t now)
{
	for (enum limit_kind kind = 0; kind < LIMIT_KINDS; kind++) {
		struct strlist subjects AUTO_STRLIST = {0};

		if (is_exempt(kind, w))
			continue;
		subjects_of(kind, w->names, &subjects);
		for (size_t i = 0; i < subjects.count; i++)
			if (free_at(l, kind, w, subjects.items[i]) > now)
				bucket_use(l, kind,
					   bucket_key(kind, w->account_id, subjects.items[i]), now);
	}
}

static void room_set(struct limit_room *room, const struct limit *limit, int64_t ahead,
		     const char *subject)
{
	int64_t each = limit->window / limit->most;

	room->what = mem_printf("%s: %s", limit->what, subject);
	room->used = ahead > 0 ? (ahead + each - 1) / each : 0;
	room->most = limit->most;
}

size_t limits_room(const struct limits *l, const struct limit_wish *w, int64_t now,
		   struct limit_room **ret_rooms)
{
	struct limit_room *rooms = NULL;
	size_t count = 0;

	for (enum limit_kind kind = 0; kind < LIMIT_KINDS; kind++) {
		struct strlist subjects AUTO_STRLIST = {0};

		subjects_of(kind, w->names, &subjects);
		for (size_t i = 0; i < subjects.count; i++) {
			AUTO_FREE char *key = bucket_key(kind, w->account_id, subjects.items[i]);

			rooms = mem_grow(rooms, count + 1, sizeof(*rooms));
			room_set(&rooms[count++], &l->limits[kind], bucket_full_at(l, key) - now,
				 subjects.items[i]);
		}
	}
	*ret_rooms = rooms;
	return count;
}

void limit_rooms_free(struct limit_room *rooms, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(rooms[i].what);
	free(rooms);
}

void limits_free(struct limits *l)
{
	if (l == NULL)
		return;
	tdestroy(l->buckets, bucket_free);
	free(l);
}

void auto_limits(struct limits **l)
{
	limits_free(*l);
}
