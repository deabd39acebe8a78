/* SPDX-License-Identifier: MIT
 *
 * test_err — errors and the escaping that keeps them, and log lines, harmless to read.
 */
#include "tests/unit.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What an operator's terminal gets to see of bytes from outside. */
static const struct {
	const char *in;
	const char *want;
} escapes[] = {
	{"", ""},
	{"plain text, 100 %", "plain text, 100 %"},
	{"a\\b", "a\\b"},                           /* a backslash stays: escaping twice is safe */
	{"\\x0a", "\\x0a"},                         /* … also of what was escaped before */
	{"zwölf Bücher — ok", "zwölf Bücher — ok"}, /* two and three bytes */
	{"\xf0\x9f\x94\x92", "\xf0\x9f\x94\x92"},   /* four bytes, printable */
	{"line\nline\r\n", "line\\x0aline\\x0d\\x0a"}, /* no second log line */
	{"\t\x1b[31mred", "\\x09\\x1b[31mred"},        /* terminal sequences */
	{"\x7f", "\\x7f"},                             /* DEL */
	{"\xc2\x9b"
	 "31m",
	 "\\xc2\\x9b"
	 "31m"}, /* C1 CSI as UTF-8 */
	{"\x9b"
	 "31m",
	 "\\x9b"
	 "31m"},                          /* C1 CSI as one byte */
	{"\xc2\xa0", "\xc2\xa0"},         /* the first one after C1 stays */
	{"\xe2\x80\x8d", "\xe2\x80\x8d"}, /* U+200D, just below the bidi marks */
	{"\xe2\x80\x8e\xe2\x80\x8f", "\\xe2\\x80\\x8e\\xe2\\x80\\x8f"}, /* U+200E, U+200F */
	{"\xe2\x80\xa8", "\\xe2\\x80\\xa8"},                            /* U+2028 line separator */
	{"\xe2\x80\xa9", "\\xe2\\x80\\xa9"}, /* U+2029 paragraph separator */
	{"\xe2\x80\xaa", "\\xe2\\x80\\xaa"}, /* U+202A */
	{"\xe2\x80\xae"
	 "txt.exe",
	 "\\xe2\\x80\\xae"
	 "txt.exe"},                                  /* U+202E */
	{"\xe2\x80\xaf", "\xe2\x80\xaf"},             /* U+202F is a space */
	{"\xe2\x81\xa5", "\xe2\x81\xa5"},             /* U+2065, just below the isolates */
	{"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},          /* U+2066 */
	{"\xe2\x81\xa9", "\\xe2\\x81\\xa9"},          /* U+2069 */
	{"\xd8\x9c", "\\xd8\\x9c"},                   /* U+061C Arabic letter mark */
	{"\xff", "\\xff"},                            /* never in UTF-8 */
	{"\xc0\xaf", "\\xc0\\xaf"},                   /* overlong "/" */
	{"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},          /* overlong, three bytes */
	{"\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"}, /* overlong, four bytes */
	{"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* a surrogate */
	{"\xf4\x8f\xbf\xbd", "\xf4\x8f\xbf\xbd"},     /* near the end of Unicode */
	{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* beyond it */
	{"\xc3", "\\xc3"},                            /* cut off at the end */
	{"\xc3(", "\\xc3("},                          /* cut off in the middle */
	{"\xe2\x82"
	 "A",
	 "\\xe2\\x82"
	 "A"}, /* two of three bytes */
};

static void bytes_that_could_mislead_a_reader_are_escaped(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(escapes); i++) {
		AUTO_FREE char *got = text_escape_new(escapes[i].in, strlen(escapes[i].in));
		char again[128];

		assert_string_equal(got, escapes[i].want);
		assert_int_equal(text_escape(got, strlen(got), again, sizeof(again)), strlen(got));
		assert_string_equal(again, got);
	}
}

static void a_nul_byte_inside_a_text_is_escaped_and_does_not_end_it(void **state)
{
	AUTO_FREE char *got = text_escape_new("a\0b", 3);

	(void)state;
	assert_string_equal(got, "a\\x00b");
}

static const struct {
	const char *in;
	size_t size;
	const char *want;
} cuts[] = {
	{"abcdef", 7, "abcdef"}, /* fits exactly */
	{"abcdefg", 7, "abc…"},  /* one too many */
	{"abcdef", 4, "…"},      /* only the ellipsis fits */
	{"abcdef", 3, ""},       /* not even that */
	{"abcdef", 1, ""},       /* the NUL alone */
	{"", 1, ""},
	{"abäöü", 8, "abä…"},         /* eight bytes do not fit into seven: 4 + 3 */
	{"abcä€€", 9, "abcä…"},       /* never half a character */
	{"ab\n\n\n", 10, "ab\\x0a…"}, /* never half an escape */
	{"\n\n", 8, "\\x0a…"},
};

static void a_text_that_does_not_fit_is_cut_at_a_character(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cuts); i++) {
		char out[32];
		size_t len;

		memset(out, '#', sizeof(out));
		len = text_escape(cuts[i].in, strlen(cuts[i].in), out, cuts[i].size);
		assert_string_equal(out, cuts[i].want);
		assert_int_equal(len, strlen(cuts[i].want));
		assert_int_equal(out[cuts[i].size], '#'); /* nothing behind the end */
	}
}

static void an_error_holds_its_sentence_and_nothing_of_the_one_before(void **state)
{
	struct err e = {.code = ERR_BUSY, .retry_at = 17, .type = "rateLimited", .text = "old"};

	(void)state;
	assert_int_equal(err_set(&e, ERR_CONFIG, "%s is not a directory\n", "/a"), ERR_CONFIG);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_int_equal(e.retry_at, 0);
	assert_string_equal(e.type, "");
	assert_string_equal(e.text, "/a is not a directory\\x0a");
}

static void an_error_without_a_place_to_put_it_still_has_its_code(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_NET, "x"), ERR_NET);
	assert_int_equal(err_sys(NULL, ERR_SYS, "x"), ERR_SYS);
	assert_int_equal(err_while(NULL, "x"), ERR_BUG);
}

