/* SPDX-License-Identifier: MIT
 *
 * fuzz_http01 — a token is a token, and more bytes never change a verdict that was given.
 */
#include "tests/fuzz/fuzz.h"

#include "agent/http01_request.h"
#include "base/base64url.h"

#include <string.h>

static void check_request(const struct http01_request *r)
{
	size_t len = strlen(r->token);

	FUZZ_MUST(len == 0 || (len >= HTTP01_MIN_TOKEN && len <= HTTP01_MAX_TOKEN));
	FUZZ_MUST(len == 0 || base64url_is(r->token));
}

/* The first cut bytes came first: their verdict, unless it was to wait, is that of all. */
static void check_part(const uint8_t *data, size_t cut, enum http01_verdict whole,
		       const struct http01_request *want)
{
	struct http01_request r = {0};
	enum http01_verdict verdict = http01_request_parse((const char *)data, cut, &r);

	FUZZ_MUST(verdict == HTTP01_INCOMPLETE || verdict == whole);
	if (verdict == HTTP01_COMPLETE)
		FUZZ_MUST(memcmp(&r, want, sizeof(r)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http01_request untouched = {.token = "untouched"};
	struct http01_request r = untouched;
	enum http01_verdict whole = http01_request_parse((const char *)data, size, &r);

	if (whole == HTTP01_COMPLETE)
		check_request(&r);
	else
		FUZZ_MUST(memcmp(&r, &untouched, sizeof(r)) == 0);
	FUZZ_MUST(whole != HTTP01_INCOMPLETE || size < HTTP01_MAX_REQUEST);
	check_part(data, size / 2, whole, &r);
	check_part(data, size > 0 ? size - 1 : 0, whole, &r);
	return 0;
}
