/* SPDX-License-Identifier: MIT
 *
 * failing_disk — see the header: a VFS of SQLite's around its own one.
 */
#include "tests/machine/failing_disk.h"

#include "base/mem.h"

#include <sqlite3.h>
#include <stdlib.h>

struct failing_disk {
	sqlite3_vfs vfs;   /* first */
	sqlite3_vfs *real; /* borrowed, SQLite's */
	int64_t count;
	int64_t fail_at; /* 0: never */
	bool stays;
	bool failed;
};

struct disk_file {
	sqlite3_file file; /* first */
	struct failing_disk *disk;
	sqlite3_file *real; /* behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct disk_file *)(void *)f)->real;
}

/* Whether this operation fails. */
static bool breaks(struct failing_disk *d)
{
	d->count++;
	if (d->fail_at == 0 || d->count < d->fail_at || (d->count > d->fail_at && !d->stays))
		return false;
	d->failed = true;
	return true;
}

static bool file_breaks(sqlite3_file *f)
{
	return breaks(((struct disk_file *)(void *)f)->disk);
}

/* --- files --- */

static int disk_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int disk_read(sqlite3_file *f, void *data, int len, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), data, len, at);
}

static int disk_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 at)
{
	if (file_breaks(f))
		return SQLITE_IOERR_WRITE;
	return real_of(f)->pMethods->xWrite(real_of(f), data, len, at);
}

static int disk_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	if (file_breaks(f))
		return SQLITE_IOERR_TRUNCATE;
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int disk_sync(sqlite3_file *f, int flags)
{
	if (file_breaks(f))
		return SQLITE_IOERR_FSYNC;
	return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int disk_size(sqlite3_file *f, sqlite3_int64 *ret_size)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), ret_size);
}

static int disk_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int disk_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int disk_reserved(sqlite3_file *f, int *ret_reserved)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret_reserved);
}

static int disk_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int disk_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int disk_traits(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static const sqlite3_io_methods methods = {
	.iVersion = 1, /* no shared memory: no WAL */
	.xClose = disk_close,
	.xRead = disk_read,
	.xWrite = disk_write,
	.xTruncate = disk_truncate,
	.xSync = disk_sync,
	.xFileSize = disk_size,
	.xLock = disk_lock,
	.xUnlock = disk_unlock,
	.xCheckReservedLock = disk_reserved,
	.xFileControl = disk_control,
	.xSectorSize = disk_sector,
	.xDeviceCharacteristics = disk_traits,
};

/* --- the disk --- */

static struct failing_disk *disk_of(sqlite3_vfs *v)
{
	return (struct failing_disk *)(void *)v;
}

static int disk_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct disk_file *file = (struct disk_file *)(void *)f;
	sqlite3_vfs *real = disk_of(v)->real;
	int rc;

	file->disk = disk_of(v);
	file->real = (sqlite3_file *)(void *)(file + 1);
	rc = real->xOpen(real, name, file->real, flags, ret_flags);
	f->pMethods = file->real->pMethods != NULL ? &methods : NULL;
	return rc;
}

static int disk_delete(sqlite3_vfs *v, const char *name, int sync)
{
	sqlite3_vfs *real = disk_of(v)->real;

	return breaks(disk_of(v)) ? SQLITE_IOERR_DELETE : real->xDelete(real, name, sync);
}

static int disk_access(sqlite3_vfs *v, const char *name, int flags, int *ret_yes)
{
	sqlite3_vfs *real = disk_of(v)->real;

	return real->xAccess(real, name, flags, ret_yes);
}

static int disk_pathname(sqlite3_vfs *v, const char *name, int size, char *ret_path)
{
	sqlite3_vfs *real = disk_of(v)->real;

	return real->xFullPathname(real, name, size, ret_path);
}

struct failing_disk *failing_disk_new(void)
{
	struct failing_disk *d = mem_new(sizeof(*d));

	d->real = sqlite3_vfs_find(NULL);
	d->vfs = *d->real; /* what is not replaced needs no file: time, random bytes */
	d->vfs.iVersion = 1;
	d->vfs.szOsFile = (int)sizeof(struct disk_file) + d->real->szOsFile;
	d->vfs.pNext = NULL;
	d->vfs.zName = "failing";
	d->vfs.xOpen = disk_open;
	d->vfs.xDelete = disk_delete;
	d->vfs.xAccess = disk_access;
	d->vfs.xFullPathname = disk_pathname;
	if (sqlite3_vfs_register(&d->vfs, 1) != SQLITE_OK)
		abort();
	return d;
}

void failing_disk_free(struct failing_disk *d)
{
	if (d == NULL)
		return;
	sqlite3_vfs_unregister(&d->vfs);
	sqlite3_vfs_register(d->real, 1);
	free(d);
}

int64_t failing_disk_count(const struct failing_disk *d)
{
	return d->count;
}

void failing_disk_break(struct failing_disk *d, int64_t n, bool stays)
{
	d->fail_at = d->count + n;
	d->stays = stays;
	d->failed = false;
}

bool failing_disk_repair(struct failing_disk *d)
{
	d->fail_at = 0;
	return d->failed;
}
