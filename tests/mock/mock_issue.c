/* SPDX-License-Identifier: MIT
 *
 * mock_issue — a throw-away root and intermediate, CSRs, and certificates with what a browser
 * wants of them (and, when told so, with what it must never see).
 */
#include "tests/mock/mock_internal.h"

#include "base/base64url.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define DAY 86400

struct cert_spec {
	const char *subject; /* NULL: empty */
	EVP_PKEY *key;
	X509 *issuer; /* NULL: signed by itself */
	EVP_PKEY *signer;
	const char *names; /* OpenSSL's words, NULL: a CA */
	int64_t not_before, not_after;
	int64_t serial;
	enum mock_twist twist;
};

static void add_extension(X509 *x, X509 *issuer, int nid, const char *words)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, words);
	MOCK_MUST(extension != NULL && X509_add_ext(x, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void add_extensions(X509 *x, X509 *issuer, const struct cert_spec *spec)
{
	add_extension(x, issuer, NID_subject_key_identifier, "hash");
	if (spec->names != NULL) {
		add_extension(x, issuer, NID_ext_key_usage, "serverAuth");
		add_extension(x, issuer, NID_subject_alt_name, spec->names);
	} else {
		add_extension(x, issuer, NID_key_usage, "critical,keyCertSign");
	}
	if (spec->names == NULL || spec->twist == MOCK_CA_LEAF)
		add_extension(x, issuer, NID_basic_constraints, "critical,CA:TRUE");
	if (spec->twist != MOCK_NO_KEY_ID)
		add_extension(x, issuer, NID_authority_key_identifier, "keyid:always");
}

static X509 *cert_make(const struct cert_spec *spec)
{
	X509 *x = X509_new();
	X509 *issuer = spec->issuer != NULL ? spec->issuer : x;

	MOCK_MUST(X509_set_version(x, spec->twist == MOCK_VERSION_1 ? X509_VERSION_1
								    : X509_VERSION_3) == 1 &&
		  ASN1_INTEGER_set_int64(X509_get_serialNumber(x), spec->serial) == 1 &&
		  ASN1_TIME_set(X509_getm_notBefore(x), (time_t)spec->not_before) != NULL &&
		  ASN1_TIME_set(X509_getm_notAfter(x), (time_t)spec->not_after) != NULL &&
		  X509_set_pubkey(x, spec->key) == 1);
	if (spec->subject != NULL)
		MOCK_MUST(X509_NAME_add_entry_by_NID(
				  X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8,
				  (const unsigned char *)spec->subject, -1, -1, 0) == 1);
	MOCK_MUST(X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1);
	if (spec->twist != MOCK_VERSION_1)
		add_extensions(x, issuer, spec);
	MOCK_MUST(X509_sign(x, spec->signer, EVP_sha256()) > 0);
	return x;
}

void mock_issuer_make(struct mock_ca *ca)
{
	struct mock_issuer *i = &ca->issuer;
	struct cert_spec spec = {
		.subject = "Mock Root",
		.not_before = mock_now(ca) - 365 * DAY,
		.not_after = mock_now(ca) + INT64_C(3650) * DAY,
		.serial = ++ca->serial,
	};

	i->root_key = EVP_EC_gen("P-256");
	i->key = EVP_EC_gen("P-256");
	MOCK_MUST(i->root_key != NULL && i->key != NULL);
	spec.key = spec.signer = i->root_key;
	i->root = cert_make(&spec);
	spec.subject = "Mock Intermediate";
	spec.key = i->key;
	spec.issuer = i->root;
	spec.serial = ++ca->serial;
	i->certificate = cert_make(&spec);
}

void mock_issuer_clear(struct mock_issuer *i)
{
	EVP_PKEY_free(i->root_key);
	EVP_PKEY_free(i->key);
	X509_free(i->root);
	X509_free(i->certificate);
}

/* --- the CSR --- */

static void add_name(const GENERAL_NAME *name, struct strlist *names)
{
	char text[INET6_ADDRSTRLEN];
	const unsigned char *bytes;
	int len;

	if (name->type == GEN_DNS) {
		strlist_addf(names, "%.*s", ASN1_STRING_length(name->d.dNSName),
			     (const char *)ASN1_STRING_get0_data(name->d.dNSName));
		return;
	}
	if (name->type != GEN_IPADD) {
		strlist_add(names, "(something else)");
		return;
	}
	bytes = ASN1_STRING_get0_data(name->d.iPAddress);
	len = ASN1_STRING_length(name->d.iPAddress);
	MOCK_MUST(inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text)) != NULL);
	strlist_add(names, text);
}

