/* SPDX-License-Identifier: MIT
 *
 * fuzz — what the targets check with. It asks other libraries than the code under test does where
 * there are some, so that one mistake is not made twice.
 */
#include "tests/fuzz/fuzz.h"

#include "acme/identifier.h"
#include "base/mem.h"
#include "base/url.h"

#include <arpa/inet.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_broken(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

char *fuzz_text(const uint8_t *data, size_t size)
{
	return mem_strn(size > 0 ? (const char *)data : "", size);
}

static int is_shown(uint32_t c)
{
	return c >= 0x20 && (c < 0x7f || c > 0x9f) && c != 0x61c && c != 0x200e && c != 0x200f &&
	       !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

void fuzz_must_be_shown(const char *text, size_t size)
{
	static iconv_t decoder; /* glibc judges UTF-8 */
	char *in = (char *)text;
	size_t left = strlen(text);

	FUZZ_MUST(left < size);
	if (decoder == NULL)
		decoder = iconv_open("UCS-4LE", "UTF-8");
	FUZZ_MUST(decoder != (iconv_t)-1);
	while (left > 0) {
		uint32_t characters[256];
		char *out = (char *)characters;
		size_t room = sizeof(characters);
		size_t before = left;

		iconv(decoder, &in, &left, &out, &room);
		FUZZ_MUST(left < before); /* else it is no UTF-8 */
		for (size_t i = 0; i < COUNT_OF(characters) - room / 4; i++)
			FUZZ_MUST(is_shown(characters[i]));
	}
}

void fuzz_must_answer(int r, const struct err *e, enum err_code code)
{
	FUZZ_MUST(r == 0 || r == (int)code);
	FUZZ_MUST((int)e->code == r);
	FUZZ_MUST((r == 0) == (e->text[0] == '\0'));
	fuzz_must_be_shown(e->text, sizeof(e->text));
}

void fuzz_must_be_url(const char *url)
{
	FUZZ_MUST(strncasecmp(url, "https://", 8) == 0);
	FUZZ_MUST(strlen(url) <= URL_MAX);
	for (const char *c = url; *c != '\0'; c++)
		FUZZ_MUST(*c > 0x20 && *c < 0x7f && *c != '\\' && *c != '#');
	FUZZ_MUST(memchr(url + 8, '@', strcspn(url + 8, "/?")) == NULL);
}

static void check_labels(const char *name)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	for (;;) {
		size_t len = strspn(name, alphabet);

		FUZZ_MUST(len >= 1 && len <= 63);
		FUZZ_MUST(name[0] != '-' && name[len - 1] != '-');
		if (name[len] == '\0')
			return;
		FUZZ_MUST(name[len] == '.');
		name += len + 1;
	}
}

void fuzz_must_be_name(const char *name)
{
	AUTO_FREE char *again = NULL;
	struct in6_addr address;

	FUZZ_MUST(strlen(name) <= 253);
	if (inet_pton(AF_INET6, name, &address) == 1)
		FUZZ_MUST(name[strspn(name, "0123456789abcdef:.")] == '\0');
	else
		check_labels(strncmp(name, "*.", 2) == 0 ? name + 2 : name);
	FUZZ_MUST(identifier_canonical(name, &again, NULL) == 0);
	FUZZ_MUST(strcmp(again, name) == 0);
}
