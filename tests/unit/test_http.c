/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "base/http.h"

#include "base/mem.h"
#include "tests/unit/http_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void an_answer_has_its_status_its_headers_and_its_body(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	struct answer a = ask(w, h, "GET", "/ok");
	struct http_response *r = a.response;

	if (r == NULL)
		fail_msg("%s", a.e.text);
	assert_int_equal(r->status, 200);
	assert_string_equal(r->body.data, "hello");
	assert_string_equal(http_header(r, "x-name", 0), "Value");
	assert_string_equal(http_header(r, "x-name", 1), "");
	assert_null(http_header(r, "x-name", 2));
	assert_null(http_header(r, "x-nam", 0));
	assert_string_equal(http_header(r, "link", 0), "<a>");
	assert_false(r->reused);
	http_response_free(r);
	http_free(h);
}

static void a_head_has_headers_and_no_body(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	struct answer a = ask(w, h, "HEAD", "/ok");

	assert_string_equal(http_header(a.response, "replay-nonce", 0), "abc");
	assert_int_equal(a.response->body.len, 0);
	http_response_free(a.response);
	http_free(h);
}

static void a_request_says_what_it_is_told_and_nothing_more(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	struct strlist headers AUTO_STRLIST = {0};
	AUTO_FREE char *url = url_of(&w->tls, "/echo/../echo?q=%2F..");
	AUTO_FREE char *path = url_of(&w->tls, "/echo");
	struct http_request request = {.method = "POST", .url = path, .max_body = 10000};
	struct answer a = {0};
	const char *said = NULL;

	strlist_add(&headers, "Content-Type: application/jose+json");
	request.body = "{\"protected\":\"\"}";
	request.body_len = strlen(request.body);
	request.headers = &headers;
	http_submit(h, &request, on_done, &a);
	until(w, &a);
	said = a.response->body.data;
	assert_non_null(strstr(said, "POST /echo HTTP/1.1\r\n"));
	assert_non_null(strstr(said, "\r\nContent-Type: application/jose+json\r\n"));
	assert_non_null(strstr(said, "\r\nUser-Agent: test/1\r\n"));
	assert_non_null(strstr(said, "\r\n\r\n{\"protected\":\"\"}"));
	assert_null(strcasestr(said, "expect:"));
	assert_null(strcasestr(said, "accept-encoding"));
	assert_null(strcasestr(said, "cookie"));
	http_response_free(a.response);
	a = (struct answer){0};
	submit(h, "GET", url, &a); /* 404, but sent as it stands */
	until(w, &a);
	expect_status(a, 404);
	http_free(h);
}

static void requests_one_after_the_other_share_a_connection(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	struct answer a = ask(w, h, "GET", "/ok");

	expect_status(a, 200);
	for (int i = 0; i < 3; i++) {
		a = ask(w, h, "POST", "/echo");
		assert_true(a.response->reused);
		expect_status(a, 200);
	}
	assert_int_equal(w->tls.seen->connections, 1);
	http_free(h);
}

static void requests_at_once_make_at_most_four_connections(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	AUTO_FREE char *url = url_of(&w->tls, "/echo");
	struct answer a[20] = {0};

	for (size_t i = 0; i < COUNT_OF(a); i++)
		submit(h, "POST", url, &a[i]);
	for (size_t i = 0; i < COUNT_OF(a); i++) {
		until(w, &a[i]);
		expect_status(a[i], 200);
	}
	assert_true(w->tls.seen->connections <= 4);
	http_free(h);
}

static void two_groups_share_no_connection(void **state)
{
	struct world *w = *state;
	struct http *one = http_of(w);
	struct http *two = http_of(w);

	expect_status(ask(w, one, "GET", "/ok"), 200);
	http_free(one);
	expect_status(ask(w, two, "GET", "/ok"), 200);
	assert_int_equal(w->tls.seen->connections, 2);
	http_free(two);
}

static void a_redirect_is_an_answer_and_is_not_followed(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	struct answer a = ask(w, h, "GET", "/moved");

	assert_string_equal(http_header(a.response, "location", 0), "/ok");
	expect_status(a, 302);
	assert_int_equal(w->tls.seen->requests, 1);
	http_free(h);
}

