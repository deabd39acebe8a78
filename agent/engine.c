/* SPDX-License-Identifier: MIT
 *
 * engine — the turn. Read agent/stage.c first: it has the order's diagram and the invariants.
 *
 *     hear what arrived → look for work → ask what is due → ONE commit → submit
 *
 * A turn that cannot be committed is a crash (HACKING.md, rule 3): works are dropped, memory is
 * forgotten, and the rows are loaded again after a pause.
 */
#include "agent/engine.h"

#include "agent/engine_internal.h"
#include "agent/machines.h"
#include "agent/standalone.h"
#include "agent/wire.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static int64_t mono(const struct engine *g)
{
	return clock_mono_ms(g->config.clock);
}

/* --- the queue of what was answered --- */

void engine_heard(struct engine *g, struct work *w)
{
	w->queue = NULL;
	if (g->heard_last != NULL)
		g->heard_last->queue = w;
	else
		g->heard_first = w;
	g->heard_last = w;
}

void engine_unheard(struct engine *g, struct work *w)
{
	struct work **at = &g->heard_first;

	while (*at != NULL && *at != w)
		at = &(*at)->queue;
	if (*at == w)
		*at = w->queue;
	g->heard_last = NULL;
	for (struct work *q = g->heard_first; q != NULL; q = q->queue)
		g->heard_last = q;
}

static struct work *heard_next(struct engine *g)
{
	struct work *w = g->heard_first;

	g->heard_first = w->queue;
	if (g->heard_first == NULL)
		g->heard_last = NULL;
	return w;
}

/* --- one step inside a turn --- */

void engine_failed(const struct step *s)
{
	counters_failed(s->engine->config.counters, s->machine->name, s->stage->name);
}

/* The row is somebody else's by now (invariant 1: who has no row any more stops), or the store
 * itself failed, which spoils the turn. */
static int step_gave_up(struct step *s, const struct err *why, struct err *e)
{
	struct store *store = s->engine->config.store;
	int64_t target = deployment_target(s);
	int r = 0;

	if (why->cause == CAUSE_LOST) {
		step_log(s, LOG_INFO, "%s", why->text);
		s->over = true;
		if (target != 0)
			r = target_heard(store, target, e); /* nobody cut its reload off */
		return r == 0 && target != 0 ? claim_release(store, CLAIM_TARGET, target, e) : r;
	}
	*e = *why;
	return why->code;
}

/* Runs fn in a savepoint. What it cannot do is undone alone, and the machine says what follows;
 * only ERR_STORE spoils the whole turn. */
static int step_try(struct step *s, struct work *w,
		    int (*fn)(struct step *s, struct work *w, struct err *e), struct err *e)
{
	struct store *store = s->engine->config.store;
	struct err why = {0};
	struct err worse = {0};
	int r;

	r = store_step_begin(store, e);
	if (r != 0)
		return r;
	r = fn(s, w, &why);
	if (r == 0)
		return store_step_keep(store, e);
	store_step_undo(store);
	if (r == ERR_STORE || r == ERR_BUG || why.cause == CAUSE_LOST)
		return step_gave_up(s, &why, e);
	engine_failed(s);
	r = store_step_begin(store, e);
	if (r != 0)
		return r;
	r = s->machine->failed(s, &why, &worse);
	if (r == 0)
		return store_step_keep(store, e);
	store_step_undo(store);
	return step_gave_up(s, &worse, e);
}

static int step_hear(struct step *s, struct work *w, struct err *e)
{
	return s->stage->hear(s, w, e);
}

static int step_ask(struct step *s, struct work *w, struct err *e)
{
	const struct stage *stage = s->stage;
	int r;

	(void)w;
	works_drop(s);
	s->waits = false;
	r = stage->ask(s, e);
	if (r != 0 || s->over || s->waits || s->stage != stage)
		return r; /* it failed, ended, waits, or went on */
	if (s->works == NULL)
		return s->stage->hear(s, NULL, e);
	s->due_ms = STEP_NEVER;
	return 0;
}

