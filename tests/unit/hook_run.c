/* SPDX-License-Identifier: MIT
 *
 * hook_run — see its header.
 */
#include "tests/unit/hook_run.h"

#include <stdlib.h>

void hook_outcome_fill(void *arg, const struct child_result *result, const struct err *e)
{
	struct hook_outcome *o = arg;

	assert_false(o->answered);
	o->answered = true;
	if (result == NULL) {
		o->refusal = *e;
		return;
	}
	assert_null(e);
	o->ran = true;
	o->exit_code = result->exit_code;
	o->signal = result->signal;
	o->timed_out = result->timed_out;
	o->secret = result->output.secret;
	o->output = mem_strn(result->output.data, result->output.len);
	o->len = result->output.len;
	o->dropped = result->dropped;
	child_failed("PROGRAM", result, &o->failure);
}

void hook_outcome_clear(struct hook_outcome *o)
{
	free(o->output);
}

void hook_run_request(struct hook_scratch *s, const struct child_request *request,
		      struct hook_outcome *o)
{
	child_start(s->loop, request, hook_outcome_fill, o);
	assert_false(o->answered); /* also what is refused at once is told from the loop */
	assert_true(poll_loop_run(s->poll, &o->answered));
	assert_true(poll_loop_reap(s->poll));
	assert_int_equal(poll_loop_watches(s->poll), 0);
}

void hook_run(struct hook_scratch *s, const char *command, int timeout_ms, struct hook_outcome *o)
{
	struct strlist argv AUTO_STRLIST = {0};
	struct child_request request = {
		.argv = &argv,
		.timeout_ms = timeout_ms,
		.kill_ms = HOOK_SHORT_MS,
	};

	strlist_add_split(&argv, command, " ");
	hook_run_request(s, &request, o);
}

void hook_run_script(struct hook_scratch *s, const char *body, int timeout_ms,
		     struct hook_outcome *o)
{
	hook_run(s, scratch_script(s, "script", body), timeout_ms, o);
}
