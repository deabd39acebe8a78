/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "agent/words.h"

#include <string.h>
#include <unistd.h>

/* What an operator types for a program, and what is started. */
static const struct {
	const char *typed;
	const char *want; /* joined by '|'; NULL: refused */
} rows[] = {
	{"/bin/x", "/bin/x"},
	{"  /bin/x  a\tb\n", "/bin/x|a|b"},
	{"/bin/x 'two words' \"three more words\"", "/bin/x|two words|three more words"},
	{"/bin/x a'b c'd", "/bin/x|ab cd"},
	{"/bin/x ''", "/bin/x|"},
	{"/bin/x \\$HOME '$HOME' \"$HOME\"", "/bin/x|$HOME|$HOME|$HOME"}, /* text, never a value */
	{"/bin/x 'a\\b' \"a\\\"b\" a\\ b", "/bin/x|a\\b|a\"b|a b"},
	{"/bin/sh -c 'a && b; c | d'", "/bin/sh|-c|a && b; c | d"},
	{"/bin/x a=b %s --flag=1", "/bin/x|a=b|%s|--flag=1"},
	{"", NULL},
	{"   ", NULL},
	{"/bin/x 'open", NULL},
	{"/bin/x \"open", NULL},
	{"/bin/x && /bin/y", NULL}, /* only a shell would understand these */
	{"/bin/x; /bin/y", NULL},
	{"/bin/x | /bin/y", NULL},
	{"/bin/x > file", NULL},
	{"/bin/x < file", NULL},
	{"/bin/x $HOME", NULL},
	{"/bin/x `id`", NULL},
	{"/bin/x *.pem", NULL},
	{"no-such-program-anywhere", NULL},
};

static void a_command_is_split_without_a_shell_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct strlist words AUTO_STRLIST = {0};
		AUTO_FREE char *got = NULL;
		struct err e = {0};
		int r = words_command(rows[i].typed, &words, &e);

		if ((r == 0) != (rows[i].want != NULL))
			fail_msg("\"%s\": %d %s", rows[i].typed, r, e.text);
		if (r != 0) {
			assert_int_equal(r, ERR_CONFIG);
			assert_true(e.text[0] != '\0');
			continue;
		}
		got = strlist_join(&words, "|");
		assert_string_equal(got, rows[i].want);
	}
}

static void a_program_without_a_path_is_found_where_hooks_look(void **state)
{
	struct strlist words AUTO_STRLIST = {0};

	(void)state;
	assert_int_equal(words_command("sh -c true", &words, NULL), 0);
	assert_int_equal(words.items[0][0], '/');
	assert_string_equal(strrchr(words.items[0], '/'), "/sh");
}

static void a_relative_path_is_remembered_as_an_absolute_one(void **state)
{
	AUTO_FREE char *here = getcwd(NULL, 0);
	AUTO_FREE char *want = mem_printf("%s/a/b", here);
	AUTO_FREE char *got = words_path("a/b");
	AUTO_FREE char *same = words_path("/a/b");

	(void)state;
	assert_string_equal(got, want);
	assert_string_equal(same, "/a/b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_split_without_a_shell_or_refused),
		cmocka_unit_test(a_program_without_a_path_is_found_where_hooks_look),
		cmocka_unit_test(a_relative_path_is_remembered_as_an_absolute_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
