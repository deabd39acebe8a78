/* SPDX-License-Identifier: MIT
 *
 * solver_webroot — http-01 (RFC 8555 8.3) through a web server that runs already: a file below
 * the folder it serves.
 *
 * DIR itself may be a symbolic link, the operator named it. Below it no link is followed: who may
 * write to a web site must not be able to send our files elsewhere. The folders
 * that we make stay, because the server may have been told about them.
 */
#include "hooks/folder.h"
#include "hooks/solver.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const char *const folders[] = {".well-known", "acme-challenge"};

static bool webroot_handles(const char *type, bool wildcard)
{
	return str_equal(type, "http-01") && !wildcard;
}

/* One that is missing and not required leaves *ret_fd untouched, without an error. */
static int open_root(const struct json *settings, bool required, int *ret_fd, struct err *e)
{
	const char *path = json_get_text(settings, "directory");
	int fd;

	if (path == NULL || path[0] != '/')
		return err_set(e, ERR_CONFIG,
			       "\"directory\" of a webroot has to be a full path, starting with /");
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !required)
		return 0;
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_CONFIG,
			       "the webroot %s does not exist: make it, or correct its path", path);
	if (fd < 0)
		return err_sys(e, ERR_CONFIG, "cannot use the webroot %s", path);
	*ret_fd = fd;
	return 0;
}

/* *fd moves one folder down, made first if asked. ENOENT without an error: it stays where it is
 * and *ret_there is false. */
static int descend(int *fd, const char *name, bool make, bool *ret_there, struct err *e)
{
	int below AUTO_FD = -1;
	int r = make ? folder_make_at(*fd, name, 0755, e) : 0;

	if (r != 0)
		return r;
	below = folder_open_at(*fd, name, O_PATH);
	if (below < 0 && errno == ENOENT && !make) {
		*ret_there = false;
		return 0;
	}
	if (below < 0 && (errno == ELOOP || errno == ENOTDIR))
		return err_set(
			e, ERR_CONFIG,
			"%s in the webroot is a symbolic link or a file: everleaf follows no "
			"links there, so make it a directory",
			name);
	if (below < 0)
		return err_sys(e, ERR_CONFIG, "cannot open %s in the webroot", name);
	auto_close(fd);
	*fd = TAKE_FD(below);
	*ret_there = true;
	return 0;
}

/* *fd goes from the root as deep as there are folders; *ret_there: down to the answers. */
static int descend_all(int *fd, bool make, bool *ret_there, struct err *e)
{
	int r = 0;

	*ret_there = true;
	for (size_t i = 0; r == 0 && *ret_there && i < COUNT_OF(folders); i++)
		r = descend(fd, folders[i], make, ret_there, e);
	return r;
}

/* Changes nothing: looks whether the deepest folder that exists takes new files. */
static int webroot_check(const struct json *settings, struct err *e)
{
	int fd AUTO_FD = -1;
	bool there;
	int r;

	r = open_root(settings, true, &fd, e);
	if (r != 0)
		return r;
	r = descend_all(&fd, false, &there, e);
	if (r != 0)
		return r;
	if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return err_sys(e, ERR_CONFIG, "cannot write to the webroot %s",
			       json_get_text(settings, "directory"));
	return 0;
}

static int publish(const struct solver_task *task, struct err *e)
{
	int fd AUTO_FD = -1;
	bool there;
	int r;

	r = open_root(task->settings, true, &fd, e);
	if (r != 0)
		return r;
	r = descend_all(&fd, true, &there, e);
	if (r != 0)
		return r;
	return answer_write(fd, task->token, task->key_authorization, e);
}

static int take_back(const struct solver_task *task, struct err *e)
{
	int fd AUTO_FD = -1;
	bool there;
	int r;

	r = open_root(task->settings, false, &fd, e);
	if (r != 0 || fd < 0)
		return r; /* without a webroot nothing can be in it */
	r = descend_all(&fd, false, &there, e);
	if (r != 0 || !there)
		return r;
	return answer_remove(fd, task->token, e);
}

/* May run again after a crash: the same answer that is there already is success. */
static struct hook_call *webroot_present(const struct solver_task *task, hook_done *done, void *arg)
{
	struct err e = {0};
	int r = publish(task, &e);

	if (r != 0)
		err_while(&e, "publishing for %s", task->identifier);
	return hook_call_answer(task->loop, r == 0 ? NULL : &e, done, arg);
}

static struct hook_call *webroot_withdraw(const struct solver_task *task, hook_done *done,
					  void *arg)
{
	struct err e = {0};
	int r = take_back(task, &e);

	if (r != 0)
		err_while(&e, "withdrawing the answer for %s", task->identifier);
	return hook_call_answer(task->loop, r == 0 ? NULL : &e, done, arg);
}

const struct solver_ops solver_webroot = {
	.name = "webroot",
	.handles = webroot_handles,
	.check = webroot_check,
	.present = webroot_present,
	.withdraw = webroot_withdraw,
};
