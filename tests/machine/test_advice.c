/* SPDX-License-Identifier: MIT
 *
 * test_advice — what the CA says about when to renew (RFC 9773), in the life of a certificate:
 * whatever it says, and however, the certificate is renewed in time and not before; and how often
 * it is asked.
 */
#include "tests/machine/world.h"

#include "base/mem.h"
#include "store/renewal_info.h"

#include <stdio.h>
#include <string.h>

#define HOUR  3600
#define LIFE  (6 * HOUR)
#define SPARE 60 /* seconds that a renewal may take to begin */

#define WINDOW(start, end) "{\"suggestedWindow\":{\"start\":\"" start "\",\"end\":\"" end "\"}}"
#define URGENT             WINDOW("2001-01-01T00:00:00Z", "2001-01-02T00:00:00Z")
#define NEVER              WINDOW("2901-01-01T00:00:00Z", "2901-01-02T00:00:00Z")

static struct world *new_world(const struct mock_fault *answer)
{
	struct world *w = world_new("www.example", 1);
	struct mock_fault fault = *answer;

	mock_ca_config(w->ca)->lifetime = LIFE;
	mock_ca_config(w->ca)->renewal_info = true;
	fault.kind = MOCK_RENEWAL_INFO;
	fault.times = MOCK_FOREVER;
	mock_ca_fault(w->ca, &fault);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, SPARE);
	assert_int_equal(world_facts(w).versions, 1);
	assert_in_range(mock_ca_count(w->ca, MOCK_RENEWAL_INFO), 1, 2);
	return w;
}

static struct version *live_version(struct world *w)
{
	struct version *v = NULL;

	assert_int_equal(version_load(w->agents[0].store, world_facts(w).live, &v, NULL), 0);
	return v;
}

/* Lives on until there is another certificate; seconds that the first one had left. */
static int64_t left_when_renewed(struct world *w)
{
	AUTO_VERSION struct version *v = live_version(w);

	while (mock_ca_counts(w->ca).certificates < 2 && world_now(w) < v->not_after)
		world_step(w);
	return v->not_after - world_now(w);
}

/* --- what is no answer --- */

#define GIVEN(code, text, ...)                                                                     \
	{                                                                                          \
		.act = MOCK_REPLACE, .status = (code), .body = (text), __VA_ARGS__                 \
	}
#define SAID(code, ...)  GIVEN(code, URGENT, __VA_ARGS__)
#define STATUS(code)     GIVEN(code, URGENT, )
#define TEXT(text)       GIVEN(200, text, )
#define PROBLEM(code, p) GIVEN(code, NULL, .problem = (p))

/* Each would be urgent, or never, to who believed it. */
static const struct mock_fault no_answers[] = {
	SAID(301, .headers = {"location: https://mock.example/renewal-info/other"}),
	SAID(302, .headers = {"location: https://elsewhere.example/"}),
	SAID(303, .headers = {"location: http://mock.example/renewal-info/plain"}),
	SAID(307, .headers = {"location: file:///etc/passwd"}),
	SAID(308, .headers = {"location: "}),
	SAID(200, .content_type = "text/html"),
	SAID(200, .content_type = "application/octet-stream"),
	STATUS(300),
	STATUS(304),
	STATUS(400),
	STATUS(401),
	STATUS(403),
	STATUS(404),
	STATUS(405),
	STATUS(409),
	STATUS(410),
	STATUS(418),
	STATUS(429),
	SAID(429, .headers = {"retry-after: 1"}),
	SAID(429, .headers = {"retry-after: 99999999999999999999"}),
	STATUS(500),
	SAID(502, .content_type = "text/html"),
	STATUS(503),
	SAID(503, .headers = {"retry-after: 0"}),
	SAID(503, .headers = {"retry-after: -1"}),
	SAID(503, .headers = {"retry-after: Fri, 31 Dec 9999 23:59:59 GMT"}),
	STATUS(504),
	STATUS(599),
	PROBLEM(400, "badNonce"),
	PROBLEM(400, "accountDoesNotExist"),
	PROBLEM(403, "unauthorized"),
	PROBLEM(403, "userActionRequired"),
	PROBLEM(404, "malformed"),
	PROBLEM(409, "alreadyReplaced"),
	PROBLEM(429, "rateLimited"),
	PROBLEM(500, "serverInternal"),
	{.act = MOCK_DROP_BEFORE},
	{.act = MOCK_DROP_AFTER},
	{.act = MOCK_DROP_AFTER, .reused = true},
	TEXT(""),
	TEXT("null"),
	TEXT("[" URGENT "]"),
	TEXT("\""
	     "urgent"
	     "\""),
	TEXT("{\"suggestedWindow\":"),
	TEXT("\xef\xbb\xbf" URGENT),
	TEXT(URGENT URGENT),
	TEXT("{\"suggestedWindow\":{\"start\":\"2001-01-01T00:00:00Z\"}}"),
	TEXT("{\"suggestedWindow\":{\"end\":\"2901-01-01T00:00:00Z\"}}"),
	TEXT("{\"suggestedWindow\":{\"start\":\"2001-01-01T00:00:00Z\","
	     "\"end\":\"2001-01-02T00:00:00Z\"},\"explanationURL\":\"https://ca.example/"
	     "\\u0000\"}"),
	TEXT("{\"suggestedWindow\":{\"start\":978307200,\"end\":978393600}}"),
	TEXT("{\"suggestedwindow\":{\"start\":\"2001-01-01T00:00:00Z\","
	     "\"end\":\"2001-01-02T00:00:00Z\"}}"),
	TEXT(WINDOW("2001-01-02T00:00:00Z", "2001-01-01T00:00:00Z")),
	TEXT(WINDOW("2001-01-01T00:00:00Z", "2001-01-01T00:00:00Z")),
	TEXT(WINDOW("2901-01-01T00:00:00Z", "2001-01-01T00:00:00Z")),
	TEXT(WINDOW("2001-01-01", "2001-01-02")),
	TEXT(WINDOW("2001-02-29T00:00:00Z", "2001-03-02T00:00:00Z")),
	TEXT(WINDOW("Mon, 01 Jan 2001 00:00:00 GMT", "Tue, 02 Jan 2001 00:00:00 GMT")),
	TEXT(WINDOW("+2001-01-01T00:00:00Z", "+2001-01-02T00:00:00Z")),
	TEXT(WINDOW("10000-01-01T00:00:00Z", "10000-01-02T00:00:00Z")),
	TEXT(WINDOW("-99999999999-01-01T00:00:00Z", "99999999999-01-01T00:00:00Z")),
	TEXT(WINDOW("2001-01-01T00:00:00Z\\u0000", "2001-01-02T00:00:00Z")),
	TEXT(WINDOW("2001-01-01T00:00:00Z\\n", "2001-01-02T00:00:00Z")),
};

