/* SPDX-License-Identifier: MIT
 *
 * hook_run — runs a program through hooks/child.h to its end and keeps what was answered.
 */
#ifndef TESTS_UNIT_HOOK_RUN_H
#define TESTS_UNIT_HOOK_RUN_H

#include "hooks/child.h"
#include "tests/unit/hook_scratch.h"

#define HOOK_SHORT_MS 300 /* a timeout for what hangs, and from TERM to KILL in hook_run */

/* A copy of what a child answered. */
struct hook_outcome {
	bool answered;
	bool ran; /* a result, not a refusal */
	int exit_code;
	int signal;
	bool timed_out;
	bool secret;
	char *output; /* owned */
	size_t len;
	size_t dropped;
	struct err refusal;
	struct err failure; /* child_failed's, of a program called PROGRAM */
};

void hook_outcome_clear(struct hook_outcome *o);
#define AUTO_OUTCOME AUTO(hook_outcome_clear)

/* A child_done; arg is the outcome. */
void hook_outcome_fill(void *arg, const struct child_result *result, const struct err *e);

/* Turns the loop until the child was answered and nothing is left of it. */
void hook_run_request(struct hook_scratch *s, const struct child_request *request,
		      struct hook_outcome *o);

/* command: the words of argv, separated by spaces. */
void hook_run(struct hook_scratch *s, const char *command, int timeout_ms, struct hook_outcome *o);

/* A script with this body. */
void hook_run_script(struct hook_scratch *s, const char *body, int timeout_ms,
		     struct hook_outcome *o);

#endif
