/* SPDX-License-Identifier: MIT
 *
 * history — what happened to one certificate, or to all, and why.
 */
#include "agent/report.h"
#include "agent/run.h"
#include "base/text.h"
#include "store/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_EVENTS 200

struct history {
	struct context *c;
	struct event_list list;
};

/* The certificate's handle, also of one that was removed; NULL for 0. The caller's. */
static int name_of(struct context *c, int64_t certificate_id, char **ret_name, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	int r = 0;

	if (certificate_id != 0)
		r = certificate_load(c->store, certificate_id, &certificate, e);
	if (r == 0 && certificate != NULL)
		*ret_name = mem_str(certificate->name);
	return r;
}

/* Later lines of a text (a hook's output) stand under the first. */
static void print_text(const char *text)
{
	for (const char *p = text; *p != '\0';) {
		size_t len = strcspn(p, "\n");
		AUTO_FREE char *line = text_escape_new(p, len); /* a hook may print anything */

		printf("%s%s\n", p == text ? "" : "                      ", line);
		p += len + (p[len] == '\n');
	}
}

static void print_event(const struct event *ev, const char *name)
{
	char at[CLOCK_TEXT_SIZE];

	printf("%s  %-13s %s%s", clock_format(ev->at, at), ev->kind, name != NULL ? name : "",
	       name != NULL ? ": " : "");
	print_text(ev->text);
}

static struct json *event_json(const struct event *ev, const char *name)
{
	struct json *j = json_new_map();

	json_put(j, "at", report_time(ev->at));
	json_put_text(j, "kind", ev->kind);
	json_put_text(j, "certificate", name);
	json_put(j, "order",
		 ev->order_id != 0 ? json_new_number(ev->order_id) : json_new_text(NULL));
	json_put_text(j, "text", ev->text);
	return j;
}

static int history_print(const struct history *h, struct err *e)
{
	AUTO_JSON struct json *list = h->c->options->json ? json_new_list() : NULL;

	for (size_t i = 0; i < h->list.count; i++) {
		AUTO_FREE char *name = NULL;
		int r = name_of(h->c, h->list.events[i]->certificate_id, &name, e);

		if (r != 0)
			return r;
		if (list != NULL)
			json_add(list, event_json(h->list.events[i], name));
		else
			print_event(h->list.events[i], name);
	}
	if (list != NULL)
		report_print("events", TAKE(list));
	return 0;
}

int cmd_history(struct context *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	struct history h = {.c = c};
	const char *name = NULL;
	int r = 0;

	if (c->options->operands.count > 0)
		r = run_operand(c, &name, e);
	if (r == 0 && name != NULL)
		r = run_find(c, name, &certificate, e);
	if (r == 0)
		r = event_list(c->store, certificate != NULL ? certificate->id : 0, HISTORY_EVENTS,
			       &h.list, e);
	if (r == 0)
		r = history_print(&h, e);
	event_list_clear(&h.list);
	return r;
}
