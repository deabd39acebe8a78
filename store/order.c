/* SPDX-License-Identifier: MIT
 *
 * order — reads and writes the table acme_order.
 */
#include "store/order.h"

#include "store/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ORDER_MAX_CSR 65536 /* as the schema says */

#define COLUMNS                                                                                    \
	"id, certificate_id, account_id, key_id, key_kind, key_hash, names, wish, replaces, csr, " \
	"url, stage, hooked, issued, version_id, created_at, ended_at, renews, "                   \
	"exempt, " STANDING_COLUMNS ", err_cause, shown_by, processing_at"

static struct order *order_read(struct sql *q)
{
	struct order *o = mem_new(sizeof(*o));
	char cause[32];

	o->id = sql_int(q);
	o->certificate_id = sql_int(q);
	o->account_id = sql_int(q);
	o->key_id = sql_int(q);
	o->key_kind = sql_text(q);
	sql_bytes(q, o->key_hash, sizeof(o->key_hash));
	sql_names(q, &o->names);
	o->wish = sql_text(q);
	o->replaces = sql_text(q);
	buf_init(&o->csr, ORDER_MAX_CSR);
	sql_buf(q, &o->csr);
	o->url = sql_text(q);
	o->stage = sql_text(q);
	o->hooked = sql_bool(q);
	o->issued = sql_bool(q);
	o->version_id = sql_int(q);
	o->created_at = sql_int(q);
	o->ended_at = sql_int(q);
	o->renews = sql_bool(q);
	o->exempt = sql_bool(q);
	standing_read(q, &o->standing);
	sql_copy(q, cause, sizeof(cause));
	o->standing.error.cause = err_cause_parse(cause);
	sql_copy(q, o->shown_by, sizeof(o->shown_by));
	o->processing_at = sql_int(q);
	return o;
}

static int order_one(struct sql *q, struct order **ret_order, struct err *e)
{
	int r = sql_step(q, e);

	if (r < 0)
		return r;
	*ret_order = r > 0 ? order_read(q) : NULL;
	return 0;
}

/* 1: yes; 0: no. Nobody else can insert one before this turn ends; the unique index stands behind
 * it for the day when a turn is not exclusive. */
static int order_is_live(struct store *s, const struct order *o, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT 1 FROM acme_order "
				  "WHERE certificate_id = $1 AND key_kind = $2 AND ended_at = 0");

	sql_bind_int(&q, o->certificate_id);
	sql_bind_text(&q, o->key_kind);
	return sql_step(&q, e);
}

static void order_bind(struct sql *q, const struct order *o)
{
	sql_bind_int(q, o->certificate_id);
	sql_bind_int(q, o->account_id);
	sql_bind_int(q, o->key_id);
	sql_bind_text(q, o->key_kind);
	sql_bind_blob(q, o->key_hash, sizeof(o->key_hash));
	sql_bind_names(q, &o->names);
	sql_bind_text(q, o->wish);
	sql_bind_text(q, o->replaces);
	sql_bind_blob(q, o->csr.data, o->csr.len);
	sql_bind_text(q, o->url);
	sql_bind_text(q, o->stage != NULL ? o->stage : "new");
	sql_bind_int(q, o->hooked);
	sql_bind_id(q, o->version_id);
}

/* 1: inserted; 0: there was one. */
static int order_add(struct store *s, const struct order *o, int64_t id, int64_t created_at,
		     struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db,
		"INSERT INTO acme_order (id, certificate_id, account_id, key_id, key_kind, "
		"key_hash, names, wish, replaces, csr, url, stage, hooked, version_id, "
		"created_at, ended_at, owner, fence, attempts, renews, exempt) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, "
		"$16, 1, 1, $17, $18) ON CONFLICT DO NOTHING RETURNING id");

	sql_bind_int(&q, id);
	order_bind(&q, o);
	sql_bind_int(&q, created_at);
	sql_bind_text(&q, s->owner);
	sql_bind_int(&q, o->renews);
	sql_bind_int(&q, o->exempt);
	return sql_step(&q, e);
}

