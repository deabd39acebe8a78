/* SPDX-License-Identifier: MIT
 *
 * reasons — why a certificate is as it is and what comes next: what the schedule was told and what
 * it says, one sentence for each thing that it looked at (everleaf(1), "why").
 */
#ifndef AGENT_REASONS_H
#define AGENT_REASONS_H

#include "agent/command.h"
#include "store/certificate.h"

struct reason {
	const char *about; /* "wanted", "there", "advice", …; static */
	char *text;        /* for people */
};

struct reasons {
	struct reason *items; /* owned */
	size_t count;
};

/* Adds them in the order in which a person asks. reasons_clear also after a failure. */
int reasons_find(struct context *c, const struct certificate *certificate, struct reasons *reasons,
		 struct err *e);

void reasons_clear(struct reasons *reasons);
#define AUTO_REASONS AUTO(reasons_clear)

#endif
