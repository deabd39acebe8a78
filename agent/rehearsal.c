/* SPDX-License-Identifier: MIT
 *
 * rehearsal — see the header.
 */
#include "agent/rehearsal.h"

#include "agent/report.h"
#include "agent/trial.h"
#include "agent/wanted.h"
#include "agent/wishing.h"
#include "base/log.h"
#include "store/account.h"
#include "store/deployment.h"
#include "store/order.h"
#include "store/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY 86400

int rehearsal_begin(struct rehearsal *h, const struct context *c, struct err *e)
{
	rehearsals_end(c);
	h->c = *c;
	h->c.rehearsal = c->store;
	h->c.store = NULL;
	if (scratch_new(store_dir(c->store), c->clock, &h->scratch, e) != 0)
		return err_while(e, "preparing the dry run");
	h->c.store = h->scratch->store;
	return 0;
}

void rehearsal_end(struct rehearsal *h)
{
	scratch_free(TAKE(h->scratch));
}

/* --- what it begins with --- */

/* The trust that an account has is for its own server. Neither its key nor its external account
 * binding is used: the one would be deactivated at the end, the other may serve only once. */
static int copy_account(struct rehearsal *h, const struct account *from, const char *server,
			int64_t *ret_id, struct err *e)
{
	AUTO_ACCOUNT_ROW struct account *a = mem_new(sizeof(*a));
	int r;

	a->server = mem_str(server);
	a->entry = mem_str(from->entry);
	a->contact = mem_str(from->contact);
	a->agreed = from->agreed;
	a->stage = mem_str("key");
	a->proxy = mem_str(from->proxy);
	if (str_equal(server, from->server))
		a->ca_bundle = mem_str(from->ca_bundle);
	r = wanted_account_as(&h->c, a, e);
	*ret_id = a->id;
	return r;
}

static int copy_server(struct rehearsal *h, const struct account *from, const char **ret_server,
		       struct err *e)
{
	const struct options *o = h->c.options;
	int r = 0;

	*ret_server = from->server;
	if (o->server != NULL || o->staging)
		r = wishing_server(o->server, o->staging, ret_server, e);
	*ret_server = wishing_staging(*ret_server);
	return r;
}

int rehearsal_copy(struct rehearsal *h, const struct certificate *from, int64_t *ret_id,
		   struct err *e)
{
	AUTO_CERTIFICATE struct certificate *c = mem_new(sizeof(*c));
	AUTO_ACCOUNT_ROW struct account *account = NULL;
	const char *server = NULL;
	int r;

	r = account_load(h->c.rehearsal, from->account_id, &account, e);
	if (r == 0 && account == NULL)
		r = err_set(e, ERR_SYS, "the account of %s is gone", from->name);
	if (r == 0)
		r = copy_server(h, account, &server, e);
	if (r == 0)
		r = copy_account(h, account, server, &c->account_id, e);
	if (r != 0)
		return r;
	c->name = mem_str(from->name);
	c->origin = mem_str(from->origin);
	c->wish = mem_str(from->wish);
	strlist_copy(&c->names, &from->names);
	r = certificate_insert(h->c.store, c, e);
	*ret_id = c->id;
	return r;
}

/* --- its end --- */

/* What an order has published is taken back when nobody wants its certificate any more. */
static int certificates_remove(struct store *s, int64_t now, struct err *e)
{
	struct certificate **list = NULL;
	size_t count = 0;
	int r = certificate_list(s, &list, &count, e);

	for (size_t i = 0; r == 0 && i < count; i++) {
		list[i]->removed_at = now;
		r = certificate_save(s, list[i], e);
	}
	certificate_list_free(list, count);
	return r;
}

static int rehearsal_retire(void *arg, struct err *e)
{
	const struct rehearsal *h = arg;
	struct account **list = NULL;
	size_t count = 0;
	int r = certificates_remove(h->c.store, clock_now(h->c.clock), e);

	if (r == 0)
		r = account_list(h->c.store, &list, &count, e);

	for (size_t i = 0; i < count; i++) {
		if (r == 0)
			r = account_retire(h->c.store, list[i]->id, e);
		account_free(list[i]);
	}
	free(list);
	return r;
}

static void accounts_left(const struct rehearsal *h)
{
	struct account **list = NULL;
	size_t count = 0;

	(void)account_list(h->c.store, &list, &count, NULL);
	for (size_t i = 0; i < count; i++) {
		if (list[i]->url != NULL)
			log_line(LOG_NOTICE, "the dry run's account at %s could not be deactivated",
				 list[i]->server);
		account_free(list[i]);
	}
	free(list);
}

