/* SPDX-License-Identifier: MIT
 *
 * test_mock — the mock CA is as strict as it says: a test that it lets pass means something.
 */
#include "tests/unit.h"

#include "acme/jws.h"
#include "base/base64url.h"
#include "base/json.h"
#include "base/key.h"
#include "tests/mock/mock_ca.h"
#include "tests/unit/fake_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
	struct fake_loop *loop;
	struct mock_ca *ca;
	struct key *key;
	struct mock_response answer;
	char *nonce;
	char *kid;
};

static const char *answer_header(const struct bench *b, const char *name)
{
	for (size_t i = 0; i < b->answer.headers.count; i++) {
		const char *header = b->answer.headers.items[i];

		if (strncmp(header, name, strlen(name)) == 0 && header[strlen(name)] == ':')
			return header + strlen(name) + 2;
	}
	return NULL;
}

static void bench_send(struct bench *b, const char *url, const char *body, const char *type)
{
	struct mock_request q = {.method = "POST", .url = url, .content_type = type, .body = body};

	q.body_len = body != NULL ? strlen(body) : 0;
	if (body == NULL)
		q.method = "HEAD";
	mock_response_clear(&b->answer);
	mock_response_init(&b->answer);
	mock_ca_answer(b->ca, &q, &b->answer);
	if (answer_header(b, "replay-nonce") != NULL)
		mem_set_str(&b->nonce, answer_header(b, "replay-nonce"));
}

/* What a request is made of; NULL: what is right. */
struct odd {
	const char *nonce, *signed_url, *type;
	bool with_jwk;
	bool forged;
};

static void ask(struct bench *b, const char *url, const char *payload, const struct odd *odd)
{
	struct jws_header header = {
		.url = odd->signed_url != NULL ? odd->signed_url : url,
		.nonce = odd->nonce != NULL ? odd->nonce : b->nonce,
		.kid = odd->with_jwk ? NULL : b->kid,
	};
	struct buf body AUTO_BUF = {0};

	buf_init(&body, 65536);
	assert_int_equal(jws_sign(b->key, &header, payload, &body, NULL), 0);
	if (odd->forged) {
		char *at = strstr(body.data, "\"signature\":\"");

		assert_non_null(at);
		at += strlen("\"signature\":\"");
		*at = *at == 'e' ? 'f' : 'e';
	}
	bench_send(b, url, body.data, odd->type != NULL ? odd->type : "application/jose+json");
}

static void assert_problem(const struct bench *b, int status, const char *type)
{
	assert_int_equal(b->answer.status, status);
	assert_non_null(strstr(b->answer.body.data, type));
}

#define URL(path) "https://mock.example/" path
#define RIGHT     (&(const struct odd){0})

static int bench_setup(void **state)
{
	struct bench *b = mem_new(sizeof(*b));
	struct mock_ca_config config = {.seed = 1};

	b->loop = fake_loop_new();
	config.clock = fake_loop_clock(b->loop);
	b->ca = mock_ca_new(&config);
	assert_int_equal(key_generate(KEY_EC256, &b->key, NULL), 0);
	mock_response_init(&b->answer);
	bench_send(b, URL("nonce"), NULL, NULL);
	ask(b, URL("new-account"), "{}", &(const struct odd){.with_jwk = true});
	assert_int_equal(b->answer.status, 201);
	b->kid = mem_str(answer_header(b, "location"));
	*state = b;
	return 0;
}

static int bench_teardown(void **state)
{
	struct bench *b = *state;

	mock_response_clear(&b->answer);
	mock_ca_free(b->ca);
	fake_loop_free(b->loop);
	key_free(b->key);
	free(b->nonce);
	free(b->kid);
	free(b);
	return 0;
}

static const char new_order[] = "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"}]}";

static const struct {
	struct odd odd;
	int status;
	const char *type;
} refusals[] = {
	{{.nonce = "bm90IG91cnM"}, 400, "badNonce"},
	{{.nonce = "n0_00000000"}, 400, "badNonce"}, /* was used */
	{{.signed_url = URL("new-account")}, 401, "unauthorized"},
	{{.type = "application/json"}, 415, "malformed"},
	{{.with_jwk = true}, 400, "malformed"},
	{{.forged = true}, 400, "malformed"},
};

