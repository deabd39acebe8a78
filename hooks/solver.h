/* SPDX-License-Identifier: MIT
 *
 * solver — how the answer to a challenge gets to where the CA looks for it. A solver is one file
 * that ends in its ops table, and one line in agent/wire.c.
 */
#ifndef HOOKS_SOLVER_H
#define HOOKS_SOLVER_H

#include "base/json.h"
#include "hooks/call.h"

#include <stdbool.h>

/* What a solver is told. All borrowed while the op runs; a solver copies what it keeps. */
struct solver_task {
	struct loop *loop;
	const struct json *settings;   /* {"name":"webroot","directory":"/var/www"} */
	const char *type;              /* "http-01" */
	const char *identifier;        /* without "*." */
	const char *token;             /* passed acme_token_ok */
	const char *key_authorization; /* RFC 8555 8.1; NULL in withdraw */
	void *host;                    /* the agent's, for solvers that need it; else NULL */
	const char *caller;            /* a variable for programs (agent/caller.h), or NULL */
};

typedef struct hook_call *solver_op(const struct solver_task *task, hook_done *done, void *arg);

struct solver_ops {
	const char *name;
	bool (*handles)(const char *type, bool wildcard);
	bool ends_with_us; /* answers are there as long as a process of ours */
	/* Checks settings before anything is asked of a CA: directory there, program runnable. */
	int (*check)(const struct json *settings, struct err *e);
	solver_op *present;  /* idempotent: may run again after a crash */
	solver_op *ready;    /* answers when the CA would find it; NULL: at once */
	solver_op *withdraw; /* idempotent; taking back what is not there is success */
};

extern const struct solver_ops solver_webroot; /* files under DIR/.well-known/acme-challenge */
extern const struct solver_ops solver_exec;    /* a program of the operator's */

/* For solvers that answer through files: writes DIR/TOKEN (mode 0644; a new file, never through a
 * link; the same content already there is fine), and takes it back. dir_fd is the folder. */
int answer_write(int dir_fd, const char *token, const char *content, struct err *e);
int answer_remove(int dir_fd, const char *token, struct err *e);

#endif
