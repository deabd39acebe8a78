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

/* A request that an account signed when it had been confirmed so often (struct work) was refused in
 * a way that may be about the account (retry_doubts_account): the CA is asked about it. *ret_waits:
 * the asker waits for the account and tries again; false: it was asked a moment ago, so that the
 * refusal is about what was asked for. Within a turn. */
int account_doubted(struct step *s, int64_t id, int64_t confirmed, bool *ret_waits, struct err *e);

/* The target that a deployment step has claimed, 0 for any other step. */
int64_t deployment_target(const struct step *s);

/* The listener saw the CA fetch the answer to this token: an order that waits for its validation
 * asks soon. */
void order_fetched(struct step *s, const char *token);

/* Whether the CA is looking for the order's answers now. */
bool order_is_judged(const struct step *s);

/* This process (or only its store) stood still for a while. unseen: what the CA asked for meanwhile
 * it may not have found. */
void order_stood_still(struct step *s, bool unseen);

/* Its challenges are being asked for, and the standalone solver will publish the answers. */
bool order_presents_soon(const struct step *s);

#endif
