/* SPDX-License-Identifier: MIT
 *
 * confine — gives up, for good, whatever a process that talks to the Internet does not need:
 * another user's identity, capabilities, new privileges, and every file but those of one folder,
 * which it may read.
 *
 * What each of it needs is not everywhere: only root can change its user and its root directory,
 * and Landlock (landlock(7)) came with Linux 5.13. So everything is tried and what was had is told;
 * what no system refuses is an error.
 */
#ifndef AGENT_CONFINE_H
#define AGENT_CONFINE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* "nobody" and its group on every Linux: the kernel's own number for a user that it does not know.
 * The name is not looked up, which would mean to load and ask whatever nsswitch.conf names. */
#define CONFINE_USER 65534

struct confined {
	bool root;    /* it is root still, because the system did not let it be somebody else */
	bool chroot;  /* the folder is its root directory */
	int landlock; /* the version by which it is locked in, 0: the kernel has none */
};

/* dir_fd: the folder; files in it are opened below that descriptor. */
int confine(int dir_fd, struct confined *ret, struct err *e);

/* The same in words: "as user 65534, with nothing but the answers in its root directory, …". */
void confined_print(const struct confined *c, char *text, size_t size);

#endif
