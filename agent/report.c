/* SPDX-License-Identifier: MIT
 *
 * report — see report.h.
 */
#include "agent/report.h"

#include "agent/run.h"
#include "base/log.h"
#include "store/deployment.h"
#include "store/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json *report_time(int64_t when)
{
	char text[CLOCK_TEXT_SIZE];

	return json_new_text(when != 0 ? clock_format(when, text) : NULL);
}

static void error_take(struct report *r, const struct standing *st)
{
	if (st->error.code == ERR_NONE || st->error_at < r->error_at)
		return;
	r->error = st->error;
	r->error.retry_at = st->next_at;
	r->error_at = st->error_at;
}

/* "degraded": the certificate is fine, and a deployment of it is not. */
static int report_deployments(struct context *c, struct report *r, bool *ret_degraded,
			      struct err *e)
{
	struct deployment **list = NULL;
	size_t count = 0;
	int ret;

	if (r->live == NULL)
		return 0;
	ret = deployment_list(c->store, r->live->id, &list, &count, e);
	for (size_t i = 0; ret == 0 && i < count; i++) {
		if (list[i]->ended_at != 0 || list[i]->standing.failures == 0)
			continue;
		*ret_degraded = true;
		error_take(r, &list[i]->standing);
	}
	deployment_list_free(list, count);
	return ret;
}

static int report_state(struct context *c, struct report *r, struct err *e)
{
	AUTO_ORDER_ROW struct order *o = NULL;
	int64_t now = clock_now(c->clock);
	bool degraded = false;
	int ret;

	ret = order_latest(c->store, r->certificate->id, &o, e);
	if (ret == 0)
		ret = report_deployments(c, r, &degraded, e);
	if (ret != 0)
		return ret;
	if (o != NULL && o->ended_at == 0)
		error_take(r, &o->standing);
	if (r->certificate->removed_at != 0)
		r->state = "removed";
	else if (r->live != NULL && r->live->not_after <= now)
		r->state = "expired";
	else if (o != NULL && o->ended_at == 0 && o->standing.failures == 0)
		r->state = "renewing";
	else if (r->certificate->dropped_at != 0)
		r->state = "dropped";
	else if (r->renewal.failures > 0 || (o != NULL && o->ended_at == 0))
		r->state = "failing";
	else if (degraded || r->left_out.count > 0)
		r->state = "degraded";
	else
		r->state = r->next.what != SCHEDULE_NOTHING && r->next.due <= now ? "due" : "valid";
	return 0;
}

static void certificate_copy(struct certificate *to, const struct certificate *from)
{
	*to = *from;
	to->name = mem_str(from->name);
	to->origin = mem_str(from->origin);
	to->wish = mem_str(from->wish);
	to->names = to->optional = (struct strlist){0};
	to->accounts = (struct id_list){0};
	strlist_copy(&to->names, &from->names);
	strlist_copy(&to->optional, &from->optional);
	for (size_t i = 0; i < from->accounts.count; i++)
		id_list_add(&to->accounts, from->accounts.ids[i]);
}

int report_read(struct context *c, const struct certificate *certificate,
		struct report **ret_report, struct err *e)
{
	AUTO_REPORT struct report *r = mem_new(sizeof(*r));
	int ret = 0;

	r->certificate = mem_new(sizeof(*r->certificate));
	certificate_copy(r->certificate, certificate);
	if (certificate->live_version_id != 0)
		ret = version_load(c->store, certificate->live_version_id, &r->live, e);
	if (ret == 0)
		ret = renewal_load(c->store, certificate->id, &r->renewal, e);
	if (ret == 0)
		ret = run_schedule(c, certificate, &r->next, e);
	if (ret == 0 && certificate->optional.count > 0)
		ret = renewal_left_out(c->store, certificate->id, &r->left_out, &r->left_at, e);
	if (ret != 0)
		return ret;
	r->error = r->renewal.error;
	r->error.retry_at = r->renewal.next_at;
	r->error_at = r->renewal.error_at;
	ret = report_state(c, r, e);
	if (ret == 0)
		*ret_report = TAKE(r);
	return ret;
}

static struct json *names_json(const struct strlist *names)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < names->count; i++)
		json_add_text(list, names->items[i]);
	return list;
}

static struct json *next_json(const struct schedule *s)
{
	static const char *const what[] = {"nothing", "issue", "renew"};
	struct json *j = json_new_map();

	json_put_text(j, "what", what[s->what]);
	json_put(j, "at", s->when > 0 ? report_time(s->when) : json_new_text(NULL));
	json_put_text(j, "why", s->why);
	return j;
}

static struct json *error_json(const struct err *error, int64_t at)
{
	struct json *j;

	if (error->code == ERR_NONE)
		return json_new_text(NULL);
	j = json_new_map();
	json_put_text(j, "code", err_code_name(error->code));
	json_put_text(j, "type", error->type[0] != '\0' ? error->type : NULL);
	json_put_text(j, "text", error->text);
	json_put(j, "at", report_time(at));
	json_put(j, "retry_at", report_time(error->retry_at));
	return j;
}

struct json *report_json(const struct report *r)
{
	struct json *j = json_new_map();

	json_put_text(j, "name", r->certificate->name);
	json_put(j, "names", names_json(&r->certificate->names));
	json_put(j, "left_out", names_json(&r->left_out));
	json_put_text(j, "state", r->state);
	json_put_text(j, "serial", r->live != NULL ? r->live->serial : NULL);
	json_put(j, "not_before", report_time(r->live != NULL ? r->live->not_before : 0));
	json_put(j, "not_after", report_time(r->live != NULL ? r->live->not_after : 0));
	json_put(j, "next", next_json(&r->next));
	json_put(j, "last_error", error_json(&r->error, r->error_at));
	return j;
}

int report_reason(struct context *c, const struct certificate *certificate, struct err *e)
{
	AUTO_REPORT struct report *r = NULL;
	char when[CLOCK_TEXT_SIZE];
	int ret = report_read(c, certificate, &r, e);

	if (ret != 0 || r->error.code == ERR_NONE)
		return ret;
	if (r->error.retry_at > clock_now(c->clock))
		log_line(LOG_ERROR, "%s: %s; it is tried again at %s", certificate->name,
			 r->error.text, clock_format(r->error.retry_at, when));
	else
		log_line(LOG_ERROR, "%s: %s", certificate->name, r->error.text);
	return 0;
}

void report_print(const char *member, struct json *value)
{
	AUTO_JSON struct json *j = json_new_map();
	AUTO_FREE char *text = NULL;

	json_put_number(j, "schema", REPORT_SCHEMA);
	json_put(j, member, value);
	text = json_print(j, true);
	printf("%s\n", text);
}

const char *report_color(const struct context *c, const char *state)
{
	if (!c->color)
		return "";
	if (str_equal(state, "valid"))
		return "\033[32m";
	if (str_equal(state, "due") || str_equal(state, "renewing") || str_equal(state, "degraded"))
		return "\033[33m";
	return "\033[31m";
}

const char *report_plain(const struct context *c)
{
	return c->color ? "\033[0m" : "";
}

void report_free(struct report *r)
{
	if (r == NULL)
		return;
	certificate_free(r->certificate);
	strlist_clear(&r->left_out);
	version_free(r->live);
	free(r);
}

void auto_report(struct report **r)
{
	report_free(*r);
}
