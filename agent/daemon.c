/* SPDX-License-Identifier: MIT
 *
 * daemon — the loop of every command without a scope and without a stop.
 *
 *     started ⇒ READY=1 ─► turns … ─► SIGTERM ⇒ STOPPING=1: what is out is awaited, nothing begun
 *                           ├ SIGHUP, "reload" ⇒ RELOADING=1 … READY=1
 *                           └ "wake": another process wrote work
 */
#include "agent/daemon.h"

#include "agent/apply.h"
#include "agent/control.h"
#include "agent/frame.h"
#include "agent/live.h"
#include "agent/loop.h"
#include "agent/observe.h"
#include "agent/systemd.h"
#include "agent/words.h"
#include "base/log.h"

#include <stdlib.h>

/* How often it asks whether another process wrote to the store. Commands say so over the control
 * socket; without it, and for what they did not live to say, there is this. */
#define WATCH_MS      2000
#define WATCH_TOLD_MS 20000
#define PRUNE_MS      (24 * 3600 * 1000) /* how often it tidies up */
#define HELD_MS       1000               /* what another program keeps it from is tried again */

struct daemon {
	struct context *c;
	struct engine *engine;
	struct loop *loop;
	struct control *control; /* NULL: there is none */
	struct passed_sockets sockets;
	struct config *config; /* as read at the start; NULL: it could not be */
	struct strlist notify; /* as engine_config's */
	struct counters counters;
	struct observer *observer;
	int64_t started_at;
	int64_t next_at;   /* Unix seconds: until then it waits */
	int64_t prune_ms;  /* mono: the next time */
	int64_t reload_ms; /* mono: what was to be read again and could not be; 0: nothing */
	int64_t watch_dog; /* every so many milliseconds, 0: never */
	int64_t dog_ms;    /* mono: the next time */
	char *status;      /* as told last */
};

static int64_t mono(const struct daemon *d)
{
	return clock_mono_ms(d->c->clock);
}

static void daemon_prune(struct daemon *d)
{
	struct err e = {0};

	if (mono(d) < d->prune_ms)
		return;
	d->prune_ms = mono(d) + PRUNE_MS;
	if (store_prune(d->c->store, &e) == 0)
		return;
	if (e.cause == CAUSE_HELD)
		d->prune_ms = mono(d) + 60 * HELD_MS;
	else if (e.cause != CAUSE_REPLACED) /* which is said soon enough */
		log_line(LOG_ERROR, "%s; it is tried again tomorrow", e.text);
}

/* --- what is told to a service manager --- */

static void daemon_tells_status(struct daemon *d)
{
	AUTO_FREE char *status = live_sentence(d->engine);
	AUTO_FREE char *state = NULL;

	if (str_equal(status, d->status))
		return;
	state = mem_printf("STATUS=%s", status);
	systemd_notify(state);
	free(d->status);
	d->status = TAKE(status);
}

/* Called after each turn, so that a loop that hangs says nothing. A store that cannot be written is
 * no reason to be restarted: it is tried again here. */
static void daemon_tells(struct daemon *d)
{
	daemon_tells_status(d);
	if (d->watch_dog == 0 || mono(d) < d->dog_ms)
		return;
	d->dog_ms = mono(d) + d->watch_dog;
	systemd_notify("WATCHDOG=1");
}

/* What the file says of the daemon itself; what was typed goes before it. */
static void daemon_heeds(struct daemon *d, const struct config *config)
{
	if (d->c->options->notify_hook == NULL)
		strlist_copy(&d->notify, &config->notify);
}

/* What is wrong with the file stops nothing that it does not concern. */
static int daemon_applies(struct daemon *d, struct config **ret_config, struct err *e)
{
	int r = apply_file(d->c, ret_config, e);

	if (*ret_config != NULL)
		daemon_heeds(d, *ret_config);
	return r;
}

