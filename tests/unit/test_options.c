/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "agent/options.h"
#include "agent/wishing.h"

#include <string.h>

#define MAX_WORDS 12

static int parse(const char *const *typed, struct options *o, struct err *e)
{
	char *argv[MAX_WORDS + 2] = {(char *)(uintptr_t) "everleaf"};
	int argc = 1;

	for (; *typed != NULL; typed++)
		argv[argc++] = (char *)(uintptr_t)*typed;
	return options_parse(argc, argv, o, e);
}

/* The same wish in the words of several clients, and in any order. */
static const char *const same[][MAX_WORDS] = {
	{"obtain", "-d", "a.test,b.test", "--http-port", "81", "--force", "--json"},
	{"--json", "obtain", "-da.test", "-d", "b.test", "--http-port=81", "--force"},
	{"issue", "--domains", "a.test,b.test", "--httpport", "81", "--force", "--json"},
	{"certonly", "--domain", "a.test", "-n", "--domain=b.test", "--http-01-port", "81",
	 "--force-renewal", "--json"},
	{"obtain", "--force", "-d", "a.test", "--json", "-d", ",b.test,", "--http-port", "81"},
};

static void options_stand_anywhere_and_in_other_clients_spellings(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		struct options o = {0};
		struct err e = {0};
		AUTO_FREE char *domains = NULL;

		if (parse(same[i], &o, &e) != 0)
			fail_msg("row %zu: %s", i, e.text);
		domains = strlist_join(&o.domains, " ");
		assert_string_equal(domains, "a.test b.test");
		assert_string_equal(o.http_port, "81");
		assert_true(o.force && o.json);
		assert_int_equal(o.operands.count, 0);
		options_clear(&o);
	}
}

static const struct {
	const char *typed[MAX_WORDS];
	const char *named; /* in the sentence */
} wrong[] = {
	{{"obtain", "--frobnicate"}, "--frobnicate"},
	{{"obtain", "-x"}, "-x"},
	{{"obtain", "-d"}, "-d"},
	{{"status", "-d", "a.test"}, "domain"},
	{{"renew", "--webroot", "/x"}, "webroot"},
	{{"show", "x", "--force"}, "force"},
	{{"obtain", "--force=yes"}, "--force"},
	{{"show", "x", "--dry-run"}, "dry-run"},
	{{"deploy", "x", "--run-deploy-hooks"}, "--dry-run"},
	{{"status", "--run-deploy-hooks"}, "run-deploy-hooks"},
};

static void a_wrong_option_is_named_in_the_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct options o = {0};
		struct err e = {0};

		assert_int_equal(parse(wrong[i].typed, &o, &e), ERR_CONFIG);
		assert_int_equal(e.cause, CAUSE_USAGE);
		if (strstr(e.text, wrong[i].named) == NULL)
			fail_msg("row %zu: %s", i, e.text);
		options_clear(&o);
	}
}

static void what_follows_two_dashes_is_an_operand(void **state)
{
	const char *const typed[] = {"show", "--", "--json", NULL};
	struct options o = {0};

	(void)state;
	assert_int_equal(parse(typed, &o, NULL), 0);
	assert_false(o.json);
	assert_string_equal(o.operands.items[0], "--json");
	options_clear(&o);
}

/* What a dry run asks instead; there is no production server in the right column. */
static void a_dry_run_goes_to_the_staging_server_of_its_ca(void **state)
{
	static const struct {
		const char *server;
		const char *staging;
	} rows[] = {
		{"letsencrypt", "https://acme-staging-v02.api.letsencrypt.org/directory"},
		{"letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"},
		{"google", "https://dv.acme-v02.test-api.pki.goog/directory"},
		{"googletrust", "https://dv.acme-v02.test-api.pki.goog/directory"},
		{"zerossl", "https://acme.zerossl.com/v2/DV90"},
		{"https://ca.example/dir", "https://ca.example/dir"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *url = NULL;

		assert_int_equal(wishing_server(rows[i].server, false, &url, NULL), 0);
		assert_string_equal(wishing_staging(url), rows[i].staging);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere_and_in_other_clients_spellings),
		cmocka_unit_test(a_wrong_option_is_named_in_the_sentence),
		cmocka_unit_test(what_follows_two_dashes_is_an_operand),
		cmocka_unit_test(a_dry_run_goes_to_the_staging_server_of_its_ca),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
