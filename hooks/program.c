/* SPDX-License-Identifier: MIT
 *
 * program — the only place that decides whether a program may be run.
 *
 * The path is walked by us, one component after the other, each opened without following links:
 * so every directory and every link on the way is seen and judged, and the file that is judged in
 * the end is the one that was reached through them.
 */
#include "hooks/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LINKS 40 /* as the kernel's own walk */

struct walk {
	const char *path; /* as the operator wrote it; borrowed */
	char *rest;       /* what is still to be walked; owned */
	int dir;          /* where we are; owned */
	int links;
};

static void walk_clear(struct walk *w)
{
	auto_free(&w->rest);
	auto_close(&w->dir);
}

/* What a descriptor is called now, for sentences only. */
static const char *name_of(int fd, char name[PATH_MAX])
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, name, PATH_MAX - 1);
	if (len < 0)
		return "a directory above it";
	name[len] = '\0';
	return name;
}

static bool trusted_owner(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* Whoever may write to a directory may put another program there; in a sticky one (/tmp) only the
 * file's and the directory's owner may. */
static int judge_directory(const struct walk *w, int fd, const struct stat *st, struct err *e)
{
	char name[PATH_MAX];

	if (!trusted_owner(st))
		return err_set(e, ERR_CONFIG,
			       "%s is not run: %s belongs to user %u, who could replace it (only "
			       "root and the user running everleaf may own the directories above "
			       "a program)",
			       w->path, name_of(fd, name), (unsigned)st->st_uid);
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st->st_mode & S_ISVTX) == 0)
		return err_set(e, ERR_CONFIG,
			       "%s is not run: others may write to the directory %s and could "
			       "replace it (chmod go-w)",
			       w->path, name_of(fd, name));
	return 0;
}

static int judge_file(const struct walk *w, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_sys(e, ERR_SYS, "cannot examine %s", w->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFIG, "%s is not a program but something else", w->path);
	if (!trusted_owner(&st))
		return err_set(e, ERR_CONFIG,
			       "%s is not run: it belongs to user %u (only root and the user "
			       "running everleaf may own it)",
			       w->path, (unsigned)st.st_uid);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_CONFIG,
			       "%s is not run: others may write to it (mode %04o; chmod go-w)",
			       w->path, (unsigned)st.st_mode & 07777);
	if (faccessat(fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) != 0)
		return err_set(e, ERR_CONFIG,
			       "%s is not executable for us (chmod +x; or its file system is "
			       "mounted noexec)",
			       w->path);
	return 0;
}

static int enter(struct walk *w, int *fd, const struct stat *st, struct err *e)
{
	int r = judge_directory(w, *fd, st, e);

	if (r != 0)
		return r;
	auto_close(&w->dir);
	w->dir = TAKE_FD(*fd);
	return 0;
}

static int enter_root(struct walk *w, struct err *e)
{
	int fd AUTO_FD = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_sys(e, ERR_SYS, "cannot open /");
	return enter(w, &fd, &st, e);
}

/* Puts the link's target in front of what is still to be walked. In a sticky directory anybody
 * may have made the link, so its owner counts too. */
static int follow(struct walk *w, int fd, const struct stat *st, struct err *e)
{
	char target[PATH_MAX];
	char *rest;
	ssize_t len;

	if (!trusted_owner(st))
		return err_set(e, ERR_CONFIG,
			       "%s is not run: a symbolic link on the way belongs to user %u",
			       w->path, (unsigned)st->st_uid);
	if (++w->links > MAX_LINKS)
		return err_set(e, ERR_CONFIG, "%s leads through too many symbolic links", w->path);
	len = readlinkat(fd, "", target, sizeof(target) - 1);
	if (len < 0)
		return err_sys(e, ERR_SYS, "cannot read a symbolic link of %s", w->path);
	target[len] = '\0';

	rest = mem_printf("%s%s%s", target, *w->rest == '\0' ? "" : "/", w->rest);
	auto_free(&w->rest);
	w->rest = rest;
	return target[0] == '/' ? enter_root(w, e) : 0;
}

/* Takes the next component off w->rest. False: none is left. */
static bool next_component(struct walk *w, char component[NAME_MAX + 2])
{
	const char *start = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(start, "/");
	const char *after = start + len;

	/* one byte more than a name may have: the kernel then says ENAMETOOLONG for us */
	snprintf(component, NAME_MAX + 2, "%.*s", (int)(len > NAME_MAX ? NAME_MAX + 1 : len),
		 start);
	after += strspn(after, "/");
	memmove(w->rest, after, strlen(after) + 1);
	return len > 0;
}

/* One component: a directory is entered, a link followed, a file is the end (*ret_fd ≥ 0). */
static int step(struct walk *w, const char *component, int *ret_fd, struct err *e)
{
	int fd AUTO_FD = openat(w->dir, component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_sys(e, ERR_CONFIG, "cannot run %s", w->path);
	if (S_ISLNK(st.st_mode))
		return follow(w, fd, &st, e);
	if (S_ISDIR(st.st_mode))
		return enter(w, &fd, &st, e);
	if (!S_ISREG(st.st_mode) || *w->rest != '\0')
		return err_set(e, ERR_CONFIG, "%s is not a program but something else", w->path);

	auto_close(&fd);
	fd = openat(w->dir, component, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, ERR_CONFIG, "cannot open %s", w->path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int walk(struct walk *w, int *ret_fd, struct err *e)
{
	char component[NAME_MAX + 2];
	int r = enter_root(w, e);

	while (r == 0 && *ret_fd < 0) {
		if (!next_component(w, component))
			return err_set(e, ERR_CONFIG, "%s is a directory, not a program", w->path);
		r = step(w, component, ret_fd, e);
	}
	return r;
}

int program_open(const char *path, int *ret_fd, struct err *e)
{
	struct walk w AUTO(walk_clear) = {.path = path, .dir = -1};
	int fd AUTO_FD = -1;
	int r;

	if (path[0] != '/')
		return err_set(e, ERR_CONFIG,
			       "the program \"%s\" has to be given by its full path, starting "
			       "with /",
			       path);
	w.rest = mem_str(path);
	r = walk(&w, &fd, e);
	if (r != 0)
		return r;
	r = judge_file(&w, fd, e);
	if (r != 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int program_command(const struct json *settings, const char *member, struct strlist *argv,
		    struct err *e)
{
	const struct json *command = json_get(settings, member);
	size_t count = json_count(command);
	const char *path = json_text(json_at(command, 0));

	if (count == 0 || count > PROGRAM_MAX_ARGUMENTS)
		return err_set(e, ERR_CONFIG,
			       "\"%s\" has to be a list of a program and its arguments, at most %d",
			       member, PROGRAM_MAX_ARGUMENTS);
	for (size_t i = 0; i < count; i++)
		if (json_text(json_at(command, i)) == NULL)
			return err_set(e, ERR_CONFIG, "item %zu of \"%s\" is no text", i + 1,
				       member);
	if (path[0] != '/')
		return err_set(e, ERR_CONFIG,
			       "the program \"%s\" has to be given by its full path, starting "
			       "with /",
			       path);
	for (size_t i = 0; i < count; i++)
		strlist_add(argv, json_text(json_at(command, i)));
	return 0;
}
