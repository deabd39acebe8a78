/* SPDX-License-Identifier: MIT
 *
 * stream — see the header.
 */
#include "agent/stream.h"

#include "agent/report.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void new_line(size_t depth)
{
	printf("\n%*s", (int)(2 * depth), "");
}

/* A line break in the text is never one of a string: there it is written \n. */
static void print_value(const struct stream *s, const struct json *value)
{
	AUTO_FREE char *text = json_print(value, true);

	for (const char *p = text; *p != '\0';) {
		size_t len = strcspn(p, "\n");

		(void)fwrite(p, 1, len, stdout); /* main asks whether that failed */
		p += len;
		if (*p == '\n') {
			new_line(s->depth);
			p++;
		}
	}
}

static void next(struct stream *s, const char *key)
{
	assert((s->closes[s->depth - 1] == '}') == (key != NULL));
	if (s->filled)
		putchar(',');
	new_line(s->depth);
	s->filled = true;
	if (key != NULL) {
		AUTO_JSON struct json *text = json_new_text(key);

		print_value(s, text);
		printf(": ");
	}
}

static void open_with(struct stream *s, char bracket)
{
	assert(s->depth < STREAM_DEPTH);
	putchar(bracket);
	s->closes[s->depth++] = bracket == '{' ? '}' : ']';
	s->filled = false;
}

void stream_begin(struct stream *s)
{
	open_with(s, '{');
	stream_put(s, "schema", json_new_number(REPORT_SCHEMA));
}

void stream_open(struct stream *s, const char *key, char bracket)
{
	next(s, key);
	open_with(s, bracket);
}

void stream_close(struct stream *s)
{
	char bracket = s->closes[--s->depth];

	if (s->filled)
		new_line(s->depth);
	putchar(bracket);
	s->filled = true;
}

void stream_put(struct stream *s, const char *key, struct json *value)
{
	AUTO_JSON struct json *owned = value;

	next(s, key);
	print_value(s, owned);
}

void stream_end(struct stream *s)
{
	while (s->depth > 0)
		stream_close(s);
	putchar('\n');
}
