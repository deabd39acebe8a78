/* SPDX-License-Identifier: MIT
 *
 * migrate — opens the two database files: refuses what is damaged, foreign, half missing or newer
 * than this binary, and brings the rest to the newest schemas.
 *
 * Each migration is one exclusive transaction that also raises user_version, under the turn's
 * lock: a crash leaves the schema before or the schema after, and two processes that start at
 * once do it once.
 */
#include "store/internal.h"

#include "base/fault.h"

#include "store/schema_0001.h"
#include "store/schema_0002.h"
#include "store/schema_0003.h"
#include "store/schema_0004.h"
#include "store/schema_0005.h"
#include "store/schema_keys_0001.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the two files differ in. */
struct db_kind {
	const char *file;
	int64_t application_id;                  /* of the file's header */
	int64_t newest;                          /* schema that this binary knows */
	const char *const schemas[STORE_SCHEMA]; /* [0] leads from nothing to 1 */
	const char *journal;                     /* NULL: the best that this SQLite can */
	const char *pragmas;
};

/* trusted_schema and cell_size_check: the file may come from a backup that somebody touched. */
#define PRAGMAS                                                                                    \
	"PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; "     \
	"PRAGMA synchronous = EXTRA; PRAGMA temp_store = MEMORY;"

static const struct db_kind main_kind = {
	.file = "everleaf.db",
	.application_id = 0x65766c66, /* "evlf" */
	.newest = STORE_SCHEMA,
	.schemas = {schema_0001, schema_0002, schema_0003, schema_0004, schema_0005},
	.pragmas = PRAGMAS,
};

/* An erased key must be gone: from the file (secure_delete), and from the journal, which in the
 * mode PERSIST (or in a WAL) would keep the page with the key as it was before. */
static const struct db_kind keys_kind = {
	.file = "keys.db",
	.application_id = 0x65766c6b, /* "evlk" */
	.newest = 1,
	.schemas = {schema_keys_0001},
	.journal = "truncate",
	.pragmas = PRAGMAS " PRAGMA secure_delete = ON;",
};

static const char *journal_of(const struct db_kind *kind)
{
	if (kind->journal != NULL)
		return kind->journal;
	return db_wal_is_safe() ? "wal" : "persist";
}

static int set_journal(struct db *d, const char *mode, struct err *e)
{
	static const struct {
		const char *mode;
		const char *pragma;
	} pragmas[] = {
		{"persist", "PRAGMA journal_mode = PERSIST"},
		{"truncate", "PRAGMA journal_mode = TRUNCATE"},
		{"wal", "PRAGMA journal_mode = WAL"},
	};
	AUTO_FREE char *now = NULL;
	size_t i = 0;
	int r;

	while (strcmp(pragmas[i].mode, mode) != 0)
		i++;
	r = db_text(d, pragmas[i].pragma, &now, e);
	if (r != 0)
		return r;
	/* A WAL of a newer SQLite stays one while that has the file open; without a WAL all is
	 * well also with a newer SQLite. */
	if (!str_equal(now, mode) && strcmp(mode, "wal") != 0)
		return err_set(e, ERR_STORE,
			       "%s is in use by another version of everleaf: stop that first",
			       d->path);
	return 0;
}

static int check_references(struct db *d, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(d, "PRAGMA foreign_key_check");
	AUTO_FREE char *table = NULL;
	AUTO_FREE char *why = NULL;
	int r;

	r = sql_step(&q, e);
	if (r <= 0)
		return r;
	table = sql_text(&q);
	why = mem_printf("a row of %s names one that is gone", table);
	return db_damaged(d, why, e);
}

/* The file's length is read while the statement of the answer still holds off every writer. */
static int check_integrity(struct db *d, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(d, "PRAGMA integrity_check(1)");
	AUTO_FREE char *answer = NULL;
	int r;

	r = sql_row(&q, "integrity check", 0, e);
	if (r != 0)
		return r;
	if (db_ends_torn(d))
		return db_damaged(d, "its last page is cut off", e);
	answer = sql_text(&q);
	if (!str_equal(answer, "ok"))
		return db_damaged(d, answer != NULL ? answer : "no answer", e);
	return 0;
}

