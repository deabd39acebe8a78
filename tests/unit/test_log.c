/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOW    1795000000
#define HORROR "\"}\nlevel=error msg=forged\r\x1b[31m\\ \xe2\x80\xae\xff"

static const struct log_about about = {"certificate", "www.example.org", "order", 17};

static const char *printed(const char *format, const struct log_about *of, const char *message)
{
	static char line[4096 + 1];
	const struct log_entry entry = {LOG_ERROR, of, message, NOW};
	size_t len;

	assert_true(log_set_format(format));
	len = log_print(&entry, line, 4096);
	assert_in_range(len, 1, 4096);
	line[len] = '\0';
	assert_int_equal(line[len - 1], '\n');
	assert_ptr_equal(strchr(line, '\n'), line + len - 1); /* one line, whatever was said */
	return line;
}

static void a_line_is_printed_in_three_forms(void **state)
{
	(void)state;
	assert_string_equal(printed("text", &about, "it failed"),
			    "everleaf: www.example.org: it failed\n");
	assert_string_equal(printed("text", NULL, "it failed"), "everleaf: it failed\n");
	assert_string_equal(printed("kv", &about, "it failed"),
			    "level=error certificate=www.example.org order=17 msg=\"it failed\"\n");
	assert_string_equal(printed("kv", NULL, "it failed"), "level=error msg=\"it failed\"\n");
	assert_string_equal(
		printed("json", &about, "it failed"),
		"{\"time\":\"2026-11-18T11:06:40Z\",\"level\":\"error\","
		"\"certificate\":\"www.example.org\",\"order\":17,\"msg\":\"it failed\"}\n");
	assert_false(log_set_format("xml"));
	assert_false(log_set_format(NULL));
}

static void foreign_text_stays_inside_its_field(void **state)
{
	const struct log_about evil = {"ca", "https://x/\" level=notice\n\xe2\x80\xae", "account",
				       1};
	const char *line;

	(void)state;
	assert_string_equal(printed("kv", &about, HORROR),
			    "level=error certificate=www.example.org order=17 msg=\"\\\"}\\\\x0a"
			    "level=error msg=forged\\\\x0d\\\\x1b[31m\\\\ \\\\xe2\\\\x80\\\\xae"
			    "\\\\xff\"\n");
	line = printed("kv", &evil, "x");
	assert_non_null(strstr(line, " ca=\"https://x/\\\" level=notice\\\\x0a"));
	assert_non_null(strstr(printed("text", &evil, HORROR), "\\x0alevel=error"));
}

static void every_json_line_can_be_parsed_and_says_what_was_said(void **state)
{
	const struct log_about evil = {"ca", HORROR, "account", 1};
	const char *line = printed("json", &evil, HORROR);
	AUTO_JSON struct json *j = NULL;

	(void)state;
	assert_int_equal(json_parse(line, strlen(line), &j, NULL), 0);
	assert_string_equal(json_get_text(j, "msg"),
			    "\"}\\x0alevel=error msg=forged\\x0d\\x1b[31m\\ \\xe2\\x80\\xae\\xff");
	assert_string_equal(json_get_text(j, "ca"), json_get_text(j, "msg"));
}

static void a_line_that_is_too_long_is_cut_in_its_message(void **state)
{
	static const char *const formats[] = {"text", "kv", "json"};
	static const char *const units[] = {"a", "\"", "\\", "\n", "é", "…", "\xff"};
	char label[1024];
	const struct log_about long_about = {"ca", label, "account", INT64_MIN};

	(void)state;
	memset(label, '"', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	for (size_t f = 0; f < COUNT_OF(formats); f++)
		for (size_t u = 0; u < COUNT_OF(units); u++)
			for (size_t size = LOG_LINE_MIN; size < LOG_LINE_MIN + 40; size++) {
				struct buf message AUTO_BUF = {0};
				struct log_entry entry = {LOG_DEBUG, &long_about, NULL, NOW};
				AUTO_FREE char *line = mem_new(size); /* ASan watches its end */
				AUTO_JSON struct json *j = NULL;
				size_t len;

				buf_init(&message, 8192);
				while (message.len < 4096)
					(void)buf_add_text(&message, units[u]);
				entry.message = message.data;
				assert_true(log_set_format(formats[f]));
				len = log_print(&entry, line, size);
				assert_in_range(len, size / 2, size);
				assert_int_equal(line[len - 1], '\n');
				if (f == 2)
					assert_int_equal(json_parse(line, len, &j, NULL), 0);
				if (f == 1)
					assert_int_equal(line[len - 2], '"');
			}
}

static size_t all_that_was_said(int fd, char text[4096])
{
	ssize_t got = read(fd, text, 4095);

	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t)got : 0;
}

static void what_is_held_is_said_at_the_end_and_in_order(void **state)
{
	char text[4096];
	int before = dup(STDERR_FILENO);
	int ends[2];
	size_t during, after;

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	assert_true(log_set_format("text"));
	fflush(stderr);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	log_hold();
	log_line(LOG_ERROR, "first");
	log_line(LOG_ERROR, "second");
	during = all_that_was_said(ends[0], text);
	log_release();
	log_line(LOG_ERROR, "third");
	log_hold();
	log_release();
	after = all_that_was_said(ends[0], text);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	close(before);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(during, 0);
	assert_int_equal(after, strlen(text));
	assert_string_equal(text, "everleaf: first\neverleaf: second\neverleaf: third\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_printed_in_three_forms),
		cmocka_unit_test(foreign_text_stays_inside_its_field),
		cmocka_unit_test(every_json_line_can_be_parsed_and_says_what_was_said),
		cmocka_unit_test(a_line_that_is_too_long_is_cut_in_its_message),
		cmocka_unit_test(what_is_held_is_said_at_the_end_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
