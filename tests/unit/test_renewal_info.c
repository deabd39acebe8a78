/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "acme/renewal_info.h"
#include "base/mem.h"

#include <string.h>

#define NOW  INT64_C(2000000000)
#define HOUR 3600
#define DAY  86400

#define WINDOW(start, end) "{\"suggestedWindow\":{\"start\":" start ",\"end\":" end "}}"

static void a_window_is_read_as_the_rfc_writes_it(void **state)
{
	static const char body[] =
		"{\"suggestedWindow\":{\"start\":\"2025-01-02T04:00:00Z\","
		"\"end\":\"2025-01-03T04:00:00Z\"},"
		"\"explanationURL\":\"https://acme.example.com/docs/ari\",\"more\":[1]}";
	AUTO_RENEWAL_INFO struct acme_renewal_info *i = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(acme_renewal_info_parse(body, strlen(body), &i, &e), 0);
	assert_int_equal(i->start, 1735790400);
	assert_int_equal(i->end, 1735876800);
	assert_string_equal(i->explanation_url, "https://acme.example.com/docs/ari");
}

/* Each is as good as no answer (RFC 9773 4.2, 4.3.3). */
static const char *const malformed[] = {
	"",
	" ",
	"{",
	"}",
	"{}",
	"[]",
	"null",
	"7",
	"\"2025-01-02T04:00:00Z\"",
	"<html>busy</html>",
	"{\"suggestedWindow\":null}",
	"{\"suggestedWindow\":[]}",
	"{\"suggestedWindow\":\"now\"}",
	"{\"suggestedWindow\":7}",
	"{\"suggestedWindow\":{}}",
	"{\"SuggestedWindow\":{\"start\":\"2025-01-02T04:00:00Z\",\"end\":\"2025-01-03T04:00:00Z\"}"
	"}",
	"{\"suggestedWindow\":{\"start\":\"2025-01-02T04:00:00Z\"}}",
	"{\"suggestedWindow\":{\"end\":\"2025-01-02T04:00:00Z\"}}",
	WINDOW("null", "null"),
	WINDOW("1735790400", "1735876800"),
	WINDOW("\"\"", "\"\""),
	WINDOW("\"now\"", "\"later\""),
	WINDOW("\"2025-01-02\"", "\"2025-01-03\""),
	WINDOW("\"2025-01-02 04:00:00Z\"", "\"2025-01-03 04:00:00Z\""),
	WINDOW("\"2025-01-02T04:00:00\"", "\"2025-01-03T04:00:00\""),
	WINDOW("\"2025-13-02T04:00:00Z\"", "\"2025-13-03T04:00:00Z\""),
	WINDOW("\"2025-02-30T04:00:00Z\"", "\"2025-03-03T04:00:00Z\""),
	WINDOW("\"2025-01-02T25:00:00Z\"", "\"2025-01-03T04:00:00Z\""),
	WINDOW("\"2025-01-02T04:60:00Z\"", "\"2025-01-03T04:00:00Z\""),
	WINDOW("\"2025-01-02T04:00:61Z\"", "\"2025-01-03T04:00:00Z\""),
	WINDOW("\"2025-01-02T04:00:00+24:00\"", "\"2025-01-03T04:00:00Z\""),
	WINDOW("\"2025-01-02T04:00:00.Z\"", "\"2025-01-03T04:00:00Z\""),
	WINDOW("\"-025-01-02T04:00:00Z\"", "\"2025-01-03T04:00:00Z\""),
	WINDOW("\"2025-01-02T04:00:00Z \"", "\"2025-01-03T04:00:00Z\""),
	WINDOW("\"2025-01-02T04:00:00Z\\u0000\"", "\"2025-01-03T04:00:00Z\""),
	WINDOW("[\"2025-01-02T04:00:00Z\"]", "\"2025-01-03T04:00:00Z\""),
	WINDOW("\"2025-01-02T04:00:00Z\"", "\"2025-01-02T04:00:00Z\""), /* end = start */
	WINDOW("\"2025-01-03T04:00:00Z\"", "\"2025-01-02T04:00:00Z\""), /* end < start */
	WINDOW("\"2025-01-02T04:00:00Z\"", "\"2025-01-02T05:00:00+02:00\""),
	WINDOW("\"2025-01-02T04:00:00Z\"", "\"2025-01-03T04:00:00Z\"") "x",
	"{\"suggestedWindow\":{\"start\":\"2025-01-02T04:00:00Z\",\"start\":\"2025-01-02T04:00:"
	"00Z\","
	"\"end\":\"2025-01-03T04:00:00Z\"}}",
};

static void forty_malformed_answers_are_as_good_as_none(void **state)
{
	(void)state;
	assert_true(COUNT_OF(malformed) >= 40);
	for (size_t n = 0; n < COUNT_OF(malformed); n++) {
		struct acme_renewal_info *i = NULL;
		struct err e = {0};
		int r = acme_renewal_info_parse(malformed[n], strlen(malformed[n]), &i, &e);

		if (r != ERR_PROTOCOL || i != NULL || e.text[0] == '\0')
			fail_msg("\"%s\" gives %d", malformed[n], r);
	}
}

static void an_explanation_that_is_no_https_url_is_left_out(void **state)
{
	static const char body[] = "{\"suggestedWindow\":{\"start\":\"2025-01-02T04:00:00Z\","
				   "\"end\":\"2025-01-03T04:00:00.5+01:00\"},"
				   "\"explanationURL\":\"javascript:alert(1)\"}";
	AUTO_RENEWAL_INFO struct acme_renewal_info *i = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(acme_renewal_info_parse(body, strlen(body), &i, &e), 0);
	assert_null(i->explanation_url);
	assert_int_equal(i->end, 1735873200);
}

static void a_good_answer_is_asked_for_again_within_a_minute_and_a_day(void **state)
{
	static const struct {
		int64_t retry_after, want;
	} rows[] = {
		{0, 6 * HOUR}, /* none, or unreadable */
		{1, 60},       {59, 60}, {60, 60}, {21600, 21600}, {DAY, DAY}, {DAY + 1, DAY},
	};

	(void)state;
	for (size_t n = 0; n < COUNT_OF(rows); n++)
		assert_int_equal(renewal_info_again(rows[n].retry_after), rows[n].want);
}

static void failures_that_may_pass_are_tried_again_at_growing_distances(void **state)
{
	static const int64_t want[] = {60, 120, 240, 480, 960, 1920, 6 * HOUR, 6 * HOUR};
	const struct err net = {.code = ERR_NET};
	const struct err busy = {.code = ERR_BUSY, .retry_at = NOW + 7200};
	const struct err lasting = {.code = ERR_PROTOCOL};

	(void)state;
	for (size_t n = 0; n < COUNT_OF(want); n++)
		assert_int_equal(renewal_info_retry(&net, (int64_t)n + 1, NOW), want[n]);
	assert_int_equal(renewal_info_retry(&net, INT64_MAX, NOW), 6 * HOUR);
	assert_int_equal(renewal_info_retry(&busy, 1, NOW), 7200);
	assert_int_equal(renewal_info_retry(&lasting, 1, NOW), 6 * HOUR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_is_read_as_the_rfc_writes_it),
		cmocka_unit_test(forty_malformed_answers_are_as_good_as_none),
		cmocka_unit_test(an_explanation_that_is_no_https_url_is_left_out),
		cmocka_unit_test(a_good_answer_is_asked_for_again_within_a_minute_and_a_day),
		cmocka_unit_test(failures_that_may_pass_are_tried_again_at_growing_distances),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