static void a_long_error_is_cut_with_an_ellipsis(void **state)
{
	AUTO_FREE char *longest = mem_new(5001);
	struct err e = {0};

	(void)state;
	memset(longest, 'a', 5000);
	longest[4999] = '\n';
	err_set(&e, ERR_NET, "%s", longest);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_string_equal(e.text + sizeof(e.text) - 1 - strlen("a…"), "a…");
}

static void the_old_text_may_be_an_argument_of_the_new_one(void **state)
{
	struct err e = {0};

	(void)state;
	err_set(&e, ERR_NET, "first");
	err_set(&e, ERR_STORE, "second after %s", e.text);
	assert_string_equal(e.text, "second after first");
}

static void the_reason_of_the_system_survives_a_path_of_any_length(void **state)
{
	AUTO_FREE char *path = mem_new(4097);
	struct err e = {0};

	(void)state;
	memset(path, 'p', 4096);
	errno = ENOENT;
	assert_int_equal(err_sys(&e, ERR_SYS, "cannot open %s", path), ERR_SYS);
	assert_non_null(strstr(e.text, "…: No such file or directory"));
	errno = EACCES;
	err_sys(&e, ERR_CONFIG, "cannot open %s", "/x");
	assert_string_equal(e.text, "cannot open /x: Permission denied");
}

static void what_we_were_doing_stands_in_front_and_changes_nothing_else(void **state)
{
	struct err e = {
		.code = ERR_BUSY, .retry_at = 99, .type = "rateLimited", .text = "too many"};

	(void)state;
	assert_int_equal(err_while(&e, "while reading order %d", 17), ERR_BUSY);
	assert_string_equal(e.text, "while reading order 17: too many");
	assert_int_equal(e.retry_at, 99);
	assert_string_equal(e.type, "rateLimited");
}

