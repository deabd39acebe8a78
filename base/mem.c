/* SPDX-License-Identifier: MIT
 *
 * mem — the only place where running out of memory is noticed, and the process ends there.
 */
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *checked(void *memory)
{
	if (memory == NULL) {
		/* below agent/, but nobody else is left to say it */
		fputs("everleaf: out of memory\n", stderr);
		abort();
	}
	return memory;
}

void *mem_new(size_t size)
{
	return checked(calloc(1, size == 0 ? 1 : size));
}

void *mem_grow(void *old, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return checked(NULL);
	return checked(realloc(old, bytes == 0 ? 1 : bytes));
}

char *mem_str(const char *text)
{
	return text == NULL ? NULL : checked(strdup(text));
}

char *mem_strn(const char *text, size_t len)
{
	return text == NULL ? NULL : checked(strndup(text, len));
}

char *mem_printf(const char *format, ...)
{
	va_list ap;
	char *text;

	va_start(ap, format);
	text = mem_vprintf(format, ap);
	va_end(ap);
	return text;
}

char *mem_vprintf(const char *format, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, format, ap) < 0)
		text = NULL; /* its content is undefined then */
	return checked(text);
}

void mem_set_str(char **slot, const char *text)
{
	char *copy = mem_str(text); /* first: text may be *slot */

	free(*slot);
	*slot = copy;
}

void mem_wipe(void *data, size_t size)
{
	if (size > 0)
		explicit_bzero(data, size);
}

bool str_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

void auto_free(void *pointer_to_pointer)
{
	void *memory;

	memcpy(&memory, pointer_to_pointer, sizeof(memory)); /* it is any type's pointer */
	free(memory);
}

void auto_close(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}
