/* SPDX-License-Identifier: MIT
 *
 * test_x509_path — how a chain is built out of certificates; test_accept has the rows of what CAs
 * send.
 */
#include "tests/unit.h"

#include "base/x509.h"

#include "tests/unit/make_cert.h"

#include <string.h>

#define FROM  1999990000
#define UNTIL 2007000000
#define NOW   2000000000

static struct x509_chain *parse(const char *pem)
{
	struct x509_chain *c = NULL;
	struct err e = {0};

	if (x509_chain_parse(pem, strlen(pem), &c, &e) != 0)
		fail_msg("%s", e.text);
	return c;
}

static void a_chain_of_ten_is_followed_to_its_end(void **state)
{
	struct made_cert *made[X509_MAX_CERTS + 1];
	struct buf b AUTO_BUF = {0};
	AUTO_CHAIN struct x509_chain *c = NULL;
	struct x509_chain *more = NULL;

	(void)state;
	buf_init(&b, X509_MAX_PEM);
	for (size_t i = 0; i <= X509_MAX_CERTS; i++) {
		AUTO_FREE char *name = mem_printf("number %zu", i);

		made[i] = make_cert(&(struct make_cert_spec){.subject = name,
							     .issuer = i > 0 ? made[i - 1] : NULL,
							     .ca = true,
							     .not_before = FROM,
							     .not_after = UNTIL});
	}
	for (size_t i = X509_MAX_CERTS; i > 0; i--)
		buf_add_text(&b, made[i]->pem);
	c = parse(b.data);
	assert_int_equal(x509_chain_count(c), X509_MAX_CERTS);
	assert_int_equal(x509_chain_build(c, 0, NOW, NULL), 0);
	assert_int_equal(x509_chain_count(c), X509_MAX_CERTS);
	assert_string_equal(x509_chain_facts(c, 9)->issuer, "CN = number 0");
	buf_add_text(&b, made[0]->pem);
	assert_int_equal(x509_chain_parse(b.data, b.len, &more, NULL), ERR_PROTOCOL);
	for (size_t i = 0; i <= X509_MAX_CERTS; i++)
		made_cert_free(made[i]);
}

/* Whoever has signed the first certificate has to be a CA that says so, and valid. */
static void who_did_not_issue_the_leaf_stands_for_nobody(void **state)
{
	const struct make_cert_spec base = {.subject = "Test CA",
					    .key = EVP_EC_gen("P-256"),
					    .not_before = FROM,
					    .not_after = UNTIL,
					    .ca = true};
	struct make_cert_spec specs[6] = {base, base, base, base, base, base};
	AUTO_MADE_CERT struct made_cert *ca = NULL;
	AUTO_MADE_CERT struct made_cert *leaf = NULL;
	const char *const wants[] = {"no certificate of that name",
				     "did not sign",
				     "is no CA",
				     "is no CA",
				     "is no CA",
				     "expired at"};

	(void)state;
	ca = make_cert(&base);
	leaf = make_cert(&(struct make_cert_spec){
		.subject = "example.org", .issuer = ca, .not_before = FROM, .not_after = UNTIL});
	specs[0].subject = "Other CA";
	specs[1].key = NULL; /* the right name, another key */
	specs[2].ca = false;
	specs[3].no_sign_usage = true;
	specs[4].version_1 = true;
	specs[5].not_after = NOW;
	for (size_t i = 0; i < COUNT_OF(specs); i++) {
		AUTO_MADE_CERT struct made_cert *issuer = make_cert(&specs[i]);
		AUTO_FREE char *text = mem_printf("%s%s", leaf->pem, issuer->pem);
		AUTO_CHAIN struct x509_chain *c = parse(text);
		struct err e = {0};

		assert_int_equal(x509_chain_build(c, 0, NOW, &e), ERR_PROTOCOL);
		assert_int_equal(x509_chain_count(c), 2);
		if (strstr(e.text, wants[i]) == NULL)
			fail_msg("row %zu: \"%s\" lacks \"%s\"", i, e.text, wants[i]);
	}
	EVP_PKEY_free(base.key);
}

/* Three CAs, each of which signed each other: ways that could go round for ever. */
static void a_tangle_of_cross_signs_ends_in_one_chain(void **state)
{
	static const char *const names[] = {"A", "B", "C"};
	struct made_cert *made[3][3] = {0};
	EVP_PKEY *keys[3];
	struct buf b AUTO_BUF = {0};
	AUTO_CHAIN struct x509_chain *c = NULL;

	(void)state;
	buf_init(&b, X509_MAX_PEM);
	for (size_t i = 0; i < 3; i++)
		keys[i] = EVP_EC_gen("P-256");
	for (size_t by = 0; by < 3; by++) /* the roots first */
		for (size_t k = 0; k < 3; k++) {
			size_t of = (by + k) % 3;

			made[by][of] = make_cert(&(struct make_cert_spec){.subject = names[of],
									  .key = keys[of],
									  .issuer = made[by][by],
									  .not_before = FROM,
									  .not_after = UNTIL,
									  .ca = true});
		}
	for (size_t of = 0; of < 3; of++)
		for (size_t by = 0; by < 3; by++)
			buf_add_text(&b, made[by][of]->pem);
	c = parse(b.data);
	assert_int_equal(x509_chain_build(c, 1, NOW, NULL), 0); /* A, signed by B */
	assert_int_equal(x509_chain_count(c), 3);
	assert_string_equal(x509_chain_facts(c, 1)->subject, "CN = B");
	assert_string_equal(x509_chain_facts(c, 2)->subject, "CN = C");
	assert_int_equal(x509_chain_left_out(c)->count, 6);
	for (size_t i = 0; i < 9; i++)
		made_cert_free(made[i / 3][i % 3]);
	for (size_t i = 0; i < 3; i++)
		EVP_PKEY_free(keys[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_of_ten_is_followed_to_its_end),
		cmocka_unit_test(who_did_not_issue_the_leaf_stands_for_nobody),
		cmocka_unit_test(a_tangle_of_cross_signs_ends_in_one_chain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
