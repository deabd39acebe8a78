/* SPDX-License-Identifier: MIT
 *
 * account — the machine that registers an account at a CA (RFC 8555 7.3), and asks about it when
 * the CA does not seem to know it any more.
 *
 *     KEY ⇒ REGISTER ⇒ READY ⇒ DEAD            (later: READY ⇒ ROLL ⇒ READY)
 *              ⇑       ⇑   ⇓
 *              ╞════ CHECK ╡                   CHECK: a request that it signed was refused
 *              │       ⇓   ⇓
 *              └════ REFUSED                   CHECK again a day later, or when a command needs it
 *
 *     READY → UPDATE ⇒ READY                   another contact is wanted than the CA was told
 *                    ⇒ CHECK
 *
 * 1. The key is durable before newAccount goes out.
 * 2. REGISTER may run twice: the CA answers a second newAccount with the same key by the account
 *    it has (200 and its Location), so no account is doubled. After a crash it asks with
 *    onlyReturnExisting first (7.3.1), which is a request of its own, and registers unless that
 *    finds one: CAs have many ways to say that there is none (retry_ends_lookup).
 * 3. One account for each (CA, configuration entry); orders of one that is not READY wait.
 * 4. DEAD is not used any more; while it has a URL the CA has yet to be told (7.3.6). Telling it
 *    twice does no harm: the second time it refuses, and that is an answer, too.
 * 5. Terms of service are agreed to by the operator only (7.3.3).
 * 6. CHECK looks the key up: a CA that has its account says so (⇒ READY: the refusal was about what
 *    was asked), one that has none gets it again (⇒ REGISTER), with the same key. One that was
 *    deactivated (401 or unauthorized, 7.3.6) is REFUSED and never replaced by itself, because
 *    somebody did that on purpose: that takes `account register --new`.
 * 7. A doubt is asked about once an hour and once in a run of a command at most (checked_at), so
 *    that a CA that registers what it then does not know makes no circle of it.
 * 8. UPDATE stands in no row: it is READY with a contact that differs from contact_told, which is
 *    what the CA has accepted (7.3.2). Telling it twice does no harm. Orders wait for the answer,
 *    but not for an UPDATE that is parked: a CA that wants another contact issues all the same.
 *    What a CA knew before (a key that exists already, 200 instead of 201) is read, not assumed.
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
#include <string.h>

#define DAY           86400
#define CHECKED_HOLDS 3600 /* seconds in which a refusal is believed to be about the request */

static const struct stage stage_account_key, stage_register, stage_ready, stage_update, stage_check,
	stage_refused, stage_dead;

struct account_memory {
	struct account *account;
	bool existing; /* ask for the account that may be there already */
};

