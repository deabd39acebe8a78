/* SPDX-License-Identifier: MIT
 *
 * check — see check.h.
 */
#include "agent/check.h"

#include <stdlib.h>

#define DAY      86400
#define MAX_PART 10000
#define MAX_DAYS 100000

const char *check_level_name(enum check_level level)
{
	static const char *const names[CHECK_LEVELS] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

	return names[level];
}

bool check_limit_parse(const char *text, struct check_limit *ret_limit)
{
	bool part = text[0] == '1' && text[1] == '/';
	char *end = NULL;
	long number;

	text += part ? 2 : 0;
	if (text[0] < '0' || text[0] > '9')
		return false;
	number = strtol(text, &end, 10);
	if (*end != '\0' || number > (part ? MAX_PART : MAX_DAYS) || (part && number == 0))
		return false;
	*ret_limit = (struct check_limit){.part = part ? number : 0, .days = part ? 0 : number};
	return true;
}

char *check_duration(int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{DAY, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
	size_t i = 0;

	while (i < COUNT_OF(units) - 1 && seconds < 2 * units[i].seconds)
		i++;
	seconds /= units[i].seconds;
	return mem_printf("%lld %s%s", (long long)seconds, units[i].name, seconds == 1 ? "" : "s");
}

static bool is_below(const struct check_limit *limit, int64_t left, int64_t lifetime)
{
	return left <= (limit->part != 0 ? lifetime / limit->part : limit->days * DAY);
}

static enum check_level judge_none(const struct report *r, char **ret_text)
{
	if (r->error.code == ERR_NONE) {
		*ret_text = mem_str("there is no certificate yet");
		return CHECK_WARNING;
	}
	*ret_text = mem_printf("there is no certificate yet: %s", r->error.text);
	return CHECK_CRITICAL;
}

/* That an attempt failed is nobody's trouble while there is time for many more. */
static bool is_overdue(const struct report *r, int64_t lifetime, int64_t now)
{
	return r->next.what != SCHEDULE_NOTHING && r->renewal.failures > 0 &&
	       now > r->next.due + lifetime / 24;
}

enum check_level check_judge(const struct report *r, const struct check_limits *limits, int64_t now,
			     char **ret_text)
{
	AUTO_FREE char *duration = NULL;
	int64_t left, lifetime;

	if (r->live == NULL)
		return judge_none(r, ret_text);
	left = r->live->not_after - now;
	lifetime = r->live->not_after - r->live->not_before;
	duration = check_duration(left < 0 ? -left : left);
	*ret_text = left <= 0 ? mem_printf("it expired %s ago", duration)
			      : mem_printf("it expires in %s", duration);
	if (r->error.code != ERR_NONE) {
		char *more = mem_printf("%s: %s", *ret_text, r->error.text);

		free(*ret_text);
		*ret_text = more;
	}
	if (left <= 0 || is_below(&limits->critical, left, lifetime))
		return CHECK_CRITICAL;
	if (is_below(&limits->warning, left, lifetime) || is_overdue(r, lifetime, now) ||
	    str_equal(r->state, "degraded"))
		return CHECK_WARNING;
	return CHECK_OK;
}
