/* SPDX-License-Identifier: MIT
 *
 * sim_rules — what must hold whatever happens.
 */
#include "tests/machine/sim_internal.h"

#define LATE      (2 * SIM_HOUR) /* what the looks and a crowd may cost */
#define NEAR_END  (8 * SIM_DAY)  /* then back-offs are a sixth of the rest */
#define FEW_TRIES 4              /* in the first … */
#define AT_FIRST  (2 * SIM_HOUR)
#define ABANDONED (30 * SIM_DAY) /* so long after its end it is tried every hour */
#define TOLERANCE 300 /* seconds by which a clock may be wrong when something is ordered */

static bool is_excused(const struct sim *s, const struct subject *u, int64_t from, int64_t until)
{
	size_t subject = (size_t)(u - s->subjects);

	if (s->wrong != 0) /* so it was, before that is a gap */
		return true;
	for (size_t i = 0; i < s->gap_count; i++) {
		const struct gap *g = &s->gaps[i];

		if (g->from < until && g->until > from &&
		    (g->subject == QUICK_NOBODY || g->subject == subject))
			return true;
	}
	return false;
}

void sim_heard_busy(const struct sim *s, struct subject *u, const struct quick_request *q)
{
	int64_t from = sim_now(s) + s->weather.retry_after;

	if (q->kind == QUICK_NEW_ORDER)
		u->order_from = u->allowed_at = from;
	else
		u->info_from = from;
}

/* The same without what is about this one alone. */
static bool is_away(const struct sim *s, int64_t from, int64_t until)
{
	for (size_t i = 0; i < s->gap_count; i++)
		if (s->gaps[i].subject == QUICK_NOBODY && s->gaps[i].from < until &&
		    s->gaps[i].until > from)
			return true;
	return s->wrong != 0;
}

/* How far two tries must be and may be apart: a day, but an hour when nothing valid is left. */
static void rule_apart(struct sim *s, const struct subject *u, const struct quick_request *q)
{
	int64_t now = sim_now(s);
	int64_t apart = now - u->tried_at;
	int64_t ended = u->not_after != 0 ? u->tried_at - u->not_after : -SIM_DAY;
	bool hourly = u->pulled_at != 0 || (ended >= 0 && ended < ABANDONED);

	if (apart < (hourly ? SIM_HOUR : SIM_DAY) - 60 &&
	    (u->not_after == 0 || ended >= 0 || ended < -NEAR_END))
		BROKEN(s, q->url, "c%zu: tried again after %lld s", q->subject, (long long)apart);
	if (ended >= 0 && ended < ABANDONED && apart > SIM_HOUR + LATE &&
	    !is_away(s, u->tried_at - SIM_DAY, now) && u->allowed_at < u->tried_at)
		BROKEN(s, q->url, "c%zu: it has ended, and was not tried for %lld s", q->subject,
		       (long long)apart);
}

/* At most four tries in the first two hours, then one a day. An order that was refused and said
 * what it replaces is asked for once more without: that is the same try. */
void sim_rule_tries(struct sim *s, struct subject *u, const struct quick_request *q)
{
	int64_t now = sim_now(s);
	int64_t left = u->not_after - u->tried_at;
	bool same = u->tries > 0 && u->replaced && !q->replaces && now - u->tried_at <= 1;

	u->replaced = q->replaces;
	if (same)
		return;
	if (u->tries == 0)
		u->failed_at = now;
	if (now - u->failed_at < AT_FIRST && ++u->tries > FEW_TRIES && left > NEAR_END)
		BROKEN(s, q->url, "c%zu: try %d within two hours", q->subject, u->tries);
	if (u->tried_at - u->failed_at >= AT_FIRST)
		rule_apart(s, u, q);
	u->tries = u->tries > 0 ? u->tries : 1;
	u->tried_at = now;
}

void sim_rule_orders(struct sim *s, struct subject *u, const struct quick_request *q)
{
	int64_t now = sim_now(s);

	if (now < u->order_from)
		BROKEN(s, q->url, "c%zu: ordered %lld s before the CA allowed it", q->subject,
		       (long long)(u->order_from - now));
	if (s->wrong > TOLERANCE || s->wrong < -TOLERANCE)
		BROKEN(s, q->url, "c%zu: ordered by a clock that is wrong by %lld s", q->subject,
		       (long long)s->wrong);
	u->order_from = 0;
	s->counts.orders++;
	s->counts.replacing += q->replaces;
	if (q->replaces || s->config.orders_an_hour == 0)
		return;
	s->full_at = (s->full_at > now ? s->full_at : now) + SIM_HOUR / s->config.orders_an_hour;
	if (s->full_at > now + 3 * SIM_HOUR)
		BROKEN(s, q->url, "c%zu: one order more than the CA allows", q->subject);
}

/* It was to be asked at this time, and is (or is renewed) only now. */
void sim_rule_late(struct sim *s, const struct subject *u, const char *what)
{
	int64_t now = sim_now(s);

	if (u->info_from != 0 && now > u->info_from + LATE &&
	    !is_excused(s, u, u->info_from - 3 * SIM_DAY / 2, now))
		BROKEN(s, what, "the CA was not asked for %lld s after it could have been",
		       (long long)(now - u->info_from));
}

void sim_rule_info(struct sim *s, struct subject *u, const struct quick_request *q)
{
	s->counts.infos++;
	if (sim_now(s) < u->info_from)
		BROKEN(s, q->url, "c%zu: asked %lld s before the CA allowed it", q->subject,
		       (long long)(u->info_from - sim_now(s)));
	sim_rule_late(s, u, q->url);
	u->info_from = 0;
}

/* None may end although nothing kept it from being renewed in the last third of its life. */
void sim_rule_expiry(struct sim *s, const struct subject *u, const char *what)
{
	int64_t life = u->not_after - u->not_before;

	if (u->not_after == 0 || sim_now(s) <= u->not_after)
		return;
	s->counts.expired++;
	if (!is_excused(s, u, u->not_after - life / 3, u->not_after))
		BROKEN(s, what, "it ended %lld s ago and was not renewed",
		       (long long)(sim_now(s) - u->not_after));
}

/* After its end it comes as soon as it can, within the hour of a back-off. */
void sim_rule_after_end(struct sim *s, const struct subject *u, const char *what)
{
	int64_t now = sim_now(s);
	int64_t ended = now - u->not_after;
	int64_t since = now - SIM_HOUR - LATE;

	if (u->not_after == 0 || u->not_after > since || ended > ABANDONED ||
	    u->allowed_at > since || is_excused(s, u, since, now))
		return;
	BROKEN(s, what, "it ended %lld s ago, and nothing kept it from being renewed before",
	       (long long)ended);
}
