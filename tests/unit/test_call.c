/* SPDX-License-Identifier: MIT */
#include "tests/unit/hook_scratch.h"

#include <string.h>
#include <unistd.h>

static void a_call_hands_on_output_and_failure_of_its_program(void **state)
{
	struct hook_scratch *s = *state;
	struct strlist argv AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv};

	strlist_add(&argv, scratch_script(s, "script", "echo all well; exit $1"));
	strlist_add(&argv, "0");
	hook_call_child(s->loop, &request, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_NONE);
	assert_string_equal(s->output, "all well\n");

	argv.items[1][0] = '4';
	hook_call_child(s->loop, &request, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_CHILD);
	assert_string_equal(s->output, "all well\n");
	assert_non_null(strstr(s->answer.text, "/script ended with exit code 4: all well"));

	unlink(argv.items[0]);
	hook_call_child(s->loop, &request, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_CONFIG);
	assert_null(s->output);
}

static void a_call_that_is_answered_at_once_is_answered_by_the_loop(void **state)
{
	struct hook_scratch *s = *state;
	struct err e = {0};

	hook_call_answer(s->loop, NULL, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_NONE);
	err_set(&e, ERR_CONFIG, "no");
	hook_call_answer(s->loop, &e, scratch_done, s);
	e.text[0] = '?'; /* it was copied */
	assert_int_equal(scratch_await(s), ERR_CONFIG);
	assert_string_equal(s->answer.text, "no");
}

static void a_cancelled_call_never_answers(void **state)
{
	struct hook_scratch *s = *state;
	struct strlist argv AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv};

	hook_call_cancel(NULL);
	hook_call_cancel(hook_call_answer(s->loop, NULL, scratch_done, s));
	strlist_add(&argv, scratch_script(s, "script", "sleep 600"));
	hook_call_cancel(hook_call_child(s->loop, &request, scratch_done, s));
	assert_true(poll_loop_reap(s->poll));
	assert_false(s->answered);
}

#define SCRATCH_TEST(test)                                                                         \
	cmocka_unit_test_setup_teardown(test, hook_scratch_setup, hook_scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_call_hands_on_output_and_failure_of_its_program),
		SCRATCH_TEST(a_call_that_is_answered_at_once_is_answered_by_the_loop),
		SCRATCH_TEST(a_cancelled_call_never_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
