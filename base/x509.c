/* SPDX-License-Identifier: MIT
 *
 * x509 — chains as they come from outside: cut into blocks by a strict scanner of our own, decoded
 * under limits, and turned at once into the facts that everybody else works with.
 *
 * After x509_chain_parse nothing here looks at the sender's text again: what is published is
 * written anew from DER, so that nothing can hide between the blocks (RFC 8555 11.4).
 */
#include "base/x509.h"

#include "base/base64url.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DER    (64 * 1024)
#define MAX_SERIAL 64  /* bytes; RFC 5280 4.1.2.2 allows 20 */
#define MAX_AKI    64  /* bytes; in practice 20 */
#define MAX_ISSUER 256 /* bytes of its one line */
#define MAX_LABEL  40  /* bytes of a foreign block's label that we quote */

struct x509_chain {
	X509 *certs[X509_MAX_CERTS];
	struct x509_facts facts[X509_MAX_CERTS];
	size_t count;
	char *leaf_pem;
	char *rest_pem;
};

/* What is left of the text, and which block comes next (from 1, for people). */
struct scan {
	const char *at;
	const char *end;
	size_t block;
};

static const char block_begin[] = "-----BEGIN CERTIFICATE-----";
static const char block_end[] = "-----END CERTIFICATE-----";

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

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void scan_skip_space(struct scan *s)
{
	while (s->at < s->end && is_space(*s->at))
		s->at++;
}

static bool scan_sees(const char *at, const char *end, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(end - at) >= len && memcmp(at, text, len) == 0;
}

/* The label is quoted, never the content: the block may be somebody's private key. */
static int scan_refuse(const struct scan *s, struct err *e)
{
	static const char begin[] = "-----BEGIN ";
	const char *label, *stop;

	if (scan_sees(s->at, s->end, block_begin))
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain has no line of its own to begin with",
			       s->block);
	if (!scan_sees(s->at, s->end, begin))
		return err_set(e, ERR_PROTOCOL,
			       "the certificate chain has something else than a PEM block where "
			       "block %zu should begin",
			       s->block);
	label = s->at + strlen(begin);
	stop = memchr(label, '-', (size_t)(s->end - label));
	if (stop == NULL || stop - label > MAX_LABEL)
		return err_set(e, ERR_PROTOCOL,
			       "block %zu of the certificate chain has no readable label",
			       s->block);
	return err_set(
		e, ERR_PROTOCOL,
		"block %zu of the certificate chain is labelled %.*s, only CERTIFICATE is allowed",
		s->block, (int)(stop - label), label);
}

/* Yields the base64 text of the block at s and moves behind it. Each byte is looked at once, so a
 * hostile text costs no more than its length. */
static int scan_block(struct scan *s, const char **ret_text, size_t *ret_len, struct err *e)
{
	const char *text, *stop, *next;

	if (!scan_sees(s->at, s->end, block_begin))
		return scan_refuse(s, e);
	text = s->at + strlen(block_begin);
	if (text == s->end || !is_space(*text))
		return scan_refuse(s, e);
	stop = memchr(text, '-', (size_t)(s->end - text));
	if (stop == NULL || !scan_sees(stop, s->end, block_end) || !is_space(stop[-1]))
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain is cut off or damaged", s->block);
	next = stop + strlen(block_end);
	if (next < s->end && !is_space(*next))
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain is followed by something else",
			       s->block);
	s->at = next;
	*ret_text = text;
	*ret_len = (size_t)(stop - text);
	return 0;
}

