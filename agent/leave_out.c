/* SPDX-License-Identifier: MIT
 *
 * leave_out — see leave_out.h.
 */
#include "agent/leave_out.h"

#include "agent/engine.h"

#include <stdio.h>
#include <stdlib.h>

static bool all_optional(const struct certificate *c, const struct strlist *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (!strlist_has(&c->optional, names->items[i]))
			return false;
	return names->count > 0;
}

static void add_new(struct strlist *to, const struct strlist *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (!strlist_has(to, names->items[i]))
			strlist_add(to, names->items[i]);
}

int leave_out(struct step *s, const struct strlist *failed, struct err *why, bool *ret_left,
	      struct err *e)
{
	struct store *store = engine_store(s->engine);
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct strlist left AUTO_STRLIST = {0};
	AUTO_FREE char *names = NULL;
	int64_t left_at;
	int r = certificate_load(store, s->certificate_id, &c, e);

	*ret_left = false;
	if (r != 0 || c == NULL || !all_optional(c, failed))
		return r;
	r = renewal_left_out(store, c->id, &left, &left_at, e);
	if (r != 0)
		return r;
	add_new(&left, failed);
	r = renewal_leave_out(store, c->id, &left, step_now(s), e);
	if (r != 0)
		return r;
	names = strlist_join(failed, ", ");
	step_event(s, "left-out", "%s: %s", names, why->text);
	err_while(why, "optional, and left out for a day: %s", names);
	why->code = ERR_NET;
	(void)err_because(why, CAUSE_INTERRUPTED);
	*ret_left = true;
	return 0;
}

int leave_out_none(struct store *store, const struct certificate *c, const struct strlist *names,
		   struct err *e)
{
	struct strlist left AUTO_STRLIST = {0};
	struct strlist still AUTO_STRLIST = {0};
	int64_t left_at;
	int r;

	if (c->optional.count == 0)
		return 0;
	r = renewal_left_out(store, c->id, &left, &left_at, e);
	for (size_t i = 0; i < left.count; i++)
		if (!strlist_has(names, left.items[i]))
			strlist_add(&still, left.items[i]);
	if (r != 0 || still.count == left.count)
		return r;
	return renewal_leave_out(store, c->id, &still, left_at, e);
}
