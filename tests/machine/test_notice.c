/* SPDX-License-Identifier: MIT
 *
 * test_notice — notices in the lives of certificates: what is told and how often, and that nothing
 * else changes for it.
 */
#include "tests/machine/world.h"

#include "store/event.h"
#include "tests/unit/hook_scratch.h"
#include "tests/unit/make_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIFETIME (10 * WORLD_DAY)

static struct world *new_world(const struct strlist *notify)
{
	struct world *w = world_new("www.example", 1);

	mock_ca_config(w->ca)->lifetime = LIFETIME;
	w->notify = notify;
	return w;
}

static void break_ca(struct world *w)
{
	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .times = MOCK_FOREVER, .act = MOCK_REPLACE,
		  .status = 403, .problem = "rejectedIdentifier");
}

/* Obtained, then lived through with a CA that refuses, until six hours before its end. */
static struct world *decline(const struct strlist *notify)
{
	struct world *w = new_world(notify);

	world_start(w, 0, RUN_DAEMON);
	world_pass(w, WORLD_DAY);
	break_ca(w);
	world_pass(w, LIFETIME - WORLD_DAY - WORLD_DAY / 4);
	return w;
}

static void each_level_is_told_once_and_then_that_all_is_well(void **state)
{
	const struct strlist log_only = {0};
	struct world *w = decline(&log_only);

	(void)state;
	assert_int_equal(world_events(w, "notice"), 4); /* failed, and three levels */
	assert_int_equal(world_events(w, "notice-failed"), 0);
	mock_ca_heal(w->ca);
	world_pass(w, 2 * WORLD_DAY);
	assert_int_equal(world_facts(w).versions, 2);
	assert_int_equal(world_events(w, "notice"), 5);
	world_pass(w, LIFETIME / 2);
	assert_int_equal(world_events(w, "notice"), 5);
	world_assert_good(w, 100);
	world_free(w);
}

static void nobody_is_told_of_what_goes_well(void **state)
{
	const struct strlist log_only = {0};
	struct world *w = new_world(&log_only);

	(void)state;
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 3 * LIFETIME);
	assert_true(world_facts(w).versions > 3);
	assert_int_equal(world_events(w, "notice"), 0);
	world_free(w);
}

/* Whatever happens in a turn in which a notice fails, it is not the renewal that hears of it. */
static void a_notice_that_fails_changes_nothing_but_itself(void **state)
{
	struct strlist broken AUTO_STRLIST = {0};
	struct world *w;
	size_t failed = 0;
	int64_t end;

	(void)state;
	strlist_add(&broken, "/nowhere/notify");
	w = new_world(&broken);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, WORLD_DAY);
	break_ca(w);
	end = world_now(w) + LIFETIME - WORLD_DAY - WORLD_DAY / 4;
	while (world_now(w) < end) {
		struct renewal before = world_facts(w).renewal, after;

		world_step(w);
		if (world_events(w, "notice-failed") == failed)
			continue;
		failed = world_events(w, "notice-failed");
		after = world_facts(w).renewal;
		assert_memory_equal(&after, &before, sizeof(before));
	}
	assert_int_equal(failed, 4 * 4); /* each was tried four times */
	assert_int_equal(world_events(w, "notice"), 0);
	mock_ca_heal(w->ca);
	world_pass(w, 2 * WORLD_DAY);
	assert_int_equal(world_facts(w).versions, 2);
	world_free(w);
}

static void a_command_tells_too_and_ends(void **state)
{
	const struct strlist log_only = {0};
	struct world *w = new_world(NULL);

	(void)state;
	world_command(w, RUN_OBTAIN);
	break_ca(w);
	world_sleep(w, LIFETIME - LIFETIME / 16);
	world_command(w, RUN_RENEW);
	assert_int_equal(world_events(w, "notice"), 0); /* it was not asked to */
	w->notify = &log_only;
	world_command(w, RUN_RENEW);
	world_command(w, RUN_RENEW);
	assert_int_equal(world_events(w, "notice"), 1);
	world_free(w);
}

/* --- with a real program, and many certificates --- */

#define MANY 20

