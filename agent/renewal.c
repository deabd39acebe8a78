/* SPDX-License-Identifier: MIT
 *
 * renewal — the machine that turns a certificate that is due into an order.
 *
 *     KEY ⇒ (an order is born at NEW, owned by this process)
 *
 * It claims nothing and remembers nothing: two processes may make a key for the same certificate,
 * and the insert of the order decides the race (invariant 8 of stage.c). A key that no row names is
 * erased after a day.
 */
#include "acme/accept.h"
#include "agent/engine.h"
#include "agent/fallback.h"
#include "agent/machines.h"
#include "agent/outlook.h"
#include "agent/work.h"
#include "base/log.h"
#include "store/keys.h"

#include <stdlib.h>

#define CSR_MAX 65536

static const struct stage stage_key;

struct renewal_memory {
	struct certificate *certificate;
	struct wish *wish;
};

/* What is wanted, as it is now. ERR_CONFIG when it was deleted. */
static int renewal_read(struct step *s, struct err *e)
{
	struct renewal_memory *m = s->memory;
	int r;

	certificate_free(TAKE(m->certificate));
	wish_free(TAKE(m->wish));
	r = certificate_load(engine_store(s->engine), s->id, &m->certificate, e);
	if (r == 0 && (m->certificate == NULL || m->certificate->removed_at != 0))
		r = err_set(e, ERR_CONFIG, "the certificate was deleted");
	return r == 0 ? wish_parse(m->certificate->wish, &m->wish, e) : r;
}

static int renewal_machine_load(struct step *s, struct err *e)
{
	struct renewal_memory *m = mem_new(sizeof(*m));
	int r;

	s->memory = m;
	s->certificate_id = s->id;
	s->stage = &stage_key;
	r = renewal_read(s, e);
	if (m->certificate != NULL)
		s->label = mem_str(m->certificate->name);
	return r;
}

static int renewal_machine_save(struct step *s, bool release, struct err *e)
{
	(void)s, (void)release, (void)e;
	return 0;
}

static int renewal_machine_failed(struct step *s, const struct err *why, struct err *e)
{
	step_log(s, LOG_ERROR, "%s", why->text);
	s->over = true;
	return step_certificate_failed(s, why, e);
}

static void renewal_machine_forget(struct step *s)
{
	struct renewal_memory *m = s->memory;

	if (m == NULL)
		return;
	certificate_free(m->certificate);
	wish_free(m->wish);
	free(TAKE(s->memory));
}

const struct machine machine_renewal = {
	.name = "renewal",
	.claim = CLAIMABLES,
	.load = renewal_machine_load,
	.save = renewal_machine_save,
	.failed = renewal_machine_failed,
	.forget = renewal_machine_forget,
};

static int key_ask(struct step *s, struct err *e)
{
	struct renewal_memory *m = s->memory;
	int r = accept_clock(step_now(s), e);

	return r != 0 ? r : work_key(s, m->wish->key, e);
}

/* Neither a person asked for it before its time, nor is something else wanted. */
static bool order_renews(const struct step *s, const struct outlook *now)
{
	return now->next.what == SCHEDULE_RENEW &&
	       (now->next.due <= now->in.now || !engine_wants_now(s->engine, s->id));
}

/* For people, in the history: why this order is there at all. */
static void order_told(struct step *s, const struct order *o, const struct outlook *now)
{
	bool early = now->next.what == SCHEDULE_RENEW && !o->renews;
	const char *url = now->info != NULL && schedule_in_force(&now->in)
				  ? now->info->explanation_url
				  : NULL;
	AUTO_FREE char *names = strlist_join(&o->names, ", ");

	step_event(s, "ordered", "%s: %s%s%s", names,
		   early ? "somebody asked for it before it is due" : now->next.why,
		   !early && url != NULL ? "; see " : "", !early && url != NULL ? url : "");
}

static int order_fill(struct step *s, const struct key *key, struct order *o, struct err *e)
{
	struct renewal_memory *m = s->memory;
	struct outlook now AUTO_OUTLOOK = {0};
	int r = outlook_read(engine_store(s->engine), m->certificate, step_now(s), &now, e);

	if (r != 0)
		return r;
	o->replaces = outlook_replaces(engine_store(s->engine), &now);
	o->exempt = o->replaces != NULL && schedule_in_window(&now.in);
	o->renews = order_renews(s, &now);
	o->certificate_id = s->id;
	o->account_id = m->certificate->account_id;
	o->key_kind = mem_str(key_kind_name(m->wish->key));
	key_hash(key, o->key_hash);
	schedule_names(&now.in, &o->names);
	o->wish = mem_str(m->certificate->wish);
	o->stage = mem_str("new");
	o->created_at = step_now(s);
	order_told(s, o, &now);
	return key_csr(key, &o->names, &o->csr, e);
}

/* Key first, in its own file and commit; then the order that names it (invariant 4). */
static int order_born(struct step *s, const struct key *key, struct err *e)
{
	AUTO_ORDER_ROW struct order *o = mem_new(sizeof(*o));
	struct step *step;
	bool inserted = false;
	int r;

	buf_init(&o->csr, CSR_MAX);
	r = order_fill(s, key, o, e);
	if (r == 0)
		r = keys_put(engine_store(s->engine), key, &o->key_id, e);
	if (r == 0)
		r = order_insert(engine_store(s->engine), o, &inserted, e);
	if (r != 0 || !inserted)
		return r;
	step = engine_adopt(s->engine, &machine_order, o->id);
	step->wrote = true;
	r = machine_order.load(step, e);
	step->over = r != 0; /* its row is undone with this step */
	return r;
}

/* While the key was made, something else may have been wanted: the order is born of that. */
static int key_hear(struct step *s, struct work *w, struct err *e)
{
	struct renewal_memory *m = s->memory;
	int r;

	if (w->error.code != ERR_NONE) {
		*e = w->error;
		return err_while(e, "making a key");
	}
	r = renewal_read(s, e);
	if (r == 0 && m->wish->key != key_kind(w->key)) {
		step_waits(s, 0); /* another key */
		return 0;
	}
	if (r == 0)
		r = fallback_return(engine_store(s->engine), m->certificate, step_now(s), e);
	if (r == 0)
		r = order_born(s, w->key, e);
	if (r == 0)
		s->over = true;
	return r;
}

static const struct stage stage_key = {.name = "key", .ask = key_ask, .hear = key_hear};
