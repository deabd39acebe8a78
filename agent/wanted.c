/* SPDX-License-Identifier: MIT
 *
 * wanted — see wanted.h.
 */
#include "agent/wanted.h"

#include "agent/targets.h"
#include "agent/wish.h"
#include "agent/words.h"
#include "base/http.h"
#include "base/log.h"
#include "store/account.h"
#include "store/deployment.h"
#include "store/event.h"
#include "store/order.h"
#include "store/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool wanted_mail_ok(const char *mail)
{
	const char *at = strchr(mail, '@');

	return at != NULL && at != mail && at[1] != '\0' && strpbrk(mail, " ,;:<>\t\n") == NULL;
}

/* What is remembered for a CA must be usable: the next renewal finds it at night. */
static int account_typed(const struct options *o, struct err *e)
{
	if (o->mail != NULL && o->mail[0] != '\0' && !wanted_mail_ok(o->mail))
		return usage(e, "-m takes one mail address, not \"%s\"", o->mail);
	return o->ca_bundle != NULL ? http_check_bundle(o->ca_bundle, e) : 0;
}

int wanted_account_as(struct context *c, struct account *a, struct err *e)
{
	const struct options *o = c->options;
	int r = account_typed(o, e);

	if (r == 0)
		r = account_insert(c->store, a, e);
	if (o->mail != NULL)
		mem_set_str(&a->contact, o->mail);
	if (o->ca_bundle != NULL) {
		free(a->ca_bundle);
		a->ca_bundle = words_path(o->ca_bundle);
	}
	if (o->proxy != NULL)
		mem_set_str(&a->proxy, o->proxy[0] != '\0' ? o->proxy : NULL);
	a->agreed = a->agreed || o->agree_tos;
	return r == 0 ? account_configure(c->store, a, e) : r;
}

int wanted_account(struct context *c, const char *server, int64_t *ret_id, struct err *e)
{
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	int r = account_find(c->store, server, WANTED_ENTRY, &a, e);

	if (r != 0)
		return r;
	if (a == NULL) {
		a = mem_new(sizeof(*a));
		a->server = mem_str(server);
		a->entry = mem_str(WANTED_ENTRY);
		a->contact = mem_str("");
		a->stage = mem_str("key");
	}
	r = wanted_account_as(c, a, e);
	*ret_id = a->id;
	return r;
}

/* Those of list that other does not have, "a, b"; NULL: none. The caller frees it. */
static char *names_beyond(const struct strlist *list, const struct strlist *other)
{
	struct strlist beyond AUTO_STRLIST = {0};

	for (size_t i = 0; i < list->count; i++)
		if (!strlist_has(other, list->items[i]))
			strlist_add(&beyond, list->items[i]);
	return beyond.count > 0 ? strlist_join(&beyond, ", ") : NULL;
}

int wanted_names(struct context *c, const struct certificate *certificate,
		 const struct strlist *before, struct err *e)
{
	AUTO_FREE char *came = names_beyond(&certificate->names, before);
	AUTO_FREE char *went = names_beyond(before, &certificate->names);
	AUTO_FREE char *kind = mem_str("names");
	AUTO_FREE char *text = NULL;
	struct event ev = {.certificate_id = certificate->id, .kind = kind};

	if (came == NULL && went == NULL)
		return 0;
	text = mem_printf("%s%s%s%s%s", came != NULL ? "added " : "", came != NULL ? came : "",
			  came != NULL && went != NULL ? "; " : "", went != NULL ? "removed " : "",
			  went != NULL ? went : "");
	if (went != NULL)
		log_line(LOG_NOTICE, "%s: its next certificate is without %s", certificate->name,
			 went);
	ev.text = text;
	return event_record(c->store, &ev, e);
}

int wanted_no_more(struct context *c, const struct certificate *certificate, struct err *e)
{
	AUTO_VERSION struct version *live = NULL;
	AUTO_WISH struct wish *wish = NULL;
	int r;

	r = version_load(c->store, certificate->live_version_id, &live, e);
	if (r == 0)
		r = wish_parse(certificate->wish, &wish, e);
	if (r != 0 || live == NULL)
		return r;
	return targets_retire(c->store, live, wish->deploy, clock_now(c->clock), e);
}

int wanted_deployments(struct context *c, const struct certificate *certificate, bool again,
		       struct err *e)
{
	AUTO_VERSION struct version *live = NULL;
	AUTO_WISH struct wish *wish = NULL;
	int r;

	r = version_load(c->store, certificate->live_version_id, &live, e);
	if (r == 0)
		r = wish_parse(certificate->wish, &wish, e);
	if (r != 0 || live == NULL)
		return r;
	r = targets_deploy(c->store, live, wish->deploy, e);
	if (r == 0 && again)
		r = deployment_renew(c->store, live->id, e);
	return r == 0 ? wanted_no_more(c, certificate, e) : r;
}

/* All names but perhaps optional ones, and no other. */
static bool order_has_names(const struct order *o, const struct certificate *c)
{
	size_t ordered = 0;

	for (size_t i = 0; i < c->names.count; i++) {
		bool has = strlist_has(&o->names, c->names.items[i]);

		if (!has && !strlist_has(&c->optional, c->names.items[i]))
			return false;
		ordered += has;
	}
	return ordered == o->names.count;
}

static bool order_is_of(const struct order *o, const struct certificate *c)
{
	return order_has_names(o, c) && str_equal(o->wish, c->wish) &&
	       o->account_id == c->account_id;
}

int wanted_order(struct store *s, const struct certificate *c, struct err *e)
{
	AUTO_ORDER_ROW struct order *o = NULL;
	bool taken = false;
	int r;

	r = order_latest(s, c->id, &o, e);
	if (r != 0 || o == NULL || o->ended_at != 0 || order_is_of(o, c))
		return r;
	if (o->standing.owner[0] != '\0' && owner_alive(s, o->standing.owner))
		return 0; /* its holder goes on with the old wish; the next order has the new one */
	r = claim_take(s, CLAIM_ORDER, o->id, &taken, e);
	if (r != 0 || !taken)
		return r;
	order_free(TAKE(o));
	r = order_latest(s, c->id, &o, e);
	if (r != 0)
		return r;
	mem_set_str(&o->stage, "withdraw");
	o->standing.next_at = 0;
	o->standing.attempts = 0;
	err_set(&o->standing.error, ERR_NET, "something else is wanted now");
	(void)err_because(&o->standing.error, CAUSE_CHANGED);
	return order_save(s, o, true, e);
}
