/* SPDX-License-Identifier: MIT
 *
 * sql — the only door to SQLite: one database file, and statements that are prepared once, bound
 * in the order of their parameters ($1, $2, …) and read in the order of their columns.
 *
 *     struct sql q AUTO_SQL = sql_start(d, "SELECT name FROM certificate WHERE id = $1");
 *     sql_bind_int(&q, id);
 *     r = sql_step(&q, e);
 *     if (r > 0)
 *             *ret_name = sql_text(&q);
 *
 * What goes wrong while binding is reported by the next sql_step.
 */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strlist.h"
#include "store/waiting.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct sqlite3;
struct sql_cached;

struct db {
	struct sqlite3 *sqlite;    /* owned; NULL: not open */
	char *path;                /* owned */
	dev_t device;              /* of the file that is open … */
	ino_t inode;               /* … which may not be the one at the path any more */
	struct waiting *waiting;   /* borrowed, set before it is opened; NULL: for nobody */
	struct sql_cached *cached; /* owned: every statement used so far */
	bool writing;              /* between db_begin and db_commit or db_rollback */
	bool opening;              /* damage is said to the operator (ERR_CONFIG), not retried */
	bool unchecked;            /* it was not yet looked at as a whole */
};

/* Opens the file, makes it (0600 under any umask) when it is missing. Reads nothing yet. */
int db_open(struct db *d, const char *path, struct err *e);

/* The same for a file that must be there, of which nothing is changed: a statement that writes
 * fails. (What a crash left half written is undone first, as by every reader.) */
int db_open_reader(struct db *d, const char *path, struct err *e);

/* Copies everything, as it is at one moment, into an empty file. The copy is not yet durable. */
int db_copy(struct db *d, const char *path, struct err *e);

/* A struct that is all zero may be passed too. */
void db_close(struct db *d);

/* Runs statements without parameters or rows. Not for transactions. */
int db_exec(struct db *d, const char *text, struct err *e);

/* Begins a transaction ("BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"). */
int db_begin(struct db *d, const char *text, struct err *e);

/* On failure everything is rolled back. Either way the transaction is over. */
int db_commit(struct db *d, struct err *e);
void db_rollback(struct db *d);

/* Rolls back and stays in the transaction that is lost now, so that its commit fails. */
void db_abandon(struct db *d);

bool db_in_transaction(const struct db *d);

/* SQLite ends a transaction by itself after some errors (disk full, input/output error). What is
 * written then would be kept statement by statement: so every statement asks this first. */
bool db_lost(const struct db *d);

/* True when the file does not end with a whole page: SQLite reads what is missing as zeros, and
 * finds nothing wrong with that where a row's last bytes were. Ask while a statement reads, which
 * holds off writers; what a WAL still holds is not missing. */
bool db_ends_torn(struct db *d);

/* Rows inserted, updated and deleted since the file was opened. */
int64_t db_changes(const struct db *d);

/* The first column of the first row of a statement without parameters. */
int db_number(struct db *d, const char *text, int64_t *ret_number, struct err *e);
int db_text(struct db *d, const char *text, char **ret_text, struct err *e);

/* The sentence for a damaged file: ERR_CONFIG while it is being opened, else ERR_STORE. */
int db_damaged(const struct db *d, const char *why, struct err *e);

/* True when this SQLite may use WAL: 3.7.0 to 3.51.2 can corrupt one with two connections. */
bool db_wal_is_safe(void);

/* One run of a statement. */
struct sql {
	struct db *db;             /* borrowed */
	struct sql_cached *cached; /* borrowed; NULL: it could not be prepared */
	int rc;                    /* first failure before sql_step */
	int bound;                 /* parameters bound so far */
	int column;                /* columns read so far */
};

/* text must live as long as the process: the statement is kept by it. */
struct sql sql_start(struct db *d, const char *text);

void sql_bind_int(struct sql *q, int64_t value);
void sql_bind_id(struct sql *q, int64_t id);                     /* 0 becomes NULL */
void sql_bind_text(struct sql *q, const char *text);             /* NULL becomes NULL */
void sql_bind_names(struct sql *q, const struct strlist *names); /* joined by a space */
void sql_bind_blob(struct sql *q, const void *data, size_t len); /* borrowed until sql_end */

/* 1: there is a row to read; 0: the statement is done; negative: it failed. A statement that
 * violates a constraint is our bug (ERR_BUG); all else is ERR_STORE. */
int sql_step(struct sql *q, struct err *e);

/* For statements that return nothing: 0 or negative. */
int sql_run(struct sql *q, struct err *e);

/* For statements of which one row must come: ERR_STORE, naming what was looked for, otherwise. */
int sql_row(struct sql *q, const char *what, int64_t id, struct err *e);

/* Each reads the next column of the row. */
int64_t sql_int(struct sql *q); /* NULL reads as 0 */
bool sql_bool(struct sql *q);
char *sql_text(struct sql *q);                            /* the caller's; NULL for NULL */
void sql_copy(struct sql *q, char *text, size_t size);    /* cut at size - 1 bytes */
void sql_names(struct sql *q, struct strlist *names);     /* adds */
void sql_buf(struct sql *q, struct buf *b);               /* adds, unless above its limit */
void sql_bytes(struct sql *q, uint8_t *data, size_t len); /* zeroes unless exactly len */
const void *sql_borrow(struct sql *q, size_t *ret_len);   /* borrowed until sql_end */

/* Makes the statement ready for its next use. */
void sql_end(struct sql *q);
#define AUTO_SQL AUTO(sql_end)

#endif
