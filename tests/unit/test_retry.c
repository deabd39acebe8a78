/* SPDX-License-Identifier: MIT
 *
 * test_retry — what failures mean, and how long to wait.
 */
#include "tests/unit.h"

#include "acme/retry.h"
#include "acme/types.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define NOW  1000000    /* Mon, 12 Jan 1970 13:46:40 GMT */
#define LATE 1795000000 /* in 2026 */

#define LONGEST (31 * INT64_C(86400))

/* Retry-After as servers really send it (RFC 9110 10.2.3), clamped to [1 s, 31 days]. */
static const struct {
	const char *header; /* NULL: the server sent none */
	int64_t now;
	int64_t want; /* seconds from now; 0: the caller's own default applies */
} retry_after[] = {
	{NULL, NOW, 0},
	{"", NOW, 0},
	{"   ", NOW, 0},
	{"120", NOW, 120},
	{"0", NOW, 1}, /* "at once" still leaves the CA a second */
	{"000000000000000000000000000007", NOW, 7},
	{" 7 ", NOW, 7},
	{"\t7\t", NOW, 7},
	{"86400", NOW, 86400},
	{"86401", NOW, 86401}, /* a limit of seven days */
	{"604800", NOW, 604800},
	{"2678400", NOW, LONGEST},
	{"2678401", NOW, LONGEST},
	{"Mon, 19 Jan 1970 13:46:40 GMT", NOW, 604800},
	{"-5", NOW, 0}, /* not a number by the grammar: as if absent */
	{"+5", NOW, 0},
	{"1e9", NOW, 0},
	{"5.5", NOW, 0},
	{"0x10", NOW, 0},
	{"5 6", NOW, 0},
	{"120, 60", NOW, 0},
	{"soon", NOW, 0},
	{"99999999999999999999", NOW, LONGEST}, /* overflow is "very long", not an error */
	{"999999999999999999999999999999999999999999999999999999999999999999999999", NOW, LONGEST},
	{"Mon, 12 Jan 1970 13:46:50 GMT", NOW, 10},  /* IMF-fixdate */
	{"Monday, 12-Jan-70 13:46:50 GMT", NOW, 10}, /* RFC 850 */
	{"Mon Jan 12 13:46:50 1970", NOW, 10},       /* asctime */
	{"Thu Jan  1 00:00:00 1970", NOW, 1},        /* a day of one digit */
	{"Thu, 01 Jan 1970 00:00:00 GMT", NOW, 1},   /* a past date means now */
	{"Fri, 31 Dec 9999 23:59:59 GMT", NOW, LONGEST},
	{"Sunday, 06-Nov-94 08:49:37 GMT", LATE, 1}, /* 1994, as 2094 is over 50 years ahead */
	{"Sunday, 06-Nov-36 08:49:37 GMT", LATE, LONGEST}, /* 2036 */
	{"Mon, 12 Jan 1970 13:46:50 UTC", NOW, 0},
	{"Mon, 12 Jan 1970 13:46:50", NOW, 0},
	{"Mon, 12 Jan 1970 13:46:50 GMT ", NOW, 10},
	{"Mon, 12 Jan 1970 13:46:50 GMTx", NOW, 0},
	{"Mon, 12 Jan 1970 13:46", NOW, 0},
	{"Mon, 12 Xan 1970 13:46:50 GMT", NOW, 0},
	{"Mon, 32 Jan 1970 13:46:50 GMT", NOW, 0},
	{"Mon, 12 Jan 1970 25:46:50 GMT", NOW, 0},
	{"Mon, +2 Jan 1970 13:46:50 GMT", NOW, 0},
	{",", NOW, 0},
	{", ", NOW, 0},
};

static void a_retry_after_header_never_asks_for_more_than_a_month(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(retry_after); i++) {
		int64_t have = retry_after_parse(retry_after[i].header, retry_after[i].now);

		if (have != retry_after[i].want)
			fail_msg("\"%s\": %lld", retry_after[i].header, (long long)have);
	}
}

