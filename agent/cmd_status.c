/* SPDX-License-Identifier: MIT
 *
 * status — one line for each certificate: what it is, until when, what comes next, what failed.
 */
#include "agent/live.h"
#include "agent/report.h"
#include "agent/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SHOWN 4

/* A line is for the eye: the first names, and how many more. */
static char *names_brief(const struct strlist *names)
{
	struct strlist first = {.items = names->items, .count = NAMES_SHOWN};
	AUTO_FREE char *some = NULL;

	if (names->count <= NAMES_SHOWN)
		return strlist_join(names, ",");
	some = strlist_join(&first, ",");
	return mem_printf("%s and %zu more", some, names->count - NAMES_SHOWN);
}

static void print_left_out(const struct report *r, int width)
{
	AUTO_FREE char *left = names_brief(&r->left_out);
	char at[CLOCK_TEXT_SIZE];

	if (r->left_out.count > 0)
		printf("%-*s  without %s, which failed at %s\n", width, "", left,
		       clock_format(r->left_at, at));
}

static void print_line(const struct context *c, const struct report *r, int width)
{
	char until[CLOCK_TEXT_SIZE] = "-", next[CLOCK_TEXT_SIZE] = "now";
	AUTO_FREE char *names = names_brief(&r->certificate->names);

	if (r->live != NULL)
		clock_format(r->live->not_after, until);
	if (r->next.when > 0)
		clock_format(r->next.when, next);
	if (r->next.what == SCHEDULE_NOTHING)
		snprintf(next, sizeof(next), "%s",
			 r->certificate->dropped_at != 0 ? "never" : "paused");
	printf("%-*s  %s%-8s%s  %-20s  %-20s  %s\n", width, r->certificate->name,
	       report_color(c, r->state), r->state, report_plain(c), until, next, names);
	print_left_out(r, width);
	if (r->next.free_at != 0)
		printf("%-*s  %s\n", width, "", r->next.why);
	if (r->deploys_at != 0)
		printf("%-*s  waits for its window until %s\n", width, "",
		       clock_format(r->deploys_at, next));
	if (r->error.code == ERR_NONE)
		return;
	printf("%-*s  %s\n", width, "", r->error.text);
	if (r->error.retry_at != 0)
		printf("%-*s  tried again at %s\n", width, "",
		       clock_format(r->error.retry_at, next));
}

static int width_of(struct certificate *const *list, size_t count)
{
	size_t width = strlen("CERTIFICATE");

	for (size_t i = 0; i < count; i++)
		width = strlen(list[i]->name) > width ? strlen(list[i]->name) : width;
	return (int)width;
}

struct lines {
	const struct context *c;
	int width;
	struct json *all; /* NULL: for people */
};

static int status_one(void *arg, const struct report *r, struct err *e)
{
	const struct lines *l = arg;

	(void)e;
	if (l->all != NULL)
		json_add(l->all, report_json(r));
	else
		print_line(l->c, r, l->width);
	return 0;
}

static int status_each(struct context *c, struct certificate *const *list, size_t count,
		       struct json *all, struct err *e)
{
	struct limits_book book AUTO_LIMITS_BOOK = {.store = c->store};
	struct lines lines = {c, width_of(list, count), all};
	const struct report_list each = {list, count, status_one, &lines};

	c->book = &book;
	if (all == NULL && count > 0)
		printf("%-*s  %-8s  %-20s  %-20s  %s\n", lines.width, "CERTIFICATE", "STATE",
		       "VALID UNTIL", "NEXT", "NAMES");
	if (all == NULL && count == 0)
		printf("no certificates yet; everleaf obtain -d NAME gets the first one\n");
	return report_each(c, &each, e);
}

int cmd_status(struct context *c, struct err *e)
{
	AUTO_JSON struct json *all = c->options->json ? json_new_list() : NULL;
	struct certificate **list = NULL;
	size_t count = 0;
	int r;

	if (c->options->operands.count > 0)
		return usage(e, "status takes no operand; everleaf show NAME tells about one");
	if (c->options->live)
		return live_print(c, e);
	r = certificate_list(c->store, &list, &count, e);
	if (r == 0)
		r = status_each(c, list, count, all, e);
	if (r == 0 && all != NULL)
		report_print("certificates", TAKE(all));
	certificate_list_free(list, count);
	return r;
}
