/* SPDX-License-Identifier: MIT
 *
 * fuzz_names — each line is a name as somebody typed it. What is taken is canonical, and
 * names are the same set in any order.
 */
#include "tests/fuzz/fuzz.h"

#include "acme/identifier.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void check_case(const char *name)
{
	AUTO_FREE char *upper = mem_str(name);
	AUTO_FREE char *same = NULL;

	for (char *c = upper; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	FUZZ_MUST(identifier_canonical(upper, &same, NULL) == 0);
	FUZZ_MUST(strcmp(same, name) == 0);
}

static void check_one(const char *typed)
{
	AUTO_FREE char *name = NULL;
	struct err e = {0};
	int r = identifier_canonical(typed, &name, &e);

	fuzz_must_answer(r, &e, ERR_CONFIG);
	FUZZ_MUST((r == 0) == (name != NULL));
	if (r != 0)
		return;
	fuzz_must_be_name(name);
	check_case(name);
}

static void check_set(const struct strlist *names)
{
	struct strlist backwards AUTO_STRLIST = {0};
	struct strlist parts AUTO_STRLIST = {0};
	AUTO_FREE char *set = identifier_set(names);
	AUTO_FREE char *same = NULL;

	for (size_t i = names->count; i > 0; i--)
		strlist_add(&backwards, names->items[i - 1]);
	same = identifier_set(&backwards);
	FUZZ_MUST(strcmp(set, same) == 0);
	strlist_add_split(&parts, set, " ");
	FUZZ_MUST(parts.count == names->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = fuzz_text(data, size);
	struct strlist names AUTO_STRLIST = {0};
	struct strlist again AUTO_STRLIST = {0};
	struct err e = {0};
	int r;

	strlist_add_split(&names, text, "\n");
	for (size_t i = 0; i < names.count; i++)
		check_one(names.items[i]);
	r = identifier_list(&names, &e);
	fuzz_must_answer(r, &e, ERR_CONFIG);
	if (r != 0)
		return 0;
	FUZZ_MUST(names.count >= 1 && names.count <= IDENTIFIER_MAX_NAMES);
	strlist_copy(&again, &names);
	FUZZ_MUST(identifier_list(&again, NULL) == 0);
	FUZZ_MUST(strlist_equal(&again, &names));
	check_set(&names);
	return 0;
}
