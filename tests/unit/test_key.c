/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "base/key.h"

#include "tests/unit/make_cert.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 7517 appendix A.2; its public half is the example of RFC 7638 3.1. */
static const char rfc7517_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDS/HtqCh5sZxBK\n"
	"64+Isldmm032ed2tCZtcSmzZqIAVtaEzvwuFbHhxtt8AC1VPzrPC7VErto8UXG6E\n"
	"NHUvq1Khz8EkQI95tYpFeMFkKIVXifeiSeOEyy2fri1n/Zb7kmwZjgdzmf3IFcCv\n"
	"CX3eWq3v9E3nDoJ/SHhDJDm/7rlgaNBHT8UNbZC/OpjfrxBAyJwC1pKrOzwolmCd\n"
	"hv1zt3TOB0BkfO7qoxC9EvmFqOufWf3UJs6lshIPTyo0vKt2S35sVNaEAji8xAWH\n"
	"pZ5m7R8ziUV3Y1xHCvdc+Swg0dpD4b/EGeIipvDQuzWMXjj5ywUK6v6QSBTxrBqk\n"
	"nMqeoMqDAgMBAAECggEAX4cTteJY/gn4FYPsXB8rdXix5vwsg1FLN5E3EaG6RJoV\n"
	"H+HLLKD9M7dx5oo7GURknchnrRweUkC7hT5fJLM0WbFAKNLWY2vv7B6NqXSzUvxT\n"
	"0/YSfqijwp3RTzlBaCxWp4doFk5N2o8Gy/nHNKroADIkJ46pRUohsXywbReAdYaM\n"
	"wFs9tv8d/cPVY3i07a3t8MN6TNwm0dSawm9v47UiCl3Sk5ZiG7xojPLu4sbg1U2j\n"
	"x4IBTNBznbJSzFHK66jT8bgkuqsk0GjskDJk19Z4qwjwbsnn4j2WBii3RL+Us2lG\n"
	"VkY8fkFzme1z0HbIkfz0Y6mqnOYtqc0X4jfcKoAC8QKBgQDzeL7si8wZegxcKyS/\n"
	"vdMqvzrfsWI7tnbvO/yiPqltZRDIs9AFDG09WfAPbRH7rR5MOYPa6Ocy3k+ioyub\n"
	"xF+Y2FVYO2OMyYIyM6lJeJwUePtc65UhhDKpVaVYSHp03foZVliT3c3wFz29jjXH\n"
	"LwH1HPM4ZVDNe80S+fs7SdVt+wKBgQDd185H1y5ir7RL6aQUvOAi2AwR8XMHareF\n"
	"Z6Ey4bSgK6qdve+hsvK6aqNVlA7V0it3CBOcJ2ljMFw59bmvfvQAVeOJZ+380YSK\n"
	"i+ieLOEqmj1VVLvxPMWDGQh2t5xF7Oxn7WRh3+zWoNvG2QMSB8AhMAb0tScAO6fi\n"
	"8hxvrJ6XGQKBgBuLD15HOmGvcvKCVvfyC4+MbqabtJc4vx+1U5EvMY+UnV93KBNK\n"
	"IpmMMSItnpkwLntFDmuXaYBRsgSeHPLUNlReNNl0boCg0z/GpGIRaObQAO+0HvzZ\n"
	"rbmGXNwt5tyNuBthr0ebEg8VMgDds6vC35/RFJrOq2Nzm/GHoipE4gY9AoGBALPZ\n"
	"QB/X4IAbKBUfDmnNkfxNoMNvNq09pBjgIbyJZRExNXn6wOoblFLzHwXDKZ/Janlu\n"
	"r8852GOUkkBe6THQv2oCN5xvCG6dQVG9CVIq2kTalHy4XEG/3fRheA4e3u+Fm0bK\n"
	"G0aJ7o02DdcQmj+kzutY71q1/i9fLcV8OPeEP3IJAoGAGyM/p6JrXySiz1toFgKb\n"
	"WV+JdI3jQ4ypu9rbMWx3rQJBfmt0FoYzgUIZEVFEcOqwemRN81zoDAaa+Bk0KWNG\n"
	"DjJHZDdDmFhW3AN7lI+puxk/mHZGJ11rxyR8O55XLSe3SPmRfKwZI6yU24ZxvQKF\n"
	"YItdldUKGzO6Ia6zTKhAVRU=\n"
	"-----END PRIVATE KEY-----\n";

