/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "base/tls.h"

#include "agent/loop.h"
#include "base/mem.h"
#include "tests/unit/web_server.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct world {
	struct loop *loop;
	struct made_cert *cert;
	struct made_cert *other;
};

struct answer {
	bool called;
	bool seen;
	uint8_t fingerprint[32];
	struct err e;
};

static int setup(void **state)
{
	struct world *w = mem_new(sizeof(*w));
	struct err e;

	/* Expired, and for other names: what is served is only to be told. */
	w->cert = web_server_cert("DNS:served.example", time(NULL) - 3600);
	w->other = web_server_cert("DNS:other.example", time(NULL) + 86400);
	assert_int_equal(loop_event_new(&w->loop, &e), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	loop_event_free(w->loop);
	made_cert_free(w->cert);
	made_cert_free(w->other);
	free(w);
	return 0;
}

static void on_done(void *arg, const uint8_t fingerprint[32], const struct err *e)
{
	struct answer *a = arg;

	assert_false(a->called);
	assert_true((fingerprint == NULL) != (e == NULL));
	a->called = true;
	a->seen = fingerprint != NULL;
	if (fingerprint != NULL)
		memcpy(a->fingerprint, fingerprint, sizeof(a->fingerprint));
	else
		a->e = *e;
}

static struct answer probe(const struct world *w, const struct tls_probe_request *request)
{
	struct answer a = {0};

	tls_probe_start(w->loop, request, on_done, &a);
	assert_false(a.called);
	while (!a.called)
		assert_int_equal(loop_wait(w->loop, -1), 0);
	return a;
}

static void expect_cert(struct answer a, const struct made_cert *cert)
{
	uint8_t want[32];
	unsigned len = 0;

	if (!a.seen)
		fail_msg("%s", a.e.text);
	assert_int_equal(X509_digest(cert->x509, EVP_sha256(), want, &len), 1);
	assert_memory_equal(a.fingerprint, want, sizeof(want));
}

static void expect_failure(struct answer a, const char *words)
{
	assert_false(a.seen);
	assert_int_equal(a.e.code, ERR_NET);
	if (strstr(a.e.text, words) == NULL)
		fail_msg("'%s' lacks '%s'", a.e.text, words);
}

static void what_is_served_is_told_by_its_fingerprint(void **state)
{
	struct world *w = *state;
	struct web_server s = web_server_start(&(struct web_server_spec){.cert = w->cert});

	expect_cert(probe(w, &(struct tls_probe_request){.host = "127.0.0.1", .port = s.port}),
		    w->cert);
	expect_cert(probe(w, &(struct tls_probe_request){.host = "127.0.0.1",
							 .port = s.port,
							 .server_name = "127.0.0.1"}),
		    w->cert);
	web_server_stop(&s);
}

static void the_server_name_chooses_the_certificate(void **state)
{
	struct world *w = *state;
	struct web_server s =
		web_server_start(&(struct web_server_spec){.cert = w->cert, .other = w->other});
	struct tls_probe_request request = {.host = "127.0.0.1", .port = s.port};

	request.server_name = "other.example";
	expect_cert(probe(w, &request), w->other);
	request.server_name = "served.example";
	expect_cert(probe(w, &request), w->cert);
	web_server_stop(&s);
}

static void a_server_that_wants_a_client_certificate_has_shown_its_own(void **state)
{
	struct world *w = *state;

	for (int tls12 = 0; tls12 < 2; tls12++) {
		struct web_server s = web_server_start(&(struct web_server_spec){
			.cert = w->cert, .wants_client_cert = true, .tls12 = tls12 == 1});
		struct tls_probe_request request = {.host = "127.0.0.1", .port = s.port};

		expect_cert(probe(w, &request), w->cert);
		web_server_stop(&s);
	}
}

static void a_server_that_is_not_there_is_named(void **state)
{
	struct world *w = *state;
	int port = web_server_free_port();
	AUTO_FREE char *place = mem_printf("127.0.0.1:%d ", port);
	struct tls_probe_request request = {.host = "127.0.0.1", .port = port};

	expect_failure(probe(w, &request), place);
	expect_failure(probe(w, &request), "refused");
	request.host = "localhost"; /* each of its addresses */
	expect_failure(probe(w, &request), "localhost");
}

static void a_name_that_does_not_resolve_is_named(void **state)
{
	struct tls_probe_request request = {
		.host = "0123456789012345678901234567890123456789012345678901234567890123.invalid",
		.port = 443};

	expect_failure(probe(*state, &request), "could not be resolved");
}

static void a_server_without_tls_shows_no_certificate(void **state)
{
	struct world *w = *state;
	struct web_server s = web_server_start(&(struct web_server_spec){0});
	struct tls_probe_request request = {.host = "127.0.0.1", .port = s.port};

	request.timeout_ms = 300; /* it waits for the end of a request */
	expect_failure(probe(w, &request), "showed no certificate");
	web_server_stop(&s);
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
	struct world *w = *state;
	struct web_server s = web_server_start(&(struct web_server_spec){.silent = true});
	struct tls_probe_request request = {.host = "127.0.0.1", .port = s.port};

	request.timeout_ms = 200;
	expect_failure(probe(w, &request), "no TLS handshake within 200 ms");
	web_server_stop(&s);
}

static void a_cancelled_probe_is_never_answered(void **state)
{
	struct world *w = *state;
	struct web_server s = web_server_start(&(struct web_server_spec){.silent = true});
	struct tls_probe_request request = {.host = "127.0.0.1", .port = s.port};
	struct answer a = {0};
	struct tls_probe *p = NULL;

	tls_probe_cancel(tls_probe_start(w->loop, &request, on_done, &a));
	p = tls_probe_start(w->loop, &request, on_done, &a);
	while (s.seen->connections == 0)
		assert_int_equal(loop_wait(w->loop, 5), 0);
	tls_probe_cancel(p);
	tls_probe_cancel(NULL);
	for (int i = 0; i < 10; i++)
		assert_int_equal(loop_wait(w->loop, 10), 0);
	assert_false(a.called);
	web_server_stop(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_served_is_told_by_its_fingerprint),
		TEST(the_server_name_chooses_the_certificate),
		TEST(a_server_that_wants_a_client_certificate_has_shown_its_own),
		TEST(a_server_that_is_not_there_is_named),
		TEST(a_name_that_does_not_resolve_is_named),
		TEST(a_server_without_tls_shows_no_certificate),
		TEST(a_server_that_says_nothing_is_given_up),
		TEST(a_cancelled_probe_is_never_answered),
	};

	alarm(60); /* an answer that never comes */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
