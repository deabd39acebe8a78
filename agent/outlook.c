/* SPDX-License-Identifier: MIT
 *
 * outlook — see the header.
 */
#include "agent/outlook.h"

#include "acme/identifier.h"
#include "acme/types.h"
#include "store/account.h"
#include "store/directory.h"

#include <string.h>

/* Whether the CA's directory, as it was read last, offers renewal information. */
static bool ca_informs(struct store *store, int64_t account_id)
{
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	AUTO_DIRECTORY struct acme_directory *d = NULL;
	AUTO_FREE char *body = NULL;

	return account_load(store, account_id, &a, NULL) == 0 && a != NULL &&
	       directory_load_last(store, a->server, &body, NULL) == 0 && body != NULL &&
	       acme_directory_parse(body, strlen(body), &d, NULL) == 0 && d->renewal_info != NULL;
}

static bool shares_a_name(const struct strlist *a, const struct strlist *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (strlist_has(b, a->items[i]))
			return true;
	return false;
}

char *outlook_replaces(struct store *s, const struct outlook *o)
{
	const struct certificate *c = o->in.certificate;

	if (o->live == NULL || o->info == NULL || o->live->ari_id == NULL ||
	    o->live->account_id != c->account_id ||
	    (o->info->version_id == o->live->id && o->info->refused) ||
	    !shares_a_name(&o->live->names, &c->names) || !ca_informs(s, c->account_id))
		return NULL;
	return mem_str(o->live->ari_id);
}

/* What it has is for the same names, and of the same CA as far as that is known. */
static int outlook_renews(struct store *s, const struct outlook *o, const char *server,
			  bool *ret_renews, struct err *e)
{
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	AUTO_FREE char *names = identifier_set(&o->names);
	AUTO_FREE char *has = o->live != NULL ? identifier_set(&o->live->names) : NULL;
	int r = 0;

	*ret_renews = str_equal(names, has);
	if (*ret_renews && o->live->account_id != 0)
		r = account_load(s, o->live->account_id, &a, e);
	if (a != NULL && !str_equal(a->server, server))
		*ret_renews = false;
	return r;
}

/* What is not due has no limits yet, and what replaces one when the CA advises it has none at all.
 */
static int outlook_limit(struct store *s, struct outlook *o, struct err *e)
{
	const struct certificate *c = o->in.certificate;
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	AUTO_FREE char *replaces = NULL;
	int r;

	if (o->book == NULL || o->next.what == SCHEDULE_NOTHING ||
	    (!o->wanted && o->next.due > o->in.now))
		return 0;
	if (o->live != NULL && o->live->leaf == NULL) /* a glance: whose it was is not known */
		return 0;
	r = account_load(s, c->account_id, &a, e);
	if (r != 0 || a == NULL || !limits_known(a->server))
		return r;
	replaces = outlook_replaces(s, o);
	if (replaces != NULL && schedule_in_window(&o->in))
		return 0;
	r = limits_find(o->book, a->server, o->in.now, &o->limits, e);
	if (r != 0)
		return r;
	o->wish.account_id = c->account_id;
	schedule_names(&o->in, &o->names);
	o->wish.names = &o->names;
	r = outlook_renews(s, o, a->server, &o->wish.renews, e);
	if (r != 0)
		return r;
	o->limit = limits_judge(o->limits, &o->wish, o->in.now);
	limits_queue(o->limits, &o->wish, o->in.now);
	o->in.limit = &o->limit;
	o->next = schedule(&o->in);
	return 0;
}

/* What is not due needs no pace. */
static int outlook_pace(struct store *s, struct outlook *o, struct err *e)
{
	int r;

	if (o->next.what != SCHEDULE_RENEW || o->next.due > o->in.now)
		return 0;
	r = version_previous_at(s, o->live, &o->in.previous_at, e);
	if (r == 0)
		o->next = schedule(&o->in);
	return r;
}

