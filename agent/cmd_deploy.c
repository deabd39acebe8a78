/* SPDX-License-Identifier: MIT
 *
 * deploy — the present certificate once more to all its targets, due or not.
 */
#include "agent/report.h"
#include "agent/run.h"
#include "agent/wanted.h"

static int deploy_write(struct context *c, const char *name, struct certificate **ret,
			struct err *e)
{
	int r = run_find(c, name, ret, e);

	if (r == 0 && (*ret)->live_version_id == 0)
		r = err_set(e, ERR_CONFIG, "%s has no certificate yet; everleaf renew %s gets one",
			    name, name);
	return r == 0 ? wanted_deployments(c, *ret, true, e) : r;
}

/* In one turn: were a newer version issued in between, the older one would be deployed over it. */
static int deploy_again(struct context *c, const char *name, struct certificate **ret,
			struct err *e)
{
	int r;

	r = store_turn_begin(c->store, e);
	if (r != 0)
		return r;
	r = deploy_write(c, name, ret, e);
	if (r == 0)
		return store_turn_commit(c->store, e);
	store_turn_undo(c->store);
	return r;
}

int cmd_deploy(struct context *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	struct run_item item = {0};
	const char *name = NULL;
	int r;

	r = run_operand(c, &name, e);
	if (r == 0)
		r = deploy_again(c, name, &certificate, e);
	item.certificate_id = certificate != NULL ? certificate->id : 0;
	item.issue = ISSUE_NEVER;
	if (r == 0)
		r = run_items(c, &item, 1, false, e);
	if (r == 0)
		r = report_show(c, certificate, e);
	return r == 0 ? run_exit(c->options, &item, 1) : r;
}
