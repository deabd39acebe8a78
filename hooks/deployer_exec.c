/* SPDX-License-Identifier: MIT
 *
 * deployer_exec — a program of the operator's that makes a server take the new certificate:
 * settings {"command": [program, argument, …]}, or "reload" in its place, and perhaps "check". None
 * gets a key: that is in the directory of a `files` deployer before it, which the environment of
 * "command" and "check" names. "reload" is for several certificates, and hears of none.
 */
#include "hooks/deployer.h"
#include "hooks/program.h"

/* The member that makes the server take it. */
static const char *action_of(const struct json *settings)
{
	return json_get(settings, "reload") != NULL ? "reload" : "command";
}

static int judge(const struct json *settings, const char *member, struct strlist *argv,
		 struct err *e)
{
	int r = program_command(settings, member, argv, e);

	if (r != 0)
		return r;
	return child_check_command(argv, e);
}

static struct hook_call *exec_check(const struct deployer_task *task, hook_done *done, void *arg)
{
	struct strlist action AUTO_STRLIST = {0};
	struct strlist argv AUTO_STRLIST = {0};
	struct strlist environment AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv, .environment = &environment};
	bool checks = json_get(task->settings, "check") != NULL;
	struct err e = {0};
	int r = judge(task->settings, action_of(task->settings), &action, &e);

	if (r == 0 && checks)
		r = judge(task->settings, "check", &argv, &e);
	if (r != 0 || !checks || task->only_looks)
		return hook_call_answer(task->loop, r == 0 ? NULL : &e, done, arg);
	if (task->caller != NULL)
		strlist_add(&environment, task->caller);
	deployer_environment(task, &environment);
	return hook_call_child(task->loop, &request, done, arg);
}

static struct hook_call *exec_reload(const struct deployer_task *task, hook_done *done, void *arg)
{
	const char *action = action_of(task->settings);
	struct strlist argv AUTO_STRLIST = {0};
	struct strlist environment AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv, .environment = &environment};
	struct err e = {0};

	if (program_command(task->settings, action, &argv, &e) != 0)
		return hook_call_answer(task->loop, &e, done, arg);
	if (task->caller != NULL)
		strlist_add(&environment, task->caller);
	if (str_equal(action, "command"))
		deployer_environment(task, &environment);
	return hook_call_child(task->loop, &request, done, arg);
}

const struct deployer_ops deployer_exec = {
	.name = "exec",
	.check = exec_check,
	.reload = exec_reload,
};
