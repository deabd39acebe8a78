/* SPDX-License-Identifier: MIT
 *
 * mock_ca — an ACME server (RFC 8555) for tests: a pure state machine that answers one request
 * at a time and keeps no time of its own, so that it fits in a test as well as behind a socket.
 *
 * It is strict where a CA may be (signatures are verified, nonces are used once, the CSR is parsed,
 * certificates are really signed) and as unkind as its script says: every answer can be late,
 * lost before or after the act, cut, repeated or replaced. It records every request.
 */
#ifndef TESTS_MOCK_MOCK_CA_H
#define TESTS_MOCK_MOCK_CA_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a URL of ours names. */
enum mock_kind {
	MOCK_ANY = 0, /* in faults only */
	MOCK_DIRECTORY,
	MOCK_NEW_NONCE,
	MOCK_NEW_ACCOUNT,
	MOCK_ACCOUNT,
	MOCK_NEW_ORDER,
	MOCK_ORDER,
	MOCK_AUTHORIZATION,
	MOCK_CHALLENGE,
	MOCK_FINALIZE,
	MOCK_CERTIFICATE,
	MOCK_NOTHING,      /* a URL that is none of ours */
	MOCK_RENEWAL_INFO, /* RFC 9773: it knows of none, only faults answer */
	MOCK_KINDS,        /* how many */
};

const char *mock_kind_name(enum mock_kind kind);

/* Borrowed. */
struct mock_request {
	const char *method;
	const char *url;
	const char *content_type; /* NULL: none */
	const char *body;
	size_t body_len;
};

/* How an answer ends. */
enum mock_end {
	MOCK_WHOLE = 0,
	MOCK_LOST,    /* nothing of it comes: the connection dies */
	MOCK_CUT_OFF, /* the connection dies after the body given, within the whole one */
};

struct mock_response {
	int status;
	struct strlist headers; /* "name: value", name in lower case */
	struct buf body;
	const char *problem; /* type of the problem document, or NULL; static or of a fault */
	size_t whole;        /* MOCK_CUT_OFF: how long the body was, always more than is given */
	int64_t delay_ms;    /* to wait before it is sent */
	enum mock_end end;
	bool reused; /* MOCK_LOST: say that the connection had been used before */
};

void mock_response_init(struct mock_response *a);
void mock_response_clear(struct mock_response *a);

/* What the CA does wrong with what it issues. */
enum mock_twist {
	MOCK_HONEST = 0,
	MOCK_OTHER_KEY,           /* certifies another key than the CSR's */
	MOCK_OTHER_NAMES,         /* … another name as well */
	MOCK_SECRET,              /* appends a PRIVATE KEY block to the chain */
	MOCK_OLD,                 /* dates it ten days back */
	MOCK_OTHER_ORDER,         /* makes orders for other names than it was asked for */
	MOCK_OTHER_AUTHORIZATION, /* wants another name authorized than was ordered */
	MOCK_OTHER_WILDCARD,      /* … a wildcard instead of the name, or the other way round */
	MOCK_OTHER_KINDS,         /* certifies a URI as well */
	MOCK_CA_LEAF,             /* makes the subscriber a CA */
	MOCK_FUTURE,              /* dates it an hour ahead */
	MOCK_NO_KEY_ID,           /* leaves out the authority key identifier */
	/* … or with what it sends beside it: */
	MOCK_FORGED,    /* another CA of its intermediate's name, which did not sign */
	MOCK_VERSION_1, /* its intermediate as X.509 of 1988, which cannot say that it is a CA */
	MOCK_ALONE_EXPIRED, /* its intermediate as it was, expired yesterday */
	MOCK_LEAF_LAST,     /* the intermediate first */
	MOCK_LEAF_TWICE,    /* the leaf once more */
	MOCK_ROOT,          /* its root */
	MOCK_EXPIRED_CROSS, /* its root as an older root signed it, expired, and that one */
	MOCK_CROSS,         /* its intermediate as another root signed it */
	MOCK_TWISTS,        /* how many */
};