/* What is not due is asked for by a person, and may be. */
static int outlook_refused(struct store *s, struct outlook *o, struct err *e)
{
	struct strlist names AUTO_STRLIST = {0};
	struct past_refusals past = {0};
	int r;

	if (o->next.what == SCHEDULE_NOTHING || o->next.due > o->in.now)
		return 0;
	schedule_names(&o->in, &names);
	r = past_refusals_read(s, o->in.certificate, &names, &past, e);
	if (r != 0 || past.count == 0)
		return r;
	o->in.refusals = past.count;
	o->in.refused_at = past.last_at;
	o->next = schedule(&o->in);
	return 0;
}

static int outlook_judge(struct store *s, const struct certificate *c, int64_t now,
			 struct outlook *ret, struct err *e)
{
	int64_t left_at = 0;
	int r = renewal_load(s, c->id, &ret->renewal, e);

	if (r == 0)
		r = renewal_info_load(s, c->id, &ret->info, e);
	if (r == 0 && c->optional.count > 0)
		r = renewal_left_out(s, c->id, &ret->left_out, &left_at, e);
	if (r == 0 && !certificate_is_of_command(c))
		r = wish_parse(c->wish, &ret->want, e);
	if (r != 0)
		return r;
	ret->in = (struct schedule_input){
		.certificate = c,
		.live = ret->live,
		.renewal = &ret->renewal,
		.info = ret->info,
		.key_kind = ret->want != NULL ? key_kind_name(ret->want->key) : NULL,
		.left_out = &ret->left_out,
		.left_at = left_at,
		.seed = store_seed(s),
		.now = now,
	};
	ret->next = schedule(&ret->in);
	r = outlook_pace(s, ret, e);
	if (r == 0)
		r = outlook_refused(s, ret, e);
	return r == 0 ? outlook_limit(s, ret, e) : r;
}

int outlook_read(struct store *s, const struct certificate *c, int64_t now, struct outlook *ret,
		 struct err *e)
{
	int r = c->live_version_id != 0 ? version_load(s, c->live_version_id, &ret->live, e) : 0;

	return r == 0 ? outlook_judge(s, c, now, ret, e) : r;
}

int outlook_glance(struct store *s, const struct certificate *c, int64_t now, struct outlook *ret,
		   struct err *e)
{
	int r = c->live_version_id != 0 ? version_glance(s, c->live_version_id, &ret->live, e) : 0;

	return r == 0 ? outlook_judge(s, c, now, ret, e) : r;
}

int outlook_rooms_read(struct store *s, const struct certificate *c, int64_t now,
		       struct outlook_rooms *ret, struct err *e)
{
	const struct limit_wish wish = {.account_id = c->account_id, .names = &c->names};
	struct limits_book book AUTO_LIMITS_BOOK = {.store = s};
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	struct limits *limits = NULL;
	int r = account_load(s, c->account_id, &a, e);

	if (r == 0 && a != NULL)
		r = limits_find(&book, a->server, now, &limits, e);
	if (r == 0 && limits != NULL)
		ret->count = limits_room(limits, &wish, now, &ret->rooms);
	return r;
}

void outlook_clear(struct outlook *o)
{
	version_free(o->live);
	renewal_info_free(o->info);
	wish_free(o->want);
	strlist_clear(&o->left_out);
	strlist_clear(&o->names);
	*o = (struct outlook){0};
}

/* An old version that is damaged holds no new one up: nothing is known to be served. */
static int outlook_served(struct store *s, int64_t id, struct version **ret_served, struct err *e)
{
	struct err why = {0};
	int r = version_load(s, id, ret_served, &why);

	if (r == ERR_SYS)
		return 0;
	if (r != 0)
		*e = why;
	return r;
}

int outlook_deploy(struct store *s, const struct deployment *d, struct schedule_deploy_input in,
		   struct schedule_deploy *ret, struct err *e)
{
	AUTO_VERSION struct version *served = NULL;
	int64_t before = 0;
	int r = 0;

	if (in.window != NULL && in.window[0] != '\0')
		r = deployment_before(s, d, &before, e);
	if (r == 0 && before != 0)
		r = outlook_served(s, before, &served, e);
	if (r != 0)
		return r;
	in.served = served;
	*ret = schedule_deploy(&in);
	return 0;
}
