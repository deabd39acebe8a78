/* SPDX-License-Identifier: MIT
 *
 * fuzz_accept — OpenSSL itself is asked about each chain that was accepted.
 *
 * The input is a byte of flags and then certificates, each as two bytes of length and its DER: so
 * a changed byte is a changed byte of a certificate, and not of base64. Behind most changes a
 * certificate is no longer for the key or the names that were ordered; the flags order what the
 * leaf has, so that what is judged later is reached as well.
 */
#include "tests/fuzz/fuzz.h"

#include "acme/accept.h"
#include "acme/identifier.h"
#include "base/buf.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define ORDER_ITS_KEY   1
#define ORDER_ITS_NAMES 2
#define REPLACE         4  /* a certificate of an hour ago is live */
#define OUTLIVE         8  /* … and ends in a month, which counts */
#define LEAF_LAST       16 /* what is ordered is what the last certificate has, not the first */

#define NOW      2000000000 /* 2033: after every build date */
#define LIVE     (NOW - 3600)
#define LIVE_END (NOW + 30 * 86400)

/* What was ordered. The key was made for the corpus and is gone: leaves with other keys need the
 * flag. */
#define NAMES "example.org *.example.org 192.0.2.1 2001:db8::1"
static const uint8_t ordered_hash[KEY_HASH_SIZE] = {0xfe, 0x9a, 0x96, 0x27, 0xc2, 0x09, 0xb6, 0x40,
						    0x01, 0xb5, 0x05, 0xa9, 0x4e, 0x39, 0x67, 0xaa,
						    0x54, 0xab, 0x78, 0x77, 0x0d, 0xa5, 0x2e, 0x20,
						    0xa6, 0x30, 0xd4, 0x65, 0xc3, 0x60, 0xf3, 0xc4};

/* The certificates of the input as PEM. */
static void input_print(const uint8_t *at, const uint8_t *end, struct buf *pem)
{
	while (end - at >= 2) {
		size_t len = (size_t)(at[0] << 8 | at[1]);
		BIO *bio = BIO_new(BIO_s_mem());
		char *text = NULL;
		long printed;

		at += 2;
		if (len > (size_t)(end - at))
			len = (size_t)(end - at);
		PEM_write_bio(bio, "CERTIFICATE", "", at, (long)len);
		printed = BIO_get_mem_data(bio, &text);
		buf_add(pem, text, (size_t)printed);
		BIO_free(bio);
		at += len;
	}
}

static X509 *read_next(BIO *pem)
{
	X509 *cert = PEM_read_bio_X509(pem, NULL, NULL, NULL);

	ERR_clear_error();
	return cert;
}

static void check_names(X509 *leaf, const struct strlist *names)
{
	const unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS;

	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->items[i];

		FUZZ_MUST((identifier_is_address(name)
				   ? X509_check_ip_asc(leaf, name, 0)
				   : X509_check_host(leaf, name, 0, flags, NULL)) == 1);
	}
}

/* Only what can be ordered. */
static void check_kinds(X509 *leaf)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type = sk_GENERAL_NAME_value(names, i)->type;

		FUZZ_MUST(type == GEN_DNS || type == GEN_IPADD);
	}
	GENERAL_NAMES_free(names);
}

static void check_leaf(X509 *leaf, const struct accept_wish *wish)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
	unsigned char hash[EVP_MAX_MD_SIZE];
	time_t now = (time_t)wish->now;
	time_t live = (time_t)wish->live_not_before;
	time_t live_end = (time_t)wish->live_not_after - 1;
	time_t ahead = now + X509_CLOCK_SKEW + 1;

	FUZZ_MUST(len > 0);
	FUZZ_MUST(EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1);
	OPENSSL_free(der);
	FUZZ_MUST(memcmp(hash, wish->key_hash, KEY_HASH_SIZE) == 0);
	check_names(leaf, wish->names);
	check_kinds(leaf);
	FUZZ_MUST(X509_cmp_time(X509_get0_notAfter(leaf), &now) > 0);
	FUZZ_MUST(X509_cmp_time(X509_get0_notBefore(leaf), &ahead) < 0);
	FUZZ_MUST((X509_get_extension_flags(leaf) & (EXFLAG_CA | EXFLAG_CRITICAL)) == 0);
	FUZZ_MUST(X509_cmp_time(X509_get0_notAfter(leaf), &live_end) > 0);
	if (live != 0) {
		live--; /* the function calls the same second earlier */
		FUZZ_MUST(X509_cmp_time(X509_get0_notBefore(leaf), &live) > 0);
	}
}

