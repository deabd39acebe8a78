/* SPDX-License-Identifier: MIT
 *
 * path — who could change what a path leads to, and opening it if that is nobody else.
 *
 * We act as a powerful user on paths that the operator wrote down. Whoever may write to a folder on
 * the way, or owns it, or made a symbolic link on it, decides what the path leads to tomorrow. So
 * each of them must belong to root or to us (or to whoever owns "/": all is theirs), and nobody
 * else may write to a folder but where it is sticky (/tmp). Everything that runs, reads or writes
 * by a path of the operator's comes through here, and goes on by the descriptor.
 *
 * A group counts as nobody else when it is root's, or when it is the private one of the owner (its
 * name is theirs and nobody else is in it). Where a mount is read-only no mode matters.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct path_rule {
	const char *cannot; /* "cannot run": a path follows, and what the system said */
	const char
		*refused; /* "is not run": follows a path, and is followed by who is in the way */
	mode_t forbidden; /* at the end; of S_IWGRP, S_IWOTH, S_IROTH. 0: a folder there is judged
			     like those on the way */
	uid_t owner;      /* one more who may own folders; 0 or (uid_t)-1: nobody more */
	bool no_link;     /* the end itself is no symbolic link */
	bool end_free;    /* the folder at the end is judged by the caller */
};

/* *ret_fd reads the regular file and is the caller's. ERR_CONFIG otherwise, with whose folder or
 * file is in the way and the command that cures it. A relative path begins where we are. */
int path_open_file(const char *path, const struct path_rule *rule, int *ret_fd, struct err *e);

/* The same for a folder; *ret_fd is O_PATH. */
int path_open_folder(const char *path, const struct path_rule *rule, int *ret_fd, struct err *e);

/* The same, and makes what is missing, durable: parents with mode 0755, the last one with mode,
 * whatever the umask. Nothing is made where a symbolic link leads nowhere (what it leads to may
 * be a disk that is not mounted). ERR_SYS when it cannot be made. */
int path_make_folder(const char *path, mode_t mode, const struct path_rule *rule, int *ret_fd,
		     struct err *e);

/* The folder, or, when it is missing, the deepest one above it that is there: then *ret_above is
 * its name and the caller's, else untouched. *ret_fd is O_PATH. */
int path_open_nearest(const char *path, const struct path_rule *rule, int *ret_fd, char **ret_above,
		      struct err *e);

#endif
