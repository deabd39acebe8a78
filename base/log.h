/* SPDX-License-Identifier: MIT
 *
 * log — lines for the operator on stderr. Only agent/ may log; below it errors travel in struct
 * err. The level is the project's only global variable.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level {
	LOG_ERROR = 0, /* something failed and the operator should know */
	LOG_NOTICE,    /* progress of what was asked for (default) */
	LOG_INFO,      /* -v: each arrow of the machines */
	LOG_DEBUG,     /* -vv */
	LOG_LEVELS,    /* how many */
};

extern enum log_level log_level;

/* One line; text is escaped as err_set does. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
