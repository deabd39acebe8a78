/* SPDX-License-Identifier: MIT
 *
 * live — what a running daemon tells of itself over the control socket, and how a command prints
 * it (everleaf status --live).
 */
#ifndef AGENT_LIVE_H
#define AGENT_LIVE_H

#include "agent/command.h"
#include "agent/engine.h"
#include "base/json.h"

struct live {
	const struct engine *engine;
	const char *state;  /* the state directory */
	int64_t started_at; /* Unix seconds, like next_at */
	int64_t next_at;    /* when it wakes, unless something happens before */
};

/* The member "live" of the daemon's answer. The caller's. */
struct json *live_json(const struct live *l);

/* One short sentence: what is under way, what comes next. The caller frees it. */
char *live_sentence(const struct engine *g);

/* Asks the daemon and prints its answer. ERR_CONFIG when there is none. */
int live_print(struct context *c, struct err *e);

#endif
