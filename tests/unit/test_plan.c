/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "agent/lifetimes.h"
#include "agent/plan.h"
#include "store/account.h"
#include "store/certificate.h"
#include "store/version.h"
#include "tests/unit/make_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY         INT64_C(86400)
#define LETSENCRYPT "https://acme-v02.api.letsencrypt.org/directory"
#define NOW         1795000000 /* 2026-11-18T11:06:40Z */

static int64_t letsencrypt(struct store *s)
{
	struct account a = {
		.server = (char *)LETSENCRYPT,
		.entry = (char *)"default",
		.contact = (char *)"",
		.stage = (char *)"ready",
	};

	assert_int_equal(account_insert(s, &a, NULL), 0);
	return a.id;
}

struct wanted {
	const char *name, *wish;
	int64_t life, left; /* days; life 0: none yet */
	bool paused;
};

static int64_t put(struct store *s, int64_t account, const struct wanted *w)
{
	struct certificate c = {
		.name = (char *)w->name,
		.origin = (char *)CERTIFICATE_COMMAND,
		.wish = (char *)w->wish,
		.account_id = account,
		.paused = w->paused,
	};
	struct version v = {
		.key_id = 1,
		.key_kind = (char *)"ec-256",
		.serial = (char *)"0A3F",
		.issuer = (char *)"CN=Test",
		.fingerprint = (char *)w->name,
		.not_before = NOW + (w->left - w->life) * DAY,
		.not_after = NOW + w->left * DAY,
		.leaf = (char *)"x",
	};

	strlist_addf(&c.names, "%s.example", w->name);
	strlist_addf(&v.names, "%s.example", w->name);
	assert_int_equal(certificate_insert(s, &c, NULL), 0);
	v.certificate_id = c.id;
	v.created_at = v.not_before + 3600;
	if (w->life != 0)
		assert_int_equal(version_insert(s, &v, NULL), 0);
	strlist_clear(&c.names);
	strlist_clear(&v.names);
	return c.id;
}

/* A plan, and all of its events. */
struct planned {
	struct context c;
	struct plan *plan;
	struct plan_event *events;
	size_t event_count;
};

static void planned_clear(struct planned *p)
{
	for (size_t i = 0; i < p->event_count; i++)
		free(p->events[i].text);
	free(p->events);
	plan_free(p->plan);
}
#define AUTO_PLANNED AUTO(planned_clear)

static void plan_starts(struct planned *p, struct made_store *m, const struct wanted *wanted,
			size_t count, int64_t days)
{
	struct err e = {0};
	int64_t account;

	m->now = NOW;
	p->c = (struct context){.clock = &m->clock, .store = made_store_open(m)};
	assert_int_equal(store_turn_begin(p->c.store, &e), 0);
	account = letsencrypt(p->c.store);
	for (size_t i = 0; i < count; i++)
		put(p->c.store, account, &wanted[i]);
	assert_int_equal(store_turn_commit(p->c.store, &e), 0);
	if (plan_begin(&p->c, days, &p->plan, &e) != 0)
		fail_msg("%s", e.text);
}

/* False: that was all. */
static bool plan_goes_on(struct planned *p)
{
	struct plan_event event;
	struct err e = {0};
	int r = plan_next(p->plan, &event, &e);

	if (r < 0)
		fail_msg("%s", e.text);
	if (r == 0)
		return false;
	if (p->event_count > 0)
		assert_true(event.at >= p->events[p->event_count - 1].at);
	event.text = mem_str(event.text);
	p->events = mem_grow(p->events, p->event_count + 1, sizeof(event));
	p->events[p->event_count++] = event;
	return true;
}

static void plan_of(struct planned *p, struct made_store *m, const struct wanted *wanted,
		    size_t count, int64_t days)
{
	plan_starts(p, m, wanted, count, days);
	while (plan_goes_on(p))
		continue;
}

static void renewals_follow_each_other_and_live_as_the_ca_has_announced(void **state)
{
	static const struct wanted wanted[] = {{"a", "{}", 90, 45, false}};
	struct planned p AUTO_PLANNED = {0};
	int64_t before = 0;

	plan_of(&p, *state, wanted, 1, 500);
	assert_int_equal(p.plan->change_count, 2);
	assert_int_equal(p.plan->changes[0].lifetime, 64 * DAY);
	assert_int_equal(p.plan->changes[1].lifetime, 45 * DAY);
	assert_int_equal(p.plan->changes[0].certificates, 1);
	assert_true(p.event_count >= 8);
	for (size_t i = 0; i < p.event_count; i++) {
		const struct plan_event *event = &p.events[i];
		int64_t days = event->at < 1802217600 ? 90 : event->at < 1834272000 ? 64 : 45;

		assert_int_equal(event->what, PLAN_RENEW);
		assert_true(event->at > before);
		assert_int_equal(event->not_after, event->at - 3600 + days * DAY);
		before = event->at;
	}
	assert_true(p.events[0].at < NOW + 16 * DAY);
}

