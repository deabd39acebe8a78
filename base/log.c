/* SPDX-License-Identifier: MIT
 *
 * log — the only place that writes to stderr while everything is well. One line is one write(2)
 * of at most PIPE_BUF bytes, so that lines of several processes do not mix.
 */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LABEL_MAX 160               /* bytes of a label in a field, quotes included */
#define HELD_MAX  ((size_t)1 << 20) /* bytes; lines beyond are written at once */
#define PLAIN     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/*-"

enum log_level log_level = LOG_NOTICE;
static enum log_format log_format = LOG_TEXT;
static bool log_to_journal;
static bool log_holds;
static struct buf log_held; /* whole lines */

static const char *const level_names[LOG_LEVELS] = {"error", "notice", "info", "debug"};
static const int priorities[LOG_LEVELS] = {3, 5, 6, 7}; /* syslog(3) */

bool log_set_format(const char *name)
{
	static const char *const names[LOG_FORMATS] = {"text", "kv", "json"};

	for (size_t i = 0; i < LOG_FORMATS; i++)
		if (str_equal(names[i], name)) {
			log_format = (enum log_format)i;
			return true;
		}
	return false;
}

void log_look_at_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device = 0;
	unsigned long long inode = 0;
	struct stat st;

	log_to_journal = stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
			 fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
			 st.st_ino == inode;
}

/* --- a line in the making: what does not fit is left out --- */

struct line {
	char *text;
	size_t size, len;
};

static void line_add(struct line *l, const char *text)
{
	size_t len = strlen(text);

	if (len > l->size - l->len)
		len = 0;
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

/* Text in quotes, as JSON and every reader of key=value want it. It was escaped: left are quotes
 * and backslashes. Takes at most max bytes, both quotes included. */
static void line_quote(struct line *l, const char *text, size_t max)
{
	size_t end = l->len + (max < l->size - l->len ? max : l->size - l->len) - 1;
	size_t in = strlen(text);

	l->text[l->len++] = '"';
	for (size_t at = 0; at < in;) {
		uint32_t code_point = 0;
		size_t taken = text_character(text + at, in - at, &code_point);
		bool marked = text[at] == '"' || text[at] == '\\';

		if (taken == 0 || l->len + taken + marked > end)
			break;
		if (marked)
			l->text[l->len++] = '\\';
		memcpy(l->text + l->len, text + at, taken);
		l->len += taken;
		at += taken;
	}
	l->text[l->len++] = '"';
}

static void line_field(struct line *l, const char *key, const char *value)
{
	bool json = log_format == LOG_JSON;

	line_add(l, json ? ",\"" : " ");
	line_add(l, key);
	line_add(l, json ? "\":" : "=");
	if (!json && value[0] != '\0' && value[strspn(value, PLAIN)] == '\0' &&
	    strlen(value) < LABEL_MAX)
		line_add(l, value);
	else
		line_quote(l, value, LABEL_MAX);
}

static void line_about(struct line *l, const struct log_about *about)
{
	char number[64];

	if (about == NULL)
		return;
	if (about->label != NULL) {
		char label[LABEL_MAX];

		text_escape(about->label, strlen(about->label), label, sizeof(label));
		line_field(l, about->key, label);
	}
	snprintf(number, sizeof(number), log_format == LOG_JSON ? ",\"%s\":%lld" : " %s=%lld",
		 about->machine, (long long)about->id);
	line_add(l, number);
}

static void line_head(struct line *l, const struct log_entry *entry)
{
	char when[CLOCK_TEXT_SIZE];
	char priority[8];

	snprintf(priority, sizeof(priority), "<%d>", priorities[entry->level]);
	if (log_to_journal)
		line_add(l, priority);
	if (log_format == LOG_JSON) {
		line_add(l, "{\"time\":\"");
		line_add(l, clock_format(entry->now, when));
		line_add(l, "\",\"level\":\"");
		line_add(l, level_names[entry->level]);
		line_add(l, "\"");
	} else if (log_format == LOG_KV) {
		line_add(l, "level=");
		line_add(l, level_names[entry->level]);
	} else if (!log_to_journal) {
		line_add(l, "everleaf: ");
	}
}

/* As plain text, with the label in front. */
static void line_message(struct line *l, const struct log_entry *entry)
{
	const char *label = entry->about != NULL ? entry->about->label : NULL;
	AUTO_FREE char *whole = label != NULL ? mem_printf("%s: %s", label, entry->message)
					      : mem_str(entry->message);

	l->len += text_escape(whole, strlen(whole), l->text + l->len, l->size - l->len);
}

size_t log_print(const struct log_entry *entry, char *line, size_t size)
{
	struct line l = {.text = line, .size = size - 3}; /* room for "}", newline and a NUL */

	line_head(&l, entry);
	if (log_format == LOG_TEXT) {
		line_message(&l, entry);
	} else {
		char message[PIPE_BUF];

		line_about(&l, entry->about);
		text_escape(entry->message, strlen(entry->message), message, sizeof(message));
		line_add(&l, log_format == LOG_JSON ? ",\"msg\":" : " msg=");
		line_quote(&l, message, sizeof(message));
	}
	if (log_format == LOG_JSON)
		line[l.len++] = '}';
	line[l.len++] = '\n';
	return l.len;
}

static void line_write(const char *line, size_t len)
{
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
}

void log_hold(void)
{
	log_holds = true;
}

void log_release(void)
{
	struct buf held = log_held;

	log_holds = false;
	log_held = (struct buf){0};
	for (size_t at = 0; at < held.len;) {
		size_t len = strcspn(held.data + at, "\n") + 1;

		line_write(held.data + at, len);
		at += len;
	}
	buf_free(&held);
}

/* False: there is no room to keep it, or nobody wants that. */
static bool line_hold(const char *line, size_t len)
{
	if (!log_holds)
		return false;
	if (log_held.data == NULL)
		buf_init(&log_held, HELD_MAX);
	return buf_add(&log_held, line, len) == 0;
}

void log_about(enum log_level level, const struct log_about *about, const char *format, va_list ap)
{
	int saved = errno;
	char raw[PIPE_BUF]; /* escaping never shortens: what is cut here is cut again below */
	char line[PIPE_BUF];
	const struct log_entry entry = {level, about, raw, clock_now(clock_system())};
	size_t len;

	if (level > log_level)
		return;
	if (vsnprintf(raw, sizeof(raw), format, ap) < 0)
		snprintf(raw, sizeof(raw), "%s", format);
	len = log_print(&entry, line, sizeof(line));
	if (!line_hold(line, len))
		line_write(line, len);
	errno = saved;
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_about(level, NULL, format, ap);
	va_end(ap);
}
