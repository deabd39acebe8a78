/* SPDX-License-Identifier: MIT
 *
 * fuzz_json — what is read keeps the limits, and printing it loses nothing.
 */
#include "tests/fuzz/fuzz.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

struct seen {
	size_t depth;
	size_t nodes;
};

static void check_value(struct seen *seen, const struct json *v);

static void check_member(void *arg, const char *key, const struct json *value)
{
	FUZZ_MUST(strlen(key) <= JSON_MAX_STRING);
	check_value(arg, value);
}

static void check_value(struct seen *seen, const struct json *v)
{
	const char *text = json_text(v);
	bool inner = json_is_map(v) || json_is_list(v);

	FUZZ_MUST(++seen->nodes <= JSON_MAX_NODES);
	FUZZ_MUST(text == NULL || strlen(text) <= JSON_MAX_STRING);
	seen->depth += inner;
	FUZZ_MUST(seen->depth <= JSON_MAX_DEPTH);
	json_each(json_is_map(v) ? v : NULL, check_member, seen);
	for (size_t i = 0; i < json_count(v); i++)
		check_value(seen, json_at(v, i));
	seen->depth -= inner;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_JSON struct json *v = NULL;
	AUTO_JSON struct json *again = NULL;
	AUTO_FREE char *printed = NULL;
	AUTO_FREE char *twice = NULL;
	struct seen seen = {0};
	struct err e = {0};
	int r = json_parse((const char *)data, size, &v, &e);

	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	FUZZ_MUST((r == 0) == (v != NULL));
	if (r != 0)
		return 0;
	FUZZ_MUST(json_is_map(v) || json_is_list(v));
	check_value(&seen, v);
	printed = json_print(v, false);
	FUZZ_MUST(json_parse(printed, strlen(printed), &again, NULL) == 0);
	twice = json_print(again, false);
	FUZZ_MUST(strcmp(printed, twice) == 0);
	return 0;
}