static void every_code_has_a_name_that_leads_back_to_it(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_CODES; i++) {
		const char *name = err_code_name((enum err_code) - i);

		assert_string_not_equal(name, "unknown");
		assert_int_equal(err_code_parse(name), -i);
	}
	assert_string_equal(err_code_name(ERR_BUSY), "busy");
	assert_string_equal(err_code_name(ERR_BUG), "bug");
	assert_non_null(err_code_name((enum err_code) - ERR_CODES));
	assert_non_null(err_code_name((enum err_code)1));
	assert_int_equal(err_code_parse("unknown"), ERR_NONE);
	assert_int_equal(err_code_parse("NET"), ERR_NONE);
	assert_int_equal(err_code_parse(NULL), ERR_NONE);
}

/* Calls log_line with stderr in a pipe; returns what came out in out (a text). */
static void catch_line(enum log_level level, const char *text, char *out, size_t size)
{
	int pipe_fds[2];
	int real = dup(STDERR_FILENO);
	ssize_t got;

	assert_int_equal(pipe(pipe_fds), 0);
	assert_true(real >= 0 && dup2(pipe_fds[1], STDERR_FILENO) >= 0);
	close(pipe_fds[1]);
	log_line(level, "%s", text);
	dup2(real, STDERR_FILENO);
	close(real);
	got = read(pipe_fds[0], out, size - 1);
	close(pipe_fds[0]);
	assert_true(got >= 0);
	out[got] = '\0';
}

/* PIPE_BUF, less the room that a priority would take. */
#define LONGEST_LINE (4096 - 3)

static void every_cause_has_a_name_that_leads_back_to_it(void **state)
{
	struct err e = {0};

	(void)state;
	for (int i = 0; i < ERR_CAUSES; i++)
		assert_int_equal(err_cause_parse(err_cause_name((enum err_cause)i)), i);
	assert_int_equal(err_cause_parse("rejectedIdentifier"), CAUSE_NONE);
	err_set(&e, ERR_NET, "gone");
	assert_int_equal(err_because(&e, CAUSE_INTERRUPTED), ERR_NET);
	assert_string_equal(e.type, "");
	err_set(&e, ERR_NET, "again");
	assert_int_equal(e.cause, CAUSE_NONE);
}

static void a_log_line_is_one_line_whatever_is_in_it(void **state)
{
	AUTO_FREE char *longest = mem_new(9001);
	char out[8192];

	(void)state;
	catch_line(LOG_NOTICE, "CA says: no\neverleaf: all is well", out, sizeof(out));
	assert_string_equal(out, "everleaf: CA says: no\\x0aeverleaf: all is well\n");
	memset(longest, 'a', 9000);
	catch_line(LOG_ERROR, longest, out, sizeof(out));
	assert_int_equal(strlen(out), LONGEST_LINE);
	assert_string_equal(out + LONGEST_LINE - strlen("a…\n"), "a…\n");
}

static void what_is_above_the_level_is_not_logged(void **state)
{
	char out[64];

	(void)state;
	catch_line(LOG_INFO, "arrow", out, sizeof(out));
	assert_string_equal(out, "");
	log_level = LOG_INFO;
	catch_line(LOG_INFO, "arrow", out, sizeof(out));
	log_level = LOG_NOTICE;
	assert_string_equal(out, "everleaf: arrow\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_that_could_mislead_a_reader_are_escaped),
		cmocka_unit_test(a_nul_byte_inside_a_text_is_escaped_and_does_not_end_it),
		cmocka_unit_test(a_text_that_does_not_fit_is_cut_at_a_character),
		cmocka_unit_test(an_error_holds_its_sentence_and_nothing_of_the_one_before),
		cmocka_unit_test(an_error_without_a_place_to_put_it_still_has_its_code),
		cmocka_unit_test(a_long_error_is_cut_with_an_ellipsis),
		cmocka_unit_test(the_old_text_may_be_an_argument_of_the_new_one),
		cmocka_unit_test(the_reason_of_the_system_survives_a_path_of_any_length),
		cmocka_unit_test(what_we_were_doing_stands_in_front_and_changes_nothing_else),
		cmocka_unit_test(every_code_has_a_name_that_leads_back_to_it),
		cmocka_unit_test(every_cause_has_a_name_that_leads_back_to_it),
		cmocka_unit_test(a_log_line_is_one_line_whatever_is_in_it),
		cmocka_unit_test(what_is_above_the_level_is_not_logged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
