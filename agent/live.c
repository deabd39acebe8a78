/* SPDX-License-Identifier: MIT
 *
 * live — see live.h.
 */
#include "agent/live.h"

#include "agent/control.h"
#include "agent/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS_TOLD 200 /* so many fit into a frame */

static struct json *step_json(const struct step *s)
{
	struct json *j = json_new_map();

	json_put_text(j, "machine", s->machine->name);
	json_put_number(j, "id", s->id);
	json_put_text(j, "certificate", s->certificate_id != 0 ? s->label : NULL);
	json_put_text(j, "stage", s->stage != NULL ? s->stage->name : NULL);
	json_put(j, "since", report_time(s->since));
	return j;
}

static struct json *error_json(const struct engine_live *now)
{
	struct json *j = NULL;

	if (now->error.code == ERR_NONE)
		return json_new_text(NULL);
	j = json_new_map();
	json_put_text(j, "code", err_code_name(now->error.code));
	json_put_text(j, "text", now->error.text);
	json_put(j, "at", report_time(now->error_at));
	return j;
}

struct json *live_json(const struct live *l)
{
	struct json *j = json_new_map();
	struct json *steps = json_new_list();
	struct engine_live now;
	const struct step *s;

	engine_live(l->engine, &now);
	for (size_t i = 0; i < STEPS_TOLD && (s = engine_step(l->engine, i)) != NULL; i++)
		json_add(steps, step_json(s));
	json_put_text(j, "state", l->state);
	json_put_text(j, "version", EVERLEAF_VERSION);
	json_put_number(j, "pid", getpid());
	json_put(j, "started_at", report_time(l->started_at));
	json_put_number(j, "orders", (int64_t)now.orders);
	json_put(j, "under_way", steps);
	json_put(j, "next_wake", report_time(l->next_at));
	json_put(j, "next_due", report_time(now.next_at));
	json_put_number(j, "ca_requests", now.ca_requests);
	json_put_number(j, "ca_failures", now.ca_failures);
	json_put(j, "last_error", error_json(&now));
	json_put_text(j, "store_held_by", now.held_at != 0 ? now.holder : NULL);
	json_put(j, "store_held_since", report_time(now.held_at));
	return j;
}

char *live_sentence(const struct engine *g)
{
	struct engine_live now;
	char when[CLOCK_TEXT_SIZE];
	AUTO_FREE char *orders = NULL;

	engine_live(g, &now);
	if (now.held_at != 0)
		return mem_printf("%s holds the store since %s", now.holder,
				  clock_format(now.held_at, when));
	orders = now.orders == 0   ? mem_str("no order under way")
		 : now.orders == 1 ? mem_str("1 order under way")
				   : mem_printf("%zu orders under way", now.orders);
	if (now.next_at == 0)
		return TAKE(orders);
	return mem_printf("%s; next due %s", orders, clock_format(now.next_at, when));
}

/* --- the other side --- */

static const char *text_or(const struct json *j, const char *key, const char *otherwise)
{
	const char *text = json_get_text(j, key);

	return text != NULL ? text : otherwise;
}

static long long number_of(const struct json *j, const char *key)
{
	int64_t number = 0;

	(void)json_number(json_get(j, key), &number);
	return number;
}

static void live_page(const struct json *live)
{
	const struct json *steps = json_get(live, "under_way");
	const struct json *error = json_get(live, "last_error");

	printf("running    pid %lld since %s, everleaf %s\n", number_of(live, "pid"),
	       text_or(live, "started_at", "-"), text_or(live, "version", "-"));
	printf("state      %s\n", text_or(live, "state", "-"));
	printf("next wake  %s; next due %s\n", text_or(live, "next_wake", "-"),
	       text_or(live, "next_due", "-"));
	printf("CA         %lld requests, %lld of them failed\n", number_of(live, "ca_requests"),
	       number_of(live, "ca_failures"));
	if (json_get_text(live, "store_held_by") != NULL)
		printf("held       the store, by %s since %s\n",
		       text_or(live, "store_held_by", "-"), text_or(live, "store_held_since", "-"));
	if (json_is_map(error))
		printf("error      %s at %s\n", text_or(error, "text", "-"),
		       text_or(error, "at", "-"));
	printf("under way  %s\n", json_count(steps) == 0 ? "nothing" : "");
	for (size_t i = 0; i < json_count(steps); i++) {
		const struct json *s = json_at(steps, i);

		printf("  %s  %s %lld: %s since %s\n", text_or(s, "certificate", "-"),
		       text_or(s, "machine", "-"), number_of(s, "id"), text_or(s, "stage", "-"),
		       text_or(s, "since", "-"));
	}
}

int live_print(struct context *c, struct err *e)
{
	AUTO_FREE char *path = command_control_path(c->options);
	AUTO_JSON struct json *answer = NULL;
	int r = control_ask(path, "status", &answer, e);

	if (r != 0)
		return r;
	if (c->options->json)
		report_print("live", json_clone(json_get(answer, "live")));
	else
		live_page(json_get(answer, "live"));
	return EXIT_DONE;
}
