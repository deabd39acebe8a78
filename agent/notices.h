/* SPDX-License-Identifier: MIT
 *
 * notices — whether the operator is to be told something of a certificate, and what: a pure
 * function of what is so and of what was told before.
 *
 *     expiring   a quarter, an eighth, a sixteenth of its lifetime is left: levels 1, 2, 3
 *     failed     several attempts to get or renew it have failed in a row
 *     renewed    there is a new one, after either of the above: all is well again
 *
 * Each is told once for each version (failed: once until there is a new one).
 */
#ifndef AGENT_NOTICES_H
#define AGENT_NOTICES_H

#include "store/certificate.h"
#include "store/notice.h"
#include "store/version.h"

#define NOTICE_LEVELS   3
#define NOTICE_FAILURES 3 /* in a row: the first two are repeated within minutes */

enum notice_event {
	NOTICE_NONE = 0,
	NOTICE_EXPIRING,
	NOTICE_FAILED,
	NOTICE_RENEWED,
	NOTICE_EVENTS, /* how many */
};

struct notice_input {
	const struct version *live; /* NULL: none yet */
	const struct renewal *renewal;
	const struct notice *told;
	int64_t now;
};

struct notice_verdict {
	enum notice_event event;
	int level;       /* of the live version */
	int64_t next_at; /* when another level begins; INT64_MAX: never */
};

struct notice_verdict notice_judge(const struct notice_input *in);

/* "expiring", "failed", "renewed"; "none". */
const char *notice_event_name(enum notice_event event);

#endif
