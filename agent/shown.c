/* SPDX-License-Identifier: MIT
 *
 * shown — between the standalone solver, which has no orders, and the orders that have answers:
 * that some are about to come, and that a CA has fetched one.
 */
#include "agent/engine_internal.h"
#include "agent/machines.h"
#include "agent/standalone.h"

/* A process takes about as long to start as a CA to name its challenges. */
void engine_expects(struct engine *g)
{
	bool expects = false;

	for (size_t i = 0; i < g->step_count && !expects; i++)
		expects =
			g->steps[i]->machine == &machine_order && order_presents_soon(g->steps[i]);
	if (expects)
		standalone_expects(g->standalone);
}

void engine_fetched(void *arg, const char *token)
{
	struct engine *g = arg;

	for (size_t i = 0; i < g->step_count; i++)
		if (g->steps[i]->machine == &machine_order)
			order_fetched(g->steps[i], token);
}
