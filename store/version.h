/* SPDX-License-Identifier: MIT
 *
 * version — the row of one issued certificate with its chain and the id of its key. Immutable.
 */
#ifndef STORE_VERSION_H
#define STORE_VERSION_H

#include "base/strlist.h"
#include "store/store.h"

struct version {
	int64_t id;
	int64_t certificate_id;
	int64_t order_id;
	int64_t key_id;
	char *key_kind;
	char *serial; /* upper-case hex */
	char *issuer;
	char *fingerprint;    /* SHA-256, lower-case hex */
	char *ari_id;         /* NULL without an AKI */
	struct strlist names; /* as in the certificate, sorted */
	int64_t not_before;
	int64_t not_after;
	char *leaf;  /* PEM */
	char *chain; /* PEM of the issuers, "" when none was sent */
	int64_t created_at;
	int64_t account_id; /* it was issued for; 0: not known any more */
	char *profile;      /* of the CA, by which it was made; NULL: not known */
};

/* Inserts, fills v->id and makes it the certificate's live version. */
int version_insert(struct store *s, struct version *v, struct err *e);

/* ERR_SYS for a row that is not what was inserted: nobody may deploy it or judge by it. */
int version_load(struct store *s, int64_t id, struct version **ret_version, struct err *e);

/* For lists of many: names, serial and dates, which are all that is read of a large store, where
 * damage is for store_check_rest to find; of a small one the same as version_load. */
int version_glance(struct store *s, int64_t id, struct version **ret_version, struct err *e);

/* Newest first; an owned array of owned structs. */
int version_list(struct store *s, int64_t certificate_id, struct version ***ret_versions,
		 size_t *ret_count, struct err *e);

/* When the certificate's version before this one was issued; *ret_at is 0 when there is none (any
 * more), or when it was not the schedule that asked for this one (struct order, renews). */
int version_previous_at(struct store *s, const struct version *v, int64_t *ret_at, struct err *e);

void version_free(struct version *v);
void version_list_free(struct version **list, size_t count);
void auto_version(struct version **v);
#define AUTO_VERSION AUTO(auto_version)

#endif
