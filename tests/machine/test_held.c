/* SPDX-License-Identifier: MIT
 *
 * test_held — another program holds the store while something is under way; the process stands
 * still; the store's files are replaced.
 */
#include "tests/machine/world_standalone.h"

#include "tests/unit/make_lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALIDATE_MS 5000

static const char *const held_files[] = {"everleaf.db", "keys.db", "turn"};

static bool silent; /* nobody finds our answers */

/* A daemon whose order the CA is validating. */
static struct world *validating(void)
{
	struct world *w = world_new("www.example a.example", 1);

	mock_ca_config(w->ca)->validate_ms = VALIDATE_MS;
	world_start(w, 0, RUN_DAEMON);
	while (mock_ca_count(w->ca, MOCK_CHALLENGE) < 2)
		world_step(w);
	return w;
}

static void what_arrives_while_another_program_holds_the_store_is_heard_later(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(held_files); i++) {
		struct world *w = validating();
		struct made_lock lock = made_lock_take(w->state, held_files[i]);
		AUTO_FREE char *pid = mem_printf("(pid %d)", (int)lock.pid);
		struct engine_live live;

		world_pass(w, 30);
		engine_live(w->agents[0].engine, &live);
		assert_true(live.held_at > 0 && live.held_at <= world_now(w) - 20);
		assert_non_null(strstr(live.holder, pid));
		assert_int_equal(live.error.code, ERR_NONE); /* nothing was forgotten */
		assert_int_equal(mock_ca_counts(w->ca).certificates, 0);
		made_lock_drop(&lock);
		world_pass(w, 30);
		engine_live(w->agents[0].engine, &live);
		assert_int_equal(live.held_at, 0);
		world_kill(w, 0);
		world_assert_good(w, 1);
		assert_int_equal(world_facts(w).renewal.failures, 0);
		world_free(w);
	}
}

static void a_hold_beyond_the_limit_of_a_validation_parks_nothing(void **state)
{
	struct world *w = validating();
	struct made_lock lock = made_lock_take(w->state, "everleaf.db");

	(void)state;
	mock_ca_config(w->ca)->validate_ms = 0;
	world_pass(w, 400);
	made_lock_drop(&lock);
	world_pass(w, 30);
	world_kill(w, 0);
	world_assert_good(w, 1);
	assert_int_equal(world_facts(w).order_error.code, ERR_NONE);
	world_free(w);
}

static void a_command_gives_up_and_says_who_holds_the_store(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(held_files); i++) {
		struct world *w = world_new("www.example", 1);
		struct made_lock lock;
		AUTO_FREE char *pid = NULL;
		int64_t began = world_now(w);

		world_start(w, 0, RUN_OBTAIN);
		lock = made_lock_take(w->state, held_files[i]);
		pid = mem_printf("(pid %d)", (int)lock.pid);
		assert_true(world_run(w, 0));
		assert_int_equal(w->agents[0].end.code, ERR_STORE);
		assert_int_equal(w->agents[0].end.cause, CAUSE_HELD);
		assert_non_null(strstr(w->agents[0].end.text, pid));
		assert_true(world_now(w) - began < 30);
		assert_int_equal(mock_ca_count(w->ca, MOCK_ANY), 0);
		made_lock_drop(&lock);
		world_kill(w, 0);
		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 1);
		world_free(w);
	}
}

/* --- the process stands still --- */

static int fetch_listener(void *arg, const char *identifier, const char *token,
			  struct buf *ret_answer)
{
	return silent ? -1 : world_fetch_shown(arg, identifier, token, ret_answer);
}

/* A daemon that shows its answer itself, while the CA is about to look. */
static struct world *showing(void)
{
	struct world *w = world_new("www.example", 1);

	silent = false;
	world_change(w, 0, world_want_standalone);
	mock_ca_config(w->ca)->fetch = fetch_listener;
	mock_ca_config(w->ca)->validate_ms = VALIDATE_MS;
	world_start(w, 0, RUN_DAEMON);
	while (mock_ca_count(w->ca, MOCK_CHALLENGE) == 0)
		world_step(w);
	return w;
}

