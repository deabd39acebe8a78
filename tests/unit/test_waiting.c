/* SPDX-License-Identifier: MIT
 *
 * test_waiting — another program has the store: who it is, and that nobody waits longer for it than
 * was said.
 */
#include "tests/unit.h"

#include "store/internal.h"
#include "tests/unit/make_lock.h"
#include "tests/unit/make_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const files[] = {"everleaf.db", "keys.db", "turn"};

static void who_holds_a_file_of_the_store_is_named(void **state)
{
	struct made_store *m = *state;
	struct store *s = made_store_open(m);

	(void)store_waits(s, 0);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		struct made_lock lock = made_lock_take(m->dir, files[i]);
		AUTO_FREE char *pid = mem_printf("test_waiting (pid %d)", (int)lock.pid);
		char who[STORE_HOLDER_SIZE];
		struct err e = {0};

		store_holder(s, who);
		if (strstr(who, pid) == NULL)
			fail_msg("%s: \"%s\" is not \"%s\"", files[i], who, pid);
		assert_int_equal(store_turn_begin(s, &e), ERR_STORE);
		assert_int_equal(e.cause, CAUSE_HELD);
		assert_non_null(strstr(e.text, pid));
		assert_non_null(strstr(e.text, m->dir));
		made_lock_drop(&lock);
		assert_int_equal(store_turn_begin(s, NULL), 0);
		store_turn_undo(s);
	}
}

/* A lock of a descriptor belongs to no process. */
static void who_cannot_be_known_is_another_program(void **state)
{
	struct made_store *m = *state;
	struct store *s = made_store_open(m);
	AUTO_FREE char *path = made_store_path(m, "everleaf.db");
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000000, .l_len = 512};
	char who[STORE_HOLDER_SIZE];
	struct err e = {0};
	int fd = open(path, O_RDWR | O_CLOEXEC);

	(void)store_waits(s, 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	store_holder(s, who);
	assert_string_equal(who, "another program");
	assert_int_equal(store_turn_begin(s, &e), ERR_STORE);
	assert_int_equal(e.cause, CAUSE_HELD);
	close(fd);
}

static struct made_lock held;
static char said[256];

static void says_and_lets_go(const char *sentence)
{
	snprintf(said, sizeof(said), "%s", sentence);
	made_lock_drop(&held);
}

static void who_waits_says_for_whom_and_goes_on_when_that_lets_go(void **state)
{
	struct made_store *m = *state;
	const struct store_opening o = {.dir = m->dir,
					.clock = &m->clock,
					.wait_ms = STORE_WAIT_MS,
					.tell = says_and_lets_go};

	made_store_open(m);
	made_store_close(m);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		AUTO_FREE char *pid = NULL;

		held = made_lock_take(m->dir, files[i]);
		pid = mem_printf("waiting for test_waiting (pid %d)", (int)held.pid);
		said[0] = '\0';
		assert_int_equal(store_open_as(&o, &m->store, NULL), 0);
		assert_int_equal(store_turn_begin(m->store, NULL), 0);
		store_turn_undo(m->store);
		made_store_close(m);
		if (strstr(said, pid) == NULL)
			fail_msg("%s: \"%s\" is not \"%s\"", files[i], said, pid);
	}
}

static void a_store_that_is_held_is_not_opened_and_no_file_is_blamed(void **state)
{
	struct made_store *m = *state;

	made_store_open(m);
	made_store_close(m);
	for (int how = STORE_SOUND; how <= STORE_READER; how++) {
		const struct store_opening o = {
			.dir = m->dir, .clock = &m->clock, .how = (enum store_how)how};
		struct made_lock lock = made_lock_take(m->dir, "everleaf.db");
		struct err e = {0};

		assert_int_equal(store_open_as(&o, &m->store, &e), ERR_STORE);
		assert_int_equal(e.cause, CAUSE_HELD);
		made_lock_drop(&lock);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_holds_a_file_of_the_store_is_named),
		TEST(who_cannot_be_known_is_another_program),
		TEST(who_waits_says_for_whom_and_goes_on_when_that_lets_go),
		TEST(a_store_that_is_held_is_not_opened_and_no_file_is_blamed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
