/* SPDX-License-Identifier: MIT
 *
 * wanted — see wanted.h.
 */
#include "agent/wanted.h"

#include "agent/config/config.h"
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

/* Whether what was typed is anything else than what the account has. */
static bool account_differs(const struct options *o, const struct account *a)
{
	AUTO_FREE char *bundle = o->ca_bundle != NULL ? words_path(o->ca_bundle) : NULL;
	const char *proxy = o->proxy != NULL && o->proxy[0] != '\0' ? o->proxy : NULL;

	return (o->mail != NULL && !str_equal(o->mail, a->contact)) ||
	       (bundle != NULL && !str_equal(bundle, a->ca_bundle)) ||
	       (o->proxy != NULL && !str_equal(proxy, a->proxy)) || (o->agree_tos && !a->agreed);
}

/* Where the configuration file defines an account, or a certificate that uses it, if it does: the
 * file as it is now, or as it was applied. *ret_origin is the caller's; NULL: nowhere. */
static int account_origin(struct context *c, const struct account *a, char **ret_origin,
			  struct err *e)
{
	const struct config_account *from =
		c->config != NULL ? config_account_find(c->config, a->entry) : NULL;
	struct id_list users AUTO_ID_LIST = {0};
	int r = 0;

	if (from != NULL && str_equal(from->server, a->server)) {
		*ret_origin = config_origin(&from->at);
		return 0;
	}
	if (a->id != 0)
		r = certificate_of_account(c->store, a->id, &users, e);
	for (size_t i = 0; r == 0 && i < users.count && *ret_origin == NULL; i++) {
		AUTO_CERTIFICATE struct certificate *user = NULL;

		r = certificate_load(c->store, users.ids[i], &user, e);
		if (r == 0 && user != NULL && user->removed_at == 0 && user->dropped_at == 0 &&
		    !certificate_is_of_command(user))
			*ret_origin = mem_str(user->origin);
	}
	return r;
}

static int account_refuse(struct context *c, const struct account *a, struct err *e)
{
	AUTO_FREE char *origin = NULL;
	int r;

	if (!account_differs(c->options, a))
		return 0;
	r = account_origin(c, a, &origin, e);
	if (r != 0 || origin == NULL)
		return r;
	return usage(e,
		     "the account \"%s\" of %s is defined in the configuration file (%s): say it "
		     "there, and run everleaf reload",
		     a->entry, a->server, origin);
}

int wanted_account_as(struct context *c, struct account *a, struct err *e)
{
	const struct options *o = c->options;
	int r = account_typed(o, e);

	if (r == 0)
		r = account_refuse(c, a, e);
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

/* In a dry run neither its key nor its external account binding is used (agent/rehearsal.c). */
struct account *wanted_account_of_file(const struct context *c, const struct config_account *from)
{
	struct account *a = mem_new(sizeof(*a));

	a->server = mem_str(from->server);
	a->entry = mem_str(from->name);
	a->contact = strlist_join(&from->contact, " ");
	a->agreed = from->agree_tos;
	a->ca_bundle = mem_str(from->ca_bundle);
	a->proxy = mem_str(from->proxy);
	if (c->rehearsal != NULL)
		return a;
	a->eab_kid = mem_str(from->eab_kid);
	a->eab_hmac_key = mem_str(from->eab_hmac_key);
	a->key_reference = mem_str(from->key);
	return a;
}

/* Of those that the certificate may fall back to; *ret_account stays NULL: none. */
static int account_of_reserve(struct store *s, const struct certificate *certificate,
			      const char *server, struct account **ret_account, struct err *e)
{
	for (size_t i = 0; i < certificate->accounts.count; i++) {
		AUTO_ACCOUNT_ROW struct account *a = NULL;
		int r = account_load(s, certificate->accounts.ids[i], &a, e);

		if (r != 0)
			return r;
		if (a == NULL || !str_equal(a->server, server))
			continue;
		*ret_account = TAKE(a);
		return 0;
	}
	return 0;
}

/* The first one of the file at that CA; NULL: none. */
static struct account *account_of_file(const struct context *c, const char *server)
{
	for (size_t i = 0; c->config != NULL && i < c->config->account_count; i++) {
		const struct config_account *from = &c->config->accounts[i];

		if (!str_equal(from->server, server))
			continue;
		log_line(LOG_INFO, "the account is \"%s\" of the configuration file", from->name);
		return wanted_account_of_file(c, from);
	}
	return NULL;
}

/* The one that commands make. */
static int account_of_commands(struct store *s, const char *server, struct account **ret_account,
			       struct err *e)
{
	struct account *a = NULL;
	int r = account_find(s, server, WANTED_ENTRY, &a, e);

	if (r != 0)
		return r;
	if (a == NULL) {
		a = mem_new(sizeof(*a));
		a->server = mem_str(server);
		a->entry = mem_str(WANTED_ENTRY);
		a->contact = mem_str("");
	}
	*ret_account = a;
	return 0;
}

int wanted_account(struct context *c, struct certificate *certificate, const char *server,
		   struct err *e)
{
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	int r = 0;

	if (certificate->account_id != 0)
		r = account_load(c->store, certificate->account_id, &a, e);
	if (r == 0 && server != NULL && a != NULL && !str_equal(a->server, server)) {
		account_free(TAKE(a));
		r = account_of_reserve(c->store, certificate, server, &a, e);
	}
	if (r == 0 && a == NULL)
		a = account_of_file(c, server);
	if (r == 0 && a == NULL)
		r = account_of_commands(c->store, server, &a, e);
	if (r == 0)
		r = wanted_account_as(c, a, e);
	if (r != 0)
		return r;
	certificate->account_id = a->id;
	if (!id_list_has(&certificate->accounts, a->id)) {
		id_list_clear(&certificate->accounts);
		certificate->moved_at = 0;
	}
	return 0;
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
