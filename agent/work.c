/* SPDX-License-Identifier: MIT
 *
 * work — see work.h: the life of a work, and the kinds that need no more than a line or two.
 */
#include "agent/work.h"

#include "agent/caller.h"
#include "agent/engine.h"
#include "agent/keygen.h"
#include "agent/wire.h"
#include "base/tls.h"

#include <stdlib.h>
#include <string.h>

struct work *work_new(struct step *s, size_t index)
{
	struct work *w = mem_new(sizeof(*w));
	struct work **end = &s->works;

	w->step = s;
	w->index = index;
	while (*end != NULL)
		end = &(*end)->next;
	*end = w;
	s->unheard++;
	return w;
}

void work_answer(struct work *w, const struct err *error)
{
	w->answered = true;
	w->handle = NULL;
	if (error != NULL)
		w->error = *error;
	engine_heard(w->step->engine, w);
}

static void work_stop(struct work *w)
{
	if (w->started && !w->answered)
		w->cancel(w);
	if (w->answered && !w->heard)
		engine_unheard(w->step->engine, w);
	if (!w->heard)
		w->step->unheard--;
}

bool works_run_program(const struct step *s)
{
	for (const struct work *w = s->works; w != NULL; w = w->next)
		if (w->hook && w->started && !w->answered && hook_call_runs(w->handle))
			return true;
	return false;
}

void works_drop(struct step *s)
{
	while (s->works != NULL) {
		struct work *w = s->works;

		s->works = w->next;
		work_stop(w);
		w->next = s->spent;
		s->spent = w;
	}
}

static void work_free(struct work *w)
{
	if (w->free_data != NULL)
		w->free_data(w->data);
	acme_response_free(w->response);
	key_free(w->key);
	free(w->output);
	free(w);
}

void works_free(struct step *s)
{
	while (s->spent != NULL) {
		struct work *w = s->spent;

		s->spent = w->next;
		work_free(w);
	}
}

/* Hooks of every kind answer like this. */
static void hook_answered(void *arg, const char *output, const struct err *e)
{
	struct work *w = arg;

	w->output = mem_str(output);
	work_answer(w, e);
}

static void hook_cancelled(struct work *w)
{
	hook_call_cancel(w->handle);
}

/* --- the operator's own programs --- */

struct hook_data {
	struct strlist argv;
	struct strlist environment;
};

static void hook_data_free(void *data)
{
	struct hook_data *d = data;

	strlist_clear(&d->argv);
	strlist_clear(&d->environment);
	free(d);
}

static void hook_start(struct work *w)
{
	struct hook_data *d = w->data;
	struct child_request request = {.argv = &d->argv, .environment = &d->environment};

	w->handle = hook_call_child(engine_loop(w->step->engine), &request, hook_answered, w);
}

int work_hook(struct step *s, const struct strlist *argv, const struct strlist *environment,
	      struct err *e)
{
	AUTO_FREE char *caller = caller_marker(s);
	struct work *w = work_new(s, 0);
	struct hook_data *d = mem_new(sizeof(*d));

	(void)e;
	strlist_copy(&d->argv, argv);
	if (caller != NULL)
		strlist_add(&d->environment, caller);
	for (size_t i = 0; i < environment->count; i++)
		strlist_add(&d->environment, environment->items[i]);
	w->data = d;
	w->free_data = hook_data_free;
	w->start = hook_start;
	w->cancel = hook_cancelled;
	w->hook = true;
	return 0;
}

/* --- solvers --- */

struct solver_data {
	const struct solver_ops *ops;
	solver_op *op;
	struct json *settings;
	struct solver_task task;
	char *strings[5];
};

static void solver_data_free(void *data)
{
	struct solver_data *d = data;

	for (size_t i = 0; i < COUNT_OF(d->strings); i++)
		free(d->strings[i]);
	json_free(d->settings);
	free(d);
}

static void solver_start(struct work *w)
{
	struct solver_data *d = w->data;

	if (d->op == NULL)
		w->handle = hook_call_answer(d->task.loop, NULL, hook_answered, w);
	else
		w->handle = d->op(&d->task, hook_answered, w);
}

static void solver_fill(struct solver_data *d, const struct solver_ask *ask)
{
	const struct challenge *c = ask->challenge;

	d->task.type = d->strings[0] = mem_str(c->type);
	d->task.identifier = d->strings[1] = mem_str(c->identifier);
	d->task.token = d->strings[2] = mem_str(c->token);
	d->task.key_authorization = d->strings[3] = mem_str(ask->key_authorization);
	d->task.settings = d->settings;
}

int work_solver(struct step *s, size_t index, const struct solver_ask *ask, struct err *e)
{
	const struct challenge *c = ask->challenge;
	struct json *settings = NULL;
	const struct solver_ops *ops;
	struct solver_data *d;
	struct work *w;
	int r;

	r = json_parse(c->solver, strlen(c->solver), &settings, e);
	if (r != 0)
		return r;
	ops = wire_solver(json_get_text(settings, "name"));
	if (ops == NULL) {
		json_free(settings);
		return err_set(e, ERR_CONFIG, "this everleaf has no solver as in %s", c->solver);
	}
	d = mem_new(sizeof(*d));
	d->settings = settings;
	d->op = ask->verb == SOLVER_PRESENT ? ops->present
		: ask->verb == SOLVER_READY ? ops->ready
					    : ops->withdraw;
	solver_fill(d, ask);
	d->task.caller = d->strings[4] = caller_marker(s);
	d->task.loop = engine_loop(s->engine);
	d->task.host = engine_standalone(s->engine);
	w = work_new(s, index);
	w->data = d;
	w->free_data = solver_data_free;
	w->start = solver_start;
	w->cancel = hook_cancelled;
	w->hook = true;
	return 0;
}

/* --- keys --- */

static void key_made(void *arg, struct key *key, const struct err *e)
{
	struct work *w = arg;

	w->key = key;
	work_answer(w, e);
}

static void key_start(struct work *w)
{
	w->handle =
		keygen_start(engine_loop(w->step->engine), (enum key_kind)w->index, key_made, w);
}

static void key_cancelled(struct work *w)
{
	keygen_cancel(w->handle);
}

int work_key(struct step *s, enum key_kind kind, struct err *e)
{
	struct work *w = work_new(s, (size_t)kind);

	(void)e;
	w->start = key_start;
	w->cancel = key_cancelled;
	return 0;
}
