/* SPDX-License-Identifier: MIT
 *
 * turn — the one place where writers queue, and where a turn becomes durable or never was.
 *
 * The queue is a lock on STATE/turn, because SQLite's own busy handler lets a writer starve
 * (HACKING.md, rule 2). Whoever has the lock meets only readers, which end soon, and other
 * programs. A turn has both databases to itself before anything is heard: nothing in it finds one
 * held.
 */
#include "store/internal.h"

#include <assert.h>
#include <errno.h>
#include <sys/file.h>

/* flock has no time limit, so it is tried again. */
int turn_lock(struct store *s, struct err *e)
{
	for (int tries = 0;; tries++) {
		if (flock(s->turn_fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, ERR_STORE, "cannot lock %s/turn", s->dir);
		if (!waiting_goes_on(&s->waiting, tries))
			return waiting_failed(&s->waiting, e);
	}
}

void turn_unlock(struct store *s)
{
	flock(s->turn_fd, LOCK_UN);
}

static void turn_over(struct store *s)
{
	s->in_step = false;
	turn_unlock(s);
}

int store_turn_begin(struct store *s, struct err *e)
{
	int r;

	assert(!store_in_turn(s));
	r = turn_lock(s, e);
	if (r != 0)
		return r;
	r = store_is_in_place(s, e);
	if (r == 0)
		r = db_begin(&s->db, "BEGIN EXCLUSIVE", e);
	if (r == 0)
		r = keys_begin(s, e);
	if (r != 0) {
		store_turn_undo(s);
		return r;
	}
	s->turn_changes = db_changes(&s->db);
	return 0;
}

int store_turn_commit(struct store *s, struct err *e)
{
	int r;

	assert(store_in_turn(s) && !s->in_step);
	r = keys_commit(s, e);
	if (r != 0 || (!db_lost(&s->db) && db_changes(&s->db) == s->turn_changes)) {
		store_turn_undo(s);
		return r;
	}
	r = db_commit(&s->db, e);
	if (r == 0)
		s->commits++;
	turn_over(s);
	return r;
}

void store_turn_undo(struct store *s)
{
	db_rollback(&s->db);
	keys_undo(s);
	turn_over(s);
}

bool store_in_turn(const struct store *s)
{
	return s->db.writing;
}

int store_look_begin(struct store *s, struct err *e)
{
	assert(!store_in_turn(s));
	return db_exec(&s->db, "BEGIN", e);
}

void store_look_end(struct store *s)
{
	db_abandon(&s->db);
}

bool store_in_look(const struct store *s)
{
	return !store_in_turn(s) && db_in_transaction(&s->db);
}

int store_step_begin(struct store *s, struct err *e)
{
	int r;

	assert(store_in_turn(s) && !s->in_step);
	r = db_exec(&s->db, "SAVEPOINT step", e);
	if (r != 0)
		return r;
	s->in_step = true;
	s->step_changes = db_changes(&s->db);
	return 0;
}

int store_step_keep(struct store *s, struct err *e)
{
	assert(s->in_step);
	s->in_step = false;
	return db_exec(&s->db, "RELEASE step", e);
}

void store_step_undo(struct store *s)
{
	assert(s->in_step);
	s->in_step = false;
	/* A step that cannot be undone alone takes the turn with it: store_turn_commit sees that
	 * the transaction is gone. */
	if (db_exec(&s->db, "ROLLBACK TO step; RELEASE step", NULL) != 0)
		db_abandon(&s->db);
	/* What was undone is no change that a commit would have to keep. */
	s->turn_changes += db_changes(&s->db) - s->step_changes;
}

int64_t store_commits(const struct store *s)
{
	return s->commits;
}

bool store_changed(struct store *s)
{
	int64_t version = s->data_version;

	/* data_version changes with other connections' commits, not with our own */
	if (db_number(&s->db, "PRAGMA data_version", &version, NULL) != 0 ||
	    version == s->data_version)
		return false;
	s->data_version = version;
	return true;
}
