/* SPDX-License-Identifier: MIT
 *
 * deployment — reads and writes the tables target and deployment.
 */
#include "store/deployment.h"

#include "store/internal.h"

#include <stdlib.h>

#define TARGET_COLUMNS "id, deployer, settings, wanted, done, window, begun, failures, next_at"

#define COLUMNS                                                                                    \
	"id, certificate_id, version_id, target_id, position, stage, created_at, "                 \
	"ended_at, raised, " STANDING_COLUMNS

static struct target *target_read(struct sql *q)
{
	struct target *t = mem_new(sizeof(*t));

	t->id = sql_int(q);
	t->deployer = sql_text(q);
	t->settings = sql_text(q);
	t->wanted = sql_int(q);
	t->done = sql_int(q);
	t->window = sql_text(q);
	t->begun = sql_int(q);
	t->failures = sql_int(q);
	t->next_at = sql_int(q);
	return t;
}

/* 1: found, and t is filled; 0: there is none. */
static int target_find(struct store *s, struct target *t, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT id, wanted, done FROM target "
						  "WHERE deployer = $1 AND settings = $2");
	int r;

	sql_bind_text(&q, t->deployer);
	sql_bind_text(&q, t->settings);
	r = sql_step(&q, e);
	if (r <= 0)
		return r;
	t->id = sql_int(&q);
	t->wanted = sql_int(&q);
	t->done = sql_int(&q);
	return 1;
}

static int target_add(struct store *s, const struct target *t, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "INSERT INTO target (" TARGET_COLUMNS
						  ") VALUES ($1, $2, $3, 0, 0, $4, 0, 0, 0)");

	sql_bind_int(&q, id);
	sql_bind_text(&q, t->deployer);
	sql_bind_text(&q, t->settings);
	sql_bind_text(&q, t->window != NULL ? t->window : "");
	return sql_run(&q, e);
}

/* What failed keeps its back-off. */
static int deployment_wake(struct store *s, int64_t target_id, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE deployment SET next_at = 0 WHERE target_id = $1 "
				  "AND ended_at = 0 AND failures = 0 AND next_at <> 0");

	sql_bind_int(&q, target_id);
	return sql_run(&q, e);
}

static int target_set_window(struct store *s, const struct target *t, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "UPDATE target SET window = $1 "
						  "WHERE id = $2 AND window <> $1 RETURNING id");
	int r;

	sql_bind_text(&q, t->window != NULL ? t->window : "");
	sql_bind_int(&q, t->id);
	r = sql_step(&q, e);
	return r > 0 ? deployment_wake(s, t->id, e) : r;
}

int target_put(struct store *s, struct target *t, struct err *e)
{
	int64_t id = 0;
	int r;

	r = target_find(s, t, e);
	if (r != 0)
		return r < 0 ? r : target_set_window(s, t, e);
	r = id_next(&s->db, "target", &id, e);
	if (r == 0)
		r = target_add(s, t, id, e);
	if (r != 0)
		return r;
	t->id = id;
	t->wanted = 0;
	t->done = 0;
	return 0;
}

int target_load(struct store *s, int64_t id, struct target **ret_target, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT " TARGET_COLUMNS " FROM target WHERE id = $1");
	int r;

	sql_bind_int(&q, id);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	*ret_target = r > 0 ? target_read(&q) : NULL;
	return 0;
}

int target_raise(struct store *s, int64_t id, int64_t *ret_wanted, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE target SET wanted = wanted + 1 WHERE id = $1 RETURNING wanted");
	int r;

	sql_bind_int(&q, id);
	r = sql_row(&q, "target", id, e);
	if (r != 0)
		return r;
	*ret_wanted = sql_int(&q);
	return 0;
}

int target_reached(struct store *s, int64_t id, int64_t wanted, struct err *e)
{
	/* A reload that began earlier may be heard later: done never goes back. */
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE target SET done = $1 WHERE id = $2 AND done < $1");

	sql_bind_int(&q, wanted);
	sql_bind_int(&q, id);
	return sql_run(&q, e);
}