/* status 0: inside a challenge or order. */
static const struct {
	const char *type;
	int status;
	int64_t after;
	enum retry_class class;
	enum err_code code;
} classes[] = {
	{"badNonce", 400, 0, RETRY_NONCE, ERR_NET},
	{"serverInternal", 500, 0, RETRY_LATER, ERR_NET},
	{"serverInternal", 500, 60, RETRY_WAIT, ERR_BUSY},
	{"", 503, 60, RETRY_WAIT, ERR_BUSY}, /* a load balancer */
	{"", 503, 0, RETRY_LATER, ERR_NET},
	{"", 500, 0, RETRY_LATER, ERR_NET},
	{"", 502, 0, RETRY_LATER, ERR_NET},
	{"", 408, 0, RETRY_LATER, ERR_NET},
	{"", 429, 0, RETRY_LATER, ERR_NET},
	{"", 429, 9, RETRY_WAIT, ERR_BUSY},
	{"rateLimited", 429, 60, RETRY_WAIT, ERR_BUSY},
	{"rateLimited", 403, 60, RETRY_WAIT, ERR_BUSY},
	{"rateLimited", 503, 60, RETRY_WAIT, ERR_BUSY},
	{"rateLimited", 429, 0, RETRY_WAIT, ERR_NET}, /* no time was said: our own back-off */
	{"orderNotReady", 403, 0, RETRY_READ_ORDER, ERR_PROBLEM},
	{"badCSR", 400, 0, RETRY_NEW_ORDER, ERR_PROBLEM},
	{"connection", 0, 0, RETRY_CHALLENGE, ERR_PROBLEM},
	{"connection", 400, 0, RETRY_CHALLENGE, ERR_PROBLEM},
	{"dns", 0, 0, RETRY_CHALLENGE, ERR_PROBLEM},
	{"tls", 0, 0, RETRY_CHALLENGE, ERR_PROBLEM},
	{"incorrectResponse", 0, 0, RETRY_CHALLENGE, ERR_PROBLEM},
	{"unauthorized", 0, 0, RETRY_CHALLENGE, ERR_PROBLEM}, /* the CA fetched the wrong text */
	{"unauthorized", 403, 0, RETRY_CONFIG, ERR_CONFIG},   /* the account may not */
	{"malformed", 400, 0, RETRY_CONFIG, ERR_CONFIG},
	{"malformed", 409, 0, RETRY_CONFLICT, ERR_PROBLEM},
	{"conflict", 409, 0, RETRY_CONFLICT, ERR_PROBLEM},
	{"caa", 0, 0, RETRY_CONFIG, ERR_CONFIG},
	{"rejectedIdentifier", 400, 0, RETRY_CONFIG, ERR_CONFIG},
	{"unsupportedIdentifier", 400, 0, RETRY_CONFIG, ERR_CONFIG},
	{"invalidContact", 400, 0, RETRY_CONFIG, ERR_CONFIG},
	{"unsupportedContact", 400, 0, RETRY_CONFIG, ERR_CONFIG},
	{"invalidProfile", 400, 0, RETRY_CONFIG, ERR_CONFIG},
	{"externalAccountRequired", 403, 0, RETRY_CONFIG, ERR_CONFIG},
	{"badSignatureAlgorithm", 400, 0, RETRY_CONFIG, ERR_CONFIG},
	{"badPublicKey", 400, 0, RETRY_CONFIG, ERR_CONFIG},
	{"accountDoesNotExist", 400, 0, RETRY_ACCOUNT, ERR_CONFIG},
	{"userActionRequired", 403, 0, RETRY_OPERATOR, ERR_CONFIG},
	{"alreadyRevoked", 400, 0, RETRY_DONE, ERR_PROBLEM},
	{"alreadyReplaced", 409, 0, RETRY_WITHOUT_REPLACES, ERR_PROBLEM},
	{"neverHeardOf", 400, 0, RETRY_CONFIG, ERR_CONFIG},
	{"neverHeardOf", 500, 0, RETRY_LATER, ERR_NET},
	{"neverHeardOf", 429, 5, RETRY_WAIT, ERR_BUSY},
	{"", 400, 0, RETRY_CONFIG, ERR_PROTOCOL}, /* no problem document: no ACME server */
	{"", 404, 60, RETRY_CONFIG, ERR_PROTOCOL},
};

static void each_type_and_status_has_one_class_and_one_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(classes); i++) {
		AUTO_FREE char *type = mem_str(classes[i].type);
		const struct acme_problem p = {.status = classes[i].status, .type = type};
		struct err e = {0};
		bool same = retry_classify(&p, classes[i].after) == classes[i].class;

		if (!same)
			fail_msg("row %zu: %s", i, type);
		assert_int_equal(retry_error(&p, classes[i].after, NOW, &e), classes[i].code);
		assert_int_equal(e.code, classes[i].code);
		assert_string_equal(e.type, type);
		assert_int_equal(e.retry_at, e.code == ERR_BUSY ? NOW + classes[i].after : 0);
	}
}

