/* SPDX-License-Identifier: MIT
 *
 * targets — which targets a wish names, and the deployments that bring a version to them.
 */
#ifndef AGENT_TARGETS_H
#define AGENT_TARGETS_H

#include "base/json.h"
#include "store/version.h"

/* Makes a deployment of v for each deployer of the wish's list that has none yet, in its order.
 * Within a turn. */
int targets_deploy(struct store *s, const struct version *v, const struct json *deploy,
		   struct err *e);

/* Ends what is pending of v for targets that the list does not name any more. One that a living
 * process works on is left to it. Within a turn. */
int targets_retire(struct store *s, const struct version *v, const struct json *deploy, int64_t now,
		   struct err *e);

#endif
