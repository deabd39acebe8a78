/* SPDX-License-Identifier: MIT
 *
 * backup — both databases as two files beside each other.
 *
 * The rows come first and the keys after them: a key is durable before a row names it and stays for
 * a day after the last one did, so every key that the copied rows name is among the copied keys.
 *
 * The copies hold private keys, and SQLite opens them by path. So the folder is one that nobody
 * else can change (base/path.h), and they are made in a folder of our own inside it, under names
 * and beside journals that nobody can have prepared, and get their names when they are whole.
 */
#include "store/internal.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* One of the two files, on its way. */
struct copy {
	struct db *from;
	const char *inner; /* its name in our own folder */
	char *name;        /* … and in the operator's, in the end; owned */
};

struct backup {
	int folder;      /* the operator's */
	char *path;      /* our own folder inside it */
	const char *own; /* its name, a part of path; NULL: not made yet */
	int own_fd;
	struct copy rows, keys;
};

static void auto_backup(struct backup *b)
{
	if (b->own_fd >= 0) {
		(void)unlinkat(b->own_fd, b->rows.inner, 0);
		(void)unlinkat(b->own_fd, b->keys.inner, 0);
	}
	if (b->own != NULL)
		(void)unlinkat(b->folder, b->own, AT_REMOVEDIR);
	auto_close(&b->own_fd);
	auto_close(&b->folder);
	free(b->rows.name);
	free(b->keys.name);
	free(b->path);
}

/* A copy closed to others, durable. */
static int copy_make(const struct backup *b, const struct copy *c, struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/%s", b->path, c->inner);
	int fd AUTO_FD = openat(b->own_fd, c->inner,
				O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0 || fchmod(fd, 0600) != 0)
		return err_sys(e, ERR_CONFIG, "cannot make %s", path);
	r = db_copy(c->from, path, e);
	return r == 0 ? file_sync(fd, path, e) : r;
}

/* link() and not rename(): it replaces nothing. */
static int copy_name(const struct backup *b, const struct copy *c, struct err *e)
{
	if (linkat(b->own_fd, c->inner, b->folder, c->name, 0) == 0)
		return 0;
	if (errno == EEXIST)
		return err_set(e, ERR_CONFIG, "%s exists: a backup overwrites nothing", c->name);
	return err_sys(e, ERR_CONFIG, "cannot make %s", c->name);
}

static int copy_check_free(const struct backup *b, const struct copy *c, struct err *e)
{
	struct stat st;

	if (fstatat(b->folder, c->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_CONFIG, "%s exists: a backup overwrites nothing", c->name);
	return 0;
}

static int open_folder(struct backup *b, const char *folder, struct err *e)
{
	const struct path_rule rule = {.cannot = "cannot use", .refused = "is not used for keys"};
	int way AUTO_FD = -1;
	int r = path_open_folder(folder, &rule, &way, e);

	if (r != 0)
		return r;
	b->folder = openat(way, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->folder < 0 ? err_sys(e, ERR_SYS, "cannot open %s", folder) : 0;
}

static int make_own(struct backup *b, const char *folder, struct err *e)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_sys(e, ERR_SYS, "cannot get random bytes");
	b->path = mem_printf("%s/.everleaf-%016" PRIx64, folder, random);
	if (mkdirat(b->folder, strrchr(b->path, '/') + 1, 0700) != 0)
		return err_sys(e, ERR_CONFIG, "cannot make a folder in %s", folder);
	b->own = strrchr(b->path, '/') + 1;
	b->own_fd = openat(b->folder, b->own, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->own_fd < 0)
		return err_sys(e, ERR_SYS, "cannot open %s", b->path);
	return 0;
}

static int make_copies(struct backup *b, struct err *e)
{
	int r;

	r = copy_make(b, &b->rows, e);
	FAULT("backup.rows");
	if (r == 0)
		r = copy_make(b, &b->keys, e);
	if (r == 0)
		r = copy_name(b, &b->keys, e);
	FAULT("backup.keys");
	if (r == 0 && (r = copy_name(b, &b->rows, e)) != 0)
		(void)unlinkat(b->folder, b->keys.name, 0);
	return r;
}

int store_backup(struct store *s, const char *file, struct err *e)
{
	AUTO_FREE char *folder = file_folder(file);
	const char *slash = strrchr(file, '/');
	const char *name = slash != NULL ? slash + 1 : file;
	struct backup b AUTO(auto_backup) = {
		.folder = -1,
		.own_fd = -1,
		.rows = {&s->db, "rows", mem_str(name)},
		.keys = {&s->keys, "keys", mem_printf("%s.keys", name)},
	};
	int r;

	if (name[0] == '\0')
		return err_set(e, ERR_CONFIG, "\"%s\" is not the path of a file", file);
	r = open_folder(&b, folder, e);
	if (r == 0)
		r = copy_check_free(&b, &b.rows, e);
	if (r == 0)
		r = copy_check_free(&b, &b.keys, e);
	if (r == 0)
		r = make_own(&b, folder, e);
	if (r == 0)
		r = make_copies(&b, e);
	return r == 0 ? file_sync(b.folder, folder, e) : r;
}
