/* SPDX-License-Identifier: MIT
 *
 * test_plan — the plan of a store, and then the daemon on the same store under the same clock: it
 * does what was planned, when it was planned.
 */
#include "tests/machine/world.h"

#include "agent/plan.h"
#include "store/renewal_info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CERTIFICATES 4

struct made {
	int64_t ids[CERTIFICATES];
	int64_t versions[CERTIFICATES]; /* that were live when the plan was made */
};

static struct store *store_of(struct world *w)
{
	return w->agents[0].store;
}

static void deploys_nowhere(struct world *w, struct certificate *c)
{
	AUTO_FREE char *wish = mem_printf("{\"key\":\"ec-256\",\"deploy\":[],\"solver\":"
					  "{\"name\":\"webroot\",\"directory\":\"%s\"}}",
					  w->webroot);

	mem_set_str(&c->wish, wish);
}

/* Another certificate like the world's own. */
static void another(struct world *w, size_t i)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct store *s = store_of(w);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(certificate_load(s, w->certificate_id, &c, NULL), 0);
	free(c->name);
	c->name = mem_printf("c%zu", i);
	strlist_clear(&c->names);
	strlist_addf(&c->names, "c%zu.example", i);
	c->live_version_id = 0;
	assert_int_equal(certificate_insert(s, c, NULL), 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	w->certificate_id = c->id;
}

static void issue(struct world *w, struct made *m, size_t i)
{
	world_change(w, 0, deploys_nowhere);
	if (i > 0)
		another(w, i);
	m->ids[i] = w->certificate_id;
	world_start(w, 0, RUN_OBTAIN);
	assert_true(world_run(w, 0));
	world_kill(w, 0);
	world_sleep(w, 3600);
}

/* What the CA has said of some of them. */
static void advise(struct world *w, const struct made *m)
{
	struct store *s = store_of(w);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	for (size_t i = 0; i < CERTIFICATES; i += 2) {
		AUTO_INFO_ROW struct renewal_info *info = NULL;
		bool taken = false;

		assert_int_equal(claim_take(s, CLAIM_RENEWAL_INFO, m->ids[i], &taken, NULL), 0);
		assert_int_equal(renewal_info_load(s, m->ids[i], &info, NULL), 0);
		info->version_id = m->versions[i];
		info->window_start = world_now(w) + WORLD_DAY * (int64_t)(1 + i / 4);
		info->window_end = info->window_start + WORLD_DAY;
		info->standing.next_at = world_now(w) + 400 * WORLD_DAY;
		assert_int_equal(renewal_info_save(s, info, true, NULL), 0);
	}
	assert_int_equal(store_turn_commit(s, NULL), 0);
}

static void remember(struct world *w, struct made *m)
{
	for (size_t i = 0; i < CERTIFICATES; i++) {
		AUTO_CERTIFICATE struct certificate *c = NULL;

		assert_int_equal(certificate_load(store_of(w), m->ids[i], &c, NULL), 0);
		m->versions[i] = c->live_version_id;
		assert_true(c->live_version_id > 0);
	}
}

/* When the daemon began the order of each version after the present one, oldest first. */
static size_t began(struct world *w, const struct made *m, size_t i, int64_t **ret_times)
{
	struct version **list = NULL;
	int64_t *times;
	size_t count = 0, n = 0;

	assert_int_equal(version_list(store_of(w), m->ids[i], &list, &count, NULL), 0);
	times = mem_new((count + 1) * sizeof(*times));
	for (size_t k = count; k-- > 0;) {
		AUTO_ORDER_ROW struct order *o = NULL;

		if (list[k]->id <= m->versions[i])
			continue;
		assert_int_equal(order_load(store_of(w), list[k]->order_id, &o, NULL), 0);
		times[n++] = o->created_at;
	}
	version_list_free(list, count);
	*ret_times = times;
	return n;
}

/* Orders that are planned. */
struct planned {
	struct plan_event *events;
	size_t event_count;
};

static void plan_all(struct context *c, int64_t days, struct planned *p)
{
	AUTO_PLAN struct plan *plan = NULL;
	struct plan_event event;
	struct err e = {0};

	if (plan_begin(c, days, &plan, &e) != 0)
		fail_msg("%s", e.text);
	while (plan_next(plan, &event, &e) > 0) {
		if (event.what == PLAN_DEPLOY)
			continue;
		event.name = mem_str(event.name);
		event.text = NULL;
		p->events = mem_grow(p->events, p->event_count + 1, sizeof(event));
		p->events[p->event_count++] = event;
	}
}

static void planned_clear(struct planned *p)
{
	for (size_t i = 0; i < p->event_count; i++)
		free((char *)p->events[i].name);
	free(p->events);
}

/* The first instant is exact. Each issue takes the CA some seconds that no plan knows, so the
 * later ones may be that much later. */
static void compare(struct world *w, const struct made *m, size_t i, const struct planned *p)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	AUTO_FREE int64_t *times = NULL;
	size_t count = began(w, m, i, &times);
	size_t n = 0;

	assert_int_equal(certificate_load(store_of(w), m->ids[i], &c, NULL), 0);
	for (size_t k = 0; k < p->event_count; k++) {
		int64_t late;

		if (!str_equal(p->events[k].name, c->name))
			continue;
		if (n == count)
			fail_msg("%s: the plan has more than the %zu that were done", c->name, n);
		late = times[n] - p->events[k].at;
		if (late < 0 || late > 10 * (int64_t)n + 1)
			fail_msg("%s, %zu: %lld s after the plan", c->name, n, (long long)late);
		n++;
	}
	assert_int_equal(n, count);
	assert_true(n > 0);
}

static void the_daemon_follows_the_plan(struct world *w, int64_t lifetime, int64_t days)
{
	struct context c = {.clock = fake_loop_clock(w->loop)};
	struct planned p AUTO(planned_clear) = {0};
	struct made m = {0};

	mock_ca_config(w->ca)->lifetime = lifetime * WORLD_DAY;
	for (size_t i = 0; i < CERTIFICATES; i++)
		issue(w, &m, i);
	world_change(w, 0, deploys_nowhere); /* opens the store */
	remember(w, &m);
	advise(w, &m);
	c.store = store_of(w);
	plan_all(&c, days, &p);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, days * WORLD_DAY);
	for (size_t i = 0; i < CERTIFICATES; i++)
		compare(w, &m, i, &p);
}

static void it_does_with_certificates_of_ninety_days(void **state)
{
	the_daemon_follows_the_plan(*state, 90, 80);
}

static void it_does_with_certificates_of_forty_five_days(void **state)
{
	the_daemon_follows_the_plan(*state, 45, 60);
}

static void it_does_with_certificates_of_six_days(void **state)
{
	the_daemon_follows_the_plan(*state, 6, 15);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_does_with_certificates_of_ninety_days),
		TEST(it_does_with_certificates_of_forty_five_days),
		TEST(it_does_with_certificates_of_six_days),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