static void what_is_not_signed_as_it_should_be_is_refused(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		ask(b, URL("new-order"), new_order, &refusals[i].odd);
		assert_problem(b, refusals[i].status, refusals[i].type);
	}
	assert_int_equal(mock_ca_counts(b->ca).orders, 0);
	assert_int_equal(mock_ca_counts(b->ca).nonces_reused, 1);
	assert_int_equal(mock_ca_counts(b->ca).nonces_unknown, 1);
	assert_int_equal(mock_ca_counts(b->ca).forged, 1);
	ask(b, URL("new-order"), new_order, RIGHT);
	assert_int_equal(b->answer.status, 201);
}

static void a_post_as_get_has_an_empty_payload(void **state)
{
	struct bench *b = *state;

	ask(b, URL("new-order"), new_order, RIGHT);
	ask(b, URL("order/1"), "{}", RIGHT);
	assert_problem(b, 400, "malformed");
	ask(b, URL("order/1"), NULL, RIGHT);
	assert_int_equal(b->answer.status, 200);
}

static void another_account_sees_nothing_of_an_order(void **state)
{
	struct bench *b = *state;

	ask(b, URL("new-order"), new_order, RIGHT);
	key_free(TAKE(b->key));
	assert_int_equal(key_generate(KEY_EC384, &b->key, NULL), 0);
	ask(b, URL("new-account"), "{\"onlyReturnExisting\":true}",
	    &(const struct odd){.with_jwk = true});
	assert_problem(b, 400, "accountDoesNotExist");
	ask(b, URL("new-account"), "{}", &(const struct odd){.with_jwk = true});
	assert_int_equal(b->answer.status, 201);
	mem_set_str(&b->kid, answer_header(b, "location"));
	ask(b, URL("order/1"), NULL, RIGHT);
	assert_int_equal(b->answer.status, 404);
}

static void an_account_changes_its_contact_and_no_others(void **state)
{
	struct bench *b = *state;

	ask(b, URL("account/1"), "{\"contact\":[\"mailto:new@example.org\"]}", RIGHT);
	assert_int_equal(b->answer.status, 200);
	assert_non_null(strstr(b->answer.body.data, "mailto:new@example.org"));
	ask(b, URL("account/2"), "{\"contact\":[]}", RIGHT);
	assert_problem(b, 404, "malformed");
	ask(b, URL("account/1"), NULL, RIGHT);
	assert_non_null(strstr(b->answer.body.data, "mailto:new@example.org"));
}

/* The ways of CAs that forgot an account; what it looks like is the configuration's. */
static void a_forgotten_account_is_unknown_and_so_are_its_key_and_orders(void **state)
{
	struct bench *b = *state;
	struct mock_ca_config *config = mock_ca_config(b->ca);
	const struct odd key = {.with_jwk = true};

	ask(b, URL("new-order"), new_order, RIGHT);
	config->alone = config->same_ids = true;
	mock_ca_forget_accounts(b->ca);
	ask(b, URL("order/1"), NULL, RIGHT);
	assert_problem(b, 400, "accountDoesNotExist");
	config->unknown = (struct mock_refusal){403, "unauthorized"};
	ask(b, URL("order/1"), NULL, RIGHT);
	assert_problem(b, 403, "unauthorized");
	ask(b, URL("new-account"), "{\"onlyReturnExisting\":true,\"contact\":[]}", &key);
	assert_problem(b, 400, "malformed");
	config->absent = (struct mock_refusal){404, "malformed"};
	ask(b, URL("new-account"), "{\"onlyReturnExisting\":true}", &key);
	assert_problem(b, 404, "malformed");
	ask(b, URL("new-account"), "{}", &key);
	assert_int_equal(b->answer.status, 201);
	assert_string_equal(answer_header(b, "location"), b->kid);
	ask(b, URL("order/1"), NULL, RIGHT);
	assert_int_equal(b->answer.status, 404);
	assert_int_equal(mock_ca_counts(b->ca).accounts, 2);
}

/* RFC 8555 7.3.6 */
static void a_deactivated_account_is_refused_everywhere(void **state)
{
	struct bench *b = *state;

	ask(b, URL("account/1"), "{\"status\":\"deactivated\"}", RIGHT);
	assert_int_equal(b->answer.status, 200);
	assert_non_null(strstr(b->answer.body.data, "\"status\":\"deactivated\""));
	ask(b, URL("new-order"), new_order, RIGHT);
	assert_problem(b, 401, "unauthorized");
	ask(b, URL("account/1"), NULL, RIGHT);
	assert_problem(b, 401, "unauthorized");
	ask(b, URL("new-account"), "{}", &(const struct odd){.with_jwk = true});
	assert_problem(b, 401, "unauthorized");
	assert_int_equal(mock_ca_counts(b->ca).deactivated, 1);
	assert_int_equal(mock_ca_counts(b->ca).orders, 0);
}

