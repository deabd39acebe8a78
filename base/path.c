/* SPDX-License-Identifier: MIT
 *
 * path — the only place that decides whether somebody else could change what a path leads to.
 *
 * The path is walked by us, one component after the other, each opened without following links: so
 * every folder and every link on the way is seen and judged, and what is opened in the end is what
 * was reached through them.
 */
#include "base/path.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAX_LINKS   40 /* as the kernel's own walk */
#define PARENT_MODE 0755

enum end {
	END_FILE = 0,
	END_FOLDER,
	END_MADE,    /* a folder; what is missing is made */
	END_NEAREST, /* a folder, or the deepest one that is there */
};

struct walk {
	const char *path; /* as the operator wrote it; borrowed */
	const struct path_rule *rule;
	enum end end;
	mode_t mode; /* of the last one that is made */
	char *rest;  /* what is still to be walked; owned */
	size_t own;  /* how much at the end of rest is the operator's and no link's */
	int dir;     /* where we are; owned */
	int file;    /* the end, if it is a file; owned */
	int links;
	uid_t root; /* who owns "/" */
	bool missing;
};

static void walk_clear(struct walk *w)
{
	auto_free(&w->rest);
	auto_close(&w->dir);
	auto_close(&w->file);
}

/* --- judging ------------------------------------------------------------------------------ */

/* What a descriptor is called now, for sentences only. */
static const char *name_of(int fd, char name[PATH_MAX])
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, name, PATH_MAX - 1);
	if (len < 0)
		return "DIR"; /* no /proc */
	name[len] = '\0';
	return name;
}

/* Who it should belong to, for a command line. */
static const char *us(char name[32])
{
	snprintf(name, 32, geteuid() == 0 ? "root" : "%u", (unsigned)geteuid());
	return name;
}

static bool is_trusted(const struct walk *w, uid_t user)
{
	return user == 0 || user == geteuid() || user == w->root;
}

static bool is_private_group(const struct stat *st)
{
	const struct passwd *user = getpwuid(st->st_uid);
	const struct group *group = getgrgid(st->st_gid);

	if (user == NULL || group == NULL || user->pw_gid != st->st_gid ||
	    !str_equal(user->pw_name, group->gr_name))
		return false;
	for (char *const *member = group->gr_mem; *member != NULL; member++)
		if (!str_equal(*member, user->pw_name))
			return false;
	return true;
}

/* Which of these bits let somebody in. */
static mode_t harmful(int fd, const struct stat *st, mode_t bits)
{
	mode_t bad = st->st_mode & bits;
	struct statvfs fs;

	if ((bad & S_IWGRP) != 0 && (st->st_gid == 0 || is_private_group(st)))
		bad &= ~(mode_t)S_IWGRP;
	if ((bad & (S_IWGRP | S_IWOTH)) != 0 && fstatvfs(fd, &fs) == 0 &&
	    (fs.f_flag & ST_RDONLY) != 0)
		bad &= ~(mode_t)(S_IWGRP | S_IWOTH);
	return bad;
}

/* Whoever may write to a folder may put something else there; in a sticky one only the owners of
 * what is in it, and its own, may. */
static int judge_way(const struct walk *w, int fd, const struct stat *st, struct err *e)
{
	char name[PATH_MAX], owner[32];

	name_of(fd, name);
	if (!is_trusted(w, st->st_uid) && st->st_uid != w->rule->owner)
		return err_set(e, ERR_CONFIG,
			       "%s %s: the directory %s belongs to user %u, who could replace it: "
			       "run chown %s %s",
			       w->path, w->rule->refused, name, (unsigned)st->st_uid, us(owner),
			       name);
	if ((st->st_mode & S_ISVTX) == 0 && harmful(fd, st, S_IWGRP | S_IWOTH) != 0)
		return err_set(e, ERR_CONFIG,
			       "%s %s: others may write to the directory %s and could replace it: "
			       "run chmod go-w %s",
			       w->path, w->rule->refused, name, name);
	return 0;
}

