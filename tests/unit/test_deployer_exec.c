/* SPDX-License-Identifier: MIT */
#include "tests/unit/hook_scratch.h"

#include "base/json.h"
#include "hooks/deployer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_program(struct json *settings, const char *member, const char *program,
			const char *argument)
{
	struct json *command = json_new_list();

	json_add_text(command, program);
	if (argument != NULL)
		json_add_text(command, argument);
	json_put(settings, member, command);
}

static struct json *settings_of(const char *program, const char *argument)
{
	struct json *settings = json_new_map();

	put_program(settings, "command", program, argument);
	return settings;
}

static struct deployer_task task_of(const struct hook_scratch *s, const struct json *settings,
				    const struct strlist *names)
{
	return (struct deployer_task){
		.loop = s->loop,
		.settings = settings,
		.certificate = "shop",
		.names = names,
		.version = 42,
		.serial = "0A3F",
		.not_before = 1700000000,
		.not_after = 1707776000,
		.leaf = "",
		.chain = "",
		.key_fd = -1,
	};
}

#define TELL "echo \"args $*\"; env | grep -E '^(EVERLEAF|RENEWED)_' | sort"

#define TOLD                                                                                       \
	"EVERLEAF_NAMES=*.b.example a.example\n"                                                   \
	"EVERLEAF_NOT_AFTER=2024-02-12T22:13:20Z\n"                                                \
	"EVERLEAF_NOT_BEFORE=2023-11-14T22:13:20Z\n"                                               \
	"EVERLEAF_SERIAL=0A3F\n"                                                                   \
	"EVERLEAF_VERSION=42\n"

static void a_reload_is_told_what_was_installed(void **state)
{
	struct hook_scratch *s = *state;
	struct strlist names AUTO_STRLIST = {0};
	AUTO_JSON struct json *settings = settings_of(scratch_script(s, "script", TELL), "nginx");
	struct deployer_task task = task_of(s, settings, &names);

	strlist_add(&names, "*.b.example");
	strlist_add(&names, "a.example");
	deployer_exec.reload(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_NONE);
	assert_string_equal(s->output, "args nginx\n"
				       "EVERLEAF_CERTIFICATE=shop\n" TOLD);
}

static void hooks_written_for_certbot_find_their_directory(void **state)
{
	struct hook_scratch *s = *state;
	struct strlist names AUTO_STRLIST = {0};
	AUTO_JSON struct json *settings = settings_of(scratch_script(s, "script", TELL), NULL);
	struct deployer_task task = task_of(s, settings, &names);

	strlist_add(&names, "*.b.example");
	strlist_add(&names, "a.example");
	task.directory = "/etc/shop";
	deployer_exec.reload(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_NONE);
	assert_string_equal(s->output, "args \n"
				       "EVERLEAF_CERTIFICATE=shop\n"
				       "EVERLEAF_DIRECTORY=/etc/shop\n" TOLD
				       "RENEWED_DOMAINS=*.b.example a.example\n"
				       "RENEWED_LINEAGE=/etc/shop\n");
}

static void a_reload_that_fails_says_why(void **state)
{
	struct hook_scratch *s = *state;
	struct strlist names AUTO_STRLIST = {0};
	AUTO_JSON struct json *settings =
		settings_of(scratch_script(s, "script", "echo 'syntax error' >&2; exit 1"), NULL);
	struct deployer_task task = task_of(s, settings, &names);

	deployer_exec.reload(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_CHILD);
	assert_string_equal(s->output, "syntax error\n");
	assert_non_null(strstr(s->answer.text, "ended with exit code 1: syntax error"));
}

static void a_check_judges_the_program_and_does_not_run_it(void **state)
{
	struct hook_scratch *s = *state;
	struct strlist names AUTO_STRLIST = {0};
	AUTO_FREE char *body = mem_printf("echo ran >%s/ran", s->dir);
	AUTO_JSON struct json *good = settings_of(scratch_script(s, "good", body), NULL);
	AUTO_JSON struct json *bad =
		settings_of(scratch_write(s, "bad", "#!/bin/sh\n", 0777), NULL);
	AUTO_JSON struct json *none = json_new_map();
	struct deployer_task task = task_of(s, good, &names);
	AUTO_FREE char *ran = NULL;

	deployer_exec.check(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_NONE);
	ran = scratch_read(scratch_path(s, "ran"));
	assert_string_equal(ran, "");
	task.settings = bad;
	deployer_exec.check(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_CONFIG);
	assert_non_null(strstr(s->answer.text, "others may write to it"));
	task.settings = none;
	deployer_exec.check(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_CONFIG);
	deployer_exec.reload(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_CONFIG);
}

static void a_reload_for_several_hears_of_no_certificate(void **state)
{
	struct hook_scratch *s = *state;
	struct strlist names AUTO_STRLIST = {0};
	AUTO_JSON struct json *settings = json_new_map();
	struct deployer_task task = task_of(s, settings, &names);

	put_program(
		settings, "reload",
		scratch_script(s, "script", "echo \"args $*\"; env | grep -c EVERLEAF_ || true"),
		"nginx");
	deployer_exec.reload(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_NONE);
	assert_string_equal(s->output, "args nginx\n0\n");
}

static void a_check_of_the_operators_is_told_what_was_installed_and_can_fail(void **state)
{
	struct hook_scratch *s = *state;
	struct strlist names AUTO_STRLIST = {0};
	AUTO_JSON struct json *settings = settings_of(scratch_script(s, "reload", "exit 0"), NULL);
	struct deployer_task task = task_of(s, settings, &names);

	put_program(settings, "check",
		    scratch_script(s, "check", "echo \"$1 $EVERLEAF_DIRECTORY\"; exit 1"), "-t");
	task.directory = "/etc/shop";
	deployer_exec.check(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_CHILD);
	assert_string_equal(s->output, "-t /etc/shop\n");
	task.only_looks = true;
	deployer_exec.check(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_NONE);
}

static void a_check_that_cannot_be_run_fails_before_any_is(void **state)
{
	struct hook_scratch *s = *state;
	struct strlist names AUTO_STRLIST = {0};
	AUTO_JSON struct json *settings = settings_of(scratch_script(s, "reload", "exit 0"), NULL);
	struct deployer_task task = task_of(s, settings, &names);

	put_program(settings, "check", "/nonexistent/check", NULL);
	task.only_looks = true;
	deployer_exec.check(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_CONFIG);
	assert_non_null(strstr(s->answer.text, "/nonexistent/check"));
}

static void a_program_installs_nothing(void **state)
{
	(void)state;
	assert_null(deployer_exec.install);
	assert_null(deployer_exec.room);
}

#define SCRATCH_TEST(test)                                                                         \
	cmocka_unit_test_setup_teardown(test, hook_scratch_setup, hook_scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_reload_is_told_what_was_installed),
		SCRATCH_TEST(hooks_written_for_certbot_find_their_directory),
		SCRATCH_TEST(a_reload_that_fails_says_why),
		SCRATCH_TEST(a_check_judges_the_program_and_does_not_run_it),
		SCRATCH_TEST(a_reload_for_several_hears_of_no_certificate),
		SCRATCH_TEST(a_check_of_the_operators_is_told_what_was_installed_and_can_fail),
		SCRATCH_TEST(a_check_that_cannot_be_run_fails_before_any_is),
		cmocka_unit_test(a_program_installs_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
