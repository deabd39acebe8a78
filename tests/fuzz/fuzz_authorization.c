/* SPDX-License-Identifier: MIT
 *
 * fuzz_authorization — the same text as an authorization and as a challenge: what is taken of
 * either can be answered without looking at it again.
 */
#include "tests/fuzz/fuzz.h"

#include "acme/identifier.h"
#include "acme/types.h"
#include "base/base64url.h"

#include <string.h>

static void check_challenge(const struct acme_challenge *c)
{
	FUZZ_MUST(c->type != NULL);
	fuzz_must_be_url(c->url);
	FUZZ_MUST((int)c->status >= ACME_UNKNOWN && c->status < ACME_STATUSES);
	if (acme_token_ok(c->token))
		FUZZ_MUST(base64url_is(c->token) && strlen(c->token) >= 22 &&
			  strlen(c->token) <= 128);
}

static void check_authorization(const struct acme_authorization *a)
{
	FUZZ_MUST(a->status > ACME_UNKNOWN && a->status < ACME_STATUSES);
	FUZZ_MUST(a->expires >= 0);
	fuzz_must_be_name(a->identifier);
	FUZZ_MUST(!identifier_is_wildcard(a->identifier));
	FUZZ_MUST(a->challenge_count <= ACME_MAX_CHALLENGES);
	for (size_t i = 0; i < a->challenge_count; i++)
		check_challenge(&a->challenges[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_AUTHORIZATION struct acme_authorization *a = NULL;
	AUTO_CHALLENGE struct acme_challenge *c = NULL;
	struct err e = {0};
	int r = acme_authorization_parse((const char *)data, size, &a, &e);

	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	FUZZ_MUST((r == 0) == (a != NULL));
	if (a != NULL)
		check_authorization(a);

	e = (struct err){0};
	r = acme_challenge_parse((const char *)data, size, &c, &e);
	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	FUZZ_MUST((r == 0) == (c != NULL));
	if (c != NULL)
		check_challenge(c);
	return 0;
}
