/* SPDX-License-Identifier: MIT
 *
 * answers — files whose name a CA has chosen. The name is judged once more right here, so that
 * no solver can forget it: with this a CA could write anywhere.
 *
 * An answer appears whole or not at all. It is not brought to the disk: after a power cut the
 * order presents it again.
 */
#include "acme/types.h"
#include "base/fault.h"
#include "base/file.h"
#include "hooks/folder.h"
#include "hooks/solver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_TRIES 3 /* others that write the same name at the same time */

enum found {
	FOUND_NOTHING = 0,
	FOUND_SAME,  /* the content is there already */
	FOUND_OTHER, /* a file of ours with another content */
};

static int judge_token(const char *token, struct err *e)
{
	if (acme_token_ok(token))
		return 0;
	return err_set(e, ERR_PROTOCOL,
		       "the CA's token is not 22 to 128 characters of base64url: refused, because "
		       "it would become the name of a file");
}

/* Whether the file holds exactly content. */
static bool holds(int fd, const char *content)
{
	size_t len = strlen(content);
	AUTO_FREE char *data = mem_new(len + 1);
	size_t got = 0;
	ssize_t n;

	do {
		n = read(fd, data + got, len + 1 - got);
		if (n > 0)
			got += (size_t)n;
	} while (n > 0 && got <= len);
	return n == 0 && got == len && memcmp(data, content, len) == 0;
}

static int look(int dir_fd, const char *token, const char *content, enum found *ret_found,
		struct err *e)
{
	int fd AUTO_FD =
		openat(dir_fd, token, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		*ret_found = FOUND_NOTHING;
		return 0;
	}
	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_CONFIG,
			       "somebody put a symbolic link where the answer %s has to be: "
			       "remove it, and see who may write there",
			       token);
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_sys(e, ERR_CONFIG, "cannot open the file at the place of the answer %s",
			       token);
	if (S_ISREG(st.st_mode) && holds(fd, content)) {
		*ret_found = FOUND_SAME;
		return 0;
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return err_set(e, ERR_CONFIG,
			       "at the place of the answer %s is something that is not ours: "
			       "remove it, and see who may write there",
			       token);
	*ret_found = FOUND_OTHER;
	return 0;
}

/* Hidden, and with the token in it so that answer_remove finds what a crash left behind. */
static int temporary_name(const char *token, char name[NAME_MAX], struct err *e)
{
	char suffix[FOLDER_SUFFIX_SIZE];
	int r = folder_random_suffix(suffix, e);

	if (r == 0)
		snprintf(name, NAME_MAX, ".%s.%s.tmp", token, suffix);
	return r;
}

static int write_temporary(int dir_fd, const char *name, const char *content, struct err *e)
{
	int fd AUTO_FD = -1;

	if (!FAULT_FAILS("answer.create"))
		fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0644);
	if (fd < 0)
		return err_sys(e, ERR_SYS, "cannot make a file for the answer");
	FAULT("answer.created");
	if (fchmod(fd, 0644) != 0) /* whatever the umask: a web server has to read it */
		return err_sys(e, ERR_SYS, "cannot make the answer readable");
	return file_write_all(fd, content, strlen(content), e);
}

/* Gives the file its name. A name that was free must still be: EEXIST otherwise. */
static int give_name(int dir_fd, const char *temporary, const char *token, enum found found)
{
	if (FAULT_FAILS("answer.name"))
		return -1;
	if (found == FOUND_OTHER)
		return renameat(dir_fd, temporary, dir_fd, token); /* replaces a link, too */
	if (renameat2(dir_fd, temporary, dir_fd, token, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* a file system that cannot, NFS for one */
	if (linkat(dir_fd, temporary, dir_fd, token, 0) != 0)
		return -1;
	unlinkat(dir_fd, temporary, 0);
	return 0;
}

/* *ret_again: somebody else was faster at this name. */
static int publish(int dir_fd, const char *token, const char *content, bool *ret_again,
		   struct err *e)
{
	char temporary[NAME_MAX];
	enum found found = FOUND_NOTHING;
	int r;

	r = look(dir_fd, token, content, &found, e);
	if (r != 0 || found == FOUND_SAME)
		return r;
	r = temporary_name(token, temporary, e);
	if (r != 0)
		return r;
	r = write_temporary(dir_fd, temporary, content, e);
	if (r == 0 && give_name(dir_fd, temporary, token, found) != 0) {
		*ret_again = errno == EEXIST;
		r = err_sys(e, ERR_SYS, "cannot put the answer in its place");
	}
	if (r != 0)
		unlinkat(dir_fd, temporary, 0);
	FAULT("answer.written");
	return r;
}

int answer_write(int dir_fd, const char *token, const char *content, struct err *e)
{
	int r = judge_token(token, e);
	bool again = r == 0;

	for (int i = 0; again && i < MAX_TRIES; i++) {
		again = false;
		r = publish(dir_fd, token, content, &again, e);
	}
	return r;
}

/* ".TOKEN.RANDOM.tmp" of this token. */
static bool is_leftover(const char *name, const char *token)
{
	size_t len = strlen(token);

	return name[0] == '.' && strncmp(name + 1, token, len) == 0 && name[1 + len] == '.' &&
	       strlen(name) == 1 + len + 1 + (FOLDER_SUFFIX_SIZE - 1) + strlen(".tmp");
}

/* Best effort: what cannot be read or removed harms nobody. */
static void sweep(int dir_fd, const char *token)
{
	int fd AUTO_FD = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (dir == NULL)
		return;
	(void)TAKE_FD(fd); /* dir's from here on */
	while ((entry = readdir(dir)) != NULL)
		if (is_leftover(entry->d_name, token))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

int answer_remove(int dir_fd, const char *token, struct err *e)
{
	int r = judge_token(token, e);

	if (r != 0)
		return r;
	if (FAULT_FAILS("answer.remove") || (unlinkat(dir_fd, token, 0) != 0 && errno != ENOENT))
		return err_sys(e, ERR_CONFIG, "cannot remove the answer %s", token);
	FAULT("answer.removed");
	sweep(dir_fd, token);
	return 0;
}