static void check_issuer(X509 *cert, X509 *issuer)
{
	time_t now = NOW;

	FUZZ_MUST(X509_cmp_time(X509_get0_notAfter(issuer), &now) > 0);
	FUZZ_MUST(X509_NAME_cmp(X509_get_issuer_name(issuer), X509_get_subject_name(issuer)) != 0 ||
		  X509_verify(issuer, X509_get0_pubkey(issuer)) != 1); /* no root */
	FUZZ_MUST(X509_check_ca(issuer) == 1);
	FUZZ_MUST(X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) == 0);
	FUZZ_MUST(X509_verify(cert, X509_get0_pubkey(issuer)) == 1);
}

static void check_accepted(const struct x509_chain *c, const struct accept_wish *wish)
{
	AUTO_FREE char *text = mem_printf("%s%s", x509_chain_leaf_pem(c), x509_chain_rest_pem(c));
	BIO *pem = BIO_new_mem_buf(text, -1);
	X509 *cert = read_next(pem);
	X509 *issuer;
	size_t count = 1;

	FUZZ_MUST(cert != NULL);
	check_leaf(cert, wish);
	for (issuer = read_next(pem); issuer != NULL; issuer = read_next(pem)) {
		check_issuer(cert, issuer);
		X509_free(cert);
		cert = issuer;
		count++;
	}
	FUZZ_MUST(count == x509_chain_count(c));
	X509_free(cert);
	BIO_free(pem);
}

/* The first or the last block of a text. */
static char *leaf_text(const char *pem, bool last)
{
	static const char end[] = "-----END CERTIFICATE-----\n";
	const char *from = pem;
	const char *behind = strstr(pem, end);

	while (last && behind != NULL && behind[strlen(end)] != '\0') {
		from = behind + strlen(end);
		behind = strstr(from, end);
	}
	return behind != NULL ? mem_strn(from, (size_t)(behind - from) + strlen(end)) : mem_str("");
}

static void check_chain(const struct buf *pem, unsigned flags)
{
	AUTO_FREE char *leaf_pem = leaf_text(pem->data, (flags & LEAF_LAST) != 0);
	AUTO_CHAIN struct x509_chain *leaf = NULL;
	AUTO_CHAIN struct x509_chain *accepted = NULL;
	struct strlist names AUTO_STRLIST = {0};
	struct accept_wish wish = {.key_hash = ordered_hash, .names = &names, .now = NOW};
	struct err e = {0};
	int r;

	strlist_add_split(&names, NAMES, " ");
	if ((flags & (ORDER_ITS_KEY | ORDER_ITS_NAMES)) != 0)
		x509_chain_parse(leaf_pem, strlen(leaf_pem), &leaf, NULL);
	if (leaf != NULL && (flags & ORDER_ITS_KEY) != 0)
		wish.key_hash = x509_chain_facts(leaf, 0)->key_hash;
	if (leaf != NULL && (flags & ORDER_ITS_NAMES) != 0)
		wish.names = &x509_chain_facts(leaf, 0)->names;
	if ((flags & (REPLACE | OUTLIVE)) != 0)
		wish.live_not_before = LIVE;
	if ((flags & OUTLIVE) != 0)
		wish.live_not_after = LIVE_END;
	r = accept_chain(pem->data, pem->len, &wish, &accepted, &e);
	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	FUZZ_MUST((r == 0) == (accepted != NULL));
	if (r == 0)
		check_accepted(accepted, &wish);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf pem AUTO_BUF = {0};

	if (size == 0)
		return 0;
	buf_init(&pem, 2 * X509_MAX_PEM);
	input_print(data + 1, data + size, &pem);
	check_chain(&pem, data[0]);
	return 0;
}