static void an_interim_answer_leaves_no_header_behind(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	struct answer a = ask(w, h, "GET", "/early");

	assert_null(http_header(a.response, "x-early", 0));
	assert_string_equal(http_header(a.response, "x-late", 0), "1");
	expect_status(a, 200);
	http_free(h);
}

static void an_encoding_nobody_asked_for_is_not_decoded(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	struct answer a = ask(w, h, "GET", "/encoded");

	assert_string_equal(a.response->body.data, "plain");
	expect_status(a, 200);
	http_free(h);
}

static const struct {
	const char *path;
	const char *words; /* NULL: answered */
} caps[] = {
	{"/body/100000", NULL},
	{"/body/100001", "more than 100000 bytes"},
	{"/headers/100", NULL},
	{"/headers/101", "more header than"},
	{"/long/32000", NULL}, /* with the other lines below 32 KiB */
	{"/long/32768", "more header than"},
};

static void an_answer_beyond_a_cap_is_refused(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);

	for (size_t i = 0; i < COUNT_OF(caps); i++) {
		struct answer a = ask(w, h, "GET", caps[i].path);

		if (caps[i].words == NULL)
			expect_status(a, 200);
		else
			expect_failure(a, ERR_PROTOCOL, caps[i].words);
	}
	http_free(h);
}

static void a_post_on_a_dead_connection_is_lost_and_never_sent_twice(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	struct answer a;

	expect_status(ask(w, h, "GET", "/ok"), 200);
	a = ask(w, h, "POST", "/die");
	expect_failure(a, ERR_NET, "closed a connection in use before it answered");
	assert_int_equal(a.e.cause, CAUSE_CONNECTION_LOST);
	assert_int_equal(w->tls.seen->requests, 2);
	expect_status(ask(w, h, "POST", "/echo"), 200);
	http_free(h);
}

static void a_post_that_dies_on_a_new_connection_may_have_arrived(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	struct answer a = ask(w, h, "POST", "/die");

	assert_null(a.response);
	assert_int_equal(a.e.code, ERR_NET);
	assert_int_equal(a.e.cause, CAUSE_NONE);
	assert_int_equal(w->tls.seen->requests, 1);
	http_free(h);
}

static void an_answer_that_breaks_off_is_no_answer(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	struct answer a;

	expect_status(ask(w, h, "GET", "/ok"), 200);
	a = ask(w, h, "POST", "/half");
	assert_null(a.response);
	assert_int_equal(a.e.code, ERR_NET);
	assert_int_equal(a.e.cause, CAUSE_NONE); /* the server has acted on it */
	a = ask(w, h, "GET", "/junk");
	expect_failure(a, ERR_PROTOCOL, "did not answer in HTTP");
	http_free(h);
}

static void an_answer_that_does_not_come_ends_in_time(void **state)
{
	struct world *w = *state;
	struct http_policy policy = policy_of(w);
	struct http *h = NULL;

	policy.total_ms = 300;
	h = http_with(w, &policy);
	expect_failure(ask(w, h, "GET", "/slow"), ERR_NET, "timed out");
	http_free(h);
}

static void what_is_wrong_at_once_is_told_from_the_loop(void **state)
{
	static const char *const urls[] = {
		"ftp://localhost/", "file:///etc/passwd",       "https://",
		"no url",           "https://me:pw@localhost/", "https://localhost:99999/",
	};
	struct world *w = *state;
	struct http *h = http_of(w);

	for (size_t i = 0; i < COUNT_OF(urls); i++) {
		struct answer a = {0};

		submit(h, "GET", urls[i], &a);
		assert_false(a.called);
		until(w, &a);
		assert_null(a.response);
		assert_int_equal(a.e.code, ERR_CONFIG);
	}
	http_free(h);
}

static void a_server_that_is_not_there_is_named(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	int port = web_server_free_port();
	AUTO_FREE char *url = mem_printf("https://127.0.0.1:%d/", port);
	AUTO_FREE char *words =
		mem_printf("127.0.0.1:%d could not be reached: connection refused", port);
	struct answer a = {0};

	submit(h, "GET", url, &a);
	until(w, &a);
	expect_failure(a, ERR_NET, words);
	http_free(h);
}

