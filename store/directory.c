/* SPDX-License-Identifier: MIT
 *
 * directory — reads and writes the table directory, a cache of a day.
 */
#include "store/directory.h"

#include "store/internal.h"

int directory_load(struct store *s, const char *server, char **ret_body, struct err *e)
{
	/* One read "in the future" was read under a wrong clock, and may be of any age. */
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT body FROM directory "
				  "WHERE server = $1 AND read_at > $2 AND read_at <= $3");
	const int64_t now = clock_now(s->clock);
	int r;

	sql_bind_text(&q, server);
	sql_bind_int(&q, now - STORE_DAY);
	sql_bind_int(&q, now);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	*ret_body = r > 0 ? sql_text(&q) : NULL;
	return 0;
}

int directory_load_last(struct store *s, const char *server, char **ret_body, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT body FROM directory WHERE server = $1");
	int r;

	sql_bind_text(&q, server);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	*ret_body = r > 0 ? sql_text(&q) : NULL;
	return 0;
}

int directory_save(struct store *s, const char *server, const char *body, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "INSERT INTO directory (server, body, read_at) VALUES ($1, $2, $3) "
			"ON CONFLICT (server) DO UPDATE SET body = excluded.body, "
			"read_at = excluded.read_at");

	sql_bind_text(&q, server);
	sql_bind_text(&q, body);
	sql_bind_int(&q, clock_now(s->clock));
	return sql_run(&q, e);
}

int directory_forget(struct store *s, const char *server, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "DELETE FROM directory WHERE server = $1");

	sql_bind_text(&q, server);
	return sql_run(&q, e);
}
