/* SPDX-License-Identifier: MIT
 *
 * account — the accounts at CAs that this state directory has: shown, and registered (anew) by hand
 * where the CA refuses one.
 */
#include "agent/apply.h"
#include "agent/report.h"
#include "agent/run.h"
#include "agent/wanted.h"
#include "agent/wishing.h"
#include "base/log.h"
#include "base/text.h"
#include "store/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Until the CA has the account there is only what it will be told. */
static const char *contact_now(const struct account *a)
{
	return a->url != NULL ? a->contact_told : a->contact;
}

static bool contact_is_told(const struct account *a)
{
	return str_equal(contact_now(a) != NULL ? contact_now(a) : "", a->contact);
}

/* One that is READY has none: it was about what is not wanted any more. */
static bool is_failed(const struct account *a)
{
	return a->standing.error.code != ERR_NONE && !str_equal(a->stage, "ready");
}

static const char *non_empty(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : NULL;
}

/* Of a CA's own words: they may be anything. */
static void contact_print(const struct account *a)
{
	const char *now = non_empty(contact_now(a));
	const char *kept = a->contact_kept != NULL ? a->contact_kept : now;
	AUTO_FREE char *shown = kept != NULL ? text_escape_new(kept, strlen(kept)) : mem_str("");

	if (now == NULL && contact_is_told(a))
		return;
	printf("contact    %s", now != NULL ? now : "nobody");
	if (now != NULL && kept != NULL && kept[0] == '\0')
		printf(" (the CA keeps none)");
	else if (now != NULL && kept != NULL && !str_equal(kept, now))
		printf(" (the CA says %s)", shown);
	if (!contact_is_told(a))
		printf("; the CA is yet to be told %s",
		       non_empty(a->contact) != NULL ? a->contact : "nobody");
	printf("\n");
}

static struct json *account_json(const struct account *a)
{
	struct json *j = json_new_map();
	bool failed = is_failed(a);

	json_put_text(j, "server", a->server);
	json_put_text(j, "name", a->entry);
	json_put_text(j, "state", a->stage);
	json_put_text(j, "url", a->url);
	json_put_text(j, "contact", non_empty(contact_now(a)));
	json_put_text(j, "contact_wanted", contact_is_told(a) ? NULL : a->contact);
	json_put_text(j, "contact_kept", a->contact_kept);
	json_put_flag(j, "agreed", a->agreed);
	json_put_text(j, "ca_bundle", a->ca_bundle);
	json_put_text(j, "proxy", a->proxy);
	json_put_text(j, "last_error", failed ? a->standing.error.text : NULL);
	return j;
}

static void account_print(const struct account *a)
{
	printf("server     %s\nname       %s\nstate      %s\n", a->server, a->entry, a->stage);
	if (a->url != NULL)
		printf("account    %s\n", a->url);
	contact_print(a);
	if (a->ca_bundle != NULL)
		printf("ca-bundle  %s\n", a->ca_bundle);
	if (a->proxy != NULL)
		printf("proxy      %s\n", a->proxy);
	if (is_failed(a))
		printf("last error %s\n", a->standing.error.text);
}

/* --- which are meant --- */

struct accounts {
	struct account **list;
	size_t count;
};

static void accounts_clear(struct accounts *a)
{
	for (size_t i = 0; i < a->count; i++)
		account_free(a->list[i]);
	free(a->list);
}

static bool is_meant(const struct account *a, const char *server, const char *name)
{
	return !str_equal(a->stage, "dead") && (server == NULL || str_equal(a->server, server)) &&
	       (name == NULL || str_equal(a->entry, name));
}

static bool is_refused(const struct account *a)
{
	return str_equal(a->stage, "refused");
}

/* Those that are meant, and of several the refused ones, if there are any. */
static void accounts_choose(struct accounts *a, const char *server, const char *name)
{
	size_t kept = 0, refused = 0;

	for (size_t i = 0; i < a->count; i++)
		refused += is_meant(a->list[i], server, name) && is_refused(a->list[i]);
	for (size_t i = 0; i < a->count; i++)
		if (is_meant(a->list[i], server, name) && (refused == 0 || is_refused(a->list[i])))
			a->list[kept++] = a->list[i];
		else
			account_free(a->list[i]);
	a->count = kept;
}

