/* SPDX-License-Identifier: MIT
 *
 * DOWNLOAD — fetches the certificate (RFC 8555 7.4.2), accepts or refuses it, and makes a version
 * of it with all its deployments in one transaction (invariant 4). When the chain that came cannot
 * be used, the other ones that the CA offers for the certificate are fetched before it is refused.
 *
 * May run twice: the CA hands out the same certificate again. What is refused is never published;
 * the one that is live stays live, and the order's row remembers that the CA did issue.
 */
#include "agent/stage.h"

#include "acme/accept.h"
#include "agent/engine.h"
#include "agent/leave_out.h"
#include "agent/schedule.h"
#include "agent/targets.h"
#include "store/deployment.h"
#include "store/renewal_info.h"

#include <stdio.h>
#include <stdlib.h>

#define DOWNLOAD_LIMIT    3 /* requests of one step for a chain that cannot be read */
#define DOWNLOAD_PATIENCE 3 /* how often the order is parked for what does not come */

static int download_ask(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);
	const char *url;

	if (m->acme == NULL)
		return step_goes(s, &stage_read, e);
	url = m->acme->certificate;
	if (m->refusal.code != ERR_NONE)
		url = m->alternates.items[m->alternate];
	if (url == NULL)
		return err_set(e, ERR_PROTOCOL, "the CA's order is valid but names no certificate");
	return order_asks(s, 0, request_certificate(url), e);
}

/* As the CA says, else as it was asked for. NULL: the CA's default. */
static const char *profile_of(const struct order_memory *m)
{
	if (m->acme != NULL && m->acme->profile != NULL)
		return m->acme->profile;
	return json_get_text(m->wish->root, "profile");
}

/* The CA wants it gone while most of its life is left, as after a revocation. */
static int is_called_back(struct step *s, const struct version *live, bool *ret_called,
			  struct err *e)
{
	AUTO_INFO_ROW struct renewal_info *info = NULL;
	int64_t now = step_now(s);
	int r = renewal_info_load(engine_store(s->engine), s->certificate_id, &info, e);

	if (r == 0)
		*ret_called = info != NULL && info->version_id == live->id &&
			      info->window_end != 0 && info->window_start <= now &&
			      live->not_after - now > (live->not_after - live->not_before) / 2;
	return r;
}

/* From the same CA, by the same profile and for the same, it has to live on. Else an earlier end is
 * no mistake of the CA's, or better than what is live. */
static int wish_of_live(struct step *s, const struct version *live, struct accept_wish *wish,
			struct err *e)
{
	const struct order_memory *m = order_memory(s);
	struct strlist names AUTO_STRLIST = {0};
	bool called = false;
	int r = is_called_back(s, live, &called, e);

	strlist_copy(&names, &m->order->names);
	strlist_sort(&names);
	wish->live_not_before = live->not_before;
	if (!called && live->account_id == m->order->account_id &&
	    str_equal(live->profile, profile_of(m)) && strlist_equal(&live->names, &names) &&
	    str_equal(live->key_kind, m->order->key_kind))
		wish->live_not_after = live->not_after;
	return r;
}

/* The CA has not taken our CSR, so it took somebody's: CAs hand an account that asks for the same
 * names again the order that is there (RFC 8555 7.4 allows it). */
static int download_of_another(struct err *e)
{
	err_set(e, ERR_PROTOCOL,
		"another machine with the same account has finished this order, and its "
		"certificate is for that one's key: give each machine an account of its own");
	return err_because(e, CAUSE_INTERRUPTED);
}

static int download_accept(struct step *s, const struct work *w, struct x509_chain **ret_chain,
			   struct err *e)
{
	const struct order *o = order_memory(s)->order;
	AUTO_CERTIFICATE struct certificate *c = NULL;
	AUTO_VERSION struct version *live = NULL;
	struct accept_wish wish = {
		.key_hash = o->key_hash,
		.names = &o->names,
		.now = step_now(s),
	};
	int r;

	r = certificate_load(engine_store(s->engine), s->certificate_id, &c, e);
	if (r == 0 && c != NULL && c->live_version_id != 0)
		r = version_load(engine_store(s->engine), c->live_version_id, &live, e);
	if (r == 0 && live != NULL)
		r = wish_of_live(s, live, &wish, e);
	if (r != 0)
		return r;
	r = accept_chain(w->response->body.data, w->response->body.len, &wish, ret_chain, e);
	if (r != 0 && e->cause == CAUSE_OTHER_KEY && !order_memory(s)->taken)
		return download_of_another(e);
	if (r != 0)
		e->cause = CAUSE_NONE; /* taken, it is a mistake of the CA's */
	return r != 0 ? err_while(e, "the issued certificate is refused%s",
				  live != NULL ? ", the present one stays" : "")
		      : 0;
}

/* What came is not taken: the next alternate is asked for. After the last one the order fails for
 * what is wrong with the default chain, which is the one that people know. */
static int download_next(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);

	if (m->refusal.code == ERR_NONE)
		m->refusal = *e;
	else
		m->alternate++;
	if (m->alternate >= m->alternates.count) {
		*e = m->refusal;
		return e->code;
	}
	step_log(s, LOG_INFO, "%s; the CA's alternate chain %zu of %zu is fetched", e->text,
		 m->alternate + 1, m->alternates.count);
	step_waits(s, 0);
	return 0;
}

/* Nothing came. The certificate is there, and to ask for it again costs nothing: its order is not
 * given up before that was tried a few times. An alternate is, unless it may come by itself. */
