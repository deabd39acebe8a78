/* SPDX-License-Identifier: MIT
 *
 * x509 — chains as they come from outside: decoded under limits, and turned at once into the facts
 * that everybody else works with.
 *
 * After x509_chain_parse nothing here looks at the sender's text again: what is published is
 * written anew from DER, so that nothing can hide between the blocks (RFC 8555 11.4).
 */
#include "base/x509_internal.h"

#include "base/base64url.h"
#include "base/pem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DER    (64 * 1024)
#define MAX_SERIAL 64  /* bytes; RFC 5280 4.1.2.2 allows 20 */
#define MAX_AKI    64  /* bytes; in practice 20 */
#define MAX_NAME   256 /* bytes of an issuer's or a subject's one line */

static void auto_cert(X509 **c)
{
	X509_free(*c);
}

static void auto_bio(BIO **b)
{
	BIO_free(*b);
}

static void auto_names(GENERAL_NAMES **n)
{
	GENERAL_NAMES_free(*n);
}

static void auto_der(unsigned char **der)
{
	OPENSSL_free(*der);
}

/* libcrypto's first reason; its queue is left empty. */
static const char *take_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return reason != NULL ? reason : "libcrypto gives no reason";
}

/* One certificate that fills its DER, and is DER: what is written anew from it must be the bytes
 * that were signed, or the fingerprint of what a server sends would differ from ours. */
static int cert_read(const struct buf *der, size_t block, X509 **ret_cert, struct err *e)
{
	const unsigned char *at = (const unsigned char *)der->data;
	X509 *cert AUTO(auto_cert) = d2i_X509(NULL, &at, (long)der->len);
	unsigned char *again AUTO(auto_der) = NULL;
	int len;

	if (cert == NULL)
		return err_set(e, ERR_PROTOCOL, "certificate %zu of the chain cannot be read: %s",
			       block, take_reason());
	len = i2d_X509(cert, &again);
	if (at != (const unsigned char *)der->data + der->len || len < 0 ||
	    (size_t)len != der->len || memcmp(again, der->data, der->len) != 0)
		return err_set(e, ERR_PROTOCOL, "certificate %zu of the chain is not plain DER",
			       block);
	/* Makes libcrypto read the extensions now, while somebody can refuse them. */
	if (X509_check_purpose(cert, -1, 0) != 1 ||
	    (X509_get_extension_flags(cert) & EXFLAG_INVALID) != 0) {
		ERR_clear_error();
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain has extensions that cannot be read",
			       block);
	}
	*ret_cert = TAKE(cert);
	return 0;
}

/* The magnitude only: RFC 5280 4.1.2.2 knows no negative serials, and CAs, logs and tools print
 * it without DER's leading 00. */
static int facts_add_serial(const X509 *cert, struct x509_facts *f, struct err *e)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	const unsigned char *bytes = ASN1_STRING_get0_data(serial);
	int len = ASN1_STRING_length(serial);
	char *text;

	if (len < 1 || len > MAX_SERIAL)
		return err_set(e, ERR_PROTOCOL, "a serial number of %d bytes is not usable", len);
	text = mem_new((size_t)len * 2 + 1);
	for (int i = 0; i < len; i++) {
		text[i * 2] = "0123456789ABCDEF"[bytes[i] >> 4];
		text[i * 2 + 1] = "0123456789ABCDEF"[bytes[i] & 15];
	}
	f->serial = text;
	return 0;
}

/* For people only, so what cannot be shown is no reason to refuse the certificate. */
static char *name_line(const X509_NAME *name)
{
	BIO *bio AUTO(auto_bio) = BIO_new(BIO_s_mem());
	char line[MAX_NAME];
	char *text = NULL;
	long len = 0;

	if (bio != NULL &&
	    X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		len = BIO_get_mem_data(bio, &text);
	ERR_clear_error();
	text_escape(text, len > 0 ? (size_t)len : 0, line, sizeof(line));
	return mem_str(line);
}

static int names_add_dns(const ASN1_IA5STRING *value, struct strlist *names)
{
	const unsigned char *bytes = ASN1_STRING_get0_data(value);
	int len = ASN1_STRING_length(value);
	char text[256];

	if (len < 1 || len >= (int)sizeof(text))
		return -1;
	for (int i = 0; i < len; i++) {
		/* a NUL inside would end the name early for everybody who reads it as a string */
		if (bytes[i] <= ' ' || bytes[i] > '~')
			return -1;
		text[i] = (char)tolower(bytes[i]);
	}
	text[len] = '\0';
	strlist_add(names, text);
	return 0;
}

static int names_add_address(const ASN1_OCTET_STRING *value, struct strlist *names)
{
	int len = ASN1_STRING_length(value);
	char text[INET6_ADDRSTRLEN];

	if (len != 4 && len != 16)
		return -1;
	if (inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), text,
		      sizeof(text)) == NULL)
		return -1;
	strlist_add(names, text);
	return 0;
}

