/* SPDX-License-Identifier: MIT
 *
 * outlook — see the header.
 */
#include "agent/outlook.h"

int outlook_read(struct store *s, const struct certificate *c, int64_t now, struct outlook *ret,
		 struct err *e)
{
	int64_t left_at = 0;
	int r = renewal_load(s, c->id, &ret->renewal, e);

	if (r == 0 && c->live_version_id != 0)
		r = version_load(s, c->live_version_id, &ret->live, e);
	if (r == 0)
		r = renewal_info_load(s, c->id, &ret->info, e);
	if (r == 0 && c->optional.count > 0)
		r = renewal_left_out(s, c->id, &ret->left_out, &left_at, e);
	if (r == 0 && !certificate_is_of_command(c))
		r = wish_parse(c->wish, &ret->wish, e);
	if (r != 0)
		return r;
	ret->in = (struct schedule_input){
		.certificate = c,
		.live = ret->live,
		.renewal = &ret->renewal,
		.info = ret->info,
		.key_kind = ret->wish != NULL ? key_kind_name(ret->wish->key) : NULL,
		.left_out = &ret->left_out,
		.left_at = left_at,
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
	wish_free(o->wish);
	strlist_clear(&o->left_out);
	*o = (struct outlook){0};
}
