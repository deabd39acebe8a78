/* SPDX-License-Identifier: MIT
 *
 * limits — what a CA has published about how much it may be asked, and when the next order is
 * within that. Counted from the rows of the orders that were, never kept as counters: what a
 * process remembers (struct limits) is forgotten and counted again.
 *
 * Let's Encrypt's limits (production) are known, in its own arithmetic: a limit of 50 in seven days
 * is a bucket of 50 that gains one every 202 minutes. Other CAs have none here; what they say with
 * a Retry-After holds everywhere.
 *
 * An order that says what it replaces (RFC 9773 5) is exempt from all while the CA advises just
 * that: not once its window is over, so not when what it replaces was revoked. One for exactly the
 * names of the present certificate is exempt from those on new orders and on registered domains.
 */
#ifndef AGENT_LIMITS_H
#define AGENT_LIMITS_H

#include "base/strlist.h"
#include "store/past_order.h"

struct limits;

/* An order as it would be. Borrowed. */
struct limit_wish {
	int64_t account_id;
	const struct strlist *names;
	bool exempt; /* it says what it replaces, and the CA's advised window is open */
	bool renews; /* this CA has issued a certificate for exactly these names */
};

struct limit_verdict {
	int64_t at;    /* not before; ≤ now: no limit is in the way */
	char why[160]; /* then the one that is, as a clause for people */
};

/* How much of one limit is used. */
struct limit_room {
	char *what; /* "certificates per registered domain in 7 days: example.org" */
	int64_t used, most;
};

/* Whether anything is known of its limits. */
bool limits_known(const char *server);

/* Counts orders that were, all at one CA. Pure. NULL: nothing is known of its limits. */
struct limits *limits_count(const char *server, const struct past_orders *past, int64_t now);

/* Those of each CA, counted from the store when they are first asked for. */
struct limits_book {
	struct store *store; /* borrowed */
	struct limits_page *pages;
	size_t count;
};

/* *ret_limits NULL: as above; then nothing was read. Borrowed until the book is cleared. */
int limits_find(struct limits_book *b, const char *server, int64_t now, struct limits **ret_limits,
		struct err *e);

/* It may be used again, and counts again then. */
void limits_forget(struct limits_book *b);
#define AUTO_LIMITS_BOOK AUTO(limits_forget)

/* The time from which the wish is within every limit. Pure, as what follows. */
struct limit_verdict limits_judge(const struct limits *l, const struct limit_wish *w, int64_t now);

/* An order was begun that has no row yet. */
void limits_begin(struct limits *l, const struct limit_wish *w, int64_t now);

/* It waits for what is in its way: there, the next one to be judged comes after it. So of a
 * thousand that wait for one limit each is told a time of its own. */
void limits_queue(struct limits *l, const struct limit_wish *w, int64_t now);

/* For display, one for each limit and what it counts by; *ret_rooms is an owned array. */
size_t limits_room(const struct limits *l, const struct limit_wish *w, int64_t now,
		   struct limit_room **ret_rooms);
void limit_rooms_free(struct limit_room *rooms, size_t count);

void limits_free(struct limits *l);
void auto_limits(struct limits **l);
#define AUTO_LIMITS AUTO(auto_limits)

#endif
