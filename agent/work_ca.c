/* SPDX-License-Identifier: MIT
 *
 * work_ca — requests to the CA as works. The account's row and key are read within the turn that
 * asks: outside of one the store may be another program's.
 *
 * An order's request that meets a passing error is asked again by itself, a few times: what the
 * order has begun (answers that the CA was told of, the other requests of the same stage) is not
 * given up for it.
 */
#include "agent/work.h"

#include "acme/binding.h"
#include "acme/jws.h"
#include "acme/retry.h"
#include "agent/config/secret.h"
#include "agent/engine.h"
#include "agent/machines.h"

#include <stdlib.h>

struct ca_data {
	struct engine *engine;
	struct account *account; /* as it was when this was asked */
	struct acme_request *request;
	struct watch *timer; /* until it is asked again */
	int repeats;
};

static void ca_data_free(void *data)
{
	struct ca_data *d = data;

	acme_request_free(d->request);
	account_free(d->account);
	free(d);
}

/* A registration: the secret is read at each signature, and kept no longer. */
static int ca_bind(const struct account *a, struct acme_binding *binding, const char *payload,
		   char **ret_payload, struct err *e)
{
	struct buf mac AUTO_BUF = {0};
	int r;

	buf_init_secret(&mac, CONFIG_SECRET_MAX);
	r = config_secret_read(a->eab_hmac_key, &mac, e);
	if (r != 0)
		return err_while(e, "external account binding");
	binding->mac = mac.data;
	binding->mac_len = mac.len;
	return acme_binding_add(binding, payload, ret_payload, e);
}

static int ca_sign(void *arg, const struct jws_header *header, const char *payload, struct buf *out,
		   struct err *e)
{
	struct ca_data *d = arg;
	const struct account *a = d->account;
	const struct key *key = NULL;
	AUTO_FREE char *bound = NULL;
	int r;

	r = engine_account_key(d->engine, a->key_id, &key, e);
	if (r == 0 && d->request->binds && a->eab_kid != NULL) {
		struct acme_binding binding = {
			.kid = a->eab_kid, .url = header->url, .account = key};

		r = ca_bind(a, &binding, payload, &bound, e);
	}
	if (r != 0)
		return r;
	return jws_sign(key, header, bound != NULL ? bound : payload, out, e);
}

static void ca_start(struct work *w);

static void ca_again(void *arg)
{
	struct work *w = arg;
	struct ca_data *d = w->data;

	d->timer = NULL;
	ca_start(w);
}

/* Why it is to be asked again: no usable answer, or an error of the CA's that names no time. */
static bool ca_passes(const struct acme_response *response, const struct err *e,
		      struct err *ret_why)
{
	if (response == NULL) {
		*ret_why = *e;
		return e->code == ERR_NET && e->cause != CAUSE_BAD_NONCE;
	}
	if (response->problem == NULL ||
	    retry_classify(response->problem, response->retry_after) != RETRY_LATER)
		return false;
	retry_error(response->problem, 0, 0, ret_why);
	return true;
}

/* newOrder only while a person waits: as long as the CA has no order, parking gives nothing up, and
 * what many certificates ask of a CA that is down stays little. */
static bool ca_repeats(struct work *w, const struct acme_response *response, const struct err *e)
{
	struct ca_data *d = w->data;
	struct err why = {0};
	int64_t ms = (int64_t)1000 << d->repeats;

	if (w->step->machine != &machine_order || d->repeats == WORK_CA_REPEATS ||
	    (d->request->target != ACME_TO_URL && !engine_hurries(d->engine)) ||
	    !ca_passes(response, e, &why))
		return false;
	d->repeats++;
	step_log(w->step, LOG_NOTICE, "%s; it is asked again in %lld s", why.text,
		 (long long)ms / 1000);
	w->handle = NULL;
	d->timer = loop_watch_timer(engine_loop(d->engine), ms, ca_again, w);
	return true;
}

static void ca_answered(void *arg, struct acme_response *response, const struct err *e)
{
	struct work *w = arg;

	engine_answered(w->step->engine, response == NULL || response->problem != NULL);
	if (ca_repeats(w, response, e)) {
		acme_response_free(response);
		return;
	}
	w->response = response;
	work_answer(w, e);
}

static int ca_submit(struct work *w, struct err *e)
{
	struct ca_data *d = w->data;
	struct session_signer signer = {.sign = ca_sign, .arg = d};
	const struct account *a = d->account;
	struct session *session = NULL;
	int r;

	r = engine_session(d->engine, a, &session, e);
	if (r != 0)
		return r;
	if (!d->request->with_jwk && !d->request->unsigned_get && a->url == NULL)
		return err_set(e, ERR_NET, "the account at %s is not registered yet", a->server);
	signer.kid = d->request->with_jwk || d->request->unsigned_get ? NULL : a->url;
	w->confirmed = a->confirmed;
	engine_asked(d->engine);
	w->handle = session_submit(session, d->request, &signer, ca_answered, w);
	return 0;
}

static void ca_start(struct work *w)
{
	struct err e = {0};

	if (ca_submit(w, &e) != 0)
		work_answer(w, &e);
}

static void ca_cancel(struct work *w)
{
	struct ca_data *d = w->data;

	loop_cancel(engine_loop(d->engine), d->timer);
	session_cancel(w->handle);
}

int work_ca(struct step *s, size_t index, int64_t account_id, struct acme_request *request,
	    struct err *e)
{
	struct ca_data *d = mem_new(sizeof(*d));
	const struct key *key = NULL;
	struct work *w;
	int r;

	d->engine = s->engine;
	d->request = request;
	r = account_load(engine_store(s->engine), account_id, &d->account, e);
	if (r == 0 && d->account == NULL)
		r = err_set(e, ERR_SYS, "the account %lld is gone", (long long)account_id);
	if (r == 0 && !request->unsigned_get)
		r = engine_account_key(s->engine, d->account->key_id, &key, e); /* to be had */
	if (r != 0) {
		ca_data_free(d);
		return r;
	}
	w = work_new(s, index);
	w->data = d;
	w->free_data = ca_data_free;
	w->start = ca_start;
	w->cancel = ca_cancel;
	return 0;
}
