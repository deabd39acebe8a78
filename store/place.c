/* SPDX-License-Identifier: MIT
 *
 * place — whether a directory may hold a store: on a file system whose flock means something, ours
 * alone to write; and whether the store that was there still is.
 *
 * A claim is a lock on a file (HACKING.md, rule 9). On a network file system such a lock may
 * hold on one machine only, or be lost with the connection; then two processes would own one row.
 */
#include "store/internal.h"

#include "base/fault.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FUSE_TYPE     0x65735546
#define MOUNTINFO     "/proc/self/mountinfo"
#define MOUNTINFO_MAX (1024 * 1024)

/* Values of f_type; linux/magic.h has not all of them. */
static const uint64_t network_types[] = {
	0x6969,     /* nfs, nfs4 */
	0x517b,     /* smb */
	0xff534d42, /* cifs */
	0xfe534d42, /* smb2, smb3 */
	0x00c36400, /* ceph */
	0x01161970, /* gfs2 */
	0x7461636f, /* ocfs2 */
	0x0bd00bd0, /* lustre */
	0x5346414f, /* OpenAFS */
	0x6b414653, /* kAFS */
	0x73757245, /* coda */
};

/* FUSE as such is no reason to refuse: containers of users live on fuse-overlayfs. */
static const char *const network_fuse[] = {
	"fuse.sshfs",    "fuse.glusterfs", "fuse.ceph",     "fuse.ceph-fuse",
	"fuse.s3fs",     "fuse.rclone",    "fuse.davfs",    "fuse.nfs",
	"fuse.smbnetfs", "fuse.curlftpfs", "fuse.juicefs",  "fuse.moosefs",
	"fuse.mfs",      "fuse.gcsfuse",   "fuse.lizardfs", "fuse.gvfsd-fuse",
};

bool place_is_network(uint64_t type)
{
	for (size_t i = 0; i < COUNT_OF(network_types); i++)
		if ((type & 0xffffffff) == network_types[i]) /* f_type is signed and may be long */
			return true;
	return false;
}

static bool is_network_fuse(const char *type, size_t len)
{
	for (size_t i = 0; i < COUNT_OF(network_fuse); i++)
		if (strlen(network_fuse[i]) == len && memcmp(network_fuse[i], type, len) == 0)
			return true;
	return false;
}

/* A line is "36 35 98:0 ROOT MOUNT OPTIONS [optional…] - TYPE SOURCE …" (proc(5)). */
bool place_is_network_mount(const char *mountinfo, unsigned major, unsigned minor)
{
	for (const char *line = mountinfo; *line != '\0';) {
		const char *end = strchrnul(line, '\n');
		const char *type = memmem(line, (size_t)(end - line), " - ", 3);
		unsigned line_major, line_minor;

		if (type != NULL && sscanf(line, "%*u %*u %u:%u", &line_major, &line_minor) == 2 &&
		    line_major == major && line_minor == minor &&
		    is_network_fuse(type + 3, strcspn(type + 3, " \n")))
			return true;
		line = *end == '\n' ? end + 1 : end;
	}
	return false;
}

static bool is_network_directory(int dir_fd, const struct stat *st)
{
	struct buf mounts AUTO_BUF = {0};
	struct statfs fs;

	if (fstatfs(dir_fd, &fs) != 0)
		return false; /* an exotic file system; no known network one lacks it */
	if ((uint64_t)fs.f_type != FUSE_TYPE)
		return place_is_network((uint64_t)fs.f_type);
	buf_init(&mounts, MOUNTINFO_MAX);
	if (file_read(MOUNTINFO, &mounts, NULL) != 0)
		return false; /* no /proc: the operator's word must do */
	return place_is_network_mount(mounts.data, major(st->st_dev), minor(st->st_dev));
}

static int refuse_owner(const char *dir, const struct stat *st, struct err *e)
{
	return err_set(e, ERR_CONFIG,
		       "the state directory %s belongs to user %u, but everleaf runs as "
		       "user %u: run it as that user",
		       dir, (unsigned)st->st_uid, (unsigned)geteuid());
}

int place_closed(int way, const char *dir, struct err *e)
{
	const int why = errno;
	struct stat st;

	if (why == EACCES && fstat(way, &st) == 0 && st.st_uid != geteuid())
		return refuse_owner(dir, &st, e);
	errno = why;
	return err_sys(e, ERR_CONFIG, "cannot open the state directory %s", dir);
}

int place_check(int dir_fd, const char *dir, struct err *e)
{
	struct stat st;

	if (fstat(dir_fd, &st) != 0)
		return err_sys(e, ERR_SYS, "cannot look at the state directory %s", dir);
	if (st.st_uid != geteuid())
		return refuse_owner(dir, &st, e);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(
			e, ERR_CONFIG,
			"others may write to the state directory %s: run chmod go-w on it, and "
			"look whether they did",
			dir);
	if (is_network_directory(dir_fd, &st))
		return err_set(e, ERR_CONFIG,
			       "the state directory %s is on a network file system, whose locks "
			       "everleaf cannot trust: move it to a local one",
			       dir);
	return 0;
}

