/* SPDX-License-Identifier: MIT
 *
 * report_show — one certificate, whole.
 */
#include "agent/report.h"

#include "agent/outlook.h"
#include "agent/wish.h"
#include "store/account.h"
#include "store/deployment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct page {
	struct report *report;
	struct account *account;
	struct version **versions;
	size_t version_count;
	struct deployment **deployments;
	struct target **targets; /* of the deployments */
	size_t deployment_count;
	struct outlook_rooms room; /* of the CA's limits */
};

static void page_clear(struct page *p)
{
	for (size_t i = 0; p->targets != NULL && i < p->deployment_count; i++)
		target_free(p->targets[i]);
	free(p->targets);
	deployment_list_free(p->deployments, p->deployment_count);
	version_list_free(p->versions, p->version_count);
	limit_rooms_free(p->room.rooms, p->room.count);
	account_free(p->account);
	report_free(p->report);
}

static int page_read(struct context *c, const struct certificate *certificate, struct page *p,
		     struct err *e)
{
	int r;

	r = report_read(c, certificate, &p->report, e);
	if (r == 0)
		r = account_load(c->store, certificate->account_id, &p->account, e);
	if (r == 0)
		r = outlook_rooms_read(c->store, certificate, clock_now(c->clock), &p->room, e);
	if (r == 0)
		r = version_list(c->store, certificate->id, &p->versions, &p->version_count, e);
	if (r == 0 && certificate->live_version_id != 0)
		r = deployment_list(c->store, certificate->live_version_id, &p->deployments,
				    &p->deployment_count, e);
	p->targets = mem_new((p->deployment_count + 1) * sizeof(struct target *));
	for (size_t i = 0; r == 0 && i < p->deployment_count; i++)
		r = target_load(c->store, p->deployments[i]->target_id, &p->targets[i], e);
	return r;
}

static struct json *settings_json(const char *text)
{
	struct json *settings = NULL;

	if (json_parse(text, strlen(text), &settings, NULL) != 0)
		return json_new_text(text);
	return settings;
}

static struct json *deployments_json(const struct page *p)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < p->deployment_count; i++) {
		const struct standing *st = &p->deployments[i]->standing;
		struct json *j;

		if (str_equal(p->deployments[i]->stage, "superseded"))
			continue; /* by a newer version, or not wanted any more */
		j = json_new_map();

		json_put_text(j, "deployer", p->targets[i]->deployer);
		json_put(j, "settings", settings_json(p->targets[i]->settings));
		json_put_text(j, "window",
			      p->targets[i]->window[0] != '\0' ? p->targets[i]->window : NULL);
		json_put_text(j, "state", p->deployments[i]->stage);
		json_put_text(j, "last_error", st->error.code != ERR_NONE ? st->error.text : NULL);
		json_put(j, "retry_at", report_time(st->next_at));
		json_add(list, j);
	}
	return list;
}

static struct json *versions_json(const struct page *p)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < p->version_count; i++) {
		struct json *j = json_new_map();

		json_put_text(j, "serial", p->versions[i]->serial);
		json_put(j, "not_before", report_time(p->versions[i]->not_before));
		json_put(j, "not_after", report_time(p->versions[i]->not_after));
		json_put_flag(j, "live",
			      p->versions[i]->id == p->report->certificate->live_version_id);
		json_add(list, j);
	}
	return list;
}

static struct json *limits_json(const struct page *p)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < p->room.count; i++) {
		struct json *j = json_new_map();

		json_put_text(j, "what", p->room.rooms[i].what);
		json_put_number(j, "used", p->room.rooms[i].used);
		json_put_number(j, "most", p->room.rooms[i].most);
		json_add(list, j);
	}
	return list;
}

static struct json *page_json(const struct page *p)
{
	struct json *j = report_json(p->report);
	struct json *wish = settings_json(p->report->certificate->wish);
	const struct version *live = p->report->live;

	json_put_flag(j, "paused", p->report->certificate->paused);
	json_put_text(j, "origin", p->report->certificate->origin);
	json_put_text(j, "server", p->account != NULL ? p->account->server : NULL);
	json_put_text(j, "issuer", live != NULL ? live->issuer : NULL);
	json_put_text(j, "fingerprint", live != NULL ? live->fingerprint : NULL);
	json_put_text(j, "key_type", live != NULL ? live->key_kind : NULL);
	json_put_text(j, "profile", json_get_text(wish, "profile"));
	json_put(j, "wish", wish);
	json_put(j, "deployments", deployments_json(p));
	json_put(j, "versions", versions_json(p));
	json_put(j, "limits", limits_json(p));
	return j;
}