int db_check(struct db *d, struct err *e)
{
	int r;

	r = check_integrity(d, e);
	if (r != 0)
		return r;
	r = check_references(d, e);
	d->unchecked = r != 0;
	return r;
}

/* *ret_version: its schema, 0 for a file without any table. One statement, so that another process
 * cannot migrate between its parts. */
static int read_version(struct db *d, const struct db_kind *kind, int64_t *ret_version,
			struct err *e)
{
	struct sql q AUTO_SQL = sql_start(d, "SELECT a.application_id, u.user_version, "
					     "(SELECT count(*) FROM sqlite_schema) "
					     "FROM pragma_application_id AS a, "
					     "pragma_user_version AS u");
	int64_t application, version, tables;
	int r;

	r = sql_row(&q, "version", 0, e);
	if (r != 0)
		return r;
	application = sql_int(&q);
	version = sql_int(&q);
	tables = sql_int(&q);
	if (application != kind->application_id && (application | version | tables) != 0)
		return err_set(e, ERR_CONFIG, "%s is a database of another program", d->path);
	if (version > kind->newest)
		return err_set(e, ERR_CONFIG,
			       "%s was written by a newer everleaf (its schema is %" PRId64
			       ", this one knows %" PRId64 "): install that version again",
			       d->path, version, kind->newest);
	if (version < 0 || (version == 0) != (tables == 0))
		return db_damaged(d, "it has not the tables that its version says", e);
	*ret_version = version;
	return 0;
}

static int migrate_once(struct db *d, const struct db_kind *kind, int64_t version, struct err *e)
{
	AUTO_FREE char *mark =
		mem_printf("PRAGMA application_id = %" PRId64 "; PRAGMA user_version = %" PRId64,
			   kind->application_id, version + 1);
	int r;

	r = db_begin(d, "BEGIN EXCLUSIVE", e);
	if (r != 0)
		return r;
	r = db_exec(d, kind->schemas[version], e);
	if (r == 0)
		r = db_exec(d, mark, e);
	if (r != 0) {
		db_rollback(d);
		return r;
	}
	return db_commit(d, e);
}

static int migrate(struct db *d, const struct db_kind *kind, int64_t version, struct err *e)
{
	for (; version < kind->newest; version++) {
		int r = migrate_once(d, kind, version, e);

		if (r != 0) {
			err_while(e, "while bringing %s to schema %" PRId64, d->path, version + 1);
			return r;
		}
	}
	return 0;
}

/* Half a store must not be completed in silence: without its keys it would make new accounts, and
 * without its rows it would erase the keys. A crash while both are being made leaves an empty
 * keys.db, because that is made first. */
static int check_pair(struct store *s, int64_t main_version, int64_t keys_version, struct err *e)
{
	int64_t keys = 0;
	int r = 0;

	if (main_version > 0 && keys_version == 0)
		return place_refuse_lost(s, "keys.db", "everleaf.db", e);
	if (main_version == 0 && keys_version > 0)
		r = db_number(&s->keys, "SELECT count(*) FROM key", &keys, e);
	if (r == 0 && keys > 0)
		return place_refuse_lost(s, "everleaf.db", "keys.db", e);
	return r;
}

/* Before everleaf.db is made. Another process may have made it meanwhile, with the first keys. */
static int check_keys_alone(struct store *s, struct err *e)
{
	struct err why = {0};
	int64_t version = 0;
	bool there = false;
	int r = read_version(&s->keys, &keys_kind, &version, e);

	if (r != 0 || check_pair(s, 0, version, &why) == 0)
		return r;
	r = place_check_pair(s, &there, e);
	if (r != 0 || there)
		return r;
	*e = why;
	return why.code;
}

static int read_versions(struct store *s, int64_t *ret_main, int64_t *ret_keys, struct err *e)
{
	int r = read_version(&s->keys, &keys_kind, ret_keys, e);

	return r != 0 ? r : read_version(&s->db, &main_kind, ret_main, e);
}

