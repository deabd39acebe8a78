/* SPDX-License-Identifier: MIT
 *
 * challenge — the rows of an order's authorizations and of what was (or may have been) published
 * for them. A challenge row is durable before its solver acts and until after it is withdrawn.
 */
#ifndef STORE_CHALLENGE_H
#define STORE_CHALLENGE_H

#include "base/strlist.h"
#include "store/store.h"

/* An authorization and the one challenge of it that we answer. */
struct challenge {
	int64_t id;
	int64_t order_id;
	char *authorization_url;
	char *identifier; /* without "*." */
	bool wildcard;
	char *type; /* "http-01" */
	char *url;  /* of the challenge */
	char *token;
	char *solver;   /* solver's name and settings: JSON from the wish */
	bool withdrawn; /* the solver has taken it back */
};

/* Inserts, or updates the row of the same order and authorization URL (its withdrawn becomes
 * false). Fills c->id. */
int challenge_put(struct store *s, struct challenge *c, struct err *e);

/* All of an order, by id; an owned array of owned structs. */
int challenge_list(struct store *s, int64_t order_id, struct challenge ***ret_challenges,
		   size_t *ret_count, struct err *e);

int challenge_withdrawn(struct store *s, int64_t id, struct err *e);

/* Whether another live order still has this token, not withdrawn. */
int challenge_shared(struct store *s, const struct challenge *c, bool *ret_shared, struct err *e);

/* Tokens, not withdrawn, of orders whose owner is alive (this process's too), or, while nobody
 * works on them, who published their answers. parked false: without orders that this process has
 * parked. */
int challenge_live_tokens(struct store *s, bool parked, struct strlist *tokens, struct err *e);

void challenge_free(struct challenge *c);
void challenge_list_free(struct challenge **list, size_t count);

#endif