static void a_validation_that_failed_while_we_stood_still_is_no_failure(void **state)
{
	struct world *w = showing();

	(void)state;
	silent = true;
	world_sleep(w, 20);
	mock_ca_tick(w->ca);
	silent = false;
	world_pass(w, 60);
	world_kill(w, 0);
	world_assert_good(w, 2);
	assert_int_equal(world_facts(w).orders, 2);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	assert_int_equal(world_events(w, "interrupted"), 1);
	world_free(w);
}

/* Nor one that was kept from the store: its listener was there. */
static void a_validation_that_failed_while_we_turned_is_a_failure(void **state)
{
	(void)state;
	for (int held = 0; held < 2; held++) {
		struct world *w = showing();
		struct made_lock lock;

		silent = true;
		if (held)
			lock = made_lock_take(w->state, "everleaf.db");
		world_pass(w, 20);
		if (held)
			made_lock_drop(&lock);
		silent = false;
		world_pass(w, 20);
		world_kill(w, 0);
		assert_int_equal(world_facts(w).renewal.failures, 1);
		assert_int_equal(world_events(w, "interrupted"), 0);
		world_free(w);
	}
}

/* --- the files of a store are replaced --- */

static void run(const char *format, const char *a, const char *b)
{
	AUTO_FREE char *line = mem_printf(format, a, b);

	assert_int_equal(system(line), 0);
}

/* What an operator does with a running daemon. "%1$s" is the state directory. */
static const char *const replacements[] = {
	"cp -a %1$s/everleaf.db %1$s/new && mv %1$s/new %1$s/everleaf.db",
	"cp -a %1$s/keys.db %1$s/new && mv %1$s/new %1$s/keys.db",
	"cp -a %1$s %1$s.new && mv %1$s %1$s.old && mv %1$s.new %1$s && rm -f %1$s/owners/*",
	"cp -a %1$s/turn %1$s/new && mv %1$s/new %1$s/turn",
	"rm %1$s/owners/*",
	"mv %1$s/everleaf.db %1$s/moved",
	"mv %1$s/keys.db %1$s/moved",
	"mv %1$s %1$s.moved",
};

static void a_daemon_whose_store_was_replaced_ends_and_writes_no_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(replacements); i++) {
		struct world *w = validating();
		size_t asked = mock_ca_count(w->ca, MOCK_ANY);

		run(replacements[i], w->state, NULL);
		world_pass(w, 90); /* a look comes within a minute */
		assert_int_equal(w->agents[0].end.code, ERR_STORE);
		assert_int_equal(w->agents[0].end.cause, CAUSE_REPLACED);
		assert_non_null(strstr(w->agents[0].end.text, w->state));
		assert_true(mock_ca_count(w->ca, MOCK_ANY) <= asked + 2); /* a poll was out */
		assert_int_equal(mock_ca_counts(w->ca).certificates, 0);
		world_kill(w, 0);
		run("if [ -e %1$s.moved ]; then mv %1$s.moved %1$s; fi; cd %1$s && "
		    "if [ -e moved ]; then mv moved $(test -e keys.db && echo everleaf.db || echo "
		    "keys.db); fi",
		    w->state, NULL);
		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 2);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_arrives_while_another_program_holds_the_store_is_heard_later),
		cmocka_unit_test(a_hold_beyond_the_limit_of_a_validation_parks_nothing),
		cmocka_unit_test(a_command_gives_up_and_says_who_holds_the_store),
		cmocka_unit_test(a_validation_that_failed_while_we_stood_still_is_no_failure),
		cmocka_unit_test(a_validation_that_failed_while_we_turned_is_a_failure),
		cmocka_unit_test(a_daemon_whose_store_was_replaced_ends_and_writes_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
