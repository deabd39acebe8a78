/* SPDX-License-Identifier: MIT
 *
 * waiting — see waiting.h. Who has a lock, only the kernel knows: of SQLite's locks (fcntl) it
 * tells whoever would want the same bytes, of the turn's (flock) it keeps a list.
 */
#include "store/waiting.h"

#include "base/file.h"
#include "base/process.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TELL_MS   1000 /* how long a wait may be before somebody is told */
#define LOCKS     "/proc/locks"
#define LOCKS_MAX (4 * 1024 * 1024)
#define MOST_FDS  1024 /* SQLite opens its files before there are many */

/* Bytes that SQLite locks (its file format, and walformat.html). The readers' come first: who holds
 * one of the others may be waiting for a reader himself. */
static const struct {
	const char *file;
	off_t start, len;
} ranges[] = {
	{"everleaf.db", 0x40000002, 510}, /* shared, or all of them: exclusive */
	{"everleaf.db", 0x40000000, 2},   /* pending, reserved */
	{"everleaf.db-shm", 120, 8},      /* of a WAL */
	{"keys.db", 0x40000002, 510},     {"keys.db", 0x40000000, 2},
};

/* SQLite's own descriptor of a file: to close another one would drop its locks. */
static int descriptor_of(const struct stat *file)
{
	struct stat st;

	for (int fd = 3; fd < MOST_FDS; fd++)
		if (fstat(fd, &st) == 0 && st.st_ino == file->st_ino && st.st_dev == file->st_dev)
			return fd;
	return -1;
}

/* 0: nobody that we may know of. */
static long database_holder(const struct store *s)
{
	for (size_t i = 0; i < COUNT_OF(ranges); i++) {
		struct flock lock = {
			.l_type = F_WRLCK,
			.l_whence = SEEK_SET,
			.l_start = ranges[i].start,
			.l_len = ranges[i].len,
		};
		struct stat st;
		int fd = -1;

		if (fstatat(s->dir_fd, ranges[i].file, &st, AT_SYMLINK_NOFOLLOW) == 0)
			fd = descriptor_of(&st);
		if (fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK &&
		    lock.l_pid > 0)
			return lock.l_pid;
	}
	return 0;
}

/* A line is "1: FLOCK  ADVISORY  WRITE PID MAJOR:MINOR:INODE 0 EOF" (proc(5)); of who waits it
 * begins with "1: ->". Some file systems have another device there than stat says. */
static long turn_holder(const char *locks, const struct stat *turn)
{
	long alike = 0;

	for (const char *line = locks; *line != '\0';) {
		const char *end = strchrnul(line, '\n');
		unsigned device_major, device_minor;
		unsigned long long inode;
		long pid;

		if (sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%llu", &pid, &device_major,
			   &device_minor, &inode) == 4 &&
		    inode == turn->st_ino && pid > 0 && pid != (long)getpid()) {
			if (device_major == major(turn->st_dev) &&
			    device_minor == minor(turn->st_dev))
				return pid;
			alike = pid;
		}
		line = *end == '\n' ? end + 1 : end;
	}
	return alike;
}

static long holder(const struct store *s)
{
	struct buf locks AUTO_BUF = {0};
	struct stat turn;
	long pid = database_holder(s);

	if (pid != 0 || s->turn_fd < 0 || fstat(s->turn_fd, &turn) != 0)
		return pid;
	buf_init(&locks, LOCKS_MAX);
	return file_read(LOCKS, &locks, NULL) == 0 && locks.len > 0 ? turn_holder(locks.data, &turn)
								    : 0;
}

void store_holder(const struct store *s, char text[STORE_HOLDER_SIZE])
{
	long pid = holder(s);

	if (pid != 0)
		process_text(pid, text, STORE_HOLDER_SIZE);
	else
		snprintf(text, STORE_HOLDER_SIZE, "another program");
}

static void tell(const struct waiting *w)
{
	char who[STORE_HOLDER_SIZE];
	AUTO_FREE char *sentence = NULL;

	store_holder(w->store, who);
	sentence = mem_printf("waiting for %s, which holds the store %s", who, w->store->dir);
	w->tell(sentence);
}

/* What is counted is the time asked for, so that neither a stopped clock nor a signal makes the
 * wait longer or endless. */
bool waiting_goes_on(struct waiting *w, int tries)
{
	static const int waits[] = {1, 1, 2, 2, 5, 5, 10};
	const int ms = waits[tries < (int)COUNT_OF(waits) ? tries : (int)COUNT_OF(waits) - 1];

	if (tries == 0)
		w->waited_ms = 0;
	if (w->waited_ms >= w->most_ms)
		return false;
	poll(NULL, 0, ms);
	if (w->tell != NULL && w->waited_ms < TELL_MS && w->waited_ms + ms >= TELL_MS)
		tell(w);
	w->waited_ms += ms;
	return true;
}

int waiting_failed(const struct waiting *w, struct err *e)
{
	char who[STORE_HOLDER_SIZE];

	store_holder(w->store, who);
	(void)err_set(
		e, ERR_STORE,
		"the store %s is held by %s: look at what that does, or end it, and try again",
		w->store->dir, who);
	(void)err_because(e, CAUSE_HELD);
	return ERR_STORE;
}
