/* SPDX-License-Identifier: MIT
 *
 * notice — reads and writes the table notice.
 */
#include "store/notice.h"

#include "store/internal.h"

#define COLUMNS "id, version_id, level, failed, told_at, " STANDING_COLUMNS

int notice_load(struct store *s, int64_t certificate_id, struct notice **ret_notice, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT " COLUMNS " FROM notice WHERE id = $1");
	struct notice *n = NULL;
	int r;

	sql_bind_int(&q, certificate_id);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	if (r > 0) {
		n = mem_new(sizeof(*n));
		n->id = sql_int(&q);
		n->version_id = sql_int(&q);
		n->level = sql_int(&q);
		n->failed = sql_bool(&q);
		n->told_at = sql_int(&q);
		standing_read(&q, &n->standing);
	}
	*ret_notice = n;
	return 0;
}

int notice_save(struct store *s, const struct notice *n, bool release, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE notice SET " STANDING_SET ", version_id = $10, "
				  "level = $11, failed = $12, told_at = $13 "
				  "WHERE id = $14 AND owner = $15 AND fence = $16 RETURNING id");

	standing_bind(&q, s, &n->standing, release);
	sql_bind_int(&q, n->version_id);
	sql_bind_int(&q, n->level);
	sql_bind_int(&q, n->failed);
	sql_bind_int(&q, n->told_at);
	return standing_save(&q, s, n->id, n->standing.fence, e);
}

static int notice_next(struct store *s, int64_t *ret_next, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT min(next_at) FROM notice WHERE next_at > $1");
	int r;

	sql_bind_int(&q, clock_now(s->clock));
	r = sql_row(&q, "min(next_at)", 0, e);
	if (r != 0)
		return r;
	*ret_next = sql_int(&q);
	if (*ret_next == 0)
		*ret_next = INT64_MAX;
	return 0;
}

/* Two ranges of one index: for an OR of them SQLite reads every row. */
int notice_due(struct store *s, struct open_rows *ret_rows, int64_t *ret_next, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT n.id, n.id, n.next_at, 0, 0, n.owner FROM "
				  "(SELECT id, next_at, owner FROM notice WHERE next_at <= $1 "
				  "UNION ALL SELECT id, next_at, owner FROM notice "
				  "WHERE next_at > $2) AS n JOIN certificate AS c ON c.id = n.id "
				  "WHERE c.removed_at = 0 ORDER BY n.next_at");
	const int64_t now = clock_now(s->clock);
	int r;

	sql_bind_int(&q, now);
	sql_bind_int(&q, now + CLOCK_BEYOND);
	r = notice_next(s, ret_next, e);
	return r == 0 ? open_rows_read(&q, s, ret_rows, e) : r;
}

int notice_look(struct store *s, int64_t certificate_id, int64_t next_at, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "UPDATE notice SET next_at = $1 WHERE id = $2");
	const int64_t tomorrow = clock_now(s->clock) + STORE_DAY;

	sql_bind_int(&q, next_at < tomorrow ? next_at : tomorrow);
	sql_bind_int(&q, certificate_id);
	return sql_run(&q, e);
}
