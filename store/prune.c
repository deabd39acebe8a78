/* SPDX-License-Identifier: MIT
 *
 * prune — removes what has ended and is old. Each rule runs in a turn of its own, so that nobody
 * waits for all of them; a rule that finds nothing commits nothing.
 */
#include "store/internal.h"

#include <assert.h>
#include <stdlib.h>

#define ORDER_DAYS    30
#define EVENT_DAYS    400
#define EVENTS_KEPT   200 /* of one certificate, the newest */
#define VERSIONS_KEPT 5   /* of one certificate, the live one included */

struct ids {
	int64_t *ids; /* owned */
	size_t count;
};

static void ids_clear(struct ids *l)
{
	free(l->ids);
}

/* The first column of every row. */
static int ids_read(struct sql *q, struct ids *l, struct err *e)
{
	for (;;) {
		int r = sql_step(q, e);

		if (r <= 0)
			return r;
		l->ids = mem_grow(l->ids, l->count + 1, sizeof(*l->ids));
		l->ids[l->count++] = sql_int(q);
	}
}

/* Runs statements that have one parameter, each for every id. */
static int ids_run(struct store *s, const struct ids *l, const char *const *texts, struct err *e)
{
	for (size_t i = 0; i < l->count; i++) {
		for (size_t t = 0; texts[t] != NULL; t++) {
			struct sql q AUTO_SQL = sql_start(&s->db, texts[t]);
			int r;

			sql_bind_int(&q, l->ids[i]);
			r = sql_run(&q, e);
			if (r != 0)
				return r;
		}
	}
	return 0;
}

/* What is wanted no more, with all that is its own, once nothing of it is at work. Its events stay:
 * they tell that it was removed. */
static int prune_certificates(struct store *s, struct err *e)
{
	static const char *const texts[] = {
		"UPDATE certificate SET live_version_id = NULL WHERE id = $1",
		"DELETE FROM deployment WHERE certificate_id = $1",
		"DELETE FROM version WHERE certificate_id = $1",
		"DELETE FROM challenge WHERE order_id IN "
		"(SELECT id FROM acme_order WHERE certificate_id = $1)",
		"DELETE FROM acme_order WHERE certificate_id = $1",
		"DELETE FROM renewal_info WHERE id = $1",
		"DELETE FROM notice WHERE id = $1",
		"DELETE FROM renewal WHERE certificate_id = $1",
		"DELETE FROM certificate WHERE id = $1",
		NULL,
	};
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT c.id FROM certificate AS c WHERE c.removed_at <> 0 "
				  "AND NOT EXISTS (SELECT 1 FROM acme_order AS o "
				  "WHERE o.certificate_id = c.id AND o.ended_at = 0) "
				  "AND NOT EXISTS (SELECT 1 FROM deployment AS d "
				  "WHERE d.certificate_id = c.id AND d.ended_at = 0)");
	struct ids l AUTO(ids_clear) = {0};
	int r;

	r = ids_read(&q, &l, e);
	if (r != 0)
		return r;
	return ids_run(s, &l, texts, e);
}

/* Of those that are not live: the newest stays whatever its age (to roll back to), the others
 * while they are valid and few. */
static int prune_versions(struct store *s, struct err *e)
{
	static const char *const texts[] = {
		"DELETE FROM deployment WHERE version_id = $1",
		"DELETE FROM version WHERE id = $1",
		NULL,
	};
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT others.id FROM (SELECT v.id AS id, v.not_after AS not_after, "
			"row_number() OVER (PARTITION BY v.certificate_id ORDER BY v.id DESC) AS n "
			"FROM version AS v JOIN certificate AS c ON c.id = v.certificate_id "
			"WHERE c.live_version_id IS NULL OR c.live_version_id <> v.id) AS others "
			"WHERE others.n > 1 AND (others.n >= $1 OR others.not_after <= $2) "
			"AND NOT EXISTS (SELECT 1 FROM deployment AS d "
			"WHERE d.version_id = others.id AND d.ended_at = 0)");
	struct ids l AUTO(ids_clear) = {0};
	int r;

	sql_bind_int(&q, VERSIONS_KEPT);
	sql_bind_int(&q, clock_now(s->clock));
	r = ids_read(&q, &l, e);
	if (r != 0)
		return r;
	return ids_run(s, &l, texts, e);
}

/* What nothing was deployed to for as long as a version is kept. A target is made in the turn of
 * its first deployment, so none is found in between. */
static int prune_targets(struct store *s, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "DELETE FROM target WHERE NOT EXISTS "
				  "(SELECT 1 FROM deployment AS d WHERE d.target_id = target.id)");

	return sql_run(&q, e);
}

static int prune_orders(struct store *s, struct err *e)
{
	static const char *const texts[] = {
		"DELETE FROM challenge WHERE order_id = $1",
		"DELETE FROM acme_order WHERE id = $1",
		NULL,
	};
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT id FROM acme_order WHERE ended_at <> 0 AND ended_at <= $1");
	struct ids l AUTO(ids_clear) = {0};
	int r;

	sql_bind_int(&q, clock_now(s->clock) - ORDER_DAYS * STORE_DAY);
	r = ids_read(&q, &l, e);
	if (r != 0)
		return r;
	return ids_run(s, &l, texts, e);
}

static int prune_events(struct store *s, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "DELETE FROM event WHERE at <= $1 OR id IN (SELECT ranked.id FROM "
			"(SELECT id, row_number() OVER "
			"(PARTITION BY certificate_id ORDER BY id DESC) AS n FROM event) AS ranked "
			"WHERE ranked.n > $2)");

	sql_bind_int(&q, clock_now(s->clock) - EVENT_DAYS * STORE_DAY);
	sql_bind_int(&q, EVENTS_KEPT);
	return sql_run(&q, e);
}

static int prune_in_turn(struct store *s, int (*rule)(struct store *, struct err *), struct err *e)
{
	int r;

	r = store_turn_begin(s, e);
	if (r != 0)
		return r;
	r = rule(s, e);
	if (r != 0) {
		store_turn_undo(s);
		return r;
	}
	return store_turn_commit(s, e);
}

int store_prune(struct store *s, struct err *e)
{
	/* Keys last: by then the rows that named them are gone for good. */
	static int (*const rules[])(struct store *, struct err *) = {
		prune_certificates, prune_versions, prune_targets,
		prune_orders,       prune_events,   keys_prune,
	};

	assert(!store_in_turn(s));
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		int r = prune_in_turn(s, rules[i], e);

		if (r != 0) {
			err_while(e, "while tidying up");
			return r;
		}
	}
	return owner_prune(s, e);
}
