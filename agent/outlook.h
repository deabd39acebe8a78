/* SPDX-License-Identifier: MIT
 *
 * outlook — what the schedules say of a certificate and of a deployment now, with all the rows that
 * they were told.
 */
#ifndef AGENT_OUTLOOK_H
#define AGENT_OUTLOOK_H

#include "agent/schedule.h"
#include "agent/schedule_deploy.h"
#include "agent/wish.h"
#include "store/deployment.h"

struct outlook {
	/* To be set before: where the CA's limits are counted, NULL: they are not looked at;
	 * and whether it is wanted now, due or not. */
	struct limits_book *book;
	bool wanted;

	struct version *live; /* NULL: none yet */
	struct renewal renewal;
	struct renewal_info *info;
	struct wish *want; /* of a file's certificate; else NULL */
	struct strlist left_out;
	struct schedule_input in; /* borrows the above, and the certificate */
	struct schedule next;
	struct limits *limits;      /* of its CA; NULL: none are known, or none can be in the way */
	struct strlist names;       /* then: of the order it would become */
	struct limit_wish wish;     /* … and what that is for them */
	struct limit_verdict limit; /* what they say */
};

/* Reads what is needed; outlook_clear also after a failure. */
int outlook_read(struct store *s, const struct certificate *c, int64_t now, struct outlook *ret,
		 struct err *e);

/* RFC 9773 5: which certificate an order would replace, so that the CA exempts it from its limits.
 * Only for the account that it was issued for, and not once that was refused. NULL: none. The
 * caller frees. */
char *outlook_replaces(struct store *s, const struct outlook *o);

/* The same with version_glance: to tell of it, not to act on it. */
int outlook_glance(struct store *s, const struct certificate *c, int64_t now, struct outlook *ret,
		   struct err *e);

/* How much of its CA's limits is used for a certificate; none: no limits are known. The caller's,
 * for limit_rooms_free. */
struct outlook_rooms {
	struct limit_room *rooms;
	size_t count;
};
int outlook_rooms_read(struct store *s, const struct certificate *c, int64_t now,
		       struct outlook_rooms *ret, struct err *e);

void outlook_clear(struct outlook *o);
#define AUTO_OUTLOOK AUTO(outlook_clear)

/* When d may be brought to its target. in says everything but what is served, which is read. */
int outlook_deploy(struct store *s, const struct deployment *d, struct schedule_deploy_input in,
		   struct schedule_deploy *ret, struct err *e);

#endif
