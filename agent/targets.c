/* SPDX-License-Identifier: MIT
 *
 * targets — see targets.h.
 */
#include "agent/targets.h"

#include "store/deployment.h"

static bool has_target(struct deployment *const *list, size_t count, int64_t target_id)
{
	for (size_t i = 0; i < count; i++)
		if (list[i]->target_id == target_id)
			return true;
	return false;
}

static int target_deploy(struct store *s, const struct version *v, const struct json *deployer,
			 int64_t position, struct err *e)
{
	AUTO_DEPLOYMENT struct deployment *d = mem_new(sizeof(*d));
	AUTO_TARGET struct target *t = mem_new(sizeof(*t));
	struct deployment **list = NULL;
	size_t count = 0;
	bool there = false;
	int r;

	t->deployer = mem_str(json_get_text(deployer, "name"));
	t->settings = json_print(deployer, false);
	r = target_put(s, t, e);
	if (r == 0)
		r = deployment_list(s, v->id, &list, &count, e);
	if (r == 0)
		there = has_target(list, count, t->id);
	deployment_list_free(list, count);
	if (r != 0 || there)
		return r;
	d->certificate_id = v->certificate_id;
	d->version_id = v->id;
	d->target_id = t->id;
	d->position = position;
	return deployment_insert(s, d, e);
}

int targets_deploy(struct store *s, const struct version *v, const struct json *deploy,
		   struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_count(deploy); i++)
		r = target_deploy(s, v, json_at(deploy, i), (int64_t)i, e);
	return r;
}
