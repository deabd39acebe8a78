/* SPDX-License-Identifier: MIT
 *
 * reconfigure — changes how a certificate is got and deployed from the next time on, without
 * issuing or deploying anything now.
 */
#include "agent/apply.h"
#include "agent/folders.h"
#include "agent/report.h"
#include "agent/run.h"
#include "agent/wanted.h"
#include "agent/wishing.h"

static int reconfigure_account(struct context *c, struct certificate *certificate, struct err *e)
{
	const struct options *o = c->options;
	const char *server = NULL;
	int r = 0;

	if (o->server != NULL || o->staging)
		r = wishing_server(o->server, o->staging, &server, e);
	return r == 0 ? wanted_account(c, certificate, server, e) : r;
}

static int reconfigure_write(struct context *c, struct certificate *certificate, struct err *e)
{
	struct wishing_of of = {certificate->name, &certificate->names, certificate->wish};
	AUTO_FREE char *wish = NULL;
	int r = apply_refuse(certificate, e);

	if (r == 0)
		r = run_refuse_called(c, certificate, e);
	if (r == 0)
		r = wishing(c->options, &of, &wish, e);
	if (r == 0)
		r = folders_refuse(c->store, certificate->name, wish, e);
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
	AUTO_CONFIG struct config *config = apply_look(c);
	int r;

	c->config = config;
	r = run_change(c, reconfigure_write, &certificate, e);
	c->config = NULL;
	return r == 0 ? report_result(c, certificate, e) : r;
}
