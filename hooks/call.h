/* SPDX-License-Identifier: MIT
 *
 * call — one thing asked of a solver, a deployer or a hook: answered once from the loop, never
 * from within the asking, and cancellable. What can be done at once is done and answered by a
 * timer of 0 ms; what needs a program is a child.
 */
#ifndef HOOKS_CALL_H
#define HOOKS_CALL_H

#include "base/err.h"
#include "base/loop.h"
#include "hooks/child.h"

/* First member of every implementation. */
struct hook_call {
	void (*cancel)(struct hook_call *c); /* forgets the call and frees it */
	bool runs;                           /* a program of the operator's */
};

/* output: what a program printed (NULL when none ran; borrowed); e is NULL on success. */
typedef void hook_done(void *arg, const char *output, const struct err *e);

/* Answers with a copy of e (NULL: success) at the loop's next turn. */
struct hook_call *hook_call_answer(struct loop *l, const struct err *e, hook_done *done, void *arg);

/* Runs a program; failure is child_failed's sentence. */
struct hook_call *hook_call_child(struct loop *l, const struct child_request *request,
				  hook_done *done, void *arg);

void hook_call_cancel(struct hook_call *c); /* NULL is fine */

/* Whether a program runs for it; NULL: no. */
bool hook_call_runs(const struct hook_call *c);

#endif
