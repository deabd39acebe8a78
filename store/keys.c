/* SPDX-License-Identifier: MIT
 *
 * keys — the only reader and writer of keys.db (migrate.c opens it).
 *
 * Its transactions are its own, and a turn's is committed before the turn: a key must be durable
 * before the row that names it (HACKING.md, rule 4), and one that is never named is erased after a
 * day.
 */
#include "store/keys.h"

#include "store/internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int keys_begin(struct store *s, struct err *e)
{
	int r = db_begin(&s->keys, "BEGIN EXCLUSIVE", e);

	s->keys_changes = db_changes(&s->keys);
	return r;
}

static int keys_add(struct store *s, const struct key *k, const uint8_t hash[KEY_HASH_SIZE],
		    int64_t *ret_id, struct err *e)
{
	struct buf pem AUTO_BUF = {0};
	struct sql q AUTO_SQL = sql_start(
		&s->keys, "INSERT INTO key (id, kind, hash, pem, created_at, unnamed_since) "
			  "VALUES ($1, $2, $3, $4, $5, $6)");
	const int64_t now = clock_now(s->clock);
	int64_t id = 0;
	int r;

	buf_init_secret(&pem, KEY_PEM_MAX);
	r = key_print(k, &pem, e);
	if (r == 0)
		r = id_next(&s->keys, "key", &id, e);
	if (r != 0)
		return r;
	sql_bind_int(&q, id);
	sql_bind_text(&q, key_kind_name(key_kind(k)));
	sql_bind_blob(&q, hash, KEY_HASH_SIZE);
	sql_bind_blob(&q, pem.data, pem.len);
	sql_bind_int(&q, now);
	sql_bind_int(&q, now);
	r = sql_run(&q, e);
	if (r != 0)
		return r;
	*ret_id = id;
	return 0; /* q, which borrows from pem, ends first: it was declared after it */
}

static int keys_mark(struct store *s, int64_t id, int64_t unnamed_since, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->keys, "UPDATE key SET unnamed_since = $1 WHERE id = $2");

	sql_bind_int(&q, unnamed_since);
	sql_bind_int(&q, id);
	return sql_run(&q, e);
}

/* The same key again is the same row: whoever stored it and crashed comes with it a second time.
 * Its day begins anew. */
static int keys_add_once(struct store *s, const struct key *k, int64_t *ret_id, struct err *e)
{
	uint8_t hash[KEY_HASH_SIZE];
	int64_t id = 0;
	int r;

	key_hash(k, hash);
	r = keys_find(s, hash, &id, e);
	if (r == 0 && id != 0)
		r = keys_mark(s, id, clock_now(s->clock), e);
	else if (r == 0)
		r = keys_add(s, k, hash, &id, e);
	if (r != 0)
		return r;
	*ret_id = id;
	return 0;
}

int keys_put(struct store *s, const struct key *k, int64_t *ret_id, struct err *e)
{
	int64_t id = 0;
	int r = s->keys.writing ? 0 : keys_begin(s, e);

	if (r == 0)
		r = keys_add_once(s, k, &id, e);
	if (r == 0 && !store_in_turn(s))
		r = keys_commit(s, e);
	if (r != 0) {
		if (!store_in_turn(s))
			keys_undo(s);
		return r;
	}
	*ret_id = id;
	return 0;
}

int keys_commit(struct store *s, struct err *e)
{
	if (!s->keys.writing)
		return 0;
	if (db_lost(&s->keys) || db_changes(&s->keys) != s->keys_changes)
		return db_commit(&s->keys, e);
	db_rollback(&s->keys);
	return 0;
}

void keys_undo(struct store *s)
{
	if (s->keys.writing)
		db_rollback(&s->keys);
}

int keys_get(struct store *s, int64_t id, struct key **ret_key, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->keys, "SELECT hash, pem FROM key WHERE id = $1");
	AUTO_KEY struct key *k = NULL;
	uint8_t stored[KEY_HASH_SIZE], hash[KEY_HASH_SIZE];
	const void *pem;
	size_t len = 0;
	int r;

	sql_bind_int(&q, id);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(e, ERR_SYS, "there is no key %" PRId64 " in %s", id, s->keys.path);
	sql_bytes(&q, stored, sizeof(stored));
	pem = sql_borrow(&q, &len);
	if (pem == NULL || key_load(pem, len, &k, NULL) != 0)
		return err_set(e, ERR_SYS, "key %" PRId64 " in %s cannot be read", id,
			       s->keys.path);
	key_hash(k, hash);
	if (memcmp(hash, stored, sizeof(hash)) != 0)
		return err_set(e, ERR_SYS, "key %" PRId64 " in %s is not the one stored there", id,
			       s->keys.path);
	*ret_key = TAKE(k);
	return 0;
}

int keys_find(struct store *s, const uint8_t hash[KEY_HASH_SIZE], int64_t *ret_id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->keys, "SELECT id FROM key WHERE hash = $1");
	int r;

	sql_bind_blob(&q, hash, KEY_HASH_SIZE);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	*ret_id = r > 0 ? sql_int(&q) : 0;
	return 0;
}

struct key_mark {
	int64_t id;
	int64_t unnamed_since;
};

static int keys_marks(struct store *s, struct key_mark **ret_marks, size_t *ret_count,
		      struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->keys, "SELECT id, unnamed_since FROM key ORDER BY id");
	AUTO_FREE struct key_mark *marks = NULL;
	size_t count = 0;
	int r;

	for (;;) {
		r = sql_step(&q, e);
		if (r < 0)
			return r;
		if (r == 0)
			break;
		marks = mem_grow(marks, count + 1, sizeof(*marks));
		marks[count].id = sql_int(&q);
		marks[count++].unnamed_since = sql_int(&q);
	}
	*ret_marks = TAKE(marks);
	*ret_count = count;
	return 0;
}

/* 1: a row of everleaf.db names it; 0: none does. */
static int keys_is_named(struct store *s, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT 1 FROM account WHERE key_id = $1 "
				  "UNION ALL SELECT 1 FROM acme_order WHERE key_id = $1 "
				  "UNION ALL SELECT 1 FROM version WHERE key_id = $1");

	sql_bind_int(&q, id);
	return sql_step(&q, e);
}

static int keys_erase(struct store *s, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->keys, "DELETE FROM key WHERE id = $1");

	sql_bind_int(&q, id);
	return sql_run(&q, e);
}

static int keys_judge(struct store *s, const struct key_mark *m, struct err *e)
{
	const int64_t now = clock_now(s->clock);
	int r;

	r = keys_is_named(s, m->id, e);
	if (r < 0)
		return r;
	if (r > 0)
		return m->unnamed_since != 0 ? keys_mark(s, m->id, 0, e) : 0;
	/* A mark in the future was made under a wrong clock: the day begins now. */
	if (m->unnamed_since == 0 || m->unnamed_since > now)
		return keys_mark(s, m->id, now, e);
	if (m->unnamed_since <= now - STORE_DAY)
		return keys_erase(s, m->id, e);
	return 0;
}

int keys_prune(struct store *s, struct err *e)
{
	AUTO_FREE struct key_mark *marks = NULL;
	size_t count = 0;
	int r;

	assert(store_in_turn(s)); /* so that no row begins to name a key meanwhile */
	r = keys_marks(s, &marks, &count, e);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = keys_judge(s, &marks[i], e);
	return r;
}
