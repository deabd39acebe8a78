/* SPDX-License-Identifier: MIT
 *
 * notices — see notices.h. No clock and no store: everything comes in.
 */
#include "agent/notices.h"

const char *notice_event_name(enum notice_event event)
{
	static const char *const names[NOTICE_EVENTS] = {"none", "expiring", "failed", "renewed"};

	return names[event];
}

/* When a level begins: 1/4, 1/8, 1/16 of the lifetime before the end. */
static int64_t level_at(const struct version *v, int level)
{
	return v->not_after - (v->not_after - v->not_before) / (2 << level);
}

static void judge_level(const struct notice_input *in, struct notice_verdict *v)
{
	while (v->level < NOTICE_LEVELS && level_at(in->live, v->level + 1) <= in->now)
		v->level++;
	if (v->level < NOTICE_LEVELS)
		v->next_at = level_at(in->live, v->level + 1);
}

struct notice_verdict notice_judge(const struct notice_input *in)
{
	const struct notice *told = in->told;
	struct notice_verdict v = {.next_at = INT64_MAX};
	bool another = in->live != NULL && in->live->id != told->version_id;

	if (in->live != NULL)
		judge_level(in, &v);
	if (another && (told->level > 0 || told->failed))
		v.event = NOTICE_RENEWED;
	else if (v.level > (another ? 0 : told->level))
		v.event = NOTICE_EXPIRING;
	else if (in->renewal->failures >= NOTICE_FAILURES && !told->failed)
		v.event = NOTICE_FAILED;
	return v;
}