static int account_choose(struct context *c, struct account **ret_account, struct err *e)
{
	const struct options *o = c->options;
	const char *name = o->operands.count > 1 ? o->operands.items[1] : NULL;
	struct accounts all AUTO(accounts_clear) = {0};
	const char *server = NULL;
	int r = 0;

	if (o->server != NULL || o->staging)
		r = wishing_server(o->server, o->staging, &server, e);
	if (r == 0)
		r = account_list(c->store, &all.list, &all.count, e);
	if (r != 0)
		return r;
	accounts_choose(&all, server, name);
	if (all.count == 0)
		return err_set(e, ERR_CONFIG,
			       "there is no such account; everleaf account show lists them, and "
			       "everleaf obtain registers one");
	if (all.count > 1)
		return err_set(e, ERR_CONFIG,
			       "%zu accounts could be meant: say which one by --server, or by the "
			       "name that everleaf account show prints",
			       all.count);
	*ret_account = all.list[--all.count];
	return 0;
}

/* --- register --- */

struct registration {
	struct context *c;
	struct account *account;
};

static bool says_something(const struct options *o)
{
	return o->mail != NULL || o->ca_bundle != NULL || o->proxy != NULL || o->agree_tos;
}

static int register_write(void *arg, struct err *e)
{
	struct registration *g = arg;
	int r = account_choose(g->c, &g->account, e);

	if (r == 0 && says_something(g->c->options))
		r = wanted_account_as(g->c, g->account, e);
	return r == 0 ? account_check(g->c->store, g->account->id, e) : r;
}

static int register_anew(void *arg, struct err *e)
{
	const struct registration *g = arg;

	return account_renew(g->c->store, g->account->id, e);
}

/* The CA's word first, then what is to be made of it. */
static int register_run(struct registration *g, struct err *e)
{
	int64_t id = g->account->id;
	int r = run_account(g->c, id, e);

	account_free(TAKE(g->account));
	return r == 0 ? account_load(g->c->store, id, &g->account, e) : r;
}

static int register_say(const struct registration *g)
{
	const struct account *a = g->account;
	AUTO_JSON struct json *list = json_new_list();

	json_add(list, account_json(a));
	if (g->c->options->json)
		report_print("accounts", TAKE(list));
	else if (!g->c->options->quiet)
		account_print(a);
	if (str_equal(a->stage, "ready"))
		return EXIT_DONE;
	return a->standing.error.code == ERR_BUSY ? EXIT_LATER : EXIT_FAILED;
}

static int account_register(struct context *c, struct err *e)
{
	struct registration g = {.c = c};
	AUTO_CONFIG struct config *config = apply_look(c);
	bool anew = c->options->new;
	int r;

	if (c->options->operands.count > 2)
		return usage(e, "everleaf account register takes the name of one account");
	r = store_check_rest(c->store, e);
	c->config = config;
	if (r == 0)
		r = run_turn(c, register_write, &g, e);
	c->config = NULL;
	if (r == 0)
		r = register_run(&g, e);
	if (r == 0 && anew && is_refused(g.account)) {
		if (g.account->key_reference != NULL)
			log_line(LOG_NOTICE, "its key is read again: %s", g.account->key_reference);
		r = run_turn(c, register_anew, &g, e);
		if (r == 0)
			r = register_run(&g, e);
	} else if (r == 0 && anew && account_is_ready(g.account)) {
		log_line(LOG_NOTICE, "%s accepts this account, so it stays", g.account->server);
	}
	if (r == 0)
		r = register_say(&g);
	account_free(g.account);
	return r;
}

/* --- show --- */

static int account_show(struct context *c, struct err *e)
{
	AUTO_JSON struct json *list = json_new_list();
	struct accounts all AUTO(accounts_clear) = {0};
	int r;

	if (c->options->operands.count > 1 || c->options->new || c->options->server != NULL ||
	    c->options->staging || says_something(c->options))
		return usage(e, "everleaf account show prints all accounts");
	r = account_list(c->store, &all.list, &all.count, e);
	if (r != 0)
		return r;
	for (size_t i = 0; i < all.count; i++) {
		if (c->options->json)
			json_add(list, account_json(all.list[i]));
		else
			account_print(all.list[i]);
	}
	if (c->options->json)
		report_print("accounts", TAKE(list));
	else if (all.count == 0)
		printf("no accounts yet; everleaf obtain registers one\n");
	return 0;
}

int cmd_account(struct context *c, struct err *e)
{
	const struct strlist *operands = &c->options->operands;
	const char *does = operands->count > 0 ? operands->items[0] : NULL;

	if (str_equal(does, "show"))
		return account_show(c, e);
	if (str_equal(does, "register"))
		return account_register(c, e);
	return usage(e, "everleaf account does \"show\" and \"register\"%s%s%s",
		     does != NULL ? ", and not \"" : "", does != NULL ? does : "",
		     does != NULL ? "\"" : "");
}