/* RFC 7515 appendix A.3. */
static const char rfc7515_ec_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
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

static struct key *generate(enum key_kind kind)
{
	struct key *k = NULL;

	assert_int_equal(key_generate(kind, &k, NULL), 0);
	return k;
}

static void what_people_type_is_understood_as_a_key_kind(void **state)
{
	static const struct {
		const char *typed;
		enum key_kind want;
	} rows[] = {
		{"ec-256", KEY_EC256},     {"ec256", KEY_EC256},
		{"EC256", KEY_EC256},      {"ecdsa", KEY_EC256},
		{"p256", KEY_EC256},       {"P-256", KEY_EC256},
		{"prime256v1", KEY_EC256}, {"ec-384", KEY_EC384}, /* acme.sh's word */
		{"secp384r1", KEY_EC384},  {"P-384", KEY_EC384},
		{"rsa", KEY_RSA2048},      {"rsa2048", KEY_RSA2048},
		{"RSA-2048", KEY_RSA2048}, {"2048", KEY_RSA2048}, /* acme.sh and dehydrated */
		{"none", KEY_NONE}, /* our own name of nothing is no wish */
		{"rsa-4096", KEY_NONE},    {"ec-521", KEY_NONE},
		{"ed25519", KEY_NONE},     {"e-c256", KEY_NONE},
		{" ec256", KEY_NONE},      {"", KEY_NONE},
		{NULL, KEY_NONE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(key_kind_parse(rows[i].typed), rows[i].want);
	for (enum key_kind kind = KEY_EC256; kind < KEY_KINDS; kind++)
		assert_int_equal(key_kind_parse(key_kind_name(kind)), kind);
	assert_string_equal(key_kind_name(KEY_NONE), "none");
	assert_string_equal(key_kind_name(KEY_KINDS), "none");
}

static void the_thumbprint_is_that_of_rfc_7638(void **state)
{
	AUTO_KEY struct key *k = load(rfc7517_pem);
	AUTO_FREE char *thumbprint = key_jwk_thumbprint(k);

	(void)state;
	assert_int_equal(key_kind(k), KEY_RSA2048);
	assert_string_equal(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

static void the_jwk_has_exactly_the_members_and_order_of_rfc_7638(void **state)
{
	AUTO_KEY struct key *ec = load(rfc7515_ec_pem);
	AUTO_KEY struct key *rsa = load(rfc7517_pem);
	AUTO_FREE char *ec_jwk = key_jwk(ec);
	AUTO_FREE char *rsa_jwk = key_jwk(rsa);

	(void)state;
	assert_string_equal(ec_jwk, "{\"crv\":\"P-256\",\"kty\":\"EC\","
				    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
				    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
	assert_memory_equal(rsa_jwk, "{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\"0vx7ago", 36);
	assert_string_equal(strrchr(rsa_jwk, 'q'), "qDKgw\"}");
}

/* One coordinate in 256 begins with a zero byte: it keeps it (RFC 7518 6.2.1.2). */
static void coordinates_of_every_key_have_the_full_width(void **state)
{
	(void)state;
	for (int i = 0; i < 600; i++) {
		AUTO_KEY struct key *k = generate(KEY_EC256);
		AUTO_FREE char *jwk = key_jwk(k);

		assert_int_equal(strlen(jwk), 126);
	}
}

static void a_key_that_was_printed_and_loaded_is_the_same_key(void **state)
{
	(void)state;
	for (enum key_kind kind = KEY_EC256; kind < KEY_KINDS; kind++) {
		AUTO_KEY struct key *k = generate(kind);
		AUTO_KEY struct key *again = NULL;
		struct buf pem AUTO_BUF = {0};
		uint8_t a[KEY_HASH_SIZE], b[KEY_HASH_SIZE];

		buf_init_secret(&pem, KEY_PEM_MAX);
		assert_int_equal(key_print(k, &pem, NULL), 0);
		assert_memory_equal(pem.data, "-----BEGIN PRIVATE KEY-----\n", 28);
		assert_int_equal(key_load(pem.data, pem.len, &again, NULL), 0);
		assert_int_equal(key_kind(again), kind);
		key_hash(k, a);
		key_hash(again, b);
		assert_memory_equal(a, b, sizeof(a));
	}
}

static void a_key_hash_is_that_of_the_public_key_in_der(void **state)
{
	AUTO_KEY struct key *k = generate(KEY_EC384);
	EVP_PKEY *pkey = make_cert_pkey(k);
	unsigned char *der = NULL;
	uint8_t want[32], hash[KEY_HASH_SIZE];
	int len = i2d_PUBKEY(pkey, &der);

	(void)state;
	assert_int_equal(len, 120); /* P-384 by name, uncompressed */
	assert_int_equal(EVP_Digest(der, (size_t)len, want, NULL, EVP_sha256(), NULL), 1);
	key_hash(k, hash);
	assert_memory_equal(hash, want, sizeof(want));
	OPENSSL_free(der);
	EVP_PKEY_free(pkey);
}

/* Files that other programs wrote. */
static void keys_of_other_clients_are_read_and_made_plain(void **state)
{
	static const struct {
		const char *encoding;
		const char *form;
	} rows[] = {
		{"named_curve", "uncompressed"},
		{"named_curve", "compressed"},
		{"explicit", "uncompressed"},
	};
	AUTO_KEY struct key *want = load(rfc7515_ec_pem);
	uint8_t a[KEY_HASH_SIZE], b[KEY_HASH_SIZE];

	(void)state;
	key_hash(want, a);
	for (size_t i = 0; i < COUNT_OF(rows) * 2; i++) {
		EVP_PKEY *pkey = make_cert_pkey(want);
		AUTO_FREE char *pem = NULL;
		AUTO_FREE char *file = NULL;
		AUTO_KEY struct key *k = NULL;

		EVP_PKEY_set_utf8_string_param(pkey, "encoding", rows[i / 2].encoding);
		EVP_PKEY_set_utf8_string_param(pkey, "point-format", rows[i / 2].form);
		pem = make_cert_key_pem(pkey, i % 2 == 1, NULL);
		/* as `openssl ecparam -genkey` writes it */
		file = mem_printf("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
				  "-----END EC PARAMETERS-----\n%s",
				  pem);
		k = load(file);
		key_hash(k, b);
		assert_memory_equal(a, b, sizeof(a));
		EVP_PKEY_free(pkey);
	}
}

static char *pem_of(EVP_PKEY *taken, bool older, const char *passphrase)
{
	char *pem = make_cert_key_pem(taken, older, passphrase);

	EVP_PKEY_free(taken);
	return pem;
}

/* The private number of one key beside the public point of another (RFC 5915). */
static char *mismatched_pem(void)
{
	EVP_PKEY *a = EVP_EC_gen("P-256"), *b = EVP_EC_gen("P-256");
	unsigned char *a_der = NULL, *b_der = NULL;
	int len = i2d_PrivateKey(a, &a_der);
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL, *text;
	long n;

	assert_int_equal(i2d_PrivateKey(b, &b_der), len);
	memcpy(a_der + len - 64, b_der + len - 64, 64);
	PEM_write_bio(bio, "EC PRIVATE KEY", "", a_der, len);
	n = BIO_get_mem_data(bio, &data);
	text = mem_strn(data, (size_t)n);
	BIO_free(bio);
	OPENSSL_free(a_der);
	OPENSSL_free(b_der);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
	return text;
}

static char *damaged(const char *pem, size_t keep)
{
	return mem_printf("%.*s\n-----END PRIVATE KEY-----\n", (int)keep, pem);
}

static void a_file_that_is_not_one_plain_key_is_refused_with_the_reason(void **state)
{
	AUTO_FREE char *big = mem_new(KEY_PEM_MAX + 2);
	struct {
		char *pem; /* freed */
		const char *want;
	} rows[] = {
		{mem_str(""), "no PEM private key"},
		{mem_str("hello"), "no PEM private key"},
		{mem_str("-----BEGIN "), "not "},
		{mem_str("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		 "not CERTIFICATE"},
		{mem_str("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
		 "not PUBLIC KEY"},
		{mem_printf("%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
			    rfc7515_ec_pem),
		 "not CERTIFICATE"},
		{mem_printf("%s%s", rfc7515_ec_pem, rfc7515_ec_pem), "2 private keys"},
		{pem_of(EVP_EC_gen("P-256"), false, "secret"), "encrypted"},
		{pem_of(EVP_EC_gen("P-256"), true, "secret"), "encrypted"},
		{pem_of(EVP_EC_gen("P-521"), false, NULL), "EC with 521 bits"},
		{pem_of(EVP_EC_gen("secp256k1"), false, NULL), "EC with 256 bits"},
		{pem_of(EVP_RSA_gen(1024), false, NULL), "RSA with 1024 bits"},
		{pem_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), false, NULL), "ED25519 with"},
		{damaged(rfc7515_ec_pem, 60), "cannot be read"},
		{damaged(rfc7515_ec_pem, 27), "cannot be read"},
		{mem_str("-----BEGIN PRIVATE KEY-----\n"), "cannot be read"},
		{mismatched_pem(), "does not fit its public half"},
		{mem_str(memset(big, 'x', KEY_PEM_MAX + 1)), "at most 8192 bytes"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct key *k = NULL;
		struct err e = {0};

		assert_int_equal(key_load(rows[i].pem, strlen(rows[i].pem), &k, &e), ERR_CONFIG);
		assert_null(k);
		if (strstr(e.text, rows[i].want) == NULL)
			fail_msg("row %zu: \"%s\" lacks \"%s\"", i, e.text, rows[i].want);
		free(rows[i].pem);
	}
}

static void an_error_left_by_others_is_not_quoted_in_ours(void **state)
{
	static const char pem[] = "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n";
	struct key *k = NULL;
	struct err before = {0}, after = {0};

	(void)state;
	assert_int_equal(key_load(pem, strlen(pem), &k, &before), ERR_CONFIG);
	ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT); /* a door elsewhere forgot to clear it */
	assert_int_equal(key_load(pem, strlen(pem), &k, &after), ERR_CONFIG);
	assert_string_equal(before.text, after.text);
}

/* Checks with OpenSSL what we signed, from r‖s for EC. */
static bool verifies(EVP_PKEY *pkey, const char *md, const char *data, const struct buf *sig)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char *der = NULL;
	const unsigned char *use = (const unsigned char *)sig->data;
	size_t len = sig->len;
	bool ok;

	if (EVP_PKEY_is_a(pkey, "EC")) {
		ECDSA_SIG *s = ECDSA_SIG_new();
		int half = (int)len / 2;

		ECDSA_SIG_set0(s, BN_bin2bn(use, half, NULL), BN_bin2bn(use + half, half, NULL));
		len = (size_t)i2d_ECDSA_SIG(s, &der);
		use = der;
		ECDSA_SIG_free(s);
	}
	ok = EVP_DigestVerifyInit_ex(context, NULL, md, NULL, NULL, pkey, NULL) == 1 &&
	     EVP_DigestVerify(context, use, len, (const unsigned char *)data, strlen(data)) == 1;
	OPENSSL_free(der);
	EVP_MD_CTX_free(context);
	return ok;
}

/* Enough rounds that r or s is short in several of them. */
static void every_signature_verifies_and_has_its_fixed_length(void **state)
{
	static const struct {
		enum key_kind kind;
		int rounds;
		size_t len;
		const char *algorithm;
		const char *md;
	} rows[] = {
		{KEY_EC256, 600, 64, "ES256", "SHA256"},
		{KEY_EC384, 300, 96, "ES384", "SHA384"},
		{KEY_RSA2048, 3, 256, "RS256", "SHA256"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_KEY struct key *k = generate(rows[i].kind);
		EVP_PKEY *pkey = make_cert_pkey(k);

		assert_string_equal(key_jws_algorithm(k), rows[i].algorithm);
		for (int n = 0; n < rows[i].rounds; n++) {
			struct buf sig AUTO_BUF = {0};
			AUTO_FREE char *data = mem_printf("round %d", n);

			buf_init(&sig, 512);
			assert_int_equal(key_jws_sign(k, data, strlen(data), &sig, NULL), 0);
			assert_int_equal(sig.len, rows[i].len);
			assert_true(verifies(pkey, rows[i].md, data, &sig));
			assert_false(verifies(pkey, rows[i].md, "else", &sig));
		}
		EVP_PKEY_free(pkey);
	}
}

static X509_REQ *csr_of(const struct key *k, const char *names)
{
	struct strlist list AUTO_STRLIST = {0};
	struct buf der AUTO_BUF = {0};
	struct err e = {0};
	const unsigned char *at;
	X509_REQ *request;

	strlist_add_split(&list, names, " ");
	buf_init(&der, 64 * 1024);
	if (key_csr(k, &list, &der, &e) != 0)
		fail_msg("%s", e.text);
	at = (const unsigned char *)der.data;
	request = d2i_X509_REQ(NULL, &at, (long)der.len);
	assert_non_null(request);
	assert_ptr_equal(at, der.data + der.len);
	return request;
}

/* The names in the words of `openssl req -text`. */
static char *csr_names(X509_REQ *request)
{
	STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL, *text;
	long len;

	assert_int_equal(sk_X509_EXTENSION_num(extensions), 1);
	assert_int_equal(X509V3_EXT_print(bio, sk_X509_EXTENSION_value(extensions, 0), 0, 0), 1);
	len = BIO_get_mem_data(bio, &data);
	text = mem_strn(data, (size_t)len);
	BIO_free(bio);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	return text;
}

#define LABEL_63 "a12345678901234567890123456789012345678901234567890123456789012"

static void a_request_carries_all_names_and_an_empty_subject(void **state)
{
	static const struct {
		const char *names;
		const char *want; /* subjectAltName */
	} rows[] = {
		{"example.org", "DNS:example.org"},
		{"b.example a.example", "DNS:b.example, DNS:a.example"},
		{"*.example.org", "DNS:*.example.org"},
		{"192.0.2.1", "IP Address:192.0.2.1"},
		{"192.0.2.1 a.example", "IP Address:192.0.2.1, DNS:a.example"},
		{"2001:db8::1", "IP Address:2001:DB8:0:0:0:0:0:1"},
		/* with 65 bytes it could be no common name */
		{LABEL_63 ".a", "DNS:" LABEL_63 ".a"},
	};
	AUTO_KEY struct key *k = generate(KEY_EC256);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		X509_REQ *request = csr_of(k, rows[i].names);
		AUTO_FREE char *names = csr_names(request);

		assert_string_equal(names, rows[i].want);
		assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(request)), 0);
		X509_REQ_free(request);
	}
}

static void a_request_is_signed_by_its_key_with_the_digest_of_its_kind(void **state)
{
	static const struct {
		enum key_kind kind;
		int nid;
	} rows[] = {
		{KEY_EC256, NID_ecdsa_with_SHA256},
		{KEY_EC384, NID_ecdsa_with_SHA384},
		{KEY_RSA2048, NID_sha256WithRSAEncryption},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_KEY struct key *k = generate(rows[i].kind);
		EVP_PKEY *pkey = make_cert_pkey(k);
		X509_REQ *request = csr_of(k, "example.org");

		assert_int_equal(X509_REQ_get_signature_nid(request), rows[i].nid);
		assert_int_equal(X509_REQ_verify(request, pkey), 1);
		assert_int_equal(X509_REQ_get_version(request), X509_REQ_VERSION_1);
		X509_REQ_free(request);
		EVP_PKEY_free(pkey);
	}
}

static void a_request_that_cannot_be_right_is_not_made(void **state)
{
	static const struct {
		const char *name; /* NULL: no name at all */
		const char *want;
	} rows[] = {
		{NULL, "at least one name"},
		{"", "1 to 255 bytes"},
		{"m\xc3\xbcller.example", "not a name in ASCII"},
		{"a b", "not a name in ASCII"},
		{LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 ".", "1 to 255 bytes"},
	};
	AUTO_KEY struct key *k = generate(KEY_EC256);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct strlist names AUTO_STRLIST = {0};
		struct buf der AUTO_BUF = {0};
		struct err e = {0};

		if (rows[i].name != NULL)
			strlist_add(&names, rows[i].name);
		buf_init(&der, 4096);
		assert_int_equal(key_csr(k, &names, &der, &e), ERR_CONFIG);
		assert_int_equal(der.len, 0);
		assert_non_null(strstr(e.text, rows[i].want));
	}
}

static void a_request_above_the_limit_of_its_buffer_is_an_error(void **state)
{
	AUTO_KEY struct key *k = generate(KEY_EC256);
	struct strlist names AUTO_STRLIST = {0};
	struct buf der AUTO_BUF = {0};
	struct err e = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		strlist_addf(&names, "host-%d.example.org", i);
	buf_init(&der, 2000);
	assert_int_equal(key_csr(k, &names, &der, &e), ERR_CONFIG);
	assert_int_equal(der.len, 0);
	assert_non_null(strstr(e.text, "fewer names"));
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *want)
{
	assert_int_equal(strlen(want), len * 2);
	for (size_t i = 0; i < len; i++) {
		unsigned int byte = 0;

		assert_int_equal(sscanf(want + i * 2, "%2x", &byte), 1);
		assert_int_equal(bytes[i], byte);
	}
}

/* FIPS 180-4 and RFC 4231. */
static void hashes_are_those_of_the_standards(void **state)
{
	uint8_t hash[32], key[20];

	(void)state;
	sha256("", 0, hash);
	assert_hex(hash, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256("abc", 3, hash);
	assert_hex(hash, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	memset(key, 0x0b, sizeof(key));
	hmac_sha256(key, sizeof(key), "Hi There", 8, hash);
	assert_hex(hash, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, hash);
	assert_hex(hash, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	hmac_sha256(NULL, 0, "", 0, hash);
	assert_hex(hash, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_people_type_is_understood_as_a_key_kind),
		cmocka_unit_test(the_thumbprint_is_that_of_rfc_7638),
		cmocka_unit_test(the_jwk_has_exactly_the_members_and_order_of_rfc_7638),
		cmocka_unit_test(coordinates_of_every_key_have_the_full_width),
		cmocka_unit_test(a_key_that_was_printed_and_loaded_is_the_same_key),
		cmocka_unit_test(a_key_hash_is_that_of_the_public_key_in_der),
		cmocka_unit_test(keys_of_other_clients_are_read_and_made_plain),
		cmocka_unit_test(a_file_that_is_not_one_plain_key_is_refused_with_the_reason),
		cmocka_unit_test(an_error_left_by_others_is_not_quoted_in_ours),
		cmocka_unit_test(every_signature_verifies_and_has_its_fixed_length),
		cmocka_unit_test(a_request_carries_all_names_and_an_empty_subject),
		cmocka_unit_test(a_request_is_signed_by_its_key_with_the_digest_of_its_kind),
		cmocka_unit_test(a_request_that_cannot_be_right_is_not_made),
		cmocka_unit_test(a_request_above_the_limit_of_its_buffer_is_an_error),
		cmocka_unit_test(hashes_are_those_of_the_standards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
