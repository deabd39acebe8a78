/* SPDX-License-Identifier: MIT
 *
 * make_lock — another program that holds a file of a store: a process of its own, with the lock
 * that SQLite's BEGIN EXCLUSIVE takes, or with the flock of whoever is in a turn.
 */
#ifndef TESTS_UNIT_MAKE_LOCK_H
#define TESTS_UNIT_MAKE_LOCK_H

#include <sys/types.h>

struct made_lock {
	pid_t pid;
	int hold; /* the lock is held until this is closed */
};

/* Returns when it is held. Name is that of a file in the directory; "turn" is locked with flock. */
struct made_lock made_lock_take(const char *dir, const char *name);

/* Returns when it is free; once. */
void made_lock_drop(struct made_lock *l);

#endif
