/* SPDX-License-Identifier: MIT
 *
 * account — the machine that registers an account at a CA (RFC 8555 7.3).
 *
 *     KEY ⇒ REGISTER ⇒ READY ⇒ DEAD            (later: READY ⇒ ROLL ⇒ READY)
 *
 * 1. The key is durable before newAccount goes out.
 * 2. REGISTER may run twice: the CA answers a second newAccount with the same key by the account
 *    it has (200 and its Location), so no account is doubled. After a crash it asks with
 *    onlyReturnExisting first (7.3.1) and registers only what the CA does not know.
 * 3. One account for each (CA, configuration entry); orders of one that is not READY wait in NEW.
 * 4. DEAD is not used any more; while it has a URL the CA has yet to be told (7.3.6). Telling it
 *    twice does no harm: the second time it refuses, and that is an answer, too.
 * 5. Terms of service are agreed to by the operator only (7.3.3).
 */
#include "acme/retry.h"
#include "agent/config/secret.h"
#include "agent/engine.h"
#include "agent/machines.h"
#include "agent/work.h"
#include "base/log.h"
#include "store/keys.h"

#include <stdio.h>
#include <stdlib.h>

static const struct stage stage_account_key, stage_register, stage_ready, stage_dead;

struct account_memory {
	struct account *account;
	bool existing; /* ask for the account that may be there already */
};

static const struct stage *account_stage(const char *name)
{
	if (str_equal(name, "register"))
		return &stage_register;
	if (str_equal(name, "dead"))
		return &stage_dead;
	return str_equal(name, "ready") ? &stage_ready : &stage_account_key;
}

static int account_machine_load(struct step *s, struct err *e)
{
	struct account_memory *m = mem_new(sizeof(*m));
	int r;

	s->memory = m;
	r = account_load(engine_store(s->engine), s->id, &m->account, e);
	if (r == 0 && m->account == NULL)
		r = err_set(e, ERR_SYS, "account %lld is gone", (long long)s->id);
	if (r != 0)
		return r;
	s->label = mem_str(m->account->server);
	s->standing = &m->account->standing;
	s->stage = s->saved = account_stage(m->account->stage);
	m->existing = s->stage == &stage_register;
	return 0;
}

static int account_machine_save(struct step *s, bool release, struct err *e)
{
	struct account_memory *m = s->memory;

	mem_set_str(&m->account->stage, s->saved != NULL ? s->saved->name : s->stage->name);
	return account_save(engine_store(s->engine), m->account, release, e);
}

static int account_machine_failed(struct step *s, const struct err *why, struct err *e)
{
	if (why->cause == CAUSE_BAD_NONCE) {
		step_rests(s, why);
		return 0;
	}
	return step_parks(s, why, e);
}

static void account_machine_forget(struct step *s)
{
	struct account_memory *m = s->memory;

	if (m == NULL)
		return;
	account_free(m->account);
	free(TAKE(s->memory));
	s->standing = NULL;
}

const struct machine machine_account = {
	.name = "account",
	.claim = CLAIM_ACCOUNT,
	.load = account_machine_load,
	.save = account_machine_save,
	.failed = account_machine_failed,
	.forget = account_machine_forget,
};

int account_forgotten(struct store *store, int64_t account_id, struct err *e)
{
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	bool taken = false;
	int r;

	r = account_load(store, account_id, &a, e);
	if (r != 0 || a == NULL || !str_equal(a->stage, stage_ready.name))
		return r; /* somebody has begun to */
	r = claim_take(store, CLAIM_ACCOUNT, account_id, &taken, e);
	if (r != 0 || !taken)
		return r;
	account_free(TAKE(a));
	r = account_load(store, account_id, &a, e);
	if (r != 0)
		return r;
	mem_set_str(&a->stage, stage_register.name);
	mem_set_str(&a->url, NULL);
	a->standing.attempts = 0;
	return account_save(store, a, true, e);
}

/* One that exists already is read when this is heard: nothing goes out. */
static int account_key_ask(struct step *s, struct err *e)
{
	const struct account_memory *m = s->memory;

	return m->account->key_reference == NULL ? work_key(s, KEY_EC256, e) : 0;
}

static int account_key_read(struct step *s, struct key **ret_key, struct err *e)
{
	struct account_memory *m = s->memory;
	struct buf pem AUTO_BUF = {0};
	int r;

	buf_init_secret(&pem, CONFIG_SECRET_MAX);
	r = config_secret_read(m->account->key_reference, &pem, e);
	if (r == 0)
		r = key_load(pem.data, pem.len, ret_key, e);
	m->existing = true; /* so may be its account */
	return r != 0 ? err_while(e, "the account's key, %s", m->account->key_reference) : 0;
}