static const struct stage *account_stage(const char *name)
{
	static const struct stage *const stages[] = {
		&stage_register, &stage_ready,   &stage_update,
		&stage_check,    &stage_refused, &stage_dead,
	};

	for (size_t i = 0; i < COUNT_OF(stages); i++)
		if (str_equal(stages[i]->name, name))
			return stages[i];
	return &stage_account_key;
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
	if (why->cause == CAUSE_BAD_NONCE && step_rests(s, why))
		return 0;
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

/* Whether the CA is to be asked (again) whether it knows the account. */
static bool check_is_time(const struct step *s, const struct account *a)
{
	int64_t now = step_now(s);

	return a->checked_at > now || now - a->checked_at >= CHECKED_HOLDS ||
	       (engine_hurries(s->engine) && a->checked_at < engine_began(s->engine));
}

int account_doubted(struct step *s, int64_t id, int64_t confirmed, bool *ret_waits, struct err *e)
{
	struct store *store = engine_store(s->engine);
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	int r;

	*ret_waits = true;
	r = account_load(store, id, &a, e);
	if (r != 0 || a == NULL || !account_is_ready(a) || a->confirmed != confirmed)
		return r; /* somebody has begun to, or has done so since the request was signed */
	*ret_waits = check_is_time(s, a);
	if (!*ret_waits)
		return 0;
	engine_poke(s->engine);
	return account_check(store, id, e);
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

/* RFC 8555 7.3: "mailto:" URLs. */
static void contact_urls(const char *contact, struct strlist *urls)
{
	struct strlist mails AUTO_STRLIST = {0};

	strlist_add_split(&mails, contact, " ");
	for (size_t i = 0; i < mails.count; i++)
		strlist_addf(urls, "mailto:%s", mails.items[i]);
}

static int register_ask(struct step *s, struct err *e)
{
	struct account_memory *m = s->memory;
	struct strlist contact AUTO_STRLIST = {0};

	if (m->existing)
		return work_ca(s, 0, s->id, request_find_account(), e);
	contact_urls(m->account->contact, &contact);
	step_log(s, LOG_NOTICE, "registering an account");
	return work_ca(s, 0, s->id, request_new_account(&contact, m->account->agreed), e);
}

/* --- what the CA says of an account that it had --- */

/* RFC 8555 7.3.6: 401 and unauthorized; some say 403. */
static bool says_refused(const struct acme_problem *p)
{
	return !acme_problem_is(p, "accountDoesNotExist") &&
	       (p->status == 401 || acme_problem_is(p, "unauthorized"));
}

/* RFC 8555 7.1.2. An answer without a status is taken for what its own status says. */
static bool shows_refused(const struct acme_response *answer)
{
	AUTO_ACCOUNT struct acme_account *shown = NULL;

	return acme_account_parse(answer->body.data, answer->body.len, &shown, NULL) == 0 &&
	       shown->status != ACME_VALID;
}

/* A day later it is asked again: what somebody did by mistake may have been taken back. */
static int account_refused(struct step *s, const struct work *w, struct err *e)
{
	const struct account *a = ((struct account_memory *)s->memory)->account;
	struct err why = {0};
	int r;

	if (w->response->problem != NULL)
		(void)retry_error(w->response->problem, 0, step_now(s), &why);
	else
		(void)err_set(&why, ERR_CONFIG, "the CA says that it is deactivated");
	why.code = ERR_CONFIG;
	(void)err_while(
		&why,
		"the CA %s refuses the account %s; everleaf account register --new makes "
		"another one%s",
		s->label, a->url != NULL ? a->url : "of this key",
		a->eab_kid != NULL ? " (its \"eab\" may be used up: give it a new one first)" : "");
	r = step_goes(s, &stage_refused, e);
	return r != 0 ? r : step_parks_until(s, &why, step_now(s) + DAY, e);
}

/* The other way round; a CA may have what is no mail address. The caller frees it. */
static char *contact_text(const struct strlist *urls)
{
	struct strlist mails AUTO_STRLIST = {0};

	for (size_t i = 0; i < urls->count; i++) {
		bool mail = strncmp(urls->items[i], "mailto:", 7) == 0;

		strlist_add(&mails, urls->items[i] + (mail ? 7 : 0));
	}
	return strlist_join(&mails, " ");
}

static bool contact_equal(const char *a, const char *b)
{
	struct strlist in_a AUTO_STRLIST = {0};
	struct strlist in_b AUTO_STRLIST = {0};

	strlist_add_split(&in_a, a, " ");
	strlist_add_split(&in_b, b, " ");
	strlist_sort(&in_a);
	strlist_sort(&in_b);
	return strlist_equal(&in_a, &in_b);
}

/* What the CA has now. accepted: it has taken ours. Otherwise its account was there already, and it
 * has what it says; where it says nothing it may keep nothing, so that it is told once. Nobody
 * asked us to take away what we have never told it. */
static void contact_heard(struct account *a, const struct acme_response *answer, bool accepted)
{
	AUTO_ACCOUNT struct acme_account *shown = NULL;

	if (acme_account_parse(answer->body.data, answer->body.len, &shown, NULL) == 0) {
		free(a->contact_kept);
		a->contact_kept = contact_text(&shown->contact);
		if (contact_equal(a->contact_kept, a->contact))
			mem_set_str(&a->contact_kept, a->contact);
	}
	if (accepted || (a->contact_told == NULL && a->contact[0] == '\0'))
		mem_set_str(&a->contact_told, a->contact);
	else if (a->contact[0] != '\0' && a->contact_kept != NULL && a->contact_kept[0] != '\0')
		mem_set_str(&a->contact_told, a->contact_kept);
}

static void account_calm(struct step *s)
{
	*s->standing = (struct standing){.fence = s->standing->fence};
	snprintf(s->standing->owner, sizeof(s->standing->owner), "%s",
		 store_owner(engine_store(s->engine)));
	s->saved = &stage_ready;
}

static int account_found(struct step *s, const struct work *w, struct err *e)
{
	struct account *a = ((struct account_memory *)s->memory)->account;
	bool known = a->url != NULL;

	if (shows_refused(w->response))
		return account_refused(s, w, e);
	if (w->response->location != NULL)
		mem_set_str(&a->url, w->response->location);
	a->confirmed++;
	a->checked_at = known ? step_now(s) : 0;
	contact_heard(a, w->response, w->response->status == 201);
	account_calm(s);
	step_log(s, LOG_NOTICE, "the account is %s",
		 s->stage == &stage_register ? "ready" : "known to the CA, as it was");
	return step_ends(s, &stage_ready, e);
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

/* Also an answer that names no account. */
static bool lookup_ended(const struct acme_response *answer)
{
	return answer->problem != NULL ? retry_ends_lookup(answer->problem, answer->retry_after)
				       : answer->location == NULL;
}

static int register_hear(struct step *s, struct work *w, struct err *e)
{
	struct account_memory *m = s->memory;

	if (w->error.code != ERR_NONE) {
		*e = w->error;
		return e->code;
	}
	if (m->existing && lookup_ended(w->response)) {
		m->existing = false;
		step_waits(s, 0);
		return 0;
	}
	if (w->response->problem != NULL && m->account->url != NULL &&
	    says_refused(w->response->problem))
		return account_refused(s, w, e);
	if (w->response->problem != NULL)
		return register_refused(s, w, e);
	if (w->response->location == NULL)
		return err_set(e, ERR_PROTOCOL, "the CA's answer to newAccount has no Location");
	return account_found(s, w, e);
}

static int check_ask(struct step *s, struct err *e)
{
	return work_ca(s, 0, s->id, request_find_account(), e);
}

static int check_hear(struct step *s, struct work *w, struct err *e)
{
	const struct acme_problem *p;

	if (w->error.code != ERR_NONE) {
		*e = w->error;
		return err_while(e, "asking the CA whether it knows the account");
	}
	p = w->response->problem;
	if (p == NULL)
		return account_found(s, w, e);
	if (says_refused(p))
		return account_refused(s, w, e);
	if (!retry_ends_lookup(p, w->response->retry_after))
		return register_refused(s, w, e);
	step_log(s, LOG_NOTICE, "the CA does not know the account any more");
	return step_goes(s, &stage_register, e);
}

static int update_ask(struct step *s, struct err *e)
{
	const struct account *a = ((struct account_memory *)s->memory)->account;
	struct strlist contact AUTO_STRLIST = {0};

	contact_urls(a->contact, &contact);
	return work_ca(s, 0, s->id, request_update_contact(a->url, &contact), e);
}

/* It is told again a day later, or when another one is wanted (account_configure). */
static int update_refused(struct step *s, const struct work *w, struct err *e)
{
	const struct account *a = ((struct account_memory *)s->memory)->account;
	const struct acme_problem *p = w->response->problem;
	struct err why = {0};
	int r;

	if ((says_refused(p) || acme_problem_is(p, "accountDoesNotExist")) && check_is_time(s, a))
		return step_goes(s, &stage_check, e);
	r = retry_error(p, w->response->retry_after, step_now(s), &why);
	(void)err_while(&why, "telling the CA %s that the contact is now %s", s->label,
			a->contact[0] != '\0' ? a->contact : "nobody");
	if (r != ERR_BUSY && r != ERR_NET)
		return step_parks_until(s, &why, step_now(s) + DAY, e);
	*e = why;
	return r;
}

static int update_hear(struct step *s, struct work *w, struct err *e)
{
	struct account *a = ((struct account_memory *)s->memory)->account;

	if (w->error.code != ERR_NONE) {
		*e = w->error;
		return err_while(e, "telling the CA another contact");
	}
	if (w->response->problem != NULL)
		return update_refused(s, w, e);
	if (shows_refused(w->response))
		return account_refused(s, w, e);
	contact_heard(a, w->response, true);
	account_calm(s);
	step_log(s, LOG_NOTICE, "the CA has the contact that is wanted now: %s",
		 a->contact[0] != '\0' ? a->contact : "nobody");
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

static const struct stage stage_update = {.name = "update", .ask = update_ask, .hear = update_hear};

static const struct stage stage_check = {
	.name = "check",
	.ask = check_ask,
	.hear = check_hear,
	.durable = true,
};

static const struct stage stage_refused = {
	.name = "refused",
	.ask = check_ask,
	.hear = check_hear,
	.durable = true,
};

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
