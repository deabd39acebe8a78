/* SPDX-License-Identifier: MIT
 *
 * session_clock — whether this machine's clock is that of the CA, before an order is asked for: a
 * certificate is judged by our clock, and one that is refused is spent.
 */
#include "acme/session_state.h"

#include "acme/retry.h"

#include <stdio.h>

#define FRESH_MS 10000 /* what came longer ago says little of a clock that somebody may set */

void session_note_date(struct session *s, const struct http_response *http)
{
	int64_t date;

	if (!retry_date_parse(http_header(http, "date", 0), clock_now(s->clock), &date))
		return;
	s->date = date;
	s->date_ms = clock_mono_ms(s->clock);
}

/* "3 days", "2 hours", "6 minutes" */
static const char *span(int64_t seconds, char text[32])
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}};
	size_t i = 0;

	while (i < 2 && seconds < 2 * units[i].seconds)
		i++;
	snprintf(text, 32, "%lld %ss", (long long)(seconds / units[i].seconds), units[i].unit);
	return text;
}

static int clock_is_wrong(int64_t now, int64_t ca, struct err *e)
{
	char ours[CLOCK_TEXT_SIZE], theirs[CLOCK_TEXT_SIZE], text[32];

	return err_set(e, ERR_CONFIG,
		       "the clock of this machine says %s and that of the CA %s: it is %s %s; set "
		       "it (timedatectl set-ntp true), nothing is ordered before that (should the "
		       "CA's clock be the wrong one, its operator has to)",
		       clock_format(now, ours), clock_format(ca, theirs),
		       span(now > ca ? now - ca : ca - now, text), now > ca ? "ahead" : "behind");
}

int session_check_clock(struct session *s, struct err *e)
{
	int64_t since_ms = clock_mono_ms(s->clock) - s->date_ms;
	int64_t now = clock_now(s->clock);
	int64_t ca = s->date + since_ms / 1000;

	if (s->date == 0 || (ca - now <= SESSION_CLOCK_SKEW && now - ca <= SESSION_CLOCK_SKEW))
		return 0;
	if (since_ms <= FRESH_MS)
		return clock_is_wrong(now, ca, e);
	s->date = 0;
	nonces_clear(&s->nonces);
	return 1;
}