/* base64 with line breaks (RFC 7468 3), by way of the strict base64url decoder. */
static int block_decode(const char *text, size_t len, struct buf *der)
{
	AUTO_FREE char *plain = mem_new(len + 1);
	size_t n = 0;
	size_t padding = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (is_space(c))
			continue;
		if (c == '=') {
			padding++;
			continue;
		}
		if (padding > 0 || c == '-' || c == '_')
			return -1;
		if (c == '+')
			c = '-';
		else if (c == '/')
			c = '_';
		plain[n++] = c;
	}
	if (padding > 2 || (n + padding) % 4 != 0)
		return -1;
	return base64url_decode(plain, n, der);
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
static void facts_add_issuer(const X509 *cert, struct x509_facts *f)
{
	BIO *bio AUTO(auto_bio) = BIO_new(BIO_s_mem());
	char line[MAX_ISSUER];
	char *text = NULL;
	long len = 0;

	if (bio != NULL && X509_NAME_print_ex(bio, X509_get_issuer_name(cert), 0,
					      XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		len = BIO_get_mem_data(bio, &text);
	ERR_clear_error();
	text_escape(text, len > 0 ? (size_t)len : 0, line, sizeof(line));
	f->issuer = mem_str(line);
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

/* Other kinds of names (mail, URI, …) identify no TLS server and are passed over. */
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
	facts_add_issuer(cert, f);
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

/* Reads the block at s and appends it. */
static int chain_add(struct x509_chain *c, struct scan *s, struct err *e)
{
	struct buf der AUTO_BUF = {0};
	const char *text = NULL;
	size_t len = 0;
	int r;

	if (c->count == X509_MAX_CERTS)
		return err_set(e, ERR_PROTOCOL, "the chain has more than %d certificates",
			       X509_MAX_CERTS);
	r = scan_block(s, &text, &len, e);
	if (r != 0)
		return r;
	buf_init(&der, MAX_DER);
	if (block_decode(text, len, &der) != 0)
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain is no base64, or above %d KiB",
			       s->block, MAX_DER / 1024);
	r = cert_read(&der, s->block, &c->certs[c->count], e);
	if (r != 0)
		return r;
	r = facts_fill(c->certs[c->count], &der, &c->facts[c->count], e);
	if (r != 0)
		err_while(e, "certificate %zu of the chain is not usable", s->block);
	c->count++; /* also on failure: x509_chain_free clears what was begun */
	return r;
}

/* The certificates from … to-1 as one PEM text; "" for none. NULL on failure. */
static char *chain_print(const struct x509_chain *c, size_t from, size_t to)
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

int x509_chain_parse(const char *pem, size_t len, struct x509_chain **ret_chain, struct err *e)
{
	AUTO_CHAIN struct x509_chain *c = mem_new(sizeof(*c));
	struct scan s = {pem, pem + len, 1};
	int r;

	if (len > X509_MAX_PEM)
		return err_set(e, ERR_PROTOCOL, "the certificate chain has %zu bytes, more than %d",
			       len, X509_MAX_PEM);
	ERR_clear_error();
	for (scan_skip_space(&s); s.at < s.end; scan_skip_space(&s)) {
		r = chain_add(c, &s, e);
		if (r != 0)
			return r;
		s.block++;
	}
	if (c->count == 0)
		return err_set(e, ERR_PROTOCOL, "there is no certificate in the chain");
	c->leaf_pem = chain_print(c, 0, 1);
	c->rest_pem = chain_print(c, 1, c->count);
	if (c->leaf_pem == NULL || c->rest_pem == NULL)
		return err_set(e, ERR_SYS, "cannot write the certificate chain: %s", take_reason());
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

/* cert, which is number (from 1, for people), against the one that should have issued it. */
static int cert_check_issuer(X509 *cert, X509 *issuer, size_t number, struct err *e)
{
	EVP_PKEY *key;

	if (X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) != 0)
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain was issued under another name than "
			       "that of certificate %zu",
			       number, number + 1);
	/* 1 is basicConstraints CA:TRUE and a key usage that allows it; higher values are guesses
	 * for certificates that say nothing */
	if (X509_check_ca(issuer) != 1)
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain is no CA but stands as one",
			       number + 1);
	key = X509_get0_pubkey(issuer);
	if (key == NULL || X509_verify(cert, key) != 1)
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain is not signed by certificate %zu: %s",
			       number, number + 1, take_reason());
	return 0;
}

int x509_chain_check(const struct x509_chain *c, struct err *e)
{
	ERR_clear_error();
	for (size_t i = 0; i + 1 < c->count; i++) {
		int r = cert_check_issuer(c->certs[i], c->certs[i + 1], i + 1, e);

		if (r != 0)
			return r;
	}
	return 0;
}

const char *x509_chain_leaf_pem(const struct x509_chain *c)
{
	return c->leaf_pem;
}

const char *x509_chain_rest_pem(const struct x509_chain *c)
{
	return c->rest_pem;
}

int x509_chain_serves_tls(const struct x509_chain *c)
{
	uint32_t usage = X509_get_extended_key_usage(c->certs[0]);

	return usage == UINT32_MAX || (usage & XKU_SSL_SERVER) != 0; /* all ones: no extension */
}

static void facts_clear(struct x509_facts *f)
{
	free(f->serial);
	free(f->issuer);
	strlist_clear(&f->names);
	free(f->ari_id);
}

void x509_chain_free(struct x509_chain *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++) {
		X509_free(c->certs[i]);
		facts_clear(&c->facts[i]);
	}
	free(c->leaf_pem);
	free(c->rest_pem);
	free(c);
}

void auto_chain(struct x509_chain **c)
{
	x509_chain_free(*c);
}
