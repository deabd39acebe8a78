/* SPDX-License-Identifier: MIT
 *
 * strlist — an owned list of strings: names, arguments, headers.
 *
 * items is NULL or ends with a NULL, so that it can be handed to exec as it is.
 */
#ifndef BASE_STRLIST_H
#define BASE_STRLIST_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

struct strlist {
	char **items; /* owned, NULL-terminated (NULL while count is 0) */
	size_t count;
};

void strlist_add(struct strlist *l, const char *text);
void strlist_addf(struct strlist *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Splits at any of the separators and adds every part that is not empty. */
void strlist_add_split(struct strlist *l, const char *text, const char *separators);

bool strlist_has(const struct strlist *l, const char *text);
void strlist_sort(struct strlist *l);                                 /* byte order */
bool strlist_equal(const struct strlist *a, const struct strlist *b); /* same items, same order */
void strlist_copy(struct strlist *to, const struct strlist *from);    /* to is cleared first */
char *strlist_join(const struct strlist *l, const char *separator);   /* "" for an empty list */
void strlist_clear(struct strlist *l);

#define AUTO_STRLIST AUTO(strlist_clear)

#endif
