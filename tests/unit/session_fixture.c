/* SPDX-License-Identifier: MIT
 *
 * session_fixture — made anew for each test, so that counts begin at 0.
 */
#include "tests/unit/session_fixture.h"

#include "base/mem.h"

#include <stdlib.h>

void heard_clear(struct heard *h)
{
	acme_response_free(h->response);
	*h = (struct heard){0};
}

void fixture_hear(void *arg, struct acme_response *response, const struct err *e)
{
	struct heard *h = arg;

	assert_true((response == NULL) != (e == NULL));
	acme_response_free(h->response);
	h->times++;
	h->response = response;
	h->status = response != NULL ? response->status : 0;
	h->e = e != NULL ? *e : (struct err){0};
	if (h->cancel != NULL)
		session_cancel(TAKE(*h->cancel));
	if (h->free_session != NULL)
		session_free(TAKE(*h->free_session));
}

static void directory_told(void *arg, const char *server, const char *body, size_t len)
{
	struct fixture *f = arg;

	assert_string_equal(server, FAKE_CA_SERVER);
	free(f->body);
	f->body = mem_strn(body, len);
	f->told++;
}

void fixture_start(struct fixture *f, const char *directory)
{
	const struct session_config config = {
		.server = FAKE_CA_SERVER,
		.loop = fake_loop_loop(f->loop),
		.clock = fake_loop_clock(f->loop),
		.transport = &f->ca->transport,
		.directory = directory,
		.directory_fetched = directory_told,
		.arg = f,
	};

	session_free(f->session);
	f->session = NULL;
	assert_int_equal(session_new(&config, &f->session, NULL), 0);
}

int fixture_setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));

	f->loop = fake_loop_new();
	f->ca = fake_ca_new(f->loop);
	f->request = request_read("https://ca.example/order/1");
	f->signer = (struct session_signer){fake_ca_sign, &f->signer_broken, KID};
	fixture_start(f, NULL);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->ca->misused, 0); /* in every test: no nonce twice */
	session_free(f->session);
	assert_true(f->ca->freed);
	assert_null(f->ca->calls);
	assert_int_equal(fake_loop_watches(f->loop), 0);
	heard_clear(&f->heard);
	acme_request_free(f->request);
	fake_ca_free(f->ca);
	fake_loop_free(f->loop);
	free(f->body);
	free(f);
	return 0;
}

struct session_call *fixture_submit(struct fixture *f, struct heard *h)
{
	return session_submit(f->session, f->request, &f->signer, fixture_hear, h);
}

void fixture_run(struct fixture *f)
{
	while (fake_loop_skip(f->loop))
		;
}

void fixture_ask(struct fixture *f)
{
	int before = f->heard.times;

	(void)fixture_submit(f, &f->heard);
	assert_int_equal(f->heard.times, before);
	fixture_run(f);
	assert_int_equal(f->heard.times, before + 1);
}

void fixture_counts(const struct fixture *f, int directories, int nonces, int posts)
{
	assert_int_equal(f->ca->count[FAKE_CA_DIRECTORY], directories);
	assert_int_equal(f->ca->count[FAKE_CA_NONCE], nonces);
	assert_int_equal(f->ca->count[FAKE_CA_POST], posts);
}
