/* SPDX-License-Identifier: MIT
 *
 * buf — the only place where bytes from outside make memory grow.
 *
 * A secret buffer never goes through realloc, which would leave the old bytes lying about.
 */
#include "base/buf.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64

void buf_init(struct buf *b, size_t limit)
{
	*b = (struct buf){
		.data = (char *)"",
		.limit = limit < SIZE_MAX ? limit : SIZE_MAX - 1, /* room to count the NUL */
	};
}

void buf_init_secret(struct buf *b, size_t limit)
{
	buf_init(b, limit);
	b->secret = true;
}

static void move_to_larger(struct buf *b, size_t size)
{
	char *larger;

	if (!b->secret) {
		b->data = mem_grow(b->size > 0 ? b->data : NULL, size, 1);
		b->size = size;
		return;
	}
	larger = mem_new(size);
	memcpy(larger, b->data, b->len);
	mem_wipe(b->data, b->size);
	if (b->size > 0)
		free(b->data);
	b->data = larger;
	b->size = size;
}

/* Makes room for len more bytes and the NUL, or says that the limit forbids it. */
static int reserve(struct buf *b, size_t len)
{
	size_t need;
	size_t size;

	if (len > b->limit - b->len)
		return -1;
	need = b->len + len + 1;
	if (need <= b->size)
		return 0;
	size = b->size <= SIZE_MAX / 2 ? b->size * 2 : SIZE_MAX;
	if (size < FIRST_SIZE)
		size = FIRST_SIZE;
	if (size > b->limit + 1)
		size = b->limit + 1;
	move_to_larger(b, size > need ? size : need);
	return 0;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	if (len == 0)
		return 0;
	if (reserve(b, len) != 0)
		return -1;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_add_text(struct buf *b, const char *text)
{
	return buf_add(b, text, strlen(text));
}

/* Formatted in place: a temporary copy of a secret would have to be wiped as well. */
int buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (len <= 0)
		return len;
	if (reserve(b, (size_t)len) != 0)
		return -1;
	va_start(ap, format);
	vsnprintf(b->data + b->len, (size_t)len + 1, format, ap);
	va_end(ap);
	b->len += (size_t)len;
	return 0;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->size == 0)
		return;
	if (b->secret)
		mem_wipe(b->data, b->size);
	b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
	buf_clear(b);
	if (b->size > 0)
		free(b->data);
	buf_init(b, 0);
}

char *buf_take(struct buf *b)
{
	char *text;

	assert(!b->secret);
	text = b->size > 0 ? b->data : mem_str("");
	buf_init(b, b->limit);
	return text;
}
