/* SPDX-License-Identifier: MIT
 *
 * mem — memory that is there or the process ends, and the tree's one idiom for cleanup.
 *
 * Out of memory aborts: it is treated like any crash, and the crash tests prove that a crash is
 * harmless (HACKING.md). So no caller checks for NULL.
 *
 *     AUTO_FREE char *path = NULL;
 *     …
 *     *ret_path = TAKE(path);
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory; free() releases it. Never NULL, also for 0 bytes. */
void *mem_new(size_t size);

/* realloc for count elements of size bytes; overflow aborts. */
void *mem_grow(void *old, size_t count, size_t size);

/* A copy; NULL stays NULL. */
char *mem_str(const char *text);
char *mem_strn(const char *text, size_t len);

char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));

/* Replaces *slot by a copy of text (text may be NULL or *slot itself). */
void mem_set_str(char **slot, const char *text);

/* Zeroes, in a way the compiler keeps. */
void mem_wipe(void *data, size_t size);

/* Equal as texts; NULL equals only NULL. */
bool str_equal(const char *a, const char *b);

void auto_free(void *pointer_to_pointer);
void auto_close(const int *fd);

#define AUTO(function) __attribute__((cleanup(function)))
#define AUTO_FREE      AUTO(auto_free)
#define AUTO_FD        AUTO(auto_close) /* an int, -1 when empty */

/* Hands a pointer over: yields it and leaves NULL behind. */
#define TAKE(pointer)                                                                              \
	({                                                                                         \
		__typeof__(pointer) taken_ = (pointer);                                            \
		(pointer) = NULL;                                                                  \
		taken_;                                                                            \
	})

/* The same for a descriptor: leaves -1 behind. */
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
