/* SPDX-License-Identifier: MIT
 *
 * account show — the accounts at CAs that this state directory has.
 */
#include "agent/report.h"
#include "agent/run.h"
#include "store/account.h"

#include <stdio.h>
#include <stdlib.h>

static struct json *account_json(const struct account *a)
{
	struct json *j = json_new_map();
	bool failed = a->standing.error.code != ERR_NONE;

	json_put_text(j, "server", a->server);
	json_put_text(j, "state", a->stage);
	json_put_text(j, "url", a->url);
	json_put_text(j, "contact", a->contact[0] != '\0' ? a->contact : NULL);
	json_put_flag(j, "agreed", a->agreed);
	json_put_text(j, "ca_bundle", a->ca_bundle);
	json_put_text(j, "proxy", a->proxy);
	json_put_text(j, "last_error", failed ? a->standing.error.text : NULL);
	return j;
}

static void account_print(const struct account *a)
{
	printf("server     %s\nstate      %s\n", a->server, a->stage);
	if (a->url != NULL)
		printf("account    %s\n", a->url);
	if (a->contact[0] != '\0')
		printf("contact    %s\n", a->contact);
	if (a->ca_bundle != NULL)
		printf("ca-bundle  %s\n", a->ca_bundle);
	if (a->proxy != NULL)
		printf("proxy      %s\n", a->proxy);
	if (a->standing.error.code != ERR_NONE)
		printf("last error %s\n", a->standing.error.text);
}

int cmd_account(struct context *c, struct err *e)
{
	AUTO_JSON struct json *list = json_new_list();
	struct account **accounts = NULL;
	size_t count = 0;
	int r;

	if (c->options->operands.count != 1 || !str_equal(c->options->operands.items[0], "show"))
		return usage(e, "everleaf account does \"show\"%s%s%s",
			     c->options->operands.count > 0 ? ", and not \"" : "",
			     c->options->operands.count > 0 ? c->options->operands.items[0] : "",
			     c->options->operands.count > 0 ? "\"" : "");
	r = account_list(c->store, &accounts, &count, e);
	for (size_t i = 0; i < count; i++) {
		if (c->options->json)
			json_add(list, account_json(accounts[i]));
		else
			account_print(accounts[i]);
		account_free(accounts[i]);
	}
	free(accounts);
	if (r == 0 && c->options->json)
		report_print("accounts", TAKE(list));
	else if (r == 0 && count == 0)
		printf("no accounts yet; everleaf obtain registers one\n");
	return r;
}
