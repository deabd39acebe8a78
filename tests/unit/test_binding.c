/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "acme/binding.h"
#include "base/base64url.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define URL "https://ca.example/new-account"

/* The member of a flattened JWS, decoded. */
static char *decoded(const struct json *jws, const char *member)
{
	const char *text = json_get_text(jws, member);
	struct buf b AUTO_BUF = {0};

	buf_init(&b, 4096);
	assert_non_null(text);
	assert_int_equal(base64url_decode(text, strlen(text), &b), 0);
	return mem_strn(b.data, b.len);
}

static char *bind(const char *mac, struct key **ret_key)
{
	struct acme_binding b = {.kid = "kid-1", .mac = mac, .mac_len = strlen(mac), .url = URL};
	char *payload = NULL;
	struct err e = {0};

	assert_int_equal(key_generate(KEY_EC256, ret_key, &e), 0);
	b.account = *ret_key;
	if (acme_binding_add(&b, "{\"termsOfServiceAgreed\":true}", &payload, &e) != 0)
		fail_msg("%s", e.text);
	return payload;
}

static void the_mac_is_over_the_account_s_public_key(void **state)
{
	AUTO_KEY struct key *key = NULL;
	AUTO_FREE char *payload = bind("c2VjcmV0", &key); /* "secret" */
	AUTO_JSON struct json *whole = NULL;
	const struct json *jws;
	AUTO_FREE char *header = NULL;
	AUTO_FREE char *body = NULL;
	AUTO_FREE char *input = NULL;
	AUTO_FREE char *jwk = key_jwk(key);
	AUTO_FREE char *want = NULL;
	uint8_t mac[32];

	(void)state;
	assert_int_equal(json_parse(payload, strlen(payload), &whole, NULL), 0);
	assert_true(json_flag(json_get(whole, "termsOfServiceAgreed")));
	jws = json_get(whole, "externalAccountBinding");
	header = decoded(jws, "protected");
	body = decoded(jws, "payload");
	assert_string_equal(header, "{\"alg\":\"HS256\",\"kid\":\"kid-1\",\"url\":\"" URL "\"}");
	assert_string_equal(body, jwk);
	input = mem_printf("%s.%s", json_get_text(jws, "protected"), json_get_text(jws, "payload"));
	hmac_sha256("secret", 6, input, strlen(input), mac);
	want = base64url_encode(mac, sizeof(mac));
	assert_string_equal(json_get_text(jws, "signature"), want);
}

static void padding_of_the_mac_key_is_forgiven(void **state)
{
	AUTO_KEY struct key *key = NULL;
	AUTO_FREE char *payload = bind("c2VjcmV0cw==", &key);

	(void)state;
	assert_non_null(strstr(payload, "externalAccountBinding"));
}

static void what_is_no_mac_key_is_refused_without_being_repeated(void **state)
{
	static const char *const bad[] = {"", "=", "a secret!", "c2Vj+mV0"};
	AUTO_KEY struct key *key = NULL;

	(void)state;
	assert_int_equal(key_generate(KEY_EC256, &key, NULL), 0);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		const struct acme_binding b = {"kid", bad[i], strlen(bad[i]), URL, key};
		char *payload = NULL;
		struct err e = {0};

		assert_int_equal(acme_binding_add(&b, "{}", &payload, &e), ERR_CONFIG);
		assert_null(payload);
		assert_true(bad[i][0] == '\0' || strlen(bad[i]) < 2 ||
			    strstr(e.text, bad[i]) == NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mac_is_over_the_account_s_public_key),
		cmocka_unit_test(padding_of_the_mac_key_is_forgiven),
		cmocka_unit_test(what_is_no_mac_key_is_refused_without_being_repeated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
