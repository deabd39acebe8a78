/* SPDX-License-Identifier: MIT
 *
 * deploy — the present certificate once more to all its targets, due or not.
 */
#include "agent/report.h"
#include "agent/run.h"
#include "agent/wanted.h"

/* In one turn: were a newer version issued in between, the older one would be deployed over it. */
static int deploy_write(struct context *c, struct certificate *certificate, struct err *e)
{
	if (certificate->live_version_id == 0)
		return err_set(e, ERR_CONFIG,
			       "%s has no certificate yet; everleaf renew %s gets one",
			       certificate->name, certificate->name);
	return wanted_deployments(c, certificate, true, e);
}

int cmd_deploy(struct context *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	struct run_item item = {.issue = ISSUE_NEVER};
	int r;

	r = run_change(c, deploy_write, &certificate, e);
	if (r != 0)
		return r;
	item.certificate_id = certificate->id;
	r = run_items(c, &item, 1, false, e);
	if (r == 0)
		r = report_result(c, certificate, e);
	return r == 0 ? run_exit(c->options, &item, 1) : r;
}