/* --- the turn --- */

static int turn_hear(struct engine *g, struct err *e)
{
	int r = 0;

	for (int n = 0; r == 0 && n < ENGINE_MAX_HEARD && g->heard_first != NULL; n++) {
		struct work *w = heard_next(g);
		struct step *s = w->step;

		w->heard = true;
		s->unheard--;
		r = step_try(s, w, step_hear, e);
	}
	return r;
}

static bool is_due(const struct engine *g, const struct step *s)
{
	return !s->over && s->due_ms <= mono(g);
}

/* Asks what is due; a stage that goes on at once is asked again in the same turn. */
static int turn_ask(struct engine *g, struct err *e)
{
	for (size_t i = 0; i < g->step_count; i++) {
		struct step *s = g->steps[i];

		for (int n = 0; is_due(g, s) && n < 16; n++) {
			int r = step_try(s, NULL, step_ask, e);

			if (r != 0)
				return r;
		}
	}
	return 0;
}

static bool turn_wanted(const struct engine *g)
{
	if (g->heard_first != NULL)
		return true;
	if (g->drain_ms != 0)
		return false;
	if (g->look_ms <= mono(g))
		return true;
	for (size_t i = 0; i < g->step_count; i++)
		if (is_due(g, g->steps[i]))
			return true;
	return false;
}

/* Between its begin and its end. */
static int turn_write(struct engine *g, struct err *e)
{
	int r = turn_hear(g, e);

	if (r == 0 && g->drain_ms == 0 && g->look_ms <= mono(g))
		r = engine_look(g, e);
	if (r == 0 && g->drain_ms == 0)
		r = turn_ask(g, e);
	if (r == 0)
		r = engine_save_directories(g, e);
	if (r != 0) {
		store_turn_undo(g->config.store);
		return r;
	}
	return store_turn_commit(g->config.store, e);
}

static int turn_run(struct engine *g, struct err *e)
{
	int r;

	log_hold();
	r = turn_write(g, e);
	log_release();
	return r;
}

/* After the commit: counts it, drops what is over, and starts what was asked for. */
static void turn_submit(struct engine *g)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->step_count; i++) {
		struct step *s = g->steps[i];

		s->commits += s->wrote;
		s->wrote = false;
		works_free(s);
		if (!s->over) {
			g->steps[kept++] = s;
			continue;
		}
		log_line(LOG_DEBUG, "%s %lld: %lld durable commits", s->machine->name,
			 (long long)s->id, (long long)s->commits);
		engine_note_end(g, s);
		step_free(s);
	}
	g->step_count = kept;
	if (kept == 0)
		engine_forget_keys(g);
	for (size_t i = 0; i < g->step_count; i++)
		for (struct work *w = g->steps[i]->works; w != NULL; w = w->next)
			if (!w->started) {
				w->started = true;
				w->start(w);
			}
}

static void engine_forget(struct engine *g)
{
	for (size_t i = 0; i < g->step_count; i++)
		step_free(g->steps[i]);
	g->step_count = 0;
	g->look_ms = 0;
	engine_forget_keys(g);
}

/* Design 4.3: a commit that fails is a crash. */
static int turn_crashed(struct engine *g, struct err *e)
{
	struct err why = e != NULL ? *e : (struct err){0};
	int seconds;

	for (size_t i = 0; i < g->step_count; i++)
		if (g->steps[i]->machine == &machine_renewal)
			engine_again(g, g->steps[i]->id); /* its order was not born */
	engine_forget(g);
	g->error = why;
	g->error_at = clock_now(g->config.clock);
	g->crashes++;
	g->crashed_ms = mono(g);
	if (why.code == ERR_BUG || why.cause == CAUSE_REPLACED ||
	    (g->config.by_hand && g->crashes >= ENGINE_MAX_CRASHES))
		return why.code;
	seconds = g->crashes < ENGINE_PAUSE_MAX_S ? g->crashes : ENGINE_PAUSE_MAX_S;
	log_line(LOG_ERROR, "%s; everything is read again in %d s", why.text, seconds);
	g->resume_ms = mono(g) + 1000 * (int64_t)seconds;
	return 0;
}

