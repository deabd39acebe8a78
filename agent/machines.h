/* SPDX-License-Identifier: MIT
 *
 * machines — the five machines the engine drives, one file each with its diagram on top:
 * agent/renewal_info.c (when does the CA advise to renew?), agent/renewal.c (a certificate that is
 * due becomes an order), agent/account.c, agent/stage.c (the order) and agent/deployment.c.
 */
#ifndef AGENT_MACHINES_H
#define AGENT_MACHINES_H

#include "agent/step.h"

extern const struct machine machine_renewal;
extern const struct machine machine_renewal_info;
extern const struct machine machine_account;
extern const struct machine machine_order;
extern const struct machine machine_deployment;

/* The CA does not know the account: it is registered again (with the same key) before the next
 * order. Within a turn. */
int account_forgotten(struct store *store, int64_t account_id, struct err *e);

/* The target that a deployment step has claimed, 0 for any other step. */
int64_t deployment_target(const struct step *s);

/* The listener saw the CA fetch the answer to this token: an order that waits for its validation
 * asks soon. */
void order_fetched(struct step *s, const char *token);

#endif
