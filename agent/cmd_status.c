/* SPDX-License-Identifier: MIT
 *
 * status — one line for each certificate: what it is, until when, what comes next, what failed.
 */
#include "agent/live.h"
#include "agent/report.h"
#include "agent/run.h"
#include "agent/stream.h"

#include <stdio.h>
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

struct lines {
	struct context *c;
	int width;
	bool begun;
	struct stream s; /* with --json */
};

static void status_begin(struct lines *l)
{
	l->begun = true;
	if (l->c->options->json) {
		stream_begin(&l->s);
		stream_open(&l->s, "certificates", '[');
	} else {
		printf("%-*s  %-8s  %-20s  %-20s  %s\n", l->width, "CERTIFICATE", "STATE",
		       "VALID UNTIL", "NEXT", "NAMES");
	}
}

static int status_one(void *arg, const struct report *r, struct err *e)
{
	struct lines *l = arg;

	(void)e;
	if (!l->begun)
		status_begin(l);
	if (l->c->options->json)
		stream_put(&l->s, NULL, report_json(r));
	else
		print_line(l->c, r, l->width);
	return 0;
}

static void status_end(struct lines *l)
{
	if (l->c->options->json) {
		if (!l->begun)
			status_begin(l);
		stream_end(&l->s);
	} else if (!l->begun) {
		printf("no certificates yet; everleaf obtain -d NAME gets the first one\n");
	}
}

/* A longer one that is made meanwhile stands out. */
static int width_find(struct context *c, int *ret_width, struct err *e)
{
	int64_t longest = 0;
	int r = certificate_longest(c->store, &longest, e);
	int least = (int)strlen("CERTIFICATE");

	*ret_width = longest > least ? (int)longest : least;
	return r;
}

static int status_read(struct context *c, struct err *e)
{
	struct limits_book book AUTO_LIMITS_BOOK = {.store = c->store};
	struct lines lines = {.c = c};
	int r;

	c->book = &book;
	r = width_find(c, &lines.width, e);
	if (r == 0)
		r = report_all(c, &(struct report_list){.fn = status_one, .arg = &lines}, e);
	if (r == 0)
		status_end(&lines);
	c->book = NULL;
	return r;
}

/* The daemon answers also while another program has the store. */
int cmd_status(struct context *c, struct err *e)
{
	if (c->options->operands.count > 0)
		return usage(e, "status takes no operand; everleaf show NAME tells about one");
	return c->options->live ? live_print(c, e)
				: run_with_store(c, STORE_QUICKLY, status_read, e);
}
