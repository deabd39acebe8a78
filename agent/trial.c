/* SPDX-License-Identifier: MIT
 *
 * trial — see the header. Deployers are asked one after the other, without an engine: there is no
 * row to claim, so a deployment may go on beside it.
 */
#include "agent/trial.h"

#include "agent/folders.h"
#include "agent/loop.h"
#include "agent/wire.h"
#include "agent/work.h"

#include <stdio.h>
#include <stdlib.h>

/* One deployer of the wish. */
struct trial_row {
	const struct json *settings; /* borrowed from the wish */
	const struct deployer_ops *ops;
	struct strlist did; /* words for people */
	struct err error;
	struct deployer_stage stage;
	bool staged;
};

struct trial {
	struct wish *wish;
	struct version *version;
	struct trial_row *rows;
	size_t count;
	struct loop *loop;
	struct deployer_task task; /* borrows the above, and the certificate */
	bool stopped;              /* by a signal */
};

/* --- asking one --- */

struct answer {
	bool answered;
	struct err *error;
};

static void trial_answered(void *arg, const char *output, const struct err *e)
{
	struct answer *a = arg;

	(void)output; /* what matters of it is in the sentence */
	a->answered = true;
	if (e != NULL)
		*a->error = *e;
}

/* What becomes of it is in the row. */
static void trial_await(struct trial *t, struct trial_row *row, deployer_op *op)
{
	struct answer a = {.error = &row->error};
	struct hook_call *call;

	t->task.settings = row->settings;
	call = op(&t->task, trial_answered, &a);
	while (!a.answered) {
		t->stopped = loop_should_stop(t->loop);
		if (t->stopped || loop_wait(t->loop, -1) != 0) {
			hook_call_cancel(call);
			err_set(&row->error, ERR_BUSY, "it was not finished");
			return;
		}
	}
}

static bool has_failed(const struct trial_row *row)
{
	return row->error.code != ERR_NONE;
}

static void row_check(struct trial *t, struct trial_row *row)
{
	AUTO_FREE char *check = NULL;
	struct strlist words AUTO_STRLIST = {0};

	if (row->ops->check == NULL)
		return;
	wish_words(row->settings, "check", &words);
	check = strlist_join(&words, " ");
	trial_await(t, row, row->ops->check);
	if (words.count > 0 && !t->task.only_looks)
		strlist_addf(&row->did, "checked by %s", check);
	else
		strlist_add(&row->did, "checked");
}

/* Programs after it look at what it has written. Without that there is nothing for them to see. */
static void row_stage(struct trial *t, struct trial_row *row)
{
	if (row->ops->stage == NULL)
		return;
	t->task.only_looks = true;
	if (has_failed(row) || row->ops->stage(&t->task, &row->stage, &row->error) != 0)
		return;
	row->staged = true;
	strlist_add(&row->did, "written for a try");
	t->task.directory = row->stage.directory;
	t->task.only_looks = false;
}

/* As in earnest, with what is live. */
static void row_hook(struct trial *t, struct trial_row *row)
{
	if (row->ops->stage != NULL)
		t->task.directory = json_get_text(row->settings, "directory");
	if (row->ops->reload == NULL)
		return;
	trial_await(t, row, row->ops->reload);
	strlist_add(&row->did, "run");
}

/* --- all of them --- */

static int trial_rows(struct trial *t, struct err *e)
{
	t->rows = mem_new((json_count(t->wish->deploy) + 1) * sizeof(t->rows[0]));
	for (size_t i = 0; i < json_count(t->wish->deploy); i++) {
		struct trial_row *row = &t->rows[i];
		const char *name;

		row->settings = json_at(t->wish->deploy, i);
		name = json_get_text(row->settings, "name");
		row->ops = wire_deployer(name);
		if (row->ops == NULL)
			return err_set(e, ERR_CONFIG, "this everleaf has no deployer \"%s\"", name);
		t->count++;
	}
	return 0;
}

static int trial_read(const struct trial_ask *ask, struct trial *t, struct err *e)
{
	int r;

	r = version_load(ask->store, ask->certificate->live_version_id, &t->version, e);
	if (r == 0 && t->version == NULL)
		r = err_set(e, ERR_SYS, "the version of %s is gone", ask->certificate->name);
	if (r == 0)
		r = wish_parse(ask->wish, &t->wish, e);
	if (r == 0)
		r = trial_rows(t, e);
	if (r == 0)
		r = deployer_key(ask->store, t->version->key_id, &t->task.key_fd, e);
	if (r == 0)
		r = loop_event_new(&t->loop, e);
	if (r != 0)
		return r;
	deployer_task_fill(&t->task, ask->certificate, t->version);
	folders_task(&t->task, ask->store);
	t->task.loop = t->loop;
	return 0;
}

static void trial_unstage(struct trial *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->rows[i].staged)
			t->rows[i].ops->unstage(&t->rows[i].stage);
	t->task.directory = NULL;
}

int trial_run(const struct trial_ask *ask, struct trial **ret_trial, struct err *e)
{
	AUTO_TRIAL struct trial *t = mem_new(sizeof(*t));
	int r;

	t->task.key_fd = -1;
	r = trial_read(ask, t, e);
	if (r != 0)
		return r;
	for (size_t i = 0; ask->checks && !t->stopped && i < t->count; i++) {
		row_check(t, &t->rows[i]);
		row_stage(t, &t->rows[i]);
	}
	trial_unstage(t);
	for (size_t i = 0; ask->runs_hooks && !trial_failed(t) && i < t->count; i++)
		row_hook(t, &t->rows[i]);
	if (t->stopped)
		return err_set(e, ERR_BUSY, "stopped; nothing was changed");
	*ret_trial = TAKE(t);
	return 0;
}

bool trial_failed(const struct trial *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (has_failed(&t->rows[i]))
			return true;
	return false;
}

void trial_print(const struct trial *t)
{
	for (size_t i = 0; t != NULL && i < t->count; i++) {
		const struct trial_row *row = &t->rows[i];
		AUTO_FREE char *text = wish_brief(row->settings);
		AUTO_FREE char *did = strlist_join(&row->did, ", ");

		if (has_failed(row))
			printf("  %s: %s\n", text, row->error.text);
		else if (row->did.count > 0)
			printf("  %s: %s\n", text, did);
	}
}

struct json *trial_json(const struct trial *t)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < t->count; i++) {
		const struct trial_row *row = &t->rows[i];
		AUTO_FREE char *text = wish_brief(row->settings);
		struct json *j = json_new_map();
		struct json *did = json_new_list();

		for (size_t k = 0; k < row->did.count; k++)
			json_add_text(did, row->did.items[k]);
		json_put_text(j, "deployer", text);
		json_put(j, "done", did);
		json_put_text(j, "error", has_failed(row) ? row->error.text : NULL);
		json_add(list, j);
	}
	return list;
}

void trial_free(struct trial *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->count; i++)
		strlist_clear(&t->rows[i].did);
	free(t->rows);
	loop_event_free(t->loop);
	auto_close(&t->task.key_fd);
	version_free(t->version);
	wish_free(t->wish);
	free(t);
}

void auto_trial(struct trial **t)
{
	trial_free(*t);
}
