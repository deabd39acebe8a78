/* SPDX-License-Identifier: MIT
 *
 * renewal_info — the machine that asks the CA when a certificate is to be renewed (RFC 9773).
 *
 *     ASK ⇒ KNOWN            and ASK again when the CA or the error says (acme/renewal_info.h)
 *
 * 1. It never blocks or hurries a renewal by failing: without a valid answer the lifetime decides
 *    (agent/schedule.c). What failed is kept for people, and is no failure of the certificate.
 * 2. What is asked about is the live version, while it is not expired; the answer is void as soon
 *    as another one is live (4.3).
 * 3. The row is claimed, so two processes do not ask twice.
 */
#include "acme/renewal_info.h"

#include "acme/retry.h"
#include "agent/engine.h"
#include "agent/machines.h"
#include "agent/work.h"
#include "base/log.h"
#include "store/renewal_info.h"

#include <stdlib.h>

#define DAY 86400

static const struct stage stage_ask, stage_known;

struct info_memory {
	struct certificate *certificate;
	struct version *live;
	struct renewal_info *info;
};

static struct info_memory *memory(const struct step *s)
{
	return s->memory;
}

static int info_machine_load(struct step *s, struct err *e)
{
	struct info_memory *m = mem_new(sizeof(*m));
	struct store *store = engine_store(s->engine);
	int r;

	s->memory = m;
	s->certificate_id = s->id;
	s->stage = s->saved = &stage_ask;
	r = certificate_load(store, s->id, &m->certificate, e);
	if (r == 0 && m->certificate != NULL)
		r = version_load(store, m->certificate->live_version_id, &m->live, e);
	if (r == 0)
		r = renewal_info_load(store, s->id, &m->info, e);
	if (r == 0 && (m->live == NULL || m->info == NULL))
		r = err_set(e, ERR_SYS, "certificate %lld is gone", (long long)s->id);
	if (r != 0)
		return r;
	s->label = mem_str(m->certificate->name);
	s->standing = &m->info->standing;
	return 0;
}

static int info_machine_save(struct step *s, bool release, struct err *e)
{
	return renewal_info_save(engine_store(s->engine), memory(s)->info, release, e);
}

static int info_ends(struct step *s, int64_t next_at, struct err *e)
{
	struct renewal_info *info = memory(s)->info;

	info->version_id = memory(s)->live->id;
	info->asked_at = step_now(s);
	info->standing.attempts = 0;
	info->standing.next_at = next_at;
	return step_ends(s, &stage_known, e);
}

static void info_forget_window(struct renewal_info *info)
{
	info->window_start = info->window_end = 0;
	info->urgent = false;
	mem_set_str(&info->explanation_url, NULL);
}

/* A window that was heard for this version stays: it is better than none. */
static int info_machine_failed(struct step *s, const struct err *why, struct err *e)
{
	struct info_memory *m = memory(s);
	struct standing *st = s->standing;
	int64_t now = step_now(s);

	if (m->info->version_id != m->live->id) {
		info_forget_window(m->info);
		m->info->refused = false;
		st->failures = 0;
	}
	if (why->cause == CAUSE_NO_RENEWAL_INFO) {
		st->error = (struct err){0};
		return info_ends(s, now + DAY, e); /* by then the directory is read again */
	}
	st->failures++;
	st->error = *why;
	st->error_at = now;
	step_log(s, LOG_INFO, "asking when to renew it: %s", why->text);
	return info_ends(s, now + renewal_info_retry(why, st->failures, now), e);
}

static void info_machine_forget(struct step *s)
{
	struct info_memory *m = memory(s);

	if (m == NULL)
		return;
	certificate_free(m->certificate);
	version_free(m->live);
	renewal_info_free(m->info);
	free(TAKE(s->memory));
	s->standing = NULL;
}

const struct machine machine_renewal_info = {
	.name = "renewal-info",
	.claim = CLAIM_RENEWAL_INFO,
	.load = info_machine_load,
	.save = info_machine_save,
	.failed = info_machine_failed,
	.forget = info_machine_forget,
};

static int ask_ask(struct step *s, struct err *e)
{
	const struct info_memory *m = memory(s);
	int64_t account = m->live->account_id;

	if (account == 0)
		account = m->certificate->account_id;
	return work_ca(s, 0, account, request_renewal_info(m->live->ari_id), e);
}

/* People are told when the CA moves a window that it had told before. */
static void info_moved(struct step *s, const struct acme_renewal_info *heard)
{
	const struct renewal_info *before = memory(s)->info;
	char from[CLOCK_TEXT_SIZE];
	char to[CLOCK_TEXT_SIZE];

	if (before->version_id != memory(s)->live->id || before->window_end == 0 ||
	    (before->window_start == heard->start && before->window_end == heard->end))
		return;
	clock_format(heard->start, from);
	clock_format(heard->end, to);
	step_log(s, LOG_NOTICE, "the CA now advises to renew it between %s and %s%s%s", from, to,
		 heard->explanation_url != NULL ? "; see " : "",
		 heard->explanation_url != NULL ? heard->explanation_url : "");
	step_event(s, "advised", "the CA advises to renew it between %s and %s%s%s", from, to,
		   heard->explanation_url != NULL ? "; see " : "",
		   heard->explanation_url != NULL ? heard->explanation_url : "");
}

/* A window that is over when it is first heard, although the version is young or had another one,
 * says that it is to be replaced at once (RFC 9773 4.2). One that time has left behind stays as it
 * is, and says nothing. */
static bool info_is_urgent(const struct info_memory *m, const struct acme_renewal_info *heard,
			   int64_t now)
{
	const struct renewal_info *before = m->info;
	bool same = before->version_id == m->live->id && before->window_end != 0;
	bool young = now - m->live->not_before < m->live->not_after - now;

	if (same && before->window_start == heard->start && before->window_end == heard->end)
		return before->urgent;
	return heard->end <= now && (same || young);
}

static int ask_hear(struct step *s, struct work *w, struct err *e)
{
	AUTO_RENEWAL_INFO struct acme_renewal_info *heard = NULL;
	struct renewal_info *info = memory(s)->info;
	int64_t retry_after;
	int r;

	if (w->error.code != ERR_NONE) {
		*e = w->error;
		return e->code;
	}
	retry_after = w->response->retry_after;
	if (w->response->problem != NULL)
		return retry_error(w->response->problem, retry_after, step_now(s), e);
	r = acme_renewal_info_parse(w->response->body.data, w->response->body.len, &heard, e);
	if (r != 0)
		return r;
	info_moved(s, heard);
	if (info->version_id != memory(s)->live->id)
		info->refused = false;
	info->urgent = info_is_urgent(memory(s), heard, step_now(s));
	info->window_start = heard->start;
	info->window_end = heard->end;
	mem_set_str(&info->explanation_url, heard->explanation_url);
	s->standing->failures = 0;
	s->standing->error = (struct err){0};
	return info_ends(s, step_now(s) + renewal_info_again(retry_after), e);
}

static const struct stage stage_ask = {
	.name = "ask", .ask = ask_ask, .hear = ask_hear, .durable = true};

static const struct stage stage_known = {.name = "known", .durable = true};
