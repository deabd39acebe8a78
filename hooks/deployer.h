/* SPDX-License-Identifier: MIT
 *
 * deployer — how an issued certificate gets to the program that serves it. A deployer is one file
 * that ends in its ops table, and one line in agent/wire.c.
 *
 * Every op may run again after a crash (at least once, never exactly once) and for the same
 * version. The key comes as a descriptor, never as a string.
 */
#ifndef HOOKS_DEPLOYER_H
#define HOOKS_DEPLOYER_H

#include "base/json.h"
#include "base/strlist.h"
#include "hooks/call.h"

#include <stdint.h>
#include <sys/types.h>

/* What is deployed. All borrowed while the op runs. */
struct deployer_task {
	struct loop *loop;
	const struct json *settings; /* {"name":"files","directory":"/etc/x"} */
	const char *certificate;     /* the certificate's name (handle) */
	const struct strlist *names;
	int64_t version; /* id of the version: the generation's number; 0: not known yet */
	const char *serial;
	int64_t not_before, not_after;
	const char *leaf;      /* PEM */
	const char *chain;     /* PEM, "" when none */
	int key_fd;            /* readable from offset 0 by pread; -1 in check and reload */
	const char *directory; /* where a `files` deployer before this one puts it; NULL: nowhere */
	bool only_looks;       /* check runs no program */
	bool strict;           /* room and check find also what install would put right */
	const char *store; /* which everleaf we are (store_id); NULL: whose it is, is not asked */
	uid_t as;          /* who deploys, where we are root and may only look */
	/* Whether a certificate of this store is still deployed into the directory */
	bool (*wants)(void *arg, const char *certificate, const char *directory);
	void *wants_arg;
	const char *caller; /* a variable for programs (agent/caller.h), or NULL */
};

/* What install would write, where a program can look at it: beside what is live. */
struct deployer_stage {
	char *directory;  /* full path */
	char *name;       /* in dir_fd */
	int dir_fd, lock; /* the latter says that we are alive */
};

typedef struct hook_call *deployer_op(const struct deployer_task *task, hook_done *done, void *arg);

struct deployer_ops {
	const char *name;
	/* Room for what is coming, and whether it may go there: asked before the CA is asked to
	 * issue, when there is no version yet. Changes nothing. NULL: nothing to ask. */
	int (*room)(const struct deployer_task *task, struct err *e);
	/* What nobody else may have, so that two of the same are told: a path without links and
	 * "..". The caller's; NULL: nothing. */
	char *(*place)(const struct json *settings);
	deployer_op *check;   /* could it be deployed? changes nothing; NULL: nothing to check */
	deployer_op *install; /* puts it in place; NULL: nothing to put */
	deployer_op *reload;  /* makes the server take it; NULL: nothing to do */
	/* Tries to write what install would write, after check: `everleaf deploy --dry-run`. The
	 * caller has it removed again. NULL: nothing to write. */
	int (*stage)(const struct deployer_task *task, struct deployer_stage *ret_stage,
		     struct err *e);
	void (*unstage)(struct deployer_stage *stage);
};

/* settings {"directory": DIR, "owner": "user" or null, "group": …, "mode": "0640" or null}. */
extern const struct deployer_ops deployer_files;

/* settings {"command": [program, argument, …]}, run for each certificate, or "reload" in its place,
 * run for all that come together; reload runs it. "check": a program that check runs. */
extern const struct deployer_ops deployer_exec;

/* The mode of a deployed key, "0640": ERR_CONFIG when it is no mode, or none for a key. */
int files_mode_parse(const char *text, mode_t *ret_mode, struct err *e);

/* Writes privkey.pem, cert.pem, chain.pem, fullchain.pem for task into a directory made for it
 * (`everleaf export`): replaced one by one. */
int files_export(const struct deployer_task *task, const char *directory, struct err *e);

/* The environment that hooks of a certificate get (documented in everleaf-hooks(7)). */
void deployer_environment(const struct deployer_task *task, struct strlist *environment);

#endif
