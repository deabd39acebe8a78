/* SPDX-License-Identifier: MIT
 *
 * identifier — the names a certificate is for (RFC 8555 7.1.3, RFC 8738): canonical or refused.
 *
 * Canonical is: lower-case A-label DNS name without a trailing dot, letters, digits and hyphens,
 * labels of 1…63 bytes, at most 253 in all, "*." only in front; or an address in the text of
 * RFC 5952. The only door to libidn2.
 */
#ifndef ACME_IDENTIFIER_H
#define ACME_IDENTIFIER_H

#include "base/err.h"
#include "base/strlist.h"

#include <stdbool.h>

#define IDENTIFIER_MAX_NAMES 100

/* Turns what a person typed (also Unicode) into its canonical form. ERR_CONFIG with one clear
 * sentence otherwise. *ret_name is the caller's. */
int identifier_canonical(const char *typed, char **ret_name, struct err *e);

/* Canonicalises every item in place, drops repetitions, keeps the order. ERR_CONFIG also for an
 * empty list or more than IDENTIFIER_MAX_NAMES. */
int identifier_list(struct strlist *names, struct err *e);

bool identifier_is_wildcard(const char *name);
bool identifier_is_address(const char *name);

/* "dns" or "ip" (RFC 8738 3). */
const char *identifier_type(const char *name);

/* The names as one text, sorted and joined by a space: equal texts are equal sets. */
char *identifier_set(const struct strlist *names);

#endif
