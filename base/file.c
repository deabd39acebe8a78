/* SPDX-License-Identifier: MIT
 *
 * file — the only place that knows the order of write, fsync and rename after which a crash
 * leaves the old file or the new one.
 *
 * A crash between may leave a ".everleaf-*" file behind; its content is complete or worthless,
 * and nobody reads it.
 */
#include "base/file.h"

#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define CHUNK          4096
#define TEMPORARY_SIZE 32
#define PARENT_MODE    0755
#define ROOM_BYTES     (1024 * 1024)
#define ROOM_INODES    16

static int open_regular(const char *path, int *ret_fd, struct stat *st, struct err *e)
{
	/* O_NONBLOCK: a FIFO in the file's place must not stop us */
	int fd AUTO_FD = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 || fstat(fd, st) != 0)
		return err_sys(e, ERR_CONFIG, "cannot open %s", path);
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_CONFIG, "%s is not a regular file", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int read_all(int fd, const char *path, struct buf *b, char chunk[CHUNK], struct err *e)
{
	for (;;) {
		ssize_t got = read(fd, chunk, CHUNK);

		if (got == 0)
			return 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, ERR_CONFIG, "cannot read %s", path);
		if (buf_add(b, chunk, (size_t)got) != 0)
			return err_set(e, ERR_CONFIG, "%s is larger than %zu bytes", path,
				       b->limit);
	}
}

static int judge(const char *path, const struct stat *st, mode_t forbidden, struct err *e)
{
	mode_t bad = st->st_mode & forbidden;

	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(e, ERR_CONFIG,
			       "%s belongs to user %u: only root and the user running everleaf may "
			       "own it",
			       path, (unsigned)st->st_uid);
	if ((bad & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_CONFIG, "others may write to %s (mode %04o; chmod go-w)",
			       path, (unsigned)st->st_mode & 07777);
	if (bad != 0)
		return err_set(e, ERR_CONFIG, "everybody may read %s (mode %04o; chmod o-r)", path,
			       (unsigned)st->st_mode & 07777);
	return 0;
}

/* What is judged is what is read: by the descriptor. */
static int read_file(const char *path, const mode_t *forbidden, struct buf *b, struct err *e)
{
	int fd AUTO_FD = -1;
	char chunk[CHUNK];
	size_t before = b->len;
	struct stat st;
	int r;

	r = open_regular(path, &fd, &st, e);
	if (r == 0 && forbidden != NULL)
		r = judge(path, &st, *forbidden, e);
	if (r != 0)
		return r;
	r = read_all(fd, path, b, chunk, e);
	mem_wipe(chunk, sizeof(chunk)); /* it may have been a key */
	if (r != 0 && b->len > before) {
		mem_wipe(b->data + before, b->len - before);
		b->len = before;
	}
	return r;
}

int file_read(const char *path, struct buf *b, struct err *e)
{
	return read_file(path, NULL, b, e);
}

int file_read_judged(const char *path, mode_t forbidden, struct buf *b, struct err *e)
{
	return read_file(path, &forbidden, b, e);
}

char *file_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_str(".");
	return mem_strn(path, slash == path ? 1 : (size_t)(slash - path));
}

int file_write_all(int fd, const void *data, size_t len, struct err *e)
{
	const char *at = data;

	while (len > 0) {
		ssize_t done = FAULT_FAILS("file.write") ? -1 : write(fd, at, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(e, ERR_SYS, "cannot write");
		at += done;
		len -= (size_t)done;
	}
	FAULT("file.written");
	return 0;
}

int file_sync(int fd, const char *what, struct err *e)
{
	if (FAULT_FAILS("file.sync") || fsync(fd) != 0)
		return err_sys(e, ERR_SYS, "cannot bring %s to the disk", what);
	FAULT("file.synced");
	return 0;
}

/* A name that nobody can have prepared for us. */
static int temporary_name(char name[TEMPORARY_SIZE], struct err *e)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_sys(e, ERR_SYS, "cannot get random bytes");
	snprintf(name, TEMPORARY_SIZE, ".everleaf-%016llx", (unsigned long long)random);
	return 0;
}

