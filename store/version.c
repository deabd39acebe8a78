/* SPDX-License-Identifier: MIT
 *
 * version — reads and adds to the table version. Nothing here changes a row: what was issued was
 * issued.
 */
#include "store/version.h"

#include "store/certificate.h"
#include "store/internal.h"

#include "base/key.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What comes first in a row: the rest of it lies on other pages. */
#define FIRST_COLUMNS                                                                              \
	"id, certificate_id, order_id, key_id, key_kind, serial, issuer, fingerprint, ari_id, "    \
	"names, not_before, not_after"

#define COLUMNS   FIRST_COLUMNS ", leaf, chain, created_at, account_id, profile, seal"
#define SEAL_SIZE 32

/* All but what may be forgotten: its order, its account and its profile. */
static void version_seal(const struct version *v, uint8_t seal[SEAL_SIZE])
{
	AUTO_FREE char *names = strlist_join(&v->names, " ");
	AUTO_FREE char *all = mem_printf(
		"%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s",
		v->certificate_id, v->key_id, v->not_before, v->not_after, v->key_kind, v->serial,
		v->issuer, v->fingerprint, v->ari_id != NULL ? v->ari_id : "", names, v->leaf,
		v->chain != NULL ? v->chain : "");

	sha256(all, strlen(all), seal);
}

static int version_check(struct sql *q, const struct version *v, struct err *e)
{
	uint8_t seal[SEAL_SIZE];
	size_t len = 0;
	const void *sealed = sql_borrow(q, &len);

	if (len == 0)
		return 0;
	version_seal(v, seal);
	if (len == SEAL_SIZE && memcmp(sealed, seal, SEAL_SIZE) == 0)
		return 0;
	return err_set(e, ERR_SYS,
		       "version %" PRId64 " in %s is damaged, it is not what was issued: it is "
		       "left alone; stop everleaf and restore the state directory from a backup",
		       v->id, q->db->path);
}

static void version_read_first(struct sql *q, struct version *v)
{
	v->id = sql_int(q);
	v->certificate_id = sql_int(q);
	v->order_id = sql_int(q);
	v->key_id = sql_int(q);
	v->key_kind = sql_text(q);
	v->serial = sql_text(q);
	v->issuer = sql_text(q);
	v->fingerprint = sql_text(q);
	v->ari_id = sql_text(q);
	sql_names(q, &v->names);
	v->not_before = sql_int(q);
	v->not_after = sql_int(q);
}

static int version_read(struct sql *q, struct version **ret_version, struct err *e)
{
	AUTO_VERSION struct version *v = mem_new(sizeof(*v));
	int r;

	version_read_first(q, v);
	v->leaf = sql_text(q);
	v->chain = sql_text(q);
	v->created_at = sql_int(q);
	v->account_id = sql_int(q);
	v->profile = sql_text(q);
	r = version_check(q, v, e);
	if (r != 0)
		return r;
	*ret_version = TAKE(v);
	return 0;
}

static int version_add(struct store *s, const struct version *v, int64_t id, int64_t created_at,
		       struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "INSERT INTO version (" COLUMNS
						  ") VALUES ($1, $2, $3, $4, $5, $6, $7, "
						  "$8, $9, $10, $11, $12, $13, $14, $15, $16, "
						  "$17, $18)");
	uint8_t seal[SEAL_SIZE];

	sql_bind_int(&q, id);
	sql_bind_int(&q, v->certificate_id);
	sql_bind_id(&q, v->order_id);
	sql_bind_int(&q, v->key_id);
	sql_bind_text(&q, v->key_kind);
	sql_bind_text(&q, v->serial);
	sql_bind_text(&q, v->issuer);
	sql_bind_text(&q, v->fingerprint);
	sql_bind_text(&q, v->ari_id);
	sql_bind_names(&q, &v->names);
	sql_bind_int(&q, v->not_before);
	sql_bind_int(&q, v->not_after);
	sql_bind_text(&q, v->leaf);
	sql_bind_text(&q, v->chain != NULL ? v->chain : "");
	sql_bind_int(&q, created_at);
	sql_bind_int(&q, v->account_id);
	sql_bind_text(&q, v->profile);
	version_seal(v, seal);
	sql_bind_blob(&q, seal, sizeof(seal));
	return sql_run(&q, e);
}

