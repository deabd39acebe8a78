/* SPDX-License-Identifier: MIT
 *
 * test_metrics — the text is what Prometheus reads, line by line, and says what is so.
 */
#include "tests/unit.h"

#include "agent/metrics.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- a strict reader of the text format 0.0.4 --- */

struct reader {
	char name[128]; /* of the family under way */
	char type[32];
	struct strlist families; /* so far */
	struct strlist series;
	bool samples; /* of the family under way have come */
};

static size_t name_length(const char *at)
{
	size_t len = 0;

	if (!isalpha((unsigned char)at[0]) && at[0] != '_')
		return 0;
	while (isalnum((unsigned char)at[len]) || at[len] == '_')
		len++;
	return len;
}

/* The length of {a="b",c="d"}; fails the test for anything else. */
static size_t labels_length(const char *line, const char *at)
{
	const char *start = at;

	if (*at != '{')
		return 0;
	do {
		size_t len = name_length(++at);

		if (len == 0 || at[len] != '=' || at[len + 1] != '"')
			fail_msg("no label in %s", line);
		for (at += len + 2; *at != '"'; at++) {
			if (*at == '\\')
				at++;
			if (*at == '\0' || (at[-1] == '\\' && strchr("\\\"n", *at) == NULL))
				fail_msg("bad label in %s", line);
		}
		at++;
	} while (*at == ',');
	if (*at != '}')
		fail_msg("labels do not end in %s", line);
	return (size_t)(at + 1 - start);
}

/* A histogram's samples have a suffix. */
static bool belongs(const struct reader *r, const char *name, size_t len)
{
	static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
	size_t family = strlen(r->name);

	if (strncmp(name, r->name, family) != 0)
		return false;
	if (strcmp(r->type, "histogram") != 0)
		return len == family;
	for (size_t i = 0; i < COUNT_OF(suffixes); i++)
		if (len == family + strlen(suffixes[i]) &&
		    strncmp(name + family, suffixes[i], strlen(suffixes[i])) == 0)
			return true;
	return false;
}

static void read_sample(struct reader *r, const char *line)
{
	size_t len = name_length(line);
	size_t labels = labels_length(line, line + len);
	AUTO_FREE char *series = mem_strn(line, len + labels);
	const char *value = line + len + labels + 1;
	char *end = NULL;

	if (len == 0 || line[len + labels] != ' ' || !belongs(r, line, len))
		fail_msg("no sample of %s: %s", r->name, line);
	(void)strtod(value, &end);
	if (end == value || *end != '\0')
		fail_msg("no value: %s", line);
	if (strlist_has(&r->series, series))
		fail_msg("twice: %s", series);
	strlist_add(&r->series, series);
	r->samples = true;
}

static void read_line(struct reader *r, const char *line)
{
	char name[128];

	if (strncmp(line, "# HELP ", 7) == 0) {
		assert_int_equal(sscanf(line + 7, "%127s", r->name), 1);
		if (strlist_has(&r->families, r->name))
			fail_msg("%s comes twice", r->name);
		strlist_add(&r->families, r->name);
		r->type[0] = '\0';
		r->samples = false;
	} else if (strncmp(line, "# TYPE ", 7) == 0) {
		assert_int_equal(sscanf(line + 7, "%127s %31s", name, r->type), 2);
		assert_string_equal(name, r->name);
		assert_false(r->samples);
		if (strcmp(r->type, "counter") == 0)
			assert_string_equal(name + strlen(name) - 6, "_total");
	} else {
		assert_true(r->type[0] != '\0');
		read_sample(r, line);
	}
}

static void read_text(struct reader *r, const char *text)
{
	assert_true(text[strlen(text) - 1] == '\n');
	while (*text != '\0') {
		const char *end = strchr(text, '\n');
		AUTO_FREE char *line = mem_strn(text, (size_t)(end - text));

		read_line(r, line);
		text = end + 1;
	}
}

static void reader_clear(struct reader *r)
{
	strlist_clear(&r->families);
	strlist_clear(&r->series);
}

/* --- a page with everything on it --- */

static void add_reports(struct metrics *m)
{
	const struct certificate www = {.name = (char *)"www"};
	const struct certificate odd = {.name = (char *)"odd\"\\\nname"};
	struct version live = {.not_before = 100, .not_after = 400};
	const struct report valid = {
		.certificate = &www,
		.state = "valid",
		.live = &live,
		.next = {.what = SCHEDULE_RENEW, .when = 300},
		.renewal = {.succeeded_at = 101},
	};
	const struct report failing = {
		.certificate = &odd,
		.state = "failing",
		.next = {.what = SCHEDULE_ISSUE},
		.renewal = {.failures = 7},
		.pending = 3,
	};

	metrics_add(m, &valid);
	metrics_add(m, &failing);
}

