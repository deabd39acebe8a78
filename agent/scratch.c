/* SPDX-License-Identifier: MIT
 *
 * scratch — see the header.
 */
#include "agent/scratch.h"

#include "base/mem.h"
#include "base/path.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define DEPTH 8 /* descriptors that nftw may use */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, DEPTH, FTW_DEPTH | FTW_PHYS);
}

static int lock(const char *path, int *ret_fd, struct err *e)
{
	int fd AUTO_FD = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
		return err_sys(e, ERR_SYS, "cannot lock %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Whoever can lock a folder finds nobody at home. One that was just made and is not locked yet may
 * be taken for such: then its maker cannot lock it, and says so. */
bool scratch_take(const char *state, const struct clock *clock, struct scratch **ret_scratch)
{
	AUTO_FREE char *folder = mem_printf("%s/scratch", state);
	struct scratch *s = NULL;
	const struct dirent *entry;
	DIR *d = opendir(folder);

	while (s == NULL && d != NULL && (entry = readdir(d)) != NULL) {
		AUTO_FREE char *path = mem_printf("%s/%s", folder, entry->d_name);
		int fd AUTO_FD = -1;

		if (entry->d_name[0] == '.' || lock(path, &fd, NULL) != 0)
			continue;
		s = mem_new(sizeof(*s));
		s->dir = TAKE(path);
		s->fd = TAKE_FD(fd);
		(void)store_open(s->dir, clock, &s->store, NULL);
	}
	if (d != NULL)
		closedir(d);
	*ret_scratch = s;
	return s != NULL;
}

int scratch_new(const char *state, const struct clock *clock, struct scratch **ret_scratch,
		struct err *e)
{
	AUTO_FREE char *folder = mem_printf("%s/scratch", state);
	struct scratch *s;
	const struct path_rule rule = {.cannot = "cannot use", .refused = "is not used"};
	int fd AUTO_FD = -1;
	int r = path_make_folder(folder, 0700, &rule, &fd, e);

	if (r != 0)
		return r;
	s = mem_new(sizeof(*s));
	s->fd = -1;
	s->dir = mem_printf("%s/XXXXXX", folder);
	if (mkdtemp(s->dir) == NULL)
		r = err_sys(e, ERR_SYS, "cannot make a folder in %s", folder);
	if (r == 0)
		r = lock(s->dir, &s->fd, e);
	if (r == 0)
		r = store_open(s->dir, clock, &s->store, e);
	if (r != 0) {
		scratch_free(s);
		return r;
	}
	*ret_scratch = s;
	return 0;
}

void scratch_free(struct scratch *s)
{
	if (s == NULL)
		return;
	store_free(s->store);
	remove_tree(s->dir);
	auto_close(&s->fd);
	free(s->dir);
	free(s);
}