int target_begins(struct store *s, int64_t id, int64_t wanted, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "UPDATE target SET begun = $1 WHERE id = $2");

	sql_bind_int(&q, wanted);
	sql_bind_int(&q, id);
	return sql_run(&q, e);
}

int target_heard(struct store *s, int64_t id, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "UPDATE target SET begun = 0, failures = 0, next_at = 0 "
				  "WHERE id = $1 AND (begun <> 0 OR failures <> 0)");

	sql_bind_int(&q, id);
	return sql_run(&q, e);
}

int target_cut(struct store *s, int64_t id, int64_t next_at, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE target SET begun = 0, failures = failures + 1, next_at = $1 "
			"WHERE id = $2");

	sql_bind_int(&q, next_at);
	sql_bind_int(&q, id);
	return sql_run(&q, e);
}

static struct deployment *deployment_read(struct sql *q)
{
	struct deployment *d = mem_new(sizeof(*d));

	d->id = sql_int(q);
	d->certificate_id = sql_int(q);
	d->version_id = sql_int(q);
	d->target_id = sql_int(q);
	d->position = sql_int(q);
	d->stage = sql_text(q);
	d->created_at = sql_int(q);
	d->ended_at = sql_int(q);
	d->raised = sql_int(q);
	standing_read(q, &d->standing);
	return d;
}

static int deployment_add(struct store *s, const struct deployment *d, int64_t id,
			  int64_t created_at, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "INSERT INTO deployment (id, certificate_id, version_id, target_id, "
			"position, next_at, created_at, stage, ended_at) "
			"VALUES ($1, $2, $3, $4, $5, $6, $7, 'due', 0)");

	sql_bind_int(&q, id);
	sql_bind_int(&q, d->certificate_id);
	sql_bind_int(&q, d->version_id);
	sql_bind_int(&q, d->target_id);
	sql_bind_int(&q, d->position);
	sql_bind_int(&q, d->standing.next_at);
	sql_bind_int(&q, created_at);
	return sql_run(&q, e);
}

int deployment_insert(struct store *s, struct deployment *d, struct err *e)
{
	const int64_t created_at = d->created_at != 0 ? d->created_at : clock_now(s->clock);
	const int64_t next_at = d->standing.next_at;
	int64_t id = 0;
	int r;

	r = id_next(&s->db, "deployment", &id, e);
	if (r == 0)
		r = deployment_add(s, d, id, created_at, e);
	if (r != 0)
		return r;
	d->id = id;
	mem_set_str(&d->stage, "due");
	d->created_at = created_at;
	d->ended_at = 0;
	d->standing = (struct standing){.next_at = next_at};
	return 0;
}

int deployment_supersede(struct store *s, int64_t certificate_id, int64_t version_id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE deployment SET stage = 'superseded', ended_at = $1, owner = '', "
			"fence = fence + 1 "
			"WHERE certificate_id = $2 AND version_id <> $3 AND ended_at = 0");

	sql_bind_int(&q, clock_now(s->clock));
	sql_bind_int(&q, certificate_id);
	sql_bind_int(&q, version_id);
	return sql_run(&q, e);
}

int deployment_load(struct store *s, int64_t id, struct deployment **ret_deployment, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT " COLUMNS " FROM deployment WHERE id = $1");
	int r;

	sql_bind_int(&q, id);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	*ret_deployment = r > 0 ? deployment_read(&q) : NULL;
	return 0;
}

int deployment_save(struct store *s, const struct deployment *d, bool release, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE deployment SET " STANDING_SET ", stage = $10, ended_at = $11, "
			"raised = $12 WHERE id = $13 AND owner = $14 AND fence = $15 "
			"RETURNING id");

	standing_bind(&q, s, &d->standing, release);
	sql_bind_text(&q, d->stage);
	sql_bind_int(&q, d->ended_at);
	sql_bind_int(&q, d->raised);
	return standing_save(&q, s, d->id, d->standing.fence, e);
}

static int deployment_revive(struct store *s, int64_t version_id, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE deployment SET stage = 'due', ended_at = 0, owner = '', "
			"raised = 0, fence = fence + 1, attempts = 0, failures = 0, next_at = 0, "
			"err_code = 'none', err_type = '', err_text = '', err_retry_at = 0, "
			"error_at = 0 WHERE version_id = $1 AND ended_at <> 0");

	sql_bind_int(&q, version_id);
	return sql_run(&q, e);
}