/* The whole content with its final mode, durable, in a file that was just made. */
static int fill_temporary(int fd, const void *data, size_t len, mode_t mode, struct err *e)
{
	int r;

	if (fchmod(fd, mode) != 0) /* open() heeds the umask */
		return err_sys(e, ERR_SYS, "cannot set the mode to %04o", (unsigned)mode);
	r = file_write_all(fd, data, len, e);
	if (r != 0)
		return r;
	return file_sync(fd, "the new content", e);
}

static int rename_in(int dir_fd, const char *from, const char *to, struct err *e)
{
	if (FAULT_FAILS("file.rename") || renameat(dir_fd, from, dir_fd, to) != 0)
		return err_sys(e, ERR_SYS, "cannot put the new content in its place");
	FAULT("file.renamed");
	return 0;
}

int file_replace_at(int dir_fd, const char *name, const struct buf *content, mode_t mode,
		    struct err *e)
{
	char temporary[TEMPORARY_SIZE];
	int fd AUTO_FD = -1;
	int r;

	if (*name == '\0' || strchr(name, '/') != NULL)
		return err_set(e, ERR_SYS, "\"%s\" is not the name of a file in a folder", name);
	r = temporary_name(temporary, e);
	if (r != 0)
		return r;
	if (!FAULT_FAILS("file.create"))
		fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
	if (fd < 0)
		return err_sys(e, ERR_SYS, "cannot make a file to replace %s", name);
	FAULT("file.created");
	r = fill_temporary(fd, content->data, content->len, mode, e);
	if (r == 0)
		r = rename_in(dir_fd, temporary, name, e);
	if (r != 0) {
		unlinkat(dir_fd, temporary, 0);
		err_while(e, "while writing %s", name);
		return r;
	}
	return file_sync(dir_fd, name, e);
}

/* Durable in its parent, with a mode that the umask did not change. */
static int settle_directory(const char *path, mode_t mode, struct err *e)
{
	int fd AUTO_FD = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int parent AUTO_FD = -1;

	if (fd < 0 || fchmod(fd, mode) != 0)
		return err_sys(e, ERR_SYS, "cannot set the mode of the new directory %s", path);
	parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return err_sys(e, ERR_SYS, "cannot open the directory above %s", path);
	return file_sync(parent, path, e);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int make_one(const char *path, mode_t mode, struct err *e)
{
	if (is_directory(path))
		return 0;
	if (!FAULT_FAILS("file.mkdir") && mkdir(path, mode) == 0)
		return settle_directory(path, mode, e);
	if (errno == EEXIST && is_directory(path))
		return 0; /* another process was faster */
	if (errno == EEXIST)
		return err_set(e, ERR_SYS, "%s is not a directory", path);
	return err_sys(e, ERR_SYS, "cannot make the directory %s", path);
}

int file_make_directory(const char *path, mode_t mode, struct err *e)
{
	AUTO_FREE char *part = mem_str(path);
	size_t len = strlen(part);
	int r;

	if (len == 0)
		return err_set(e, ERR_SYS, "cannot make a directory without a name");
	while (len > 1 && part[len - 1] == '/')
		part[--len] = '\0';
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		r = make_one(part, PARENT_MODE, e);
		*slash = '/';
		if (r != 0)
			return r;
	}
	return make_one(part, mode, e);
}

int file_check_room(int fd, const char *path, struct err *e)
{
	bool root = geteuid() == 0; /* may use what is reserved */
	struct statvfs fs;

	if (fstatvfs(fd, &fs) != 0)
		return err_sys(e, ERR_SYS, "cannot see how full the disk of %s is", path);
	if ((root ? fs.f_bfree : fs.f_bavail) < ROOM_BYTES / (fs.f_frsize > 0 ? fs.f_frsize : 1))
		return err_set(e, ERR_SYS,
			       "the disk of %s is full: less than 1 MiB is left; make room", path);
	/* f_files 0: a file system without a fixed number of them (btrfs) */
	if (fs.f_files > 0 && (root ? fs.f_ffree : fs.f_favail) < ROOM_INODES)
		return err_set(e, ERR_SYS, "the disk of %s has no room for more files; remove some",
			       path);
	return 0;
}
