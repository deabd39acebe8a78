/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "base/http.h"

#include "base/mem.h"
#include "tests/unit/http_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

/* Each reaches 127.0.0.1 or a worse place if it is let. */
static const struct {
	const char *url; /* its %d is the TLS server's port */
	const char *words;
} inside[] = {
	{"https://localhost:%d/", "loopback"},
	{"https://127.0.0.1:%d/", "loopback"},
	{"https://127.1:%d/", "loopback"}, /* forms that a look at the text misses */
	{"https://2130706433:%d/", "loopback"},
	{"https://0x7f000001:%d/", "loopback"},
	{"https://[::ffff:127.0.0.1]:%d/", "loopback"},
	{"https://0.0.0.0:%d/", "reserved"}, /* connects to this host */
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_certificate_of_a_stranger_gets_no_request),
		TEST(a_certificate_for_another_name_or_time_gets_no_request),
		TEST(http_is_refused_unless_the_policy_allows_it),
		TEST(a_public_server_cannot_send_us_to_our_neighbours),
		TEST(a_server_the_operator_named_inside_may_be_reached_there),
		TEST(a_metadata_address_is_refused_even_when_it_was_named),
		TEST(behind_a_proxy_addresses_in_a_url_are_still_judged),
		TEST(the_environment_does_not_choose_a_proxy),
		TEST(a_bundle_that_holds_nothing_is_refused_at_once),
		TEST(a_bundle_may_be_a_directory_of_hashes),
		TEST(a_broken_bundle_is_the_operators_to_mend),
		TEST(a_proxy_that_is_no_url_is_refused_without_its_password),
	};

	alarm(120); /* an answer that never comes */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