int deployment_renew(struct store *s, int64_t version_id, struct err *e)
{
	/* a reload that was for it may have come before what is done again now */
	struct sql q AUTO_SQL = sql_start(
		&s->db, "UPDATE deployment SET next_at = 0, raised = 0 WHERE version_id = $1 "
			"AND ended_at = 0 AND (next_at <> 0 OR raised <> 0)");
	int r;

	sql_bind_int(&q, version_id);
	r = sql_run(&q, e);
	if (r != 0)
		return r;
	return deployment_revive(s, version_id, e);
}

int deployment_before(struct store *s, const struct deployment *d, int64_t *ret_version_id,
		      struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT version_id FROM deployment WHERE certificate_id = $1 "
				  "AND +target_id = $2 AND version_id <> $3 AND stage = 'done' "
				  "ORDER BY version_id DESC LIMIT 1");
	int r;

	sql_bind_int(&q, d->certificate_id);
	sql_bind_int(&q, d->target_id);
	sql_bind_int(&q, d->version_id);
	r = sql_step(&q, e);
	if (r < 0)
		return r;
	*ret_version_id = r > 0 ? sql_int(&q) : 0;
	return 0;
}

int deployment_coming(struct store *s, int64_t target_id, bool *ret_coming, struct err *e)
{
	/* the few that have not ended, and not the many of one target: hence the + */
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT DISTINCT earlier.owner FROM deployment AS d "
			"JOIN deployment AS earlier ON earlier.version_id = d.version_id "
			"AND earlier.position < d.position AND earlier.ended_at = 0 "
			"AND earlier.owner <> '' WHERE +d.target_id = $1 AND d.ended_at = 0");
	bool coming = false;
	int r = 1;

	sql_bind_int(&q, target_id);
	while (!coming && r > 0) {
		r = sql_step(&q, e);
		if (r > 0) {
			AUTO_FREE char *owner = sql_text(&q);

			coming = owner_alive(s, owner);
		}
	}
	if (r < 0)
		return r;
	*ret_coming = coming;
	return 0;
}

int deployment_list(struct store *s, int64_t version_id, struct deployment ***ret_deployments,
		    size_t *ret_count, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT " COLUMNS " FROM deployment "
						  "WHERE version_id = $1 ORDER BY position, id");
	struct deployment **list = NULL;
	size_t count = 0;
	int r;

	sql_bind_int(&q, version_id);
	for (;;) {
		r = sql_step(&q, e);
		if (r <= 0)
			break;
		list = mem_grow(list, count + 1, sizeof(*list));
		list[count++] = deployment_read(&q);
	}
	if (r < 0) {
		deployment_list_free(list, count);
		return r;
	}
	*ret_deployments = list;
	*ret_count = count;
	return 0;
}

int deployment_open(struct store *s, int64_t certificate_id, struct open_rows *ret_rows,
		    struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT d.id, d.certificate_id, d.next_at, d.err_retry_at, d.error_at, "
			"d.owner FROM deployment AS d "
			"WHERE d.ended_at = 0 AND ($1 = 0 OR d.certificate_id = $1) "
			"AND NOT EXISTS (SELECT 1 FROM deployment AS earlier "
			"WHERE earlier.version_id = d.version_id AND earlier.ended_at = 0 "
			"AND earlier.position < d.position) ORDER BY d.next_at, d.id");

	sql_bind_int(&q, certificate_id);
	return open_rows_read(&q, s, ret_rows, e);
}

void target_free(struct target *t)
{
	if (t == NULL)
		return;
	free(t->deployer);
	free(t->settings);
	free(t->window);
	free(t);
}

void auto_target(struct target **t)
{
	target_free(*t);
}

void deployment_free(struct deployment *d)
{
	if (d == NULL)
		return;
	free(d->stage);
	free(d);
}

void deployment_list_free(struct deployment **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		deployment_free(list[i]);
	free(list);
}

void auto_deployment(struct deployment **d)
{
	deployment_free(*d);
}