int place_check_file(int dir_fd, const char *dir, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return 0;
		return err_sys(e, ERR_SYS, "cannot look at %s/%s", dir, name);
	}
	/* A second name would be a second set of SQLite's locks and journals. */
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return err_set(e, ERR_CONFIG, "%s/%s is not a plain file with one name", dir, name);
	if (st.st_uid != geteuid())
		return err_set(e, ERR_CONFIG, "%s/%s belongs to user %u, not to user %u", dir, name,
			       (unsigned)st.st_uid, (unsigned)geteuid());
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(e, ERR_CONFIG,
			       "%s/%s is open to others: run chmod 600 on it, and look who read it",
			       dir, name);
	return 0;
}

/* --- what was there must be there --- */

/* -1: it is not there. */
static off_t size_of(const struct store *s, const char *name)
{
	struct stat st;

	return fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : -1;
}

int place_refuse_lost(const struct store *s, const char *lost, const char *there, struct err *e)
{
	if (there != NULL)
		return err_set(e, ERR_CONFIG,
			       "%s/%s is missing or empty, but %s is there: restore the state "
			       "directory from a backup",
			       s->dir, lost, there);
	return err_set(e, ERR_CONFIG,
		       "everleaf.db and keys.db are gone from %s: restore the state directory from "
		       "a backup, or remove all of it to begin anew",
		       s->dir);
}

/* keys.db is made first, and the mark last: so a crash at a store's birth leaves no mark, and never
 * rows without keys. */
int place_check_pair(const struct store *s, bool *ret_there, struct err *e)
{
	bool rows = size_of(s, "everleaf.db") > 0;
	bool keys = size_of(s, "keys.db") > 0;

	if (rows && !keys)
		return place_refuse_lost(s, "keys.db", "everleaf.db", e);
	if (!rows && size_of(s, "turn") > 0)
		return place_refuse_lost(s, "everleaf.db", keys ? "keys.db" : NULL, e);
	*ret_there = rows;
	return 0;
}

int place_mark(const struct store *s, struct err *e)
{
	static const char mark[] = "everleaf.db and keys.db belong here\n";

	if (size_of(s, "turn") > 0)
		return 0;
	if (FAULT_FAILS("place.mark") ||
	    pwrite(s->turn_fd, mark, sizeof(mark) - 1, 0) != (ssize_t)sizeof(mark) - 1)
		return err_sys(e, ERR_SYS, "cannot write %s/turn", s->dir);
	FAULT("place.marked");
	return file_sync(s->turn_fd, s->dir, e);
}

/* --- what is there must be what is open --- */

static int refuse_replaced(const struct store *s, const char *name, struct err *e)
{
	(void)err_set(e, ERR_STORE,
		      "%s%s%s was replaced, moved or removed while everleaf had it open: nothing "
		      "more is written; start everleaf again, and it goes on with what is there",
		      s->dir, name[0] != '\0' ? "/" : "", name);
	(void)err_because(e, CAUSE_REPLACED);
	return ERR_STORE;
}

/* Below the directory that is open. */
static int in_place(const struct store *s, const char *name, const struct stat *opened,
		    struct err *e)
{
	struct stat now;

	if (fstatat(s->dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	    now.st_ino == opened->st_ino && now.st_dev == opened->st_dev)
		return 0;
	return refuse_replaced(s, name, e);
}

static int descriptor_in_place(const struct store *s, const char *name, int fd, struct err *e)
{
	struct stat opened;

	if (fd < 0 || fstat(fd, &opened) != 0)
		return 0;
	return in_place(s, name, &opened, e);
}

int store_is_in_place(const struct store *s, struct err *e)
{
	struct stat db = {.st_dev = s->db.device, .st_ino = s->db.inode};
	struct stat keys = {.st_dev = s->keys.device, .st_ino = s->keys.inode};
	AUTO_FREE char *owner = mem_printf("owners/%s", s->owner);
	struct stat opened, now;
	int r;

	if (fstat(s->dir_fd, &opened) != 0 || stat(s->dir, &now) != 0 ||
	    now.st_ino != opened.st_ino || now.st_dev != opened.st_dev)
		return refuse_replaced(s, "", e);
	r = in_place(s, "everleaf.db", &db, e);
	if (r == 0)
		r = in_place(s, "keys.db", &keys, e);
	if (r == 0)
		r = descriptor_in_place(s, "turn", s->turn_fd, e);
	if (r == 0)
		r = descriptor_in_place(s, owner, s->owner_fd, e);
	return r;
}
