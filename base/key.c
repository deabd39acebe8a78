/* SPDX-License-Identifier: MIT
 *
 * key — private keys over OpenSSL's EVP, and the two hashes that everybody needs.
 *
 * What is asked of a key without a chance to fail (its hash, its JWK) is computed when the key is
 * made: from then on libcrypto can only fail where a struct err can say so.
 */
#include "base/key.h"

#include "base/base64url.h"
#include "base/fault.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define RSA_BITS       2048
#define RSA_BYTES      (RSA_BITS / 8)
#define MAX_COORDINATE 48  /* P-384 */
#define MAX_SIGNATURE  512 /* bytes; RSA-2048 needs 256, DER of P-384 at most 104 */

struct key {
	EVP_PKEY *pkey;
	enum key_kind kind;
	char *jwk;
	uint8_t hash[KEY_HASH_SIZE];
};

static const struct {
	const char *name;
	const char *algorithm; /* RFC 7518 3.1 */
	const char *digest;    /* of JWS and CSR signatures */
	const char *curve;     /* JWK "crv"; NULL: RSA */
	const char *group;     /* OpenSSL's word for the curve */
	int coordinate;        /* bytes of x, y, r and s */
} kinds[KEY_KINDS] = {
	[KEY_NONE] = {"none", "none", NULL, NULL, NULL, 0},
	[KEY_EC256] = {"ec-256", "ES256", "SHA256", "P-256", "prime256v1", 32},
	[KEY_EC384] = {"ec-384", "ES384", "SHA384", "P-384", "secp384r1", 48},
	[KEY_RSA2048] = {"rsa-2048", "RS256", "SHA256", NULL, NULL, 0},
};

/* What people type; the words of other ACME clients, of OpenSSL and of the RFCs. */
static const struct {
	const char *text;
	enum key_kind kind;
} spellings[] = {
	{"ec-256", KEY_EC256},     {"ec256", KEY_EC256},      {"ec", KEY_EC256},
	{"ecdsa", KEY_EC256},      {"ecdsa-256", KEY_EC256},  {"ecdsa256", KEY_EC256},
	{"ecdsa-p256", KEY_EC256}, {"p256", KEY_EC256},       {"p-256", KEY_EC256},
	{"es256", KEY_EC256},      {"prime256v1", KEY_EC256}, {"secp256r1", KEY_EC256},
	{"ec-384", KEY_EC384},     {"ec384", KEY_EC384},      {"ecdsa-384", KEY_EC384},
	{"ecdsa384", KEY_EC384},   {"ecdsa-p384", KEY_EC384}, {"p384", KEY_EC384},
	{"p-384", KEY_EC384},      {"es384", KEY_EC384},      {"secp384r1", KEY_EC384},
	{"rsa", KEY_RSA2048},      {"rsa2048", KEY_RSA2048},  {"rsa-2048", KEY_RSA2048},
	{"2048", KEY_RSA2048},     {"rs256", KEY_RSA2048},
};

static const char encrypted[] =
	"the private key is encrypted; remove its passphrase first (openssl pkey)";

/* Cleanup functions for AUTO. */
#define RELEASE(name, type, release)                                                               \
	static void name(type **p)                                                                 \
	{                                                                                          \
		release(*p);                                                                       \
	}
RELEASE(auto_pkey, EVP_PKEY, EVP_PKEY_free)
RELEASE(auto_bio, BIO, BIO_free)
RELEASE(auto_bn, BIGNUM, BN_free)
RELEASE(auto_md, EVP_MD_CTX, EVP_MD_CTX_free)
RELEASE(auto_request, X509_REQ, X509_REQ_free)
RELEASE(auto_names, GENERAL_NAMES, GENERAL_NAMES_free)
RELEASE(auto_signature, ECDSA_SIG, ECDSA_SIG_free)

/* Fails with libcrypto's first reason, and leaves its queue empty: what stays there would be
 * quoted by whoever fails next. */
static int key_fails(struct err *e, enum err_code code, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	err_set(e, code, "%s: %s", what, reason != NULL ? reason : "libcrypto gives no reason");
	ERR_clear_error();
	return code;
}

const char *key_kind_name(enum key_kind kind)
{
	if ((unsigned)kind >= KEY_KINDS)
		return kinds[KEY_NONE].name;
	return kinds[kind].name;
}

