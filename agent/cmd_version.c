/* SPDX-License-Identifier: MIT
 *
 * version, help, keygen, respond — commands that need no store.
 */
#include "agent/keygen.h"
#include "agent/report.h"
#include "agent/respond.h"
#include "base/http.h"

#include <stdio.h>
#include <unistd.h>

int cmd_version(struct context *c, struct err *e)
{
	struct json *j;

	(void)e;
	if (!c->options->json) {
		printf("everleaf %s, libcurl %s\n", EVERLEAF_VERSION, http_library());
		return EXIT_DONE;
	}
	j = json_new_map();
	json_put_text(j, "everleaf", EVERLEAF_VERSION);
	json_put_text(j, "libcurl", http_library());
	report_print("version", j);
	return EXIT_DONE;
}

int cmd_help(struct context *c, struct err *e)
{
	const struct strlist *operands = &c->options->operands;

	return commands_print(operands->count > 0 ? operands->items[0] : NULL, c->options->json, e);
}

int cmd_keygen(struct context *c, struct err *e)
{
	(void)e;
	return keygen_child(c->options->operands.count > 0 ? c->options->operands.items[0] : "");
}

int cmd_respond(struct context *c, struct err *e)
{
	(void)c;
	return respond_run(STDIN_FILENO, e);
}
