/* SPDX-License-Identifier: MIT
 *
 * session — a conversation with one CA: its directory, its nonces, signing, and badNonce.
 *
 * One session serves every account and order at one CA in this process. Requests wait in it for
 * the directory and for nonces; as many are in flight as there are nonces. It asks for one new
 * nonce when it has none, and for at most SESSION_EXTRA_NONCES more when several requests wait at
 * once (protocol: RFC 8555 6.5, 7.2). badNonce is repeated with the nonce of the error, signed
 * anew, at most SESSION_MAX_BAD_NONCE times; then the call fails with type "badNonce" (ERR_NET),
 * which is no failure of the order (HACKING.md). A call whose reused connection died
 * before an answer is signed and sent once more.
 * A newOrder does not go out while our clock and the Date of the CA's answers are further apart
 * than SESSION_CLOCK_SKEW: the call fails with ERR_CONFIG and a sentence about the clock.
 * The directory is given by the caller when it has a fresh copy, fetched otherwise, and fetched
 * again before the next request after any 404, 405 or malformed answer.
 */
#ifndef ACME_SESSION_H
#define ACME_SESSION_H

#include "acme/counters.h"
#include "acme/jws.h"
#include "acme/request.h"
#include "acme/transport.h"
#include "acme/types.h"
#include "base/clock.h"
#include "base/key.h"

#define SESSION_MAX_BAD_NONCE    10
#define SESSION_EXTRA_NONCES     3
#define SESSION_MAX_NONCES       16
#define SESSION_NONCE_IDLE_MS    (10 * 60 * 1000)
#define SESSION_MAX_RENEWAL_INFO (16 * 1024)
#define SESSION_CLOCK_SKEW       300 /* seconds that the two clocks may differ */

struct session;
struct session_call;

/* What a request is signed with; the key is asked for at every signature. */
struct session_signer {
	int (*sign)(void *arg, const struct jws_header *header, const char *payload,
		    struct buf *out, struct err *e); /* as jws_sign, header->kid already set */
	void *arg;
	const char *kid; /* account URL, NULL with request->with_jwk; copied by session_submit */
};

/* A 2xx answer, or one that carries a problem. Owns its members. */
struct acme_response {
	int status;
	char *location;            /* checked https URL, or NULL */
	int64_t retry_after;       /* seconds from now, 0: none (retry_after_parse) */
	struct strlist alternates; /* Link rel="alternate", resolved */
	struct buf body;
	struct acme_problem *problem; /* NULL for 2xx */
};

/* Exactly once, from the loop, unless cancelled. Either response (the callee's to free) or e. */
typedef void session_done(void *arg, struct acme_response *response, const struct err *e);

struct session_config {
	const char *server; /* directory URL; copied */
	struct loop *loop;
	const struct clock *clock;      /* borrowed */
	struct transport *transport;    /* taken, also when session_new fails */
	struct acme_counters *counters; /* borrowed; NULL: nobody counts */
	const char *directory; /* body of a directory fetched less than 24 h ago, or NULL */
	/* Told of each directory that was fetched (borrowed text), and by body NULL that the given
	 * one is to be forgotten; remembers, and does nothing else. May be NULL. */
	void (*directory_fetched)(void *arg, const char *server, const char *body, size_t len);
	void *arg;
};

int session_new(const struct session_config *config, struct session **ret_session, struct err *e);

/* Sends when it can. request and signer are copied; a request that nobody signs needs no nonce and
 * no kid. */
struct session_call *session_submit(struct session *s, const struct acme_request *request,
				    const struct session_signer *signer, session_done *done,
				    void *arg);
void session_cancel(struct session_call *call);

/* The directory as far as it is known; NULL before it was read. Borrowed. */
const struct acme_directory *session_directory(const struct session *s);

void acme_response_free(struct acme_response *r);
void session_free(struct session *s); /* forgets its calls */
void auto_acme_response(struct acme_response **r);
#define AUTO_RESPONSE AUTO(auto_acme_response)

#endif
