/* SPDX-License-Identifier: MIT
 *
 * deploy — the present certificate once more to all its targets, due or not; or only a try.
 */
#include "agent/report.h"
#include "agent/run.h"
#include "agent/trial.h"
#include "agent/wanted.h"

#include <stdio.h>

static int deploy_judge(const struct certificate *certificate, struct err *e)
{
	if (certificate->live_version_id != 0)
		return 0;
	return err_set(e, ERR_CONFIG, "%s has no certificate yet; everleaf renew %s gets one",
		       certificate->name, certificate->name);
}

/* In one turn: were a newer version issued in between, the older one would be deployed over it. */
static int deploy_write(struct context *c, struct certificate *certificate, struct err *e)
{
	int r = deploy_judge(certificate, e);

	if (r == 0)
		r = run_refuse_called(c, certificate, e);
	return r == 0 ? wanted_deployments(c, certificate, true, e) : r;
}

static void trial_say(const struct context *c, const char *name, const struct trial *t)
{
	if (c->options->json) {
		struct json *list = json_new_list();
		struct json *j = json_new_map();

		json_put_text(j, "certificate", name);
		json_put(j, "deployments", trial_json(t));
		json_add(list, j);
		report_print("dry_run", list);
	} else if (!c->options->quiet || trial_failed(t)) {
		printf("%s: %s\n", name,
		       trial_failed(t) ? "could not be deployed" : "could be deployed");
		trial_print(t);
		printf("this was a dry run: nothing was changed\n");
	}
}

static int deploy_try(struct context *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	AUTO_TRIAL struct trial *t = NULL;
	struct trial_ask ask = {.store = c->store, .checks = true};
	const char *name = NULL;
	int r;

	r = run_operand(c, &name, e);
	if (r == 0)
		r = run_find(c, name, &certificate, e);
	if (r == 0)
		r = deploy_judge(certificate, e);
	if (r != 0)
		return r;
	ask.certificate = certificate;
	ask.wish = certificate->wish;
	ask.runs_hooks = c->options->run_deploy_hooks;
	r = trial_run(&ask, &t, e);
	if (r != 0)
		return r;
	trial_say(c, name, t);
	return trial_failed(t) ? EXIT_FAILED : EXIT_DONE;
}

int cmd_deploy(struct context *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	struct run_item item = {.issue = ISSUE_NEVER};
	int r;

	if (c->options->dry_run)
		return deploy_try(c, e);
	r = run_change(c, deploy_write, &certificate, e);
	if (r != 0)
		return r;
	item.certificate_id = certificate->id;
	r = run_items(c, &item, 1, false, e);
	if (r == 0)
		r = report_result(c, certificate, e);
	return r == 0 ? run_exit(c->options, &item, 1) : r;
}
