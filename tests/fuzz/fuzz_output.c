/* SPDX-License-Identifier: MIT
 *
 * fuzz_output — what a program printed reaches the operator three ways: the sentence of its
 * failure, the lines of an event (as text and as JSON), and the log. None lets it write to the
 * terminal what the operator would take for something else.
 */
#include "tests/fuzz/fuzz.h"

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "hooks/child.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "everleaf: "

static void check_sentence(const uint8_t *data, size_t size)
{
	static const struct child_result ends[] = {
		{.exit_code = 1}, {.exit_code = -1, .signal = 9}, {.timed_out = true}};

	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		struct child_result result = ends[i];
		struct err e = {0};
		int r;

		buf_init(&result.output, CHILD_MAX_OUTPUT);
		buf_add(&result.output, data, size);
		r = child_failed("/usr/bin/hook", &result, &e);
		FUZZ_MUST(r == ERR_CHILD);
		fuzz_must_answer(r, &e, ERR_CHILD);
		buf_free(&result.output);
	}
}

/* As history shows it; escaping twice changes nothing. */
static void check_escaped(const char *text, size_t len)
{
	AUTO_FREE char *line = text_escape_new(text, len);
	AUTO_FREE char *twice = text_escape_new(line, strlen(line));
	char cut[20];

	fuzz_must_be_shown(line, 4 * len + 1);
	FUZZ_MUST(strcmp(line, twice) == 0);
	for (size_t size = 1; size <= sizeof(cut); size++) {
		FUZZ_MUST(text_escape(text, len, cut, size) == strlen(cut));
		fuzz_must_be_shown(cut, size);
		FUZZ_MUST(strlen(line) >= size || strcmp(line, cut) == 0);
	}
}

static void check_json(const char *text)
{
	AUTO_JSON struct json *list = json_new_list();
	AUTO_JSON struct json *again = NULL;
	AUTO_FREE char *printed = NULL;
	struct err e = {0};

	json_add_text(list, text);
	printed = json_print(list, false);
	for (const char *c = printed; *c != '\0'; c++)
		FUZZ_MUST((unsigned char)*c >= 0x20);
	if (strlen(printed) <= JSON_MAX_STRING)
		FUZZ_MUST(json_parse(printed, strlen(printed), &again, &e) == 0);
}

/* The line goes into a pipe in place of stderr: it is one write of at most PIPE_BUF bytes. */
static void check_log(const char *text)
{
	static int ends[2] = {-1, -1};
	static int saved = -1;
	char line[PIPE_BUF + 1];
	ssize_t len;

	if (saved < 0) {
		FUZZ_MUST(pipe(ends) == 0);
		saved = dup(STDERR_FILENO);
	}
	dup2(ends[1], STDERR_FILENO);
	log_line(LOG_ERROR, "%s", text);
	dup2(saved, STDERR_FILENO);
	len = read(ends[0], line, sizeof(line));
	FUZZ_MUST(len > 0 && len <= PIPE_BUF && line[len - 1] == '\n');
	line[len - 1] = '\0';
	FUZZ_MUST(strncmp(line, PREFIX, strlen(PREFIX)) == 0);
	fuzz_must_be_shown(line, PIPE_BUF);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = fuzz_text(data, size);

	check_sentence(data, size);
	check_escaped((const char *)data, size);
	check_json(text);
	check_log(text);
	return 0;
}
