/* SPDX-License-Identifier: MIT
 *
 * account — reads and writes the table account.
 */
#include "store/account.h"

#include "store/internal.h"

#include <stdlib.h>

#define UNTOLD "coalesce(contact_told, '') <> contact"

#define COLUMNS                                                                                    \
	"id, server, entry, contact, agreed, ca_bundle, proxy, key_id, url, "                      \
	"CASE WHEN stage = 'ready' AND doubt <> '' THEN doubt "                                    \
	"WHEN stage = 'ready' AND " UNTOLD " THEN 'update' ELSE stage END, "                       \
	"eab_kid, eab_hmac_key, key_reference, confirmed, checked_at, contact_told, "              \
	"contact_kept, " STANDING_COLUMNS

static struct account *account_read(struct sql *q)
{
	struct account *a = mem_new(sizeof(*a));

	a->id = sql_int(q);
	a->server = sql_text(q);
	a->entry = sql_text(q);
	a->contact = sql_text(q);
	a->agreed = sql_bool(q);
	a->ca_bundle = sql_text(q);
	a->proxy = sql_text(q);
	a->key_id = sql_int(q);
	a->url = sql_text(q);
	a->stage = sql_text(q);
	a->eab_kid = sql_text(q);
	a->eab_hmac_key = sql_text(q);
	a->key_reference = sql_text(q);
	a->confirmed = sql_int(q);
	a->checked_at = sql_int(q);
	a->contact_told = sql_text(q);
	a->contact_kept = sql_text(q);
	standing_read(q, &a->standing);
	return a;
}

static int account_one(struct sql *q, struct account **ret_account, struct err *e)
{
	int r = sql_step(q, e);

	if (r < 0)
		return r;
	*ret_account = r > 0 ? account_read(q) : NULL;
	return 0;
}

static int account_add(struct store *s, struct account *a, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "INSERT INTO account (id, server, entry, contact, agreed, ca_bundle, "
			"proxy, key_id, url, stage, eab_kid, eab_hmac_key, key_reference) "
			"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)");
	int r;

	sql_bind_int(&q, id);
	sql_bind_text(&q, a->server);
	sql_bind_text(&q, a->entry);
	sql_bind_text(&q, a->contact != NULL ? a->contact : "");
	sql_bind_int(&q, a->agreed);
	sql_bind_text(&q, a->ca_bundle);
	sql_bind_text(&q, a->proxy);
	sql_bind_id(&q, a->key_id);
	sql_bind_text(&q, a->url);
	sql_bind_text(&q, a->stage != NULL ? a->stage : "key");
	sql_bind_text(&q, a->eab_kid);
	sql_bind_text(&q, a->eab_hmac_key);
	sql_bind_text(&q, a->key_reference);
	r = sql_run(&q, e);
	if (r != 0)
		return r;
	a->id = id;
	if (a->stage == NULL)
		a->stage = mem_str("key");
	return 0;
}

int account_insert(struct store *s, struct account *a, struct err *e)
{
	AUTO_ACCOUNT_ROW struct account *there = NULL;
	int64_t id = 0;
	int r;

	/* Nobody else can insert one before this turn ends, and asking first keeps a turn that
	 * finds it there without changes. */
	r = account_find(s, a->server, a->entry, &there, e);
	if (r != 0)
		return r;
	if (there != NULL) {
		a->id = there->id;
		return 0;
	}
	r = id_next(&s->db, "account", &id, e);
	if (r != 0)
		return r;
	return account_add(s, a, id, e);
}

int account_load(struct store *s, int64_t id, struct account **ret_account, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT " COLUMNS " FROM account WHERE id = $1");

	sql_bind_int(&q, id);
	return account_one(&q, ret_account, e);
}

int account_find(struct store *s, const char *server, const char *entry,
		 struct account **ret_account, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT " COLUMNS
						  " FROM account WHERE server = $1 AND entry = $2");

	sql_bind_text(&q, server);
	sql_bind_text(&q, entry);
	return account_one(&q, ret_account, e);
}

static void account_list_free(struct account **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		account_free(list[i]);
	free(list);
}

int account_list(struct store *s, struct account ***ret_accounts, size_t *ret_count, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT " COLUMNS " FROM account ORDER BY id");
	struct account **list = NULL;
	size_t count = 0;
	int r;

	for (;;) {
		r = sql_step(&q, e);
		if (r <= 0)
			break;
		list = mem_grow(list, count + 1, sizeof(*list));
		list[count++] = account_read(&q);
	}
	if (r < 0) {
		account_list_free(list, count);
		return r;
	}
	*ret_accounts = list;
	*ret_count = count;
	return 0;
}

