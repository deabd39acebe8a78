/* SPDX-License-Identifier: MIT
 *
 * outlook — what the schedule says of a certificate now, with all the rows that it was told.
 */
#ifndef AGENT_OUTLOOK_H
#define AGENT_OUTLOOK_H

#include "agent/schedule.h"
#include "agent/wish.h"

struct outlook {
	struct version *live; /* NULL: none yet */
	struct renewal renewal;
	struct renewal_info *info;
	struct wish *wish;
	struct strlist left_out;
	struct schedule_input in; /* borrows the above, and the certificate */
	struct schedule next;
};

/* Reads what is needed; outlook_clear also after a failure. */
int outlook_read(struct store *s, const struct certificate *c, int64_t now, struct outlook *ret,
		 struct err *e);

void outlook_clear(struct outlook *o);
#define AUTO_OUTLOOK AUTO(outlook_clear)

#endif