enum key_kind key_kind_parse(const char *text)
{
	if (text == NULL)
		return KEY_NONE;
	for (size_t i = 0; i < COUNT_OF(spellings); i++) {
		if (strcasecmp(spellings[i].text, text) == 0)
			return spellings[i].kind;
	}
	return KEY_NONE;
}

/* A big-endian number of the key as base64url: of exactly size bytes (RFC 7518 6.2.1.2), or
 * without leading zeros when size is 0 (6.3.1.1). NULL on failure. */
static char *key_number(const EVP_PKEY *pkey, const char *parameter, int size)
{
	BIGNUM *n AUTO(auto_bn) = NULL;
	uint8_t bytes[RSA_BYTES];
	int len;

	if (EVP_PKEY_get_bn_param(pkey, parameter, &n) != 1)
		return NULL;
	len = size != 0 ? size : BN_num_bytes(n);
	if (len > (int)sizeof(bytes) || BN_bn2binpad(n, bytes, len) != len)
		return NULL;
	return base64url_encode(bytes, (size_t)len);
}

/* RFC 7638 3.2: only the required members, in the order of their names, no white space. */
static char *key_make_jwk(const EVP_PKEY *pkey, enum key_kind kind)
{
	const char *curve = kinds[kind].curve;
	AUTO_FREE char *first = NULL;
	AUTO_FREE char *second = NULL;

	if (curve != NULL) {
		first = key_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, kinds[kind].coordinate);
		second = key_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, kinds[kind].coordinate);
	} else {
		first = key_number(pkey, OSSL_PKEY_PARAM_RSA_E, 0);
		second = key_number(pkey, OSSL_PKEY_PARAM_RSA_N, 0);
	}
	if (first == NULL || second == NULL)
		return NULL;
	if (curve != NULL)
		return mem_printf("{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
				  curve, first, second);
	return mem_printf("{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", first, second);
}

/* 1 on success, as libcrypto counts. */
static int digest_sha256(const void *data, size_t len, uint8_t hash[32])
{
	return EVP_Digest(data, len, hash, NULL, EVP_sha256(), NULL);
}

static int key_make_hash(EVP_PKEY *pkey, uint8_t hash[KEY_HASH_SIZE])
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);
	int ok;

	if (len <= 0)
		return 0;
	ok = digest_sha256(der, (size_t)len, hash);
	OPENSSL_free(der);
	return ok;
}

/* Takes *pkey on success. */
static int key_new(EVP_PKEY **pkey, enum key_kind kind, struct key **ret_key, struct err *e)
{
	AUTO_FREE char *jwk = key_make_jwk(*pkey, kind);
	uint8_t hash[KEY_HASH_SIZE];
	struct key *k;

	if (jwk == NULL || key_make_hash(*pkey, hash) != 1)
		return key_fails(e, ERR_SYS, "cannot compute the public half of a key");
	k = mem_new(sizeof(*k));
	k->kind = kind;
	k->jwk = TAKE(jwk);
	memcpy(k->hash, hash, sizeof(hash));
	k->pkey = TAKE(*pkey);
	*ret_key = k;
	return 0;
}

int key_generate(enum key_kind kind, struct key **ret_key, struct err *e)
{
	EVP_PKEY *pkey AUTO(auto_pkey) = NULL;

	if (kind <= KEY_NONE || kind >= KEY_KINDS)
		return err_set(e, ERR_BUG, "there is no key kind %d", (int)kind);
	ERR_clear_error();
	if (FAULT_FAILS("key.generate"))
		pkey = NULL;
	else if (kind == KEY_RSA2048)
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS);
	else
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", kinds[kind].curve);
	if (pkey == NULL)
		return key_fails(e, ERR_SYS, "cannot make a key");
	FAULT("key.generated");
	return key_new(&pkey, kind, ret_key, e);
}

static bool label_is(const char *label, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(label, text, len) == 0;
}