/* How something is refused; zero: as RFC 8555 says. */
struct mock_refusal {
	int status;
	const char *problem; /* borrowed; "": of no type */
};

/* May be changed at any time (mock_ca_config). All zero is a patient, honest CA that validates and
 * issues at once and reuses nothing. */
struct mock_ca_config {
	const char *base;          /* of its URLs, borrowed; NULL: "https://mock.example" */
	const struct clock *clock; /* borrowed */
	uint64_t seed;             /* of tokens and of every order of things */
	/* What http-01 finds (RFC 8555 8.3). Negative: no connection. */
	int (*fetch)(void *arg, const char *identifier, const char *token, struct buf *ret_answer);
	void *fetch_arg;
	const char *blames;        /* type of every failed validation, borrowed; NULL: what fits */
	bool reuse_orders;         /* the same names again: the same pending or ready order */
	bool reuse_authorizations; /* valid ones count for new orders (7.4) */
	bool processing;           /* finalize answers "processing" */
	int64_t validate_ms;       /* how long validation takes */
	int64_t process_ms;        /* how long issuing takes, with processing */
	int64_t retry_after;       /* seconds, sent with what is not ready yet; 0: none */
	int64_t lifetime;          /* of certificates, seconds; 0: 90 days */
	int64_t date_ahead; /* seconds by which the Date of its answers is ahead of its clock */
	bool terms;         /* newAccount has to agree to them */
	bool renewal_info;  /* the directory has it */
	enum mock_twist twist;
	int64_t alternates; /* how many other chains it offers (RFC 8555 7.4.2); only the last one
			     * is what an honest CA sends */
	/* Habits of real CAs that are not Boulder's and Pebble's. */
	bool verdict_in_answer;   /* validates before it answers the challenge (step-ca, Caddy) */
	bool authorizations_stay; /* … pending when their challenge is invalid (step-ca, Caddy) */
	bool orders_stay;    /* … pending when an authorization is invalid (acme2certifier) */
	bool silent;         /* what is invalid has no error (acme2certifier) */
	bool answered_again; /* without connection a challenge stays pending, with an error (8.2) */
	bool spells;         /* names in capitals, with a trailing dot */
	/* Types of problems, borrowed; NULL or "": none. */
	const char *judge;       /* validates by itself alone, with this verdict */
	const char *issue_error; /* an order becomes invalid by it instead of valid (Boulder) */
	/* Texts are borrowed. */
	struct mock_refusal unknown;  /* what the kid of no account has signed */
	struct mock_refusal inactive; /* what a deactivated account has signed, or its key */
	struct mock_refusal absent;   /* onlyReturnExisting for a key without account */
	bool shows_inactive;          /* newAccount answers 200 for a deactivated account */
	struct mock_refusal contact;  /* another contact (7.3.2); status 0: it is taken */
	bool keeps_no_contact;        /* nor does it say that there is one */
	bool alone;                   /* nothing may stand beside onlyReturnExisting */
	bool same_ids;                /* account ids begin anew when accounts are forgotten */
	const char *eab_kid;          /* newAccount needs a binding with this key id … */
	const char *eab_hmac_key;     /* … and key, base64url; NULL: it needs none */
};

enum mock_act {
	MOCK_DELAY = 0,     /* the answer comes delay_ms later */
	MOCK_DROP_BEFORE,   /* the request never reaches the CA */
	MOCK_DROP_AFTER,    /* the CA acts, its answer is lost */
	MOCK_TRUNCATE,      /* a whole answer whose body has only the first `at` bytes */
	MOCK_CUT,           /* the connection dies after `at` bytes of the body */
	MOCK_REPLACE,       /* answered as below instead of acting */
	MOCK_REPLACE_AFTER, /* acts, and answers as below */
	MOCK_REPEAT,        /* the last answer of this kind is sent again, nothing is done */
	MOCK_ACTS,          /* how many */
};

