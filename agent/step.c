/* SPDX-License-Identifier: MIT
 *
 * step — see step.h. The only file in which a stage changes.
 */
#include "agent/step.h"

#include "acme/retry.h"
#include "agent/engine_internal.h"
#include "agent/machines.h"
#include "agent/schedule.h"
#include "base/log.h"
#include "store/event.h"
#include "store/renewal_info.h"
#include "store/version.h"

#include <stdlib.h>
#include <string.h>

struct step *step_new(struct engine *g, const struct machine *m, int64_t id)
{
	struct step *s = mem_new(sizeof(*s));

	s->engine = g;
	s->machine = m;
	s->id = id;
	s->since = step_now(s);
	return s;
}

void step_free(struct step *s)
{
	if (s == NULL)
		return;
	works_drop(s);
	works_free(s);
	s->machine->forget(s);
	free(s->label);
	free(s);
}

int64_t step_now(const struct step *s)
{
	return clock_now(engine_clock(s->engine));
}

uint32_t step_spread(const struct step *s)
{
	AUTO_FREE char *row = mem_printf("%s %lld", s->machine->name, (long long)s->id);
	uint8_t mac[32];
	uint32_t spread;

	hmac_sha256(store_seed(engine_store(s->engine)), 32, row, strlen(row), mac);
	memcpy(&spread, mac, sizeof(spread));
	return spread;
}

static void step_move(struct step *s, const struct stage *to)
{
	step_log(s, LOG_INFO, "%s %lld: %s -> %s", s->machine->name, (long long)s->id,
		 s->stage != NULL ? s->stage->name : "(start)", to->name);
	works_drop(s);
	s->stage = to;
	s->since = step_now(s);
	s->parks = 0;
	s->due_ms = 0;
}

int step_goes(struct step *s, const struct stage *to, struct err *e)
{
	step_move(s, to);
	if (!to->durable)
		return 0;
	if (s->standing != NULL && s->saved != to) {
		s->standing->attempts = 1;
		s->standing->failures = to->trying ? s->standing->failures : 0;
		s->standing->next_at = to->trying ? s->standing->next_at : 0;
	}
	s->saved = to;
	return step_keeps(s, e);
}

int step_keeps(struct step *s, struct err *e)
{
	s->wrote = true;
	return s->machine->save(s, false, e);
}

void step_waits(struct step *s, int64_t ms)
{
	s->waits = true;
	s->due_ms = clock_mono_ms(engine_clock(s->engine)) + ms;
}

bool step_rests(struct step *s, const struct err *why)
{
	int64_t ms = (int64_t)1000 << (s->parks < 5 ? s->parks : 5);

	if (s->parks >= STEP_RESTS)
		return false;

	ms = ms < 30000 ? ms : 30000;
	step_log(s, LOG_NOTICE, "%s; it is tried again in %lld s", why->text, (long long)ms / 1000);
	s->parks++;
	works_drop(s);
	step_waits(s, ms);
	return true;
}

/* How long a back-off may be because of the live certificate; of an account those that use it. */
static int64_t step_patience(const struct step *s)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	AUTO_VERSION struct version *live = NULL;
	AUTO_INFO_ROW struct renewal_info *info = NULL;
	struct store *store = engine_store(s->engine);
	int64_t now = step_now(s);
	int64_t end = 0;

	if (s->machine == &machine_account) {
		(void)certificate_first_end(store, s->id, &end, NULL);
		return schedule_patience(now, end, false);
	}
	if (s->certificate_id == 0 || certificate_load(store, s->certificate_id, &c, NULL) != 0 ||
	    c == NULL || c->live_version_id == 0 ||
	    version_load(store, c->live_version_id, &live, NULL) != 0 || live == NULL)
		return INT64_MAX;
	(void)renewal_info_load(store, c->id, &info, NULL);
	return schedule_patience(now, live->not_after,
				 info != NULL && info->version_id == live->id && info->urgent);
}

