/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "acme/jws.h"

#include "base/base64url.h"
#include "base/json.h"
#include "tests/unit/make_cert.h"

#include <openssl/ecdsa.h>
#include <stdlib.h>
#include <string.h>

/* RFC 7515 appendix A.2 (RSA) and A.3 (P-256). */
static const char rsa_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCh+BYK4uPJtGXO\n"
			      "jS1lYmM2K5J9vinh8CR3/BYlzJChNuOL2TSXxbbqY913EeZ8dCn5VrD7io8ImtxL\n"
			      "aYk8wTM/U+3QGbh3hCUv7JFP5IV3aVlL6kKA0ywPVb9ilE8TA5a8bpvfbr3SvaNn\n"
			      "juygxmj3AbONv/s4yDQs4v5tJ/reSlpIdJed1LnPmt7Ex1sFhSwsD174pcF1A5L5\n"
			      "ROjtZMEQxrZHYJqkeDrrnGya11UxMFBji4NmXG9veoKjlnAqH2QbgtPr8jkiGUkf\n"
			      "toaHLFcW9Qr4NY2ai50Xw0Byj3+H2JoY2PyrZ62EWQwuz3WTOTY8BwNNb2BvniHg\n"
			      "VFbK5emhAgMBAAECggEAEq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyW\n"
			      "PEAeP88vLNO97IjlA7/GQ5sLKMgvfTeXZx9SE+7YwVol2NXOoAJe46sui395IW/G\n"
			      "O+pWJ1O0BkTGoVEn2bKVRUCgu+GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzj\n"
			      "kn439X0M/V51gfpRLI9JYanrC4D4qAdGcopV/0ZHHzQlBjudU2QvXt4ehNYTCBr6\n"
			      "XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl/x/jTj3ccPDVZFD9pIuhLhBOneufuBiB\n"
			      "4cS98l2SR/RQyGWSeWjnczT0QU91p1DhOVRuOopznQKBgQDgHMQQ60imZV1URk0K\n"
			      "pLttoLhyt3SmqdEf/kgHePDdtzEafpAu+cS191R2JiuoF2yzWXnwFDcqGigp5BNr\n"
			      "0AHQfD8/Lk8l1Mk09jxxCfui5nYooNyac8YFjm3vItzVCVDnEd3BbVWG8qf6deqE\n"
			      "lMGAg+C2V0L4oNXnP7LZcPAZRwKBgQC5A8R+CZW2MvRTLLHzwZkUXV866cff7tx6\n"
			      "kqa0finGG0KgeqlaZPxgCZnFp7AeAcCMtiynVlJ7vMVgePsLq6XtON4tB5kP9jAP\n"
			      "rq3rbAOal78eUH5OcED6eNuCV8ixEu1eWcPNCS/l1OW1EnXUEoEHKl54Xrrz2uNw\n"
			      "kgMTP1FZ1wKBgAcCn1dwJKufzBWQxWQp1vsM5fggqPN1qGb5y0MAk3g7/Ls5bkUp\n"
			      "5u9SN0Ai3Ya6hNnvWJMb7sXQX6U/zyO2M/hTip7tUeh7CXgwo59dkpN75gJLVds2\n"
			      "9+DAncu3KXU4f2Fa+7bLNrur53k8KwPOq2bbuTG69QtV7Jr5MR0AHWKNAoGBAIf/\n"
			      "evpitUf+4JYbLpvNXWcY052Mpz22aR84mY3nh3F2LF2mjMJDpTg7FmuyPcVw6EcG\n"
			      "yoAe9fa65iNqCq+jdw6PVNGo2hxfjSiZ8IIzHdsPXI89//pMjZcQK9r+CCoRjaZj\n"
			      "OYiIDktVWZzmevJuv6WywUqd57LE3Zar3dLSIkx1AoGAIYd7DHOhrWvxkwPQsRM2\n"
			      "tOgrjbcrfvtQJipd+DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd/QJQ3\n"
			      "ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp/gh6A56\n"
			      "03k2+ZQwVK0JKSHuLFkuQ3U=\n"
			      "-----END PRIVATE KEY-----\n";

static const char ec_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			     "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
			     "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
			     "7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
			     "-----END PRIVATE KEY-----\n";

static struct key *load(const char *pem)
{
	struct key *k = NULL;
	struct err e = {0};

	if (key_load(pem, strlen(pem), &k, &e) != 0)
		fail_msg("%s", e.text);
	return k;
}

/* A member of the JWS, decoded. */
static char *part(const struct buf *jws, const char *member)
{
	AUTO_JSON struct json *v = NULL;
	struct buf out AUTO_BUF = {0};
	const char *text;

	assert_int_equal(json_parse(jws->data, jws->len, &v, NULL), 0);
	assert_int_equal(base64url_is(json_get_text(v, member)), json_get_text(v, member)[0] != 0);
	text = json_get_text(v, member);
	buf_init(&out, 4096);
	assert_int_equal(base64url_decode(text, strlen(text), &out), 0);
	return buf_take(&out);
}