#define MOCK_FOREVER (-1)

/* Texts are borrowed. */
struct mock_fault {
	enum mock_kind kind; /* MOCK_ANY: every request counts */
	int skip;            /* so many of that kind pass first */
	int times;           /* how many it meets: 0 means 1; or MOCK_FOREVER */
	enum mock_act act;
	int64_t delay_ms;
	size_t at;
	bool reused; /* drops: on a connection that had been used before */
	/* The answer of MOCK_REPLACE…: a problem document of this type, or a body of any type. */
	int status;
	const char *problem;      /* "rateLimited"; NULL: body */
	const char *content_type; /* NULL: application/json */
	const char *body;         /* NULL: as the CA would answer (REPLACE_AFTER), else "" */
	const char *headers[3];
};

/* One request as the CA saw it. Owned by the mock. */
struct mock_record {
	int64_t at_ms; /* of the clock's mono_ms */
	enum mock_kind kind;
	char *method;
	char *url;
	char *nonce;         /* that it carried, or NULL */
	char *account;       /* "kid" as it was sent, or NULL */
	char *payload;       /* decoded, "" for POST-as-GET; NULL when there was no readable JWS */
	int status;          /* of the answer, 0: none was sent */
	size_t body_len;     /* of the answer, before anything shortened it */
	bool acted;          /* the CA has done what was asked: neither lost nor refused */
	const char *problem; /* type of the problem answered, or NULL; static or of a fault */
};

struct mock_counts {
	size_t requests;
	size_t accounts;
	size_t deactivated; /* of them */
	size_t orders;
	size_t unused_orders; /* pending or ready */
	size_t certificates;
	size_t validations; /* answers fetched */
	size_t nonces_reused;
	size_t nonces_unknown;
	size_t forged; /* signatures that did not verify */
};

struct mock_ca;

struct mock_ca *mock_ca_new(const struct mock_ca_config *config);
void mock_ca_free(struct mock_ca *ca);

struct mock_ca_config *mock_ca_config(struct mock_ca *ca);

/* Answers one request into a (initialised, empty). */
void mock_ca_answer(struct mock_ca *ca, const struct mock_request *q, struct mock_response *a);

/* Does what the CA does by itself when its time has come: validation, issuing. */
void mock_ca_tick(struct mock_ca *ca);

/* Milliseconds until there is something to do by itself, -1: nothing. */
int64_t mock_ca_next_ms(const struct mock_ca *ca);

/* Adds a row to the script; the first row that fits a request is the one that counts. */
void mock_ca_fault(struct mock_ca *ca, const struct mock_fault *fault);
void mock_ca_heal(struct mock_ca *ca); /* forgets the script */

/* Forgets all orders: they are answered by 404 from now on. */
void mock_ca_forget_orders(struct mock_ca *ca);

/* Its database is lost: the same, and all accounts. */
void mock_ca_forget_accounts(struct mock_ca *ca);

/* Somebody deactivates all accounts, or the CA takes that back. */
void mock_ca_deactivate_accounts(struct mock_ca *ca);
void mock_ca_activate_accounts(struct mock_ca *ca);

struct mock_counts mock_ca_counts(const struct mock_ca *ca);

/* How many requests of a kind there were (MOCK_ANY: all). */
size_t mock_ca_count(const struct mock_ca *ca, enum mock_kind kind);

/* The index-th request, NULL: there is none. Borrowed. */
const struct mock_record *mock_ca_record(const struct mock_ca *ca, size_t index);

/* The status of the index-th order, from 0; NULL: there is none. */
const char *mock_ca_order_status(const struct mock_ca *ca, size_t index);

/* URL of the directory. Borrowed. */
const char *mock_ca_directory(const struct mock_ca *ca);

#endif
