/* SPDX-License-Identifier: MIT
 *
 * fake_ca — a transport that is the CA itself: answers by script from a fake loop, hands out
 * nonces, and notes every request and every nonce that was used twice or never given.
 */
#ifndef TESTS_UNIT_FAKE_CA_H
#define TESTS_UNIT_FAKE_CA_H

#include "acme/jws.h"
#include "acme/transport.h"
#include "tests/unit/fake_loop.h"

#define FAKE_CA_SERVER "https://ca.example/directory"
#define FAKE_CA_MAX    2000 /* nonces */

enum fake_ca_kind {
	FAKE_CA_DIRECTORY = 0, /* GET */
	FAKE_CA_NONCE,         /* HEAD */
	FAKE_CA_POST,
	FAKE_CA_KINDS, /* how many */
};

/* One answer; all zero is the usual one: 200, application/json, a body that fits, a nonce. */
struct fake_ca_answer {
	int status;
	const char *type; /* media type; "" sends none */
	const char *body;
	const char *headers[3]; /* "name: value", name in lower case */
	bool no_nonce;
	enum err_code fail;   /* no answer at all, but this error … */
	enum err_cause cause; /* of the failure */
	bool forever;         /* this row stays */
};

struct fake_ca {
	struct transport transport; /* first */
	struct fake_loop *loop;
	int64_t delay_ms;
	const struct fake_ca_answer *script[FAKE_CA_KINDS]; /* rows to come */
	size_t left[FAKE_CA_KINDS];
	/* Decides instead of the script; returns false to leave it to the script. */
	bool (*decide)(struct fake_ca *ca, enum fake_ca_kind kind, struct fake_ca_answer *answer);

	int count[FAKE_CA_KINDS]; /* requests so far */
	int nonces;               /* given */
	bool used[FAKE_CA_MAX];
	int misused;    /* nonces used twice or never given */
	int last_nonce; /* number of the nonce that the last POST carried */
	int in_flight;  /* POSTs */
	int most_in_flight;
	int cancelled;
	bool freed;
	struct strlist urls;   /* of each POST */
	struct strlist bodies; /* of each POST */
	char *headers;         /* of the last POST, joined by "|" */
	size_t max_body;       /* of the last POST */
	struct fake_ca_call *calls;
};

struct fake_ca *fake_ca_new(struct fake_loop *loop);
void fake_ca_free(struct fake_ca *ca);

/* The rows to answer the next requests of a kind by. Borrowed. */
void fake_ca_script(struct fake_ca *ca, enum fake_ca_kind kind, const struct fake_ca_answer *rows,
		    size_t count);

/* As a signer: the "JWS" is NONCE|URL|KID|PAYLOAD, with "-" for what is NULL. */
int fake_ca_sign(void *arg, const struct jws_header *header, const char *payload, struct buf *out,
		 struct err *e);

#endif