static int judge_end(const struct walk *w, int fd, const struct stat *st, struct err *e)
{
	const mode_t bad = harmful(fd, st, w->rule->forbidden);
	const bool folder = S_ISDIR(st->st_mode);
	char name[PATH_MAX], owner[32];

	name_of(fd, name);
	if (!is_trusted(w, st->st_uid) && !(folder && st->st_uid == w->rule->owner))
		return err_set(e, ERR_CONFIG,
			       "%s %s: it belongs to user %u (only root and the user running "
			       "everleaf may own it): run chown %s %s",
			       w->path, w->rule->refused, (unsigned)st->st_uid, us(owner), name);
	if ((bad & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_CONFIG,
			       "%s %s: others may write to it (mode %04o): run chmod %s-w %s",
			       w->path, w->rule->refused, (unsigned)st->st_mode & 07777,
			       (w->rule->forbidden & S_IWGRP) != 0 ? "go" : "o", name);
	if (bad != 0)
		return err_set(e, ERR_CONFIG,
			       "%s %s: everybody may read it (mode %04o): run chmod o-r %s",
			       w->path, w->rule->refused, (unsigned)st->st_mode & 07777, name);
	return 0;
}

/* --- walking ------------------------------------------------------------------------------ */

static int enter(struct walk *w, int *fd, const struct stat *st, struct err *e)
{
	const bool last = *w->rest == '\0' && w->end != END_FILE;
	int r = 0;

	if (last && w->rule->forbidden != 0)
		r = judge_end(w, *fd, st, e);
	else if (!last || !w->rule->end_free)
		r = judge_way(w, *fd, st, e);
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
	w->root = st.st_uid;
	return enter(w, &fd, &st, e);
}

static int not_a_folder(const struct walk *w, struct err *e)
{
	if (*w->rest == '\0')
		return err_set(e, ERR_CONFIG, "%s is %s", w->path,
			       w->rule->no_link
				       ? "a symbolic link or a file: give a directory itself"
				       : "not a directory");
	errno = ENOTDIR;
	return err_sys(e, ERR_CONFIG, "%s %s", w->rule->cannot, w->path);
}

/* Puts the link's target in front of what is still to be walked. In a sticky directory anybody
 * may have made the link, so its owner counts too. */
static int follow(struct walk *w, int fd, const struct stat *st, struct err *e)
{
	char target[PATH_MAX];
	char *rest;
	ssize_t len;

	if (w->rule->no_link && *w->rest == '\0')
		return not_a_folder(w, e);
	if (!is_trusted(w, st->st_uid))
		return err_set(e, ERR_CONFIG,
			       "%s %s: a symbolic link on the way belongs to user %u, who could "
			       "lead it elsewhere: give the path that it leads to",
			       w->path, w->rule->refused, (unsigned)st->st_uid);
	if (++w->links > MAX_LINKS)
		return err_set(e, ERR_CONFIG, "%s leads through too many symbolic links", w->path);
	len = readlinkat(fd, "", target, sizeof(target) - 1);
	if (len < 0)
		return err_sys(e, ERR_SYS, "cannot read a symbolic link of %s", w->path);
	target[len] = '\0';

	rest = mem_printf("%s%s%s", target, *w->rest == '\0' ? "" : "/", w->rest);
	if (w->own > strlen(w->rest))
		w->own = strlen(w->rest);
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

/* As a directory first: that is what an automounter waits for. */
static int open_component(int dir_fd, const char *component)
{
	const int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir_fd, component, flags | O_DIRECTORY);

	return fd < 0 && errno == ENOTDIR ? openat(dir_fd, component, flags) : fd;
}

/* A new folder in w->dir; one that another process made meanwhile is fine, and judged as any. Not
 * a chmod afterwards: a crash in between would leave it closed to a server for ever. */
static int make_component(const struct walk *w, const char *component, struct err *e)
{
	const mode_t mask = umask(0);
	const mode_t mode = *w->rest == '\0' ? w->mode : PARENT_MODE;
	const int r = FAULT_FAILS("path.mkdir") ? -1 : mkdirat(w->dir, component, mode);
	int parent AUTO_FD = -1;

	umask(mask);
	if (r != 0 && errno != EEXIST)
		return err_sys(e, ERR_SYS, "cannot make the directory %s", w->path);
	FAULT("path.made");
	parent = openat(w->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return err_sys(e, ERR_SYS, "cannot open the directory above %s", w->path);
	return file_sync(parent, w->path, e);
}

static int open_end(struct walk *w, const char *component, struct err *e)
{
	struct stat st;

	w->file = openat(w->dir, component,
			 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (w->file < 0 || fstat(w->file, &st) != 0)
		return err_sys(e, ERR_CONFIG, "cannot open %s", w->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFIG, "%s is not a regular file", w->path);
	return judge_end(w, w->file, &st, e);
}

/* One component: a folder is entered, a link followed, a file is the end. own: the operator wrote
 * it, and no link. */
static int step(struct walk *w, const char *component, bool own, struct err *e)
{
	int fd AUTO_FD = open_component(w->dir, component);
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT && w->end == END_NEAREST) {
		w->missing = true;
		return 0;
	}
	if (fd < 0 && errno == ENOENT && w->end == END_MADE && own) {
		r = make_component(w, component, e);
		if (r != 0)
			return r;
		fd = open_component(w->dir, component);
	}
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_sys(e, ERR_CONFIG, "%s %s", w->rule->cannot, w->path);
	if (S_ISLNK(st.st_mode))
		return follow(w, fd, &st, e);
	if (S_ISDIR(st.st_mode))
		return enter(w, &fd, &st, e);
	if (w->end != END_FILE)
		return not_a_folder(w, e);
	if (!S_ISREG(st.st_mode) || *w->rest != '\0')
		return err_set(e, ERR_CONFIG, "%s is not a regular file", w->path);
	return open_end(w, component, e);
}

static int walk(struct walk *w, struct err *e)
{
	char component[NAME_MAX + 2];
	int r = enter_root(w, e);

	while (r == 0 && w->file < 0 && !w->missing) {
		const bool own = strlen(w->rest) <= w->own;

		if (next_component(w, component))
			r = step(w, component, own, e);
		else if (w->end == END_FILE)
			return err_set(e, ERR_CONFIG, "%s is a directory, not a file", w->path);
		else
			return 0;
	}
	return r;
}

static int walk_from_here(struct walk *w, struct err *e)
{
	AUTO_FREE char *here = NULL;

	if (w->path[0] == '\0') {
		errno = ENOENT;
		return err_sys(e, ERR_CONFIG, "%s \"\"", w->rule->cannot);
	}
	if (w->path[0] != '/') {
		here = getcwd(NULL, 0);
		if (here == NULL || here[0] != '/')
			return err_set(e, ERR_CONFIG,
				       "%s %s: nobody can say which directory it begins in: give "
				       "its full path",
				       w->rule->cannot, w->path);
	}
	w->rest = here != NULL ? mem_printf("%s/%s", here, w->path) : mem_str(w->path);
	w->own = strlen(w->rest);
	return walk(w, e);
}

/* --- the doors ---------------------------------------------------------------------------- */

int path_open_file(const char *path, const struct path_rule *rule, int *ret_fd, struct err *e)
{
	struct walk w AUTO(walk_clear) = {path, rule, END_FILE, .dir = -1, .file = -1};
	int r = walk_from_here(&w, e);

	if (r == 0)
		*ret_fd = TAKE_FD(w.file);
	return r;
}

int path_open_folder(const char *path, const struct path_rule *rule, int *ret_fd, struct err *e)
{
	struct walk w AUTO(walk_clear) = {path, rule, END_FOLDER, .dir = -1, .file = -1};
	int r = walk_from_here(&w, e);

	if (r == 0)
		*ret_fd = TAKE_FD(w.dir);
	return r;
}

int path_make_folder(const char *path, mode_t mode, const struct path_rule *rule, int *ret_fd,
		     struct err *e)
{
	struct walk w AUTO(walk_clear) = {path, rule, END_MADE, mode, .dir = -1, .file = -1};
	int r = walk_from_here(&w, e);

	if (r == 0)
		*ret_fd = TAKE_FD(w.dir);
	return r;
}

int path_open_nearest(const char *path, const struct path_rule *rule, int *ret_fd, char **ret_above,
		      struct err *e)
{
	struct walk w AUTO(walk_clear) = {path, rule, END_NEAREST, .dir = -1, .file = -1};
	char name[PATH_MAX];
	int r = walk_from_here(&w, e);

	if (r != 0)
		return r;
	if (w.missing)
		*ret_above = mem_str(name_of(w.dir, name));
	*ret_fd = TAKE_FD(w.dir);
	return 0;
}
