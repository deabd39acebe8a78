/* SPDX-License-Identifier: MIT
 *
 * check — how bad it is: what a monitor is told of one certificate. Pure: everything comes in.
 *
 *     OK        all is well, or it will be without anybody
 *     WARNING   little of its lifetime is left; or it cannot be renewed, and the time for that is
 *               past by a twenty-fourth of its lifetime; or a deployment of it fails
 *     CRITICAL  very little is left, it has expired, or there is none and it cannot be got
 */
#ifndef AGENT_CHECK_H
#define AGENT_CHECK_H

#include "agent/report.h"

/* The numbers are the exit codes of Nagios' plugins. */
enum check_level {
	CHECK_OK = 0,
	CHECK_WARNING,
	CHECK_CRITICAL,
	CHECK_UNKNOWN,
	CHECK_LEVELS, /* how many */
};

/* How much may be left: a part of the lifetime, or days. */
struct check_limit {
	int64_t part; /* 1/part of it; 0: days */
	int64_t days;
};

struct check_limits {
	struct check_limit warning, critical;
};

/* "1/8", or a number of days. False: neither. */
bool check_limit_parse(const char *text, struct check_limit *ret_limit);

/* "OK", "WARNING", … */
const char *check_level_name(enum check_level level);

/* *ret_text: a clause for people. The caller's. */
enum check_level check_judge(const struct report *r, const struct check_limits *limits, int64_t now,
			     char **ret_text);

/* "34 days", "5 hours": whole ones, for people. The caller's. */
char *check_duration(int64_t seconds);

#endif