/* One block of a private key's file: counts keys, refuses what is none. */
static int key_check_label(const char *label, size_t len, int *keys, struct err *e)
{
	/* `openssl ecparam -genkey` writes it in front; it says nothing that the key does not. */
	if (label_is(label, len, "EC PARAMETERS"))
		return 0;
	if (label_is(label, len, "ENCRYPTED PRIVATE KEY"))
		return err_set(e, ERR_CONFIG, "%s", encrypted);
	if (!label_is(label, len, "PRIVATE KEY") && !label_is(label, len, "EC PRIVATE KEY") &&
	    !label_is(label, len, "RSA PRIVATE KEY"))
		return err_set(e, ERR_CONFIG, "only one PRIVATE KEY block is expected, not %.*s",
			       len > 40 ? 40 : (int)len, label);
	(*keys)++;
	return 0;
}

/* Exactly one private key and nothing else in the file. OpenSSL's reader would pick the first key
 * out of anything, so what a file with two keys means would depend on their order. */
static int key_check_blocks(const char *pem, size_t len, struct err *e)
{
	static const char begin[] = "-----BEGIN ";
	static const char legacy[] = "Proc-Type: 4,ENCRYPTED";
	const char *end = pem + len;
	const char *at = pem;
	int keys = 0;

	while ((at = memmem(at, (size_t)(end - at), begin, strlen(begin))) != NULL) {
		const char *label = at + strlen(begin);
		const char *stop = memchr(label, '-', (size_t)(end - label));
		int r = key_check_label(label, stop != NULL ? (size_t)(stop - label) : 0, &keys, e);

		if (r != 0)
			return r;
		at = label;
	}
	if (keys == 0)
		return err_set(e, ERR_CONFIG, "there is no PEM private key in it");
	if (keys > 1)
		return err_set(e, ERR_CONFIG, "there are %d private keys in it, not one", keys);
	if (memmem(pem, len, legacy, strlen(legacy)) != NULL)
		return err_set(e, ERR_CONFIG, "%s", encrypted);
	return 0;
}

/* Instead of libcrypto's own, which would ask on the terminal. */
static int key_no_password(char *text, int size, int writing, void *arg)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static enum key_kind key_kind_of(const EVP_PKEY *pkey)
{
	char group[32];

	if (EVP_PKEY_is_a(pkey, "RSA") == 1)
		return EVP_PKEY_get_bits(pkey) == RSA_BITS ? KEY_RSA2048 : KEY_NONE;
	if (EVP_PKEY_is_a(pkey, "EC") != 1 ||
	    EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group),
					   NULL) != 1)
		return KEY_NONE;
	for (int i = 0; i < KEY_KINDS; i++) {
		if (str_equal(kinds[i].group, group))
			return (enum key_kind)i;
	}
	return KEY_NONE;
}

/* RFC 5480 2.1.1 and 2.2: the curve by name, the point uncompressed; what a file had otherwise
 * would go into the CSR as it is, and CAs refuse it. */
static int key_make_plain(EVP_PKEY *pkey, enum key_kind kind, struct err *e)
{
	EVP_PKEY_CTX *context;
	int ok;

	if (kinds[kind].curve == NULL)
		return 0;
	if (EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_ENCODING, "named_curve") != 1 ||
	    EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
					   "uncompressed") != 1)
		return key_fails(e, ERR_CONFIG, "the private key cannot be used");
	/* A file can name a public point that is not its private number's. */
	context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	ok = context != NULL && EVP_PKEY_pairwise_check(context) == 1;
	EVP_PKEY_CTX_free(context);
	if (!ok)
		return key_fails(e, ERR_CONFIG, "the private key does not fit its public half");
	return 0;
}

static int key_read_pem(const char *pem, size_t len, EVP_PKEY **ret_pkey, struct err *e)
{
	BIO *bio AUTO(auto_bio) = BIO_new_mem_buf(pem, (int)len);
	EVP_PKEY *pkey = NULL;

	if (bio != NULL)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, key_no_password, NULL);
	if (pkey == NULL)
		return key_fails(e, ERR_CONFIG, "the private key cannot be read");
	*ret_pkey = pkey;
	return 0;
}