static int download_missed(struct step *s, int r, struct err *e)
{
	bool patient = s->standing->failures < DOWNLOAD_PATIENCE;
	bool passes = r == ERR_NET || r == ERR_BUSY;

	if (!passes && r != ERR_PROTOCOL && r != ERR_PROBLEM && r != ERR_CONFIG)
		return r;
	if (order_memory(s)->refusal.code != ERR_NONE)
		return passes && patient ? r : download_next(s, e);
	if (patient && !passes)
		e->code = ERR_NET;
	return e->code;
}

/* What cannot be read at all was damaged on its way, most likely. */
static bool is_damaged(const struct work *w)
{
	AUTO_CHAIN struct x509_chain *c = NULL;

	return x509_chain_parse(w->response->body.data, w->response->body.len, &c, NULL) != 0;
}

static int download_refused(struct step *s, const struct work *w, struct err *e)
{
	struct order_memory *m = order_memory(s);

	if (m->refusal.code == ERR_NONE) {
		if (is_damaged(w) && ++m->downloads < DOWNLOAD_LIMIT && step_rests(s, e))
			return 0;
		strlist_copy(&m->alternates, &w->response->alternates);
	}
	return download_next(s, e);
}

static void log_left_out(const struct step *s, const struct x509_chain *chain)
{
	const struct strlist *left_out = x509_chain_left_out(chain);

	for (size_t i = 0; i < left_out->count; i++)
		step_log(s, LOG_INFO, "left out of the chain: %s", left_out->items[i]);
}

static void hex(const uint8_t bytes[32], char text[65])
{
	for (size_t i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static int version_new(struct step *s, const struct x509_chain *chain, struct version *v,
		       struct err *e)
{
	const struct order *o = order_memory(s)->order;
	const struct x509_facts *facts = x509_chain_facts(chain, 0);
	char fingerprint[65];

	hex(facts->fingerprint, fingerprint);
	v->certificate_id = o->certificate_id;
	v->order_id = o->id;
	v->key_id = o->key_id;
	v->key_kind = mem_str(o->key_kind);
	v->serial = mem_str(facts->serial);
	v->issuer = mem_str(facts->issuer);
	v->fingerprint = mem_str(fingerprint);
	v->ari_id = mem_str(facts->ari_id);
	strlist_copy(&v->names, &facts->names);
	v->not_before = facts->not_before;
	v->not_after = facts->not_after;
	v->leaf = mem_str(x509_chain_leaf_pem(chain));
	v->chain = mem_str(x509_chain_rest_pem(chain));
	v->created_at = step_now(s);
	v->account_id = o->account_id;
	v->profile = mem_str(profile_of(order_memory(s)));
	return version_insert(engine_store(s->engine), v, e);
}

/* Renewed at once it would be due again: people are told, and it waits. */
static void renewal_slows(struct step *s, const struct version *v, struct renewal *renewal)
{
	char at[CLOCK_TEXT_SIZE], until[CLOCK_TEXT_SIZE];

	renewal->next_at = v->created_at + schedule_floor(v, renewal->hasty);
	renewal->error_at = v->created_at;
	err_set(&renewal->error, ERR_PROTOCOL,
		"the certificate was due for renewal when it was issued, since it ends at %s "
		"already: it is renewed at %s; ask the CA for longer lifetimes, and see whether "
		"the clocks are right",
		clock_format(v->not_after, until), clock_format(renewal->next_at, at));
	step_log(s, LOG_ERROR, "%s", renewal->error.text);
}

static int renewal_succeeded(struct step *s, const struct version *v, struct err *e)
{
	struct store *store = engine_store(s->engine);
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct renewal before = {0};
	struct renewal renewal = {
		.certificate_id = s->certificate_id,
		.succeeded_at = step_now(s),
	};
	struct schedule_input in = {
		.live = v, .renewal = &before, .seed = store_seed(store), .now = step_now(s)};
	int r = certificate_load(store, s->certificate_id, &c, e);

	if (r == 0)
		r = renewal_load(store, s->certificate_id, &before, e);
	if (r != 0 || c == NULL)
		return r;
	in.certificate = c;
	if (schedule_is_hasty(&in)) {
		renewal.hasty = before.hasty + 1;
		renewal_slows(s, v, &renewal);
	}
	r = renewal_save(store, &renewal, e);
	if (r != 0)
		return r;
	return leave_out_none(store, c, &order_memory(s)->order->names, e);
}

static int download_publish(struct step *s, const struct x509_chain *chain, struct err *e)
{
	AUTO_VERSION struct version *v = mem_new(sizeof(*v));
	char until[CLOCK_TEXT_SIZE];
	int r = version_new(s, chain, v, e);

	if (r == 0)
		r = deployment_supersede(engine_store(s->engine), s->certificate_id, v->id, e);
	if (r == 0)
		r = targets_deploy(engine_store(s->engine), v, order_memory(s)->wish->deploy, e);
	if (r == 0)
		r = renewal_succeeded(s, v, e);
	if (r != 0)
		return r;
	step_event(s, "issued", "certificate %s, valid until %s, issued by %s", v->serial,
		   clock_format(v->not_after, until), v->issuer);
	step_log(s, LOG_NOTICE, "the certificate is issued, valid until %s", until);
	order_memory(s)->order->version_id = v->id;
	s->standing->error = (struct err){0};
	return order_withdraws(s, e);
}

static int download_hear(struct step *s, struct work *w, struct err *e)
{
	AUTO_CHAIN struct x509_chain *chain = NULL;
	int r = order_wanted(s, e);

	if (r != 0)
		return r;
	r = order_problem(s, w, e);
	if (r != 0)
		return download_missed(s, r, e);
	r = download_accept(s, w, &chain, e);
	if (r == ERR_PROTOCOL)
		return download_refused(s, w, e);
	if (r != 0)
		return r;
	log_left_out(s, chain);
	return download_publish(s, chain, e);
}

const struct stage stage_download = {
	.name = "download", .ask = download_ask, .hear = download_hear};