static void put_many(struct made_store *m)
{
	struct store *s = made_store_open(m);
	int64_t account;

	assert_int_equal(store_turn_begin(s, NULL), 0);
	account = make_account(s, "default");
	for (int i = 0; i < MANY; i++) {
		AUTO_CERTIFICATE struct certificate *c = NULL;
		char name[16];
		int64_t id;

		snprintf(name, sizeof(name), "c%d", i);
		id = make_certificate(s, account, name);
		assert_true(make_version(s, id, 1, m->now + 10 * MAKE_STORE_DAY) > 0);
		assert_int_equal(certificate_load(s, id, &c, NULL), 0);
		c->paused = true; /* nothing else is to be done */
		assert_int_equal(certificate_save(s, c, NULL), 0);
	}
	assert_int_equal(store_turn_commit(s, NULL), 0);
}

static void stop_soon(void *arg)
{
	*(bool *)arg = true;
}

static void run_engine(struct made_store *m, struct hook_scratch *h, const struct strlist *notify)
{
	const struct engine_config config = {
		.here = true,
		.store = m->store,
		.loop = h->loop,
		.clock = &m->clock,
		.notify = notify,
	};
	struct engine *g = NULL;
	int64_t ms = 0;

	assert_int_equal(engine_new(&config, &g, NULL), 0);
	for (int turn = 0; turn < 2000; turn++) {
		bool stop = false;

		m->now++; /* the engine's time; programs run in the real one */
		assert_int_equal(engine_tick(g, &ms, NULL), 0);
		loop_watch_timer(h->loop, 5, stop_soon, &stop);
		assert_true(poll_loop_run(h->poll, &stop));
		if (turn > 20 && poll_loop_watches(h->poll) == 0)
			break;
	}
	engine_free(g);
	assert_true(poll_loop_reap(h->poll));
}

static size_t lines_of(const char *text, const char *line)
{
	size_t count = 0;

	while ((text = strstr(text, line)) != NULL) {
		count++;
		text++;
	}
	return count;
}

static void a_program_is_run_for_each_certificate_with_what_is_so(void **state)
{
	struct strlist notify AUTO_STRLIST = {0};
	AUTO_FREE char *told = NULL;
	void *store_state = NULL;
	struct made_store *m;
	struct hook_scratch *h;

	(void)state;
	assert_int_equal(made_store_setup(&store_state), 0);
	m = store_state;
	assert_int_equal(hook_scratch_setup(&store_state), 0);
	h = store_state;
	strlist_add(&notify, scratch_script(h, "notify", "env | grep ^EVERLEAF_ >>\"$1\""));
	strlist_add(&notify, scratch_path(h, "told"));
	put_many(m);
	run_engine(m, h, &notify);
	told = scratch_read(scratch_path(h, "told"));
	assert_int_equal(lines_of(told, "EVERLEAF_EVENT=expiring\n"), MANY);
	assert_int_equal(lines_of(told, "EVERLEAF_LEVEL=2\n"), MANY); /* 10 of 90 days */
	assert_int_equal(lines_of(told, "EVERLEAF_CERTIFICATE=c7\n"), 1);
	assert_int_equal(lines_of(told, "EVERLEAF_NAMES=www.example.com\n"), MANY);
	assert_int_equal(lines_of(told, "EVERLEAF_NOT_AFTER=2027-01-25T08:00:00Z\n"), MANY);
	assert_int_equal(lines_of(told, "EVERLEAF_ERROR=\n"), MANY);
	run_engine(m, h, &notify);
	free(told);
	told = scratch_read(scratch_path(h, "told"));
	assert_int_equal(lines_of(told, "EVERLEAF_EVENT="), MANY);
	store_state = h;
	assert_int_equal(hook_scratch_teardown(&store_state), 0);
	store_state = m;
	assert_int_equal(made_store_teardown(&store_state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_level_is_told_once_and_then_that_all_is_well),
		cmocka_unit_test(nobody_is_told_of_what_goes_well),
		cmocka_unit_test(a_notice_that_fails_changes_nothing_but_itself),
		cmocka_unit_test(a_command_tells_too_and_ends),
		cmocka_unit_test(a_program_is_run_for_each_certificate_with_what_is_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
