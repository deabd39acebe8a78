/* SPDX-License-Identifier: MIT
 *
 * wire — a new solver or deployer is one file and one line here.
 */
#include "agent/wire.h"

#include "agent/standalone.h"
#include "base/mem.h"

static const struct solver_ops *const solvers[] = {
	&solver_standalone,
	&solver_webroot,
	&solver_exec,
};

static const struct deployer_ops *const deployers[] = {
	&deployer_files,
	&deployer_exec,
};

const struct solver_ops *wire_solver(const char *name)
{
	for (size_t i = 0; name != NULL && i < COUNT_OF(solvers); i++)
		if (str_equal(solvers[i]->name, name))
			return solvers[i];
	return NULL;
}

const struct deployer_ops *wire_deployer(const char *name)
{
	for (size_t i = 0; name != NULL && i < COUNT_OF(deployers); i++)
		if (str_equal(deployers[i]->name, name))
			return deployers[i];
	return NULL;
}
