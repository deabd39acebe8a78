/* SPDX-License-Identifier: MIT
 *
 * deployer_exec — a program of the operator's that makes a server take the new certificate:
 * settings {"command": [program, argument, …]}. It gets no key: that is in the directory of a
 * `files` deployer before it, which its environment names.
 */
#include "hooks/deployer.h"
#include "hooks/program.h"

static int judge(const struct json *settings, struct strlist *argv, struct err *e)
{
	int r = program_command(settings, argv, e);

	if (r != 0)
		return r;
	return child_check_program(argv->items[0], e);
}

static struct hook_call *exec_check(const struct deployer_task *task, hook_done *done, void *arg)
{
	struct strlist argv AUTO_STRLIST = {0};
	struct err e = {0};
	int r = judge(task->settings, &argv, &e);

	return hook_call_answer(task->loop, r == 0 ? NULL : &e, done, arg);
}

static struct hook_call *exec_reload(const struct deployer_task *task, hook_done *done, void *arg)
{
	struct strlist argv AUTO_STRLIST = {0};
	struct strlist environment AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv, .environment = &environment};
	struct err e = {0};

	if (program_command(task->settings, &argv, &e) != 0)
		return hook_call_answer(task->loop, &e, done, arg);
	deployer_environment(task, &environment);
	return hook_call_child(task->loop, &request, done, arg);
}

const struct deployer_ops deployer_exec = {
	.name = "exec",
	.check = exec_check,
	.reload = exec_reload,
};
