/* SPDX-License-Identifier: MIT
 *
 * session_state — what a session remembers. Private to session.c (calls), session_fetch.c
 * (the directory and nonces that calls wait for) and session_clock.c (whose clock is wrong).
 */
#ifndef ACME_SESSION_STATE_H
#define ACME_SESSION_STATE_H

#include "acme/nonces.h"
#include "acme/session.h"

/* A call goes WAITING → SENT → (answered, gone), back to WAITING for another nonce or after a
 * lost connection, and to ENDED when it failed where its owner must not be called. */
enum call_state {
	CALL_WAITING = 0,
	CALL_SENT,
	CALL_ENDED,
	CALL_STATES, /* how many */
};

struct session_call {
	struct session *session;
	struct session_call *next;
	enum call_state state;
	struct acme_request request; /* a copy */
	struct session_signer signer;
	char *kid;
	session_done *done;
	void *arg;
	char *url;       /* where it was sent to last */
	char *nonce;     /* of the badNonce answer, for the next try; else NULL */
	void *handle;    /* the transport's, while SENT */
	int64_t sent_ms; /* mono: when */
	int bad_nonces;  /* answers so far */
	bool resent;     /* after a lost connection */
	struct err err;  /* ENDED only */
};

enum fetch_kind {
	FETCH_DIRECTORY = 0,
	FETCH_NONCE,
	FETCH_KINDS, /* how many */
};

/* An unsigned request of the session's own. */
struct fetch {
	struct session *session;
	struct fetch *next;
	enum fetch_kind kind;
	char *url;
	void *handle;
	int64_t sent_ms; /* mono */
	bool resent;
};

struct session {
	char *server;
	struct loop *loop;         /* borrowed */
	const struct clock *clock; /* borrowed */
	struct transport *transport;
	struct acme_counters *counters; /* borrowed, or NULL */
	void (*directory_fetched)(void *arg, const char *server, const char *body, size_t len);
	void *arg;
	struct acme_directory *directory; /* NULL: never read */
	bool directory_wanted;            /* read it before the next request */
	bool directory_cached;            /* it is the caller's copy, never confirmed */
	struct nonces nonces;
	int64_t date; /* the CA's clock as its last answer told it, Unix seconds; 0: it did not */
	int64_t date_ms; /* mono: when that came */
	/* A fetch that was refused with a Retry-After is not repeated before that, whoever asks
	 *. */
	struct {
		int64_t until_ms; /* of the clock's mono_ms, which nobody can set back */
		struct err why;
	} held[FETCH_KINDS];
	int extra_nonces;           /* asked for beyond need since calls began to wait */
	struct session_call *calls; /* in the order of submission */
	struct fetch *fetches;
	struct watch *timer; /* the next look at the calls */
};

/* Looks at the calls at the loop's next turn. */
void session_wake(struct session *s);

size_t session_count(const struct session *s, enum call_state state);

/* Every waiting call ends with this error. */
void session_fail_waiting(struct session *s, const struct err *e);

/* The directory may have changed: it is read before the next request, and a copy that the caller
 * gave is one to forget. */
void session_distrust_directory(struct session *s);

/* Asks for the directory unless that is under way. */
void session_fetch_directory(struct session *s);

/* Asks for as many nonces as the waiting calls may have. The pool is empty. */
void session_fetch_nonces(struct session *s);

/* session_clock.c: remembers the Date of an answer (RFC 9110 6.6.1), if it has one. */
void session_note_date(struct session *s, const struct http_response *http);

/* Whether our clock is that of the CA, within SESSION_CLOCK_SKEW: 0: it is, or nothing is known; 1:
 * it seems not, and the nonces are gone, so that the next answer says for certain; ERR_CONFIG: it
 * is not. */
int session_check_clock(struct session *s, struct err *e);

/* Forgets every fetch. */
void session_cancel_fetches(struct session *s);

#endif
