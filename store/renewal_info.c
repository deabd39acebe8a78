/* SPDX-License-Identifier: MIT
 *
 * renewal_info — reads and writes the table renewal_info.
 */
#include "store/renewal_info.h"

#include "store/certificate.h"
#include "store/internal.h"

#include <stdlib.h>

#define RECHECK_SECONDS 60

#define COLUMNS                                                                                    \
	"id, version_id, window_start, window_end, explanation_url, asked_at, "                    \
	"refused, urgent, " STANDING_COLUMNS

int renewal_info_load(struct store *s, int64_t certificate_id, struct renewal_info **ret_info,
		      struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT " COLUMNS " FROM renewal_info WHERE id = $1");
	struct renewal_info *i = NULL;
	int r;

	sql_bind_int(&q, certificate_id);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	if (r > 0) {
		i = mem_new(sizeof(*i));
		i->id = sql_int(&q);
		i->version_id = sql_int(&q);
		i->window_start = sql_int(&q);
		i->window_end = sql_int(&q);
		i->explanation_url = sql_text(&q);
		i->asked_at = sql_int(&q);
		i->refused = sql_bool(&q);
		i->urgent = sql_bool(&q);
		standing_read(&q, &i->standing);
	}
	*ret_info = i;
	return 0;
}

int renewal_info_save(struct store *s, const struct renewal_info *i, bool release, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE renewal_info SET " STANDING_SET ", version_id = $10, "
				  "window_start = $11, window_end = $12, explanation_url = $13, "
				  "asked_at = $14, refused = $15, urgent = $16 "
				  "WHERE id = $17 AND owner = $18 AND fence = $19 RETURNING id");
	int r;

	standing_bind(&q, s, &i->standing, release);
	sql_bind_int(&q, i->version_id);
	sql_bind_int(&q, i->window_start);
	sql_bind_int(&q, i->window_end);
	sql_bind_text(&q, i->explanation_url);
	sql_bind_int(&q, i->asked_at);
	sql_bind_int(&q, i->refused);
	sql_bind_int(&q, i->urgent);
	r = standing_save(&q, s, i->id, i->standing.fence, e);
	return r == 0 ? renewal_look(s, i->id, 0, e) : r;
}

int renewal_info_refused(struct store *s, int64_t certificate_id, int64_t version_id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE renewal_info SET refused = 1, window_end = "
			"CASE WHEN version_id = $1 THEN window_end ELSE 0 END, version_id = $2 "
			"WHERE id = $3");

	sql_bind_int(&q, version_id);
	sql_bind_int(&q, version_id);
	sql_bind_int(&q, certificate_id);
	return sql_run(&q, e);
}

int renewal_info_recheck(struct store *s, int64_t certificate_id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "UPDATE renewal_info SET next_at = 0 "
						  "WHERE id = $1 AND asked_at <= $2");
	int r;

	sql_bind_int(&q, certificate_id);
	sql_bind_int(&q, clock_now(s->clock) - RECHECK_SECONDS);
	r = sql_run(&q, e);
	return r == 0 ? renewal_look(s, certificate_id, 0, e) : r;
}

void renewal_info_free(struct renewal_info *i)
{
	if (i == NULL)
		return;
	free(i->explanation_url);
	free(i);
}

void auto_renewal_info(struct renewal_info **i)
{
	renewal_info_free(*i);
}