static void csr_names(X509_REQ *csr, struct strlist *names)
{
	STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(csr);
	GENERAL_NAMES *list = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(list); i++)
		add_name(sk_GENERAL_NAME_value(list, i), names);
	GENERAL_NAMES_free(list);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	strlist_sort(names);
}

static const char *csr_judge(const struct mock_ca *ca, const struct mock_order *o, X509_REQ *csr)
{
	struct strlist names AUTO_STRLIST = {0};
	EVP_PKEY *key = X509_REQ_get0_pubkey(csr);

	if (key == NULL || X509_REQ_verify(csr, key) != 1)
		return "the CSR's signature does not verify";
	for (size_t i = 0; i < ca->account_count; i++)
		if (EVP_PKEY_eq(key, ca->accounts[i]->key) == 1)
			return "the CSR is for an account's key";
	if (X509_NAME_entry_count(X509_REQ_get_subject_name(csr)) != 0)
		return "this profile has no common name, and the CSR asks for one";
	csr_names(csr, &names);
	return strlist_equal(&names, &o->names) ? NULL : "the CSR is for other names";
}

X509_REQ *mock_csr(const struct mock_ca *ca, const struct mock_order *o, const char *text,
		   const char **ret_why)
{
	struct buf der AUTO_BUF = {0};
	const unsigned char *at;
	X509_REQ *csr;

	buf_init(&der, 65536);
	*ret_why = "there is no CSR that can be read";
	if (text == NULL || base64url_decode(text, strlen(text), &der) != 0)
		return NULL;
	at = (const unsigned char *)der.data;
	csr = d2i_X509_REQ(NULL, &at, (long)der.len);
	if (csr == NULL)
		return NULL;
	*ret_why = csr_judge(ca, o, csr);
	if (*ret_why == NULL)
		return csr;
	X509_REQ_free(csr);
	return NULL;
}

/* --- the certificate --- */

static char *names_words(const struct mock_order *o, enum mock_twist twist)
{
	struct strlist words AUTO_STRLIST = {0};

	for (size_t i = 0; i < o->names.count; i++) {
		const char *name = o->names.items[i];
		bool address =
			strchr(name, ':') != NULL || strspn(name, "0123456789.") == strlen(name);

		strlist_addf(&words, "%s:%s", address ? "IP" : "DNS", name);
	}
	if (twist == MOCK_OTHER_NAMES)
		strlist_add(&words, "DNS:other.example");
	if (twist == MOCK_OTHER_KINDS)
		strlist_add(&words, "URI:https://other.example/");
	return strlist_join(&words, ",");
}

static void pem_add(BIO *bio, X509 *x)
{
	MOCK_MUST(PEM_write_bio_X509(bio, x) == 1);
}

