/* SPDX-License-Identifier: MIT
 *
 * hook_scratch — a directory of its own for each test of hooks/, with a loop, and the answer of
 * the one call under test.
 */
#ifndef TESTS_UNIT_HOOK_SCRATCH_H
#define TESTS_UNIT_HOOK_SCRATCH_H

#include "hooks/call.h"
#include "tests/unit.h"
#include "tests/unit/poll_loop.h"

#include <stdbool.h>
#include <sys/types.h>

#define SCRATCH_PATH 256

struct hook_scratch {
	char dir[64];           /* absolute */
	struct poll_loop *poll; /* owned */
	struct loop *loop;      /* of poll */
	bool answered;
	char *output;      /* owned; NULL: none */
	struct err answer; /* code ERR_NONE: success */
};

/* For cmocka_unit_test_setup_teardown. The umask is 077 meanwhile, as in the agent. */
int hook_scratch_setup(void **state);
int hook_scratch_teardown(void **state);

/* DIR/name; the text lives until the eighth call after it. */
const char *scratch_path(const struct hook_scratch *s, const char *name);

/* Writes DIR/name with exactly this mode. Returns its path as scratch_path does. */
const char *scratch_write(const struct hook_scratch *s, const char *name, const char *content,
			  mode_t mode);

/* A script "#!/bin/sh", mode 0755. */
const char *scratch_script(const struct hook_scratch *s, const char *name, const char *body);

/* The file's content, "" when it is missing; the caller frees it. */
char *scratch_read(const char *path);

/* Every path below DIR with type, mode and link target or content, sorted: equal texts are equal
 * trees. The caller frees it. */
char *scratch_tree(const struct hook_scratch *s);

/* A hook_done; arg is the scratch. */
void scratch_done(void *arg, const char *output, const struct err *e);

/* Turns the loop until the call was answered. Returns the answer's code. */
enum err_code scratch_await(struct hook_scratch *s);

/* The process of this id, read from DIR/name, has ended (or is a zombie). Waits for it. */
bool scratch_process_ends(const struct hook_scratch *s, const char *name);
pid_t scratch_process(const struct hook_scratch *s, const char *name);

#endif
