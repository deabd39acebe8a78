/* SPDX-License-Identifier: MIT
 *
 * wire — the plug-ins this binary has: one line each.
 */
#ifndef AGENT_WIRE_H
#define AGENT_WIRE_H

#include "hooks/deployer.h"
#include "hooks/solver.h"

/* By name ("standalone", "files"); NULL when there is none (or name is NULL). */
const struct solver_ops *wire_solver(const char *name);
const struct deployer_ops *wire_deployer(const char *name);

#endif
