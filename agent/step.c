/* SPDX-License-Identifier: MIT
 *
 * step — see step.h. The only file in which a stage changes.
 */
#include "agent/step.h"

#include "agent/engine_internal.h"
#include "agent/machines.h"
#include "base/log.h"
#include "store/event.h"

#include <stdlib.h>
#include <string.h>

struct step *step_new(struct engine *g, const struct machine *m, int64_t id)
{
	struct step *s = mem_new(sizeof(*s));

	s->engine = g;
	s->machine = m;
	s->id = id;
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
	log_line(LOG_INFO, "%s: %s %lld: %s -> %s", s->label, s->machine->name, (long long)s->id,
		 s->stage != NULL ? s->stage->name : "(start)", to->name);
	works_drop(s);
	s->stage = to;
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
		s->standing->failures = 0;
		s->standing->next_at = 0;
	}
	s->saved = to;
	s->wrote = true;
	return s->machine->save(s, false, e);
}

void step_waits(struct step *s, int64_t ms)
{
	s->waits = true;
	s->due_ms = clock_mono_ms(engine_clock(s->engine)) + ms;
}

void step_rests(struct step *s, const struct err *why)
{
	int64_t ms = (int64_t)1000 << (s->parks < 5 ? s->parks : 5);

	ms = ms < 30000 ? ms : 30000;
	log_line(LOG_NOTICE, "%s: %s; it is tried again in %lld s", s->label, why->text,
		 (long long)ms / 1000);
	s->parks++;
	works_drop(s);
	step_waits(s, ms);
}

int step_parks(struct step *s, const struct err *why, int64_t next_at, struct err *e)
{
	struct standing *st = s->standing;
	char when[CLOCK_TEXT_SIZE];

	st->attempts = 0; /* an orderly end of the claim; only crashes add up */
	st->next_at = next_at;
	st->error = *why;
	st->error_at = step_now(s);
	st->failures++;
	log_line(LOG_ERROR, "%s: %s; it goes on at %s", s->label, why->text,
		 clock_format(next_at, when));
	works_drop(s); /* what else was asked for is not heard any more */
	s->over = true;
	s->wrote = true;
	return s->machine->save(s, true, e);
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

void step_says(const struct step *s, const char *format, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = mem_vprintf(format, ap);
	va_end(ap);
	log_line(LOG_NOTICE, "%s: %s", s->label, text);
}
