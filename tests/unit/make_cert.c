/* SPDX-License-Identifier: MIT
 *
 * make_cert — see the header.
 */
#include "tests/unit/make_cert.h"

#include "base/buf.h"
#include "base/key.h"
#include "base/mem.h"
#include "tests/unit.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static char *bio_text(BIO *bio)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	char *text;

	assert_true(len > 0);
	text = mem_strn(data, (size_t)len);
	BIO_free(bio);
	return text;
}

static ASN1_OCTET_STRING *octets(const char *hex)
{
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	long len = 0;
	unsigned char *bytes = OPENSSL_hexstr2buf(hex, &len);

	assert_non_null(bytes);
	assert_int_equal(ASN1_OCTET_STRING_set(s, bytes, (int)len), 1);
	OPENSSL_free(bytes);
	return s;
}

/* An extension in the words of openssl.cnf. */
static void add_words(X509 *x, int nid, const char *words)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, words);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(x, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static void add_names_hex(X509 *x, const char *hex)
{
	ASN1_OCTET_STRING *value = octets(hex);
	X509_EXTENSION *extension =
		X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);

	assert_int_equal(X509_add_ext(x, extension, -1), 1);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
}

static void add_aki(X509 *x, const struct make_cert_spec *spec)
{
	X509 *issuer = spec->issuer != NULL ? spec->issuer->x509 : x;
	const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(issuer);
	AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();

	if (spec->aki != NULL)
		aki->keyid = octets(spec->aki);
	else if (ski != NULL)
		aki->keyid = ASN1_OCTET_STRING_dup(ski);
	assert_int_equal(X509_add1_ext_i2d(x, NID_authority_key_identifier, aki, 0, 0), 1);
	AUTHORITY_KEYID_free(aki);
}

static void set_serial(X509 *x, const char *hex)
{
	BIGNUM *n = NULL;

	assert_true(BN_hex2bn(&n, hex) > 0);
	assert_non_null(BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)));
	BN_free(n);
}

static void set_names(X509 *x, const struct make_cert_spec *spec)
{
	X509_NAME *subject = X509_get_subject_name(x);

	if (spec->subject != NULL)
		assert_int_equal(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
							    (const unsigned char *)spec->subject,
							    -1, -1, 0),
				 1);
	X509_set_issuer_name(x, spec->issuer != NULL ? X509_get_subject_name(spec->issuer->x509)
						     : subject);
}

static void add_extensions(X509 *x, const struct make_cert_spec *spec)
{
	if (spec->ca) {
		if (!spec->no_constraints)
			add_words(x, NID_basic_constraints, "critical,CA:TRUE");
		add_words(x, NID_key_usage,
			  spec->no_sign_usage ? "critical,cRLSign" : "critical,keyCertSign");
		add_words(x, NID_subject_key_identifier, "hash");
	}
	if (spec->names != NULL)
		add_words(x, NID_subject_alt_name, spec->names);
	if (spec->names_hex != NULL)
		add_names_hex(x, spec->names_hex);
	if (spec->usage != NULL)
		add_words(x, NID_ext_key_usage, spec->usage);
	if (spec->key_usage != NULL)
		add_words(x, NID_key_usage, spec->key_usage);
	if (spec->critical)
		add_words(x, NID_netscape_comment, "critical,who knows");
	if (spec->aki == NULL || spec->aki[0] != '\0')
		add_aki(x, spec);
}

struct made_cert *make_cert(const struct make_cert_spec *spec)
{
	struct made_cert *c = mem_new(sizeof(*c));
	EVP_PKEY *signer = spec->signer;
	X509 *x = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());

	c->x509 = x;
	c->key = spec->key != NULL ? spec->key : EVP_EC_gen("P-256");
	if (spec->key != NULL)
		EVP_PKEY_up_ref(spec->key);
	if (signer == NULL)
		signer = spec->issuer != NULL ? spec->issuer->key : c->key;
	assert_int_equal(X509_set_version(x, spec->version_1 ? X509_VERSION_1 : X509_VERSION_3), 1);
	set_serial(x, spec->serial != NULL ? spec->serial : "1001");
	set_names(x, spec);
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)spec->not_before));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x), (time_t)spec->not_after));
	assert_int_equal(X509_set_pubkey(x, c->key), 1);
	if (!spec->version_1)
		add_extensions(x, spec);
	assert_true(X509_sign(x, signer, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, x), 1);
	c->pem = bio_text(bio);
	return c;
}

void made_cert_free(struct made_cert *c)
{
	if (c == NULL)
		return;
	X509_free(c->x509);
	EVP_PKEY_free(c->key);
	free(c->pem);
	free(c);
}

void auto_made_cert(struct made_cert **c)
{
	made_cert_free(*c);
}

EVP_PKEY *make_cert_pkey(const struct key *k)
{
	struct buf pem AUTO_BUF = {0};
	EVP_PKEY *pkey;
	BIO *bio;

	buf_init_secret(&pem, KEY_PEM_MAX);
	assert_int_equal(key_print(k, &pem, NULL), 0);
	bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(pkey);
	return pkey;
}

char *make_cert_key_pem(EVP_PKEY *pkey, bool older, const char *passphrase)
{
	const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_128_cbc() : NULL;
	int len = passphrase != NULL ? (int)strlen(passphrase) : 0;
	BIO *bio = BIO_new(BIO_s_mem());
	int ok;

	if (older)
		ok = PEM_write_bio_PrivateKey_traditional(
			bio, pkey, cipher, (const unsigned char *)passphrase, len, NULL, NULL);
	else
		ok = PEM_write_bio_PKCS8PrivateKey(bio, pkey, cipher, passphrase, len, NULL, NULL);
	assert_int_equal(ok, 1);
	return bio_text(bio);
}
