/* SPDX-License-Identifier: MIT
 *
 * fuzz_chain — of a PEM text only certificates get through, and what is written of them reads as
 * the same certificates again.
 */
#include "tests/fuzz/fuzz.h"

#include "base/base64url.h"
#include "base/x509.h"

#include <stdlib.h>
#include <string.h>

#define NOW 2000000000 /* 2033: when the corpus is valid */

/* Goes behind what has to stand here. */
static void expect(const char **at, const char *text)
{
	FUZZ_MUST(strncmp(*at, text, strlen(text)) == 0);
	*at += strlen(text);
}

/* How many blocks there are, when blocks of certificates and white space are all there is. */
static size_t count_blocks(const char *pem)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/= \t\r\n";
	size_t blocks = 0;

	for (;;) {
		pem += strspn(pem, " \t\r\n");
		if (*pem == '\0')
			return blocks;
		expect(&pem, "-----BEGIN CERTIFICATE-----");
		pem += strspn(pem, base64);
		expect(&pem, "-----END CERTIFICATE-----");
		FUZZ_MUST(*pem == '\0' || strchr(" \t\r\n", *pem) != NULL);
		blocks++;
	}
}

static void check_ari_id(const char *id)
{
	const char *dot = strchr(id, '.');
	AUTO_FREE char *left = NULL;

	FUZZ_MUST(dot != NULL);
	left = mem_strn(id, (size_t)(dot - id));
	FUZZ_MUST(base64url_is(left) && base64url_is(dot + 1));
}

static void check_facts(const struct x509_facts *f)
{
	size_t len = strlen(f->serial);

	FUZZ_MUST(len >= 2 && len % 2 == 0 && strspn(f->serial, "0123456789ABCDEF") == len);
	fuzz_must_be_shown(f->issuer, 256);
	fuzz_must_be_shown(f->subject, 256);
	for (size_t i = 0; i < f->others.count; i++)
		fuzz_must_be_shown(f->others.items[i], 300);
	for (size_t i = 0; i < f->names.count; i++) {
		fuzz_must_be_shown(f->names.items[i], 256);
		FUZZ_MUST(f->names.items[i][strcspn(f->names.items[i], " ")] == '\0');
	}
	if (f->ari_id != NULL)
		check_ari_id(f->ari_id);
}

static void check_again(const struct x509_chain *c)
{
	AUTO_FREE char *pem = mem_printf("%s%s", x509_chain_leaf_pem(c), x509_chain_rest_pem(c));
	AUTO_CHAIN struct x509_chain *again = NULL;

	FUZZ_MUST(count_blocks(pem) == x509_chain_count(c));
	FUZZ_MUST(x509_chain_parse(pem, strlen(pem), &again, NULL) == 0);
	FUZZ_MUST(x509_chain_count(again) == x509_chain_count(c));
	for (size_t i = 0; i < x509_chain_count(c); i++)
		FUZZ_MUST(memcmp(x509_chain_facts(c, i)->fingerprint,
				 x509_chain_facts(again, i)->fingerprint, 32) == 0);
	FUZZ_MUST(strcmp(x509_chain_leaf_pem(again), x509_chain_leaf_pem(c)) == 0);
	FUZZ_MUST(strcmp(x509_chain_rest_pem(again), x509_chain_rest_pem(c)) == 0);
}

/* What is built has the leaf in front and nothing twice, and nothing vanishes without a word; of
 * what cannot be built everything stays. */
static void check_built(struct x509_chain *c)
{
	const size_t sent = x509_chain_count(c);
	const size_t leaf = sent / 2;
	uint8_t first[32];
	struct err e = {0};
	int r;

	memcpy(first, x509_chain_facts(c, leaf)->fingerprint, sizeof(first));
	r = x509_chain_build(c, leaf, NOW, &e);
	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	FUZZ_MUST(x509_chain_count(c) + x509_chain_left_out(c)->count == sent);
	if (r != 0) {
		FUZZ_MUST(x509_chain_count(c) == sent);
		return;
	}
	FUZZ_MUST(memcmp(x509_chain_facts(c, 0)->fingerprint, first, sizeof(first)) == 0);
	for (size_t i = 0; i < x509_chain_count(c); i++)
		for (size_t k = 0; k < i; k++)
			FUZZ_MUST(memcmp(x509_chain_facts(c, i)->fingerprint,
					 x509_chain_facts(c, k)->fingerprint, 32) != 0);
	check_again(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = fuzz_text(data, size);
	AUTO_CHAIN struct x509_chain *c = NULL;
	struct err e = {0};
	int r = x509_chain_parse((const char *)data, size, &c, &e);

	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	FUZZ_MUST((r == 0) == (c != NULL));
	if (r != 0)
		return 0;
	FUZZ_MUST(strlen(text) == size);
	FUZZ_MUST(x509_chain_count(c) >= 1 && x509_chain_count(c) <= X509_MAX_CERTS);
	FUZZ_MUST(x509_chain_count(c) == count_blocks(text));
	for (size_t i = 0; i < x509_chain_count(c); i++)
		check_facts(x509_chain_facts(c, i));
	check_again(c);
	check_built(c);
	return 0;
}
