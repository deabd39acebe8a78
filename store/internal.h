/* SPDX-License-Identifier: MIT
 *
 * internal — what the files of store/ share and nobody else sees.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "store/sql.h"
#include "store/standing.h"
#include "store/store.h"
#include "store/waiting.h"

#define STORE_DAY 86400

struct store {
	const struct clock *clock; /* borrowed */
	char *dir;                 /* as given */
	int dir_fd;
	struct db db;   /* everleaf.db */
	struct db keys; /* keys.db; used by keys.c and migrate.c only */
	bool quickly;   /* what is large was not to be looked at as a whole */
	bool large;     /* one of them is larger than STORE_SMALL */

	struct waiting waiting; /* of both databases and the turn */

	int turn_fd;
	bool in_step;
	int64_t turn_changes; /* db_changes when the turn began, and what undone steps added */
	int64_t step_changes; /* db_changes when the step began */
	int64_t keys_changes; /* db_changes of the keys when their transaction began */
	int64_t commits;
	int64_t data_version; /* as store_changed saw it last */

	char owner[STORE_ID_SIZE];
	int owner_fd;
	uint8_t seed[32];
	char id[STORE_NAME_SIZE];
};

/* place.c — whether a directory may hold a store: a file system of this machine, ours alone. */
int place_check(int dir_fd, const char *dir, struct err *e);

/* Why the directory (way: O_PATH) could not be opened (errno), and whose it is if that is the
 * reason. */
int place_closed(int way, const char *dir, struct err *e);

/* Whether there is a whole store, or none; half of one is refused (ERR_CONFIG) before any file is
 * made. *ret_there: there is one. */
int place_check_pair(const struct store *s, bool *ret_there, struct err *e);

/* The sentence for a database that is lost, and the one that is not; NULL: both are. */
int place_refuse_lost(const struct store *s, const char *lost, const char *there, struct err *e);

/* From now on both databases must be there. */
int place_mark(const struct store *s, struct err *e);

/* Whether a database file that exists may be opened: a plain file, ours, closed to others. */
int place_check_file(int dir_fd, const char *dir, const char *name, struct err *e);

/* True for f_type values (statfs) of file systems that other machines write to. */
bool place_is_network(uint64_t type);

/* The same by name, for what FUSE hides: looks up a device in the text of mountinfo. */
bool place_is_network_mount(const char *mountinfo, unsigned major, unsigned minor);

/* turn.c — the queue of writers. The lock alone, without a transaction, is for migrate.c. */
int turn_lock(struct store *s, struct err *e);
void turn_unlock(struct store *s);

/* migrate.c — opens both database files, checks them and brings them to STORE_SCHEMA. */
int migrate_open(struct store *s, struct err *e);

/* Every page, every index against its rows, every reference (HACKING.md says why all of it). */
int db_check(struct db *d, struct err *e);
/* The same for a reader: changes nothing, and refuses also what is missing or older. */
int migrate_open_reader(struct store *s, struct err *e);

/* owner.c — this process's file in STATE/owners; and removing those of the dead. */
int owner_make(struct store *s, struct err *e);
void owner_give_up(struct store *s);
int owner_prune(struct store *s, struct err *e);

/* keys.c — the keys that were put in a turn become durable, or never were. */
int keys_begin(struct store *s, struct err *e);
int keys_commit(struct store *s, struct err *e);
void keys_undo(struct store *s);

/* keys.c — marks keys that no row names and erases those marked a day ago. In a turn. */
int keys_prune(struct store *s, struct err *e);

/* standing.c — the columns that struct standing stands for. */
#define STANDING_COLUMNS                                                                           \
	"owner, fence, attempts, failures, next_at, err_code, err_type, err_text, err_retry_at, "  \
	"error_at"

/* Takes parameters $1 to $9; the statement's own begin at $10. */
#define STANDING_SET                                                                               \
	"owner = $1, attempts = $2, failures = $3, next_at = $4, err_code = $5, err_type = $6, "   \
	"err_text = $7, err_retry_at = $8, error_at = $9"

void standing_read(struct sql *q, struct standing *ret_standing);
void standing_bind(struct sql *q, const struct store *s, const struct standing *st, bool release);

/* Binds the last three parameters (id, owner, fence) of a fenced UPDATE … RETURNING id and runs
 * it. ERR_BUSY with CAUSE_LOST when no row matched. */
int standing_save(struct sql *q, const struct store *s, int64_t id, int64_t fence, struct err *e);

/* err_code, err_type, err_text, err_retry_at */
void error_read(struct sql *q, struct err *ret_error);
void error_bind(struct sql *q, const struct err *error);

/* Collects rows of (id, certificate_id, next_at, owner). */
int open_rows_read(struct sql *q, const struct store *s, struct open_rows *ret_rows, struct err *e);

/* The next id of a table. */
int id_next(struct db *d, const char *table, int64_t *ret_id, struct err *e);

#endif
