/* SPDX-License-Identifier: MIT
 *
 * schedule — see schedule.h. No clock, no store, no randomness: everything comes in.
 */
#include "agent/schedule.h"

#include "acme/identifier.h"
#include "base/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY 86400

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
	struct schedule s = {.what = SCHEDULE_RENEW};

	s.due = in->live->not_after - rest - schedule_choose(in, in->live->fingerprint, rest / 10);
	snprintf(s.why, sizeof(s.why), "%s of its lifetime is left then",
		 life < 10 * DAY ? "half" : "a third");
	return s;
}

/* What the CA said is about this version. */
static bool is_advised(const struct schedule_input *in)
{
	return in->info != NULL && in->info->version_id == in->live->id &&
	       in->info->window_end > in->info->window_start;
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

static struct schedule schedule_wanted(const struct schedule_input *in)
{
	AUTO_FREE char *wanted = NULL;
	AUTO_FREE char *has = NULL;
	struct schedule s = {.what = SCHEDULE_ISSUE};

	if (in->live == NULL) {
		snprintf(s.why, sizeof(s.why), "there is no certificate yet");
		return s;
	}
	wanted = identifier_set(&in->certificate->names);
	has = identifier_set(&in->live->names);
	if (!str_equal(wanted, has)) {
		snprintf(s.why, sizeof(s.why), "the wanted names have changed");
		return s;
	}
	return is_advised(in) ? schedule_advised(in) : schedule_lifetime(in);
}

/* Failures put it off, but never by more than a sixth of what is left to live. */
static void schedule_back_off(const struct schedule_input *in, struct schedule *s)
{
	int64_t until = in->renewal->next_at;
	int64_t limit;

	if (in->renewal->failures == 0 || until <= s->due)
		return;
	if (until > in->now + DAY + DAY / 4)
		until = in->now; /* written by a wrong clock (HACKING.md, rule 6) */
	if (in->live != NULL && in->live->not_after > in->renewal->error_at) {
		limit = in->renewal->error_at + (in->live->not_after - in->renewal->error_at) / 6;
		until = until < limit ? until : limit;
	}
	if (until <= s->due)
		return;
	s->when = until;
	snprintf(s->why, sizeof(s->why), "attempt %lld failed; the next one waits",
		 (long long)in->renewal->failures);
}

struct schedule schedule(const struct schedule_input *in)
{
	struct schedule s = {0};

	if (in->certificate->removed_at != 0 || in->certificate->paused) {
		snprintf(s.why, sizeof(s.why), "it is %s",
			 in->certificate->paused ? "paused" : "removed");
		return s;
	}
	s = schedule_wanted(in);
	s.when = s.due;
	schedule_back_off(in, &s);
	return s;
}

int64_t schedule_asks_at(const struct schedule_input *in)
{
	if (in->info == NULL || in->live == NULL || in->live->ari_id == NULL ||
	    in->live->not_after <= in->now || in->certificate->removed_at != 0 ||
	    in->certificate->paused)
		return INT64_MAX;
	if (in->info->version_id != in->live->id ||
	    in->info->standing.next_at > in->now + DAY + DAY / 4) /* by a wrong clock */
		return in->now;
	return in->info->standing.next_at;
}

bool schedule_asks(const struct schedule_input *in)
{
	return schedule_asks_at(in) <= in->now;
}
