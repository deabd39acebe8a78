/* SPDX-License-Identifier: MIT
 *
 * test_problem — problem documents, and what comes in their place.
 */
#include "tests/unit.h"

#include "acme/types.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define URN "urn:ietf:params:acme:error:"

static struct acme_problem *parse(int status, const char *body)
{
	return acme_problem_parse(status, body, strlen(body));
}

static void a_problem_keeps_type_detail_instance_and_subproblems(void **state)
{
	AUTO_PROBLEM struct acme_problem *p = parse(
		403, "{\"type\":\"" URN "malformed\",\"detail\":\"Some of them\",\"status\":200,"
		     "\"instance\":\"https://ca.example/i\",\"subproblems\":[{\"type\":\"" URN
		     "caa\",\"detail\":\"forbidden\",\"identifier\":{\"type\":\"dns\",\"value\":"
		     "\"a.example\"}},{\"type\":\"" URN "dns\"},7]}");

	(void)state;
	assert_true(acme_problem_is(p, "malformed"));
	assert_false(acme_problem_is(p, "malforme"));
	assert_int_equal(p->status, 403); /* what the answer had, not what the body says */
	assert_string_equal(p->detail, "Some of them");
	assert_string_equal(p->instance, "https://ca.example/i");
	assert_int_equal(p->subproblem_count, 3);
	assert_string_equal(p->subproblems[0].type, "caa");
	assert_string_equal(p->subproblems[0].detail, "forbidden");
	assert_string_equal(p->subproblems[0].identifier, "a.example");
	assert_string_equal(p->subproblems[1].type, "dns");
	assert_null(p->subproblems[1].detail);
	assert_null(p->subproblems[1].identifier);
	assert_string_equal(p->subproblems[2].type, "");
}

static const struct {
	const char *body;
	const char *type;
	const char *detail; /* NULL: none */
} rows[] = {
	{"{\"type\":\"" URN "badNonce\"}", "badNonce", NULL},
	{"{\"type\":\"" URN "neverHeardOf\"}", "neverHeardOf", NULL},
	{"{\"type\":\"about:blank\",\"title\":\"Not Found\"}", "", "Not Found"},
	{"{\"type\":\"urn:acme:error:badNonce\",\"detail\":\"old\"}", "", "old"}, /* ACME v1 */
	{"{\"type\":\"" URN "\"}", "", NULL},
	{"{\"type\":\"" URN "bad Nonce\"}", "", NULL},
	{"{\"type\":\"" URN "x\\n\"}", "", NULL},
	{"{\"type\":\"" URN "0123456789012345678901234567890123456789012345678901234567890123\"}",
	 "", NULL}, /* 64 characters: not what struct err can carry */
	{"{\"detail\":\"no type\"}", "", "no type"},
	{"{\"type\":5,\"detail\":\"x\"}", "", "x"},
	/* no problem documents */
	{"", "", NULL},
	{"{}", "", "{}"},
	{"[]", "", "[]"},
	{"{\"error\":\"x\"}", "", "{\"error\":\"x\"}"},
	{"<h1>502 Bad Gateway</h1>\r\n", "", "<h1>502 Bad Gateway</h1>\\x0d\\x0a"},
	{"{\"type\":\"" URN "badNonce\"", "", "{\"type\":\"" URN "badNonce\""}, /* cut off */
	{"\x1b[2J", "", "\\x1b[2J"},
	{"caf\xc3\xa9", "", "caf\xc3\xa9"},
	{"\xff", "", "\\xff"},
};

static void whatever_the_body_is_it_becomes_a_problem(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_PROBLEM struct acme_problem *p = parse(500, rows[i].body);

		assert_int_equal(p->status, 500);
		assert_string_equal(p->type, rows[i].type);
		if (rows[i].detail == NULL)
			assert_null(p->detail);
		else
			assert_string_equal(p->detail, rows[i].detail);
	}
}

static void a_long_body_is_cut_to_512_bytes(void **state)
{
	AUTO_FREE char *body = mem_new(100001);
	AUTO_PROBLEM struct acme_problem *p = NULL;

	(void)state;
	memset(body, 'y', 100000);
	p = parse(500, body);
	assert_int_equal(strlen(p->detail), 512);
}

static void a_body_with_nul_bytes_is_read_to_its_end(void **state)
{
	AUTO_PROBLEM struct acme_problem *p = acme_problem_parse(500, "a\0b", 3);

	(void)state;
	assert_string_equal(p->detail, "a\\x00b");
}

static void no_problem_is_of_no_type(void **state)
{
	(void)state;
	assert_false(acme_problem_is(NULL, "badNonce"));
	assert_false(acme_problem_is(NULL, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_problem_keeps_type_detail_instance_and_subproblems),
		cmocka_unit_test(whatever_the_body_is_it_becomes_a_problem),
		cmocka_unit_test(a_long_body_is_cut_to_512_bytes),
		cmocka_unit_test(a_body_with_nul_bytes_is_read_to_its_end),
		cmocka_unit_test(no_problem_is_of_no_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