static void print_error(const struct report *r)
{
	char at[CLOCK_TEXT_SIZE], next[CLOCK_TEXT_SIZE];

	if (r->error.code == ERR_NONE)
		return;
	printf("last error   %s\n             at %s\n", r->error.text,
	       clock_format(r->error_at, at));
	if (r->error.retry_at != 0)
		printf("             tried again at %s\n", clock_format(r->error.retry_at, next));
}

static void print_next(const struct report *r)
{
	char at[CLOCK_TEXT_SIZE];

	if (r->next.what == SCHEDULE_NOTHING)
		printf("next         nothing: %s\n", r->next.why);
	else if (r->next.when <= 0)
		printf("next         now: %s\n", r->next.why);
	else
		printf("next         %s: %s\n", clock_format(r->next.when, at), r->next.why);
}

static void print_deployments(const struct page *p)
{
	for (size_t i = 0; i < p->deployment_count; i++) {
		AUTO_JSON struct json *settings = settings_json(p->targets[i]->settings);
		AUTO_FREE char *brief = wish_brief(settings);

		if (!str_equal(p->deployments[i]->stage, "superseded"))
			printf("deployed     %s: %s\n", brief, p->deployments[i]->stage);
	}
}

static void print_hook(const char *what, const struct strlist *words)
{
	AUTO_FREE char *command = strlist_join(words, " ");

	if (words->count > 0)
		printf("%s    %s\n", what, command);
}

static void print_wish(const struct page *p)
{
	AUTO_WISH struct wish *wish = NULL;
	AUTO_FREE char *brief = NULL;
	const char *profile;

	if (wish_parse(p->report->certificate->wish, &wish, NULL) != 0)
		return;
	profile = json_get_text(wish->root, "profile");
	if (profile != NULL)
		printf("profile      %s\n", profile);
	brief = wish_brief(wish->solver);
	printf("answered by  %s\n", brief);
	print_hook("pre-hook ", &wish->pre_hook);
	print_hook("post-hook", &wish->post_hook);
}

/* Those that are used at all. */
static void print_limits(const struct page *p)
{
	for (size_t i = 0; i < p->room.count; i++)
		if (p->room.rooms[i].used > 0)
			printf("CA's limit   %lld of %lld %s\n", (long long)p->room.rooms[i].used,
			       (long long)p->room.rooms[i].most, p->room.rooms[i].what);
}

static void print_page(const struct context *c, const struct page *p)
{
	AUTO_FREE char *names = strlist_join(&p->report->certificate->names, ", ");
	const struct report *r = p->report;
	char from[CLOCK_TEXT_SIZE], until[CLOCK_TEXT_SIZE];

	printf("certificate  %s\nnames        %s\nstate        %s%s%s%s\n", r->certificate->name,
	       names, report_color(c, r->state), r->state, report_plain(c),
	       r->certificate->paused ? " (paused)" : "");
	if (r->live != NULL)
		printf("serial       %s\nvalid        %s to %s\nissuer       %s\nkey          %s\n",
		       r->live->serial, clock_format(r->live->not_before, from),
		       clock_format(r->live->not_after, until), r->live->issuer, r->live->key_kind);
	if (p->account != NULL)
		printf("server       %s\n", p->account->server);
	print_wish(p);
	print_deployments(p);
	if (r->deploys_at != 0)
		printf("             waits for its window until %s\n",
		       clock_format(r->deploys_at, until));
	print_next(r);
	print_limits(p);
	print_error(r);
}

int report_show(struct context *c, const struct certificate *certificate, struct err *e)
{
	struct page page = {0};
	int r = store_look_begin(c->store, e);

	if (r == 0)
		r = page_read(c, certificate, &page, e);
	store_look_end(c->store);
	if (r == 0 && c->options->json)
		report_print("certificate", page_json(&page));
	else if (r == 0)
		print_page(c, &page);
	page_clear(&page);
	return r;
}

int report_result(struct context *c, const struct certificate *certificate, struct err *e)
{
	return c->options->quiet && !c->options->json ? 0 : report_show(c, certificate, e);
}
