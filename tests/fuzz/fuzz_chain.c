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
	r = x509_chain_check(c, &e);
	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	return 0;
}
