/* SPDX-License-Identifier: MIT
 *
 * certificate — the row of what is wanted, and (renewal) how its renewing goes.
 */
#ifndef STORE_CERTIFICATE_H
#define STORE_CERTIFICATE_H

#include "base/strlist.h"
#include "store/store.h"

struct id_list {
	int64_t *ids; /* owned */
	size_t count;
};

struct certificate {
	int64_t id;
	char *name;              /* the operator's handle, unique among those not removed */
	char *origin;            /* who made it: CERTIFICATE_COMMAND, or file:line */
	struct strlist names;    /* canonical, in the order of the wish; all of them */
	struct strlist optional; /* those that may be left out when they fail */
	char *wish;              /* JSON: how to get and deploy it (agent/wish.h) */
	int64_t account_id;      /* the one in use */
	struct id_list accounts; /* the preferred one first; empty: account_id alone */
	int64_t moved_at;        /* when account_id changed because a CA failed; 0: it did not */
	int64_t live_version_id; /* 0: none yet */
	bool paused;
	int64_t dropped_at; /* since when its file says nothing of it any more; 0: it does */
	int64_t removed_at; /* 0: not removed */
};

/* One for each certificate, made with it. */
struct renewal {
	int64_t certificate_id;
	int64_t failures; /* in a row */
	int64_t next_at;  /* back-off after a failure; 0: the schedule alone decides */
	struct err error; /* last failure; ERR_NONE: none since the last success */
	int64_t error_at;
	int64_t succeeded_at; /* 0: never */
	int64_t replaced;     /* orders in a row that another one took the place of at once */
	int64_t hasty;        /* versions in a row that were due when they were issued */
	int64_t issued;       /* versions so far; only version_insert changes it */
};

#define CERTIFICATE_COMMAND "command"

/* Whether a command made it and may change it; else that is for its configuration file. */
bool certificate_is_of_command(const struct certificate *c);

/* Inserts with its renewal and fills c->id. ERR_CONFIG when the name is taken. */
int certificate_insert(struct store *s, struct certificate *c, struct err *e);
int certificate_save(struct store *s, const struct certificate *c, struct err *e);

/* *ret_certificate is NULL when there is none. find looks among those not removed. */
int certificate_load(struct store *s, int64_t id, struct certificate **ret_certificate,
		     struct err *e);
int certificate_find(struct store *s, const char *name, struct certificate **ret_certificate,
		     struct err *e);

/* Those not removed, by name; an owned array of owned structs. */
int certificate_list(struct store *s, struct certificate ***ret_certificates, size_t *ret_count,
		     struct err *e);

/* A walk through those not removed, by name, a piece (STORE_PIECE) at a time: it costs the memory
 * of one piece, and holds nobody up between two. Each is as it is when its piece is read: one that
 * is made or removed meanwhile may be missed or met, and none is met twice. Begins with all zero.
 */
struct certificate_walk {
	struct certificate **list; /* the present piece; owned */
	size_t count;
	char *last; /* name of the last one so far; owned; NULL: none yet */
};
/* 1: there is another piece; 0: that was all. */
int certificate_walk(struct store *s, struct certificate_walk *w, struct err *e);
void certificate_walk_clear(struct certificate_walk *w);
#define AUTO_CERTIFICATE_WALK AUTO(certificate_walk_clear)

/* Bytes of the longest name of those not removed, 0: there is none. */
int certificate_longest(struct store *s, int64_t *ret_bytes, struct err *e);

/* Those of configuration files that define them still, by name; as certificate_list. */
int certificate_list_of_files(struct store *s, struct certificate ***ret_certificates,
			      size_t *ret_count, struct err *e);

/* Those that the schedule is to be asked about now: something about them has changed, or the time
 * has come that was found last. *ret_next: when the next one's comes, INT64_MAX: none. */
int certificate_due(struct store *s, struct id_list *ret_due, int64_t *ret_next, struct err *e);

/* Those neither removed nor paused, by name, of which the schedule does not know already that there
 * is nothing to do now: certificate_due's, those with a failure behind them, with a live order or
 * deployment and, if wanted, with a notice to be looked at. */
int certificate_list_wanting(struct store *s, bool notices, struct certificate ***ret_certificates,
			     size_t *ret_count, struct err *e);

/* When the live version ends that ends first of those that use an account; 0: there is none. */
int certificate_first_end(struct store *s, int64_t account_id, int64_t *ret_end, struct err *e);

/* Ids of those that use an account. */
int certificate_of_account(struct store *s, int64_t account_id, struct id_list *ret_ids,
			   struct err *e);

/* Whether one of them is among those (it is read whether it is paused or not): the cost is that of
 * one certificate, whatever the store has. */
int certificate_wants(struct store *s, int64_t id, bool notices, bool *ret_wants, struct err *e);

/* Whether it has a live order or deployment. */
int certificate_busy(struct store *s, int64_t id, bool *ret_busy, struct err *e);

/* How many are neither removed nor paused. */
int certificate_count(struct store *s, int64_t *ret_count, struct err *e);

/* The schedule has nothing to do for it before look_at (capped at a day from now: a clock may be
 * wrong); 0: something has changed. Saving a certificate, its renewal or its renewal information,
 * or a new version, does the latter. */
int renewal_look(struct store *s, int64_t certificate_id, int64_t look_at, struct err *e);

int renewal_load(struct store *s, int64_t certificate_id, struct renewal *ret_renewal,
		 struct err *e);
int renewal_save(struct store *s, const struct renewal *r, struct err *e);

/* Optional names that failed and are left out, and when they did so last (0: never). Added to
 * names. The other one writes them, and has the certificate looked at again. */
int renewal_left_out(struct store *s, int64_t certificate_id, struct strlist *names,
		     int64_t *ret_left_at, struct err *e);
int renewal_leave_out(struct store *s, int64_t certificate_id, const struct strlist *names,
		      int64_t left_at, struct err *e);

void id_list_add(struct id_list *l, int64_t id);
bool id_list_equal(const struct id_list *a, const struct id_list *b);
bool id_list_has(const struct id_list *l, int64_t id);
void id_list_sort(struct id_list *l);
bool id_list_finds(const struct id_list *l, int64_t id); /* as id_list_has; the list ascends */
void id_list_clear(struct id_list *l);
#define AUTO_ID_LIST AUTO(id_list_clear)

void certificate_free(struct certificate *c);
void certificate_list_free(struct certificate **list, size_t count);
void auto_certificate(struct certificate **c);
#define AUTO_CERTIFICATE AUTO(auto_certificate)

#endif