static void make_metrics(struct metrics *m, struct counters *c)
{
	add_reports(m);
	m->now = 200;
	m->counters = c;
	*c = (struct counters){.started_at = 150, .turns = 9, .crashes = 1};
	counters_failed(c, "order", "validate");
	counters_failed(c, "order", "new");
	counters_failed(c, "order", "validate");
	for (int asked = 0; asked < ACME_ASKED; asked++)
		acme_count(&c->ca, (enum acme_asked)asked, 200, 40);
	acme_count(&c->ca, ACME_ASKED_ORDER, 429, 250);
	acme_count(&c->ca, ACME_ASKED_ORDER, 0, 31000);
}

static const char *const lines[] = {
	"everleaf_build_info{version=\"",
	"everleaf_time_seconds 200\n",
	"everleaf_certificate_not_before_seconds{certificate=\"www\"} 100\n",
	"everleaf_certificate_not_after_seconds{certificate=\"www\"} 400\n",
	"everleaf_certificate_next_renewal_seconds{certificate=\"www\"} 300\n",
	"everleaf_certificate_next_renewal_seconds{certificate=\"odd\\\"\\\\\\nname\"} 0\n",
	"everleaf_certificate_last_success_seconds{certificate=\"www\"} 101\n",
	"everleaf_certificate_failures{certificate=\"odd\\\"\\\\\\nname\"} 7\n",
	"everleaf_certificate_deployments_pending{certificate=\"odd\\\"\\\\\\nname\"} 3\n",
	"everleaf_certificate_state{certificate=\"www\",state=\"valid\"} 1\n",
	"everleaf_start_time_seconds 150\n",
	"everleaf_turns_total 9\n",
	"everleaf_crashes_total 1\n",
	"everleaf_failures_total{machine=\"order\",stage=\"validate\"} 2\n",
	"everleaf_failures_total{machine=\"order\",stage=\"new\"} 1\n",
	"everleaf_ca_requests_total{kind=\"new-order\",answer=\"2xx\"} 1\n",
	"everleaf_ca_requests_total{kind=\"new-order\",answer=\"4xx\"} 1\n",
	"everleaf_ca_requests_total{kind=\"new-order\",answer=\"none\"} 1\n",
	"_duration_seconds_bucket{kind=\"new-order\",le=\"0.05\"} 1\n",
	"_duration_seconds_bucket{kind=\"new-order\",le=\"0.1\"} 1\n",
	"_duration_seconds_bucket{kind=\"new-order\",le=\"0.25\"} 2\n",
	"_duration_seconds_bucket{kind=\"new-order\",le=\"30\"} 2\n",
	"_duration_seconds_bucket{kind=\"new-order\",le=\"+Inf\"} 3\n",
	"_duration_seconds_sum{kind=\"new-order\"} 31.290\n",
	"_duration_seconds_count{kind=\"new-order\"} 3\n",
};

static void every_line_is_well_formed_and_says_what_is_so(void **state)
{
	struct metrics m AUTO_METRICS = {0};
	struct counters c;
	struct reader r AUTO(reader_clear) = {0};
	struct buf text AUTO_BUF = {0};

	(void)state;
	buf_init(&text, METRICS_MAX);
	make_metrics(&m, &c);
	assert_int_equal(metrics_print(&m, &text, NULL), 0);
	read_text(&r, text.data);
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (strstr(text.data, lines[i]) == NULL)
			fail_msg("%s is missing in\n%s", lines[i], text.data);
	assert_null(strstr(text.data, "not_after_seconds{certificate=\"odd")); /* it has none */
}

static void a_page_that_is_too_large_is_refused_whole(void **state)
{
	struct metrics m AUTO_METRICS = {0};
	struct counters c;
	struct err e = {0};

	(void)state;
	make_metrics(&m, &c);
	for (size_t limit = 1; limit < 4000; limit += 111) {
		struct buf text AUTO_BUF = {0};

		buf_init(&text, limit);
		assert_int_equal(metrics_print(&m, &text, &e), ERR_SYS);
	}
}

static void more_stages_than_there_are_do_no_harm(void **state)
{
	static char names[2 * COUNTERS_STAGES][8];
	struct counters c = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(names[i], sizeof(names[i]), "s%zu", i);
		counters_failed(&c, "m", names[i]);
	}
	counters_failed(&c, "m", "s0");
	assert_int_equal(c.stages, COUNTERS_STAGES);
	assert_int_equal(c.failures[0].count, 2);
	counters_failed(NULL, "m", "s0");
	acme_count(NULL, ACME_ASKED_POST, 200, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_is_well_formed_and_says_what_is_so),
		cmocka_unit_test(a_page_that_is_too_large_is_refused_whole),
		cmocka_unit_test(more_stages_than_there_are_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
