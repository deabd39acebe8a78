/* SPDX-License-Identifier: MIT
 *
 * pem — cuts a text into CERTIFICATE blocks, strictly: anything else in it, be it a private key or
 * a line of text, makes it worthless as a whole (RFC 8555 11.4).
 */
#ifndef BASE_PEM_H
#define BASE_PEM_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* What is left of a text. Begin with {text, text + length, 0}. */
struct pem {
	const char *at;
	const char *end;
	size_t block; /* which one was read last, from 1, for people */
};

/* Goes over white space. False: nothing is left. */
bool pem_more(struct pem *p);

/* Appends the content of the next block. ERR_PROTOCOL: it is damaged, something else, or larger
 * than der may be. */
int pem_read(struct pem *p, struct buf *der, struct err *e);

#endif
