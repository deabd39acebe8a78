/* SPDX-License-Identifier: MIT
 *
 * test_years — certificates of all lifetimes through years of a CA that is down or busy, advises
 * and refuses, and of a clock that is wrong. The rules are sim.c's.
 */
#include "tests/machine/sim.h"
#include "tests/machine/world.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of ten, one lives for 6 days, four for 45 and five for 90. */
static int64_t mixed(size_t subject)
{
	size_t kind = subject / 2 % 10; /* the same at both CAs */

	return kind == 0 ? 6 * SIM_DAY : kind < 5 ? 45 * SIM_DAY : 90 * SIM_DAY;
}

enum happening {
	DOWN = 0,
	BUSY,
	REFUSE,
	PULL,
	ASLEEP,
	HOUR_OFF,
	DAYS_BEHIND,
	RIGHT_AGAIN,
	HAPPENINGS, /* how many */
};

/* How many days lie between two of a kind, about. */
static const int64_t every[HAPPENINGS] = {12, 15, 5, 20, 60, 30, 100, 0};

struct plan {
	struct sim *s;
	size_t subjects;
	int64_t next[HAPPENINGS]; /* 0: not planned */
};

static void plan_next(struct plan *p, enum happening h)
{
	if (every[h] > 0)
		p->next[h] = sim_now(p->s) + sim_random(p->s, 2 * every[h] * SIM_DAY) + 1;
	else
		p->next[h] = 0;
}

static void wrong_for(struct plan *p, int64_t seconds, int64_t hours)
{
	sim_wrong_clock(p->s, seconds);
	p->next[RIGHT_AGAIN] = sim_now(p->s) + 60 + sim_random(p->s, hours * SIM_HOUR);
}

static void happen(struct plan *p, enum happening h)
{
	struct sim *s = p->s;
	int64_t now = sim_now(s);
	size_t one = (size_t)sim_random(s, (int64_t)p->subjects);

	plan_next(p, h);
	switch (h) {
	case DOWN: /* of all lengths from minutes to days */
		sim_weather(s, QUICK_DOWN, now + 600 + sim_random(s, SIM_HOUR << sim_random(s, 8)));
		break;
	case BUSY:
		sim_weather(s, QUICK_BUSY, now + 600 + sim_random(s, SIM_DAY));
		break;
	case REFUSE:
		sim_refuse(s, one, now + SIM_DAY + sim_random(s, 20 * SIM_DAY));
		break;
	case PULL:
		for (size_t i = one % 10; i < p->subjects; i += 10)
			sim_pull(s, i);
		break;
	case ASLEEP:
		sim_suspend(s, SIM_HOUR + sim_random(s, 6 * SIM_DAY));
		break;
	case HOUR_OFF:
		wrong_for(p, sim_random(s, 2) == 0 ? SIM_HOUR : -SIM_HOUR, 24);
		break;
	case DAYS_BEHIND:
		wrong_for(p, -2 * SIM_DAY, 6);
		break;
	case RIGHT_AGAIN:
		sim_wrong_clock(s, 0);
		break;
	case HAPPENINGS:
		break;
	}
}

static void live_through(struct sim *s, size_t subjects, int64_t days)
{
	struct plan p = {.s = s, .subjects = subjects};
	int64_t end = sim_now(s) + days * SIM_DAY;

	for (enum happening h = 0; h < HAPPENINGS; h++)
		plan_next(&p, h);
	for (;;) {
		enum happening first = HAPPENINGS;

		for (enum happening h = 0; h < HAPPENINGS; h++)
			if (p.next[h] != 0 && (first == HAPPENINGS || p.next[h] < p.next[first]))
				first = h;
		if (p.next[first] >= end)
			break;
		sim_until(s, p.next[first]);
		happen(&p, first);
	}
	sim_wrong_clock(s, 0);
	sim_until(s, end);
}

static struct sim *many(uint64_t seed, size_t subjects)
{
	const struct sim_config config = {
		.seed = seed,
		.subjects = subjects,
		.informing = "https://informing.test",
		.plain = "https://plain.test",
		.lifetime = mixed,
		.info_again = SIM_DAY,
		.info_at_once = true,
	};

	return sim_new(&config);
}

static void years_pass_and_every_rule_holds(void **state)
{
	bool all = getenv("EVERLEAF_LONG") != NULL;
	size_t subjects = all ? 200 : 100;
	int64_t days = all ? 3 * 365 : 365;
	int64_t began = clock_mono_ms(clock_system());
	struct sim *s = many((uint64_t)random(), subjects);
	struct sim_counts c;
	AUTO_FREE char *trace = NULL;

	(void)state;
	live_through(s, subjects, days);
	c = sim_counts(s);
	trace = sim_trace(s);
	sim_free(s);
	print_message("# %zu certificates, %lld days in %.1f s: %zu requests, %zu orders (%zu "
		      "refused), %zu issued, %zu times asked for advice, %zu ended with an excuse\n"
		      "# trace %s\n",
		      subjects, (long long)days,
		      (double)(clock_mono_ms(clock_system()) - began) / 1000, c.requests, c.orders,
		      c.refused, c.issued, c.infos, c.expired, trace);
	assert_true(c.issued > subjects * (size_t)days / 60);
	assert_true(c.replacing > 0 && c.infos > 0 && c.refused > 0);
}

static void the_same_seed_gives_the_same_run(void **state)
{
	uint64_t seed = (uint64_t)random();
	char *traces[3] = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(traces); i++) {
		struct sim *s = many(seed + i / 2, 20);

		live_through(s, 20, 120);
		traces[i] = sim_trace(s);
		sim_free(s);
	}
	assert_string_equal(traces[0], traces[1]);
	assert_string_not_equal(traces[0], traces[2]);
	for (size_t i = 0; i < COUNT_OF(traces); i++)
		free(traces[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(years_pass_and_every_rule_holds),
		cmocka_unit_test(the_same_seed_gives_the_same_run),
	};

	world_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
