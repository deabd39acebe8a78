/* SPDX-License-Identifier: MIT
 *
 * past_order — see the header. The orders of a CA are one statement, which goes through acme_order
 * (account_id, created_at), so that its cost is that of the orders it returns.
 */
#include "store/past_order.h"

#include "store/internal.h"

#include <stdlib.h>

static void past_order_read(struct sql *q, struct past_order *o)
{
	o->account_id = sql_int(q);
	o->names = sql_text(q);
	o->had = sql_text(q);
	o->exempt = sql_bool(q);
	o->known = sql_bool(q);
	o->issued = sql_bool(q);
	o->began_at = sql_int(q);
	o->refused_at = sql_int(q);
}

int past_orders_read(struct store *s, const char *server, int64_t after, struct past_orders *ret,
		     struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db,
		"SELECT o.account_id, o.names, (SELECT v.names FROM version AS v "
		"WHERE v.certificate_id = o.certificate_id AND v.order_id < o.id "
		"ORDER BY v.id DESC LIMIT 1), o.replaces IS NOT NULL AND o.exempt, "
		"o.url IS NOT NULL OR o.ended_at = 0, o.stage <> 'failed' OR o.issued, "
		"o.created_at, "
		"CASE WHEN o.stage = 'failed' AND o.err_type IN ('connection', 'dns', 'tls', "
		"'unauthorized', 'incorrectResponse', 'caa') THEN o.ended_at ELSE 0 END "
		"FROM acme_order AS o WHERE o.account_id IN "
		"(SELECT id FROM account WHERE server = $1) AND o.created_at > $2 "
		"ORDER BY o.created_at");

	sql_bind_text(&q, server);
	sql_bind_int(&q, after);
	for (;;) {
		int r = sql_step(&q, e);

		if (r <= 0)
			return r;
		ret->orders = mem_grow(ret->orders, ret->count + 1, sizeof(*ret->orders));
		past_order_read(&q, &ret->orders[ret->count++]);
	}
}

void past_orders_clear(struct past_orders *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->orders[i].names);
		free(l->orders[i].had);
	}
	free(TAKE(l->orders));
	l->count = 0;
}

int past_refusals_read(struct store *s, const struct certificate *c, const struct strlist *names,
		       struct past_refusals *ret, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db,
		"SELECT count(*), coalesce(max(ended_at), 0) FROM acme_order "
		"WHERE certificate_id = $1 AND account_id = $2 AND names = $3 AND wish = $4 "
		"AND stage = 'failed' AND issued AND processing_at = 0 "
		"AND err_cause <> 'interrupted' "
		"AND id > coalesce((SELECT max(id) FROM acme_order WHERE certificate_id = $1 "
		"AND stage = 'done'), 0)");
	int r;

	sql_bind_int(&q, c->id);
	sql_bind_int(&q, c->account_id);
	sql_bind_names(&q, names);
	sql_bind_text(&q, c->wish);
	r = sql_step(&q, e);
	if (r <= 0)
		return r;
	ret->count = sql_int(&q);
	ret->last_at = sql_int(&q);
	return 0;
}
