/* SPDX-License-Identifier: MIT
 *
 * owner — who is alive. A process is a file STATE/owners/ID that it holds with flock for life: the
 * kernel gives the lock back however the process ends, so there is no clock, pid or renewal that
 * could lie.
 */
#include "store/internal.h"

#include "base/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNERS          "owners"
#define OWNER_PATH_SIZE (sizeof(OWNERS) + STORE_ID_SIZE)
#define OWNER_TRIES     16

/* Ids come back to us from rows: one that is not ours by form must not become a path. */
static bool owner_is_id(const char *owner)
{
	return strlen(owner) == STORE_ID_SIZE - 1 &&
	       strspn(owner, "0123456789abcdef") == STORE_ID_SIZE - 1;
}

static void owner_path(char path[OWNER_PATH_SIZE], const char *owner)
{
	snprintf(path, OWNER_PATH_SIZE, OWNERS "/%.32s", owner);
}

static int owner_id(char id[STORE_ID_SIZE], struct err *e)
{
	uint8_t random[(STORE_ID_SIZE - 1) / 2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_sys(e, ERR_SYS, "cannot get random bytes");
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(id + 2 * i, 3, "%02x", random[i]);
	return 0;
}

/* Between making the file and locking it, it looks dead. No row names it yet, so only the sweep of
 * owner_prune can meet it then: it has the lock for a moment (flock fails), or has removed the file
 * (no name is left). Either way *ret_fd is -1 and the caller takes another id. */
static int owner_try(struct store *s, const char *id, int *ret_fd, struct err *e)
{
	int fd AUTO_FD = -1;
	char path[OWNER_PATH_SIZE];
	struct stat st;

	owner_path(path, id);
	if (!FAULT_FAILS("owner.make"))
		fd = openat(s->dir_fd, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
	if (fd < 0 || fchmod(fd, 0600) != 0) /* open heeds the umask */
		return err_sys(e, ERR_SYS, "cannot make %s/%s", s->dir, path);
	FAULT("owner.lock");
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		FAULT("owner.made");
		if (fstat(fd, &st) == 0 && st.st_nlink == 1) {
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
	} else if (errno != EWOULDBLOCK && errno != EINTR) {
		int r = err_sys(e, ERR_SYS, "cannot lock %s/%s", s->dir, path);

		unlinkat(s->dir_fd, path, 0);
		return r;
	}
	unlinkat(s->dir_fd, path, 0);
	*ret_fd = -1;
	return 0;
}

int owner_make(struct store *s, struct err *e)
{
	char id[STORE_ID_SIZE];
	int fd = -1;
	int r;

	for (int i = 0; i < OWNER_TRIES; i++) {
		r = owner_id(id, e);
		if (r == 0)
			r = owner_try(s, id, &fd, e);
		if (r != 0)
			return r;
		if (fd >= 0) {
			memcpy(s->owner, id, sizeof(id));
			s->owner_fd = fd;
			return 0;
		}
	}
	return err_set(e, ERR_SYS, "somebody keeps removing the files in %s/" OWNERS, s->dir);
}

void owner_give_up(struct store *s)
{
	char path[OWNER_PATH_SIZE];

	if (s->owner_fd < 0)
		return;
	owner_path(path, s->owner);
	FAULT("owner.remove");
	unlinkat(s->dir_fd, path, 0); /* before the lock goes, so that nobody sweeps it twice */
	FAULT("owner.removed");
	close(s->owner_fd);
	s->owner_fd = -1;
}

/* A shared lock, so that two who ask at once do not take each other for the owner. */
static bool owner_holds(int owners_fd, const char *path)
{
	int fd AUTO_FD = openat(owners_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno != ENOENT; /* no descriptor left is no reason to take a row away */
	return flock(fd, LOCK_SH | LOCK_NB) != 0;
}

bool owner_alive(const struct store *s, const char *owner)
{
	char path[OWNER_PATH_SIZE];

	if (!owner_is_id(owner))
		return false;
	if (strcmp(owner, s->owner) == 0)
		return true;
	owner_path(path, owner);
	return owner_holds(s->dir_fd, path);
}

static void auto_dir(DIR **d)
{
	if (*d != NULL)
		closedir(*d);
}

/* The lock is kept until the name is gone: whoever made the file and could lock it has a name. */
static void owner_sweep(int owners_fd, const char *owner)
{
	int fd AUTO_FD = openat(owners_fd, owner, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) != 0)
		return;
	FAULT("owner.sweep");
	unlinkat(owners_fd, owner, 0);
	FAULT("owner.swept");
}

int owner_prune(struct store *s, struct err *e)
{
	DIR *d AUTO(auto_dir) = NULL;
	int fd = openat(s->dir_fd, OWNERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, ERR_SYS, "cannot open %s/" OWNERS, s->dir);
	d = fdopendir(fd);
	if (d == NULL) {
		int r = err_sys(e, ERR_SYS, "cannot read %s/" OWNERS, s->dir);

		close(fd);
		return r;
	}
	for (;;) {
		const struct dirent *entry = readdir(d);

		if (entry == NULL)
			return 0;
		if (owner_is_id(entry->d_name) && strcmp(entry->d_name, s->owner) != 0)
			owner_sweep(dirfd(d), entry->d_name);
	}
}