/* "email:a@example.org" as far as that is text, else its kind alone. */
static void names_add_other(int type, const void *value, struct strlist *others)
{
	static const char *const kinds[] = {
		[GEN_OTHERNAME] = "otherName",   [GEN_EMAIL] = "email",
		[GEN_X400] = "x400Address",      [GEN_DIRNAME] = "dirName",
		[GEN_EDIPARTY] = "ediPartyName", [GEN_URI] = "URI",
		[GEN_RID] = "registeredID",
	};
	const char *kind = type >= 0 && type < (int)COUNT_OF(kinds) ? kinds[type] : NULL;
	char text[MAX_NAME] = "";

	if (type == GEN_EMAIL || type == GEN_URI)
		text_escape((const char *)ASN1_STRING_get0_data(value),
			    (size_t)ASN1_STRING_length(value), text, sizeof(text));
	strlist_addf(others, "%s%s%s", kind != NULL ? kind : "unknown", text[0] != '\0' ? ":" : "",
		     text);
}

static int facts_add_names(const X509 *cert, struct x509_facts *f, struct err *e)
{
	int critical = -1;
	GENERAL_NAMES *names AUTO(auto_names) =
		X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);

	if (names == NULL && critical != -1) { /* -1: there is none */
		ERR_clear_error();
		return err_set(e, ERR_PROTOCOL, "its subjectAltName cannot be read");
	}
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		int r = 0;

		if (type == GEN_DNS)
			r = names_add_dns(value, &f->names);
		else if (type == GEN_IPADD)
			r = names_add_address(value, &f->names);
		else
			names_add_other(type, value, &f->others);
		if (r != 0)
			return err_set(e, ERR_PROTOCOL, "it has a name that is none");
	}
	strlist_sort(&f->names);
	return 0;
}

static bool time_read(const ASN1_TIME *t, int64_t *ret_when)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days, seconds;
	int ok = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1;

	ASN1_TIME_free(epoch);
	if (!ok)
		return false;
	*ret_when = (int64_t)days * 86400 + seconds;
	return true;
}

static int facts_add_dates(const X509 *cert, struct x509_facts *f, struct err *e)
{
	if (time_read(X509_get0_notBefore(cert), &f->not_before) &&
	    time_read(X509_get0_notAfter(cert), &f->not_after))
		return 0;
	ERR_clear_error();
	return err_set(e, ERR_PROTOCOL, "its dates cannot be read");
}

static int facts_add_key_hash(const X509 *cert, struct x509_facts *f, struct err *e)
{
	unsigned char *der AUTO(auto_der) = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	if (len <= 0)
		return err_set(e, ERR_PROTOCOL, "its public key cannot be read: %s", take_reason());
	sha256(der, (size_t)len, f->key_hash);
	return 0;
}

/* RFC 9773 4.1: base64url(keyIdentifier) "." base64url(serial), the serial being the content
 * bytes of its DER INTEGER, with the leading 00 that keeps it positive. */
static int facts_add_ari_id(X509 *cert, struct x509_facts *f, struct err *e)
{
	const ASN1_OCTET_STRING *aki = X509_get0_authority_key_id(cert);
	unsigned char *der AUTO(auto_der) = NULL;
	AUTO_FREE char *left = NULL;
	AUTO_FREE char *right = NULL;
	int len;

	if (aki == NULL || ASN1_STRING_length(aki) < 1 || ASN1_STRING_length(aki) > MAX_AKI)
		return 0;
	len = i2d_ASN1_INTEGER(X509_get0_serialNumber(cert), &der);
	if (len < 3) /* tag, a length of one byte (MAX_SERIAL), content */
		return err_set(e, ERR_PROTOCOL, "its serial number cannot be read: %s",
			       take_reason());
	left = base64url_encode(ASN1_STRING_get0_data(aki), (size_t)ASN1_STRING_length(aki));
	right = base64url_encode(der + 2, (size_t)len - 2);
	f->ari_id = mem_printf("%s.%s", left, right);
	return 0;
}

static int facts_fill(X509 *cert, const struct buf *der, struct x509_facts *f, struct err *e)
{
	int r;

	sha256(der->data, der->len, f->fingerprint);
	f->subject = name_line(X509_get_subject_name(cert));
	f->issuer = name_line(X509_get_issuer_name(cert));
	r = facts_add_serial(cert, f, e);
	if (r == 0)
		r = facts_add_names(cert, f, e);
	if (r == 0)
		r = facts_add_dates(cert, f, e);
	if (r == 0)
		r = facts_add_key_hash(cert, f, e);
	if (r == 0)
		r = facts_add_ari_id(cert, f, e);
	return r;
}

