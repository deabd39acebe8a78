/* SPDX-License-Identifier: MIT
 *
 * notice — the row of what the operator was told of a certificate, one for each, made with it.
 */
#ifndef STORE_NOTICE_H
#define STORE_NOTICE_H

#include "store/standing.h"

struct notice {
	int64_t id;         /* the certificate's */
	int64_t version_id; /* of which it was told; 0: of none */
	int64_t level;      /* of its nearness to expiry that was told, 0: none */
	bool failed;        /* that it cannot be renewed was told */
	int64_t told_at;    /* 0: never */
	struct standing standing;
};

/* *ret_notice is NULL when the certificate is gone. The caller frees it. */
int notice_load(struct store *s, int64_t certificate_id, struct notice **ret_notice, struct err *e);

/* The fenced UPDATE; see account_save. */
int notice_save(struct store *s, const struct notice *n, bool release, struct err *e);

/* Those of certificates not removed whose time to be looked at has come, the longest due first.
 * *ret_next: when the next one's comes, INT64_MAX: never. */
int notice_due(struct store *s, struct open_rows *ret_rows, int64_t *ret_next, struct err *e);

/* Nothing to do before next_at, or before tomorrow if that is earlier. Nobody's claim is needed. */
int notice_look(struct store *s, int64_t certificate_id, int64_t next_at, struct err *e);

#endif
