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
#include "base/path.h"

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
#define ROOM_BYTES     (1024 * 1024)
#define ROOM_INODES    16

static int open_regular(const char *path, int *ret_fd, struct err *e)
{
	/* O_NONBLOCK: a FIFO in the file's place must not stop us */
	int fd AUTO_FD = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_sys(e, ERR_CONFIG, "cannot open %s", path);
	if (!S_ISREG(st.st_mode))
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

static int read_from(int fd, const char *path, struct buf *b, struct err *e)
{
	char chunk[CHUNK];
	size_t before = b->len;
	int r = read_all(fd, path, b, chunk, e);

	mem_wipe(chunk, sizeof(chunk)); /* it may have been a key */
	if (r != 0 && b->len > before) {
		mem_wipe(b->data + before, b->len - before);
		b->len = before;
	}
	return r;
}

int file_read(const char *path, struct buf *b, struct err *e)
{
	int fd AUTO_FD = -1;
	int r = open_regular(path, &fd, e);

	return r == 0 ? read_from(fd, path, b, e) : r;
}

int file_read_judged(const char *path, mode_t forbidden, struct buf *b, struct err *e)
{
	const struct path_rule rule = {"cannot open", "is not read", .forbidden = forbidden};
	int fd AUTO_FD = -1;
	int r = path_open_file(path, &rule, &fd, e);

	return r == 0 ? read_from(fd, path, b, e) : r;
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
