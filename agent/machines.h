/* SPDX-License-Identifier: MIT
 *
 * machines — the six machines the engine drives, one file each with its diagram on top:
 * agent/renewal_info.c (when does the CA advise to renew?), agent/renewal.c (a certificate that is
 * due becomes an order), agent/account.c, agent/stage.c (the order), agent/deployment.c
 * and agent/notice.c.
 */
#ifndef AGENT_MACHINES_H
#define AGENT_MACHINES_H

#include "agent/step.h"

extern const struct machine machine_renewal;
extern const struct machine machine_renewal_info;
extern const struct machine machine_account;
extern const struct machine machine_order;
extern const struct machine machine_deployment;
extern const struct machine machine_notice;

/* Whether the operator is to be told something of a certificate now; if not, it is looked at again
 * when that may have changed. Within a turn. */
int notice_wanted(struct store *store, const struct clock *clock, int64_t certificate_id,
		  bool *ret_wanted, struct err *e);

/* The CA does not know the account: it is registered again (with the same key) before the next
 * order. Within a turn. */
int account_forgotten(struct store *store, int64_t account_id, struct err *e);

/* The target that a deployment step has claimed, 0 for any other step. */
int64_t deployment_target(const struct step *s);

/* The listener saw the CA fetch the answer to this token: an order that waits for its validation
 * asks soon. */
void order_fetched(struct step *s, const char *token);

#endif
