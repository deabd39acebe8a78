/* SPDX-License-Identifier: MIT
 *
 * plan — what will be renewed and deployed on which day, if everything succeeds. Asks nobody and
 * changes nothing.
 */
#include "agent/plan.h"
#include "agent/report.h"
#include "agent/run.h"
#include "agent/stream.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY 86400

static const char *const whats[] = {"issue", "renew", "deploy"};

/* --- as JSON --- */

static struct json *event_json(const struct plan_event *event)
{
	struct json *j = json_new_map();

	json_put(j, "at", report_time(event->at));
	json_put_text(j, "what", whats[event->what]);
	json_put_text(j, "certificate", event->name);
	json_put(j, "not_after", report_time(event->not_after));
	json_put_text(j, "why", event->text);
	return j;
}

/* Days on which there is something to do. */
static struct json *load_json(const struct plan *p)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < p->day_count; i++) {
		struct json *j;

		if (p->loads[i] == 0)
			continue;
		j = json_new_map();
		json_put(j, "from", report_time(p->from + (int64_t)i * DAY));
		json_put_number(j, "orders", p->loads[i]);
		json_add(list, j);
	}
	return list;
}

static struct json *limits_json(const struct plan *p)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < p->limit_count; i++) {
		struct json *j = json_new_map();

		json_put_text(j, "limit", p->limits[i].what);
		json_put_number(j, "used", p->limits[i].used);
		json_put_number(j, "most", p->limits[i].most);
		json_put(j, "at", report_time(p->limits[i].at));
		json_add(list, j);
	}
	return list;
}

static struct json *changes_json(const struct plan *p)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < p->change_count; i++) {
		struct json *j = json_new_map();

		json_put(j, "from", report_time(p->changes[i].from));
		json_put_text(j, "server", p->changes[i].server);
		json_put_text(j, "profile", p->changes[i].profile);
		json_put_number(j, "days", p->changes[i].lifetime / DAY);
		json_put_number(j, "certificates", (int64_t)p->changes[i].certificates);
		json_add(list, j);
	}
	return list;
}

static struct json *rests_json(const struct plan *p)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < p->rest_count; i++) {
		struct json *j = json_new_map();

		json_put_text(j, "certificate", p->rests[i].name);
		json_put_text(j, "why", p->rests[i].why);
		json_add(list, j);
	}
	return list;
}

static int print_json(struct plan *p, struct err *e)
{
	struct plan_event event;
	struct stream s = {0};
	int r;

	stream_begin(&s);
	stream_open(&s, "plan", '{');
	stream_put(&s, "from", report_time(p->from));
	stream_put(&s, "until", report_time(p->until));
	stream_open(&s, "events", '[');
	while ((r = plan_next(p, &event, e)) > 0)
		stream_put(&s, NULL, event_json(&event));
	if (r != 0)
		return r;
	stream_close(&s);
	stream_put(&s, "load", load_json(p));
	stream_put(&s, "limits", limits_json(p));
	stream_put(&s, "lifetimes", changes_json(p));
	stream_put(&s, "resting", rests_json(p));
	stream_end(&s);
	return 0;
}

/* --- for people --- */

static int print_events(struct plan *p, struct err *e)
{
	char at[CLOCK_TEXT_SIZE], until[CLOCK_TEXT_SIZE];
	struct plan_event event;
	int r;

	while ((r = plan_next(p, &event, e)) > 0) {
		printf("%s  %-6s  %s  %s", clock_format(event.at, at), whats[event.what],
		       event.name, event.text);
		if (event.not_after != 0)
			printf("; valid until %s", clock_format(event.not_after, until));
		printf("\n");
	}
	return r;
}

static void print_load(const struct plan *p)
{
	int64_t all = 0;
	size_t busiest = 0;
	char day[CLOCK_TEXT_SIZE];

	for (size_t i = 0; i < p->day_count; i++) {
		all += p->loads[i];
		busiest = p->loads[i] > p->loads[busiest] ? i : busiest;
	}
	printf("%lld order%s in %zu days", (long long)all, all == 1 ? "" : "s", p->day_count);
	if (all > 0)
		printf(", at most %lld in one day, from %s on", (long long)p->loads[busiest],
		       clock_format(p->from + (int64_t)busiest * DAY, day));
	printf("\n");
}

static void print_rest(const struct plan *p)
{
	char at[CLOCK_TEXT_SIZE];

	for (size_t i = 0; i < p->limit_count; i++)
		printf("limit: %s: at most %lld of %lld, at %s\n", p->limits[i].what,
		       (long long)p->limits[i].used, (long long)p->limits[i].most,
		       clock_format(p->limits[i].at, at));
	for (size_t i = 0; i < p->change_count; i++)
		printf("lifetime: from %s on %s issues for %lld days (%s), which concerns %zu "
		       "certificate%s\n",
		       clock_format(p->changes[i].from, at), p->changes[i].server,
		       (long long)p->changes[i].lifetime / DAY, p->changes[i].profile,
		       p->changes[i].certificates, p->changes[i].certificates == 1 ? "" : "s");
	for (size_t i = 0; i < p->rest_count; i++)
		printf("not planned: %s: %s\n", p->rests[i].name, p->rests[i].why);
}

static int days_parse(const char *text, int64_t *ret_days, struct err *e)
{
	char *end = NULL;
	long days = text != NULL ? strtol(text, &end, 10) : PLAN_DAYS;

	if (text != NULL && (end == text || *end != '\0' || days < 1 || days > PLAN_MAX_DAYS))
		return usage(e, "--days is a number from 1 to %d, not \"%s\"", PLAN_MAX_DAYS, text);
	*ret_days = days;
	return 0;
}

static int print_page(struct plan *p, struct err *e)
{
	int r = print_events(p, e);

	if (r != 0)
		return r;
	print_load(p);
	print_rest(p);
	return 0;
}

static int plan_print(struct context *c, struct err *e)
{
	AUTO_PLAN struct plan *p = NULL;
	int64_t days = 0;
	int r = days_parse(c->options->days, &days, e);

	if (r == 0)
		r = plan_begin(c, days, &p, e);
	if (r == 0)
		r = c->options->json ? print_json(p, e) : print_page(p, e);
	return r;
}

int cmd_plan(struct context *c, struct err *e)
{
	if (c->options->operands.count > 0)
		return usage(e, "everleaf plan takes no operand");
	return run_reader(c, plan_print, e);
}
