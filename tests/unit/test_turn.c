/* SPDX-License-Identifier: MIT
 *
 * test_turn — writers queue, a turn is kept whole or not at all, and a turn without a change costs
 * nothing.
 */
#include "tests/unit.h"

#include "store/event.h"
#include "store/internal.h"
#include "tests/unit/make_store.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS 200

static size_t count_events(struct store *s)
{
	struct event_list list AUTO_EVENT_LIST = {0};

	assert_int_equal(event_list(s, 0, 10000, &list, NULL), 0);
	return list.count;
}

static void a_turn_that_changes_nothing_costs_no_commit(void **state)
{
	struct store *s = made_store_open(*state);
	int64_t id;

	assert_int_equal(store_turn_begin(s, NULL), 0);
	id = make_account(s, "default");
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_int_equal(store_commits(s), 1);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_true(store_in_turn(s));
	assert_int_equal(count_events(s), 0);
	assert_int_equal(make_account(s, "default"), id); /* is there already */
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_false(store_in_turn(s));

	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(store_step_begin(s, NULL), 0);
	assert_true(make_event(s, 0, "undone") > 0);
	store_step_undo(s);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_int_equal(store_commits(s), 1);
	assert_int_equal(count_events(s), 0);
}

static void a_step_is_undone_alone(void **state)
{
	struct store *s = made_store_open(*state);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(store_step_begin(s, NULL), 0);
	assert_true(make_event(s, 0, "first") > 0);
	assert_int_equal(store_step_keep(s, NULL), 0);
	assert_int_equal(store_step_begin(s, NULL), 0);
	assert_true(make_event(s, 0, "second") > 0);
	store_step_undo(s);
	assert_int_equal(store_step_begin(s, NULL), 0);
	assert_true(make_event(s, 0, "third") > 0);
	assert_int_equal(store_step_keep(s, NULL), 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_int_equal(store_commits(s), 1);
	assert_int_equal(count_events(s), 2);
}

static void an_undone_turn_leaves_nothing(void **state)
{
	struct store *s = made_store_open(*state);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(store_step_begin(s, NULL), 0);
	assert_true(make_event(s, 0, "undone with its step") > 0);
	store_turn_undo(s);
	assert_int_equal(count_events(s), 0);
	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_true(make_event(s, 0, "kept") > 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_int_equal(count_events(s), 1);
}

static int write_turns(struct made_store *m, int from, int to)
{
	int64_t number = 0;

	(void)to;
	if (store_open(m->dir, &m->clock, &m->store, NULL) != 0 || made_hear(from, &number) != 0)
		return -1;
	for (int i = 0; i < TURNS; i++)
		if (store_turn_begin(m->store, NULL) != 0 ||
		    make_event(m->store, number, "turn") < 0 ||
		    store_turn_commit(m->store, NULL) != 0)
			return -1;
	store_free(m->store);
	return 0;
}

static void what_two_processes_write_at_once_is_all_there(void **state)
{
	struct made_store *m = *state;
	struct made_child children[2];
	struct store *s;

	for (int i = 0; i < 2; i++)
		made_child_start(&children[i], m, write_turns);
	for (int i = 0; i < 2; i++)
		assert_int_equal(made_say(children[i].to, i + 1), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(made_child_end(&children[i]), 0);
	s = made_store_open(m);
	assert_int_equal(count_events(s), 2 * TURNS);
	for (int i = 0; i < 2; i++) {
		struct event_list list AUTO_EVENT_LIST = {0};

		assert_int_equal(event_list(s, i + 1, 10000, &list, NULL), 0);
		assert_int_equal(list.count, TURNS);
	}
	assert_int_equal(store_check(s, NULL), 0);
}

/* Writes so much that SQLite has to put changed pages into the file before the commit. */
static int write_and_hang(struct made_store *m, int from, int to)
{
	int64_t number = 0;

	if (store_open(m->dir, &m->clock, &m->store, NULL) != 0 ||
	    store_turn_begin(m->store, NULL) != 0)
		return -1;
	db_exec(&m->store->db, "PRAGMA cache_size = 4", NULL);
	for (int i = 0; i < 500; i++)
		if (make_event(m->store, 0, "some text that takes its place on a page") < 0)
			return -1;
	if (made_say(to, 1) != 0)
		return -1;
	(void)made_hear(from, &number); /* until it is killed */
	return 0;
}

static void a_process_killed_in_its_turn_leaves_the_old_state_and_the_turn(void **state)
{
	struct made_store *m = *state;
	struct made_child child;
	int64_t number = 0;
	struct store *s = made_store_open(m);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_true(make_event(s, 0, "before") > 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	made_store_close(m);

	made_child_start(&child, m, write_and_hang);
	assert_int_equal(made_hear(child.from, &number), 0);
	assert_int_equal(kill(child.pid, SIGKILL), 0);
	assert_int_equal(made_child_end(&child), -SIGKILL);

	s = made_store_open(m);
	assert_int_equal(count_events(s), 1);
	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(make_event(s, 0, "after"), 2); /* an id nobody has ever seen */
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_int_equal(store_check(s, NULL), 0);
}

static int write_slowly(struct made_store *m, int from, int to)
{
	(void)from;
	if (store_open(m->dir, &m->clock, &m->store, NULL) != 0 ||
	    store_turn_begin(m->store, NULL) != 0 || make_event(m->store, 0, "slow") < 0 ||
	    made_say(to, 1) != 0)
		return -1;
	poll(NULL, 0, 200);
	if (store_turn_commit(m->store, NULL) != 0)
		return -1;
	store_free(m->store);
	return 0;
}

static void a_reader_waits_for_the_turn_of_another(void **state)
{
	struct made_store *m = *state;
	struct made_child child;
	int64_t number = 0;

	made_child_start(&child, m, write_slowly);
	assert_int_equal(made_hear(child.from, &number), 0);
	assert_int_equal(count_events(made_store_open(m)), 1);
	assert_int_equal(made_child_end(&child), 0);
}

static void a_writer_queues_behind_the_turn_of_another(void **state)
{
	struct made_store *m = *state;
	struct made_child child;
	int64_t number = 0;
	struct store *s;

	made_child_start(&child, m, write_slowly);
	assert_int_equal(made_hear(child.from, &number), 0);
	s = made_store_open(m);
	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(make_event(s, 0, "second"), 2);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_int_equal(made_child_end(&child), 0);
}

/* SQLite rolls a transaction back by itself after some errors. Without a guard each statement that
 * follows would then be committed alone, at once. */
static void nothing_is_kept_of_a_turn_whose_transaction_is_gone(void **state)
{
	struct store *s = made_store_open(*state);
	struct err e = {0};

	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_true(make_event(s, 0, "lost") > 0);
	assert_int_equal(store_step_begin(s, NULL), 0);
	db_abandon(&s->db);
	assert_int_equal(make_event(s, 0, "refused"), -1);
	store_step_undo(s);
	assert_int_equal(store_step_begin(s, NULL), ERR_STORE);
	assert_int_equal(make_event(s, 0, "refused"), -1);
	assert_int_equal(store_turn_commit(s, &e), ERR_STORE);
	assert_int_equal(e.code, ERR_STORE);
	assert_int_equal(store_commits(s), 0);
	assert_int_equal(count_events(s), 0);
	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_true(make_event(s, 0, "kept") > 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_int_equal(count_events(s), 1);
}

static void a_full_disk_undoes_the_step_or_the_turn_but_never_half(void **state)
{
	struct made_store *m = *state;
	struct store *s = made_store_open(m);
	struct err e = {0};
	AUTO_FREE char *large = mem_new(100001);
	int64_t pages = 0;
	int r;

	memset(large, 'x', 100000);
	assert_int_equal(db_number(&s->db, "PRAGMA page_count", &pages, NULL), 0);
	assert_int_equal(db_exec(&s->db, "PRAGMA max_page_count = 60", NULL), 0);
	assert_true(pages < 60);
	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(store_step_begin(s, NULL), 0);
	assert_true(make_event(s, 0, "small") > 0);
	assert_int_equal(store_step_keep(s, NULL), 0);
	assert_int_equal(store_step_begin(s, NULL), 0);
	while (make_event(s, 0, large) > 0)
		;
	store_step_undo(s);
	r = store_turn_commit(s, &e);
	assert_true(r == 0 || r == ERR_STORE);
	assert_int_equal(count_events(s), r == 0 ? 1 : 0);
	made_store_close(m);
	assert_int_equal(count_events(made_store_open(m)), r == 0 ? 1 : 0);
	assert_int_equal(store_check(m->store, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_turn_that_changes_nothing_costs_no_commit),
		TEST(a_step_is_undone_alone),
		TEST(an_undone_turn_leaves_nothing),
		TEST(what_two_processes_write_at_once_is_all_there),
		TEST(a_process_killed_in_its_turn_leaves_the_old_state_and_the_turn),
		TEST(a_reader_waits_for_the_turn_of_another),
		TEST(a_writer_queues_behind_the_turn_of_another),
		TEST(nothing_is_kept_of_a_turn_whose_transaction_is_gone),
		TEST(a_full_disk_undoes_the_step_or_the_turn_but_never_half),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
