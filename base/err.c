/* SPDX-License-Identifier: MIT
 *
 * err — the only place that writes a struct err, so that every text in one is short, printable
 * and ends at a whole character.
 */
#include "base/err.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Above the size of err.text: escaping never shortens, so a text that was cut here is cut once
 * more, and properly, there. */
#define RAW_SIZE 2048

static const char *const code_names[ERR_CODES] = {
	"none", "net", "busy", "problem", "config", "store", "child", "protocol", "sys", "bug",
};

static const char *const cause_names[ERR_CAUSES] = {
	"",
	"interrupted",
	"changed",
	"lost",
	"order-taken",
	"bad-nonce",
	"connection-lost",
	"no-renewal-info",
	"account-refused",
	"other-key",
	"usage",
	"held",
	"replaced",
};

static void format_raw(char raw[RAW_SIZE], const char *format, va_list ap)
{
	if (vsnprintf(raw, RAW_SIZE, format, ap) < 0)
		snprintf(raw, RAW_SIZE, "%s", format);
}

static void fill(struct err *e, enum err_code code, const char *raw, const char *tail)
{
	size_t tail_len = strlen(tail);
	size_t used = text_escape(raw, strlen(raw), e->text, sizeof(e->text) - tail_len);

	memcpy(e->text + used, tail, tail_len + 1);
	e->code = code;
	e->cause = CAUSE_NONE;
	e->retry_at = 0;
	e->type[0] = '\0';
}

int err_set(struct err *e, enum err_code code, const char *format, ...)
{
	char raw[RAW_SIZE];
	va_list ap;

	if (e == NULL)
		return code;
	va_start(ap, format);
	format_raw(raw, format, ap); /* before e changes: its old text may be an argument */
	va_end(ap);
	fill(e, code, raw, "");
	return code;
}

int err_sys(struct err *e, enum err_code code, const char *format, ...)
{
	int saved = errno;
	char raw[RAW_SIZE];
	char reason[128];
	va_list ap;

	if (e == NULL)
		return code;
	va_start(ap, format);
	format_raw(raw, format, ap);
	va_end(ap);
	snprintf(reason, sizeof(reason), ": %s", strerror(saved));
	fill(e, code, raw, reason); /* a long path must not push the reason out */
	return code;
}

int err_while(struct err *e, const char *format, ...)
{
	char doing[RAW_SIZE];
	AUTO_FREE char *raw = NULL;
	va_list ap;

	if (e == NULL)
		return ERR_BUG;
	va_start(ap, format);
	format_raw(doing, format, ap);
	va_end(ap);
	raw = mem_printf("%s: %s", doing, e->text);
	text_escape(raw, strlen(raw), e->text, sizeof(e->text));
	return e->code;
}

int err_because(struct err *e, enum err_cause cause)
{
	if (e == NULL)
		return ERR_BUG;
	e->cause = cause;
	return e->code;
}

const char *err_cause_name(enum err_cause cause)
{
	return (int)cause >= 0 && cause < ERR_CAUSES ? cause_names[cause] : "";
}

enum err_cause err_cause_parse(const char *name)
{
	for (int i = 0; i < ERR_CAUSES; i++)
		if (str_equal(name, cause_names[i]))
			return (enum err_cause)i;
	return CAUSE_NONE;
}

const char *err_code_name(enum err_code code)
{
	int index = -(int)code;

	if (index < 0 || index >= ERR_CODES)
		return "unknown";
	return code_names[index];
}

enum err_code err_code_parse(const char *name)
{
	for (int i = 0; i < ERR_CODES; i++)
		if (str_equal(name, code_names[i]))
			return (enum err_code) - i;
	return ERR_NONE;
}
