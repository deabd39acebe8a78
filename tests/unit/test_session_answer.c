/* SPDX-License-Identifier: MIT
 *
 * test_session_answer — what a session believes of an answer, and when it reads the directory
 * again.
 */
#include "tests/unit/session_fixture.h"

#include "base/mem.h"

#include <string.h>

static const struct {
	struct fake_ca_answer answer;
	bool reread;
} moves[] = {
	{{ANSWER(404, PROBLEM, "{\"type\":\"" URN "malformed\"}")}, true},
	{{ANSWER(404, "text/plain", "404 page not found")}, true},
	{{ANSWER(405, "text/plain", "method not allowed")}, true},
	{{ANSWER(400, PROBLEM, "{\"type\":\"" URN "malformed\"}")}, true},
	{{ANSWER(200, "text/plain", "hello")}, true}, /* no answer of an ACME server */
	{{ANSWER(301, "text/html", ""), .headers = {"location: https://new.example/"}}, true},
	{{ANSWER(403, PROBLEM, "{\"type\":\"" URN "unauthorized\"}")}, false},
	{{ANSWER(500, PROBLEM, "{\"type\":\"" URN "serverInternal\"}")}, false},
	{{ANSWER(200, "text/html", "please log in")},
	 false}, /* a captive portal says nothing of the CA */
	{{ANSWER(200, NULL, NULL)}, false},
};

static void what_looks_moved_reads_the_directory_again_before_the_next_request(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(moves); i++) {
		int before = f->ca->count[FAKE_CA_DIRECTORY];

		fake_ca_script(f->ca, FAKE_CA_POST, &moves[i].answer, 1);
		fixture_ask(f);
		if (i > 0)
			assert_int_equal(f->ca->count[FAKE_CA_DIRECTORY],
					 before + (moves[i - 1].reread ? 1 : 0));
	}
	fixture_counts(f, 7, 1, (int)COUNT_OF(moves));
}

static const struct {
	const char *type;
	const char *body;
	bool chain; /* a chain was asked for */
	enum err_code want;
} types[] = {
	{"application/json", "{}", false, ERR_NONE},
	{"Application/JSON; charset=utf-8", "{}", false, ERR_NONE},
	{"application/json;x", "{}", false, ERR_NONE},
	{"text/plain", "", false, ERR_NONE}, /* no body, no type */
	{"", "", false, ERR_NONE},
	{"", "{}", false, ERR_PROTOCOL},
	{"application/json+x", "{}", false, ERR_PROTOCOL},
	{"application/problem+json", "{}", false, ERR_PROTOCOL},
	{"application/pem-certificate-chain", "x", false, ERR_PROTOCOL},
	{"text/html", "<html>", false, ERR_NET},
	{"text/html; charset=utf-8", "<html>", false, ERR_NET},
	{"application/pem-certificate-chain", "x", true, ERR_NONE},
	{"application/pem-certificate-chain; charset=x", "x", true, ERR_NONE},
	{"application/json", "{}", true, ERR_PROTOCOL},
	{"application/pkix-cert", "x", true, ERR_PROTOCOL},
	{"TEXT/HTML", "<html>", true, ERR_NET},
};

static void an_answer_of_another_media_type_is_not_believed(void **state)
{
	struct fixture *f = *state;
	AUTO_REQUEST struct acme_request *chain = request_certificate("https://ca.example/c/1");

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		const struct fake_ca_answer answer = {.type = types[i].type, .body = types[i].body};

		fake_ca_script(f->ca, FAKE_CA_POST, &answer, 1);
		(void)session_submit(f->session, types[i].chain ? chain : f->request, &f->signer,
				     fixture_hear, &f->heard);
		fixture_run(f);
		if (f->heard.e.code != types[i].want)
			fail_msg("\"%s\": %s", types[i].type, f->heard.e.text);
		assert_int_equal(f->ca->max_body, types[i].chain ? ACME_MAX_CHAIN : ACME_MAX_JSON);
	}
}

static void a_web_page_is_told_from_a_broken_ca(void **state)
{
	static const struct fake_ca_answer page[] = {
		{ANSWER(200, "text/html", "<html>log in</html>")}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_DIRECTORY, page);
	fixture_ask(f);
	assert_int_equal(f->heard.e.code, ERR_NET);
	assert_non_null(strstr(f->heard.e.text, "captive portal"));
	fixture_counts(f, 1, 0, 0);
}