/* A label of 64 bytes: refused by the resolver before it asks anybody. */
static void a_name_that_does_not_resolve_is_named(void **state)
{
	static const char host[] =
		"0123456789012345678901234567890123456789012345678901234567890123.invalid";
	struct world *w = *state;
	struct http *h = http_of(w);
	AUTO_FREE char *url = mem_printf("https://%s/", host);
	struct answer a = {0};

	submit(h, "GET", url, &a);
	until(w, &a);
	expect_failure(a, ERR_NET, "could not be resolved");
	expect_failure(a, ERR_NET, host);
	http_free(h);
}

static void a_cancelled_call_is_never_answered(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	AUTO_FREE char *slow = url_of(&w->tls, "/slow");
	AUTO_FREE char *ok = url_of(&w->tls, "/ok");
	struct answer a = {0};
	struct answer b = {0};
	struct answer c = {0};
	struct http_call *in_flight = submit(h, "GET", slow, &a);

	http_cancel(submit(h, "GET", ok, &b));
	http_cancel(submit(h, "GET", "no url", &c));
	while (w->tls.seen->requests == 0)
		assert_int_equal(loop_wait(w->loop, 10), 0);
	http_cancel(in_flight);
	http_cancel(NULL);
	expect_status(ask(w, h, "GET", "/ok"), 200);
	turn_for_a_while(w);
	assert_false(a.called || b.called || c.called);
	http_free(h);
}

static void an_answer_may_cancel_another_call(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	struct answer a = {0};
	struct answer b = {0};

	submit(h, "GET", "no url", &a); /* both are answered in the same turn */
	a.cancels = submit(h, "GET", "no url", &b);
	until(w, &a);
	turn_for_a_while(w);
	assert_false(b.called);
	http_free(h);
}

static void an_answer_may_free_the_group_or_ask_again(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *slow = url_of(&w->tls, "/slow");
	AUTO_FREE char *ok = url_of(&w->tls, "/ok");
	struct http *h = http_of(w);
	struct answer a = {0};
	struct answer b = {0};
	struct answer c = {0};

	a.again = h;
	a.next = &b;
	b.frees = h;
	submit(h, "GET", slow, &c);
	submit(h, "GET", ok, &a);
	until(w, &b);
	turn_for_a_while(w);
	expect_status(a, 200);
	assert_false(c.called);
}

static void a_group_that_is_freed_answers_nothing(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *slow = url_of(&w->tls, "/slow");
	struct http *h = http_of(w);
	struct answer a = {0};
	struct answer b = {0};

	submit(h, "POST", slow, &a);
	while (w->tls.seen->requests == 0)
		assert_int_equal(loop_wait(w->loop, 10), 0);
	submit(h, "GET", "no url", &b);
	http_free(h);
	http_free(NULL);
	turn_for_a_while(w);
	assert_false(a.called || b.called);
}

static void the_library_has_a_version(void **state)
{
	(void)state;
	assert_true(http_library()[0] >= '7');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_has_its_status_its_headers_and_its_body),
		TEST(a_head_has_headers_and_no_body),
		TEST(a_request_says_what_it_is_told_and_nothing_more),
		TEST(requests_one_after_the_other_share_a_connection),
		TEST(requests_at_once_make_at_most_four_connections),
		TEST(two_groups_share_no_connection),
		TEST(a_redirect_is_an_answer_and_is_not_followed),
		TEST(an_interim_answer_leaves_no_header_behind),
		TEST(an_encoding_nobody_asked_for_is_not_decoded),
		TEST(an_answer_beyond_a_cap_is_refused),
		TEST(a_post_on_a_dead_connection_is_lost_and_never_sent_twice),
		TEST(a_post_that_dies_on_a_new_connection_may_have_arrived),
		TEST(an_answer_that_breaks_off_is_no_answer),
		TEST(an_answer_that_does_not_come_ends_in_time),
		TEST(what_is_wrong_at_once_is_told_from_the_loop),
		TEST(a_server_that_is_not_there_is_named),
		TEST(a_name_that_does_not_resolve_is_named),
		TEST(a_cancelled_call_is_never_answered),
		TEST(an_answer_may_cancel_another_call),
		TEST(an_answer_may_free_the_group_or_ask_again),
		TEST(a_group_that_is_freed_answers_nothing),
		cmocka_unit_test(the_library_has_a_version),
	};

	alarm(120); /* an answer that never comes */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