static int64_t engine_next_ms(const struct engine *g)
{
	int64_t next = g->look_ms;

	if (g->heard_first != NULL)
		next = 0;
	for (size_t i = 0; g->drain_ms == 0 && i < g->step_count; i++)
		if (g->steps[i]->due_ms < next)
			next = g->steps[i]->due_ms;
	if (g->drain_ms != 0 && g->heard_first == NULL)
		next = engine_drained(g) ? 0 : g->drain_ms;
	if (next < g->resume_ms)
		next = g->resume_ms;
	next -= mono(g);
	return next > 0 ? next : 0;
}

/* Nothing is heard before the store is ours, so nothing is lost when it is not. */
static int engine_turn(struct engine *g, struct err *why)
{
	int r = store_turn_begin(g->config.store, why);

	if (r != 0 && why->cause == CAUSE_HELD)
		return engine_held(g, why);
	engine_let_go(g);
	if (r == 0)
		r = turn_run(g, why);
	if (g->config.counters != NULL)
		*(r == 0 ? &g->config.counters->turns : &g->config.counters->crashes) += 1;
	if (r != 0)
		return turn_crashed(g, why);
	if (mono(g) - g->crashed_ms > ENGINE_CALM_MS)
		g->crashes = 0;
	turn_submit(g);
	engine_expects(g);
	if (g->step_count >= ENGINE_MANY)
		g->resume_ms = mono(g) + ENGINE_GATHER_MS;
	return 0;
}

int engine_tick(struct engine *g, int64_t *ret_ms, struct err *e)
{
	struct err why = {0};
	int r = 0;

	engine_is_back(g);
	g->back_ms = mono(g); /* a turn that takes very long is no better */
	if (g->resume_ms <= mono(g) && turn_wanted(g))
		r = engine_turn(g, &why);
	engine_is_back(g);
	if (r != 0) {
		if (e != NULL)
			*e = why;
		return r;
	}
	*ret_ms = engine_goes(g, engine_next_ms(g));
	return 0;
}

/* --- the rest --- */

int engine_new(const struct engine_config *config, struct engine **ret_engine, struct err *e)
{
	struct engine *g = mem_new(sizeof(*g));
	struct standalone_config answers = {
		.loop = config->loop,
		.store = config->rehearsal != NULL ? config->rehearsal : config->store,
		.here = config->here,
		.rehearses = config->rehearsal != NULL,
		.clock = config->clock,
		.sockets = config->sockets,
		.fetched = engine_fetched,
		.arg = g,
	};
	int r;

	g->config = *config;
	g->book.store = config->store;
	g->began_at = clock_now(config->clock);
	if (g->config.look_ms == 0)
		g->config.look_ms = ENGINE_LOOK_MS;
	if (g->config.transport_new == NULL)
		g->config.transport_new = transport_http_new;
	if (g->config.deployer == NULL)
		g->config.deployer = wire_deployer;
	r = standalone_new(&answers, &g->standalone, e);
	if (r != 0) {
		free(g);
		return r;
	}
	g->wait_ms = store_waits(config->store, ENGINE_WAIT_MS);
	if (config->rehearsal != NULL)
		g->rehearsal_wait_ms = store_waits(config->rehearsal, ENGINE_WAIT_MS);
	*ret_engine = g;
	return 0;
}

void engine_poke(struct engine *g)
{
	g->look_ms = 0;
	g->looked = false;
}

bool engine_settled(const struct engine *g)
{
	return g->looked && g->step_count == 0 && g->elsewhere == 0 && g->heard_first == NULL &&
	       g->look_ms > mono(g) && !standalone_needed(g->standalone, false);
}

struct step *engine_adopt(struct engine *g, const struct machine *m, int64_t id)
{
	struct step *s = step_new(g, m, id);