static void a_deployment_waits_for_its_window(void **state)
{
	static const struct wanted wanted[] = {
		{"a",
		 "{\"deploy\":[{\"name\":\"files\",\"directory\":\"/x\"},"
		 "{\"name\":\"exec\",\"command\":[\"/bin/true\"],"
		 "\"window\":\"Sun 03:00-04:00 UTC\"}]}",
		 90, 45, false}};
	struct planned p AUTO_PLANNED = {0};
	size_t deploys = 0;

	plan_of(&p, *state, wanted, 1, 60);
	for (size_t i = 0; i < p.event_count; i++) {
		if (p.events[i].what != PLAN_DEPLOY)
			continue;
		deploys++;
		if (strncmp(p.events[i].text, "exec", 4) == 0) /* NOW was a Wednesday */
			assert_in_range((p.events[i].at + 4 * DAY) % (7 * DAY), 3 * 3600,
					4 * 3600 - 1);
		else
			assert_int_equal(p.events[i].at, p.events[0].at);
	}
	assert_int_equal(deploys, 2);
}

static void what_is_paused_is_not_planned_and_what_is_missing_comes_now(void **state)
{
	static const struct wanted wanted[] = {{"a", "{}", 90, 45, true}, {"b", "{}", 0, 0, false}};
	struct planned p AUTO_PLANNED = {0};

	plan_of(&p, *state, wanted, 2, 30);
	assert_int_equal(p.plan->rest_count, 1);
	assert_string_equal(p.plan->rests[0].name, "a");
	assert_string_equal(p.plan->rests[0].why, "it is paused");
	assert_int_equal(p.event_count, 1);
	assert_int_equal(p.events[0].what, PLAN_ISSUE);
	assert_int_equal(p.events[0].at, NOW);
	assert_int_equal(p.plan->loads[0], 1);
}

static void the_ca_s_limits_spread_what_is_due_at_once(void **state)
{
	static char names[400][8];
	struct wanted wanted[COUNT_OF(names)];
	size_t first = 0;

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(names[i], sizeof(names[i]), "n%03zu", i);
		wanted[i] = (struct wanted){names[i], "{}", 0, 0, false};
	}
	struct planned p AUTO_PLANNED = {0};

	plan_of(&p, *state, wanted, COUNT_OF(names), 2);
	assert_int_equal(p.event_count, COUNT_OF(names));
	while (first < p.event_count && p.events[first].at == NOW)
		first++;
	assert_int_equal(first, 300); /* new orders per account in 3 hours */
	assert_true(p.events[p.event_count - 1].at >= NOW + 99 * 36);
	assert_true(p.plan->limit_count >= 1);
	assert_int_equal(p.plan->limits[0].used, 300);
	assert_int_equal(p.plan->limits[0].most, 300);
}

static const struct {
	const char *server, *profile;
	int64_t before, at; /* days; seconds */
	int64_t want;       /* days */
} rows[] = {
	{LETSENCRYPT, NULL, 90, NOW, 90},
	{LETSENCRYPT, NULL, 0, NOW, 90},
	{LETSENCRYPT, "classic", 90, 1802217599, 90},
	{LETSENCRYPT, "classic", 90, 1802217600, 64},
	{LETSENCRYPT, NULL, 64, 1834272000, 45},
	{LETSENCRYPT, "shortlived", 6, 1834272000, 6},
	{LETSENCRYPT, "tlsserver", 90, NOW, 45},
	{"https://ca.example/directory", NULL, 90, 1834272000, 90},
};

static void lifetimes_change_on_the_days_that_were_announced(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(lifetime_expected(rows[i].server, rows[i].profile,
						   rows[i].before * DAY, rows[i].at),
				 rows[i].want * DAY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(renewals_follow_each_other_and_live_as_the_ca_has_announced),
		TEST(a_deployment_waits_for_its_window),
		TEST(what_is_paused_is_not_planned_and_what_is_missing_comes_now),
		TEST(the_ca_s_limits_spread_what_is_due_at_once),
		cmocka_unit_test(lifetimes_change_on_the_days_that_were_announced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
