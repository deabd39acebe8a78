/* SPDX-License-Identifier: MIT
 *
 * base64url — RFC 4648 section 5 without padding, strict (RFC 8555 6.1).
 */
#ifndef BASE_BASE64URL_H
#define BASE_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* A new string; free() releases it. */
char *base64url_encode(const void *data, size_t len);

/* Appends the decoded bytes. Returns -1, with nothing appended, for padding, '+', '/', white
 * space, a length of 1 mod 4, bits left over that are not zero, or a full buffer. */
int base64url_decode(const char *text, size_t len, struct buf *out);

/* Only characters of the alphabet, and at least one. */
bool base64url_is(const char *text);

#endif
