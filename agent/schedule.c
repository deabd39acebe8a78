/* SPDX-License-Identifier: MIT
 *
 * schedule — see schedule.h. No clock, no store, no randomness: everything comes in.
 */
#include "agent/schedule.h"

#include "acme/identifier.h"
#include "acme/retry.h"
#include "base/clock.h"
#include "base/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE    60
#define HOUR      3600
#define DAY       86400
#define ABANDONED (30 * DAY) /* so long after its end nobody waits for it any more */

/* A number in [0, below) that is the same for the same text in every process. */
static int64_t schedule_choose(const struct schedule_input *in, const char *text, int64_t below)
{
	uint8_t mac[32];
	uint64_t number;

	if (below <= 0)
		return 0;
	hmac_sha256(in->seed, 32, text, strlen(text), mac);
	memcpy(&number, mac, sizeof(number));
	return (int64_t)(number % (uint64_t)below);
}

static int64_t life_of(const struct version *v)
{
	return v->not_after - v->not_before;
}

static struct schedule schedule_lifetime(const struct schedule_input *in)
{
	int64_t life = life_of(in->live);
	int64_t rest = life < 10 * DAY ? life / 2 : life / 3;
	AUTO_FREE char *text = mem_printf("%lld %lld", (long long)in->certificate->id,
					  (long long)in->renewal->issued);
	struct schedule s = {.what = SCHEDULE_RENEW};

	s.due = in->live->not_after - rest - schedule_choose(in, text, rest / 10);
	snprintf(s.why, sizeof(s.why), "%s of its lifetime is left then",
		 life < 10 * DAY ? "half" : "a third");
	return s;
}

bool schedule_in_force(const struct schedule_input *in)
{
	return in->live != NULL && in->info != NULL && in->info->version_id == in->live->id &&
	       in->info->window_end > in->info->window_start;
}

bool schedule_in_window(const struct schedule_input *in)
{
	return schedule_in_force(in) && in->info->window_start <= in->now &&
	       in->now < in->info->window_end;
}

static bool is_urgent(const struct schedule_input *in)
{
	return schedule_in_force(in) && in->info->urgent;
}

/* A window that lies too late, by mistake or malice, does not let it expire. */
static struct schedule schedule_advised(const struct schedule_input *in)
{
	const struct renewal_info *info = in->info;
	AUTO_FREE char *text =
		mem_printf("%s %lld %lld", in->live->fingerprint, (long long)info->window_start,
			   (long long)info->window_end);
	int64_t latest = in->live->not_after - life_of(in->live) / 6;
	struct schedule s = {.what = SCHEDULE_RENEW};

	s.due = info->window_start +
		schedule_choose(in, text, info->window_end - info->window_start);
	if (s.due <= latest) {
		snprintf(s.why, sizeof(s.why), "the CA advises it");
		return s;
	}
	s.due = latest;
	snprintf(s.why, sizeof(s.why),
		 "a sixth of its lifetime is left then, although the CA advises it later");
	return s;
}

/* Only two in a row give it away: a fresh one may have been revoked, and has to go at once. An
 * eighth of its life, a minute at least, a day at most; and half of the life of minutes, for what
 * is paced must not be left to expire. */
static void schedule_pace(const struct schedule_input *in, struct schedule *s)
{
	int64_t left = in->live->not_after - in->live->created_at;
	int64_t apart = left / 8 > MINUTE ? left / 8 : MINUTE;
	int64_t until;

	apart = apart < DAY ? apart : DAY;
	until = in->previous_at + (apart < left / 2 ? apart : left / 2);
	if (in->previous_at == 0 || in->previous_at > in->now || until <= s->due)
		return;
	s->due = until;
	snprintf(s->why, sizeof(s->why), "the last two were issued shortly after one another");
}

bool schedule_is_hasty(const struct schedule_input *in)
{
	return schedule_lifetime(in).due <= in->live->created_at;
}