/* As without an answer: half of it is left, and up to a tenth of that more (schedule.h). It is
 * asked again, but by no means all the time. */
static void one_that_is_none(const struct mock_fault *answer)
{
	struct world *w = new_world(answer);

	assert_in_range(left_when_renewed(w), LIFE / 2 - SPARE, LIFE / 2 + LIFE / 20);
	assert_in_range(mock_ca_count(w->ca, MOCK_RENEWAL_INFO), 1, LIFE / SPARE);
	world_pass(w, SPARE);
	assert_int_equal(world_events(w, "failed"), 0);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	world_assert_good(w, 2);
	world_free(w);
}

static void what_is_no_answer_neither_blocks_nor_hurries_a_renewal(void **state)
{
	(void)state;
	assert_true(COUNT_OF(no_answers) >= 40);
	for (size_t i = 0; i < COUNT_OF(no_answers); i++) {
		print_message("# row %zu: %d %s\n", i, no_answers[i].status,
			      no_answers[i].problem != NULL ? no_answers[i].problem
							    : no_answers[i].body);
		one_that_is_none(&no_answers[i]);
	}
}

/* An answer that ends within itself, at every byte. */
static void an_answer_that_is_cut_is_none(void **state)
{
	struct mock_fault answer = TEXT(URGENT);
	char part[sizeof(URGENT)];

	(void)state;
	for (size_t len = 1; len < strlen(URGENT); len += 7) {
		snprintf(part, sizeof(part), "%.*s", (int)len, URGENT);
		answer.body = part;
		one_that_is_none(&answer);
	}
}

static void an_answer_without_end_is_none(void **state)
{
	AUTO_FREE char *spaces = mem_new(300000);
	struct mock_fault answer = TEXT(spaces);

	(void)state;
	memset(spaces, ' ', 299999);
	memcpy(spaces, URGENT, strlen(URGENT));
	one_that_is_none(&answer);
}

/* --- what is one --- */

static void a_window_in_another_century_does_not_let_it_expire(void **state)
{
	static const struct mock_fault answers[] = {
		TEXT(NEVER),
		TEXT(WINDOW("2100-01-01T00:00:00Z", "9999-12-31T23:59:59Z")),
		GIVEN(200, NEVER, .headers = {"retry-after: 99999999999999999999"}),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		struct world *w = new_world(&answers[i]);

		assert_in_range(left_when_renewed(w), LIFE / 6 - SPARE, LIFE / 6 + 1);
		world_pass(w, SPARE);
		world_assert_good(w, 2);
		world_free(w);
	}
}

/* The first time it is believed: it may have been revoked. */
static void a_ca_that_always_says_now_gets_a_certificate_or_two_a_day(void **state)
{
	const struct mock_fault answer = TEXT(URGENT);
	struct world *w = world_new("www.example", 1);
	struct mock_fault fault = answer;

	(void)state;
	mock_ca_config(w->ca)->renewal_info = true;
	fault.kind = MOCK_RENEWAL_INFO;
	fault.times = MOCK_FOREVER;
	mock_ca_fault(w->ca, &fault);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, WORLD_DAY - SPARE);
	assert_int_equal(mock_ca_counts(w->ca).certificates, 2);
	world_pass(w, WORLD_DAY);
	assert_int_equal(mock_ca_counts(w->ca).certificates, 4);
	world_free(w);
}