/* status 0: inside a challenge or an order */
static const struct {
	const char *type;
	int status;
	int64_t after;
	bool doubts;
	bool ends; /* a look-up */
} accounts[] = {
	{"accountDoesNotExist", 400, 0, true, true},
	{"accountDoesNotExist", 401, 0, true, true},
	{"accountDoesNotExist", 403, 60, true, true},
	{"unauthorized", 401, 0, true, true},
	{"unauthorized", 403, 0, true, true},
	{"unauthorized", 0, 0, false, true}, /* what the CA fetched */
	{"malformed", 400, 0, true, true},
	{"malformed", 403, 0, true, true},
	{"malformed", 404, 0, true, true},
	{"malformed", 409, 0, false, true},
	{"serverInternal", 500, 0, true, true},
	{"serverInternal", 500, 60, false, false},
	{"serverInternal", 503, 0, false, false},
	{"", 400, 0, true, true},
	{"", 401, 0, true, true},
	{"", 403, 0, true, true},
	{"", 404, 0, true, true},
	{"", 500, 0, true, true},
	{"", 502, 0, false, false},
	{"", 503, 60, false, false},
	{"", 408, 0, false, false},
	{"", 429, 0, false, false},
	{"rateLimited", 403, 0, false, false},
	{"rateLimited", 429, 60, false, false},
	{"badNonce", 400, 0, false, false},
	{"userActionRequired", 403, 0, false, false},
	{"externalAccountRequired", 403, 0, false, true},
	{"rejectedIdentifier", 403, 0, false, true},
	{"orderNotReady", 403, 0, false, true},
	{"badCSR", 400, 0, false, true},
};

static void a_refusal_about_who_we_are_is_told_from_one_about_what_we_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(accounts); i++) {
		AUTO_FREE char *type = mem_str(accounts[i].type);
		const struct acme_problem p = {.status = accounts[i].status, .type = type};

		if (retry_doubts_account(&p, accounts[i].after) != accounts[i].doubts ||
		    retry_ends_lookup(&p, accounts[i].after) != accounts[i].ends)
			fail_msg("row %zu: %d %s", i, accounts[i].status, type);
	}
}

static const struct {
	const char *type;
	int status;
	int64_t after, want;
} waits[] = {
	{"rateLimited", 429, 604800, 604800},
	{"rateLimited", 403, 604800, 604800}, /* some say so */
	{"", 429, 604800, 604800},
	{"rateLimited", 429, 7, 7},
	{"", 503, 604800, 86400}, /* a load balancer knows nothing of limits */
	{"serverInternal", 500, 86401, 86400},
	{"serverInternal", 503, 86400, 86400},
};

static void only_a_limit_holds_for_longer_than_a_day(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(waits); i++) {
		AUTO_FREE char *type = mem_str(waits[i].type);
		const struct acme_problem p = {.status = waits[i].status, .type = type};
		struct err e = {0};

		assert_int_equal(retry_error(&p, waits[i].after, NOW, &e), ERR_BUSY);
		assert_int_equal(e.retry_at, NOW + waits[i].want);
	}
	assert_int_equal(retry_after_poll(604800), 86400);
	assert_int_equal(retry_after_poll(5), 5);
	assert_int_equal(retry_after_poll(0), 0);
}

#define DAYS(n) ((n)*INT64_C(86400))

static const struct {
	int64_t next_at, retry_at, error_at; /* after now */
	bool waits;
} rows[] = {
	{60, 0, 0, true},
	{DAYS(5) / 4, 0, 0, true}, /* a day and its spread */
	{DAYS(5) / 4 + 1, 0, 0, false},
	{DAYS(400), 0, DAYS(399), false},
	{DAYS(7), DAYS(7), 0, true},         /* the CA said so */
	{DAYS(7), DAYS(7), -DAYS(20), true}, /* … twenty days ago */
	{DAYS(7), DAYS(7), 100, true},       /* the clock was set right by a minute or two */
	{DAYS(7), DAYS(7), DAYS(6), false},  /* … at a time that has not been */
	{DAYS(7), DAYS(7), 3600, false},
	{DAYS(31), DAYS(31), 0, true},
	{DAYS(31) + 1, DAYS(31) + 1, 0, false}, /* no CA can */
	{DAYS(7), DAYS(6), 0, false},           /* it is not what the CA said */
	{DAYS(1), DAYS(1), 3600, true},         /* what is a day at most is never doubted */
};