int key_load(const char *pem, size_t len, struct key **ret_key, struct err *e)
{
	EVP_PKEY *pkey AUTO(auto_pkey) = NULL;
	enum key_kind kind;
	int r;

	if (len > KEY_PEM_MAX)
		return err_set(e, ERR_CONFIG, "a private key has at most %d bytes, not %zu",
			       KEY_PEM_MAX, len);
	r = key_check_blocks(pem, len, e);
	if (r != 0)
		return r;
	ERR_clear_error();
	r = key_read_pem(pem, len, &pkey, e);
	if (r != 0)
		return r;
	kind = key_kind_of(pkey);
	if (kind == KEY_NONE)
		return err_set(e, ERR_CONFIG,
			       "the private key is %s with %d bits; it must be P-256, P-384 or "
			       "RSA with %d bits",
			       EVP_PKEY_get0_type_name(pkey), EVP_PKEY_get_bits(pkey), RSA_BITS);
	r = key_make_plain(pkey, kind, e);
	if (r == 0)
		r = key_new(&pkey, kind, ret_key, e);
	ERR_clear_error(); /* readers leave entries behind even when they succeed */
	return r;
}

int key_print(const struct key *k, struct buf *secret_pem, struct err *e)
{
	/* The secure kind of memory BIO is wiped when it grows and when it is freed. */
	BIO *bio AUTO(auto_bio) = BIO_new(BIO_s_secmem());
	char *text = NULL;
	long len;

	assert(secret_pem->secret);
	ERR_clear_error();
	if (bio == NULL ||
	    PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL) != 1)
		return key_fails(e, ERR_SYS, "cannot write a private key as PEM");
	len = BIO_get_mem_data(bio, &text);
	if (len <= 0 || buf_add(secret_pem, text, (size_t)len) != 0)
		return err_set(e, ERR_BUG, "the buffer for a private key is too small");
	return 0;
}

enum key_kind key_kind(const struct key *k)
{
	return k->kind;
}

void key_hash(const struct key *k, uint8_t hash[KEY_HASH_SIZE])
{
	memcpy(hash, k->hash, KEY_HASH_SIZE);
}

const char *key_jws_algorithm(const struct key *k)
{
	return kinds[k->kind].algorithm;
}

/* DER Ecdsa-Sig-Value to r‖s, both of the curve's full width (RFC 7518 3.4): a number that happens
 * to be short keeps its zeros, or one signature in 128 would be refused. */
static int signature_raw(const uint8_t *der, size_t len, int width, uint8_t raw[MAX_COORDINATE * 2])
{
	ECDSA_SIG *s AUTO(auto_signature) = d2i_ECDSA_SIG(NULL, &der, (long)len);

	if (s == NULL || BN_bn2binpad(ECDSA_SIG_get0_r(s), raw, width) != width)
		return 0;
	return BN_bn2binpad(ECDSA_SIG_get0_s(s), raw + width, width) == width;
}

int key_jws_sign(const struct key *k, const void *data, size_t len, struct buf *signature,
		 struct err *e)
{
	EVP_MD_CTX *md AUTO(auto_md) = EVP_MD_CTX_new();
	int width = kinds[k->kind].coordinate;
	uint8_t raw[MAX_COORDINATE * 2];
	uint8_t made[MAX_SIGNATURE];
	const uint8_t *result = made;
	size_t made_len = sizeof(made);

	ERR_clear_error();
	if (md == NULL ||
	    EVP_DigestSignInit_ex(md, NULL, kinds[k->kind].digest, NULL, NULL, k->pkey, NULL) !=
		    1 ||
	    EVP_DigestSign(md, made, &made_len, data, len) != 1)
		return key_fails(e, ERR_SYS, "cannot sign with the key");
	if (width != 0) {
		if (!signature_raw(made, made_len, width, raw))
			return key_fails(e, ERR_SYS, "cannot read our own signature");
		result = raw;
		made_len = (size_t)width * 2;
	}
	if (buf_add(signature, result, made_len) != 0)
		return err_set(e, ERR_BUG, "the buffer for a signature is too small");
	return 0;
}

char *key_jwk(const struct key *k)
{
	return mem_str(k->jwk);
}

char *key_jwk_thumbprint(const struct key *k)
{
	uint8_t hash[32];

	sha256(k->jwk, strlen(k->jwk), hash);
	return base64url_encode(hash, sizeof(hash));
}

/* The bytes of an address (RFC 5280 4.2.1.6), or 0 when name is none. */
static int name_address(const char *name, uint8_t address[16])
{
	if (inet_pton(AF_INET, name, address) == 1)
		return 4;
	if (inet_pton(AF_INET6, name, address) == 1)
		return 16;
	return 0;
}

