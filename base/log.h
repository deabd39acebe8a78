/* SPDX-License-Identifier: MIT
 *
 * log — lines for the operator on stderr. Only agent/ may log; below it errors travel in struct
 * err. The level, the format and what is held are the project's only global variables.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_ERROR = 0, /* something failed and the operator should know */
	LOG_NOTICE,    /* progress of what was asked for (default) */
	LOG_INFO,      /* -v: each arrow of the machines */
	LOG_DEBUG,     /* -vv */
	LOG_LEVELS,    /* how many */
};

extern enum log_level log_level;

enum log_format {
	LOG_TEXT = 0, /* everleaf: LABEL: message */
	LOG_KV,       /* level=error certificate=LABEL order=17 msg="message" */
	LOG_JSON,     /* {"time":…,"level":…,"certificate":…,"order":17,"msg":…} */
	LOG_FORMATS,  /* how many */
};

/* Chooses the format by name ("text", "kv", "json"). False: there is no such format. */
bool log_set_format(const char *name);

/* Looks whether stderr is the journal (JOURNAL_STREAM): then each line begins with its priority,
 * "<3>", in place of our name. */
void log_look_at_journal(void);

/* Between these two, lines are kept: whoever reads them slowly (a pager, a journal that stands
 * still) would keep waiting whom we keep waiting. So whoever holds the store's turn holds its
 * lines, and says after the commit what it did. A process that dies in between did nothing. */
void log_hold(void);
void log_release(void);

/* What a line is about, for formats with fields. Borrowed. */
struct log_about {
	const char *key;     /* what label is: "certificate" or "ca" */
	const char *label;   /* may be NULL */
	const char *machine; /* "order" … */
	int64_t id;          /* of its row */
};

/* One line; text is escaped as err_set does. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same about something; as text it begins with the label. */
void log_about(enum log_level level, const struct log_about *about, const char *format, va_list ap)
	__attribute__((format(printf, 3, 0)));

/* One line about (NULL: nothing) as it would be written, with its newline, into line[size]; returns
 * its length. now: Unix seconds. message is not escaped yet. */
#define LOG_LINE_MIN 512 /* smallest size: fields are never cut, only the message is */
struct log_entry {
	enum log_level level;
	const struct log_about *about;
	const char *message;
	int64_t now;
};
size_t log_print(const struct log_entry *entry, char *line, size_t size);

#endif
