/* SPDX-License-Identifier: MIT
 *
 * mock_internal — what the files of the mock CA share: its resources, and how it says no.
 */
#ifndef TESTS_MOCK_MOCK_INTERNAL_H
#define TESTS_MOCK_MOCK_INTERNAL_H

#include "base/json.h"
#include "tests/mock/mock_ca.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#define MOCK_ORDER_LIFE 86400

#define MOCK_URN "urn:ietf:params:acme:error:"

/* For what can only be a bug of the mock itself or of the machine. */
#define MOCK_MUST(condition)                                                                       \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct mock_account {
	int64_t id;
	char *thumbprint; /* RFC 7638 */
	EVP_PKEY *key;
	struct strlist contact;
	bool deactivated;
	bool forgotten; /* the CA does not know it any more */
};

struct mock_challenge {
	const char *type;   /* static */
	char *token;        /* NULL: its type has none */
	const char *status; /* static */
	const char *problem;
	int64_t due_ms; /* mono: when it is validated; 0: not asked for */
};

#define MOCK_CHALLENGES 4

struct mock_authorization {
	int64_t id;
	int64_t account_id;
	char *identifier; /* without "*." */
	bool wildcard;
	const char *status;
	int64_t expires;
	struct mock_challenge challenges[MOCK_CHALLENGES];
	size_t challenge_count;
};

struct mock_order {
	int64_t id;
	int64_t account_id;
	struct strlist names; /* sorted */
	int64_t *authorizations;
	size_t authorization_count;
	const char *status;
	const char *problem; /* that made it invalid by itself, or NULL; static */
	int64_t expires;
	X509_REQ *csr;
	int64_t due_ms; /* mono: when a processing order is issued */
	char *pem;      /* the chain, once valid */
	char *good_pem; /* an honest CA's */
};

struct mock_issuer {
	EVP_PKEY *root_key, *key;
	X509 *root, *certificate;
};

struct mock_ca {
	struct mock_ca_config config;
	char *directory;
	uint64_t random;
	struct mock_issuer issuer;
	int64_t serial;
	struct mock_account **accounts;
	size_t account_count;
	size_t ids_begin; /* how many had ids that are given out again */
	struct mock_authorization **authorizations;
	size_t authorization_count;
	struct mock_order **orders;
	size_t order_count;
	size_t forgotten_orders; /* the first so many are answered by 404 */
	bool *nonces;            /* by number: used */
	size_t nonce_count;
	struct mock_record **records;
	size_t record_count;
	struct mock_script {
		struct mock_fault fault;
		int seen;
	} * script;
	size_t script_count;
	struct mock_response last[MOCK_KINDS]; /* for MOCK_REPEAT */
	struct mock_counts counts;
};

/* A request's URL, taken apart. */
struct mock_place {
	enum mock_kind kind;
	int64_t id;
	size_t index; /* of a challenge */
};

struct mock_place mock_place_of(const struct mock_ca *ca, const char *url);

/* "BASE/PATH…". The caller frees it. */
char *mock_url(const struct mock_ca *ca, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

int64_t mock_now(const struct mock_ca *ca);
int64_t mock_mono(const struct mock_ca *ca);
uint64_t mock_random(struct mock_ca *ca);

/* What a verified request says. */
struct mock_signed {
	struct mock_account *account; /* NULL for newAccount of a new key */
	EVP_PKEY *key;                /* of newAccount, owned until an account takes it */
	char *thumbprint;             /* of newAccount */
	struct json *payload;         /* NULL: POST-as-GET */
	bool empty;                   /* POST-as-GET */
};

/* Verifies a request's JWS (RFC 8555 6.2 to 6.5). False: a has the refusal. Fills the record. */
bool mock_verify(struct mock_ca *ca, const struct mock_request *q, struct mock_record *record,
		 struct mock_signed *ret_signed, struct mock_response *a);
void mock_signed_clear(struct mock_signed *s);

/* Does what a request asks for. */
void mock_act(struct mock_ca *ca, const struct mock_place *place, struct mock_signed *s,
	      struct mock_response *a);

/* Answers by a problem document. type is static. */
void mock_problem(struct mock_response *a, int status, const char *type, const char *detail);

/* Answers by a JSON object, which is freed. */
void mock_json(struct mock_response *a, int status, struct json *body);

/* Neither NULL nor "". */
static inline bool mock_said(const char *text)
{
	return text != NULL && *text != '\0';
}

/* {"type":…,"value":…} of a name. */
struct json *mock_identifier(const struct mock_ca *ca, const char *name);

/* Members that several resources have. */
void mock_put_time(struct json *map, const char *member, int64_t when);
void mock_put_error(struct json *map, const char *type, const char *detail);
void mock_add_retry_after(const struct mock_ca *ca, struct mock_response *a);

/* The same as the configuration says, otherwise as RFC 8555 does. */
void mock_refuse(const struct mock_refusal *as, const struct mock_refusal *otherwise,
		 const char *detail, struct mock_response *a);
void mock_refuse_inactive(const struct mock_ca *ca, struct mock_response *a);

/* "BASE/WHAT/ID", as a header or as a member. */
void mock_add_location(struct mock_ca *ca, struct mock_response *a, const char *what, int64_t id);
void mock_put_url(struct mock_ca *ca, struct json *map, const char *member, const char *path,
		  int64_t id);

void mock_new_account_act(struct mock_ca *ca, struct mock_signed *s, struct mock_response *a);
void mock_account_act(struct mock_ca *ca, struct mock_signed *s, struct mock_response *a);

/* Whether an externalAccountBinding (RFC 8555 7.3.4) is of the configured key, for newAccount and
 * the account key with this thumbprint. */
bool mock_binding_holds(const struct mock_ca *ca, const struct json *binding,
			const char *thumbprint);

/* RFC 8555 7.1.6. Static. */
const char *mock_account_status(const struct mock_account *account);
struct mock_account *mock_account_find(const struct mock_ca *ca, int64_t id);
struct mock_authorization *mock_authorization_find(const struct mock_ca *ca, int64_t id);
/* A new one for a name of an order, or one that is valid already. */
struct mock_authorization *mock_authorization_for(struct mock_ca *ca, int64_t account_id,
						  const char *name);
void mock_authorization_act(struct mock_ca *ca, const struct mock_authorization *z,
			    struct mock_response *a);
void mock_challenge_act(struct mock_ca *ca, const struct mock_place *place,
			const struct mock_signed *s, struct mock_response *a);
void mock_challenge_validate(struct mock_ca *ca, struct mock_authorization *z,
			     struct mock_challenge *c);
struct mock_order *mock_order_find(const struct mock_ca *ca, int64_t id);

/* Brings an order's status up to its authorizations'. */
void mock_order_judge(struct mock_ca *ca, struct mock_order *o);
void mock_order_issue(struct mock_ca *ca, struct mock_order *o);

void mock_issuer_make(struct mock_ca *ca);
void mock_issuer_clear(struct mock_issuer *i);

/* Parses a CSR and checks it against the order. NULL: what is wrong is in *ret_why. */
X509_REQ *mock_csr(const struct mock_ca *ca, const struct mock_order *o, const char *text,
		   const char **ret_why);

/* Fills pem and good_pem: leaf and intermediate, and what else the twist says. */
void mock_issue(struct mock_ca *ca, struct mock_order *o);

void mock_account_free(struct mock_account *a);
void mock_authorization_free(struct mock_authorization *a);
void mock_order_free(struct mock_order *o);

#endif
