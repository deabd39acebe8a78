/* SPDX-License-Identifier: MIT
 *
 * file — small files read whole and written so that a crash leaves the old or the new one.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

/* Appends the whole file to b; ERR_CONFIG when it is missing, unreadable or above b's limit. */
int file_read(const char *path, struct buf *b, struct err *e);

/* The same for a file that nobody else may be able to change (base/path.h); and its mode has none
 * of the forbidden bits (of S_IWGRP, S_IWOTH, S_IROTH). */
int file_read_judged(const char *path, mode_t forbidden, struct buf *b, struct err *e);

/* Writes name in the directory dir_fd: a temporary file in the same directory (O_EXCL|O_NOFOLLOW,
 * mode), fsync, rename, fsync of the directory. ERR_SYS on failure; nothing is left behind. */
int file_replace_at(int dir_fd, const char *name, const struct buf *content, mode_t mode,
		    struct err *e);

/* The directory that a path lies in, "." for a mere name. The caller's. */
char *file_folder(const char *path);

/* write() until all is written. */
int file_write_all(int fd, const void *data, size_t len, struct err *e);

/* fsync, with a sentence. */
int file_sync(int fd, const char *what, struct err *e);

/* ERR_SYS when the file system of fd, which path names, has less than 1 MiB or 16 files left: it is
 * full, as far as certificates are concerned. */
int file_check_room(int fd, const char *path, struct err *e);

#endif