/* Takes back what is published and gives the accounts up. What stays at a CA is an account that
 * nobody has the key of: no reason to fail. */
static void rehearsal_finish(struct rehearsal *h, const struct run_item *items, size_t count)
{
	struct run_item *rest = mem_new(count * sizeof(*rest));
	struct err e = {0};
	int r;

	for (size_t i = 0; i < count; i++) {
		rest[i].certificate_id = items[i].certificate_id;
		rest[i].issue = ISSUE_NEVER;
	}
	r = run_turn(&h->c, rehearsal_retire, h, &e);
	if (r == 0)
		r = run_items(&h->c, rest, count, false, &e);
	if (r != 0)
		log_line(LOG_NOTICE, "ending the dry run: %s", e.text);
	accounts_left(h);
	free(rest);
}

static void rehearsal_finish_dead(struct rehearsal *h)
{
	struct certificate **list = NULL;
	struct run_item *items;
	size_t count = 0;

	(void)certificate_list(h->c.store, &list, &count, NULL);
	items = mem_new(count * sizeof(*items));
	for (size_t i = 0; i < count; i++)
		items[i].certificate_id = list[i]->id;
	rehearsal_finish(h, items, count);
	certificate_list_free(list, count);
	free(items);
}

void rehearsals_end(const struct context *c)
{
	struct rehearsal h = {.c = *c};

	h.c.rehearsal = c->store;
	while (scratch_take(store_dir(c->store), c->clock, &h.scratch)) {
		h.c.store = h.scratch->store;
		if (h.c.store != NULL)
			rehearsal_finish_dead(&h);
		rehearsal_end(&h);
	}
}

/* --- what became of it --- */

struct outcome {
	const struct run_item *item;
	struct certificate *certificate;
	struct account *account;
	struct version *version; /* NULL: none was issued */
	struct order *order;     /* the last attempt; may be NULL */
	struct deployment **deployments;
	size_t deployment_count;
	struct trial *hooks; /* NULL: none was run */
};

static void outcome_clear(struct outcome *o)
{
	certificate_free(o->certificate);
	account_free(o->account);
	version_free(o->version);
	order_free(o->order);
	trial_free(o->hooks);
	deployment_list_free(o->deployments, o->deployment_count);
}

static int outcome_read(struct rehearsal *h, struct outcome *o, struct err *e)
{
	struct store *s = h->c.store;
	int r = certificate_load(s, o->item->certificate_id, &o->certificate, e);

	if (r == 0)
		r = account_load(s, o->certificate->account_id, &o->account, e);
	if (r == 0)
		r = order_latest(s, o->certificate->id, &o->order, e);
	if (r == 0)
		r = version_load(s, o->certificate->live_version_id, &o->version, e);
	if (r == 0 && o->version != NULL)
		r = deployment_list(s, o->version->id, &o->deployments, &o->deployment_count, e);
	return r;
}

/* Why there is no certificate; NULL: there is one. */
static const char *outcome_error(const struct outcome *o)
{
	if (o->version != NULL)
		return NULL;
	if (o->order != NULL && o->order->standing.error.code != ERR_NONE)
		return o->order->standing.error.text;
	return o->account->standing.error.code != ERR_NONE ? o->account->standing.error.text
							   : "it was not finished";
}

/* Why it could not be deployed; NULL: it could. */
static const char *deployment_error(const struct deployment *d)
{
	if (d->standing.error.code != ERR_NONE)
		return d->standing.error.text;
	return d->ended_at == 0 ? "it was not finished" : NULL;
}

/* "files /etc/x". The caller frees it. */
static char *deployment_text(struct rehearsal *h, const struct deployment *d)
{
	AUTO_TARGET struct target *t = NULL;
	AUTO_JSON struct json *settings = NULL;

	if (target_load(h->c.store, d->target_id, &t, NULL) != 0 || t == NULL ||
	    json_parse(t->settings, strlen(t->settings), &settings, NULL) != 0)
		return mem_str("?");
	return wish_brief(settings);
}

/* It was issued where no staging server is known, so it counts like any other. */
static bool outcome_is_real(const struct outcome *o)
{
	return o->version != NULL && wishing_is_real(o->account->server);
}

