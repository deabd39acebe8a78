/* SPDX-License-Identifier: MIT
 *
 * DOWNLOAD — fetches the certificate (RFC 8555 7.4.2), accepts or refuses it, and makes a version
 * of it with all its deployments in one transaction (invariant 4).
 *
 * May run twice: the CA hands out the same certificate again. What is refused is never published;
 * the one that is live stays live.
 */
#include "agent/stage.h"

#include "acme/accept.h"
#include "agent/engine.h"
#include "agent/leave_out.h"
#include "agent/targets.h"
#include "store/deployment.h"

#include <stdio.h>
#include <stdlib.h>

static int download_ask(struct step *s, struct err *e)
{
	struct order_memory *m = order_memory(s);

	if (m->acme == NULL)
		return step_goes(s, &stage_read, e);
	if (m->acme->certificate == NULL)
		return err_set(e, ERR_PROTOCOL, "the CA's order is valid but names no certificate");
	return order_asks(s, 0, request_certificate(m->acme->certificate), e);
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
	if (r != 0)
		return r;
	wish.live_not_before = live != NULL ? live->not_before : 0;
	r = accept_chain(w->response->body.data, w->response->body.len, &wish, ret_chain, e);
	return r != 0 ? err_while(e, "the issued certificate is refused%s",
				  live != NULL ? ", the present one stays" : "")
		      : 0;
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
	return version_insert(engine_store(s->engine), v, e);
}

static int renewal_succeeded(struct step *s, struct err *e)
{
	struct renewal renewal = {
		.certificate_id = s->certificate_id,
		.succeeded_at = step_now(s),
	};

	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct store *store = engine_store(s->engine);
	int r = renewal_save(store, &renewal, e);

	if (r == 0)
		r = certificate_load(store, s->certificate_id, &c, e);
	if (r != 0 || c == NULL)
		return r;
	return leave_out_none(store, c, &order_memory(s)->order->names, e);
}

static int download_hear(struct step *s, struct work *w, struct err *e)
{
	AUTO_CHAIN struct x509_chain *chain = NULL;
	AUTO_VERSION struct version *v = mem_new(sizeof(*v));
	char until[CLOCK_TEXT_SIZE];
	int r;

	r = order_problem(s, w, e);
	if (r == 0)
		r = order_wanted(s, e);
	if (r == 0)
		r = download_accept(s, w, &chain, e);
	if (r == 0)
		r = version_new(s, chain, v, e);
	if (r == 0)
		r = deployment_supersede(engine_store(s->engine), s->certificate_id, v->id, e);
	if (r == 0)
		r = targets_deploy(engine_store(s->engine), v, order_memory(s)->wish->deploy, e);
	if (r == 0)
		r = renewal_succeeded(s, e);
	if (r != 0)
		return r;
	step_event(s, "issued", "certificate %s, valid until %s, issued by %s", v->serial,
		   clock_format(v->not_after, until), v->issuer);
	step_log(s, LOG_NOTICE, "the certificate is issued, valid until %s", until);
	order_memory(s)->order->version_id = v->id;
	s->standing->error = (struct err){0};
	return order_withdraws(s, e);
}

const struct stage stage_download = {
	.name = "download", .ask = download_ask, .hear = download_hear};
