/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "acme/transport.h"

#include "agent/loop.h"
#include "base/mem.h"
#include "tests/unit/web_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct world {
	struct loop *loop;
	char bundle[64];
	struct made_cert *cert;
	struct web_server server;
	struct transport *transport;
};

struct answer {
	bool called;
	struct http_response *response;
	struct err e;
};

static int setup(void **state)
{
	struct world *w = mem_new(sizeof(*w));
	AUTO_FREE char *directory = NULL;
	struct transport_config config = {0};
	struct err e = {0};
	int fd;

	strcpy(w->bundle, "/tmp/everleaf-transport-XXXXXX");
	fd = mkstemp(w->bundle);
	w->cert = web_server_cert("DNS:localhost", time(NULL) + 86400);
	assert_int_equal(write(fd, w->cert->pem, strlen(w->cert->pem)), strlen(w->cert->pem));
	close(fd);
	w->server = web_server_start(&(struct web_server_spec){.cert = w->cert});
	directory = mem_printf("https://localhost:%d/directory", w->server.port);
	config.server = directory;
	config.ca_bundle = w->bundle;
	assert_int_equal(loop_event_new(&w->loop, &e), 0);
	if (transport_http_new(w->loop, &config, &w->transport, &e) != 0)
		fail_msg("%s", e.text);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	transport_free(w->transport);
	transport_free(NULL);
	loop_event_free(w->loop);
	web_server_stop(&w->server);
	made_cert_free(w->cert);
	unlink(w->bundle);
	free(w);
	return 0;
}

static void on_done(void *arg, struct http_response *response, const struct err *e)
{
	struct answer *a = arg;

	a->called = true;
	a->response = response;
	if (e != NULL)
		a->e = *e;
}

static void *submit(const struct world *w, const char *url, struct answer *a)
{
	struct strlist headers AUTO_STRLIST = {0};
	struct http_request request = {.method = "POST", .url = url, .max_body = 10000};

	strlist_add(&headers, "Content-Type: application/jose+json");
	request.headers = &headers;
	request.body = "{}";
	request.body_len = 2;
	return w->transport->ops->submit(w->transport, &request, on_done, a);
}

static void until(const struct world *w, const struct answer *a)
{
	while (!a->called)
		assert_int_equal(loop_wait(w->loop, -1), 0);
}

static void a_request_names_us_and_our_language(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *url = mem_printf("https://localhost:%d/echo", w->server.port);
	AUTO_FREE char *library = mem_printf(" libcurl/%s\r\n", http_library());
	struct answer a = {0};

	submit(w, url, &a);
	until(w, &a);
	assert_non_null(strstr(a.response->body.data, "\r\nUser-Agent: everleaf/"));
	assert_non_null(strstr(a.response->body.data, library));
	assert_non_null(strstr(a.response->body.data, "\r\nAccept-Language: en\r\n"));
	assert_non_null(
		strstr(a.response->body.data, "\r\nContent-Type: application/jose+json\r\n"));
	http_response_free(a.response);
}

/* The directory lies on loopback, so loopback is allowed and nothing else that is not public. */
static void a_ca_is_reached_by_https_where_its_directory_lies(void **state)
{
	static const char *const urls[] = {"http://localhost/", "https://10.0.0.1/",
					   "https://169.254.169.254/"};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT_OF(urls); i++) {
		struct answer a = {0};

		submit(w, urls[i], &a);
		until(w, &a);
		assert_null(a.response);
		assert_int_equal(a.e.code, ERR_CONFIG);
	}
}

static void a_cancelled_request_is_never_answered(void **state)
{
	struct world *w = *state;
	struct answer a = {0};

	w->transport->ops->cancel(w->transport, submit(w, "no url", &a));
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_wait(w->loop, 5), 0);
	assert_false(a.called);
}

static void a_bundle_that_cannot_be_read_is_told_at_once(void **state)
{
	struct world *w = *state;
	const struct transport_config config = {.server = "https://localhost/",
						.ca_bundle = "/nonexistent"};
	struct transport *t = NULL;
	struct err e = {0};

	assert_int_equal(transport_http_new(w->loop, &config, &t, &e), ERR_CONFIG);
	assert_null(t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_names_us_and_our_language),
		TEST(a_ca_is_reached_by_https_where_its_directory_lies),
		TEST(a_cancelled_request_is_never_answered),
		TEST(a_bundle_that_cannot_be_read_is_told_at_once),
	};

	alarm(60); /* an answer that never comes */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
