/* SPDX-License-Identifier: MIT
 *
 * certificate — reads and writes the tables certificate and renewal.
 */
#include "store/certificate.h"

#include "store/internal.h"
#include "store/notice.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
	"id, name, origin, names, wish, account_id, live_version_id, paused, removed_at, "         \
	"optional, accounts, moved_at, dropped_at"

static void ids_read(struct sql *q, struct id_list *l)
{
	struct strlist words AUTO_STRLIST = {0};

	sql_names(q, &words);
	for (size_t i = 0; i < words.count; i++)
		id_list_add(l, strtoll(words.items[i], NULL, 10));
}

static void ids_bind(struct sql *q, const struct id_list *l)
{
	struct strlist words AUTO_STRLIST = {0};

	for (size_t i = 0; i < l->count; i++)
		strlist_addf(&words, "%lld", (long long)l->ids[i]);
	sql_bind_names(q, &words);
}

bool certificate_is_of_command(const struct certificate *c)
{
	return str_equal(c->origin, CERTIFICATE_COMMAND);
}

static struct certificate *certificate_read(struct sql *q)
{
	struct certificate *c = mem_new(sizeof(*c));

	c->id = sql_int(q);
	c->name = sql_text(q);
	c->origin = sql_text(q);
	sql_names(q, &c->names);
	c->wish = sql_text(q);
	c->account_id = sql_int(q);
	c->live_version_id = sql_int(q);
	c->paused = sql_bool(q);
	c->removed_at = sql_int(q);
	sql_names(q, &c->optional);
	ids_read(q, &c->accounts);
	c->moved_at = sql_int(q);
	c->dropped_at = sql_int(q);
	return c;
}

static int certificate_one(struct sql *q, struct certificate **ret_certificate, struct err *e)
{
	int r = sql_step(q, e);

	if (r < 0)
		return r;
	*ret_certificate = r > 0 ? certificate_read(q) : NULL;
	return 0;
}

/* Refuses a name that another certificate has, and says who made that one. */
static int certificate_check_name(struct store *s, const struct certificate *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *there = NULL;
	int r;

	if (c->removed_at != 0)
		return 0;
	r = certificate_find(s, c->name, &there, e);
	if (r != 0)
		return r;
	if (there != NULL && there->id != c->id)
		return err_set(e, ERR_CONFIG,
			       "there is a certificate named %s already (made by: %s)", c->name,
			       there->origin);
	return 0;
}

static void certificate_bind_more(struct sql *q, const struct certificate *c)
{
	sql_bind_names(q, &c->optional);
	ids_bind(q, &c->accounts);
	sql_bind_int(q, c->moved_at);
	sql_bind_int(q, c->dropped_at);
}

static int certificate_add(struct store *s, const struct certificate *c, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "INSERT INTO certificate (" COLUMNS ") "
						  "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
						  "$10, $11, $12, $13)");

	sql_bind_int(&q, id);
	sql_bind_text(&q, c->name);
	sql_bind_text(&q, c->origin);
	sql_bind_names(&q, &c->names);
	sql_bind_text(&q, c->wish);
	sql_bind_int(&q, c->account_id);
	sql_bind_id(&q, c->live_version_id);
	sql_bind_int(&q, c->paused);
	sql_bind_int(&q, c->removed_at);
	certificate_bind_more(&q, c);
	return sql_run(&q, e);
}

/* The rows that are born with it. */
static int renewal_add(struct store *s, int64_t certificate_id, struct err *e)
{
	static const char *const texts[] = {
		"INSERT INTO renewal (certificate_id) VALUES ($1)",
		"INSERT INTO renewal_info (id) VALUES ($1)",
		"INSERT INTO notice (id) VALUES ($1)",
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(texts); i++) {
		struct sql q AUTO_SQL = sql_start(&s->db, texts[i]);

		sql_bind_int(&q, certificate_id);
		r = sql_run(&q, e);
	}
	return r;
}

int certificate_insert(struct store *s, struct certificate *c, struct err *e)
{
	int64_t id = 0;
	int r;

	c->id = 0;
	r = certificate_check_name(s, c, e);
	if (r == 0)
		r = id_next(&s->db, "certificate", &id, e);
	if (r == 0)
		r = certificate_add(s, c, id, e);
	if (r == 0)
		r = renewal_add(s, id, e);
	if (r != 0)
		return r;
	c->id = id;
	return 0;
}

