/* SPDX-License-Identifier: MIT
 *
 * counters — what an engine has done since it began, for whoever shows it (agent/metrics.h). Given
 * to it by engine_config; it only ever grows.
 */
#ifndef AGENT_COUNTERS_H
#define AGENT_COUNTERS_H

#include "acme/counters.h"

#include <stddef.h>
#include <stdint.h>

#define COUNTERS_STAGES 40 /* more than all machines have; what is beyond is not counted */

struct counters {
	int64_t started_at;
	struct acme_counters ca;
	int64_t turns;   /* committed, or with nothing to commit */
	int64_t crashes; /* that could not be */
	struct {
		const char *machine, *stage; /* static */
		int64_t count;
	} failures[COUNTERS_STAGES];
	size_t stages; /* in use */
};

/* A stage could not go on. counters may be NULL. */
void counters_failed(struct counters *counters, const char *machine, const char *stage);

#endif
