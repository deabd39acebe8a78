/* SPDX-License-Identifier: MIT
 *
 * run, reload — the daemon in the foreground, and a word to it.
 */
#include "agent/control.h"
#include "agent/daemon.h"
#include "agent/report.h"

#include <stdio.h>

int cmd_run(struct context *c, struct err *e)
{
	if (c->options->operands.count > 0)
		return usage(e, "everleaf run takes no operand");
	return daemon_run(c, e);
}

int cmd_reload(struct context *c, struct err *e)
{
	AUTO_FREE char *path = command_control_path(c->options);
	AUTO_JSON struct json *answer = NULL;
	int r;

	if (c->options->operands.count > 0)
		return usage(e, "everleaf reload takes no operand");
	if (path == NULL)
		return usage(e, "HOME is not set: say with --state where everything is kept");
	r = control_ask(path, "reload", &answer, e);
	if (r == ERR_NET) /* not "try again later": whoever calls waits for a reload */
		return err_set(e, ERR_SYS, "%s", e->text);
	if (r != 0)
		return r;
	if (json_flag(json_get(answer, "later")))
		return err_set(e, ERR_BUSY,
			       "the daemon reads everything again as soon as it can: %s",
			       json_get_text(answer, "text"));
	if (!json_flag(json_get(answer, "ok")))
		return err_set(
			e, ERR_CONFIG,
			"the daemon read everything again; what has a mistake stays as it was: %s",
			json_get_text(answer, "text"));
	if (c->options->json)
		report_print("reloaded", json_new_flag(true));
	else if (!c->options->quiet)
		printf("reloaded\n");
	return EXIT_DONE;
}