static void a_record_says_what_was_refused_and_what_was_done(void **state)
{
	struct bench *b = *state;
	const struct mock_record *r;

	ask(b, URL("new-order"), new_order, RIGHT);
	ask(b, URL("new-order"), new_order, &(const struct odd){.forged = true});
	r = mock_ca_record(b->ca, mock_ca_count(b->ca, MOCK_ANY) - 1);
	assert_int_equal(r->status, 400);
	assert_string_equal(r->problem, "malformed");
	assert_false(r->acted);
	r = mock_ca_record(b->ca, mock_ca_count(b->ca, MOCK_ANY) - 2);
	assert_int_equal(r->status, 201);
	assert_null(r->problem);
	assert_true(r->acted);
}

static int fetch_right(void *arg, const char *identifier, const char *token, struct buf *ret_answer)
{
	const struct bench *b = arg;
	AUTO_FREE char *thumbprint = key_jwk_thumbprint(b->key);

	(void)identifier;
	return buf_printf(ret_answer, "%s.%s", token, thumbprint);
}

static void finalize(struct bench *b, const struct key *key, const char *name)
{
	struct strlist names AUTO_STRLIST = {0};
	struct buf der AUTO_BUF = {0};
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *payload = NULL;

	strlist_add(&names, name);
	buf_init(&der, 65536);
	assert_int_equal(key_csr(key, &names, &der, NULL), 0);
	text = base64url_encode(der.data, der.len);
	payload = mem_printf("{\"csr\":\"%s\"}", text);
	ask(b, URL("finalize/1"), payload, RIGHT);
}

static void a_csr_is_for_the_ordered_names_and_no_account_key(void **state)
{
	struct bench *b = *state;
	AUTO_KEY struct key *key = NULL;

	mock_ca_config(b->ca)->fetch = fetch_right;
	mock_ca_config(b->ca)->fetch_arg = b;
	assert_int_equal(key_generate(KEY_EC256, &key, NULL), 0);
	ask(b, URL("new-order"), new_order, RIGHT);
	finalize(b, key, "a.example");
	assert_problem(b, 403, "orderNotReady");
	for (int i = 0; i < 4; i++) { /* which of them is http-01 is the seed's */
		AUTO_FREE char *url = mem_printf(URL("challenge/1/%d"), i);

		ask(b, url, "{}", RIGHT);
	}
	fake_loop_advance(b->loop, 10);
	mock_ca_tick(b->ca);
	assert_string_equal(mock_ca_order_status(b->ca, 0), "ready");
	finalize(b, key, "b.example");
	assert_problem(b, 400, "badCSR");
	finalize(b, b->key, "a.example");
	assert_problem(b, 400, "badCSR");
	finalize(b, key, "a.example");
	assert_int_equal(b->answer.status, 200);
	assert_string_equal(mock_ca_order_status(b->ca, 0), "valid");
	ask(b, URL("certificate/1"), NULL, RIGHT);
	assert_non_null(strstr(b->answer.body.data, "-----BEGIN CERTIFICATE-----"));
}

static int fetch_wrong(void *arg, const char *identifier, const char *token, struct buf *ret_answer)
{
	(void)arg, (void)identifier;
	return buf_printf(ret_answer, "%s.somebody-elses-thumbprint", token);
}

static void an_answer_with_another_thumbprint_is_none(void **state)
{
	struct bench *b = *state;

	mock_ca_config(b->ca)->fetch = fetch_wrong;
	ask(b, URL("new-order"), new_order, RIGHT);
	for (int i = 0; i < 4; i++) {
		AUTO_FREE char *url = mem_printf(URL("challenge/1/%d"), i);

		ask(b, url, "{}", RIGHT);
	}
	fake_loop_advance(b->loop, 10);
	mock_ca_tick(b->ca);
	assert_string_equal(mock_ca_order_status(b->ca, 0), "invalid");
	ask(b, URL("authorization/1"), NULL, RIGHT);
	assert_non_null(strstr(b->answer.body.data, "unauthorized"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_signed_as_it_should_be_is_refused),
		TEST(a_post_as_get_has_an_empty_payload),
		TEST(another_account_sees_nothing_of_an_order),
		TEST(an_account_changes_its_contact_and_no_others),
		TEST(a_forgotten_account_is_unknown_and_so_are_its_key_and_orders),
		TEST(a_deactivated_account_is_refused_everywhere),
		TEST(a_record_says_what_was_refused_and_what_was_done),
		TEST(a_csr_is_for_the_ordered_names_and_no_account_key),
		TEST(an_answer_with_another_thumbprint_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