int certificate_save(struct store *s, const struct certificate *c, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE certificate SET name = $1, origin = $2, names = $3, wish = $4, "
			"account_id = $5, live_version_id = $6, paused = $7, removed_at = $8, "
			"optional = $9, accounts = $10, moved_at = $11, dropped_at = $12 "
			"WHERE id = $13 RETURNING id");
	int r;

	r = certificate_check_name(s, c, e);
	if (r != 0)
		return r;
	sql_bind_text(&q, c->name);
	sql_bind_text(&q, c->origin);
	sql_bind_names(&q, &c->names);
	sql_bind_text(&q, c->wish);
	sql_bind_int(&q, c->account_id);
	sql_bind_id(&q, c->live_version_id);
	sql_bind_int(&q, c->paused);
	sql_bind_int(&q, c->removed_at);
	certificate_bind_more(&q, c);
	sql_bind_int(&q, c->id);
	r = sql_row(&q, "certificate", c->id, e);
	return r == 0 ? renewal_look(s, c->id, 0, e) : r;
}

int certificate_load(struct store *s, int64_t id, struct certificate **ret_certificate,
		     struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT " COLUMNS " FROM certificate WHERE id = $1");

	sql_bind_int(&q, id);
	return certificate_one(&q, ret_certificate, e);
}

int certificate_find(struct store *s, const char *name, struct certificate **ret_certificate,
		     struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT " COLUMNS " FROM certificate "
						  "WHERE name = $1 AND removed_at = 0");

	sql_bind_text(&q, name);
	return certificate_one(&q, ret_certificate, e);
}

static int certificate_all(struct sql *q, struct certificate ***ret_certificates, size_t *ret_count,
			   struct err *e)
{
	struct certificate **list = NULL;
	size_t count = 0;
	int r;

	for (;;) {
		r = sql_step(q, e);
		if (r <= 0)
			break;
		list = mem_grow(list, count + 1, sizeof(*list));
		list[count++] = certificate_read(q);
	}
	if (r < 0) {
		certificate_list_free(list, count);
		return r;
	}
	*ret_certificates = list;
	*ret_count = count;
	return 0;
}

int certificate_list(struct store *s, struct certificate ***ret_certificates, size_t *ret_count,
		     struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT " COLUMNS " FROM certificate "
						  "WHERE removed_at = 0 ORDER BY name");

	return certificate_all(&q, ret_certificates, ret_count, e);
}

int certificate_walk(struct store *s, struct certificate_walk *w, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT " COLUMNS " FROM certificate "
						  "WHERE removed_at = 0 AND name > $1 "
						  "ORDER BY name LIMIT $2");
	int r;

	certificate_list_free(TAKE(w->list), w->count);
	w->count = 0;
	sql_bind_text(&q, w->last != NULL ? w->last : "");
	sql_bind_int(&q, STORE_PIECE);
	r = certificate_all(&q, &w->list, &w->count, e);
	if (r == 0 && w->count > 0)
		mem_set_str(&w->last, w->list[w->count - 1]->name);
	return r == 0 ? w->count > 0 : r;
}

void certificate_walk_clear(struct certificate_walk *w)
{
	certificate_list_free(w->list, w->count);
	free(w->last);
	*w = (struct certificate_walk){0};
}

/* Of the index alone. */
int certificate_longest(struct store *s, int64_t *ret_bytes, struct err *e)
{
	return db_number(&s->db,
			 "SELECT coalesce(max(length(CAST(name AS BLOB))), 0) FROM certificate "
			 "WHERE removed_at = 0",
			 ret_bytes, e);
}

int certificate_list_of_files(struct store *s, struct certificate ***ret_certificates,
			      size_t *ret_count, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT " COLUMNS " FROM certificate WHERE removed_at = 0 AND "
			"dropped_at = 0 AND origin <> '" CERTIFICATE_COMMAND "' ORDER BY name");

	return certificate_all(&q, ret_certificates, ret_count, e);
}

/* The first column of every row. */
static int ids_step(struct sql *q, struct id_list *l, struct err *e)
{
	for (;;) {
		int r = sql_step(q, e);

		if (r <= 0)
			return r;
		id_list_add(l, sql_int(q));
	}
}

/* Two ranges of one index: for an OR of them SQLite reads every row. */
static int due_ids(struct store *s, struct id_list *l, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT r.certificate_id FROM (SELECT certificate_id FROM renewal "
			"WHERE look_at <= $1 UNION ALL SELECT certificate_id FROM renewal "
			"WHERE look_at > $2) AS r JOIN certificate AS c "
			"ON c.id = r.certificate_id WHERE c.removed_at = 0 ORDER BY c.id");
	const int64_t now = clock_now(s->clock);

	sql_bind_int(&q, now);
	sql_bind_int(&q, now + CLOCK_BEYOND);
	return ids_step(&q, l, e);
}

