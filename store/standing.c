/* SPDX-License-Identifier: MIT
 *
 * standing — the only place where rows change hands: claims, fences, and the columns around them.
 */
#include "store/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *look;
	const char *take;
	const char *release;
	const char *back;
} claimables[CLAIMABLES] = {
#define CLAIMABLE(table)                                                                           \
	{                                                                                          \
		"SELECT owner, fence FROM " table " WHERE id = $1",                                \
			"UPDATE " table                                                            \
			" SET owner = $1, fence = fence + 1, attempts = attempts + 1 "             \
			"WHERE id = $2 AND fence = $3 RETURNING fence",                            \
			"UPDATE " table " SET owner = '' WHERE id = $1 AND owner = $2",            \
			"UPDATE " table " SET owner = '', attempts = attempts - 1 "                \
			"WHERE id = $1 AND owner = $2 AND attempts > 0"                            \
	}
	[CLAIM_ACCOUNT] = CLAIMABLE("account"),           [CLAIM_ORDER] = CLAIMABLE("acme_order"),
	[CLAIM_DEPLOYMENT] = CLAIMABLE("deployment"),     [CLAIM_TARGET] = CLAIMABLE("target"),
	[CLAIM_RENEWAL_INFO] = CLAIMABLE("renewal_info"), [CLAIM_NOTICE] = CLAIMABLE("notice"),
};

/* 1: the row could be ours, as of *ret_fence; 0: it is gone or a living process has it. */
static int claim_look(struct store *s, enum claimable what, int64_t id, int64_t *ret_fence,
		      struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, claimables[what].look);
	char owner[STORE_ID_SIZE];
	int r;

	sql_bind_int(&q, id);
	r = sql_step(&q, e);
	if (r <= 0)
		return r;
	sql_copy(&q, owner, sizeof(owner));
	if (strcmp(owner, s->owner) != 0 && owner_alive(s, owner))
		return 0;
	*ret_fence = sql_int(&q);
	return 1;
}

int claim_owner(struct store *s, enum claimable what, int64_t id, char ret_owner[STORE_ID_SIZE],
		struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, claimables[what].look);
	char owner[STORE_ID_SIZE] = "";
	int r;

	sql_bind_int(&q, id);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	if (r > 0)
		sql_copy(&q, owner, sizeof(owner));
	snprintf(ret_owner, STORE_ID_SIZE, "%s", owner_alive(s, owner) ? owner : "");
	return 0;
}

int claim_take(struct store *s, enum claimable what, int64_t id, bool *ret_taken, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, claimables[what].take);
	int64_t fence = 0;
	int r;

	r = claim_look(s, what, id, &fence, e);
	if (r < 0)
		return r;
	if (r == 0) {
		*ret_taken = false;
		return 0;
	}
	sql_bind_text(&q, s->owner);
	sql_bind_int(&q, id);
	sql_bind_int(&q, fence);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	*ret_taken = r > 0;
	return 0;
}

static int claim_end(struct store *s, const char *statement, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, statement);

	sql_bind_int(&q, id);
	sql_bind_text(&q, s->owner);
	return sql_run(&q, e);
}

int claim_release(struct store *s, enum claimable what, int64_t id, struct err *e)
{
	return claim_end(s, claimables[what].release, id, e);
}

int claim_return(struct store *s, enum claimable what, int64_t id, struct err *e)
{
	return claim_end(s, claimables[what].back, id, e);
}

void error_read(struct sql *q, struct err *ret_error)
{
	char code[32];

	memset(ret_error, 0, sizeof(*ret_error));
	sql_copy(q, code, sizeof(code));
	ret_error->code = err_code_parse(code);
	sql_copy(q, ret_error->type, sizeof(ret_error->type));
	sql_copy(q, ret_error->text, sizeof(ret_error->text));
	ret_error->retry_at = sql_int(q);
}

void error_bind(struct sql *q, const struct err *error)
{
	sql_bind_text(q, err_code_name(error->code));
	sql_bind_text(q, error->type);
	sql_bind_text(q, error->text);
	sql_bind_int(q, error->retry_at);
}

void standing_read(struct sql *q, struct standing *ret_standing)
{
	sql_copy(q, ret_standing->owner, sizeof(ret_standing->owner));
	ret_standing->fence = sql_int(q);
	ret_standing->attempts = sql_int(q);
	ret_standing->failures = sql_int(q);
	ret_standing->next_at = sql_int(q);
	error_read(q, &ret_standing->error);
	ret_standing->error_at = sql_int(q);
}

void standing_bind(struct sql *q, const struct store *s, const struct standing *st, bool release)
{
	sql_bind_text(q, release ? "" : s->owner);
	sql_bind_int(q, st->attempts);
	sql_bind_int(q, st->failures);
	sql_bind_int(q, st->next_at);
	error_bind(q, &st->error);
	sql_bind_int(q, st->error_at);
}

int standing_save(struct sql *q, const struct store *s, int64_t id, int64_t fence, struct err *e)
{
	int r;

	sql_bind_int(q, id);
	sql_bind_text(q, s->owner);
	sql_bind_int(q, fence);
	r = sql_step(q, e);
	if (r == 0) {
		err_set(e, ERR_BUSY, "another process works on this now");
		(void)err_because(e, CAUSE_LOST);
		return ERR_BUSY;
	}
	return r < 0 ? r : 0;
}

/* A row names one of few owners: each is asked for once. */
static bool owner_alive_cached(const struct store *s, const char *owner, struct strlist *alive,
			       struct strlist *dead)
{
	if (strlist_has(alive, owner))
		return true;
	if (strlist_has(dead, owner))
		return false;
	if (owner_alive(s, owner)) {
		strlist_add(alive, owner);
		return true;
	}
	strlist_add(dead, owner);
	return false;
}

int open_rows_read(struct sql *q, const struct store *s, struct open_rows *ret_rows, struct err *e)
{
	struct strlist alive AUTO_STRLIST = {0};
	struct strlist dead AUTO_STRLIST = {0};
	struct open_rows rows AUTO_OPEN_ROWS = {0};
	int r;

	for (;;) {
		struct open_row row = {0};
		char owner[STORE_ID_SIZE];

		r = sql_step(q, e);
		if (r < 0)
			return r;
		if (r == 0)
			break;
		row.id = sql_int(q);
		row.certificate_id = sql_int(q);
		row.next_at = sql_int(q);
		row.retry_at = sql_int(q);
		row.error_at = sql_int(q);
		sql_copy(q, owner, sizeof(owner));
		row.taken = owner_alive_cached(s, owner, &alive, &dead);
		row.mine = strcmp(owner, s->owner) == 0;
		rows.rows = mem_grow(rows.rows, rows.count + 1, sizeof(row));
		rows.rows[rows.count++] = row;
	}
	*ret_rows = rows;
	rows = (struct open_rows){0};
	return 0;
}

void open_rows_clear(struct open_rows *r)
{
	free(r->rows);
	*r = (struct open_rows){0};
}

int id_next(struct db *d, const char *table, int64_t *ret_id, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(d, "UPDATE counter SET last = last + 1 WHERE name = $1 RETURNING last");
	int r;

	sql_bind_text(&q, table);
	r = sql_row(&q, "counter", 0, e);
	if (r != 0)
		return r;
	*ret_id = sql_int(&q);
	return 0;
}
