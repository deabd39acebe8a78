/* SPDX-License-Identifier: MIT
 *
 * fuzz_problem — every body becomes a problem, and every problem a sentence for a terminal.
 */
#include "tests/fuzz/fuzz.h"

#include "acme/retry.h"
#include "acme/types.h"
#include "base/mem.h"

#include <string.h>

#define NOW 1795000000
#define DAY 86400

/* The statuses that mean something of their own to acme/retry.c, and 0: inside a challenge. */
static const int statuses[] = {0, 400, 403, 408, 409, 429, 503};
static const int64_t waits[] = {0, 1, DAY};

static void check_type(const char *type)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_.";

	FUZZ_MUST(strlen(type) < sizeof(((struct err *)0)->type));
	FUZZ_MUST(type[strspn(type, alphabet)] == '\0');
}

static void check_sentence(const struct acme_problem *p, int64_t wait)
{
	struct err e = {0};
	int r = retry_error(p, wait, NOW, &e);

	FUZZ_MUST(r < 0);
	fuzz_must_answer(r, &e, (enum err_code)r);
	FUZZ_MUST(strncmp(e.text, "the CA says: ", 13) == 0);
	FUZZ_MUST(strcmp(e.type, p->type) == 0);
	FUZZ_MUST(e.retry_at == (r == ERR_BUSY ? NOW + wait : 0));
	FUZZ_MUST(r != ERR_BUSY || wait > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_PROBLEM struct acme_problem *p = acme_problem_parse(400, (const char *)data, size);

	FUZZ_MUST(p != NULL && p->status == 400);
	check_type(p->type);
	FUZZ_MUST(p->subproblem_count <= ACME_MAX_AUTHORIZATIONS);
	for (size_t i = 0; i < p->subproblem_count; i++)
		check_type(p->subproblems[i].type);
	for (size_t i = 0; i < COUNT_OF(statuses); i++) {
		p->status = statuses[i];
		check_sentence(p, waits[(i + size) % COUNT_OF(waits)]);
	}
	return 0;
}