/* Reads the next block and appends it. */
static int chain_add(struct x509_chain *c, struct pem *p, struct err *e)
{
	struct buf der AUTO_BUF = {0};
	int r;

	if (c->count == X509_MAX_CERTS)
		return err_set(e, ERR_PROTOCOL, "the chain has more than %d certificates",
			       X509_MAX_CERTS);
	buf_init(&der, MAX_DER);
	r = pem_read(p, &der, e);
	if (r == 0)
		r = cert_read(&der, p->block, &c->certs[c->count], e);
	if (r != 0)
		return r;
	r = facts_fill(c->certs[c->count], &der, &c->facts[c->count], e);
	if (r != 0)
		err_while(e, "certificate %zu of the chain is not usable", p->block);
	c->facts[c->count].place = p->block;
	c->count++; /* also on failure: x509_chain_free clears what was begun */
	return r;
}

/* The certificates from … to-1 as one PEM text; "" for none. NULL on failure. */
static char *chain_text(const struct x509_chain *c, size_t from, size_t to)
{
	BIO *bio AUTO(auto_bio) = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len;

	if (bio == NULL)
		return NULL;
	for (size_t i = from; i < to; i++) {
		if (PEM_write_bio_X509(bio, c->certs[i]) != 1)
			return NULL;
	}
	len = BIO_get_mem_data(bio, &text);
	return len > 0 ? mem_strn(text, (size_t)len) : mem_str("");
}

int x509_chain_print(struct x509_chain *c, struct err *e)
{
	free(c->leaf_pem);
	free(c->rest_pem);
	c->leaf_pem = chain_text(c, 0, 1);
	c->rest_pem = chain_text(c, 1, c->count);
	if (c->leaf_pem == NULL || c->rest_pem == NULL)
		return err_set(e, ERR_SYS, "cannot write the certificate chain: %s", take_reason());
	return 0;
}

int x509_chain_parse(const char *pem, size_t len, struct x509_chain **ret_chain, struct err *e)
{
	AUTO_CHAIN struct x509_chain *c = mem_new(sizeof(*c));
	struct pem p = {pem, pem + len, 0};
	int r = 0;

	if (len > X509_MAX_PEM)
		return err_set(e, ERR_PROTOCOL, "the certificate chain has %zu bytes, more than %d",
			       len, X509_MAX_PEM);
	ERR_clear_error();
	while (r == 0 && pem_more(&p))
		r = chain_add(c, &p, e);
	if (r == 0 && c->count == 0)
		r = err_set(e, ERR_PROTOCOL, "there is no certificate in the chain");
	if (r == 0)
		r = x509_chain_print(c, e);
	if (r != 0)
		return r;
	*ret_chain = TAKE(c);
	return 0;
}

size_t x509_chain_count(const struct x509_chain *c)
{
	return c->count;
}

const struct x509_facts *x509_chain_facts(const struct x509_chain *c, size_t index)
{
	return index < c->count ? &c->facts[index] : NULL;
}

const struct strlist *x509_chain_left_out(const struct x509_chain *c)
{
	return &c->left_out;
}

const char *x509_chain_leaf_pem(const struct x509_chain *c)
{
	return c->leaf_pem;
}

const char *x509_chain_rest_pem(const struct x509_chain *c)
{
	return c->rest_pem;
}

/* All ones: there is no such extension. */
const char *x509_chain_misfit(const struct x509_chain *c, size_t index)
{
	X509 *cert = c->certs[index];
	uint32_t purposes = X509_get_extended_key_usage(cert);
	uint32_t uses = X509_get_key_usage(cert);

	if ((X509_get_extension_flags(cert) & EXFLAG_CA) != 0)
		return "it is a CA's (its basic constraints say CA:TRUE)";
	if (purposes != UINT32_MAX && (purposes & XKU_SSL_SERVER) == 0)
		return "it is not for TLS servers (its extended key usage lacks serverAuth)";
	if ((uses & (KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT)) == 0)
		return "its key may not be used in TLS (its key usage has neither "
		       "digitalSignature nor another one that TLS needs)";
	if ((X509_get_extension_flags(cert) & EXFLAG_CRITICAL) != 0)
		return "it has a critical extension that no TLS client knows";
	return NULL;
}

void x509_facts_clear(struct x509_facts *f)
{
	free(f->serial);
	free(f->subject);
	free(f->issuer);
	strlist_clear(&f->names);
	strlist_clear(&f->others);
	free(f->ari_id);
}

void x509_chain_free(struct x509_chain *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++) {
		X509_free(c->certs[i]);
		x509_facts_clear(&c->facts[i]);
	}
	strlist_clear(&c->left_out);
	free(c->leaf_pem);
	free(c->rest_pem);
	free(c);
}

void auto_chain(struct x509_chain **c)
{
	x509_chain_free(*c);
}
