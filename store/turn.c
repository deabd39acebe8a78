/* SPDX-License-Identifier: MIT
 *
 * turn — the one place where writers queue, and where a turn becomes durable or never was.
 *
 * The queue is a lock on STATE/turn, because SQLite's own busy handler lets a writer starve
 * (HACKING.md, rule 2). Whoever has the lock meets only readers, which end soon.
 */
#include "store/internal.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/file.h>

/* Waiting here stops the loop, and it may: nothing can be heard or asked before the turn is ours.
 * flock has no time limit, so it is tried again, at most every 10 ms. What is counted is the time
 * asked for, so that neither a stopped clock nor a signal makes the wait longer or endless. */
int turn_lock(struct store *s, struct err *e)
{
	static const int waits[] = {1, 1, 2, 2, 5, 5, 10};
	int waited = 0;

	for (size_t i = 0;; i++) {
		const int ms = waits[i < COUNT_OF(waits) ? i : COUNT_OF(waits) - 1];

		if (flock(s->turn_fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, ERR_STORE, "cannot lock %s/turn", s->dir);
		if (waited >= STORE_TURN_MS)
			return err_set(e, ERR_STORE,
				       "another everleaf has kept %s/turn locked for %d seconds: "
				       "look whether it is stuck",
				       s->dir, STORE_TURN_MS / 1000);
		poll(NULL, 0, ms);
		waited += ms;
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
	r = db_begin(&s->db, "BEGIN EXCLUSIVE", STORE_TURN_MS, e);
	if (r != 0) {
		turn_unlock(s);
		return r;
	}
	s->turn_changes = db_changes(&s->db);
	return 0;
}

int store_turn_commit(struct store *s, struct err *e)
{
	int r;

	assert(store_in_turn(s) && !s->in_step);
	if (!db_lost(&s->db) && db_changes(&s->db) == s->turn_changes) {
		store_turn_undo(s);
		return 0;
	}
	r = keys_commit(s, e);
	if (r != 0) {
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
	assert(store_in_turn(s));
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
