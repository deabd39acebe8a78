/* SPDX-License-Identifier: MIT
 *
 * challenge — reads and writes the table challenge.
 */
#include "store/challenge.h"

#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
	"id, order_id, authorization_url, identifier, wildcard, type, url, token, solver, "        \
	"withdrawn"

static struct challenge *challenge_read(struct sql *q)
{
	struct challenge *c = mem_new(sizeof(*c));

	c->id = sql_int(q);
	c->order_id = sql_int(q);
	c->authorization_url = sql_text(q);
	c->identifier = sql_text(q);
	c->wildcard = sql_bool(q);
	c->type = sql_text(q);
	c->url = sql_text(q);
	c->token = sql_text(q);
	c->solver = sql_text(q);
	c->withdrawn = sql_bool(q);
	return c;
}

int challenge_put(struct store *s, struct challenge *c, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "INSERT INTO challenge (" COLUMNS ") "
			"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0) "
			"ON CONFLICT (order_id, authorization_url) DO UPDATE SET "
			"identifier = excluded.identifier, wildcard = excluded.wildcard, "
			"type = excluded.type, url = excluded.url, token = excluded.token, "
			"solver = excluded.solver, withdrawn = 0 RETURNING id");
	int64_t id = 0;
	int r;

	r = id_next(&s->db, "challenge", &id, e); /* an update wastes it, and may */
	if (r != 0)
		return r;
	sql_bind_int(&q, id);
	sql_bind_int(&q, c->order_id);
	sql_bind_text(&q, c->authorization_url);
	sql_bind_text(&q, c->identifier);
	sql_bind_int(&q, c->wildcard);
	sql_bind_text(&q, c->type);
	sql_bind_text(&q, c->url);
	sql_bind_text(&q, c->token);
	sql_bind_text(&q, c->solver);
	r = sql_row(&q, "challenge", id, e);
	if (r != 0)
		return r;
	c->id = sql_int(&q);
	c->withdrawn = false;
	return 0;
}

int challenge_list(struct store *s, int64_t order_id, struct challenge ***ret_challenges,
		   size_t *ret_count, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT " COLUMNS " FROM challenge WHERE order_id = $1 ORDER BY id");
	struct challenge **list = NULL;
	size_t count = 0;
	int r;

	sql_bind_int(&q, order_id);
	for (;;) {
		r = sql_step(&q, e);
		if (r <= 0)
			break;
		list = mem_grow(list, count + 1, sizeof(*list));
		list[count++] = challenge_read(&q);
	}
	if (r < 0) {
		challenge_list_free(list, count);
		return r;
	}
	*ret_challenges = list;
	*ret_count = count;
	return 0;
}

int challenge_withdrawn(struct store *s, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE challenge SET withdrawn = 1 WHERE id = $1 AND withdrawn = 0");

	sql_bind_int(&q, id);
	return sql_run(&q, e);
}

int challenge_shared(struct store *s, const struct challenge *c, bool *ret_shared, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT 1 FROM challenge AS c JOIN acme_order AS o ON o.id = c.order_id "
			"WHERE c.token = $1 AND c.order_id <> $2 AND c.withdrawn = 0 "
			"AND o.ended_at = 0");
	int r;

	sql_bind_text(&q, c->token);
	sql_bind_int(&q, c->order_id);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	*ret_shared = r > 0;
	return 0;
}

/* While nobody works on it, an order's answers are there as long as who published them. */
static bool is_shown(const struct store *s, const char *owner, const char *shown_by, bool parked)
{
	return owner_alive(s, owner) ||
	       (owner_alive(s, shown_by) && (parked || strcmp(shown_by, s->owner) != 0));
}

int challenge_live_tokens(struct store *s, bool parked, struct strlist *tokens, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT DISTINCT c.token, o.owner, o.shown_by FROM challenge AS c "
			"JOIN acme_order AS o ON o.id = c.order_id "
			"WHERE c.withdrawn = 0 AND o.ended_at = 0 ORDER BY c.token");
	int r;

	for (;;) {
		AUTO_FREE char *token = NULL;
		char owner[STORE_ID_SIZE], shown_by[STORE_ID_SIZE];

		r = sql_step(&q, e);
		if (r <= 0)
			return r;
		token = sql_text(&q);
		sql_copy(&q, owner, sizeof(owner));
		sql_copy(&q, shown_by, sizeof(shown_by));
		if (is_shown(s, owner, shown_by, parked) && !strlist_has(tokens, token))
			strlist_add(tokens, token);
	}
}

void challenge_free(struct challenge *c)
{
	if (c == NULL)
		return;
	free(c->authorization_url);
	free(c->identifier);
	free(c->type);
	free(c->url);
	free(c->token);
	free(c->solver);
	free(c);
}

void challenge_list_free(struct challenge **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		challenge_free(list[i]);
	free(list);
}
