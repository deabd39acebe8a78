/* SPDX-License-Identifier: MIT
 *
 * counters — see the header.
 */
#include "acme/counters.h"

#include <stddef.h>

static const int64_t limits[ACME_BUCKETS] = {50, 100, 250, 500, 1000, 5000, 30000, -1};

const char *acme_asked_name(enum acme_asked asked)
{
	static const char *const names[ACME_ASKED] = {
		"directory", "nonce", "new-account", "new-order", "renewal-info", "read", "post",
	};

	return names[asked];
}

enum acme_asked acme_asked_of(const struct acme_request *request)
{
	switch (request->target) {
	case ACME_TO_NEW_ACCOUNT:
		return ACME_ASKED_ACCOUNT;
	case ACME_TO_NEW_ORDER:
		return ACME_ASKED_ORDER;
	case ACME_TO_RENEWAL_INFO:
		return ACME_ASKED_RENEWAL_INFO;
	case ACME_TO_URL:
	case ACME_TARGETS:
		break;
	}
	return request->payload == NULL ? ACME_ASKED_READ : ACME_ASKED_POST;
}

int64_t acme_bucket_ms(size_t bucket)
{
	return limits[bucket];
}

void acme_count(struct acme_counters *counters, enum acme_asked asked, int status, int64_t ms)
{
	struct acme_counter *c;
	size_t bucket = 0;

	if (counters == NULL)
		return;
	c = &counters->of[asked];
	c->answers[status >= 100 && status < 600 ? status / 100 : 0]++;
	c->total_ms += ms;
	while (limits[bucket] >= 0 && ms > limits[bucket])
		bucket++;
	c->buckets[bucket]++;
}
