/* SPDX-License-Identifier: MIT
 *
 * types — what RFC 8555 puts on the wire, as values: directory, account, order, authorization,
 * challenge, problem. Each is parsed from a JSON body under limits, with every
 * URL checked to be https, and owns every pointer in it. Unknown members are ignored; unknown
 * status texts are errors, never crashes.
 */
#ifndef ACME_TYPES_H
#define ACME_TYPES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stdint.h>

#define ACME_MAX_JSON           (64 * 1024)
#define ACME_MAX_CHAIN          (256 * 1024)
#define ACME_MAX_AUTHORIZATIONS 200
#define ACME_MAX_CHALLENGES     64
#define ACME_MAX_CONTACTS       32

/* RFC 8555 7.1.6; one enumeration for orders, authorizations, challenges and accounts. */
enum acme_status {
	ACME_UNKNOWN = 0,
	ACME_PENDING,
	ACME_READY,
	ACME_PROCESSING,
	ACME_VALID,
	ACME_INVALID,
	ACME_DEACTIVATED,
	ACME_EXPIRED,
	ACME_REVOKED,
	ACME_STATUSES, /* how many */
};

const char *acme_status_name(enum acme_status s);

/* RFC 8555 7.1.1. Members that were absent are NULL or false. */
struct acme_directory {
	char *new_nonce, *new_account, *new_order; /* always there */
	char *revoke_cert, *key_change, *renewal_info;
	char *terms_of_service;
	bool external_account_required;
	struct strlist profiles; /* names of meta.profiles */
};

/* RFC 8555 6.7 and RFC 7807. */
struct acme_subproblem {
	char *type;       /* without the URN prefix */
	char *detail;     /* may be NULL */
	char *identifier; /* value; may be NULL */
};

struct acme_problem {
	int status;   /* HTTP status of the answer that carried it; 0 inside a challenge or order */
	char *type;   /* "badNonce": without urn:ietf:params:acme:error:, "" when unknown */
	char *detail; /* NULL when absent */
	char *instance; /* NULL when absent */
	struct acme_subproblem *subproblems;
	size_t subproblem_count;
};

struct acme_account {
	enum acme_status status;
	char *orders;           /* URL or NULL */
	struct strlist contact; /* URLs, as they stand there; empty: some CAs keep none */
};

struct acme_order {
	enum acme_status status;
	int64_t expires;            /* Unix seconds, 0 when absent */
	struct strlist identifiers; /* values, canonical, sorted */
	struct strlist authorizations;
	char *finalize;
	char *certificate;            /* NULL until valid */
	char *profile;                /* by which it will be issued; NULL: it says none */
	struct acme_problem *problem; /* "error"; NULL when absent */
};

struct acme_challenge {
	char *type;
	char *url;
	char *token; /* NULL when the type has none (dns-persist-01 …) */
	enum acme_status status;
	struct acme_problem *problem;
};

struct acme_authorization {
	char *identifier; /* value, canonical, without "*." */
	bool wildcard;
	enum acme_status status;
	int64_t expires;
	struct acme_challenge *challenges;
	size_t challenge_count;
};

/* Each parses a whole body. ERR_PROTOCOL with what is wrong; *ret is untouched then. An
 * authorization's challenges of unknown types or odd shape are kept as far as they can be read
 * and never make it fail; one without type or url is dropped. */
int acme_directory_parse(const char *body, size_t len, struct acme_directory **ret, struct err *e);
int acme_account_parse(const char *body, size_t len, struct acme_account **ret, struct err *e);
int acme_order_parse(const char *body, size_t len, struct acme_order **ret, struct err *e);
int acme_authorization_parse(const char *body, size_t len, struct acme_authorization **ret,
			     struct err *e);
int acme_challenge_parse(const char *body, size_t len, struct acme_challenge **ret, struct err *e);

/* Never fails: what is no problem document becomes one with type "" and the body's first 512
 * bytes, escaped, as detail. */
struct acme_problem *acme_problem_parse(int status, const char *body, size_t len);

bool acme_problem_is(const struct acme_problem *p, const char *type);

/* A token we are willing to use: base64url, 22 to 128 characters (RFC 8555 8.3). */
bool acme_token_ok(const char *token);

void acme_directory_free(struct acme_directory *d);
void acme_account_free(struct acme_account *a);
void acme_order_free(struct acme_order *o);
void acme_authorization_free(struct acme_authorization *a);
void acme_challenge_free(struct acme_challenge *c);
void acme_problem_free(struct acme_problem *p);
void auto_acme_directory(struct acme_directory **d);
void auto_acme_account(struct acme_account **a);
void auto_acme_order(struct acme_order **o);
void auto_acme_authorization(struct acme_authorization **a);
void auto_acme_challenge(struct acme_challenge **c);
void auto_acme_problem(struct acme_problem **p);
#define AUTO_DIRECTORY     AUTO(auto_acme_directory)
#define AUTO_ACCOUNT       AUTO(auto_acme_account)
#define AUTO_ORDER         AUTO(auto_acme_order)
#define AUTO_AUTHORIZATION AUTO(auto_acme_authorization)
#define AUTO_CHALLENGE     AUTO(auto_acme_challenge)
#define AUTO_PROBLEM       AUTO(auto_acme_problem)

#endif
