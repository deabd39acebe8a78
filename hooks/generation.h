/* SPDX-License-Identifier: MIT
 *
 * generation — the files of one version of a certificate, switched all at once.
 *
 *     DIR/privkey.pem  → .live/privkey.pem    what servers are told: never changes
 *     DIR/.live        → .gen/7               the switch: one rename
 *     DIR/.gen/7/privkey.pem …                complete and on the disk before it has this name
 *
 * So key and certificate always match for whoever reads them through one open of .live, a reader
 * never finds a file missing, and a crash leaves the old or the new generation. Nothing goes back
 * to an older certificate, and none takes the place of another (hooks/layout.h). A generation that
 * is on the disk and right is kept, so that everything here may run again.
 */
#ifndef HOOKS_GENERATION_H
#define HOOKS_GENERATION_H

#include "hooks/deployer.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define GENERATION_FILES 4

extern const char *const generation_names[GENERATION_FILES]; /* "privkey.pem" first */

struct generation_file {
	const char *data; /* borrowed */
	size_t len;
	mode_t mode;
};

struct generation {
	const struct deployer_task *task;               /* borrowed */
	const char *origin;                             /* layout_origin's; borrowed, or NULL */
	int64_t number;                                 /* above 0 */
	uid_t owner;                                    /* (uid_t)-1: ours */
	gid_t group;                                    /* (gid_t)-1: ours */
	struct generation_file files[GENERATION_FILES]; /* in the order of generation_names */
};

/* Whether the live generation's files have the modes and owners of g, and are there; true when none
 * is live. Their contents are not looked at. */
bool generation_looks_right(int dir_fd, const struct generation *g);

/* Checks, writes, switches, makes the names, and removes all generations but this one and the one
 * before it. On failure what was live stays live. */
int generation_install(int dir_fd, const struct generation *g, struct err *e);

/* For programs that look before it is installed: g's files in a new folder in dir_fd, with owners
 * and modes as they would be, and a link .live to itself. Nothing that is live is touched.
 * *ret_name and *ret_fd, by which it is locked, are the caller's. What a crash leaves is removed by
 * the next call of this or of generation_install. */
int generation_stage(int dir_fd, const struct generation *g, char **ret_name, int *ret_fd,
		     struct err *e);
void generation_unstage(int dir_fd, const char *name);

#endif
