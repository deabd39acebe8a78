/* SPDX-License-Identifier: MIT
 *
 * examine — what opening a store does not see: versions that are not what was issued, and keys that
 * are missing, or not those of their rows.
 */
#include "store/internal.h"

#include "base/x509.h"
#include "store/keys.h"
#include "store/version.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EXAMINE_PIECE 64 /* versions in one look: each costs a key that is parsed */

static bool hash_of_leaf(const char *pem, uint8_t hash[KEY_HASH_SIZE])
{
	AUTO_CHAIN struct x509_chain *leaf = NULL;

	if (x509_chain_parse(pem, strlen(pem), &leaf, NULL) != 0)
		return false;
	memcpy(hash, x509_chain_facts(leaf, 0)->key_hash, KEY_HASH_SIZE);
	return true;
}

/* hash NULL: any key will do. */
static int find_in_key(struct store *s, const char *whose, int64_t key_id, const uint8_t *hash,
		       struct strlist *findings)
{
	AUTO_KEY struct key *k = NULL;
	uint8_t have[KEY_HASH_SIZE];
	struct err why = {0};
	int r = keys_get(s, key_id, &k, &why);

	if (r == ERR_STORE)
		return r;
	if (r != 0) {
		strlist_addf(findings, "%s: %s", whose, why.text);
		return 0;
	}
	key_hash(k, have);
	if (hash != NULL && memcmp(hash, have, sizeof(have)) != 0)
		strlist_addf(findings, "%s: key %" PRId64 " is another one", whose, key_id);
	return 0;
}

static int find_in_version(struct store *s, const char *whose, int64_t id, struct strlist *findings)
{
	AUTO_VERSION struct version *v = NULL;
	uint8_t hash[KEY_HASH_SIZE];
	struct err why = {0};
	int r = version_load(s, id, &v, &why);

	if (r == ERR_STORE)
		return r;
	if (r != 0)
		strlist_addf(findings, "%s: %s", whose, why.text);
	else if (!hash_of_leaf(v->leaf, hash))
		strlist_addf(findings, "%s: its certificate cannot be read", whose);
	else
		return find_in_key(s, whose, v->key_id, hash, findings);
	return 0;
}

/* --- all of them, in pieces --- */

/* One row to be examined, as a look has copied it. */
struct examined {
	int64_t id;
	char *whose;
	int64_t key_id;
	uint8_t hash[KEY_HASH_SIZE];
};

struct examination {
	struct store *s;
	struct strlist *findings;
	const struct store_progress *progress; /* NULL: nobody asks */
	struct examined rows[EXAMINE_PIECE];
	size_t count;
	int64_t done, all;
};

/* What there is to examine: rows after an id, so many of them; and how. */
struct examine_kind {
	const char *what;
	const char *count;
	const char *rows;
	int (*find)(struct examination *x, const struct examined *row);
};

static int find_version(struct examination *x, const struct examined *row)
{
	return find_in_version(x->s, row->whose, row->id, x->findings);
}

static int find_order(struct examination *x, const struct examined *row)
{
	return find_in_key(x->s, row->whose, row->key_id, row->hash, x->findings);
}

static int find_account(struct examination *x, const struct examined *row)
{
	return find_in_key(x->s, row->whose, row->key_id, NULL, x->findings);
}

/* Live orders only: the key of one that failed may be erased already. */
static const struct examine_kind kinds[] = {
	{"versions", "SELECT count(*) FROM version",
	 "SELECT v.id, c.name || ', version ' || v.id, v.key_id, NULL FROM version AS v "
	 "JOIN certificate AS c ON c.id = v.certificate_id WHERE v.id > $1 ORDER BY v.id LIMIT $2",
	 find_version},
	{"orders", "SELECT count(*) FROM acme_order WHERE ended_at = 0",
	 "SELECT id, 'order ' || id, key_id, key_hash FROM acme_order "
	 "WHERE ended_at = 0 AND id > $1 ORDER BY id LIMIT $2",
	 find_order},
	{"accounts", "SELECT count(*) FROM account WHERE key_id IS NOT NULL",
	 "SELECT id, 'the account at ' || server, key_id, NULL FROM account "
	 "WHERE key_id IS NOT NULL AND id > $1 ORDER BY id LIMIT $2",
	 find_account},
};

static void rows_clear(struct examination *x)
{
	for (size_t i = 0; i < x->count; i++)
		free(x->rows[i].whose);
	x->count = 0;
}

static int rows_read(struct examination *x, const struct examine_kind *kind, int64_t after,
		     struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&x->s->db, kind->rows);

	sql_bind_int(&q, after);
	sql_bind_int(&q, EXAMINE_PIECE);
	for (;;) {
		struct examined *row = &x->rows[x->count];
		int r = sql_step(&q, e);

		if (r <= 0)
			return r;
		row->id = sql_int(&q);
		row->whose = sql_text(&q);
		row->key_id = sql_int(&q);
		sql_bytes(&q, row->hash, sizeof(row->hash));
		x->count++;
	}
}

/* One look: a row is judged by what was there with it. What is written between two pieces was made
 * whole by whoever wrote it; of that, what lies behind the present id is examined, too. */
static int examine_piece(struct examination *x, const struct examine_kind *kind, int64_t after,
			 struct err *e)
{
	int r = store_look_begin(x->s, e);

	if (r != 0)
		return r;
	r = rows_read(x, kind, after, e);
	for (size_t i = 0; r == 0 && i < x->count; i++)
		if (kind->find(x, &x->rows[i]) != 0)
			r = err_set(e, ERR_STORE, "the %s or their keys cannot be read",
				    kind->what);
	store_look_end(x->s);
	return r;
}

static int examine_kind(struct examination *x, const struct examine_kind *kind, struct err *e)
{
	int64_t after = 0;
	int r = db_number(&x->s->db, kind->count, &x->all, e);

	x->done = 0;
	while (r == 0) {
		r = examine_piece(x, kind, after, e);
		if (r != 0 || x->count == 0)
			break;
		after = x->rows[x->count - 1].id;
		x->done += (int64_t)x->count;
		rows_clear(x);
		if (x->progress != NULL)
			x->progress->fn(x->progress->arg, kind->what, x->done, x->all);
	}
	rows_clear(x);
	return r;
}

int store_examine(struct store *s, struct strlist *findings, const struct store_progress *progress,
		  struct err *e)
{
	struct examination x = {.s = s, .findings = findings, .progress = progress};
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(kinds); i++)
		r = examine_kind(&x, &kinds[i], e);
	return r;
}