static int daemon_reloads(struct daemon *d, struct err *e)
{
	AUTO_FREE char *state =
		mem_printf("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)mono(d) * 1000);
	AUTO_CONFIG struct config *config = NULL;
	int r;

	systemd_notify(state);
	r = daemon_applies(d, &config, e);
	engine_poke(d->engine);
	systemd_notify("READY=1");
	d->reload_ms = r != 0 && e->cause == CAUSE_HELD ? mono(d) + HELD_MS : 0;
	if (d->reload_ms != 0)
		log_line(LOG_NOTICE, "nothing was read again yet, and is as soon as it can be: %s",
			 e->text);
	else if (r != 0)
		log_line(LOG_ERROR, "reloaded, but what has a mistake stays as it was: %s",
			 e->text);
	else
		log_line(LOG_NOTICE, "reloaded");
	return r;
}

/* --- the control socket --- */

static struct json *daemon_answer(void *arg, const char *verb)
{
	struct daemon *d = arg;
	struct json *j = frame_new();
	struct err e = {0};

	if (str_equal(verb, "wake")) {
		engine_poke(d->engine);
		json_put_flag(j, "ok", true);
	} else if (str_equal(verb, "reload")) {
		json_put_flag(j, "ok", daemon_reloads(d, &e) == 0);
		json_put_flag(j, "later", d->reload_ms != 0);
		json_put_text(j, "text", e.text);
	} else if (str_equal(verb, "status")) {
		const struct live live = {d->engine, store_dir(d->c->store), d->started_at,
					  d->next_at};

		json_put(j, "live", live_json(&live));
	} else {
		json_free(TAKE(j));
	}
	return j;
}

/* In a turn of the store, so that of two daemons that start at once only one finds the place
 * free. */
static int daemon_listen(struct daemon *d, struct err *e)
{
	AUTO_FREE char *path = command_control_path(d->c->options);
	struct control_config config = {
		.loop = d->loop,
		.path = path,
		.passed_fd = d->sockets.control,
		.answer = daemon_answer,
		.arg = d,
	};
	int r = store_turn_begin(d->c->store, e);

	if (r != 0)
		return r;
	r = control_open(&config, &d->control, e);
	store_turn_undo(d->c->store);
	return r;
}

/* --- the loop --- */

static int64_t shorter(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int daemon_turn(struct daemon *d, int64_t most_ms, struct err *e)
{
	int64_t ms = 0;
	int r = engine_tick(d->engine, &ms, e);

	if (r != 0)
		return r;
	daemon_tells(d);
	ms = shorter(ms, most_ms);
	if (d->reload_ms != 0)
		ms = shorter(ms, d->reload_ms - mono(d));
	if (d->watch_dog != 0)
		ms = shorter(ms, d->dog_ms - mono(d));
	d->next_at = clock_now(d->c->clock) + ms / 1000;
	if (loop_wait(d->loop, ms > 0 ? ms : 0) != 0)
		return err_set(e, ERR_SYS, "the event loop failed");
	return 0;
}

/* READY came before, so that nobody waits for it; work comes after. */
static int daemon_checks(struct daemon *d, struct err *e)
{
	int r;

	for (;;) {
		r = store_check_rest(d->c->store, e);
		if (r == 0 || e->cause != CAUSE_HELD || loop_should_stop(d->loop))
			return loop_should_stop(d->loop) ? 0 : r;
		daemon_tells(d);
		if (loop_wait(d->loop, HELD_MS) != 0)
			return err_set(e, ERR_SYS, "the event loop failed");
	}
}

static bool daemon_is_to_reload(struct daemon *d)
{
	return loop_take_hangup(d->loop) || (d->reload_ms != 0 && d->reload_ms <= mono(d));
}

static int daemon_loop(struct daemon *d, struct err *e)
{
	int64_t watch = d->control != NULL ? WATCH_TOLD_MS : WATCH_MS;
	int r = daemon_checks(d, e);

	while (r == 0 && !loop_should_stop(d->loop)) {
		struct err why = {0};

		r = store_is_in_place(d->c->store, e);
		if (r != 0)
			break;
		daemon_prune(d);
		if (store_changed(d->c->store))
			engine_poke(d->engine);
		r = daemon_turn(d, watch, e);
		if (r == 0 && daemon_is_to_reload(d))
			(void)daemon_reloads(d, &why); /* said */
	}
	return r;
}

static int daemon_drain(struct daemon *d, struct err *e)
{
	int r = 0;

	systemd_notify("STOPPING=1");
	log_line(LOG_NOTICE, "stopping; what is under way goes on at the next start");
	engine_drain(d->engine, DAEMON_DRAIN_MS);
	while (r == 0 && !engine_drained(d->engine))
		r = daemon_turn(d, DAEMON_DRAIN_MS, e);
	engine_stop(d->engine);
	return r;
}

static const char *either(const char *typed, const char *configured)
{
	return typed != NULL ? typed : configured;
}

/* What the file says of it is fixed from here on, but for the program of notices. */
static int daemon_observed(struct daemon *d, struct err *e)
{
	const struct options *o = d->c->options;
	const struct config *config = d->config;
	const struct observe_config observed = {
		.listen = either(o->metrics, config != NULL ? config->metrics_listen : NULL),
		.textfile = either(o->metrics_textfile,
				   config != NULL ? config->metrics_textfile : NULL),
		.counters = &d->counters,
	};

	if (config != NULL && config->log_format != NULL && o->log_format == NULL)
		(void)log_set_format(config->log_format);
	return observe_start(d->c, d->loop, &observed, &d->observer, e);
}

/* A mistake in the file does not keep the daemon from renewing what is known. */
static int daemon_configured(struct daemon *d, struct err *e)
{
	int r = 0;

	if (d->c->options->notify_hook != NULL)
		r = words_command(d->c->options->notify_hook, &d->notify, e);
	if (r == 0)
		r = daemon_applies(d, &d->config, e);
	return r == ERR_CONFIG && d->config != NULL ? 0 : r;
}

static int daemon_start(struct daemon *d, struct err *e)
{
	struct engine_config config = {
		.store = d->c->store,
		.clock = d->c->clock,
		.informed = true,
		.sockets = &d->sockets,
		.notify = &d->notify,
		.counters = &d->counters,
	};
	struct err why = {0};
	int r = daemon_configured(d, e);

	if (r == 0)
		r = loop_event_new(&d->loop, e);
	config.loop = d->loop;
	d->started_at = d->counters.started_at = clock_now(d->c->clock);
	if (r == 0)
		r = daemon_observed(d, e);
	if (r == 0 && daemon_listen(d, &why) != 0) /* before the engine: this may wait */
		log_line(LOG_NOTICE, "%s; this one runs without a control socket", why.text);
	if (r == 0)
		r = engine_new(&config, &d->engine, e);
	if (r != 0)
		return r;
	d->watch_dog = systemd_watchdog_ms();
	log_line(LOG_NOTICE, "running on %s", store_dir(d->c->store));
	systemd_notify("READY=1");
	return 0;
}

int daemon_run(struct context *c, struct err *e)
{
	struct daemon d = {.c = c};
	int r;

	systemd_listen(&d.sockets);
	r = daemon_start(&d, e);
	if (r == 0)
		r = daemon_loop(&d, e);
	if (r == 0)
		r = daemon_drain(&d, e);
	else if (d.engine != NULL)
		engine_stop(d.engine);
	control_free(d.control);
	engine_free(d.engine);
	observe_stop(d.observer);
	loop_event_free(d.loop);
	free(d.status);
	strlist_clear(&d.notify);
	config_free(d.config);
	return r;
}