	g->steps = mem_grow(g->steps, g->step_count + 1, sizeof(struct step *));
	g->steps[g->step_count++] = s;
	return s;
}

struct store *engine_store(const struct engine *g)
{
	return g->config.store;
}

struct loop *engine_loop(const struct engine *g)
{
	return g->config.loop;
}

const struct clock *engine_clock(const struct engine *g)
{
	return g->config.clock;
}

struct standalone *engine_standalone(const struct engine *g)
{
	return g->standalone;
}

const struct strlist *engine_notify(const struct engine *g)
{
	return g->config.notify;
}

bool engine_rehearses(const struct engine *g)
{
	return g->config.rehearsal != NULL;
}

bool engine_by_hand(const struct engine *g)
{
	return g->config.by_hand;
}

bool engine_hurries(const struct engine *g)
{
	return g->config.by_hand && !g->config.patient;
}

int64_t engine_began(const struct engine *g)
{
	return g->began_at;
}

const struct deployer_ops *engine_deployer(const struct engine *g, const char *name)
{
	return g->config.deployer(name);
}

/* What has no claim is a key in the making: it would become a new order. */
void engine_drain(struct engine *g, int64_t ms)
{
	g->drain_ms = mono(g) + ms;
	for (size_t i = 0; i < g->step_count; i++)
		if (g->steps[i]->machine->claim == CLAIMABLES)
			works_drop(g->steps[i]);
}

bool engine_drained(const struct engine *g)
{
	if (g->drain_ms <= mono(g))
		return true;
	for (size_t i = 0; i < g->step_count; i++)
		if (g->steps[i]->unheard > 0)
			return false;
	return g->heard_first == NULL;
}

void engine_live(const struct engine *g, struct engine_live *ret)
{
	*ret = (struct engine_live){
		.next_at = g->next_at,
		.ca_requests = g->ca_requests,
		.ca_failures = g->ca_failures,
		.error = g->error,
		.error_at = g->error_at,
		.held_at = g->held_said ? g->held_at : 0,
		.holder = g->holder,
	};
	for (size_t i = 0; i < g->step_count; i++)
		ret->orders += g->steps[i]->machine == &machine_order;
}

const struct step *engine_step(const struct engine *g, size_t index)
{
	return index < g->step_count ? g->steps[index] : NULL;
}

void engine_asked(struct engine *g)
{
	g->ca_requests++;
}

void engine_answered(struct engine *g, bool failed)
{
	g->ca_failures += failed;
}

/* A claim whose program our end cuts off stays charged, as after a crash (HACKING.md, rule 7): it
 * may be what brings the end about. */
void engine_stop(struct engine *g)
{
	struct store *store = g->config.store;

	for (size_t i = 0; i < g->step_count; i++) {
		g->steps[i]->cut = works_run_program(g->steps[i]);
		works_drop(g->steps[i]);
	}
	(void)store_waits(store, ENGINE_STOP_WAIT_MS);
	if (g->step_count == 0 || store_turn_begin(store, NULL) != 0)
		return;
	for (size_t i = 0; i < g->step_count; i++) {
		const struct step *s = g->steps[i];
		int64_t target = deployment_target(s);

		if (s->cut)
			(void)claim_release(store, s->machine->claim, s->id, NULL);
		else if (s->machine->claim != CLAIMABLES)
			(void)claim_return(store, s->machine->claim, s->id, NULL);
		if (target != 0)
			(void)claim_release(store, CLAIM_TARGET, target, NULL);
	}
	(void)store_turn_commit(store, NULL);
	engine_forget(g);
}

void engine_free(struct engine *g)
{
	if (g == NULL)
		return;
	engine_forget(g);
	limits_forget(&g->book);
	free(g->steps);
	free(g->scopes);
	free(g->ended);
	standalone_free(g->standalone);
	engine_free_cas(g);
	(void)store_waits(g->config.store, g->wait_ms);
	if (g->config.rehearsal != NULL)
		(void)store_waits(g->config.rehearsal, g->rehearsal_wait_ms);
	free(g);
}
