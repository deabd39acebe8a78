/* SPDX-License-Identifier: MIT
 *
 * test_request — the exact payloads that go to the CA.
 */
#include "tests/unit.h"

#include "acme/request.h"

static void a_new_account_says_only_what_was_asked_for(void **state)
{
	struct strlist contact AUTO_STRLIST = {0};
	AUTO_REQUEST struct acme_request *bare = request_new_account(&contact, false);
	AUTO_REQUEST struct acme_request *find = request_find_account();
	AUTO_REQUEST struct acme_request *full = NULL;

	(void)state;
	strlist_add(&contact, "mailto:a@example.org");
	strlist_add(&contact, "mailto:b@example.org");
	full = request_new_account(&contact, true);
	assert_string_equal(bare->payload, "{}");
	assert_string_equal(find->payload, "{\"onlyReturnExisting\":true}");
	assert_string_equal(full->payload,
			    "{\"contact\":[\"mailto:a@example.org\",\"mailto:b@example.org\"],"
			    "\"termsOfServiceAgreed\":true}");
	assert_true(bare->binds && full->binds);
	assert_false(find->binds); /* a look-up is no registration */
	assert_int_equal(find->target, ACME_TO_NEW_ACCOUNT);
	assert_int_equal(full->target, ACME_TO_NEW_ACCOUNT);
	assert_true(full->with_jwk); /* RFC 8555 6.2 */
	assert_false(full->wants_chain);
}

static void another_contact_is_sent_alone_also_when_it_is_nobody(void **state)
{
	struct strlist contact AUTO_STRLIST = {0};
	AUTO_REQUEST struct acme_request *none = request_update_contact("https://ca/1", &contact);
	AUTO_REQUEST struct acme_request *one = NULL;

	(void)state;
	strlist_add(&contact, "mailto:a@example.org");
	one = request_update_contact("https://ca/1", &contact);
	assert_string_equal(none->payload, "{\"contact\":[]}");
	assert_string_equal(one->payload, "{\"contact\":[\"mailto:a@example.org\"]}");
	assert_string_equal(one->url, "https://ca/1");
	assert_false(one->with_jwk || one->binds); /* RFC 8555 6.2: "kid" */
}

static void a_new_order_names_each_identifier_with_its_type(void **state)
{
	struct strlist names AUTO_STRLIST = {0};
	AUTO_REQUEST struct acme_request *plain = NULL;
	AUTO_REQUEST struct acme_request *full = NULL;

	(void)state;
	strlist_add(&names, "*.example.org");
	strlist_add(&names, "2001:db8::1");
	plain = request_new_order(&names, NULL, NULL);
	full = request_new_order(&names, "shortlived", "aYhb.AIdl");
	assert_string_equal(plain->payload,
			    "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"*.example.org\"},"
			    "{\"type\":\"ip\",\"value\":\"2001:db8::1\"}]}");
	assert_string_equal(full->payload,
			    "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"*.example.org\"},"
			    "{\"type\":\"ip\",\"value\":\"2001:db8::1\"}],"
			    "\"profile\":\"shortlived\",\"replaces\":\"aYhb.AIdl\"}");
	assert_int_equal(full->target, ACME_TO_NEW_ORDER);
	assert_false(full->with_jwk);
}

static void reading_has_no_payload_and_answering_has_an_empty_object(void **state)
{
	AUTO_REQUEST struct acme_request *read = request_read("https://ca.example/o/1");
	AUTO_REQUEST struct acme_request *answer =
		request_answer_challenge("https://ca.example/c/1");

	(void)state;
	assert_null(read->payload); /* RFC 8555 6.3: not "{}" */
	assert_int_equal(read->target, ACME_TO_URL);
	assert_string_equal(read->url, "https://ca.example/o/1");
	assert_string_equal(answer->payload, "{}");
	assert_string_equal(answer->url, "https://ca.example/c/1");
}

static void finalize_carries_the_csr_in_base64url(void **state)
{
	static const unsigned char der[] = {0xfb, 0xff, 0xfe, 0x00};
	AUTO_REQUEST struct acme_request *r =
		request_finalize("https://ca.example/f/1", der, sizeof(der));

	(void)state;
	assert_string_equal(r->payload, "{\"csr\":\"-__-AA\"}");
	assert_string_equal(r->url, "https://ca.example/f/1");
}

static void only_the_certificate_is_answered_by_a_chain(void **state)
{
	AUTO_REQUEST struct acme_request *r = request_certificate("https://ca.example/cert/1");

	(void)state;
	assert_true(r->wants_chain);
	assert_null(r->payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_account_says_only_what_was_asked_for),
		cmocka_unit_test(another_contact_is_sent_alone_also_when_it_is_nobody),
		cmocka_unit_test(a_new_order_names_each_identifier_with_its_type),
		cmocka_unit_test(reading_has_no_payload_and_answering_has_an_empty_object),
		cmocka_unit_test(finalize_carries_the_csr_in_base64url),
		cmocka_unit_test(only_the_certificate_is_answered_by_a_chain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
