/* SPDX-License-Identifier: MIT */
#include "tests/unit/hook_scratch.h"

#include "base/json.h"
#include "hooks/solver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN    "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
#define KEY_AUTH TOKEN ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"

/* {"name":"exec","command":[program, argument]}; argument may be NULL. */
static struct json *settings_of(const char *program, const char *argument)
{
	struct json *settings = json_new_map();
	struct json *command = json_new_list();

	json_add_text(command, program);
	if (argument != NULL)
		json_add_text(command, argument);
	json_put_text(settings, "name", "exec");
	json_put(settings, "command", command);
	return settings;
}

static struct solver_task task_of(const struct hook_scratch *s, const struct json *settings,
				  const char *token, const char *key_authorization)
{
	return (struct solver_task){
		.loop = s->loop,
		.settings = settings,
		.type = "http-01",
		.identifier = "a.example",
		.token = token,
		.key_authorization = key_authorization,
	};
}

static void only_http_01_without_a_wildcard_is_handled(void **state)
{
	(void)state;
	assert_true(solver_exec.handles("http-01", false));
	assert_false(solver_exec.handles("http-01", true));
	assert_false(solver_exec.handles("dns-01", false));
}

/* Prints what a hook is told, each on a line. */
#define TELL "echo \"args $*\"; env | grep ^EVERLEAF_ | sort"

static void a_program_is_told_what_to_present_and_what_to_withdraw(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_JSON struct json *settings = settings_of(scratch_script(s, "script", TELL), "-v");
	struct solver_task task = task_of(s, settings, TOKEN, KEY_AUTH);

	solver_exec.present(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_NONE);
	assert_string_equal(s->output, "args -v present\n"
				       "EVERLEAF_ACTION=present\n"
				       "EVERLEAF_IDENTIFIER=a.example\n"
				       "EVERLEAF_KEY_AUTHORIZATION=" KEY_AUTH "\n"
				       "EVERLEAF_TOKEN=" TOKEN "\n"
				       "EVERLEAF_TYPE=http-01\n");
	task.key_authorization = NULL;
	solver_exec.withdraw(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_NONE);
	assert_string_equal(s->output, "args -v withdraw\n"
				       "EVERLEAF_ACTION=withdraw\n"
				       "EVERLEAF_IDENTIFIER=a.example\n"
				       "EVERLEAF_TOKEN=" TOKEN "\n"
				       "EVERLEAF_TYPE=http-01\n");
}

static void a_program_that_fails_has_not_presented(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_JSON struct json *settings =
		settings_of(scratch_script(s, "script", "echo no such zone; exit 1"), NULL);
	struct solver_task task = task_of(s, settings, TOKEN, KEY_AUTH);

	solver_exec.present(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_CHILD);
	assert_non_null(strstr(s->answer.text, "ended with exit code 1: no such zone"));
}

static void nothing_a_ca_sends_reaches_a_program_unless_it_is_a_token(void **state)
{
	struct hook_scratch *s = *state;
	static const char *const evil[] = {
		NULL,
		"",
		"$(id)AAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAA;id",
		"AAAAAAAAAAAAAAAAAAAAAA\nEVERLEAF_X=1",
		"../AAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAA", /* 21 */
	};
	AUTO_FREE char *body = mem_printf("echo ran >%s/ran", s->dir);
	AUTO_JSON struct json *settings = settings_of(scratch_script(s, "script", body), NULL);

	for (size_t i = 0; i < COUNT_OF(evil); i++) {
		struct solver_task task = task_of(s, settings, evil[i], KEY_AUTH);
		AUTO_FREE char *ran = NULL;

		solver_exec.present(&task, scratch_done, s);
		assert_int_equal(scratch_await(s), ERR_PROTOCOL);
		solver_exec.withdraw(&task, scratch_done, s);
		assert_int_equal(scratch_await(s), ERR_PROTOCOL);
		ran = scratch_read(scratch_path(s, "ran"));
		assert_string_equal(ran, "");
	}
}

static const struct {
	const char *settings;
	const char *says; /* part of the sentence; NULL: fine */
} commands[] = {
	{"{\"command\":[\"/bin/true\"]}", NULL},
	{"{\"command\":[\"/bin/sh\",\"-c\",\"true\"]}", NULL}, /* a shell has to be asked for */
	{"{}", "has to be a list"},
	{"{\"command\":null}", "has to be a list"},
	{"{\"command\":\"/bin/true\"}", "has to be a list"}, /* no text that somebody would split */
	{"{\"command\":{}}", "has to be a list"},
	{"{\"command\":[]}", "has to be a list"},
	{"{\"command\":[1]}", "item 1 of \"command\" is no text"},
	{"{\"command\":[\"/bin/true\",null]}", "item 2 of \"command\" is no text"},
	{"{\"command\":[\"true\"]}", "by its full path"},
	{"{\"command\":[\"\"]}", "by its full path"},
	{"{\"command\":[\"/nowhere/program\"]}", "No such file or directory"},
	{"{\"command\":[\"/etc\"]}", "is a directory"},
	{"{\"command\":[\"/etc/passwd\"]}", "is not executable"},
};

static void a_command_that_cannot_work_is_found_before_a_ca_is_asked(void **state)
{
	struct hook_scratch *s = *state;

	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		AUTO_JSON struct json *settings = NULL;
		struct solver_task task;
		struct err e = {0};
		int want = commands[i].says == NULL ? 0 : ERR_CONFIG;

		assert_int_equal(json_parse(commands[i].settings, strlen(commands[i].settings),
					    &settings, &e),
				 0);
		assert_int_equal(solver_exec.check(settings, &e), want);
		if (want != 0 && strstr(e.text, commands[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", e.text, commands[i].says);
		task = task_of(s, settings, TOKEN, KEY_AUTH);
		solver_exec.present(&task, scratch_done, s); /* and nobody has to have checked */
		assert_int_equal(scratch_await(s), want);
	}
}

static void a_program_may_have_64_arguments_at_most(void **state)
{
	AUTO_JSON struct json *settings = json_new_map();
	struct json *command = json_new_list();
	struct err e = {0};

	(void)state;
	for (int i = 0; i < 65; i++)
		json_add_text(command, "/bin/true");
	json_put(settings, "command", command);
	assert_int_equal(solver_exec.check(settings, &e), ERR_CONFIG);
}

#define SCRATCH_TEST(test)                                                                         \
	cmocka_unit_test_setup_teardown(test, hook_scratch_setup, hook_scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_http_01_without_a_wildcard_is_handled),
		SCRATCH_TEST(a_program_is_told_what_to_present_and_what_to_withdraw),
		SCRATCH_TEST(a_program_that_fails_has_not_presented),
		SCRATCH_TEST(nothing_a_ca_sends_reaches_a_program_unless_it_is_a_token),
		SCRATCH_TEST(a_command_that_cannot_work_is_found_before_a_ca_is_asked),
		cmocka_unit_test(a_program_may_have_64_arguments_at_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