#define BUSY                                                                                       \
	"SELECT certificate_id FROM acme_order WHERE ended_at = 0 UNION "                          \
	"SELECT certificate_id FROM deployment WHERE ended_at = 0"

int certificate_list_wanting(struct store *s, bool notices, struct certificate ***ret_certificates,
			     size_t *ret_count, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db,
		"SELECT " COLUMNS " FROM certificate WHERE removed_at = 0 AND paused = 0 AND id IN "
		"(SELECT certificate_id FROM renewal WHERE look_at <= $1 UNION "
		"SELECT certificate_id FROM renewal WHERE look_at > $2 UNION "
		"SELECT certificate_id FROM renewal WHERE failures > 0 UNION " BUSY " UNION "
		"SELECT id FROM notice WHERE $3 AND next_at <= $1 UNION "
		"SELECT id FROM notice WHERE $3 AND next_at > $2) ORDER BY name");
	const int64_t now = clock_now(s->clock);

	sql_bind_int(&q, now);
	sql_bind_int(&q, now + CLOCK_BEYOND);
	sql_bind_int(&q, notices);
	return certificate_all(&q, ret_certificates, ret_count, e);
}

int certificate_first_end(struct store *s, int64_t account_id, int64_t *ret_end, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db,
		"SELECT coalesce(min(v.not_after), 0) FROM certificate AS c JOIN version AS v "
		"ON v.id = c.live_version_id WHERE c.account_id = $1 "
		"AND c.removed_at = 0 AND c.paused = 0");
	int r;

	sql_bind_int(&q, account_id);
	r = sql_row(&q, "min(not_after)", account_id, e);
	if (r == 0)
		*ret_end = sql_int(&q);
	return r;
}

int certificate_of_account(struct store *s, int64_t account_id, struct id_list *ret_ids,
			   struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT id FROM certificate WHERE account_id = $1 UNION "
				  "SELECT certificate_id FROM acme_order "
				  "WHERE account_id = $1 AND ended_at = 0");

	sql_bind_int(&q, account_id);
	return ids_step(&q, ret_ids, e);
}

#define IS_BUSY                                                                                    \
	"EXISTS (SELECT 1 FROM acme_order WHERE certificate_id = $1 AND ended_at = 0) OR "         \
	"EXISTS (SELECT 1 FROM deployment WHERE certificate_id = $1 AND ended_at = 0)"

int certificate_wants(struct store *s, int64_t id, bool notices, bool *ret_wants, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT EXISTS (SELECT 1 FROM renewal WHERE certificate_id = $1 AND "
			"(look_at <= $2 OR look_at > $3 OR failures > 0)) OR " IS_BUSY " OR "
			"EXISTS (SELECT 1 FROM notice WHERE id = $1 AND $4 AND "
			"(next_at <= $2 OR next_at > $3))");
	const int64_t now = clock_now(s->clock);
	int r;

	sql_bind_int(&q, id);
	sql_bind_int(&q, now);
	sql_bind_int(&q, now + CLOCK_BEYOND);
	sql_bind_int(&q, notices);
	r = sql_row(&q, "certificate", id, e);
	if (r == 0)
		*ret_wants = sql_bool(&q);
	return r;
}

int certificate_busy(struct store *s, int64_t id, bool *ret_busy, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT " IS_BUSY);
	int r;

	sql_bind_int(&q, id);
	r = sql_row(&q, "certificate", id, e);
	if (r == 0)
		*ret_busy = sql_bool(&q);
	return r;
}

int certificate_due(struct store *s, struct id_list *ret_due, int64_t *ret_next, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT min(look_at) FROM renewal WHERE look_at > $1");
	int r;

	r = due_ids(s, ret_due, e);
	if (r != 0)
		return r;
	sql_bind_int(&q, clock_now(s->clock));
	r = sql_row(&q, "min(look_at)", 0, e);
	if (r != 0)
		return r;
	*ret_next = sql_int(&q);
	if (*ret_next == 0)
		*ret_next = INT64_MAX;
	return 0;
}

int certificate_count(struct store *s, int64_t *ret_count, struct err *e)
{
	return db_number(&s->db,
			 "SELECT count(*) FROM certificate WHERE removed_at = 0 AND paused = 0",
			 ret_count, e);
}