static void outcome_print(struct rehearsal *h, const struct outcome *o)
{
	const char *error = outcome_error(o);

	if (error != NULL) {
		printf("%s: cannot be issued by %s: %s\n", o->certificate->name, o->account->server,
		       error);
		return;
	}
	printf("%s: could be issued by %s, for %lld days\n", o->certificate->name,
	       o->account->server,
	       (long long)(o->version->not_after - o->version->not_before + DAY / 2) / DAY);
	for (size_t i = 0; i < o->deployment_count; i++) {
		AUTO_FREE char *text = deployment_text(h, o->deployments[i]);

		error = deployment_error(o->deployments[i]);
		printf("  %s: %s\n", text, error != NULL ? error : "could be deployed");
	}
	if (outcome_is_real(o))
		printf("  no staging server of this CA is known, so it has issued a real "
		       "certificate: "
		       "that was thrown away, and counts against the CA's limits\n");
	trial_print(o->hooks);
}

static struct json *outcome_json(struct rehearsal *h, const struct outcome *o)
{
	struct json *j = json_new_map();
	struct json *list = json_new_list();

	json_put_text(j, "certificate", o->certificate->name);
	json_put_text(j, "server", o->account->server);
	json_put_flag(j, "issued", o->version != NULL);
	json_put_flag(j, "real", outcome_is_real(o));
	json_put_text(j, "error", outcome_error(o));
	json_put(j, "not_before", report_time(o->version != NULL ? o->version->not_before : 0));
	json_put(j, "not_after", report_time(o->version != NULL ? o->version->not_after : 0));
	for (size_t i = 0; i < o->deployment_count; i++) {
		AUTO_FREE char *text = deployment_text(h, o->deployments[i]);
		struct json *d = json_new_map();

		json_put_text(d, "deployer", text);
		json_put_text(d, "error", deployment_error(o->deployments[i]));
		json_add(list, d);
	}
	json_put(j, "deployments", list);
	if (o->hooks != NULL)
		json_put(j, "hooks", trial_json(o->hooks));
	return j;
}

static void outcome_judge(const struct outcome *o, struct run_item *item)
{
	for (size_t i = 0; i < o->deployment_count; i++)
		if (deployment_error(o->deployments[i]) != NULL)
			item->result = RUN_FAILED;
}

/* The deploy hooks as it is wanted now, with the present version of the real store, if it has one.
 */
static int outcome_hooks(struct rehearsal *h, struct outcome *o, struct run_item *item,
			 struct err *e)
{
	AUTO_CERTIFICATE struct certificate *live = NULL;
	struct trial_ask ask = {.store = h->c.rehearsal, .wish = o->certificate->wish};
	int r;

	if (!h->c.options->run_deploy_hooks || item->result != RUN_DONE)
		return 0;
	r = certificate_find(h->c.rehearsal, o->certificate->name, &live, e);
	if (r != 0)
		return r;
	if (live == NULL || live->live_version_id == 0) {
		log_line(LOG_NOTICE, "%s: no deploy hook was run: there is no certificate yet",
			 o->certificate->name);
		return 0;
	}
	ask.certificate = live;
	ask.runs_hooks = true;
	r = trial_run(&ask, &o->hooks, e);
	if (r == 0 && trial_failed(o->hooks))
		item->result = RUN_FAILED;
	return r;
}

static int outcomes_tell(struct rehearsal *h, struct run_item *items, size_t count, struct err *e)
{
	AUTO_JSON struct json *list = json_new_list();

	for (size_t i = 0; i < count; i++) {
		struct outcome o AUTO(outcome_clear) = {.item = &items[i]};
		int r = outcome_read(h, &o, e);

		if (r != 0)
			return r;
		outcome_judge(&o, &items[i]);
		r = outcome_hooks(h, &o, &items[i], e);
		if (r != 0)
			return r;
		if (h->c.options->json)
			json_add(list, outcome_json(h, &o));
		else if (!h->c.options->quiet || items[i].result != RUN_DONE)
			outcome_print(h, &o);
	}
	if (h->c.options->json)
		report_print("dry_run", TAKE(list));
	else if (!h->c.options->quiet)
		printf("this was a dry run: nothing was changed\n");
	return 0;
}

int rehearsal_run(struct rehearsal *h, struct run_item *items, size_t count, struct err *e)
{
	int r;

	for (size_t i = 0; i < count; i++)
		items[i].issue = ISSUE_NOW;
	r = run_items(&h->c, items, count, false, e);
	if (r == 0 ||
	    r == ERR_BUSY) { /* stopped by a signal: the account is given up all the same */
		struct err busy = e != NULL ? *e : (struct err){0};

		rehearsal_finish(h, items, count);
		if (r != 0 && e != NULL)
			*e = busy;
	}
	return r == 0 ? outcomes_tell(h, items, count, e) : r;
}
