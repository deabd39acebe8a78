/* SPDX-License-Identifier: MIT
 *
 * export — privkey.pem, cert.pem, chain.pem and fullchain.pem of the present version, written once
 * and not kept up to date: for that there is --deploy-files.
 */
#include "agent/report.h"
#include "agent/run.h"
#include "agent/words.h"
#include "agent/work.h"

#include <stdio.h>

static int export_version(struct context *c, const struct certificate *certificate,
			  const char *directory, struct err *e)
{
	AUTO_VERSION struct version *live = NULL;
	struct deployer_task task = {.key_fd = -1};
	AUTO_FD int key_fd = -1;
	int r;

	r = version_load(c->store, certificate->live_version_id, &live, e);
	if (r == 0)
		r = deployer_key(c->store, live->key_id, &key_fd, e);
	if (r != 0)
		return r;
	deployer_task_fill(&task, certificate, live);
	task.key_fd = key_fd;
	return files_export(&task, directory, e);
}

int cmd_export(struct context *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	AUTO_FREE char *directory = NULL;
	const char *name = NULL;
	int r;

	r = run_operand(c, &name, e);
	if (r == 0 && (c->options->out == NULL || c->options->out[0] == '\0'))
		r = usage(e, "say where to with --out DIR");
	if (r == 0)
		r = run_find(c, name, &certificate, e);
	if (r == 0 && certificate->live_version_id == 0)
		r = err_set(e, ERR_CONFIG, "%s has no certificate yet", name);
	if (r != 0)
		return r;
	directory = words_path(c->options->out);
	r = export_version(c, certificate, directory, e);
	if (r == 0 && c->options->json)
		return report_show(c, certificate, e);
	if (r == 0 && !c->options->quiet)
		printf("%s: written to %s\n", name, directory);
	return r;
}
