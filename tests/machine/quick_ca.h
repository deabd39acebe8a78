/* SPDX-License-Identifier: MIT
 *
 * quick_ca — an ACME CA for tests in which years pass: it believes every signature, has every
 * authorization valid at once, and makes a certificate with one signature, so that what is measured
 * is the agent. What the mock CA (tests/mock/mock_ca.h) is for, it is not: it refuses nothing by
 * itself and knows no challenges.
 *
 * Whose certificate an order is about is a number, the subject: that in its first name
 * ("c17.test").
 */
#ifndef TESTS_MACHINE_QUICK_CA_H
#define TESTS_MACHINE_QUICK_CA_H

#include "base/clock.h"
#include "tests/mock/mock_net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUICK_NOBODY SIZE_MAX

enum quick_kind {
	QUICK_DIRECTORY = 0,
	QUICK_NONCE,
	QUICK_NEW_ACCOUNT,
	QUICK_NEW_ORDER,
	QUICK_ORDER,
	QUICK_AUTHORIZATION,
	QUICK_FINALIZE,
	QUICK_CERTIFICATE,
	QUICK_INFO,  /* renewal information (RFC 9773) */
	QUICK_KINDS, /* how many */
};

struct quick_request {
	enum quick_kind kind;
	const char *method;
	const char *url;
	size_t subject; /* QUICK_NOBODY: it is about no certificate */
	bool replaces;  /* a new order that says so */
};

/* How the CA feels when a request arrives. */
enum quick_mood {
	QUICK_FINE = 0,
	QUICK_DOWN,    /* the connection dies, nothing was done */
	QUICK_BUSY,    /* 429 with a Retry-After, nothing was done */
	QUICK_REFUSES, /* 403 rejectedIdentifier */
};

struct quick_weather {
	enum quick_mood mood;
	int64_t retry_after; /* seconds */
};

struct quick_leaf {
	size_t subject;
	int64_t not_before, not_after;
};

struct quick_advice {
	int64_t start, end;
	int64_t retry_after; /* seconds, 0: none is sent */
};

struct quick_ca_config {
	const struct clock *clock; /* the CA's own; borrowed */
	const char *informing;     /* base of the URLs with renewal information; others have none */
	struct quick_weather (*weather)(void *arg, const struct quick_request *q);
	int64_t (*lifetime)(void *arg, size_t subject); /* seconds */
	struct quick_advice (*advice)(void *arg, const struct quick_leaf *leaf);
	void (*issued)(void *arg, const struct quick_leaf *leaf);
	void *arg;
};

struct quick_ca;

/* What is asked goes over inner; answers come 20 ms later. */
struct quick_ca *quick_ca_new(const struct quick_ca_config *config, struct loop *inner);
void quick_ca_free(struct quick_ca *ca);

/* For engine_config.loop, and its transport_new. */
struct loop *quick_ca_loop(struct quick_ca *ca);
int quick_ca_transport(struct loop *l, const struct transport_config *config,
		       struct transport **ret_transport, struct err *e);

size_t quick_ca_count(const struct quick_ca *ca, enum quick_kind kind);

#endif
