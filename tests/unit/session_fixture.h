/* SPDX-License-Identifier: MIT
 *
 * session_fixture — a session, its fake CA and its fake loop, and an owner that notes what it
 * hears: what the tests of the session share. After each test it is asserted that no nonce was
 * used twice and that nothing is left in the loop or at the CA.
 */
#ifndef TESTS_UNIT_SESSION_FIXTURE_H
#define TESTS_UNIT_SESSION_FIXTURE_H

#include "tests/unit.h"

#include "acme/session.h"
#include "tests/unit/fake_ca.h"
#include "tests/unit/fake_loop.h"

#define URN                           "urn:ietf:params:acme:error:"
#define PROBLEM                       "application/problem+json"
#define BAD_NONCE                     "{\"type\":\"" URN "badNonce\",\"detail\":\"stale\"}"
#define KID                           "https://ca.example/account/1"
#define ANSWER(status_, type_, body_) .status = (status_), .type = (type_), .body = (body_)
#define SCRIPT(ca, kind, rows)        fake_ca_script(ca, kind, rows, COUNT_OF(rows))

/* What an owner heard. */
struct heard {
	int times;
	int status; /* of the last response */
	struct acme_response *response;
	struct err e;
	/* Done when it hears: */
	struct session **free_session;
	struct session_call **cancel;
};

struct fixture {
	struct fake_loop *loop;
	struct fake_ca *ca;
	struct session *session;
	struct acme_request *request;
	bool signer_broken;
	struct session_signer signer;
	int told;   /* times that a directory was told */
	char *body; /* of the directory told last */
	struct heard heard;
};

void heard_clear(struct heard *h);

/* A session_done; arg is a struct heard. */
void fixture_hear(void *arg, struct acme_response *response, const struct err *e);

/* Both as cmocka wants them; the state is a struct fixture with a session. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* A new session in place of the old one; directory: the body of a copy, or NULL. */
void fixture_start(struct fixture *f, const char *directory);

/* Submits f's request for h. */
struct session_call *fixture_submit(struct fixture *f, struct heard *h);

/* Until nothing is left to happen. */
void fixture_run(struct fixture *f);

/* One call from start to end, heard by f->heard. */
void fixture_ask(struct fixture *f);

/* Asserts how many requests of each kind the CA has seen. */
void fixture_counts(const struct fixture *f, int directories, int nonces, int posts);

#endif