static void a_redirect_is_not_followed_and_its_target_is_named(void **state)
{
	static const struct fake_ca_answer moved[] = {
		{ANSWER(302, "text/html", ""),
		 .headers = {"location: https://elsewhere.example/x"}},
		{ANSWER(308, NULL, NULL)}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_POST, moved);
	fixture_ask(f);
	assert_int_equal(f->heard.e.code, ERR_PROTOCOL);
	assert_non_null(strstr(f->heard.e.text, "https://elsewhere.example/x"));
	fixture_ask(f);
	assert_int_equal(f->heard.e.code, ERR_PROTOCOL);
	SCRIPT(f->ca, FAKE_CA_DIRECTORY, moved);
	fixture_ask(f);
	assert_int_equal(f->heard.e.code, ERR_PROTOCOL);
	assert_non_null(strstr(f->heard.e.text, "https://elsewhere.example/x"));
}

static const char *const http_directories[] = {
	"{\"newNonce\":\"http://c.example/\",\"newAccount\":\"https://c.example/\","
	"\"newOrder\":\"https://c.example/\"}",
	"{\"newNonce\":\"https://c.example/\",\"newAccount\":\"http://c.example/\","
	"\"newOrder\":\"https://c.example/\"}",
	"{\"newNonce\":\"https://c.example/\",\"newAccount\":\"https://c.example/\","
	"\"newOrder\":\"http://c.example/\"}",
	"{\"newNonce\":\"https://c.example/\",\"newAccount\":\"https://c.example/\","
	"\"newOrder\":\"https://c.example/\",\"revokeCert\":\"http://c.example/\"}",
	"{\"newNonce\":\"https://c.example/\",\"newAccount\":\"https://c.example/\","
	"\"newOrder\":\"https://c.example/\",\"keyChange\":\"http://c.example/\"}",
	"{\"newNonce\":\"https://c.example/\",\"newAccount\":\"https://c.example/\","
	"\"newOrder\":\"https://c.example/\",\"renewalInfo\":\"http://c.example/\"}",
	"{\"newNonce\":\"https://c.example/\",\"newAccount\":\"https://c.example/\","
	"\"newOrder\":\"https://c.example/\",\"meta\":{\"termsOfService\":\"http://c.example/\"}}",
};

static void a_directory_with_one_http_url_is_refused_and_nothing_is_sent(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(http_directories); i++) {
		const struct fake_ca_answer answer = {.body = http_directories[i]};

		fake_ca_script(f->ca, FAKE_CA_DIRECTORY, &answer, 1);
		fixture_ask(f);
		assert_int_equal(f->heard.e.code, ERR_PROTOCOL);
		assert_null(session_directory(f->session));
		fixture_counts(f, (int)i + 1, 0, 0);
	}
	assert_int_equal(f->told, 0);
	fixture_ask(f); /* and it is read again the next time */
	assert_int_equal(f->heard.status, 200);
}

static void all_calls_that_wait_for_a_directory_hear_why_there_is_none(void **state)
{
	static const struct fake_ca_answer failed[] = {{.fail = ERR_NET}};
	struct fixture *f = *state;
	struct heard heard[5] = {0};

	SCRIPT(f->ca, FAKE_CA_DIRECTORY, failed);
	for (size_t i = 0; i < COUNT_OF(heard); i++)
		(void)fixture_submit(f, &heard[i]);
	fixture_run(f);
	for (size_t i = 0; i < COUNT_OF(heard); i++) {
		assert_int_equal(heard[i].times, 1);
		assert_int_equal(heard[i].e.code, ERR_NET);
		assert_non_null(strstr(heard[i].e.text, FAKE_CA_SERVER));
	}
	fixture_counts(f, 1, 0, 0);
	fixture_ask(f);
	assert_int_equal(f->heard.status, 200);
}

static const struct {
	int status;
	const char *header;
	const char *want; /* NULL: ERR_PROTOCOL, "": none, but no error */
} locations[] = {
	{201, "location: https://CA.example:443/a/../1", "https://CA.example:443/a/../1"},
	{201, "location: /account/7", "https://ca.example/account/7"},
	{201, "location: 7", "https://ca.example/order/7"},
	{201, "location: http://ca.example/1", NULL},
	{201, "location: https://u@ca.example/1", NULL},
	{201, "x: y", ""},
	{409, "location: https://ca.example/account/9", "https://ca.example/account/9"},
	{409, "location: http://ca.example/1", ""}, /* the problem is worth more */
};

static void a_location_is_kept_resolved_or_refused(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(locations); i++) {
		const struct fake_ca_answer answer = {.status = locations[i].status,
						      .headers = {locations[i].header}};

		fake_ca_script(f->ca, FAKE_CA_POST, &answer, 1);
		fixture_ask(f);
		if (locations[i].want == NULL) {
			assert_int_equal(f->heard.e.code, ERR_PROTOCOL);
			continue;
		}
		assert_int_equal(f->heard.status, locations[i].status);
		if (*locations[i].want == '\0')
			assert_null(f->heard.response->location);
		else
			assert_string_equal(f->heard.response->location, locations[i].want);
		assert_true((f->heard.response->problem != NULL) == (f->heard.status >= 400));
	}
}

