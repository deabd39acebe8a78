/* SPDX-License-Identifier: MIT
 *
 * order — the row of one attempt to get a certificate, born with its copy of the wish, its key and
 * its CSR; with its authorizations and challenges (store/challenge.h). Stages are those of
 * agent/order.c; "done" and "failed" have ended.
 */
#ifndef STORE_ORDER_H
#define STORE_ORDER_H

#include "base/buf.h"
#include "base/strlist.h"
#include "store/standing.h"

struct order {
	int64_t id;
	int64_t certificate_id;
	int64_t account_id;
	int64_t key_id;
	char *key_kind;       /* key_kind_name */
	uint8_t key_hash[32]; /* SHA-256 of its SubjectPublicKeyInfo */
	struct strlist names;
	char *wish;         /* JSON, as it was at birth */
	char *replaces;     /* ARI id of the version it replaces, or NULL (RFC 9773 5) */
	bool renews;        /* the schedule asked for it: no person, and no other wish */
	bool exempt;        /* the CA's limits do not count it, if it replaces something */
	struct buf csr;     /* DER */
	char *url;          /* NULL before the CA answered newOrder */
	char *stage;        /* "new", "authorize", "present", "withdraw", "done", "failed" */
	bool hooked;        /* the pre-hook may have run: the post-hook has to */
	bool issued;        /* the CA has issued, or was about to, whatever became of that */
	int64_t version_id; /* what it ended in; 0: nothing (yet) */
	int64_t created_at;
	int64_t ended_at;             /* 0: live */
	char shown_by[STORE_ID_SIZE]; /* owner id of who last published its answers, "": nobody */
	int64_t processing_at;        /* since when the CA is issuing, 0: it is not */
	struct standing standing;
};

/* Inserts, owned by this process (fence 1, one attempt charged), unless a live order of this
 * certificate and key kind exists. *ret_inserted says whether; then o->id and o->standing are
 * filled. */
int order_insert(struct store *s, struct order *o, bool *ret_inserted, struct err *e);

int order_load(struct store *s, int64_t id, struct order **ret_order, struct err *e);

/* The newest order of a certificate, live or ended; *ret_order NULL: none. */
int order_latest(struct store *s, int64_t certificate_id, struct order **ret_order, struct err *e);

/* The fenced UPDATE of the mutable columns (url, stage, hooked, issued, replaces, version_id,
 * ended_at, shown_by, processing_at, standing); see account_save. ERR_CONFIG with
 * CAUSE_ORDER_TAKEN when another live order has this URL. */
int order_save(struct store *s, const struct order *o, bool release, struct err *e);

/* Live orders of one certificate, or of all (0). */
int order_open(struct store *s, int64_t certificate_id, struct open_rows *ret_rows, struct err *e);

void order_free(struct order *o);
void auto_order(struct order **o);
#define AUTO_ORDER_ROW AUTO(auto_order)

#endif
