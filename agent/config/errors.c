/* SPDX-License-Identifier: MIT
 *
 * errors — see errors.h.
 */
#include "agent/config/errors.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 1024
#define SLIPS     2
#define WORD_MAX  64 /* longer words are nobody's slip */

static void add(struct config_errors *l, const struct place *at, bool warning, char *text)
{
	char shown[TEXT_SIZE];

	text_escape(text, strlen(text), shown, sizeof(shown));
	free(text);
	l->items = mem_grow(l->items, l->count + 1, sizeof(l->items[0]));
	l->items[l->count++] = (struct config_error){
		.file = text_escape_new(at->file, strlen(at->file)),
		.order = at->order,
		.line = at->line,
		.column = at->column,
		.text = mem_str(shown),
		.warning = warning,
	};
}

void config_error_add(struct config_errors *l, const struct place *at, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add(l, at, false, mem_vprintf(format, ap));
	va_end(ap);
}

void config_warning_add(struct config_errors *l, const struct place *at, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add(l, at, true, mem_vprintf(format, ap));
	va_end(ap);
}

static int compare(const void *a, const void *b)
{
	const struct config_error *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return strcmp(x->text, y->text);
}

void config_errors_sort(struct config_errors *l)
{
	if (l->count > 0)
		qsort(l->items, l->count, sizeof(l->items[0]), compare);
}

size_t config_errors_count(const struct config_errors *l, bool warnings)
{
	size_t count = 0;

	for (size_t i = 0; i < l->count; i++)
		count += l->items[i].warning == warnings;
	return count;
}

char *config_error_line(const struct config_error *error)
{
	const char *mark = error->warning ? "warning: " : "";

	if (error->line == 0)
		return mem_printf("%s%s", mark, error->text);
	return mem_printf("%s:%d:%d: %s%s", error->file, error->line, error->column, mark,
			  error->text);
}

void config_errors_print(const struct config_errors *l)
{
	for (size_t i = 0; i < l->count; i++) {
		AUTO_FREE char *line = config_error_line(&l->items[i]);

		fprintf(stderr, "%s\n", line);
	}
}

void config_errors_clear(struct config_errors *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->items[i].file);
		free(l->items[i].text);
	}
	free(l->items);
	*l = (struct config_errors){0};
}

/* --- did you mean --- */

/* Letters to be changed, left out or put in (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1];
	size_t len = strlen(b);

	if (strlen(a) > WORD_MAX || len > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= len; j++) {
			size_t change = diagonal + (a[i] != b[j - 1]);
			size_t one = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = change < one ? change : one;
		}
	}
	return row[len];
}

char *config_suggestion(const char *typed, const struct strlist *candidates)
{
	const char *best = NULL;
	size_t least = SLIPS + 1;

	for (size_t i = 0; i < candidates->count; i++) {
		size_t d = distance(typed, candidates->items[i]);

		/* a word of which nothing is left was not meant */
		if (d < least && d < strlen(typed) && d < strlen(candidates->items[i])) {
			least = d;
			best = candidates->items[i];
		}
	}
	return best != NULL ? mem_printf(" (did you mean \"%s\"?)", best) : mem_str("");
}
