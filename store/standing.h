/* SPDX-License-Identifier: MIT
 *
 * standing — what accounts, orders, deployments and targets have in common: who works on the row,
 * how often it was tried, when it goes on, and why it failed last.
 */
#ifndef STORE_STANDING_H
#define STORE_STANDING_H

#include "store/store.h"

struct standing {
	char owner[STORE_ID_SIZE]; /* "" : nobody */
	int64_t fence;    /* raised by every claim; what was read under an older one is void */
	int64_t attempts; /* claims of this stage without progress */
	int64_t failures; /* in a row */
	int64_t next_at;  /* nothing to do before, 0: now */
	struct err error; /* last failure; code ERR_NONE: none */
	int64_t error_at;
};

enum claimable {
	CLAIM_ACCOUNT = 0,
	CLAIM_ORDER,
	CLAIM_DEPLOYMENT,
	CLAIM_TARGET,
	CLAIM_RENEWAL_INFO,
	CLAIM_NOTICE,
	CLAIMABLES, /* how many */
};

/* Takes a row for this process if nobody alive has it: sets owner, raises the fence, charges one
 * attempt. *ret_taken says whether. (A row that this process has already is taken again.) */
int claim_take(struct store *s, enum claimable what, int64_t id, bool *ret_taken, struct err *e);

/* Gives a row back without any other change; no error when it is not ours any more. */
int claim_release(struct store *s, enum claimable what, int64_t id, struct err *e);

/* Gives a row back as if it had not been claimed: the attempt that the claim was charged is taken
 * back. */
int claim_return(struct store *s, enum claimable what, int64_t id, struct err *e);

/* Which living process has a row: its owner id, "" : nobody. */
int claim_owner(struct store *s, enum claimable what, int64_t id, char ret_owner[STORE_ID_SIZE],
		struct err *e);

/* Whether the process with this owner id is alive: its file in STATE/owners is locked. */
bool owner_alive(const struct store *s, const char *owner);

/* A live row that wants work. */
struct open_row {
	int64_t id;
	int64_t certificate_id; /* 0 for accounts */
	int64_t next_at;
	int64_t retry_at; /* of its last error: the CA asked for that time; else 0 */
	int64_t error_at; /* … when that was */
	bool taken;       /* a living process has it */
	bool mine;        /* … and it is this one */
};

struct open_rows {
	struct open_row *rows; /* owned */
	size_t count;
};

void open_rows_clear(struct open_rows *r);
#define AUTO_OPEN_ROWS AUTO(open_rows_clear)

#endif
