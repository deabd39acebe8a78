/* SPDX-License-Identifier: MIT
 *
 * outlook — see the header.
 */
#include "agent/outlook.h"

int outlook_read(struct store *s, const struct certificate *c, int64_t now, struct outlook *ret,
		 struct err *e)
{
	int r = renewal_load(s, c->id, &ret->renewal, e);

	if (r == 0 && c->live_version_id != 0)
		r = version_load(s, c->live_version_id, &ret->live, e);
	if (r == 0)
		r = renewal_info_load(s, c->id, &ret->info, e);
	if (r != 0)
		return r;
	ret->in = (struct schedule_input){
		.certificate = c,
		.live = ret->live,
		.renewal = &ret->renewal,
		.info = ret->info,
		.seed = store_seed(s),
		.now = now,
	};
	ret->next = schedule(&ret->in);
	return 0;
}

void outlook_clear(struct outlook *o)
{
	version_free(o->live);
	renewal_info_free(o->info);
	*o = (struct outlook){0};
}