static int version_count(struct store *s, int64_t certificate_id, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE renewal SET issued = issued + 1, look_at = 0 "
				  "WHERE certificate_id = $1");

	sql_bind_int(&q, certificate_id);
	return sql_run(&q, e);
}

static int version_make_live(struct store *s, const struct version *v, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE certificate SET live_version_id = $1 WHERE id = $2 RETURNING id");
	int r;

	sql_bind_int(&q, id);
	sql_bind_int(&q, v->certificate_id);
	r = sql_row(&q, "certificate", v->certificate_id, e);
	return r == 0 ? version_count(s, v->certificate_id, e) : r;
}

int version_insert(struct store *s, struct version *v, struct err *e)
{
	const int64_t created_at = v->created_at != 0 ? v->created_at : clock_now(s->clock);
	int64_t id = 0;
	int r;

	r = id_next(&s->db, "version", &id, e);
	if (r == 0)
		r = version_add(s, v, id, created_at, e);
	if (r == 0)
		r = version_make_live(s, v, id, e);
	if (r != 0)
		return r;
	v->id = id;
	v->created_at = created_at;
	return 0;
}

int version_load(struct store *s, int64_t id, struct version **ret_version, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT " COLUMNS " FROM version WHERE id = $1");
	int r;

	sql_bind_int(&q, id);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	if (r > 0)
		return version_read(&q, ret_version, e);
	*ret_version = NULL;
	return 0;
}

int version_glance(struct store *s, int64_t id, struct version **ret_version, struct err *e)
{
	struct sql q AUTO_SQL = {0};
	struct version *v = NULL;
	int r;

	if (!s->large)
		return version_load(s, id, ret_version, e);
	q = sql_start(&s->db, "SELECT " FIRST_COLUMNS " FROM version WHERE id = $1");
	sql_bind_int(&q, id);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	if (r > 0) {
		v = mem_new(sizeof(*v));
		version_read_first(&q, v);
	}
	*ret_version = v;
	return 0;
}

int version_list(struct store *s, int64_t certificate_id, struct version ***ret_versions,
		 size_t *ret_count, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT " COLUMNS " FROM version "
						  "WHERE certificate_id = $1 ORDER BY id DESC");
	struct version **list = NULL;
	size_t count = 0;
	int r;

	sql_bind_int(&q, certificate_id);
	for (;;) {
		r = sql_step(&q, e);
		if (r <= 0)
			break;
		list = mem_grow(list, count + 1, sizeof(*list));
		list[count] = NULL;
		r = version_read(&q, &list[count++], e);
		if (r != 0)
			break;
	}
	if (r < 0) {
		version_list_free(list, count);
		return r;
	}
	*ret_versions = list;
	*ret_count = count;
	return 0;
}

int version_previous_at(struct store *s, const struct version *v, int64_t *ret_at, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT created_at FROM version WHERE certificate_id = $1 AND id < $2 "
			"AND NOT EXISTS (SELECT 1 FROM acme_order AS o WHERE o.id = $3 "
			"AND NOT o.renews) ORDER BY id DESC LIMIT 1");
	int r;

	sql_bind_int(&q, v->certificate_id);
	sql_bind_int(&q, v->id);
	sql_bind_int(&q, v->order_id);
	r = sql_step(&q, e);
	if (r >= 0)
		*ret_at = r > 0 ? sql_int(&q) : 0;
	return r < 0 ? r : 0;
}

void version_free(struct version *v)
{
	if (v == NULL)
		return;
	free(v->key_kind);
	free(v->serial);
	free(v->issuer);
	free(v->fingerprint);
	free(v->ari_id);
	strlist_clear(&v->names);
	free(v->leaf);
	free(v->chain);
	free(v->profile);
	free(v);
}

void version_list_free(struct version **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		version_free(list[i]);
	free(list);
}

void auto_version(struct version **v)
{
	version_free(*v);
}
