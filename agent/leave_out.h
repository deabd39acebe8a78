/* SPDX-License-Identifier: MIT
 *
 * leave_out — names of a certificate that are optional (everleaf.yaml(5)): one that fails does not
 * block the rest. It is remembered with the certificate's renewal; orders have it again after a day
 * (agent/schedule.h, schedule_names).
 */
#ifndef AGENT_LEAVE_OUT_H
#define AGENT_LEAVE_OUT_H

#include "agent/step.h"

/* Names that failed in an order. When all of them are optional they are left out from now on, and
 * why becomes the reason (CAUSE_INTERRUPTED: an order without them comes at once). *ret_left says
 * whether. Within a turn. */
int leave_out(struct step *s, const struct strlist *failed, struct err *why, bool *ret_left,
	      struct err *e);

/* A certificate was issued for these names: they are not left out any more. Within a turn. */
int leave_out_none(struct store *store, const struct certificate *c, const struct strlist *names,
		   struct err *e);

#endif
