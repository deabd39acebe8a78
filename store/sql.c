/* SPDX-License-Identifier: MIT
 *
 * sql — the only file that calls SQLite. Turns its result codes into sentences, keeps every
 * statement prepared, and never runs one outside the transaction it was meant for.
 */
#include "store/sql.h"

#include "base/fault.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DB_MAX_VALUE (8 * 1024 * 1024) /* bytes of one value, one row, or one statement */

struct sql_cached {
	struct sql_cached *next;
	const char *text; /* borrowed, static */
	sqlite3_stmt *stmt;
	bool busy;
};

int db_damaged(const struct db *d, const char *why, struct err *e)
{
	return err_set(e, d->opening ? ERR_CONFIG : ERR_STORE,
		       "%s is damaged (%s): nothing was changed; stop everleaf and restore the "
		       "state directory from a backup",
		       d->path, why);
}

static int db_held(const struct db *d, struct err *e)
{
	return d->waiting != NULL ? waiting_failed(d->waiting, e)
				  : err_set(e, ERR_STORE, "%s is held by another program", d->path);
}

static int db_fail(const struct db *d, int rc, struct err *e)
{
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return db_damaged(d, sqlite3_errstr(rc & 0xff), e);
	case SQLITE_ERROR: /* our statements are right, so the schema is not what it was */
		return db_damaged(d, sqlite3_errmsg(d->sqlite), e);
	case SQLITE_CONSTRAINT:
		return err_set(e, ERR_BUG, "%s refused a row: %s", d->path,
			       sqlite3_errmsg(d->sqlite));
	case SQLITE_BUSY:
	case SQLITE_PROTOCOL: /* the same of a WAL */
		return db_held(d, e);
	case SQLITE_FULL:
		return err_set(e, ERR_STORE, "%s cannot be written, its disk is full: make room",
			       d->path);
	case SQLITE_NOMEM:
		abort(); /* as everywhere: base/mem.h */
	default:
		return err_set(e, ERR_STORE, "cannot use %s: %s (%d)", d->path,
			       sqlite3_errmsg(d->sqlite), rc);
	}
}

bool db_wal_is_safe(void)
{
	return sqlite3_libversion_number() >= 3051003;
}

static int db_waits(void *arg, int tries)
{
	return waiting_goes_on(arg, tries);
}

static void db_configure(const struct db *d)
{
	struct sqlite3 *sqlite = d->sqlite;

	sqlite3_extended_result_codes(sqlite, 1);
	if (d->waiting != NULL)
		sqlite3_busy_handler(sqlite, db_waits, d->waiting);
	sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_limit(sqlite, SQLITE_LIMIT_LENGTH, DB_MAX_VALUE);
	sqlite3_limit(sqlite, SQLITE_LIMIT_ATTACHED, 0);
}

static int db_open_as(struct db *d, const char *path, int how, struct err *e)
{
	struct stat st;
	mode_t before;
	int rc;

	d->path = mem_str(path);
	d->opening = true;
	/* Only SQLite may open the file, not even we to set its mode: closing our descriptor would
	 * drop the locks that other connections of this process hold on it. */
	before = umask(077);
	rc = sqlite3_open_v2(path, &d->sqlite, how | SQLITE_OPEN_NOMUTEX, NULL);
	umask(before);
	if (d->sqlite == NULL)
		abort(); /* no memory even for the handle */
	if (rc != SQLITE_OK)
		return db_fail(d, rc, e);
	if (stat(path, &st) != 0)
		return err_sys(e, ERR_STORE, "cannot look at %s", path);
	d->device = st.st_dev;
	d->inode = st.st_ino;
	db_configure(d);
	return 0;
}

int db_open(struct db *d, const char *path, struct err *e)
{
	return db_open_as(d, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, e);
}

int db_open_reader(struct db *d, const char *path, struct err *e)
{
	int r = db_open_as(d, path, SQLITE_OPEN_READWRITE, e);

	return r == 0 ? db_exec(d, "PRAGMA query_only = ON", e) : r;
}

/* All pages in one step: SQLite's lock is held meanwhile, so that no writer comes between. */
int db_copy(struct db *d, const char *path, struct err *e)
{
	struct db to AUTO(db_close) = {0};
	sqlite3_backup *copy;
	int r, rc;

	r = db_open_as(&to, path, SQLITE_OPEN_READWRITE, e);
	if (r != 0)
		return r;
	copy = sqlite3_backup_init(to.sqlite, "main", d->sqlite, "main");
	if (copy == NULL)
		return db_fail(&to, sqlite3_errcode(to.sqlite), e);
	rc = sqlite3_backup_step(copy, -1);
	if (rc == SQLITE_DONE)
		rc = SQLITE_OK;
	(void)sqlite3_backup_finish(copy);
	return rc != SQLITE_OK ? db_fail(&to, rc, e) : 0;
}

