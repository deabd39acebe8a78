/* SPDX-License-Identifier: MIT
 *
 * backup — both databases as two files beside each other.
 *
 * The rows come first and the keys after them: a key is durable before a row names it and stays for
 * a day after the last one did, so every key that the copied rows name is among the copied keys.
 */
#include "store/internal.h"

#include "base/fault.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A copy under a name of its own, closed to others, durable. */
static int copy_to(struct db *d, const char *path, struct err *e)
{
	int fd AUTO_FD = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0 || fchmod(fd, 0600) != 0)
		return err_sys(e, ERR_CONFIG, "cannot make %s", path);
	r = db_copy(d, path, e);
	return r == 0 ? file_sync(fd, path, e) : r;
}

/* link() and not rename(): it replaces nothing. */
static int give_name(const char *from, const char *to, struct err *e)
{
	if (link(from, to) == 0)
		return 0;
	if (errno == EEXIST)
		return err_set(e, ERR_CONFIG, "%s exists: a backup overwrites nothing", to);
	return err_sys(e, ERR_CONFIG, "cannot make %s", to);
}

static int check_free(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		return err_set(e, ERR_CONFIG, "%s exists: a backup overwrites nothing", path);
	return 0;
}

static int sync_folder(const char *file, struct err *e)
{
	AUTO_FREE char *folder = file_folder(file);
	int fd AUTO_FD = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, ERR_SYS, "cannot open %s", folder);
	return file_sync(fd, folder, e);
}

struct names {
	char *file, *keys;         /* what they are called in the end */
	char *new_file, *new_keys; /* … and until they are whole */
};

static void auto_names(struct names *n)
{
	(void)unlink(n->new_file);
	(void)unlink(n->new_keys);
	free(n->file);
	free(n->keys);
	free(n->new_file);
	free(n->new_keys);
}

int store_backup(struct store *s, const char *file, struct err *e)
{
	struct names n AUTO(auto_names) = {
		mem_str(file),
		mem_printf("%s.keys", file),
		mem_printf("%s.%ld.new", file, (long)getpid()),
		mem_printf("%s.keys.%ld.new", file, (long)getpid()),
	};
	int r;

	r = check_free(n.file, e);
	if (r == 0)
		r = check_free(n.keys, e);
	if (r == 0)
		r = copy_to(&s->db, n.new_file, e);
	FAULT("backup.rows");
	if (r == 0)
		r = copy_to(&s->keys, n.new_keys, e);
	if (r == 0)
		r = give_name(n.new_keys, n.keys, e);
	FAULT("backup.keys");
	if (r == 0 && (r = give_name(n.new_file, n.file, e)) != 0)
		(void)unlink(n.keys);
	return r == 0 ? sync_folder(file, e) : r;
}
