/* SPDX-License-Identifier: MIT
 *
 * solver_exec — http-01 through a program of the operator's:
 *
 *     COMMAND… present|withdraw      exit code 0: done
 *
 * What it has to know is in its environment (everleaf-hooks(7)). Nothing that a CA chose is ever
 * an argument: a token may begin with "-".
 */
#include "acme/types.h"
#include "hooks/program.h"
#include "hooks/solver.h"

static bool exec_handles(const char *type, bool wildcard)
{
	return str_equal(type, "http-01") && !wildcard;
}

static int exec_check(const struct json *settings, struct err *e)
{
	struct strlist argv AUTO_STRLIST = {0};
	int r = program_command(settings, "command", &argv, e);

	if (r != 0)
		return r;
	return child_check_command(&argv, e);
}

static int describe(const struct solver_task *task, const char *action, struct strlist *environment,
		    struct err *e)
{
	if (!acme_token_ok(task->token))
		return err_set(e, ERR_PROTOCOL,
			       "the CA's token is not 22 to 128 characters of base64url: it is not "
			       "handed to a program");
	if (task->caller != NULL)
		strlist_add(environment, task->caller);
	strlist_addf(environment, "EVERLEAF_ACTION=%s", action);
	strlist_addf(environment, "EVERLEAF_TYPE=%s", task->type);
	strlist_addf(environment, "EVERLEAF_IDENTIFIER=%s", task->identifier);
	strlist_addf(environment, "EVERLEAF_TOKEN=%s", task->token);
	if (task->key_authorization != NULL)
		strlist_addf(environment, "EVERLEAF_KEY_AUTHORIZATION=%s", task->key_authorization);
	return 0;
}

static struct hook_call *run(const struct solver_task *task, const char *action, hook_done *done,
			     void *arg)
{
	struct strlist argv AUTO_STRLIST = {0};
	struct strlist environment AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv, .environment = &environment};
	struct err e = {0};
	int r;

	r = program_command(task->settings, "command", &argv, &e);
	if (r == 0)
		r = describe(task, action, &environment, &e);
	if (r != 0)
		return hook_call_answer(task->loop, &e, done, arg);
	strlist_add(&argv, action);
	return hook_call_child(task->loop, &request, done, arg);
}

static struct hook_call *exec_present(const struct solver_task *task, hook_done *done, void *arg)
{
	return run(task, "present", done, arg);
}

static struct hook_call *exec_withdraw(const struct solver_task *task, hook_done *done, void *arg)
{
	return run(task, "withdraw", done, arg);
}

const struct solver_ops solver_exec = {
	.name = "exec",
	.handles = exec_handles,
	.check = exec_check,
	.present = exec_present,
	.withdraw = exec_withdraw,
};
