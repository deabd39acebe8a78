/* SPDX-License-Identifier: MIT
 *
 * targets — see targets.h.
 */
#include "agent/targets.h"

#include "store/deployment.h"

static bool is_retired(const struct deployment *d)
{
	return str_equal(d->stage, "superseded");
}

/* One that was retired and is wanted again is made again. */
static bool has_target(struct deployment *const *list, size_t count, int64_t target_id)
{
	for (size_t i = 0; i < count; i++)
		if (list[i]->target_id == target_id && !is_retired(list[i]))
			return true;
	return false;
}

static void setting_copy(void *arg, const char *key, const struct json *value)
{
	if (!str_equal(key, "window"))
		json_put(arg, key, json_clone(value));
}

/* Its window is no part of what a target is: another one makes no other target, and so no other
 * deployment. */
static int target_of(struct store *s, const struct json *deployer, struct target *t, struct err *e)
{
	AUTO_JSON struct json *settings = json_new_map();

	json_each(deployer, setting_copy, settings);
	t->deployer = mem_str(json_get_text(deployer, "name"));
	t->settings = json_print(settings, false);
	t->window = mem_str(json_get_text(deployer, "window"));
	return target_put(s, t, e);
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

	r = target_of(s, deployer, t, e);
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

static int target_is_wanted(struct store *s, const struct json *deploy, int64_t target_id,
			    bool *ret_wanted, struct err *e)
{
	*ret_wanted = false;
	for (size_t i = 0; !*ret_wanted && i < json_count(deploy); i++) {
		AUTO_TARGET struct target *t = mem_new(sizeof(*t));
		int r = target_of(s, json_at(deploy, i), t, e);

		if (r != 0)
			return r;
		*ret_wanted = t->id == target_id;
	}
	return 0;
}

static int deployment_retire(struct store *s, int64_t id, int64_t now, struct err *e)
{
	AUTO_DEPLOYMENT struct deployment *d = NULL;
	bool taken = false;
	int r;

	r = claim_take(s, CLAIM_DEPLOYMENT, id, &taken, e);
	if (r != 0 || !taken)
		return r;
	r = deployment_load(s, id, &d, e);
	if (r != 0 || d == NULL)
		return r;
	mem_set_str(&d->stage, "superseded");
	d->ended_at = now;
	return deployment_save(s, d, true, e);
}

int targets_retire(struct store *s, const struct version *v, const struct json *deploy, int64_t now,
		   struct err *e)
{
	struct deployment **list = NULL;
	size_t count = 0;
	int r;

	r = deployment_list(s, v->id, &list, &count, e);
	for (size_t i = 0; r == 0 && i < count; i++) {
		bool wanted = false;

		if (str_equal(list[i]->stage, "superseded"))
			continue;
		r = target_is_wanted(s, deploy, list[i]->target_id, &wanted, e);
		if (r == 0 && (!wanted ||
			       (list[i]->ended_at == 0 && has_target(list, i, list[i]->target_id))))
			r = deployment_retire(s, list[i]->id, now, e);
	}
	deployment_list_free(list, count);
	return r;
}