static int csr_add_name(GENERAL_NAMES *names, const char *name)
{
	uint8_t address[16];
	int len = name_address(name, address);
	GENERAL_NAME *general = GENERAL_NAME_new();
	ASN1_STRING *value =
		ASN1_STRING_type_new(len != 0 ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
	int ok = general != NULL && value != NULL &&
		 ASN1_STRING_set(value, len != 0 ? (const void *)address : name,
				 len != 0 ? len : (int)strlen(name)) == 1;

	if (!ok) {
		ASN1_STRING_free(value);
		GENERAL_NAME_free(general);
		return 0;
	}
	GENERAL_NAME_set0_value(general, len != 0 ? GEN_IPADD : GEN_DNS, value);
	if (sk_GENERAL_NAME_push(names, general) > 0)
		return 1;
	GENERAL_NAME_free(general);
	return 0;
}

/* RFC 8555 7.4: every name stands in subjectAltName. The subject is left empty: a CA whose profile
 * has no common name may refuse one, and no client looks there. */
static int csr_add_names(X509_REQ *request, const struct strlist *list)
{
	GENERAL_NAMES *names AUTO(auto_names) = GENERAL_NAMES_new();
	STACK_OF(X509_EXTENSION) *extensions = NULL;
	int ok = names != NULL;

	for (size_t i = 0; ok && i < list->count; i++)
		ok = csr_add_name(names, list->items[i]);
	ok = ok &&
	     X509V3_add1_i2d(&extensions, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
	ok = ok && X509_REQ_add_extensions(request, extensions) == 1;
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	return ok;
}

/* Names come here canonical; this keeps a slip elsewhere from becoming a CSR that says something
 * else than the order. */
static int csr_check_names(const struct strlist *names, struct err *e)
{
	if (names->count == 0)
		return err_set(e, ERR_CONFIG, "a certificate needs at least one name");
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->items[i];

		for (const char *p = name; *p != '\0'; p++) {
			if (*p <= ' ' || *p > '~')
				return err_set(e, ERR_CONFIG, "%s is not a name in ASCII", name);
		}
		if (*name == '\0' || strlen(name) > 255)
			return err_set(e, ERR_CONFIG, "a name has 1 to 255 bytes, not %zu",
				       strlen(name));
	}
	return 0;
}

int key_csr(const struct key *k, const struct strlist *names, struct buf *der, struct err *e)
{
	X509_REQ *request AUTO(auto_request) = NULL;
	const EVP_MD *md = EVP_get_digestbyname(kinds[k->kind].digest);
	unsigned char *bytes = NULL;
	int len = -1;
	int r;

	r = csr_check_names(names, e);
	if (r != 0)
		return r;
	ERR_clear_error();
	request = X509_REQ_new();
	if (request != NULL && md != NULL && X509_REQ_set_version(request, X509_REQ_VERSION_1) &&
	    csr_add_names(request, names) == 1 && X509_REQ_set_pubkey(request, k->pkey) == 1 &&
	    X509_REQ_sign(request, k->pkey, md) > 0)
		len = i2d_X509_REQ(request, &bytes);
	if (len <= 0)
		return key_fails(e, ERR_SYS, "cannot make the certificate request");
	r = buf_add(der, bytes, (size_t)len);
	OPENSSL_free(bytes);
	if (r != 0)
		return err_set(e, ERR_CONFIG,
			       "the certificate request has more than %zu bytes; "
			       "ask for fewer names",
			       der->limit);
	return 0;
}

/* libcrypto without SHA-256 (broken provider configuration) must neither abort nor make two
 * different things look equal: so the result is one that equals nothing. */
static void hash_spoil(uint8_t hash[32])
{
	memset(hash, 0, 32);
	(void)!getentropy(hash, 32);
	ERR_clear_error();
}

void sha256(const void *data, size_t len, uint8_t hash[32])
{
	if (digest_sha256(data, len, hash) != 1)
		hash_spoil(hash);
}

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t mac[32])
{
	/* An empty key is legal (RFC 2104 2), a NULL one would mean "keep the last". */
	const void *use = key_len > 0 ? key : "";

	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, use, key_len, data, len, mac, 32, NULL) ==
	    NULL)
		hash_spoil(mac);
}

void key_free(struct key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	free(k->jwk);
	free(k);
}

void auto_key(struct key **k)
{
	key_free(*k);
}
