/* SPDX-License-Identifier: MIT
 *
 * log — the only place that writes to stderr while everything is well. One line is one write(2)
 * of at most PIPE_BUF bytes, so that lines of several processes do not mix.
 */
#include "base/log.h"

#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX     "everleaf: "
#define PREFIX_LEN (sizeof(PREFIX) - 1)

enum log_level log_level = LOG_NOTICE;

void log_line(enum log_level level, const char *format, ...)
{
	int saved = errno;
	char raw[PIPE_BUF]; /* escaping never shortens: what is cut here is cut again below */
	char line[PIPE_BUF];
	size_t len;
	va_list ap;

	if (level > log_level)
		return;
	va_start(ap, format);
	if (vsnprintf(raw, sizeof(raw), format, ap) < 0)
		snprintf(raw, sizeof(raw), "%s", format);
	va_end(ap);
	memcpy(line, PREFIX, PREFIX_LEN);
	len = PREFIX_LEN;
	len += text_escape(raw, strlen(raw), line + len, sizeof(line) - len);
	line[len++] = '\n'; /* in place of the NUL */
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
	errno = saved;
}