/* With the turn's lock: what is read now does not change while it is judged. */
static int migrate_locked(struct store *s, struct err *e)
{
	int64_t main_version = 0, keys_version = 0;
	int r;

	r = store_check_rest(s, e);
	if (r == 0)
		r = read_versions(s, &main_version, &keys_version, e);
	if (r == 0)
		r = check_pair(s, main_version, keys_version, e);
	if (r == 0)
		r = migrate(&s->keys, &keys_kind, keys_version, e);
	if (r == 0)
		r = migrate(&s->db, &main_kind, main_version, e);
	return r;
}

static int migrate_all(struct store *s, struct err *e)
{
	int64_t main_version = 0, keys_version = 0;
	int r;

	r = read_versions(s, &main_version, &keys_version, e);
	if (r != 0 || (main_version == main_kind.newest && keys_version == keys_kind.newest))
		return r;
	r = turn_lock(s, e);
	if (r != 0)
		return r;
	r = migrate_locked(s, e);
	turn_unlock(s);
	return r;
}

/* By the file itself: what a damaged header says of it is nothing to go by. */
static bool is_small(const struct store *s, const struct db_kind *kind)
{
	struct stat st;

	return fstatat(s->dir_fd, kind->file, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	       st.st_size <= STORE_SMALL;
}

typedef int open_fn(struct db *d, const char *path, struct err *e);

static int open_one(struct store *s, struct db *d, const struct db_kind *kind, open_fn *open,
		    struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/%s", s->dir, kind->file);
	int r;

	r = place_check_file(s->dir_fd, s->dir, kind->file, e);
	if (r != 0)
		return r;
	r = open(d, path, e);
	FAULT("migrate.opened");
	if (r == 0)
		r = db_exec(d, kind->pragmas, e);
	d->unchecked = true;
	s->large = s->large || !is_small(s, kind);
	if (r == 0 && !(s->quickly && s->large))
		r = db_check(d, e); /* before anything writes */
	return r;
}

int migrate_open(struct store *s, struct err *e)
{
	bool there = false;
	int r;

	r = place_check_pair(s, &there, e);
	if (r == 0)
		r = open_one(s, &s->keys, &keys_kind, db_open, e);
	if (r == 0 && !there)
		r = check_keys_alone(s, e);
	if (r == 0)
		r = open_one(s, &s->db, &main_kind, db_open, e);
	if (r == 0)
		r = migrate_all(s, e);
	if (r == 0)
		r = set_journal(&s->keys, journal_of(&keys_kind), e);
	if (r == 0)
		r = set_journal(&s->db, journal_of(&main_kind), e);
	if (r == 0)
		r = place_mark(s, e);
	if (r != 0)
		return r;
	s->keys.opening = false;
	s->db.opening = false;
	return 0;
}

static int check_newest(const struct db *d, const struct db_kind *kind, int64_t version,
			struct err *e)
{
	if (version == kind->newest)
		return 0;
	return err_set(e, ERR_CONFIG,
		       "%s was written by an older everleaf: a command that writes, or the daemon, "
		       "brings it to this one's schema",
		       d->path);
}

int migrate_open_reader(struct store *s, struct err *e)
{
	int64_t main_version = 0, keys_version = 0;
	bool there = false;
	int r;

	r = place_check_pair(s, &there, e);
	if (r == 0 && !there && faccessat(s->dir_fd, keys_kind.file, F_OK, 0) != 0)
		return err_set(e, ERR_CONFIG, "there is no store in %s", s->dir);
	if (r == 0)
		r = open_one(s, &s->keys, &keys_kind, db_open_reader, e);
	if (r == 0 && !there)
		r = check_keys_alone(s, e);
	if (r == 0 && faccessat(s->dir_fd, main_kind.file, F_OK, 0) != 0)
		return err_set(e, ERR_CONFIG, "there is no store in %s", s->dir);
	if (r == 0)
		r = open_one(s, &s->db, &main_kind, db_open_reader, e);
	if (r == 0)
		r = read_versions(s, &main_version, &keys_version, e);
	if (r == 0)
		r = check_newest(&s->keys, &keys_kind, keys_version, e);
	if (r == 0)
		r = check_newest(&s->db, &main_kind, main_version, e);
	return r;
}