bool account_is_ready(const struct account *a)
{
	return str_equal(a->stage, "ready") || str_equal(a->stage, "update");
}

int account_save(struct store *s, const struct account *a, bool release, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE account SET " STANDING_SET
				  ", key_id = $10, url = $11, stage = $12, "
				  "doubt = $13, confirmed = $14, checked_at = $15, "
				  "contact_told = $16, contact_kept = $17 "
				  "WHERE id = $18 AND owner = $19 AND fence = $20 RETURNING id");
	bool doubted = str_equal(a->stage, "check") || str_equal(a->stage, "refused");

	standing_bind(&q, s, &a->standing, release);
	sql_bind_id(&q, a->key_id);
	sql_bind_text(&q, a->url);
	sql_bind_text(&q, doubted || account_is_ready(a) ? "ready" : a->stage);
	sql_bind_text(&q, doubted ? a->stage : "");
	sql_bind_int(&q, a->confirmed);
	sql_bind_int(&q, a->checked_at);
	sql_bind_text(&q, a->contact_told);
	sql_bind_text(&q, a->contact_kept);
	return standing_save(&q, s, a->id, a->standing.fence, e);
}

/* What was wrong may be mended now, so there is no reason to wait, unless the CA gave one. The last
 * lines spare the commit when the command line says what it always says. */
int account_configure(struct store *s, const struct account *a, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE account SET contact = $1, agreed = $2, ca_bundle = $3, proxy = $4, "
			"eab_kid = $5, eab_hmac_key = $6, key_reference = $7, "
			"next_at = CASE err_code WHEN 'busy' THEN next_at ELSE 0 END "
			"WHERE id = $8 AND (contact <> $1 OR agreed <> $2 "
			"OR ca_bundle IS DISTINCT FROM $3 OR proxy IS DISTINCT FROM $4 "
			"OR eab_kid IS DISTINCT FROM $5 OR eab_hmac_key IS DISTINCT FROM $6 "
			"OR key_reference IS DISTINCT FROM $7)");

	sql_bind_text(&q, a->contact != NULL ? a->contact : "");
	sql_bind_int(&q, a->agreed);
	sql_bind_text(&q, a->ca_bundle);
	sql_bind_text(&q, a->proxy);
	sql_bind_text(&q, a->eab_kid);
	sql_bind_text(&q, a->eab_hmac_key);
	sql_bind_text(&q, a->key_reference);
	sql_bind_int(&q, a->id);
	return sql_run(&q, e);
}

/* Nobody works on one that is READY; who tells it another contact finds out by itself. */
int account_check(struct store *s, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE account SET doubt = 'check', attempts = 0, next_at = 0 "
			"WHERE id = $1 AND stage = 'ready' AND doubt = '' AND owner = ''");

	sql_bind_int(&q, id);
	return sql_run(&q, e);
}

int account_renew(struct store *s, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE account SET owner = '', fence = fence + 1, key_id = NULL, "
			"url = NULL, stage = 'key', doubt = '', contact_told = NULL, "
			"contact_kept = NULL, confirmed = confirmed + 1, "
			"attempts = 0, failures = 0, next_at = 0, err_code = 'none' "
			"WHERE id = $1");

	sql_bind_int(&q, id);
	return sql_run(&q, e);
}

int account_retire(struct store *s, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE account SET stage = 'dead', doubt = '', attempts = 0, "
				  "next_at = 0 "
				  "WHERE id = $1");

	sql_bind_int(&q, id);
	return sql_run(&q, e);
}

int account_open(struct store *s, int64_t wanted, struct open_rows *ret_rows, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT id, 0, next_at, err_retry_at, error_at, owner FROM account "
			"WHERE (stage <> 'dead' AND (stage <> 'ready' OR doubt <> '' OR " UNTOLD
			") AND (id = $1 OR EXISTS "
			"(SELECT 1 FROM certificate AS c WHERE c.account_id = account.id) "
			"OR EXISTS (SELECT 1 FROM acme_order AS o "
			"WHERE o.account_id = account.id AND o.ended_at = 0))) "
			"OR (stage = 'dead' AND url IS NOT NULL) ORDER BY next_at, id");

	sql_bind_int(&q, wanted);
	return open_rows_read(&q, s, ret_rows, e);
}

void account_free(struct account *a)
{
	if (a == NULL)
		return;
	free(a->server);
	free(a->entry);
	free(a->contact);
	free(a->contact_told);
	free(a->contact_kept);
	free(a->ca_bundle);
	free(a->proxy);
	free(a->eab_kid);
	free(a->eab_hmac_key);
	free(a->key_reference);
	free(a->url);
	free(a->stage);
	free(a);
}

void auto_account(struct account **a)
{
	account_free(*a);
}