int64_t schedule_floor(const struct version *v, int64_t hasty)
{
	int64_t left = v->not_after - v->created_at;
	int64_t most = left >= 4 * MINUTE ? left / 2 : HOUR;
	int64_t wait = MINUTE;

	while (hasty-- > 1 && wait < DAY)
		wait *= 2;
	most = most < DAY ? most : DAY;
	return wait < most ? wait : most;
}

/* What is due as soon as it comes would be renewed without end. */
static void schedule_slow(const struct schedule_input *in, struct schedule *s)
{
	int64_t until;

	if (in->renewal->hasty == 0 || in->live->created_at > in->now)
		return;
	until = in->live->created_at + schedule_floor(in->live, in->renewal->hasty);
	if (until <= s->due)
		return;
	s->due = until;
	snprintf(s->why, sizeof(s->why), "it was due when it was issued");
}

static void names_without(const struct schedule_input *in, struct strlist *names)
{
	const struct strlist *wanted = &in->certificate->names;

	for (size_t i = 0; i < wanted->count; i++)
		if (in->left_out == NULL || !strlist_has(in->left_out, wanted->items[i]) ||
		    !strlist_has(&in->certificate->optional, wanted->items[i]))
			strlist_add(names, wanted->items[i]);
}

void schedule_names(const struct schedule_input *in, struct strlist *names)
{
	if (in->left_at <= in->now && in->now < in->left_at + DAY)
		names_without(in, names);
	else
		strlist_copy(names, &in->certificate->names);
}

static bool sets_equal(const struct strlist *a, const struct strlist *b)
{
	AUTO_FREE char *one = identifier_set(a);
	AUTO_FREE char *other = identifier_set(b);

	return str_equal(one, other);
}

/* Why what is live is not what is wanted; NULL: it is. */
static const char *schedule_misses(const struct schedule_input *in)
{
	struct strlist without AUTO_STRLIST = {0};
	const struct id_list *accounts = &in->certificate->accounts;

	if (in->live == NULL)
		return "there is no certificate yet";
	names_without(in, &without);
	if (!sets_equal(&in->certificate->names, &in->live->names) &&
	    !sets_equal(&without, &in->live->names))
		return "the wanted names have changed";
	if (in->key_kind != NULL && !str_equal(in->key_kind, in->live->key_kind))
		return "another type of key is wanted";
	if (accounts->count > 0 && in->live->account_id != 0 &&
	    !id_list_has(accounts, in->live->account_id))
		return "another CA is wanted";
	return NULL;
}

/* What failed is tried again once a day, while the rest is fine. */
static void schedule_left_out(const struct schedule_input *in, struct schedule *s)
{
	int64_t again = in->left_at + DAY;

	if (s->due <= again || in->live->names.count >= in->certificate->names.count)
		return;
	if (in->left_at > in->now)
		again = in->now; /* by a wrong clock */
	s->what = SCHEDULE_ISSUE;
	s->due = again;
	snprintf(s->why, sizeof(s->why), "what was left out is tried again then");
}

static struct schedule schedule_wanted(const struct schedule_input *in)
{
	const char *misses = schedule_misses(in);
	struct schedule s = {.what = SCHEDULE_ISSUE};

	if (misses != NULL) {
		snprintf(s.why, sizeof(s.why), "%s", misses);
		return s;
	}
	s = schedule_in_force(in) ? schedule_advised(in) : schedule_lifetime(in);
	schedule_pace(in, &s);
	schedule_slow(in, &s);
	schedule_left_out(in, &s);
	return s;
}

/* Why nothing is done for it at all; NULL: something is. */
static const char *schedule_rests(const struct certificate *c)
{
	if (c->removed_at != 0)
		return "it is removed";
	if (c->paused)
		return "it is paused";
	return c->dropped_at != 0 ? "its configuration file says nothing of it any more" : NULL;
}

