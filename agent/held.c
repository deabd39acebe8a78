/* SPDX-License-Identifier: MIT
 *
 * held — what the engine does while it cannot: another program has the store, or the whole process
 * stood still. The loop goes on, what arrives is kept, and the turn is tried again.
 */
#include "agent/engine_internal.h"
#include "agent/machines.h"
#include "base/log.h"

#define AGAIN_MS    25   /* how soon a turn is tried again: many may queue for a busy store; … */
#define LATER_MS    1000 /* … this is another case */
#define TELL_MS     1000
#define IDLE_MS     STORE_WAIT_MS /* what a command waits before it has begun anything, … */
#define UNDERWAY_MS 60000         /* … and when it would leave something half done */
#define STALL_MS    1000          /* so long a CA waits for an answer all the same */

static int64_t mono(const struct engine *g)
{
	return clock_mono_ms(g->config.clock);
}

static void engine_stood_still(struct engine *g, bool unseen)
{
	for (size_t i = 0; i < g->step_count; i++)
		if (g->steps[i]->machine == &machine_order)
			order_stood_still(g->steps[i], unseen);
}

static void held_tells(struct engine *g)
{
	store_holder(g->config.store, g->holder);
	if (g->held_said)
		return;
	g->held_said = true;
	log_line(LOG_NOTICE,
		 "%s holds the store %s: nothing is begun before it lets go, and what arrives is "
		 "kept; look at what it does",
		 g->holder, store_dir(g->config.store));
}

int engine_held(struct engine *g, const struct err *why)
{
	int64_t most = g->step_count > 0 ? UNDERWAY_MS : IDLE_MS;

	if (g->held_tries++ == 0) {
		g->held_ms = mono(g);
		g->held_at = clock_now(g->config.clock);
	}
	g->resume_ms = mono(g) + (mono(g) - g->held_ms < IDLE_MS ? AGAIN_MS : LATER_MS);
	if (mono(g) - g->held_ms >= TELL_MS)
		held_tells(g);
	return g->config.by_hand && mono(g) - g->held_ms >= most ? why->code : 0;
}

void engine_let_go(struct engine *g)
{
	if (g->held_said) {
		log_line(LOG_NOTICE, "%s has let go of the store, after %lld s", g->holder,
			 (long long)(mono(g) - g->held_ms) / 1000);
		engine_stood_still(g, false); /* the listener did not */
	}
	g->held_tries = 0;
	g->held_said = false;
}

void engine_is_back(struct engine *g)
{
	int64_t late = mono(g) - g->back_ms;

	if (g->back_ms == 0 || late < STALL_MS)
		return;
	log_line(LOG_INFO, "this process stood still for %lld s", (long long)late / 1000);
	/* The CA may have looked and found nobody: that is not the operator's fault (HACKING.md,
	 * rule 7). */
	engine_stood_still(g, true);
}

/* While a CA judges answers, the loop comes by every second, so that it sees when it was away. */
int64_t engine_goes(struct engine *g, int64_t ms)
{
	bool judged = false;

	for (size_t i = 0; i < g->step_count; i++)
		judged = judged ||
			 (g->steps[i]->machine == &machine_order && order_is_judged(g->steps[i]));
	if (judged && ms > STALL_MS)
		ms = STALL_MS;
	g->back_ms = mono(g) + ms;
	return ms;
}
