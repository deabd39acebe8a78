/* SPDX-License-Identifier: MIT
 *
 * stage — what the stages of the order machine share: the order's memory, and the few ways on.
 * The diagram and the invariants are at the top of stage.c.
 */
#ifndef AGENT_STAGE_H
#define AGENT_STAGE_H

#include "acme/types.h"
#include "agent/work.h"
#include "store/challenge.h"

#define ORDER_PROCESSING_S 3600 /* that a CA may take to issue before the order is given up */

/* What is known of a challenge's answer. */
struct answer {
	bool told;           /* the CA was told that it may look */
	bool fetched;        /* our listener has served it */
	bool valid;          /* the CA's verdict */
	int tries;           /* how often the CA is told again */
	char *said;          /* what people were told of it last, or NULL */
	struct err *refusal; /* the CA did not want to be told, or NULL */
};

/* The answers that a CA refused (agent/verdict.h). All zero is none. */
struct refusals {
	struct strlist names; /* the order's own */
	struct err why;       /* of the first one that counts */
	bool missed;          /* all of them while nobody showed our answer: nobody's fault */
};

/* Whether a refusal may be one of the account (acme/retry.h). */
enum order_doubt {
	ORDER_SURE = 0,
	ORDER_DOUBTED,
	ORDER_DOUBTED_FAINTLY, /* 500: it may as well pass */
};

/* What an order's step remembers between turns; gone with the process, found again by READ. */
struct order_memory {
	struct order *order;     /* the row */
	struct wish *wish;       /* of the row */
	struct acme_order *acme; /* as last read; NULL: not read yet */
	struct acme_authorization *
		*authorizations; /* as AUTHORIZE read them; entries may be NULL */
	size_t authorization_count;
	struct challenge **challenges; /* those to be answered now, as PRESENT stored them */
	struct answer *answers;        /* … as many */
	size_t challenge_count;
	struct refusals refusals;  /* of them so far */
	char *thumbprint;          /* of the account's key (RFC 8555 8.1) */
	bool alone;                /* asked for without what it replaces, which was refused */
	bool taken;                /* the CA has taken our CSR */
	bool resumed;              /* taken up again from its row */
	bool left;                 /* who showed its answers has ended, or stood still meanwhile */
	bool asked;                /* this step has asked the CA to judge or to issue */
	bool dated;                /* the row's processing_at is durable */
	bool reads;                /* VALIDATE asks for authorizations, not for the order */
	int phase;                 /* of a stage that asks in several rounds */
	int polls;                 /* of VALIDATE or PROCESS so far */
	int finalized;             /* how often FINALIZE was asked by this step */
	int64_t since;             /* Unix seconds when that began */
	int64_t retry_after;       /* the longest that authorizations asked for */
	int downloads;             /* how often DOWNLOAD got what cannot be read */
	struct err refusal;        /* why DOWNLOAD did not accept the CA's default chain */
	struct strlist alternates; /* then: URLs of the other ones */
	size_t alternate;          /* … which one is asked for */
	enum order_doubt doubt;    /* of the last refusal, … */
	int64_t confirmed; /* … whose request the account had signed when confirmed so often */
};

struct order_memory *order_memory(const struct step *s);

/* The CA's answer as an error when it carries a problem (retry_error), else 0. */
int order_problem(struct step *s, const struct work *w, struct err *e);

/* Reads the order, or an authorization, out of an answer; the CA's problem, or what is wrong with
 * it (an order for other names, too), as an error. */
int order_read(struct step *s, const struct work *w, struct acme_order **ret_acme, struct err *e);

int order_authorization(struct step *s, const struct work *w, struct acme_authorization **ret_a,
			struct err *e);

/* Keeps the order as just read and goes where its status says (invariant 5). */
int order_follows(struct step *s, struct acme_order *acme, struct err *e);

/* Takes back what was published, then ends the order. */
int order_withdraws(struct step *s, struct err *e);

/* The attempt is over: remembers why, and withdraws. */
int order_fails(struct step *s, const struct err *why, struct err *e);

/* The order can no longer succeed: the attempt ends whatever the kind of the error, which only
 * chooses when the next one comes (or that another CA is tried). */
int order_over(struct step *s, const struct err *why, struct err *e);

/* ERR_CONFIG when the certificate was deleted meanwhile: nothing more is asked of the CA. */
int order_wanted(struct step *s, struct err *e);

/* Room on the disks for what the CA will issue: asked before it is asked to. */
int order_room(const struct step *s, struct err *e);

/* Whether the order's account can sign. If not, the step waits for it, or shares its fate. */
int order_account(struct step *s, bool *ret_ready, struct err *e);

/* Sends a request in this order's name. */
int order_asks(struct step *s, size_t index, struct acme_request *request, struct err *e);

/* Forgets which authorizations and challenges were read. */
void order_forget_authorizations(struct order_memory *m);

/* Waits as long as the CA says, which people are told; else ms. */
void order_waits(struct step *s, int64_t retry_after, int64_t ms);

/* Polls again: as the CA says, else by retry_poll_ms. False: not after limit seconds. */
bool order_polls(struct step *s, int64_t retry_after, int64_t limit);

extern const struct stage stage_new, stage_read, stage_authorize, stage_review, stage_present,
	stage_settle, stage_answer, stage_validate, stage_finalize, stage_process, stage_download,
	stage_withdraw, stage_done, stage_failed;

#endif