/* So does one whose certificates have lived most of their life when they come, or our own clock
 * that is ahead. */
static void a_certificate_that_is_due_when_it_comes_is_no_reason_to_renew_without_end(void **state)
{
	struct world *w = world_new("www.example", 1);

	(void)state;
	mock_ca_config(w->ca)->lifetime = 14 * WORLD_DAY;
	mock_ca_config(w->ca)->twist = MOCK_OLD;
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, WORLD_DAY / 3);
	assert_int_equal(mock_ca_counts(w->ca).certificates, 2);
	world_pass(w, WORLD_DAY / 3);
	assert_int_equal(mock_ca_counts(w->ca).certificates, 4);
	world_free(w);
}

static void an_explanation_that_could_hurt_people_is_not_kept(void **state)
{
	static const char *const urls[] = {
		"javascript:alert(1)",
		"data:text/html,x",
		"http://ca.example/plain",
		"file:///etc/passwd",
		"https://",
		"https://ca.example/\\u001b[31m",
		"https://ca.example/\\r\\nlevel=error",
		"https://ca.example/\\u202egpj",
		"https://user:secret@ca.example/",
		" https://ca.example/",
		"",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(urls); i++) {
		AUTO_FREE char *body =
			mem_printf("{\"suggestedWindow\":{\"start\":\"2901-01-01T00:00:00Z\","
				   "\"end\":\"2901-01-02T00:00:00Z\"},\"explanationURL\":\"%s\"}",
				   urls[i]);
		struct mock_fault answer = TEXT(body);
		struct world *w = new_world(&answer);
		AUTO_INFO_ROW struct renewal_info *info = NULL;

		assert_int_equal(
			renewal_info_load(w->agents[0].store, w->certificate_id, &info, NULL), 0);
		assert_true(info->window_end > info->window_start);
		if (info->explanation_url != NULL)
			fail_msg("\"%s\" is kept", info->explanation_url);
		world_free(w);
	}
}

/* --- how often it is asked --- */

static int64_t asked_at_ms(struct world *w, size_t which)
{
	const struct mock_record *r;

	for (size_t i = 0; (r = mock_ca_record(w->ca, i)) != NULL; i++)
		if (r->kind == MOCK_RENEWAL_INFO && which-- == 0)
			return r->at_ms;
	fail_msg("it was not asked so often");
	return 0;
}

static void it_is_asked_again_when_the_ca_says_within_a_minute_and_a_day(void **state)
{
	static const struct {
		const char *header;
		int64_t seconds;
	} rows[] = {
		{NULL, 6 * HOUR},
		{"retry-after: 21600", 6 * HOUR},
		{"retry-after: 7200", 2 * HOUR},
		{"retry-after: 60", 60},
		{"retry-after: 1", 60},
		{"retry-after: 0", 60},
		{"retry-after: -1", 6 * HOUR},
		{"retry-after: 1e3", 6 * HOUR},
		{"retry-after: soon", 6 * HOUR},
		{"retry-after: ", 6 * HOUR},
		{"retry-after: 604800", WORLD_DAY},
		{"retry-after: 99999999999999999999999", WORLD_DAY},
		{"retry-after: Fri, 31 Dec 9999 23:59:59 GMT", WORLD_DAY},
		{"retry-after: Mon, 01 Jan 2001 00:00:00 GMT", 60},
		{"retry-after: Mon, 32 Jan 2001 00:00:00 GMT", 6 * HOUR},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct mock_fault answer = GIVEN(200, NEVER, .headers = {rows[i].header});
		struct world *w = new_world(&answer);
		int64_t waited;
		size_t asked;

		mock_ca_config(w->ca)->lifetime = 90 * WORLD_DAY;
		world_pass(w, LIFE); /* it has such a one by then */
		asked = mock_ca_count(w->ca, MOCK_RENEWAL_INFO);
		while (mock_ca_count(w->ca, MOCK_RENEWAL_INFO) < asked + 2)
			world_step(w);
		waited = asked_at_ms(w, asked + 1) - asked_at_ms(w, asked);
		print_message("# %s: %lld ms\n", rows[i].header != NULL ? rows[i].header : "none",
			      (long long)waited);
		assert_in_range(waited, rows[i].seconds * 1000 - 1000,
				rows[i].seconds * 1000 + SPARE * 1000);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_answer_neither_blocks_nor_hurries_a_renewal),
		cmocka_unit_test(an_answer_that_is_cut_is_none),
		cmocka_unit_test(an_answer_without_end_is_none),
		cmocka_unit_test(a_window_in_another_century_does_not_let_it_expire),
		cmocka_unit_test(a_ca_that_always_says_now_gets_a_certificate_or_two_a_day),
		cmocka_unit_test(
			a_certificate_that_is_due_when_it_comes_is_no_reason_to_renew_without_end),
		cmocka_unit_test(an_explanation_that_could_hurt_people_is_not_kept),
		cmocka_unit_test(it_is_asked_again_when_the_ca_says_within_a_minute_and_a_day),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