int order_insert(struct store *s, struct order *o, bool *ret_inserted, struct err *e)
{
	const int64_t created_at = o->created_at != 0 ? o->created_at : clock_now(s->clock);
	int64_t id = 0;
	int r;

	r = order_is_live(s, o, e);
	if (r < 0)
		return r;
	if (r > 0) {
		*ret_inserted = false;
		return 0;
	}
	r = id_next(&s->db, "acme_order", &id, e);
	if (r == 0)
		r = order_add(s, o, id, created_at, e);
	if (r < 0)
		return r;
	*ret_inserted = r > 0;
	if (r == 0)
		return 0;
	o->id = id;
	o->created_at = created_at;
	if (o->stage == NULL)
		o->stage = mem_str("new");
	o->standing = (struct standing){.fence = 1, .attempts = 1};
	memcpy(o->standing.owner, s->owner, sizeof(o->standing.owner));
	return 0;
}

int order_load(struct store *s, int64_t id, struct order **ret_order, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT " COLUMNS " FROM acme_order WHERE id = $1");

	sql_bind_int(&q, id);
	return order_one(&q, ret_order, e);
}

int order_latest(struct store *s, int64_t certificate_id, struct order **ret_order, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT " COLUMNS " FROM acme_order "
				  "WHERE certificate_id = $1 ORDER BY id DESC LIMIT 1");

	sql_bind_int(&q, certificate_id);
	return order_one(&q, ret_order, e);
}

/* Asked before the UPDATE, not learned from its failure: the step may go on without the URL. */
static int order_check_url(struct store *s, const struct order *o, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT 1 FROM acme_order WHERE url = $1 AND id <> $2 AND ended_at = 0");
	int r;

	if (o->url == NULL || o->ended_at != 0)
		return 0;
	sql_bind_text(&q, o->url);
	sql_bind_int(&q, o->id);
	r = sql_step(&q, e);
	if (r <= 0)
		return r;
	err_set(e, ERR_CONFIG,
		"the CA answered with an order that another certificate is already using: this "
		"one waits for its end");
	(void)err_because(e, CAUSE_ORDER_TAKEN);
	return ERR_CONFIG;
}

int order_save(struct store *s, const struct order *o, bool release, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE acme_order SET " STANDING_SET ", url = $10, stage = $11, "
				  "hooked = $12, issued = $13, replaces = $14, version_id = $15, "
				  "ended_at = $16, err_cause = $17, shown_by = $18, "
				  "processing_at = $19 "
				  "WHERE id = $20 AND owner = $21 AND fence = $22 RETURNING id");
	int r;

	r = order_check_url(s, o, e);
	if (r != 0)
		return r;
	standing_bind(&q, s, &o->standing, release);
	sql_bind_text(&q, o->url);
	sql_bind_text(&q, o->stage);
	sql_bind_int(&q, o->hooked);
	sql_bind_int(&q, o->issued);
	sql_bind_text(&q, o->replaces);
	sql_bind_id(&q, o->version_id);
	sql_bind_int(&q, o->ended_at);
	sql_bind_text(&q, err_cause_name(o->standing.error.cause));
	sql_bind_text(&q, o->shown_by);
	sql_bind_int(&q, o->processing_at);
	return standing_save(&q, s, o->id, o->standing.fence, e);
}

int order_open(struct store *s, int64_t certificate_id, struct open_rows *ret_rows, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db,
		"SELECT id, certificate_id, next_at, err_retry_at, error_at, owner FROM acme_order "
		"WHERE ended_at = 0 AND ($1 = 0 OR certificate_id = $1) "
		"ORDER BY next_at, id");

	sql_bind_int(&q, certificate_id);
	return open_rows_read(&q, s, ret_rows, e);
}

void order_free(struct order *o)
{
	if (o == NULL)
		return;
	free(o->key_kind);
	strlist_clear(&o->names);
	free(o->wish);
	free(o->replaces);
	buf_free(&o->csr);
	free(o->url);
	free(o->stage);
	free(o);
}

void auto_order(struct order **o)
{
	order_free(*o);
}
