/* SPDX-License-Identifier: MIT
 *
 * schedule — when a certificate is to be renewed, and why: a pure function. The daemon asks it,
 * `status` prints it; there is no second opinion (HACKING.md).
 */
#ifndef AGENT_SCHEDULE_H
#define AGENT_SCHEDULE_H

#include "store/certificate.h"
#include "store/version.h"

#include <stdint.h>

enum schedule_what {
	SCHEDULE_NOTHING = 0, /* paused or removed */
	SCHEDULE_ISSUE,       /* there is none yet, or for other names */
	SCHEDULE_RENEW,
};

struct schedule_input {
	const struct certificate *certificate;
	const struct version *live; /* NULL: none yet */
	const struct renewal *renewal;
	const uint8_t *seed; /* the store's, 32 bytes */
	int64_t now;
};

struct schedule {
	enum schedule_what what;
	int64_t when;  /* Unix seconds; ≤ now means now */
	int64_t due;   /* the same without the back-off after failures */
	char why[160]; /* one clause for people */
};

/* A third of the lifetime before the end (half when it lives less than ten days), pulled forward
 * by a jitter of up to a tenth of that rest, the same one whenever it is asked (HMAC of the seed
 * and the version). After a failure not before renewal->next_at, except that no back-off is longer
 * than a sixth of the lifetime that remains. */
struct schedule schedule(const struct schedule_input *in);

#endif
