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

/* A number in [0, below) that is the same for the same version in every process. */
static int64_t schedule_jitter(const struct schedule_input *in, int64_t below)
{
	uint8_t mac[32];
	uint64_t number;

	if (below <= 0)
		return 0;
	hmac_sha256(in->seed, 32, in->live->fingerprint, strlen(in->live->fingerprint), mac);
	memcpy(&number, mac, sizeof(number));
	return (int64_t)(number % (uint64_t)below);
}

static struct schedule schedule_lifetime(const struct schedule_input *in)
{
	int64_t life = in->live->not_after - in->live->not_before;
	int64_t rest = life < 10 * DAY ? life / 2 : life / 3;
	struct schedule s = {.what = SCHEDULE_RENEW};

	s.due = in->live->not_after - rest - schedule_jitter(in, rest / 10);
	snprintf(s.why, sizeof(s.why), "%s of its lifetime is left then",
		 life < 10 * DAY ? "half" : "a third");
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
	return schedule_lifetime(in);
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
