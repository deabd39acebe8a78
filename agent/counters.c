/* SPDX-License-Identifier: MIT
 *
 * counters — see the header.
 */
#include "agent/counters.h"

#include "base/mem.h"

void counters_failed(struct counters *counters, const char *machine, const char *stage)
{
	size_t i = 0;

	if (counters == NULL)
		return;
	while (i < counters->stages && (!str_equal(counters->failures[i].machine, machine) ||
					!str_equal(counters->failures[i].stage, stage)))
		i++;
	if (i == COUNTERS_STAGES)
		return;
	if (i == counters->stages)
		counters->stages++;
	counters->failures[i].machine = machine;
	counters->failures[i].stage = stage;
	counters->failures[i].count++;
}
