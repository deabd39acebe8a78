/* SPDX-License-Identifier: MIT
 *
 * counters — how often a CA was asked what, how it answered, and how long that took. Whoever wants
 * to know gives a session a struct of these (session_config); it only ever grows.
 */
#ifndef ACME_COUNTERS_H
#define ACME_COUNTERS_H

#include "acme/request.h"

#include <stdint.h>

enum acme_asked {
	ACME_ASKED_DIRECTORY = 0,
	ACME_ASKED_NONCE,
	ACME_ASKED_ACCOUNT,
	ACME_ASKED_ORDER,
	ACME_ASKED_RENEWAL_INFO,
	ACME_ASKED_READ, /* POST-as-GET of a resource */
	ACME_ASKED_POST, /* … and everything else that is sent to one */
	ACME_ASKED,      /* how many */
};

#define ACME_CLASSES 6 /* of status codes: 1xx to 5xx; [0]: no answer came */
#define ACME_BUCKETS 8 /* of latencies; the last one has no limit */

struct acme_counter {
	int64_t answers[ACME_CLASSES];
	int64_t buckets[ACME_BUCKETS]; /* each counts its own only */
	int64_t total_ms;
};

struct acme_counters {
	struct acme_counter of[ACME_ASKED];
};

/* "directory", "nonce", "new-account", "new-order", "renewal-info", "read", "post". */
const char *acme_asked_name(enum acme_asked asked);

enum acme_asked acme_asked_of(const struct acme_request *request);

/* The longest latency of a bucket in milliseconds, -1: none. */
int64_t acme_bucket_ms(size_t bucket);

/* status 0: no answer came. counters may be NULL. */
void acme_count(struct acme_counters *counters, enum acme_asked asked, int status, int64_t ms);

#endif