static void alternates_and_retry_after_of_all_headers_are_read(void **state)
{
	static const struct fake_ca_answer answer[] = {
		{.headers = {"link: </c/2>;rel=alternate, </d>;rel=index",
			     "link: <https://b.example/3>;rel=\"alternate\"", "retry-after: 7"}},
		{.headers = {"retry-after: 3", "retry-after: 90", "retry-after: soon"}}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_POST, answer);
	fixture_ask(f);
	assert_int_equal(f->heard.response->alternates.count, 2);
	assert_string_equal(f->heard.response->alternates.items[0], "https://ca.example/c/2");
	assert_string_equal(f->heard.response->alternates.items[1], "https://b.example/3");
	assert_int_equal(f->heard.response->retry_after, 7);
	fixture_ask(f);
	assert_int_equal(f->heard.response->retry_after, 90); /* when all allow */
	fixture_ask(f);
	assert_int_equal(f->heard.response->retry_after, 0);
}

static void a_refusal_of_any_media_type_is_a_problem(void **state)
{
	static const struct fake_ca_answer refused[] = {
		{ANSWER(403, PROBLEM, "{\"type\":\"" URN "unauthorized\",\"detail\":\"no\"}")},
		{ANSWER(502, "text/html", "<html>bad gateway")},
		{ANSWER(503, "", "")}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_POST, refused);
	fixture_ask(f);
	assert_true(acme_problem_is(f->heard.response->problem, "unauthorized"));
	fixture_ask(f);
	assert_int_equal(f->heard.response->problem->status, 502);
	assert_string_equal(f->heard.response->problem->detail, "<html>bad gateway");
	fixture_ask(f);
	assert_int_equal(f->heard.status, 503);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* RFC 8555 knows of no clock, but RFC 9110 6.6.1 gives each answer a Date. */
static const struct {
	const char *date; /* of the answers; the loop's clock begins at the epoch */
	bool ordered;
} dates[] = {
	{NULL, true},
	{"date: nonsense", true},
	{"date: Thu, 01 Jan 1970 00:04:50 GMT", true},
	{"date: Thu, 01 Jan 1970 00:05:10 GMT", false},
	{"date: Fri, 02 Jan 1970 00:00:00 GMT", false},
	{"date: Wed, 31 Dec 1969 23:54:00 GMT", false},
};

static void no_order_goes_out_while_the_two_clocks_differ(void **state)
{
	struct fixture *f = *state;
	AUTO_REQUEST struct acme_request *order = NULL;
	struct strlist names AUTO_STRLIST = {0};

	strlist_add(&names, "a.example");
	order = request_new_order(&names, NULL, NULL);
	for (size_t i = 0; i < COUNT_OF(dates); i++) {
		const struct fake_ca_answer said[] = {
			{.headers = {dates[i].date}, .forever = true}};
		int before = f->ca->count[FAKE_CA_POST];

		fake_loop_set_now(f->loop, 0);
		SCRIPT(f->ca, FAKE_CA_NONCE, said);
		fake_loop_advance(f->loop, SESSION_NONCE_IDLE_MS + 1000); /* no nonce is left */
		fake_loop_set_now(f->loop, 0);
		(void)session_submit(f->session, order, &f->signer, fixture_hear, &f->heard);
		fixture_run(f);
		assert_int_equal(f->ca->count[FAKE_CA_POST] - before, dates[i].ordered);
		if (!dates[i].ordered)
			assert_int_equal(f->heard.e.code, ERR_CONFIG);
		(void)fixture_submit(f, &f->heard); /* anything else goes out all the same */
		fixture_run(f);
		assert_int_equal(f->heard.status, 200);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_order_goes_out_while_the_two_clocks_differ),
		TEST(what_looks_moved_reads_the_directory_again_before_the_next_request),
		TEST(an_answer_of_another_media_type_is_not_believed),
		TEST(a_web_page_is_told_from_a_broken_ca),
		TEST(a_redirect_is_not_followed_and_its_target_is_named),
		TEST(a_directory_with_one_http_url_is_refused_and_nothing_is_sent),
		TEST(all_calls_that_wait_for_a_directory_hear_why_there_is_none),
		TEST(a_location_is_kept_resolved_or_refused),
		TEST(alternates_and_retry_after_of_all_headers_are_read),
		TEST(a_refusal_of_any_media_type_is_a_problem),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
