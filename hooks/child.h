/* SPDX-License-Identifier: MIT
 *
 * child — the only place that starts programs: argv and never a shell of ours, a clean
 * environment, closed descriptors, a process group of its own, a timeout (TERM, then KILL for the
 * whole group), output up to a limit.
 *
 * The program is opened once, judged by that descriptor (a regular executable file, owned by root
 * or by us, not writable by group or others, nor the directories above it unless sticky) and run
 * through it, so that what was judged is what runs. A script's interpreter is the kernel's affair.
 * A child dies with us (PR_SET_PDEATHSIG).
 */
#ifndef HOOKS_CHILD_H
#define HOOKS_CHILD_H

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/strlist.h"

#include <stdbool.h>

#define CHILD_MAX_OUTPUT (64 * 1024)
#define CHILD_TIMEOUT_MS 60000
#define CHILD_LASTS      (-1) /* it works for us until it is cancelled */
#define CHILD_KILL_MS    5000 /* between TERM and KILL */

struct child;

struct child_request {
	const struct strlist *argv; /* argv[0]: an absolute path; borrowed during the call */
	const struct strlist
		*environment; /* "NAME=value", besides PATH, LANG=C, HOME=/; borrowed */
	int timeout_ms;       /* 0: CHILD_TIMEOUT_MS, CHILD_LASTS: never */
	int kill_ms;          /* 0: CHILD_KILL_MS */
	bool secret_output;   /* output is a key: kept in a zeroing buffer */
	bool own_program;     /* our own binary, whatever argv[0] says: not judged, and without the
			       * capabilities that we were given */
	int channel;          /* becomes its standard input; stays the caller's; 0: /dev/null */
};

struct child_result {
	int exit_code;     /* 0…255, or -1 when a signal ended it */
	int signal;        /* that signal, 0: none */
	bool timed_out;    /* we ended it */
	struct buf output; /* stdout and stderr as they came, at most CHILD_MAX_OUTPUT */
	size_t dropped;    /* bytes of output beyond that */
};

/* Exactly once, from the loop, unless cancelled. result is borrowed; NULL when the program could
 * not be started or was refused, and e says why (ERR_CONFIG: missing, not executable, writable by
 * others; ERR_SYS). A program that ran and failed is a result too: see child_failed. Output that
 * grandchildren still hold open is not waited for beyond the child's end by more than a moment. */
typedef void child_done(void *arg, const struct child_result *result, const struct err *e);

struct child *child_start(struct loop *l, const struct child_request *request, child_done *done,
			  void *arg);

/* Kills the whole group at once and forgets the child. */
void child_cancel(struct child *c);

/* 0 for exit code 0; else ERR_CHILD with a sentence that names the program, how it ended and the
 * last line of its output. */
int child_failed(const char *program, const struct child_result *r, struct err *e);

/* Whether a program may be run so, without running it: as child_start would judge it. */
int child_check_command(const struct strlist *argv, struct err *e);

#endif