/* When it goes on, and whether the failure counts. */
static int64_t step_back_off(const struct step *s, const struct err *why, int64_t *failures,
			     const struct retry_wait *set)
{
	int64_t now = step_now(s);
	int64_t set_at = retry_until(set, now);
	int64_t patience = step_patience(s);
	int64_t wait;

	if (why->code == ERR_BUSY && why->retry_at > 0) {
		(*failures)++;
		return why->retry_at;
	}
	/* by hand, before its time: not when its end or its CA's advice made the time shorter */
	if (*failures > 0 && set_at > now && (set->retry_at != 0 || now - set->error_at < patience))
		return set_at;
	(*failures)++;
	wait = retry_backoff(*failures, step_spread(s));
	return now + (wait < patience ? wait : patience);
}

int step_parks(struct step *s, const struct err *why, struct err *e)
{
	return step_parks_before(s, why, INT64_MAX, e);
}

int step_parks_before(struct step *s, const struct err *why, int64_t latest, struct err *e)
{
	struct standing *st = s->standing;
	const struct retry_wait set = {st->next_at, st->error.retry_at, st->error_at};
	int64_t next_at = step_back_off(s, why, &st->failures, &set);

	return step_parks_until(s, why, next_at < latest ? next_at : latest, e);
}

int step_parks_until(struct step *s, const struct err *why, int64_t next_at, struct err *e)
{
	struct standing *st = s->standing;
	char when[CLOCK_TEXT_SIZE];

	st->error = *why;
	st->error_at = step_now(s);
	if (engine_rehearses(s->engine))
		step_log(s, LOG_ERROR, "%s", why->text);
	else
		step_log(s, LOG_ERROR, "%s; it goes on at %s", why->text,
			 clock_format(next_at, when));
	engine_says(s->engine, s->certificate_id);
	return step_postpones(s, next_at, e);
}

int step_postpones(struct step *s, int64_t next_at, struct err *e)
{
	s->standing->attempts = 0; /* an orderly end of the claim; only crashes add up */
	s->standing->next_at = next_at;
	works_drop(s); /* what else was asked for is not heard any more */
	s->over = true;
	s->wrote = true;
	return s->machine->save(s, true, e);
}

int step_certificate_failed(struct step *s, const struct err *why, struct err *e)
{
	struct store *store = engine_store(s->engine);
	struct renewal renewal = {0};
	struct retry_wait set;
	int r;

	engine_says(s->engine, s->certificate_id);
	r = renewal_load(store, s->certificate_id, &renewal, e);
	if (r != 0)
		return r;
	set = (struct retry_wait){renewal.next_at, renewal.error.retry_at, renewal.error_at};
	renewal.next_at = step_back_off(s, why, &renewal.failures, &set);
	renewal.replaced = 0;
	renewal.error = *why;
	renewal.error_at = step_now(s);
	return renewal_save(store, &renewal, e);
}

int step_ends(struct step *s, const struct stage *at, struct err *e)
{
	step_move(s, at);
	s->over = true;
	s->wrote = true;
	return s->machine->save(s, true, e);
}

bool step_all_heard(const struct step *s)
{
	return s->unheard == 0;
}

static struct event *event_of(const struct step *s, const char *kind)
{
	struct event *ev = mem_new(sizeof(*ev));

	ev->certificate_id = s->certificate_id;
	ev->order_id = s->machine == &machine_order ? s->id : 0;
	ev->kind = mem_str(kind);
	return ev;
}

int step_event(struct step *s, const char *kind, const char *format, ...)
{
	struct event *ev = event_of(s, kind);
	struct err e = {0};
	va_list ap;
	int r;

	va_start(ap, format);
	ev->text = mem_vprintf(format, ap);
	va_end(ap);
	r = event_record(engine_store(s->engine), ev, &e);
	free(ev->kind);
	free(ev->text);
	free(ev);
	return r;
}

void step_log(const struct step *s, enum log_level level, const char *format, ...)
{
	const struct log_about about = {
		.key = s->machine == &machine_account ? "ca" : "certificate",
		.label = s->label,
		.machine = s->machine->name,
		.id = s->id,
	};
	va_list ap;

	va_start(ap, format);
	log_about(level, &about, format, ap);
	va_end(ap);
}