int renewal_look(struct store *s, int64_t certificate_id, int64_t look_at, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE renewal SET look_at = $1 WHERE certificate_id = $2");
	const int64_t tomorrow = clock_now(s->clock) + STORE_DAY;

	sql_bind_int(&q, look_at < tomorrow ? look_at : tomorrow);
	sql_bind_int(&q, certificate_id);
	return sql_run(&q, e);
}

void id_list_add(struct id_list *l, int64_t id)
{
	l->ids = mem_grow(l->ids, l->count + 1, sizeof(*l->ids));
	l->ids[l->count++] = id;
}

bool id_list_equal(const struct id_list *a, const struct id_list *b)
{
	return a->count == b->count &&
	       (a->count == 0 || memcmp(a->ids, b->ids, a->count * sizeof(*a->ids)) == 0);
}

bool id_list_has(const struct id_list *l, int64_t id)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->ids[i] == id)
			return true;
	return false;
}

static int compare_ids(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void id_list_sort(struct id_list *l)
{
	if (l->count > 0)
		qsort(l->ids, l->count, sizeof(*l->ids), compare_ids);
}

bool id_list_finds(const struct id_list *l, int64_t id)
{
	return l->count > 0 && bsearch(&id, l->ids, l->count, sizeof(*l->ids), compare_ids) != NULL;
}

void id_list_clear(struct id_list *l)
{
	free(l->ids);
	*l = (struct id_list){0};
}

int renewal_load(struct store *s, int64_t certificate_id, struct renewal *ret_renewal,
		 struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT failures, next_at, err_code, err_type, err_text, err_retry_at, "
			"error_at, succeeded_at, replaced, hasty, issued FROM renewal "
			"WHERE certificate_id = $1");
	int r;

	sql_bind_int(&q, certificate_id);
	r = sql_row(&q, "renewal of certificate", certificate_id, e);
	if (r != 0)
		return r;
	ret_renewal->certificate_id = certificate_id;
	ret_renewal->failures = sql_int(&q);
	ret_renewal->next_at = sql_int(&q);
	error_read(&q, &ret_renewal->error);
	ret_renewal->error_at = sql_int(&q);
	ret_renewal->succeeded_at = sql_int(&q);
	ret_renewal->replaced = sql_int(&q);
	ret_renewal->hasty = sql_int(&q);
	ret_renewal->issued = sql_int(&q);
	return 0;
}

int renewal_save(struct store *s, const struct renewal *r, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE renewal SET failures = $1, next_at = $2, err_code = $3, "
				  "err_type = $4, err_text = $5, err_retry_at = $6, error_at = $7, "
				  "succeeded_at = $8, replaced = $9, hasty = $10, look_at = 0 "
				  "WHERE certificate_id = $11 "
				  "RETURNING certificate_id");
	int ret;

	sql_bind_int(&q, r->failures);
	sql_bind_int(&q, r->next_at);
	error_bind(&q, &r->error);
	sql_bind_int(&q, r->error_at);
	sql_bind_int(&q, r->succeeded_at);
	sql_bind_int(&q, r->replaced);
	sql_bind_int(&q, r->hasty);
	sql_bind_int(&q, r->certificate_id);
	ret = sql_row(&q, "renewal of certificate", r->certificate_id, e);
	return ret == 0 ? notice_look(s, r->certificate_id, 0, e) : ret;
}

int renewal_left_out(struct store *s, int64_t certificate_id, struct strlist *names,
		     int64_t *ret_left_at, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT left_out, left_at FROM renewal WHERE certificate_id = $1");
	int r;

	sql_bind_int(&q, certificate_id);
	r = sql_row(&q, "renewal of certificate", certificate_id, e);
	if (r != 0)
		return r;
	sql_names(&q, names);
	*ret_left_at = sql_int(&q);
	return 0;
}

int renewal_leave_out(struct store *s, int64_t certificate_id, const struct strlist *names,
		      int64_t left_at, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE renewal SET left_out = $1, left_at = $2, look_at = 0 "
				  "WHERE certificate_id = $3");

	sql_bind_names(&q, names);
	sql_bind_int(&q, left_at);
	sql_bind_int(&q, certificate_id);
	return sql_run(&q, e);
}

void certificate_free(struct certificate *c)
{
	if (c == NULL)
		return;
	free(c->name);
	free(c->origin);
	strlist_clear(&c->names);
	strlist_clear(&c->optional);
	id_list_clear(&c->accounts);
	free(c->wish);
	free(c);
}

void certificate_list_free(struct certificate **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		certificate_free(list[i]);
	free(list);
}

void auto_certificate(struct certificate **c)
{
	certificate_free(*c);
}
