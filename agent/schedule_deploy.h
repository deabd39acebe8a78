/* SPDX-License-Identifier: MIT
 *
 * schedule_deploy — when a version may be brought to a target that has a window, and why: a pure
 * function. The deployment machine asks it, `status` prints it; there is no second opinion.
 */
#ifndef AGENT_SCHEDULE_DEPLOY_H
#define AGENT_SCHEDULE_DEPLOY_H

#include "store/version.h"

#include <stdbool.h>
#include <stdint.h>

struct schedule_deploy_input {
	const char *window;           /* the target's (agent/window.h); "" or NULL: none */
	const struct version *served; /* the version that was deployed there before; NULL: none */
	bool by_hand;                 /* an operator asked for this certificate: at once */
	int64_t now;
};

struct schedule_deploy {
	int64_t when;  /* Unix seconds; ≤ now means now */
	char why[160]; /* one clause for people */
};

/* When the window opens, but now when somebody asked for it, when nothing is served yet, or when
 * what is served ends less than an hour after that; and never later than the moment at which what
 * is served has a sixth of its lifetime left. A window that cannot be read holds nothing up. */
struct schedule_deploy schedule_deploy(const struct schedule_deploy_input *in);

#endif
