/* SPDX-License-Identifier: MIT
 *
 * schedule_deploy — see the header.
 */
#include "agent/schedule_deploy.h"

#include "agent/window.h"

#include <stdio.h>

#define HOUR      3600
#define NO_WINDOW (8 * 86400) /* window_next looks so far ahead */

static struct schedule_deploy at(int64_t when, const char *why)
{
	struct schedule_deploy s = {.when = when};

	snprintf(s.why, sizeof(s.why), "%s", why);
	return s;
}

/* The window is closed. */
static struct schedule_deploy schedule_closed(const struct schedule_deploy_input *in, int64_t opens)
{
	int64_t end = in->served->not_after;
	int64_t latest = end - (end - in->served->not_before) / 6;

	if (end < opens + HOUR)
		return at(in->now, "what is served ends before its window opens");
	if (latest <= in->now)
		return at(in->now, "what is served has less than a sixth of its lifetime left");
	if (latest < opens)
		return at(latest, "a sixth of the lifetime of what is served is left then");
	return at(opens, "its window opens then");
}

struct schedule_deploy schedule_deploy(const struct schedule_deploy_input *in)
{
	struct window w;
	int64_t opens;

	if (in->window == NULL || in->window[0] == '\0')
		return at(in->now, "it has no window");
	if (in->by_hand)
		return at(in->now, "somebody asked for it");
	if (in->served == NULL)
		return at(in->now, "nothing is served yet");
	if (window_parse(in->window, &w, NULL) != 0)
		return at(in->now, "its window cannot be read");
	opens = window_next(&w, in->now);
	if (opens == in->now)
		return at(in->now, "its window is open");
	return schedule_closed(in, opens >= 0 ? opens : in->now + NO_WINDOW);
}
