/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "base/http.h"

#include "agent/loop.h"
#include "base/mem.h"
#include "tests/unit/web_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* One TLS server whose certificate is trusted, one without TLS. */
struct world {
	struct loop *loop;
	char directory[64];
	char *trusted; /* the server's own certificate */
	char *stranger;
	struct made_cert *cert;
	struct web_server tls;
	struct web_server plain;
};

/* What became of one call. */
struct answer {
	bool called;
	struct http_response *response;
	struct err e;
	struct http_call *cancels; /* in done(): NULL, or another call */
	struct http *frees;        /* in done(): NULL, or the group */
	struct http *again;        /* in done(): NULL, or where to submit next */
	struct answer *next;
};

static char *write_file(const struct world *w, const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", w->directory, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

static int setup(void **state)
{
	struct world *w = mem_new(sizeof(*w));
	AUTO_MADE_CERT struct made_cert *stranger = web_server_cert("DNS:localhost", time(NULL) + 86400);
	struct err e;

	strcpy(w->directory, "/tmp/everleaf-http-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	w->cert = web_server_cert("DNS:localhost,IP:127.0.0.1", time(NULL) + 86400);
	w->trusted = write_file(w, "trusted.pem", w->cert->pem);
	w->stranger = write_file(w, "stranger.pem", stranger->pem);
	w->tls = web_server_start(&(struct web_server_spec){.cert = w->cert});
	w->plain = web_server_start(&(struct web_server_spec){0});
	assert_int_equal(loop_event_new(&w->loop, &e), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	loop_event_free(w->loop);
	web_server_stop(&w->tls);
	web_server_stop(&w->plain);
	made_cert_free(w->cert);
	unlink(w->trusted);
	unlink(w->stranger);
	assert_int_equal(rmdir(w->directory), 0);
	free(w->trusted);
	free(w->stranger);
	free(w);
	return 0;
}

static struct http_policy policy_of(const struct world *w)
{
	return (struct http_policy){
		.https_only = true,
		.reach = HTTP_LOOPBACK,
		.ca_bundle = w->trusted,
		.user_agent = "test/1",
	};
}

static struct http *http_with(const struct world *w, const struct http_policy *policy)
{
	struct http *h = NULL;
	struct err e = {0};

	if (http_new(w->loop, policy, &h, &e) != 0)
		fail_msg("%s", e.text);
	return h;
}

static struct http *http_of(const struct world *w)
{
	struct http_policy policy = policy_of(w);

	return http_with(w, &policy);
}

static void on_done(void *arg, struct http_response *response, const struct err *e);

static struct http_call *submit(struct http *h, const char *method, const char *url,
				struct answer *a)
{
	struct http_request request = {
		.method = method,
		.url = url,
		.max_body = 100000,
	};

	if (strcmp(method, "POST") == 0) {
		request.body = "{\"a\":1}";
		request.body_len = 7;
	}
	return http_submit(h, &request, on_done, a);
}

static void on_done(void *arg, struct http_response *response, const struct err *e)
{
	struct answer *a = arg;

	assert_false(a->called);
	assert_true((response == NULL) != (e == NULL));
	a->called = true;
	a->response = response;
	if (e != NULL)
		a->e = *e;
	http_cancel(a->cancels);
	http_free(a->frees);
	if (a->again != NULL)
		submit(a->again, "GET", "ftp://localhost/", a->next);
}

static void until(const struct world *w, const struct answer *a)
{
	while (!a->called)
		assert_int_equal(loop_wait(w->loop, -1), 0);
}

static void turn_for_a_while(const struct world *w)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_wait(w->loop, 5), 0);
}

static char *url_of(const struct web_server *s, const char *path)
{
	return mem_printf("https://localhost:%d%s", s->port, path);
}

/* One request to the TLS server and what became of it; the response is the caller's. */
static struct answer ask(const struct world *w, struct http *h, const char *method,
			 const char *path)
{
	AUTO_FREE char *url = url_of(&w->tls, path);
	struct answer a = {0};

	submit(h, method, url, &a);
	assert_false(a.called); /* never from within http_submit */
	until(w, &a);
	return a;
}

static void expect_status(struct answer a, int status)
{
	if (a.response == NULL)
		fail_msg("%s", a.e.text);
	assert_int_equal(a.response->status, status);
	http_response_free(a.response);
}

static void expect_failure(struct answer a, enum err_code code, const char *words)
{
	if (a.response != NULL)
		fail_msg("an answer instead of: %s", words);
	if (strstr(a.e.text, words) == NULL)
		fail_msg("'%s' lacks '%s'", a.e.text, words);
	assert_int_equal(a.e.code, code);
}

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
	assert_string_equal(a.e.type, "connectionLost");
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
	assert_string_equal(a.e.type, "");
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
	assert_string_equal(a.e.type, ""); /* the server has acted on it */
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

static void a_certificate_of_a_stranger_gets_no_request(void **state)
{
	struct world *w = *state;
	struct http_policy policy = policy_of(w);
	struct http *h = NULL;

	policy.ca_bundle = w->stranger;
	h = http_with(w, &policy);
	expect_failure(ask(w, h, "POST", "/echo"), ERR_NET, "could not be verified");
	expect_failure(ask(w, h, "POST", "/echo"), ERR_NET, w->stranger);
	expect_failure(ask(w, h, "POST", "/echo"), ERR_NET, "--ca-bundle");
	http_free(h);
	policy.ca_bundle = NULL; /* the system does not know it either */
	h = http_with(w, &policy);
	expect_failure(ask(w, h, "POST", "/echo"), ERR_NET, "could not be verified");
	http_free(h);
	assert_int_equal(w->tls.seen->requests, 0);
}

static void refused_with_cert(const struct world *w, struct made_cert *cert, const char *words)
{
	AUTO_FREE char *bundle = write_file(w, "other.pem", cert->pem);
	struct web_server s = web_server_start(&(struct web_server_spec){.cert = cert});
	struct http_policy policy = policy_of(w);
	AUTO_FREE char *url = url_of(&s, "/ok");
	struct http *h = NULL;
	struct answer a = {0};

	policy.ca_bundle = bundle;
	h = http_with(w, &policy);
	submit(h, "POST", url, &a);
	until(w, &a);
	expect_failure(a, ERR_NET, words);
	assert_int_equal(s.seen->requests, 0);
	http_free(h);
	web_server_stop(&s);
	unlink(bundle);
	made_cert_free(cert);
}

static void a_certificate_for_another_name_or_time_gets_no_request(void **state)
{
	struct world *w = *state;

	refused_with_cert(w, web_server_cert("DNS:other.example", time(NULL) + 86400), "localhost");
	refused_with_cert(w, web_server_cert("DNS:localhost", time(NULL) - 3600), "expired");
}

static void http_is_refused_unless_the_policy_allows_it(void **state)
{
	struct world *w = *state;
	struct http_policy policy = policy_of(w);
	AUTO_FREE char *url = mem_printf("http://127.0.0.1:%d/ok", w->plain.port);
	struct http *h = http_of(w);
	struct answer a = {0};

	submit(h, "GET", url, &a);
	until(w, &a);
	expect_failure(a, ERR_CONFIG, "only https");
	assert_int_equal(w->plain.seen->connections, 0);
	http_free(h);
	policy.https_only = false;
	h = http_with(w, &policy);
	a = (struct answer){0};
	submit(h, "GET", url, &a);
	until(w, &a);
	expect_status(a, 200);
	http_free(h);
}

static void what_is_wrong_at_once_is_told_from_the_loop(void **state)
{
	static const char *const urls[] = {
		"ftp://localhost/", "file:///etc/passwd",      "https://",
		"no url",	   "https://me:pw@localhost/", "https://localhost:99999/",
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

/* Each reaches 127.0.0.1 or a worse place if it is let. */
static const struct {
	const char *url; /* its %d is the TLS server's port */
	const char *words;
} inside[] = {
	{"https://localhost:%d/", "loopback"},
	{"https://127.0.0.1:%d/", "loopback"},
	{"https://127.1:%d/", "loopback"},
	{"https://2130706433:%d/", "loopback"},
	{"https://0x7f000001:%d/", "loopback"},
	{"https://[::ffff:127.0.0.1]:%d/", "loopback"},
	{"https://0.0.0.0:%d/", "reserved"},
	{"https://169.254.169.254:%d/", "metadata"},
	{"https://[fe80::1]:%d/", "link-local"},
	{"https://10.1.2.3:%d/", "private"},
};

static void refuse_all_inside(const struct world *w, struct http *h)
{
	for (size_t i = 0; i < COUNT_OF(inside); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		AUTO_FREE char *url = mem_printf(inside[i].url, w->tls.port);
#pragma GCC diagnostic pop
		struct answer a = {0};

		submit(h, "GET", url, &a);
		until(w, &a);
		expect_failure(a, ERR_CONFIG, inside[i].words);
	}
	assert_int_equal(w->tls.seen->connections, 0);
}

static void a_public_server_cannot_send_us_to_our_neighbours(void **state)
{
	struct world *w = *state;
	struct http_policy policy = policy_of(w);
	struct http *h = NULL;

	policy.reach = HTTP_PUBLIC;
	policy.reach_from_url = true;
	policy.reach_url = "https://8.8.8.8/directory";
	h = http_with(w, &policy);
	refuse_all_inside(w, h);
	http_free(h);
}

static void a_server_the_operator_named_inside_may_be_reached_there(void **state)
{
	struct world *w = *state;
	struct http_policy policy = policy_of(w);
	AUTO_FREE char *url = url_of(&w->tls, "/ok");
	struct answer a = {0};
	struct http *h = NULL;

	policy.reach = HTTP_PUBLIC;
	policy.reach_from_url = true;
	policy.reach_url = url;
	h = http_with(w, &policy);
	submit(h, "GET", url, &a);
	until(w, &a);
	expect_status(a, 200);
	a = (struct answer){0};
	submit(h, "GET", "https://10.1.2.3/", &a); /* its class, not every class */
	until(w, &a);
	expect_failure(a, ERR_CONFIG, "private");
	http_free(h);
}

static void a_metadata_address_is_refused_even_when_it_was_named(void **state)
{
	struct world *w = *state;
	struct http_policy policy = policy_of(w);
	struct answer a = {0};
	struct http *h = NULL;

	policy.reach = HTTP_REFUSED;
	policy.reach_from_url = true;
	policy.reach_url = "https://169.254.169.254/";
	h = http_with(w, &policy);
	submit(h, "GET", policy.reach_url, &a);
	until(w, &a);
	expect_failure(a, ERR_CONFIG, "metadata");
	http_free(h);
}

static void behind_a_proxy_addresses_in_a_url_are_still_judged(void **state)
{
	struct world *w = *state;
	struct http_policy policy = policy_of(w);
	AUTO_FREE char *proxy = mem_printf("http://127.0.0.1:%d", w->plain.port);
	struct answer a = {0};
	struct http *h = NULL;

	policy.reach = HTTP_PUBLIC;
	policy.proxy = proxy;
	h = http_with(w, &policy);
	for (size_t i = 1; i < COUNT_OF(inside); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		AUTO_FREE char *url = mem_printf(inside[i].url, w->tls.port);
#pragma GCC diagnostic pop

		a = (struct answer){0};
		submit(h, "GET", url, &a);
		until(w, &a);
		expect_failure(a, ERR_CONFIG, inside[i].words);
	}
	assert_int_equal(w->plain.seen->connections, 0);
	a = (struct answer){0};
	submit(h, "GET", "https://ca.example/", &a); /* the proxy's address is not judged */
	until(w, &a);
	assert_null(a.response); /* ours refuses CONNECT */
	assert_int_equal(w->plain.seen->requests, 1);
	http_free(h);
}

static void the_environment_does_not_choose_a_proxy(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *proxy = mem_printf("http://127.0.0.1:%d", w->plain.port);
	struct http *h = NULL;

	setenv("https_proxy", proxy, 1);
	setenv("ALL_PROXY", proxy, 1);
	h = http_of(w);
	expect_status(ask(w, h, "GET", "/ok"), 200);
	assert_int_equal(w->plain.seen->connections, 0);
	http_free(h);
	unsetenv("https_proxy");
	unsetenv("ALL_PROXY");
}

static void refuse_policy(const struct world *w, const struct http_policy *policy,
			  const char *words)
{
	struct http *h = NULL;
	struct err e = {0};

	assert_int_equal(http_new(w->loop, policy, &h, &e), ERR_CONFIG);
	assert_null(h);
	if (strstr(e.text, words) == NULL)
		fail_msg("'%s' lacks '%s'", e.text, words);
	assert_null(strstr(e.text, "secret"));
}

static void a_bundle_that_holds_nothing_is_refused_at_once(void **state)
{
	struct world *w = *state;
	struct http_policy policy = policy_of(w);
	AUTO_FREE char *empty = write_file(w, "empty.pem", "nothing here\n");

	policy.ca_bundle = "/nonexistent/ca.pem";
	refuse_policy(w, &policy, "/nonexistent/ca.pem");
	policy.ca_bundle = empty;
	refuse_policy(w, &policy, "no PEM certificate");
	policy.ca_bundle = w->directory; /* certificates, but none under its hash */
	refuse_policy(w, &policy, "openssl rehash");
	unlink(empty);
}

static void a_bundle_may_be_a_directory_of_hashes(void **state)
{
	struct world *w = *state;
	struct http_policy policy = policy_of(w);
	AUTO_FREE char *name = mem_printf("%08lx.0", X509_subject_name_hash(w->cert->x509));
	AUTO_FREE char *path = write_file(w, name, w->cert->pem);
	struct http *h = NULL;

	policy.ca_bundle = w->directory;
	h = http_with(w, &policy);
	expect_status(ask(w, h, "GET", "/ok"), 200);
	http_free(h);
	unlink(path);
}

static void a_broken_bundle_is_the_operators_to_mend(void **state)
{
	struct world *w = *state;
	struct http_policy policy = policy_of(w);
	AUTO_FREE char *broken = write_file(w, "broken.pem",
					    "-----BEGIN CERTIFICATE-----\nAAAA\n"
					    "-----END CERTIFICATE-----\n");
	struct http *h = NULL;

	policy.ca_bundle = broken;
	h = http_with(w, &policy);
	expect_failure(ask(w, h, "GET", "/ok"), ERR_CONFIG, broken);
	http_free(h);
	unlink(broken);
}

static void a_proxy_that_is_no_url_is_refused_without_its_password(void **state)
{
	static const char *const proxies[] = {"", "me:secret@", "ftp://me:secret@proxy.example",
					      "://secret", "gopher://secret"};
	struct world *w = *state;
	struct http_policy policy = policy_of(w);

	for (size_t i = 0; i < COUNT_OF(proxies); i++) {
		policy.proxy = proxies[i];
		refuse_policy(w, &policy, "the proxy");
	}
}

static void a_server_that_is_not_there_is_named(void **state)
{
	struct world *w = *state;
	struct http *h = http_of(w);
	int port = web_server_free_port();
	AUTO_FREE char *url = mem_printf("https://127.0.0.1:%d/", port);
	AUTO_FREE char *words = mem_printf(
		"127.0.0.1:%d could not be reached: connection refused", port);
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
		TEST(a_certificate_of_a_stranger_gets_no_request),
		TEST(a_certificate_for_another_name_or_time_gets_no_request),
		TEST(http_is_refused_unless_the_policy_allows_it),
		TEST(what_is_wrong_at_once_is_told_from_the_loop),
		TEST(a_public_server_cannot_send_us_to_our_neighbours),
		TEST(a_server_the_operator_named_inside_may_be_reached_there),
		TEST(a_metadata_address_is_refused_even_when_it_was_named),
		TEST(behind_a_proxy_addresses_in_a_url_are_still_judged),
		TEST(the_environment_does_not_choose_a_proxy),
		TEST(a_bundle_that_holds_nothing_is_refused_at_once),
		TEST(a_bundle_may_be_a_directory_of_hashes),
		TEST(a_broken_bundle_is_the_operators_to_mend),
		TEST(a_proxy_that_is_no_url_is_refused_without_its_password),
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
