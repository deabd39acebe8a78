/* SPDX-License-Identifier: MIT
 *
 * http_fixture — a trusted TLS server, one without TLS, and how to ask them through base/http and
 * judge what comes back: what the tests of the http door share.
 */
#ifndef TESTS_UNIT_HTTP_FIXTURE_H
#define TESTS_UNIT_HTTP_FIXTURE_H

#include "tests/unit.h"

#include "agent/loop.h"
#include "base/http.h"
#include "base/mem.h"
#include "tests/unit/web_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static inline char *write_file(const struct world *w, const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", w->directory, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

static inline int setup(void **state)
{
	struct world *w = mem_new(sizeof(*w));
	AUTO_MADE_CERT struct made_cert *stranger =
		web_server_cert("DNS:localhost", time(NULL) + 86400);
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

static inline int teardown(void **state)
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

static inline struct http_policy policy_of(const struct world *w)
{
	return (struct http_policy){
		.https_only = true,
		.reach = HTTP_LOOPBACK,
		.ca_bundle = w->trusted,
		.user_agent = "test/1",
	};
}

static inline struct http *http_with(const struct world *w, const struct http_policy *policy)
{
	struct http *h = NULL;
	struct err e = {0};

	if (http_new(w->loop, policy, &h, &e) != 0)
		fail_msg("%s", e.text);
	return h;
}

static inline struct http *http_of(const struct world *w)
{
	struct http_policy policy = policy_of(w);

	return http_with(w, &policy);
}

static inline void on_done(void *arg, struct http_response *response, const struct err *e);

static inline struct http_call *submit(struct http *h, const char *method, const char *url,
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

static inline void on_done(void *arg, struct http_response *response, const struct err *e)
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

static inline void until(const struct world *w, const struct answer *a)
{
	while (!a->called)
		assert_int_equal(loop_wait(w->loop, -1), 0);
}

static inline void turn_for_a_while(const struct world *w)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_wait(w->loop, 5), 0);
}

static inline char *url_of(const struct web_server *s, const char *path)
{
	return mem_printf("https://localhost:%d%s", s->port, path);
}

/* One request to the TLS server and what became of it; the response is the caller's. */
static inline struct answer ask(const struct world *w, struct http *h, const char *method,
				const char *path)
{
	AUTO_FREE char *url = url_of(&w->tls, path);
	struct answer a = {0};

	submit(h, method, url, &a);
	assert_false(a.called); /* never from within http_submit */
	until(w, &a);
	return a;
}

static inline void expect_status(struct answer a, int status)
{
	if (a.response == NULL)
		fail_msg("%s", a.e.text);
	assert_int_equal(a.response->status, status);
	http_response_free(a.response);
}

static inline void expect_failure(struct answer a, enum err_code code, const char *words)
{
	if (a.response != NULL)
		fail_msg("an answer instead of: %s", words);
	if (strstr(a.e.text, words) == NULL)
		fail_msg("'%s' lacks '%s'", a.e.text, words);
	assert_int_equal(a.e.code, code);
}

#endif
