/* SPDX-License-Identifier: MIT
 *
 * run — the daemon in the foreground: the loop of every command without a scope and without a
 * stop. Reads the whole store and works on whatever is due.
 */
#include "agent/command.h"
#include "agent/engine.h"
#include "agent/loop.h"
#include "base/log.h"

#define WATCH_MS 2000 /* how often it asks whether another process wrote to the store */
#define PRUNE_MS (24 * 3600 * 1000) /* how often it tidies up */

static void daemon_prune(struct context *c, int64_t *at_ms)
{
	int64_t now = clock_mono_ms(c->clock);
	struct err e = {0};

	if (now < *at_ms)
		return;
	*at_ms = now + PRUNE_MS;
	if (store_prune(c->store, &e) != 0)
		log_line(LOG_ERROR, "%s; it is tried again tomorrow", e.text);
}

static int daemon_loop(struct context *c, struct engine *g, struct loop *l, struct err *e)
{
	int64_t prune_at = 0;
	int64_t ms = 0;
	int r = 0;

	while (r == 0 && !loop_should_stop(l)) {
		daemon_prune(c, &prune_at);
		if (store_changed(c->store))
			engine_poke(g);
		r = engine_tick(g, &ms, e);
		if (r != 0)
			return r;
		if (loop_wait(l, ms < WATCH_MS ? ms : WATCH_MS) != 0)
			return err_set(e, ERR_SYS, "the event loop failed");
		if (loop_take_hangup(l))
			engine_poke(g);
	}
	return 0;
}

int cmd_run(struct context *c, struct err *e)
{
	struct engine_config config = {.store = c->store, .clock = c->clock, .informed = true};
	struct engine *g = NULL;
	int r;

	if (c->options->operands.count > 0)
		return usage(e, "everleaf run takes no operand");
	r = loop_event_new(&config.loop, e);
	if (r == 0)
		r = engine_new(&config, &g, e);
	if (r == 0) {
		log_line(LOG_NOTICE, "running on %s", store_dir(c->store));
		r = daemon_loop(c, g, config.loop, e);
		log_line(LOG_NOTICE, "stopping; what is under way goes on at the next start");
		engine_stop(g);
	}
	engine_free(g);
	loop_event_free(config.loop);
	return r;
}
