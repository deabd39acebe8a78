/* SPDX-License-Identifier: MIT
 *
 * reconfigure — changes how a certificate is got and deployed from the next time on, without
 * issuing or deploying anything now.
 */
#include "agent/apply.h"
#include "agent/report.h"
#include "agent/run.h"
#include "agent/wanted.h"
#include "agent/wishing.h"
#include "store/account.h"

static int reconfigure_account(struct context *c, struct certificate *certificate, struct err *e)
{
	const struct options *o = c->options;
	AUTO_ACCOUNT_ROW struct account *present = NULL;
	const char *server = NULL;
	int r;

	r = account_load(c->store, certificate->account_id, &present, e);
	if (r != 0)
		return r;
	if (o->server == NULL && !o->staging)
		server = present->server;
	else
		r = wishing_server(o->server, o->staging, &server, e);
	return r == 0 ? wanted_account(c, server, &certificate->account_id, e) : r;
}

static int reconfigure_write(struct context *c, struct certificate *certificate, struct err *e)
{
	AUTO_FREE char *wish = NULL;
	int r = apply_refuse(certificate, e);

	if (r == 0)
		r = run_refuse_called(c, certificate, e);
	if (r == 0)
		r = wishing(c->options, certificate->wish, &certificate->names, &wish, e);
	if (r == 0)
		r = reconfigure_account(c, certificate, e);
	if (r != 0)
		return r;
	mem_set_str(&certificate->wish, wish);
	r = certificate_save(c->store, certificate, e);
	if (r == 0)
		r = wanted_no_more(c, certificate, e);
	return r == 0 ? wanted_order(c->store, certificate, e) : r;
}

int cmd_reconfigure(struct context *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	int r = run_change(c, reconfigure_write, &certificate, e);

	return r == 0 ? report_result(c, certificate, e) : r;
}