/* RSA signatures of PKCS#1 v1.5 are always the same, so the RFC's must come out. */
static void the_rsa_signature_is_that_of_rfc_7515_a_2(void **state)
{
	static const char input[] = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzO"
				    "DAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
	AUTO_KEY struct key *k = load(rsa_pem);
	struct buf signature AUTO_BUF = {0};
	AUTO_FREE char *text = NULL;

	(void)state;
	buf_init(&signature, 512);
	assert_int_equal(key_jws_sign(k, input, strlen(input), &signature, NULL), 0);
	text = base64url_encode(signature.data, signature.len);
	assert_string_equal(text, "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"
				  "AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
				  "BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
				  "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
				  "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB"
				  "p0igcN_IoypGlUPQGe77Rw");
}

/* Written by another implementation from the same key. */
static void a_whole_message_is_byte_for_byte_the_expected_one(void **state)
{
	static const struct jws_header header = {.url = "https://ca.example/new-order",
						 .nonce = "oFvnlFP1wIhRlYS2jTaXbA",
						 .kid = "https://ca.example/acct/1"};
	AUTO_KEY struct key *k = load(rsa_pem);
	struct buf out AUTO_BUF = {0};

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(
		jws_sign(k, &header,
			 "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"www.example.org\"}]}",
			 &out, NULL),
		0);
	assert_string_equal(
		out.data,
		"{\"protected\":\"eyJhbGciOiJSUzI1NiIsImtpZCI6Imh0dHBzOi8vY2EuZXhhbXBsZS9h"
		"Y2N0LzEiLCJub25jZSI6Im9Gdm5sRlAxd0loUmxZUzJqVGFYYkEiLCJ1cmwiOiJodHRwcz"
		"ovL2NhLmV4YW1wbGUvbmV3LW9yZGVyIn0\",\"payload\":\"eyJpZGVudGlmaWVycyI6W3si"
		"dHlwZSI6ImRucyIsInZhbHVlIjoid3d3LmV4YW1wbGUub3JnIn1dfQ\",\"signature\":\"R"
		"BUqtEbFqm-B2J_CHk0uvQ2O-UwKM7gs4Xpf2xBjWu_QmJ0fVXX0qY4k7u_D6rRmb0dnJix"
		"tDZpUgiNHcalnNXjWNFpjuEaYxRg2RM1wf3DCKxO5Q2VvmqQDYGyCFpkl17eRH66T562Ah"
		"j4KE9rSOGQaS-llsMLJZ4QwvOQPLP28NUjqtctaU4C_UkZSTKvZA4Oldlp-0Yg9wc_4lIe"
		"OCeGLCdpOqi62dSt-NMf7AW8J3G31KsD_QaC0SBps77t1l7tIb1I8go2pfR6-50jp8DrVT"
		"Y03rRl4O5bwgR2O1z1CblK6oBNzJSRKG9ViFkePjMsQDwqj3nkF1dnNkZ19Kg\"}");
}

/* What stands in the protected header, byte for byte. */
static void the_protected_header_has_exactly_what_rfc_8555_6_2_wants(void **state)
{
	static const struct {
		const char *pem;
		struct jws_header header;
		const char *want;
	} rows[] = {
		/* newAccount */
		{ec_pem,
		 {"https://ca.example/new-acct", "bm9uY2U", NULL},
		 "{\"alg\":\"ES256\",\"jwk\":{\"crv\":\"P-256\",\"kty\":\"EC\","
		 "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		 "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
		 "\"nonce\":\"bm9uY2U\",\"url\":\"https://ca.example/new-acct\"}"},
		/* everything else */
		{ec_pem,
		 {"https://ca.example/o/1", "bm9uY2U", "https://ca.example/a/1"},
		 "{\"alg\":\"ES256\",\"kid\":\"https://ca.example/a/1\",\"nonce\":\"bm9uY2U\","
		 "\"url\":\"https://ca.example/o/1\"}"},
		/* an inner JWS has no nonce (7.3.5) */
		{rsa_pem,
		 {"https://ca.example/key-change", NULL, "https://ca.example/a/1"},
		 "{\"alg\":\"RS256\",\"kid\":\"https://ca.example/a/1\","
		 "\"url\":\"https://ca.example/key-change\"}"},
		/* 6.4: odd but legal URLs are neither decoded nor changed */
		{ec_pem,
		 {"https://ca.example:14000/a%2Fb/../c?x=1&y='\"", "bm9uY2U",
		  "https://ca.example/"},
		 "{\"alg\":\"ES256\",\"kid\":\"https://ca.example/\",\"nonce\":\"bm9uY2U\","
		 "\"url\":\"https://ca.example:14000/a%2Fb/../c?x=1&y='\\\"\"}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_KEY struct key *k = load(rows[i].pem);
		struct buf out AUTO_BUF = {0};
		AUTO_FREE char *header = NULL;

		buf_init(&out, 4096);
		assert_int_equal(jws_sign(k, &rows[i].header, "{}", &out, NULL), 0);
		header = part(&out, "protected");
		assert_string_equal(header, rows[i].want);
	}
}

/* RFC 8555 6.3 against 7.5.1: a read has no payload, the answer to a challenge has an empty map. */
static void a_read_and_an_empty_map_are_different_payloads(void **state)
{
	static const struct {
		const char *payload;
		const char *want;
	} rows[] = {
		{NULL, ",\"payload\":\"\",\"signature\":"},
		{"{}", ",\"payload\":\"e30\",\"signature\":"},
	};
	static const struct jws_header header = {.url = "https://ca.example/c/1", .kid = "k"};
	AUTO_KEY struct key *k = load(ec_pem);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out AUTO_BUF = {0};

		buf_init(&out, 4096);
		assert_int_equal(jws_sign(k, &header, rows[i].payload, &out, NULL), 0);
		assert_non_null(strstr(out.data, rows[i].want));
	}
}

