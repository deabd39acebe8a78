/* SPDX-License-Identifier: MIT
 *
 * base64url — the strict reader and the writer of RFC 4648 section 5.
 *
 * Strict, because two texts for the same bytes would let a signature be valid under a second
 * spelling, and because RFC 8555 6.1 demands it.
 */
#include "base/base64url.h"

#include "base/buf.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *base64url_encode(const void *data, size_t len)
{
	const uint8_t *in = data;
	char *text = mem_grow(NULL, len / 3 + 2, 4);
	size_t used = 0;
	uint32_t bits = 0;
	unsigned held = 0; /* bits that wait for their character: 0, 2 or 4 between bytes */

	for (size_t i = 0; i < len; i++) {
		bits = (bits << 8 | in[i]) & 0xffffU;
		held += 8;
		while (held >= 6) {
			held -= 6;
			text[used++] = alphabet[bits >> held & 63U];
		}
	}
	if (held > 0)
		text[used++] = alphabet[bits << (6 - held) & 63U];
	text[used] = '\0';
	return text;
}

/* -1 for what is not in the alphabet. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

static bool is_strict(const char *text, size_t len)
{
	static const int unused[] = {0, 0, 15, 3}; /* by length mod 4: bits no byte needs */

	if (len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++)
		if (value_of(text[i]) < 0)
			return false;
	return len == 0 || (value_of(text[len - 1]) & unused[len % 4]) == 0;
}

int base64url_decode(const char *text, size_t len, struct buf *out)
{
	size_t bytes = len / 4 * 3 + len % 4 * 3 / 4;
	uint32_t bits = 0;
	unsigned held = 0;

	if (!is_strict(text, len) || bytes > out->limit - out->len)
		return -1;
	for (size_t i = 0; i < len; i++) {
		bits = (bits << 6 | (uint32_t)value_of(text[i])) & 0xffffU;
		held += 6;
		if (held >= 8) {
			uint8_t byte;

			held -= 8;
			byte = (uint8_t)(bits >> held);
			buf_add(out, &byte, 1); /* fits: checked above */
		}
	}
	return 0;
}

bool base64url_is(const char *text)
{
	if (text == NULL || *text == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (value_of(*text) < 0)
			return false;
	return true;
}
