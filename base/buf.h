/* SPDX-License-Identifier: MIT
 *
 * buf — bytes that grow up to a limit.
 *
 * The limit is in the constructor because what fills a buffer often comes from outside. data is
 * always followed by a NUL that len does not count; before the first byte it points to "".
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/mem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;   /* owned; never NULL after buf_init */
	size_t len;   /* bytes in use */
	size_t size;  /* bytes allocated, 0 while data is the shared "" */
	size_t limit; /* most bytes it may hold */
	bool secret;  /* wiped before memory is given back */
};

/* An empty buffer of at most limit bytes. */
void buf_init(struct buf *b, size_t limit);

/* The same for keys: memory is wiped whenever it is given back. */
void buf_init_secret(struct buf *b, size_t limit);

/* Adds bytes. Returns 0, or -1 when they do not fit below the limit: then nothing was added. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_add_text(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Empties for reuse: keeps the limit and the secrecy. */
void buf_clear(struct buf *b);

/* Releases (and wipes a secret). The struct may be initialised again. A struct that is all zero
 * may be passed too. */
void buf_free(struct buf *b);

/* Hands the text over as a string of its own; the buffer is empty afterwards. Not for secrets. */
char *buf_take(struct buf *b);

#define AUTO_BUF AUTO(buf_free) /* struct buf b AUTO_BUF = {0}; or right after buf_init */

#endif
