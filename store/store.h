/* SPDX-License-Identifier: MIT
 *
 * store — the state directory: its database, its key file, its owners, its turns. The only SQL.
 *
 *     STATE/everleaf.db   everything that must be remembered (0600)
 *     STATE/keys.db       private keys, a database of its own (store/keys.h)
 *     STATE/turn          flock: the queue of writers
 *     STATE/owners/ID     one file a living process, which it holds with flock for life
 *     STATE/answers/      what the http-01 listeners serve (not ours: hooks write it)
 *
 * Writing happens in turns: store_turn_begin … commit. All row functions that write must be called
 * inside one; those that read may be called anywhere. A struct read from a row owns its strings.
 * Times are Unix seconds, 0 for "none"; ids are positive and never used twice.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_SCHEMA      5                 /* newest schema this binary knows */
#define STORE_ID_SIZE     33                /* an owner's id: 32 hex digits and a NUL */
#define STORE_NAME_SIZE   17                /* a store's id: 16 hex digits and a NUL */
#define STORE_WAIT_MS     10000             /* how long a command waits for whoever has the store */
#define STORE_HOLDER_SIZE 64                /* for store_holder */
#define STORE_SMALL       (8 * 1024 * 1024) /* bytes: a file that is looked at in milliseconds */
#define STORE_PIECE       256               /* rows that one look copies of very many */

struct store;

enum store_how {
	STORE_SOUND = 0, /* looked at as a whole, however large */
	/* A file larger than STORE_SMALL is not looked at as a whole: store_check_rest is to be
	 * called before anything is done that rests on it. */
	STORE_QUICKLY,
	/* One that is there (as quickly), to read it: makes no file, takes no turn, migrates
	 * nothing, is nobody's owner. ERR_CONFIG also when there is none. */
	STORE_READER,
};

struct store_opening {
	const char *dir;
	const struct clock *clock; /* borrowed by the store */
	enum store_how how;
	int wait_ms;                        /* for whoever has it, also later: store_waits */
	void (*tell)(const char *sentence); /* for whom it waits, after a second; or NULL */
};

/* Opens (and makes, and migrates) the state directory. ERR_CONFIG, with what to do, when: it is on
 * a network file system; others may write to it or it belongs to another user; a database is
 * damaged or was written by a newer everleaf; one of the two is gone, or both from where a store
 * was: none is ever made in the place of a lost one. ERR_STORE, CAUSE_HELD: another program holds
 * it. */
int store_open_as(const struct store_opening *o, struct store **ret_store, struct err *e);

/* STORE_SOUND, STORE_WAIT_MS, and nobody is told. */
int store_open(const char *dir, const struct clock *clock, struct store **ret_store, struct err *e);

/* From now on so many milliseconds are waited, where another program has the store, before a call
 * fails with ERR_STORE, CAUSE_HELD; returns how many it was. In a turn nothing waits. */
int store_waits(struct store *s, int ms);

/* Who has the store now, as far as we may know: "python3 (pid 12)", or "another program". */
void store_holder(const struct store *s, char text[STORE_HOLDER_SIZE]);

/* ERR_STORE, CAUSE_REPLACED: a file of the store is not the one that is open here any more, because
 * somebody restored, moved or removed it. Whoever goes on would write what nobody will read. */
int store_is_in_place(const struct store *s, struct err *e);

/* The directory, as it was given. Borrowed. */
const char *store_dir(const struct store *s);

/* ERR_SYS when its disk has no room for what an order ends in. */
int store_room(const struct store *s, struct err *e);

/* This process's owner id. Borrowed. */
const char *store_owner(const struct store *s);

/* Queues for the turn (flock on STATE/turn) and begins an exclusive transaction of both databases.
 * ERR_STORE when that fails: nothing was changed; CAUSE_HELD: it may be tried again; CAUSE_REPLACED
 * as above. */
int store_turn_begin(struct store *s, struct err *e);

/* Commits what the turn changed; a turn that changed nothing is rolled back instead, so that it
 * costs no fsync. ERR_STORE: nothing of it was kept, treat like a crash. */
int store_turn_commit(struct store *s, struct err *e);

/* Between these two all that is read is of one moment, which also costs less than a lock for each
 * statement. Nothing may be written; and writers wait, so nothing is printed, asked or waited for
 * in between either: a look copies what it needs and ends, and of many rows it takes one piece
 * (STORE_PIECE) after the other. Not inside a turn. */
int store_look_begin(struct store *s, struct err *e);
void store_look_end(struct store *s);
bool store_in_look(const struct store *s);

/* Undoes the whole turn. */
void store_turn_undo(struct store *s);

bool store_in_turn(const struct store *s);

/* One step inside a turn: kept with the turn, or undone alone. */
int store_step_begin(struct store *s, struct err *e);
int store_step_keep(struct store *s, struct err *e);
void store_step_undo(struct store *s);

/* How many turns this process has committed that changed something (the key file's apart). */
int64_t store_commits(const struct store *s);

/* True when another process has committed something since this was last asked. Cheap. */
bool store_changed(struct store *s);

/* 32 random bytes made with the store: the seed of every jitter (HACKING.md). Borrowed. */
const uint8_t *store_seed(const struct store *s);

/* What tells this store from others, made from its seed: a copy of it has the same. Borrowed. */
const char *store_id(const struct store *s);

/* Deletes what has ended and is old (HACKING.md): versions beyond live, previous and unexpired and
 * more than 5 of a certificate, ended orders after 30 days, events after 400 days and beyond 200 a
 * certificate, removed certificates with nothing live, targets of no deployment, owner files of the
 * dead, keys that no row has named for a day. Begins and ends turns of its own. */
int store_prune(struct store *s, struct err *e);

/* PRAGMA integrity_check and foreign_key_check of both files. */
int store_check(struct store *s, struct err *e);

/* The same of what opening left out, once; nothing when that was nothing. */
int store_check_rest(struct store *s, struct err *e);

/* Who is told how far something has come: so many of what are done, of about so many. Called while
 * nobody is kept from writing. */
struct store_progress {
	void (*fn)(void *arg, const char *what, int64_t done, int64_t all);
	void *arg;
};

/* Whether every version is what was issued, and every key that a row names is there and is the one
 * of its certificate or order; in pieces, so that others write meanwhile. Adds a sentence for
 * everything that is wrong. progress may be NULL. An error: it could not be examined. */
int store_examine(struct store *s, struct strlist *findings, const struct store_progress *progress,
		  struct err *e);

/* Copies both databases, as they are at one moment, to file and file.keys, durably and with mode
 * 0600; file comes last, and is whole when it is there. Neither may exist: nothing is overwritten.
 * A directory with the two as everleaf.db and keys.db is a store. */
int store_backup(struct store *s, const char *file, struct err *e);

void store_free(struct store *s); /* gives up ownership: owned rows become free at once */
void auto_store(struct store **s);
#define AUTO_STORE AUTO(auto_store)

#endif
