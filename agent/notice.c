/* SPDX-License-Identifier: MIT
 *
 * notice — the machine that tells the operator about a certificate, through the log and a program
 * of theirs (everleaf-hooks(7)).
 *
 *     TELL ⇒ TOLD        on failure: ⇒ TELL after a back-off; after the fourth, TOLD all the same
 *
 * 1. At least once: the program may run again after a crash.
 * 2. It writes to its own row only: whatever becomes of a notice, no renewal hears of it.
 * 3. At most NOTICES_AT_ONCE programs run at a time (look.c), however many certificates expire.
 */
#include "store/notice.h"
#include "agent/engine.h"
#include "agent/machines.h"
#include "agent/notices.h"
#include "agent/work.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define TRIES 4 /* after 1, 10 and 100 minutes */

static const struct stage stage_tell, stage_told;

struct notice_memory {
	struct notice *notice;
	struct certificate *certificate;
	struct version *live; /* or NULL */
	struct renewal renewal;
	struct notice_verdict verdict;
};

static void memory_clear(struct notice_memory *m)
{
	free(m->notice);
	certificate_free(m->certificate);
	version_free(m->live);
}

static int memory_read(struct store *store, int64_t id, int64_t now, struct notice_memory *m,
		       struct err *e)
{
	struct notice_input in = {.renewal = &m->renewal, .now = now};
	int r;

	r = notice_load(store, id, &m->notice, e);
	if (r == 0)
		r = certificate_load(store, id, &m->certificate, e);
	if (r == 0 && (m->notice == NULL || m->certificate == NULL))
		r = err_set(e, ERR_SYS, "certificate %lld is gone", (long long)id);
	if (r == 0 && m->certificate->live_version_id != 0)
		r = version_load(store, m->certificate->live_version_id, &m->live, e);
	if (r == 0)
		r = renewal_load(store, id, &m->renewal, e);
	if (r != 0)
		return r;
	in.live = m->live;
	in.told = m->notice;
	m->verdict = notice_judge(&in);
	return 0;
}

int notice_wanted(struct store *store, const struct clock *clock, int64_t certificate_id,
		  bool *ret_wanted, struct err *e)
{
	struct notice_memory m AUTO(memory_clear) = {0};
	int r = memory_read(store, certificate_id, clock_now(clock), &m, e);

	if (r != 0)
		return r;
	*ret_wanted = m.verdict.event != NOTICE_NONE;
	return *ret_wanted ? 0 : notice_look(store, certificate_id, m.verdict.next_at, e);
}

static int notice_machine_load(struct step *s, struct err *e)
{
	struct notice_memory *m = mem_new(sizeof(*m));
	int r;

	s->memory = m;
	s->certificate_id = s->id;
	r = memory_read(engine_store(s->engine), s->id, step_now(s), m, e);
	if (m->certificate != NULL)
		s->label = mem_str(m->certificate->name);
	if (m->notice == NULL)
		return r;
	s->standing = &m->notice->standing;
	s->stage = &stage_tell;
	s->saved = &stage_tell;
	return r;
}

static int notice_machine_save(struct step *s, bool release, struct err *e)
{
	const struct notice_memory *m = s->memory;

	return notice_save(engine_store(s->engine), m->notice, release, e);
}

/* What is told from now on is what was told now. */
static int notice_ends(struct step *s, struct err *e)
{
	struct notice_memory *m = s->memory;
	struct notice *n = m->notice;

	n->version_id = m->live != NULL ? m->live->id : 0;
	n->level = m->verdict.event == NOTICE_RENEWED ? 0 : m->verdict.level;
	n->failed = m->verdict.event == NOTICE_FAILED ||
		    (n->failed && m->verdict.event != NOTICE_RENEWED);
	n->told_at = step_now(s);
	n->standing.attempts = 0;
	n->standing.failures = 0;
	n->standing.next_at = 0; /* there may be another one */
	return step_ends(s, &stage_told, e);
}