static void a_row_waits_as_long_as_the_ca_said_but_not_for_a_wrong_clock(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct retry_wait w = {
			.next_at = LATE + rows[i].next_at,
			.retry_at = rows[i].retry_at != 0 ? LATE + rows[i].retry_at : 0,
			.error_at = LATE + rows[i].error_at,
		};
		bool right = retry_until(&w, LATE) == (rows[i].waits ? w.next_at : 0);

		if (!right)
			fail_msg("row %zu: %lld", i, (long long)retry_until(&w, LATE));
	}
}

/* body → parts of the sentence */
static const struct {
	int status;
	const char *body;
	int64_t after;
	const char *want[4];
} sentences[] = {
	{400,
	 "{\"type\":\"urn:ietf:params:acme:error:rejectedIdentifier\",\"detail\":\"two bad\","
	 "\"subproblems\":[{\"type\":\"urn:ietf:params:acme:error:caa\",\"detail\":\"forbids\","
	 "\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"}}]}",
	 0,
	 {"the CA says: two bad (rejectedIdentifier)", "a.example: forbids (caa)", "issues no"}},
	{403,
	 "{\"type\":\"urn:ietf:params:acme:error:userActionRequired\",\"detail\":\"new terms\","
	 "\"instance\":\"https://ca.example/terms\"}",
	 0,
	 {"new terms", "nothing is tried again", "see https://ca.example/terms"}},
	{429,
	 "{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"too many\"}",
	 10,
	 {"too many (rateLimited)", "again after 1970-01-12T13:46:50Z"}},
	{0,
	 "{\"type\":\"urn:ietf:params:acme:error:dns\",\"detail\":\"DNS problem: NXDOMAIN looking "
	 "up A for no.example\"}",
	 0,
	 {"NXDOMAIN looking up A", "the name does not exist in DNS"}},
	{0,
	 "{\"type\":\"urn:ietf:params:acme:error:connection\",\"detail\":\"2001:db8::1: Fetching "
	 "http://a.example/: Connection refused\"}",
	 0,
	 {"Connection refused", "take the AAAA record away"}},
	{429,
	 "{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"Your account is "
	 "temporarily prevented. Please visit: https://ca.example/unpause?jwt=x\"}",
	 0,
	 {"https://ca.example/unpause?jwt=x", "the CA paused the name"}},
	{403,
	 "{\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"Account is not valid, "
	 "has "
	 "status \\\"deactivated\\\"\"}",
	 0,
	 {"is deactivated at the CA", "account register --new"}},
	{400,
	 "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"Order cannot contain "
	 "more than "
	 "25 identifiers\"}",
	 0,
	 {"more names than the CA or its profile allows"}},
	{400,
	 "{\"type\":\"urn:ietf:params:acme:error:rejectedIdentifier\",\"detail\":\"Default profile "
	 "does not "
	 "permit IP address identifiers.\"}",
	 0,
	 {"this profile is not for that kind of name", "shortlived"}},
	{0,
	 "{\"type\":\"urn:ietf:params:acme:error:caa\",\"detail\":\"CAA record for a.example "
	 "prevents "
	 "issuance\"}",
	 0,
	 {"accounturi or validationmethods"}},
	{404,
	 "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"Page not found\"}",
	 0,
	 {"is the server URL right?"}},
	{502, "<html>bad gateway</html>", 0, {"<html>bad gateway</html> (HTTP status 502)"}},
	{404, "", 0, {"HTTP status 404"}},
};

static void the_sentence_holds_what_the_ca_said_and_what_to_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sentences); i++) {
		AUTO_PROBLEM struct acme_problem *p = acme_problem_parse(
			sentences[i].status, sentences[i].body, strlen(sentences[i].body));
		struct err e = {0};

		(void)retry_error(p, sentences[i].after, NOW, &e);
		for (size_t k = 0; k < 4 && sentences[i].want[k] != NULL; k++) {
			if (strstr(e.text, sentences[i].want[k]) == NULL)
				fail_msg("no \"%s\" in: %s", sentences[i].want[k], e.text);
		}
	}
}

static void a_malformed_order_is_no_reason_to_doubt_the_url(void **state)
{
	char type[] = "malformed";
	struct acme_problem p = {.status = 400, .type = type};
	struct err e = {0};

	(void)state;
	(void)retry_error(&p, 0, NOW, &e);
	assert_null(strstr(e.text, "URL"));
}

