/* SPDX-License-Identifier: MIT
 *
 * strlist — lists of strings as exec and libcurl like them: owned, in order, NULL at the end.
 */
#include "base/strlist.h"

#include "base/buf.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void add_owned(struct strlist *l, char *text)
{
	l->items = mem_grow(l->items, l->count + 2, sizeof(*l->items));
	l->items[l->count] = text;
	l->count++;
	l->items[l->count] = NULL;
}

void strlist_add(struct strlist *l, const char *text)
{
	assert(text != NULL); /* it would end the list for whoever walks to the NULL */
	add_owned(l, mem_str(text));
}

void strlist_addf(struct strlist *l, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add_owned(l, mem_vprintf(format, ap));
	va_end(ap);
}

void strlist_add_split(struct strlist *l, const char *text, const char *separators)
{
	for (const char *at = text;;) {
		size_t len;

		at += strspn(at, separators);
		len = strcspn(at, separators);
		if (len == 0)
			return;
		add_owned(l, mem_strn(at, len));
		at += len;
	}
}

bool strlist_has(const struct strlist *l, const char *text)
{
	for (size_t i = 0; i < l->count; i++)
		if (str_equal(l->items[i], text))
			return true;
	return false;
}

static int compare_items(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strlist_sort(struct strlist *l)
{
	if (l->count > 1)
		qsort(l->items, l->count, sizeof(*l->items), compare_items);
}

bool strlist_equal(const struct strlist *a, const struct strlist *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!str_equal(a->items[i], b->items[i]))
			return false;
	return true;
}

void strlist_copy(struct strlist *to, const struct strlist *from)
{
	if (to == from)
		return;
	strlist_clear(to);
	for (size_t i = 0; i < from->count; i++)
		strlist_add(to, from->items[i]);
}

char *strlist_join(const struct strlist *l, const char *separator)
{
	struct buf joined;

	buf_init(&joined, SIZE_MAX);
	for (size_t i = 0; i < l->count; i++) {
		if (i > 0)
			buf_add_text(&joined, separator);
		buf_add_text(&joined, l->items[i]);
	}
	return buf_take(&joined);
}

void strlist_clear(struct strlist *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i]);
	free(l->items);
	*l = (struct strlist){0};
}