/* What a CA of that name and key is, or was, elsewhere. */
static void pem_add_other(struct mock_ca *ca, BIO *bio, const struct cert_spec *what)
{
	struct cert_spec spec = *what;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x;

	spec.key = spec.key != NULL ? spec.key : key;
	spec.signer = spec.signer != NULL ? spec.signer : key;
	spec.not_before = mock_now(ca) - 365 * DAY;
	spec.not_after = spec.not_after != 0 ? spec.not_after : mock_now(ca) + 365 * DAY;
	spec.serial = ++ca->serial;
	x = cert_make(&spec);
	pem_add(bio, x);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* The intermediate: as it is, or as what stands in its place. */
static void pem_add_issuer(struct mock_ca *ca, BIO *bio, enum mock_twist twist)
{
	const struct mock_issuer *i = &ca->issuer;
	struct cert_spec spec = {.subject = "Mock Intermediate", .twist = twist};

	if (twist == MOCK_VERSION_1 || twist == MOCK_ALONE_EXPIRED) {
		spec.key = i->key;
		spec.issuer = i->root;
		spec.signer = i->root_key;
		spec.not_after = twist == MOCK_ALONE_EXPIRED ? mock_now(ca) - DAY : 0;
	}
	if (twist == MOCK_FORGED || spec.key != NULL)
		pem_add_other(ca, bio, &spec);
	else
		pem_add(bio, i->certificate);
}

/* An older root that has expired, and what it signed once; or another one that lives. */
static void pem_add_cross(struct mock_ca *ca, BIO *bio, enum mock_twist twist)
{
	bool expired = twist == MOCK_EXPIRED_CROSS;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct cert_spec old = {.subject = "Mock Old Root",
				.key = key,
				.signer = key,
				.not_before = mock_now(ca) - 4000 * DAY,
				.not_after = mock_now(ca) + (expired ? -DAY : 365 * DAY),
				.serial = ++ca->serial};
	X509 *root = cert_make(&old);
	struct cert_spec cross = {.subject = expired ? "Mock Root" : "Mock Intermediate",
				  .key = expired ? ca->issuer.root_key : ca->issuer.key,
				  .issuer = root,
				  .signer = key,
				  .not_after = expired ? old.not_after : 0};

	pem_add_other(ca, bio, &cross);
	if (expired)
		pem_add(bio, root);
	X509_free(root);
	EVP_PKEY_free(key);
}

/* What comes behind and is of no use. */
static void pem_add_rest(struct mock_ca *ca, BIO *bio, enum mock_twist twist)
{
	const struct mock_issuer *i = &ca->issuer;

	if (twist == MOCK_CROSS || twist == MOCK_EXPIRED_CROSS)
		pem_add_cross(ca, bio, twist);
	if (twist == MOCK_ROOT)
		pem_add(bio, i->root);
	if (twist == MOCK_SECRET)
		MOCK_MUST(PEM_write_bio_PKCS8PrivateKey(bio, i->root_key, NULL, NULL, 0, NULL,
							NULL) == 1);
}

static char *pem_text(struct mock_ca *ca, X509 *leaf, enum mock_twist twist)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;
	char *text;
	long len;

	if (twist != MOCK_LEAF_LAST)
		pem_add(bio, leaf);
	if (twist == MOCK_LEAF_TWICE)
		pem_add(bio, leaf);
	pem_add_issuer(ca, bio, twist);
	pem_add_rest(ca, bio, twist);
	if (twist == MOCK_LEAF_LAST)
		pem_add(bio, leaf);
	len = BIO_get_mem_data(bio, &data);
	text = mem_strn(data, (size_t)len);
	BIO_free(bio);
	return text;
}

static int64_t dated_back(enum mock_twist twist)
{
	if (twist == MOCK_OLD)
		return 10 * DAY;
	return twist == MOCK_FUTURE ? -3600 : 3600;
}

void mock_issue(struct mock_ca *ca, struct mock_order *o)
{
	enum mock_twist twist = ca->config.twist;
	int64_t life = ca->config.lifetime > 0 ? ca->config.lifetime : INT64_C(90) * DAY;
	AUTO_FREE char *names = names_words(o, twist);
	EVP_PKEY *other = twist == MOCK_OTHER_KEY ? EVP_EC_gen("P-256") : NULL;
	struct cert_spec spec = {
		.key = other != NULL ? other : X509_REQ_get0_pubkey(o->csr),
		.issuer = ca->issuer.certificate,
		.signer = ca->issuer.key,
		.names = names,
		.not_before = mock_now(ca) - dated_back(twist),
		.serial = 0x10000 + ++ca->serial,
		.twist = twist == MOCK_VERSION_1 ? MOCK_HONEST : twist,
	};
	X509 *leaf;

	spec.not_after = spec.not_before + life;
	leaf = cert_make(&spec);
	o->pem = pem_text(ca, leaf, twist);
	o->good_pem = pem_text(ca, leaf, MOCK_HONEST);
	X509_free(leaf);
	EVP_PKEY_free(other);
}