static bool es256_verifies(EVP_PKEY *pkey, const char *input, const char *signature)
{
	const unsigned char *raw = (const unsigned char *)signature;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	ECDSA_SIG *s = ECDSA_SIG_new();
	unsigned char *der = NULL;
	int len;
	bool ok;

	ECDSA_SIG_set0(s, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
	len = i2d_ECDSA_SIG(s, &der);
	ok = EVP_DigestVerifyInit_ex(context, NULL, "SHA256", NULL, NULL, pkey, NULL) == 1 &&
	     EVP_DigestVerify(context, der, (size_t)len, (const unsigned char *)input,
			      strlen(input)) == 1;
	ECDSA_SIG_free(s);
	OPENSSL_free(der);
	EVP_MD_CTX_free(context);
	return ok;
}

/* The check itself is checked with the RFC's own signature (A.3). */
static void an_es256_message_verifies_over_the_text_that_was_sent(void **state)
{
	static const char rfc_input[] =
		"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l"
		"eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
	static const char rfc_signature[] =
		"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6"
		"NU1Q";
	static const struct jws_header header = {"https://ca.example/x", "bm9uY2U", "k"};
	AUTO_KEY struct key *k = load(ec_pem);
	AUTO_JSON struct json *v = NULL;
	AUTO_FREE char *input = NULL;
	AUTO_FREE char *signature = NULL;
	struct buf out AUTO_BUF = {0}, raw AUTO_BUF = {0};
	EVP_PKEY *pkey = make_cert_pkey(k);

	(void)state;
	buf_init(&raw, 64);
	assert_int_equal(base64url_decode(rfc_signature, strlen(rfc_signature), &raw), 0);
	assert_true(es256_verifies(pkey, rfc_input, raw.data));

	buf_init(&out, 4096);
	assert_int_equal(jws_sign(k, &header, "{\"a\":1}", &out, NULL), 0);
	assert_int_equal(json_parse(out.data, out.len, &v, NULL), 0);
	input = mem_printf("%s.%s", json_get_text(v, "protected"), json_get_text(v, "payload"));
	assert_int_equal(strlen(json_get_text(v, "signature")), 86); /* 64 bytes */
	signature = part(&out, "signature");
	assert_true(es256_verifies(pkey, input, signature));
	EVP_PKEY_free(pkey);
}

static void a_message_is_appended_whole_or_not_at_all(void **state)
{
	static const struct jws_header header = {.url = "https://ca.example/x", .kid = "k"};
	AUTO_KEY struct key *k = load(ec_pem);
	struct buf out AUTO_BUF = {0};
	struct err e = {0};

	(void)state;
	buf_init(&out, 200);
	assert_int_equal(buf_add_text(&out, "before"), 0);
	assert_int_equal(jws_sign(k, &header, "{}", &out, &e), ERR_CONFIG);
	assert_string_equal(out.data, "before");
	assert_non_null(strstr(e.text, "limit of 200"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rsa_signature_is_that_of_rfc_7515_a_2),
		cmocka_unit_test(a_whole_message_is_byte_for_byte_the_expected_one),
		cmocka_unit_test(the_protected_header_has_exactly_what_rfc_8555_6_2_wants),
		cmocka_unit_test(a_read_and_an_empty_map_are_different_payloads),
		cmocka_unit_test(an_es256_message_verifies_over_the_text_that_was_sent),
		cmocka_unit_test(a_message_is_appended_whole_or_not_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