int64_t schedule_patience(int64_t failed_at, int64_t not_after, bool urgent)
{
	int64_t left = not_after - failed_at;
	int64_t patience = left / 6 > MINUTE ? left / 6 : MINUTE;

	if (not_after == 0 || left <= -ABANDONED)
		return INT64_MAX;
	if (left <= 0 || (urgent && patience > HOUR))
		return HOUR;
	return patience;
}

/* Failures put it off, but not longer than its end allows. */
static void schedule_back_off(const struct schedule_input *in, struct schedule *s)
{
	const struct renewal *r = in->renewal;
	const struct retry_wait wait = {r->next_at, r->error.retry_at, r->error_at};
	int64_t until = retry_until(&wait, in->now);
	int64_t patience;

	if (r->failures == 0 || until <= s->due)
		return;
	patience = schedule_patience(r->error_at, in->live != NULL ? in->live->not_after : 0,
				     is_urgent(in));
	if (r->error.retry_at == 0 && until - r->error_at > patience)
		until = r->error_at + patience;
	if (until <= s->due)
		return;
	s->when = until;
	snprintf(s->why, sizeof(s->why), "attempt %lld failed; the next one waits",
		 (long long)in->renewal->failures);
}

static int64_t refusals_cost(const struct schedule_input *in)
{
	static const int64_t days[] = {1, 2, 4, 7};
	size_t row = in->refusals < (int64_t)COUNT_OF(days) ? (size_t)in->refusals : COUNT_OF(days);
	int64_t wait = days[row - 1] * DAY;
	int64_t patience =
		DAY; /* also when nothing valid is left: each costs the CA a certificate */

	if (in->live != NULL && in->live->not_after > in->refused_at)
		patience = schedule_patience(in->refused_at, in->live->not_after, false);
	if (patience < HOUR)
		patience = HOUR;
	return wait < patience ? wait : patience;
}

/* What is asked for is what was asked for then. */
static void schedule_refused(const struct schedule_input *in, struct schedule *s)
{
	char at[CLOCK_TEXT_SIZE];

	if (in->refusals == 0 || in->refused_at > in->now)
		return;
	s->held_until = in->refused_at + refusals_cost(in);
	if (s->held_until <= s->when)
		return;
	s->when = s->held_until;
	snprintf(s->why, sizeof(s->why),
		 "what the CA issued was refused at %s, and another one most likely would be, too; "
		 "--force asks for it all the same",
		 clock_format(in->refused_at, at));
}

/* The CA would refuse it before, also for a command. */
static void schedule_limit(const struct schedule_input *in, struct schedule *s)
{
	if (in->limit == NULL || in->limit->at <= in->now)
		return;
	s->free_at = in->limit->at;
	if (s->free_at <= s->when)
		return;
	s->when = s->free_at;
	snprintf(s->why, sizeof(s->why), "%s", in->limit->why);
}

struct schedule schedule(const struct schedule_input *in)
{
	const char *rests = schedule_rests(in->certificate);
	struct schedule s = {0};

	if (rests != NULL) {
		snprintf(s.why, sizeof(s.why), "%s", rests);
		return s;
	}
	s = schedule_wanted(in);
	s.when = s.due;
	schedule_back_off(in, &s);
	schedule_refused(in, &s);
	schedule_limit(in, &s);
	return s;
}

int64_t schedule_asks_at(const struct schedule_input *in)
{
	if (in->info == NULL || in->live == NULL || in->live->ari_id == NULL ||
	    in->live->not_after <= in->now || schedule_rests(in->certificate) != NULL)
		return INT64_MAX;
	if (in->info->version_id != in->live->id ||
	    clock_beyond(in->info->standing.next_at, in->now))
		return in->now;
	return in->info->standing.next_at;
}

bool schedule_asks(const struct schedule_input *in)
{
	return schedule_asks_at(in) <= in->now;
}
