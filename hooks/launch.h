/* SPDX-License-Identifier: MIT
 *
 * launch — the moment between fork and exec: what a program of ours or the operator's finds when
 * it starts. Part of child, which watches it from then on; nobody else calls it.
 */
#ifndef HOOKS_LAUNCH_H
#define HOOKS_LAUNCH_H

#include "base/err.h"
#include "hooks/child.h"

#include <sys/types.h>

struct launched {
	pid_t pid;  /* leader of a session and process group of its own */
	int output; /* reads its stdout and stderr, never blocks; the caller closes it */
	int report; /* reads a launch_report when exec failed; the caller closes it */
};

/* What the child says when it could not become the program. */
struct launch_report {
	int stage; /* enum of launch.c */
	int error; /* errno */
};

/* Judges the program and forks. ERR_CONFIG or ERR_SYS when nothing was started. */
int launch(const struct child_request *request, struct launched *ret_launched, struct err *e);

/* Turns a report into the sentence. Returns e's code. */
int launch_explain(const struct launch_report *report, const char *program, struct err *e);

#endif
