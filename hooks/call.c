/* SPDX-License-Identifier: MIT
 *
 * call — the two calls that every solver and deployer is made of: an answer that is known already,
 * and a program.
 */
#include "hooks/call.h"

#include <stdlib.h>

struct answer_call {
	struct hook_call call; /* first */
	struct loop *loop;
	struct watch *timer;
	hook_done *done;
	void *arg;
	struct err answer; /* code ERR_NONE: success */
};

static void answer_cancel(struct hook_call *call)
{
	struct answer_call *c = (struct answer_call *)call;

	loop_cancel(c->loop, c->timer);
	free(c);
}

static void on_answer(void *arg)
{
	struct answer_call *c = arg;

	c->done(c->arg, NULL, c->answer.code == ERR_NONE ? NULL : &c->answer);
	free(c);
}

struct hook_call *hook_call_answer(struct loop *l, const struct err *e, hook_done *done, void *arg)
{
	struct answer_call *c = mem_new(sizeof(*c));

	c->call.cancel = answer_cancel;
	c->loop = l;
	c->done = done;
	c->arg = arg;
	if (e != NULL)
		c->answer = *e;
	c->timer = loop_watch_timer(l, 0, on_answer, c);
	return &c->call;
}

struct child_call {
	struct hook_call call; /* first */
	struct child *child;
	char *program; /* for child_failed's sentence */
	hook_done *done;
	void *arg;
};

static void child_call_free(struct child_call *c)
{
	free(c->program);
	free(c);
}

static void child_call_cancel(struct hook_call *call)
{
	struct child_call *c = (struct child_call *)call;

	child_cancel(c->child);
	child_call_free(c);
}

static void on_child(void *arg, const struct child_result *result, const struct err *e)
{
	struct child_call *c = arg;
	struct err failure;

	if (result == NULL)
		c->done(c->arg, NULL, e);
	else if (child_failed(c->program, result, &failure) != 0)
		c->done(c->arg, result->output.data, &failure);
	else
		c->done(c->arg, result->output.data, NULL);
	child_call_free(c);
}

struct hook_call *hook_call_child(struct loop *l, const struct child_request *request,
				  hook_done *done, void *arg)
{
	struct child_call *c = mem_new(sizeof(*c));

	c->call.cancel = child_call_cancel;
	c->call.runs = true;
	c->program = mem_str(request->argv->count > 0 ? request->argv->items[0] : "");
	c->done = done;
	c->arg = arg;
	c->child = child_start(l, request, on_child, c);
	return &c->call;
}

bool hook_call_runs(const struct hook_call *c)
{
	return c != NULL && c->runs;
}

void hook_call_cancel(struct hook_call *c)
{
	if (c != NULL)
		c->cancel(c);
}
