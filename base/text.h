/* SPDX-License-Identifier: MIT
 *
 * text — makes bytes from outside safe to show: on a terminal, in a log, in a saved error.
 *
 * Kept is printable UTF-8, the backslash included (so escaping twice changes nothing). Everything
 * else becomes \xNN byte by byte: C0 with newline and tab, DEL, C1, bidi controls, the line and
 * paragraph separators U+2028 and U+2029, and whatever is no well-formed UTF-8.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* The length in bytes (1 … 4) of the well-formed UTF-8 character that in starts with, and its
 * code point; 0 when there is none (overlong, surrogate, above U+10FFFF, cut off, len 0). */
size_t text_character(const char *in, size_t len, uint32_t *ret_code_point);

/* Writes the escaped text and a NUL into out[size], size at least 1. What does not fit is cut at
 * a whole character (or a whole escape) and ends in "…". Returns the length without the NUL. */
size_t text_escape(const char *in, size_t len, char *out, size_t size);

/* The same, never cut. The caller frees it. */
char *text_escape_new(const char *in, size_t len);

#endif