static void a_long_detail_does_not_push_the_url_to_visit_out_of_the_sentence(void **state)
{
	char detail[4000];
	char type[] = "userActionRequired";
	char instance[] = "https://ca.example/unpause";
	struct acme_problem p = {
		.status = 403, .type = type, .detail = detail, .instance = instance};
	struct err e = {0};

	(void)state;
	memset(detail, 'x', sizeof(detail));
	detail[sizeof(detail) - 1] = '\0';
	(void)retry_error(&p, 0, NOW, &e);
	assert_non_null(strstr(e.text, "see https://ca.example/unpause"));
	memset(detail, '\x01', sizeof(detail) - 1); /* each becomes four characters */
	(void)retry_error(&p, 0, NOW, &e);
	assert_non_null(strstr(e.text, "see https://ca.example/unpause"));
}

static void an_instance_that_is_no_https_url_is_not_recommended(void **state)
{
	char type[] = "userActionRequired";
	char instance[] = "javascript:alert(1)";
	struct acme_problem p = {.status = 403, .type = type, .instance = instance};
	struct err e = {0};

	(void)state;
	(void)retry_error(&p, 0, NOW, &e);
	assert_null(strstr(e.text, "javascript"));
}

static void control_bytes_of_the_ca_do_not_reach_the_sentence(void **state)
{
	char type[] = "caa";
	char detail[] = "\x1b[2Jgone\r\nforged line";
	struct acme_problem p = {.status = 0, .type = type, .detail = detail};
	struct err e = {0};

	(void)state;
	(void)retry_error(&p, 0, NOW, &e);
	assert_null(strchr(e.text, '\x1b'));
	assert_null(strchr(e.text, '\n'));
	assert_non_null(strstr(e.text, "\\x1b[2Jgone"));
}

static const struct {
	int64_t failures;
	int64_t want;
} backoffs[] = {
	{INT64_MIN, 60}, {0, 60},    {1, 60},          {2, 600},           {3, 6000},
	{4, 86400},      {5, 86400}, {1000000, 86400}, {INT64_MAX, 86400},
};

static void failures_wait_1_10_100_minutes_and_then_a_day(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(backoffs); i++) {
		int64_t want = backoffs[i].want;

		assert_int_equal(retry_backoff(backoffs[i].failures, 0), want);
		assert_int_equal(retry_backoff(backoffs[i].failures, UINT32_MAX), want + want / 4);
	}
}

static void the_spread_lies_between_none_and_a_quarter_and_repeats_itself(void **state)
{
	int64_t last = 0;

	(void)state;
	for (uint64_t spread = 0; spread <= UINT32_MAX; spread += UINT32_MAX / 97) {
		int64_t wait = retry_backoff(4, (uint32_t)spread);

		assert_true(wait >= 86400 && wait <= 108000 && wait >= last);
		assert_int_equal(wait, retry_backoff(4, (uint32_t)spread));
		last = wait;
	}
	assert_true(last > 107000);
}

static void polls_begin_early_and_end_at_five_seconds(void **state)
{
	static const int64_t want[] = {200, 200, 500, 1000, 2000, 4000, 5000, 5000, 5000, 5000};

	(void)state;
	for (int i = 0; i < (int)COUNT_OF(want); i++) {
		assert_int_equal(retry_poll_ms(i, 0), want[i]);
		assert_int_equal(retry_poll_ms(i, 1), i == 0 ? 20 : want[i]);
	}
	assert_int_equal(retry_poll_ms(INT32_MAX, 0), 5000);
	assert_int_equal(retry_poll_ms(-1, 1), 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_retry_after_header_never_asks_for_more_than_a_month),
		cmocka_unit_test(only_a_limit_holds_for_longer_than_a_day),
		cmocka_unit_test(a_row_waits_as_long_as_the_ca_said_but_not_for_a_wrong_clock),
		cmocka_unit_test(each_type_and_status_has_one_class_and_one_code),
		cmocka_unit_test(a_refusal_about_who_we_are_is_told_from_one_about_what_we_asked),
		cmocka_unit_test(a_malformed_order_is_no_reason_to_doubt_the_url),
		cmocka_unit_test(the_sentence_holds_what_the_ca_said_and_what_to_do),
		cmocka_unit_test(a_long_detail_does_not_push_the_url_to_visit_out_of_the_sentence),
		cmocka_unit_test(an_instance_that_is_no_https_url_is_not_recommended),
		cmocka_unit_test(control_bytes_of_the_ca_do_not_reach_the_sentence),
		cmocka_unit_test(failures_wait_1_10_100_minutes_and_then_a_day),
		cmocka_unit_test(the_spread_lies_between_none_and_a_quarter_and_repeats_itself),
		cmocka_unit_test(polls_begin_early_and_end_at_five_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
