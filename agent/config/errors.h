/* SPDX-License-Identifier: MIT
 *
 * errors — everything that is wrong with a configuration, each with its place. Reading goes on
 * after an error, so that the operator hears of all of them at once.
 */
#ifndef AGENT_CONFIG_ERRORS_H
#define AGENT_CONFIG_ERRORS_H

#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>

struct place {
	const char *file; /* borrowed */
	size_t order;     /* which file it is, in the order of reading */
	int line, column; /* from 1, in characters; 0: the file as a whole */
};

struct config_error {
	char *file;
	size_t order;
	int line, column;
	char *text;   /* printable */
	bool warning; /* true here and now, but perhaps not where or when it matters */
};

struct config_errors {
	struct config_error *items; /* owned */
	size_t count;
};

void config_error_add(struct config_errors *l, const struct place *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void config_warning_add(struct config_errors *l, const struct place *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* By file in the order of reading, line, column. */
void config_errors_sort(struct config_errors *l);

/* How many are warnings (or not). */
size_t config_errors_count(const struct config_errors *l, bool warnings);

/* "file:line:column: text", with "warning: " before the text of one; of a file as a whole, which
 * its text names, only the text. The caller's. */
char *config_error_line(const struct config_error *error);

/* All of them on stderr, a line each. */
void config_errors_print(const struct config_errors *l);

void config_errors_clear(struct config_errors *l);

/* " (did you mean \"x\"?)" for the candidate that two slips of the finger or less are away from
 * what was typed; else "". The caller's. */
char *config_suggestion(const char *typed, const struct strlist *candidates);

#endif
