/* SPDX-License-Identifier: MIT
 *
 * text — the one place that decides which bytes from outside an operator's terminal gets to see.
 */
#include "base/text.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ELLIPSIS      "…"
#define ELLIPSIS_SIZE (sizeof(ELLIPSIS) - 1)
#define UNIT_MAX      16 /* four bytes, each as \xNN */

/* Length and payload bits that a first byte announces; 0 for one that cannot start a character. */
static size_t announced_length(unsigned char first, uint32_t *ret_bits)
{
	if (first < 0x80) {
		*ret_bits = first;
		return 1;
	}
	if (first >= 0xc2 && first < 0xe0) {
		*ret_bits = first & 0x1fU;
		return 2;
	}
	if (first >= 0xe0 && first < 0xf0) {
		*ret_bits = first & 0x0fU;
		return 3;
	}
	if (first >= 0xf0 && first < 0xf5) {
		*ret_bits = first & 0x07U;
		return 4;
	}
	return 0;
}

size_t text_character(const char *in, size_t len, uint32_t *ret_code_point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by length: not overlong */
	uint32_t code_point = 0;
	size_t want;

	if (len == 0)
		return 0;
	want = announced_length((unsigned char)in[0], &code_point);
	if (want == 0 || want > len)
		return 0;
	for (size_t i = 1; i < want; i++) {
		unsigned char next = (unsigned char)in[i];

		if ((next & 0xc0U) != 0x80)
			return 0;
		code_point = code_point << 6 | (next & 0x3fU);
	}
	if (code_point < least[want] || code_point > 0x10ffff ||
	    (code_point >= 0xd800 && code_point <= 0xdfff))
		return 0;
	*ret_code_point = code_point;
	return want;
}

/* Controls, and what turns or breaks a line: with these a name could rewrite what is around it. */
static bool is_harmless(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
		return false;
	if (c == 0x061c || c == 0x200e || c == 0x200f)
		return false;
	if (c >= 0x2028 && c <= 0x202e)
		return false;
	return !(c >= 0x2066 && c <= 0x2069);
}

/* Writes one character, or its bytes escaped, and says how many bytes of in that took. */
static size_t escape_unit(const char *in, size_t len, char unit[UNIT_MAX + 1])
{
	uint32_t code_point = 0;
	size_t taken = text_character(in, len, &code_point);

	if (taken > 0 && is_harmless(code_point)) {
		memcpy(unit, in, taken);
		unit[taken] = '\0';
		return taken;
	}
	if (taken == 0)
		taken = 1;
	for (size_t i = 0; i < taken; i++)
		snprintf(unit + 4 * i, 5, "\\x%02x", (unsigned)(unsigned char)in[i]);
	return taken;
}

size_t text_escape(const char *in, size_t len, char *out, size_t size)
{
	char unit[UNIT_MAX + 1];
	size_t used = 0;
	size_t cut = 0; /* the last end of a unit behind which the ellipsis has room */

	for (size_t at = 0; at < len;) {
		size_t unit_len;

		at += escape_unit(in + at, len - at, unit);
		unit_len = strlen(unit);
		if (unit_len >= size - used) {
			size_t tail = size > ELLIPSIS_SIZE ? ELLIPSIS_SIZE : 0;

			memcpy(out + cut, ELLIPSIS, tail);
			used = cut + tail;
			break;
		}
		memcpy(out + used, unit, unit_len);
		used += unit_len;
		if (ELLIPSIS_SIZE < size - used)
			cut = used;
	}
	out[used] = '\0';
	return used;
}

char *text_escape_new(const char *in, size_t len)
{
	char *out = mem_grow(NULL, len + 1, 4); /* at most four for one, and the NUL */

	text_escape(in, len, out, 4 * (len + 1));
	return out;
}