static int notice_machine_failed(struct step *s, const struct err *why, struct err *e)
{
	struct notice_memory *m = s->memory;

	step_event(s, "notice-failed", "%s: %s", notice_event_name(m->verdict.event), why->text);
	if (m->notice->standing.failures + 1 < TRIES)
		return step_parks(s, why, e);
	log_line(LOG_ERROR, "%s: %s; this notice is given up", s->label, why->text);
	m->notice->standing.error = *why;
	m->notice->standing.error_at = step_now(s);
	return notice_ends(s, e);
}

static void notice_machine_forget(struct step *s)
{
	if (s->memory == NULL)
		return;
	memory_clear(s->memory);
	free(TAKE(s->memory));
	s->standing = NULL;
}

const struct machine machine_notice = {
	.name = "notice",
	.claim = CLAIM_NOTICE,
	.load = notice_machine_load,
	.save = notice_machine_save,
	.failed = notice_machine_failed,
	.forget = notice_machine_forget,
};

/* For people: one clause. The caller's. */
static char *notice_text(const struct notice_memory *m)
{
	const struct err *error = &m->renewal.error;
	char until[CLOCK_TEXT_SIZE] = "";

	if (m->live != NULL)
		clock_format(m->live->not_after, until);
	if (m->verdict.event == NOTICE_RENEWED)
		return mem_printf("there is a new certificate, valid until %s", until);
	if (m->verdict.event == NOTICE_FAILED)
		return mem_printf("%lld attempts have failed: %s", (long long)m->renewal.failures,
				  error->text);
	return mem_printf("the certificate is valid until %s only%s%s", until,
			  error->code != ERR_NONE ? ": " : "", error->text);
}

static void notice_environment(const struct notice_memory *m, struct strlist *environment)
{
	AUTO_FREE char *names = strlist_join(&m->certificate->names, " ");
	char until[CLOCK_TEXT_SIZE] = "";

	if (m->live != NULL)
		clock_format(m->live->not_after, until);
	strlist_addf(environment, "EVERLEAF_EVENT=%s", notice_event_name(m->verdict.event));
	strlist_addf(environment, "EVERLEAF_CERTIFICATE=%s", m->certificate->name);
	strlist_addf(environment, "EVERLEAF_NAMES=%s", names);
	strlist_addf(environment, "EVERLEAF_NOT_AFTER=%s", until);
	strlist_addf(environment, "EVERLEAF_LEVEL=%d", m->verdict.level);
	strlist_addf(environment, "EVERLEAF_ERROR=%s", m->renewal.error.text);
}

/* Without a program there is nothing to wait for: heard at once. */
static int tell_ask(struct step *s, struct err *e)
{
	const struct notice_memory *m = s->memory;
	struct strlist environment AUTO_STRLIST = {0};

	if (m->verdict.event == NOTICE_NONE || engine_notify(s->engine)->count == 0)
		return 0;
	notice_environment(m, &environment);
	return work_hook(s, engine_notify(s->engine), &environment, e);
}

static int tell_hear(struct step *s, struct work *w, struct err *e)
{
	const struct notice_memory *m = s->memory;
	AUTO_FREE char *text = notice_text(m);
	bool calm = m->verdict.event == NOTICE_RENEWED ||
		    (m->verdict.event == NOTICE_EXPIRING && m->verdict.level < 2);

	if (w != NULL && w->error.code != ERR_NONE) {
		*e = w->error;
		return err_while(e, "telling the operator");
	}
	if (m->verdict.event == NOTICE_NONE)
		return notice_ends(s, e);
	step_event(s, "notice", "%s: %s", notice_event_name(m->verdict.event), text);
	log_line(calm ? LOG_NOTICE : LOG_ERROR, "%s: %s", s->label, text);
	return notice_ends(s, e);
}

static const struct stage stage_tell = {
	.name = "tell",
	.ask = tell_ask,
	.hear = tell_hear,
	.durable = true,
};

static const struct stage stage_told = {.name = "told", .durable = true};