void db_close(struct db *d)
{
	struct sql_cached *c = d->cached;

	while (c != NULL) {
		struct sql_cached *next = c->next;

		sqlite3_finalize(c->stmt);
		free(c);
		c = next;
	}
	sqlite3_close_v2(d->sqlite);
	free(d->path);
	memset(d, 0, sizeof(*d));
}

int db_exec(struct db *d, const char *text, struct err *e)
{
	int rc;

	if (db_lost(d))
		return err_set(e, ERR_STORE, "%s has undone this transaction", d->path);
	rc = sqlite3_exec(d->sqlite, text, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return db_fail(d, rc, e);
	return 0;
}

int db_begin(struct db *d, const char *text, struct err *e)
{
	int rc;

	assert(!d->writing);
	rc = sqlite3_exec(d->sqlite, text, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return db_fail(d, rc, e);
	d->writing = true;
	return 0;
}

int db_commit(struct db *d, struct err *e)
{
	int r;

	if (FAULT_FAILS("db.commit"))
		r = err_sys(e, ERR_STORE, "%s cannot be written", d->path);
	else
		r = db_exec(d, "COMMIT", e);
	FAULT("db.committed");
	if (r != 0)
		db_rollback(d);
	d->writing = false;
	return r;
}

void db_abandon(struct db *d)
{
	/* Nothing to report: a transaction that cannot be rolled back now is rolled back from its
	 * journal by whoever opens the file next. */
	if (sqlite3_get_autocommit(d->sqlite) == 0)
		sqlite3_exec(d->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

void db_rollback(struct db *d)
{
	db_abandon(d);
	d->writing = false;
}

bool db_in_transaction(const struct db *d)
{
	return sqlite3_get_autocommit(d->sqlite) == 0;
}

bool db_lost(const struct db *d)
{
	return d->writing && sqlite3_get_autocommit(d->sqlite) != 0;
}

static int64_t file_size(const struct db *d, int opcode)
{
	sqlite3_file *file = NULL;
	sqlite3_int64 size = 0;

	if (sqlite3_file_control(d->sqlite, "main", opcode, &file) != SQLITE_OK || file == NULL ||
	    file->pMethods == NULL || file->pMethods->xFileSize(file, &size) != SQLITE_OK)
		return 0;
	return size;
}

bool db_ends_torn(struct db *d)
{
	int64_t page = 0;

	if (db_number(d, "PRAGMA page_size", &page, NULL) != 0 || page <= 0)
		return false;
	return file_size(d, SQLITE_FCNTL_FILE_POINTER) % page != 0 &&
	       !(db_wal_is_safe() && file_size(d, SQLITE_FCNTL_JOURNAL_POINTER) > 0);
}

int64_t db_changes(const struct db *d)
{
	return sqlite3_total_changes64(d->sqlite);
}

int db_number(struct db *d, const char *text, int64_t *ret_number, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(d, text);
	int r;

	r = sql_row(&q, text, 0, e);
	if (r != 0)
		return r;
	*ret_number = sql_int(&q);
	return 0;
}

int db_text(struct db *d, const char *text, char **ret_text, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(d, text);
	int r;

	r = sql_row(&q, text, 0, e);
	if (r != 0)
		return r;
	*ret_text = sql_text(&q);
	return 0;
}

static struct sql_cached *cache_find(const struct db *d, const char *text)
{
	for (struct sql_cached *c = d->cached; c != NULL; c = c->next)
		if (strcmp(c->text, text) == 0)
			return c;
	return NULL;
}

struct sql sql_start(struct db *d, const char *text)
{
	struct sql q = {.db = d, .cached = cache_find(d, text)};
	sqlite3_stmt *stmt = NULL;

	if (q.cached == NULL) {
		q.rc = sqlite3_prepare_v3(d->sqlite, text, -1, SQLITE_PREPARE_PERSISTENT, &stmt,
					  NULL);
		if (q.rc != SQLITE_OK)
			return q;
		q.cached = mem_new(sizeof(*q.cached));
		q.cached->text = text;
		q.cached->stmt = stmt;
		q.cached->next = d->cached;
		d->cached = q.cached;
	}
	assert(!q.cached->busy);
	q.cached->busy = true;
	return q;
}

void sql_end(struct sql *q)
{
	if (q->cached == NULL)
		return;
	sqlite3_reset(q->cached->stmt); /* says again what sql_step said */
	sqlite3_clear_bindings(q->cached->stmt);
	q->cached->busy = false;
	q->cached = NULL;
}

/* Keeps the first failure of a bind. */
static void sql_note(struct sql *q, int rc)
{
	if (q->rc == SQLITE_OK)
		q->rc = rc;
}

void sql_bind_int(struct sql *q, int64_t value)
{
	if (q->rc == SQLITE_OK)
		sql_note(q, sqlite3_bind_int64(q->cached->stmt, ++q->bound, value));
}

void sql_bind_id(struct sql *q, int64_t id)
{
	if (id != 0)
		sql_bind_int(q, id);
	else if (q->rc == SQLITE_OK)
		sql_note(q, sqlite3_bind_null(q->cached->stmt, ++q->bound));
}

void sql_bind_text(struct sql *q, const char *text)
{
	if (q->rc == SQLITE_OK) /* a NULL text binds NULL */
		sql_note(q, sqlite3_bind_text(q->cached->stmt, ++q->bound, text, -1,
					      SQLITE_TRANSIENT));
}

void sql_bind_names(struct sql *q, const struct strlist *names)
{
	AUTO_FREE char *text = strlist_join(names, " ");

	sql_bind_text(q, text);
}

void sql_bind_blob(struct sql *q, const void *data, size_t len)
{
	/* SQLITE_STATIC: a key must not be copied to memory that nobody wipes. */
	if (q->rc == SQLITE_OK)
		sql_note(q, sqlite3_bind_blob64(q->cached->stmt, ++q->bound, data, len,
						SQLITE_STATIC));
}

int sql_step(struct sql *q, struct err *e)
{
	int rc;

	if (q->rc != SQLITE_OK)
		return db_fail(q->db, q->rc, e);
	if (db_lost(q->db))
		return err_set(e, ERR_STORE, "%s has undone this turn", q->db->path);
	assert(q->bound == sqlite3_bind_parameter_count(q->cached->stmt));
	/* While opening, the journal's mode is set: no transaction may do that. */
	assert(q->db->writing || q->db->opening || sqlite3_stmt_readonly(q->cached->stmt) != 0);
	q->column = 0;
	rc = sqlite3_step(q->cached->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return db_fail(q->db, rc, e);
}

int sql_run(struct sql *q, struct err *e)
{
	int r = sql_step(q, e);

	assert(r <= 0);
	return r;
}

int sql_row(struct sql *q, const char *what, int64_t id, struct err *e)
{
	int r = sql_step(q, e);

	if (r < 0)
		return r;
	if (r == 0 && id != 0)
		return err_set(e, ERR_STORE, "there is no %s %" PRId64 " in %s", what, id,
			       q->db->path);
	if (r == 0)
		return err_set(e, ERR_STORE, "%s has no answer to %s", q->db->path, what);
	return 0;
}

int64_t sql_int(struct sql *q)
{
	return sqlite3_column_int64(q->cached->stmt, q->column++);
}

bool sql_bool(struct sql *q)
{
	return sql_int(q) != 0;
}

/* The column as text; NULL only for NULL. */
static const char *sql_column(struct sql *q)
{
	const int column = q->column++;
	const unsigned char *text = sqlite3_column_text(q->cached->stmt, column);

	if (text == NULL && sqlite3_column_type(q->cached->stmt, column) != SQLITE_NULL)
		abort(); /* no memory */
	return (const char *)text;
}

char *sql_text(struct sql *q)
{
	return mem_str(sql_column(q));
}

void sql_copy(struct sql *q, char *text, size_t size)
{
	const char *column = sql_column(q);

	snprintf(text, size, "%s", column != NULL ? column : "");
}

void sql_names(struct sql *q, struct strlist *names)
{
	const char *text = sql_column(q);

	if (text != NULL)
		strlist_add_split(names, text, " ");
}

const void *sql_borrow(struct sql *q, size_t *ret_len)
{
	const int column = q->column++;
	const void *data = sqlite3_column_blob(q->cached->stmt, column);

	*ret_len = (size_t)sqlite3_column_bytes(q->cached->stmt, column);
	if (data == NULL && *ret_len != 0)
		abort(); /* no memory */
	return data;
}

void sql_buf(struct sql *q, struct buf *b)
{
	size_t len = 0;
	const void *data = sql_borrow(q, &len);

	if (len != 0)
		(void)buf_add(b, data, len); /* a value above the limit reads as empty */
}

void sql_bytes(struct sql *q, uint8_t *data, size_t len)
{
	size_t have = 0;
	const void *column = sql_borrow(q, &have);

	memset(data, 0, len);
	if (have == len && len != 0)
		memcpy(data, column, len);
}
