/* SPDX-License-Identifier: MIT
 *
 * layout — what lies in a directory that certificates are deployed into (hooks/generation.h draws
 * it): whether it is as everleaf makes it, whether what people did to it can be put right, and
 * whose certificate is live there. Changes nothing.
 *
 * What is put right by the next install: names and .live that became copies or other links to the
 * same files, or that are gone. What is not: files of others under our names, a .gen that others
 * may write to, and a certificate that is somebody else's or newer.
 */
#ifndef HOOKS_LAYOUT_H
#define HOOKS_LAYOUT_H

#include "hooks/deployer.h"

#include <stdbool.h>
#include <sys/stat.h>

#define LAYOUT_LIVE   ".live"
#define LAYOUT_GENS   ".gen"
#define LAYOUT_ORIGIN ".origin" /* in a generation: whose it is */
#define LAYOUT_NAME   64        /* size of names that we make */

/* What a link or name is. */
enum layout_state {
	LAYOUT_MISSING = 0,
	LAYOUT_MADE, /* as we make it */
	LAYOUT_COPY, /* a copy of ours, or another link to it */
};

/* The number of "7"; 0 for everything that is not exactly how we write one. */
int64_t layout_number(const char *name);

/* Calls visit for each entry; what is added or removed meanwhile may be seen or not. */
void layout_each(int dir_fd, void (*visit)(int dir_fd, const char *name, void *arg), void *arg);

/* The number of the live generation, 0: there is none. ERR_CONFIG: .live is not ours. */
int layout_live(int dir_fd, int64_t *ret_number, enum layout_state *ret_state, struct err *e);

/* The live generation; -1: there is none. */
int layout_open_live(int dir_fd);

/* One of generation_names. ERR_CONFIG: it is not ours. */
int layout_name(int dir_fd, const char *name, enum layout_state *ret_state, struct err *e);

/* Who deploys there, for whom we may only look. */
uid_t layout_user(const struct deployer_task *task);

/* Whether .gen is ours alone: whoever else could write to it could put a certificate of his own
 * into our server. */
int layout_judge_gens(const struct stat *st, const struct deployer_task *task, struct err *e);

/* The text of LAYOUT_ORIGIN for a task. The caller's; NULL: the task does not say whose it is. */
char *layout_origin(const struct deployer_task *task);

/* Whether the task's certificate may go into the directory: all of the above, and that what is
 * live there is not another certificate's and not newer (ERR_CONFIG, with what to do). With
 * task->strict also when something is to be put right. */
int layout_check(int dir_fd, const struct deployer_task *task, struct err *e);

#endif
