/* SPDX-License-Identifier: MIT
 *
 * folder — directories and temporary names below a descriptor, never through a symbolic link:
 * what the solvers and deployers that write files have in common.
 */
#ifndef HOOKS_FOLDER_H
#define HOOKS_FOLDER_H

#include "base/err.h"

#include <sys/types.h>

#define FOLDER_SUFFIX_SIZE 17 /* 16 hex digits and a NUL */

/* Makes the directory name with exactly this mode, whatever the umask is. One that is there
 * already is fine and stays as it is. */
int folder_make_at(int parent_fd, const char *name, mode_t mode, struct err *e);

/* Opens the directory name, which is one component and no link. Like openat(): -1 and errno
 * (ELOOP or ENOTDIR for a link or a file). flags: O_PATH or O_RDONLY. */
int folder_open_at(int parent_fd, const char *name, int flags);

/* A full path without links, "." and "..", also of what is not there yet. The caller's. */
char *folder_resolve(const char *path);

/* Fills suffix with random hex digits, for temporary names that nobody can foresee. */
int folder_random_suffix(char suffix[FOLDER_SUFFIX_SIZE], struct err *e);

#endif