static int account_key_hear(struct step *s, struct work *w, struct err *e)
{
	struct account_memory *m = s->memory;
	AUTO_KEY struct key *read = NULL;
	int r = 0;

	if (w != NULL && w->error.code != ERR_NONE) {
		*e = w->error;
		return err_while(e, "making the account's key");
	}
	if (w == NULL)
		r = account_key_read(s, &read, e);
	if (r == 0)
		r = keys_put(engine_store(s->engine), w != NULL ? w->key : read,
			     &m->account->key_id, e);
	return r != 0 ? r : step_goes(s, &stage_register, e);
}

static int register_ask(struct step *s, struct err *e)
{
	struct account_memory *m = s->memory;
	struct strlist mails AUTO_STRLIST = {0};
	struct strlist contact AUTO_STRLIST = {0};

	strlist_add_split(&mails, m->account->contact, " ");
	for (size_t i = 0; i < mails.count; i++)
		strlist_addf(&contact, "mailto:%s", mails.items[i]);
	if (!m->existing)
		step_log(s, LOG_NOTICE, "registering an account");
	return work_ca(s, 0, s->id, request_new_account(&contact, m->account->agreed, m->existing),
		       e);
}

/* What the directory knows about the refusal: its terms, or that an external account is needed. */
static int register_refused(struct step *s, struct work *w, struct err *e)
{
	struct account_memory *m = s->memory;
	const struct acme_directory *directory = NULL;
	struct session *session = NULL;
	int r = retry_error(w->response->problem, w->response->retry_after, step_now(s), e);

	if (engine_session(s->engine, m->account, &session, NULL) == 0)
		directory = session_directory(session);
	if (directory == NULL || r == ERR_BUSY || r == ERR_NET)
		return r;
	if (directory->external_account_required && m->account->eab_kid == NULL) {
		err_set(e, ERR_CONFIG,
			"the CA %s takes accounts only with an external account binding: give "
			"this account its \"eab\" in the configuration file (everleaf.yaml(5)), "
			"or choose another CA",
			s->label);
		snprintf(e->type, sizeof(e->type), "externalAccountRequired");
	} else if (!m->account->agreed && directory->terms_of_service != NULL) {
		err_set(e, ERR_CONFIG,
			"the CA %s asks you to agree to its terms of service: read %s and run "
			"the command again with --agree-tos",
			s->label, directory->terms_of_service);
		snprintf(e->type, sizeof(e->type), "userActionRequired");
	}
	return e->code;
}

static int register_hear(struct step *s, struct work *w, struct err *e)
{
	struct account_memory *m = s->memory;

	if (w->error.code != ERR_NONE) {
		*e = w->error;
		return e->code;
	}
	if (m->existing && acme_problem_is(w->response->problem, "accountDoesNotExist")) {
		m->existing = false;
		step_waits(s, 0);
		return 0;
	}
	if (w->response->problem != NULL)
		return register_refused(s, w, e);
	if (w->response->location == NULL)
		return err_set(e, ERR_PROTOCOL, "the CA's answer to newAccount has no Location");
	mem_set_str(&m->account->url, w->response->location);
	*s->standing = (struct standing){.fence = s->standing->fence};
	snprintf(s->standing->owner, sizeof(s->standing->owner), "%s",
		 store_owner(engine_store(s->engine)));
	s->saved = &stage_ready;
	step_log(s, LOG_NOTICE, "the account is ready");
	return step_ends(s, &stage_ready, e);
}

static const struct stage stage_account_key = {
	.name = "key",
	.ask = account_key_ask,
	.hear = account_key_hear,
	.durable = true,
};

static const struct stage stage_register = {
	.name = "register",
	.ask = register_ask,
	.hear = register_hear,
	.durable = true,
};

static const struct stage stage_ready = {.name = "ready", .durable = true};

static int dead_ask(struct step *s, struct err *e)
{
	const struct account_memory *m = s->memory;

	return work_ca(s, 0, s->id, request_deactivate(m->account->url), e);
}

/* Refused: the CA does not know it, or knows that it is deactivated (7.3.6: 401). */
static int dead_hear(struct step *s, struct work *w, struct err *e)
{
	struct account_memory *m = s->memory;

	if (w->error.code != ERR_NONE) {
		*e = w->error;
		return err_while(e, "deactivating the account");
	}
	if (w->response->problem != NULL && w->response->status != 401 &&
	    w->response->status != 404 && !acme_problem_is(w->response->problem, "unauthorized") &&
	    !acme_problem_is(w->response->problem, "accountDoesNotExist"))
		return retry_error(w->response->problem, w->response->retry_after, step_now(s), e);
	mem_set_str(&m->account->url, NULL);
	step_log(s, LOG_INFO, "the account is deactivated");
	return step_ends(s, &stage_dead, e);
}

static const struct stage stage_dead = {
	.name = "dead",
	.ask = dead_ask,
	.hear = dead_hear,
	.durable = true,
};
