/* SPDX-License-Identifier: MIT
 *
 * account — the row of an ACME account: one for each (CA, configuration entry).
 */
#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include "store/standing.h"

struct account {
	int64_t id;
	char *server;        /* directory URL */
	char *entry;         /* configuration entry, "default" */
	char *contact;       /* wanted: mail addresses joined by a space, "" */
	char *contact_told;  /* what the CA has accepted last; NULL: nothing yet */
	char *contact_kept;  /* what its last answer said that it has; NULL: it did not say */
	bool agreed;         /* the operator agreed to the CA's terms of service */
	char *ca_bundle;     /* NULL: the system's trust */
	char *proxy;         /* NULL: none */
	char *eab_kid;       /* external account binding (RFC 8555 7.3.4); NULL: none */
	char *eab_hmac_key;  /* reference to its MAC key (agent/config/secret.h) */
	char *key_reference; /* to a key that exists already, for KEY; NULL: one is made */
	int64_t key_id;      /* 0 until KEY is done */
	char *url;   /* NULL until READY, and again when a dead one is deactivated at the CA */
	char *stage; /* "key", "register", "ready", "update", "check", "refused", "dead" */
	int64_t confirmed;  /* how often the CA has said that it has it */
	int64_t checked_at; /* when it was last asked because of a doubt, 0: never */
	struct standing standing;
};

/* Inserts, owned by nobody, unless (server, entry) exists; fills a->id with the row's in both
 * cases. */
int account_insert(struct store *s, struct account *a, struct err *e);

/* *ret_account is NULL when there is none. */
int account_load(struct store *s, int64_t id, struct account **ret_account, struct err *e);
int account_find(struct store *s, const char *server, const char *entry,
		 struct account **ret_account, struct err *e);

/* All accounts by id; *ret_accounts is an owned array of owned structs (free each, then it). */
int account_list(struct store *s, struct account ***ret_accounts, size_t *ret_count, struct err *e);

/* Whether the CA has it and takes requests of it: READY, or READY with another contact wanted than
 * the CA was told, which is "update" and derived. */
bool account_is_ready(const struct account *a);

/* The fenced UPDATE of key_id, url, stage, confirmed, checked_at, what the CA has and standing; the
 * rest is the operator's, who may change it meanwhile (account_configure). It must be ours: owner
 * and fence as in a->standing since the claim. ERR_BUSY with CAUSE_LOST when somebody else has it
 * now. When release is true the owner is cleared. */
int account_save(struct store *s, const struct account *a, bool release, struct err *e);

/* What a command or a file may change without owning the row: contact, agreed, ca_bundle, proxy,
 * and the references. Where that changes something it is tried again at once, unless the CA asked
 * for a time. */
int account_configure(struct store *s, const struct account *a, struct err *e);

/* One that is READY is to be asked about (CHECK). */
int account_check(struct store *s, int64_t id, struct err *e);

/* It is to have a new key and a new account at the CA: whoever works on it loses the row. */
int account_renew(struct store *s, int64_t id, struct err *e);

/* Gives an account up: nothing uses it any more, and the CA is told if it knows it (its machine
 * does that). */
int account_retire(struct store *s, int64_t id, struct err *e);

/* Accounts that are neither READY (with the contact that the CA was told) nor dead, and that some
 * certificate or order uses (what a file names in reserve is not registered before it is needed),
 * or that have the id wanted (0: none); and the dead of which the CA has not been told. */
int account_open(struct store *s, int64_t wanted, struct open_rows *ret_rows, struct err *e);

void account_free(struct account *a);
void auto_account(struct account **a);
#define AUTO_ACCOUNT_ROW AUTO(auto_account)

#endif
