/* SPDX-License-Identifier: MIT
 *
 * report — what is told about certificates, for people and as JSON (everleaf(1), "OUTPUT"). JSON
 * is schema-versioned and holds no value relative to now.
 */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include "agent/command.h"
#include "agent/schedule.h"
#include "base/json.h"
#include "store/certificate.h"
#include "store/version.h"

#define REPORT_SCHEMA 1

/* Everything that is told of one certificate, read at one time. */
struct report {
	const struct certificate *certificate; /* borrowed */
	struct version *live;                  /* owned; NULL: none yet */
	struct renewal renewal;
	struct schedule next;
	struct strlist left_out; /* optional names that failed */
	int64_t left_at;         /* when they did so last */
	int64_t pending;         /* deployments of it that have not ended */
	const char *state;       /* "valid", "due", … ; static */
	struct err error;        /* of the renewal, an order or a deployment; code ERR_NONE: none */
	int64_t error_at;
	int64_t deploys_at; /* until when a deployment waits for its window; 0: none does */
};

int report_read(struct context *c, const struct certificate *certificate,
		struct report **ret_report, struct err *e);

/* One by one all of a list; ends at the first that fn refuses. Of a large store no more is read
 * than what is told in a line (version_glance).
 *
 * They are read a piece at a time, each in a look of its own that is over before fn hears of it: fn
 * may print, and whoever reads that slowly keeps nobody from writing. So each is as it is at one
 * moment, but two may be of different ones: of two that changed together the earlier in the list
 * may be told as before, the later as after. That is what two lines of a list mean to anybody who
 * acts on them, and a `status` that was begun an hour ago in a pager says at its end what is so
 * now. (What was read at one moment would have to be kept whole, in memory, or in the store.) */
struct report_list {
	struct certificate *const *certificates; /* borrowed */
	size_t count;
	int (*fn)(void *arg, const struct report *r, struct err *e);
	void *arg;
};
int report_each(struct context *c, const struct report_list *list, struct err *e);

/* The same for all that there are, by name: certificates and count of the list are not looked at.
 */
int report_all(struct context *c, const struct report_list *list, struct err *e);

/* {"name":…,"names":…,"state":…} as in `status`. The caller's. */
struct json *report_json(const struct report *r);

/* Prints {"schema":1,"certificate":{…}} or a page for people: `show`, and what `obtain` ends in. */
int report_show(struct context *c, const struct certificate *certificate, struct err *e);

/* The same, but nothing for people with -q: what a command that changed something ends in. */
int report_result(struct context *c, const struct certificate *certificate, struct err *e);

/* Says why a certificate is not as wanted, for commands that have not said it when it failed. */
int report_reason(struct context *c, const struct certificate *certificate, struct err *e);

/* {"schema":1, MEMBER: value} on stdout. Takes value. */
void report_print(const char *member, struct json *value);

/* The colour for a state, and the end of colour; "" without colours. */
const char *report_color(const struct context *c, const char *state);
const char *report_plain(const struct context *c);

/* A time as JSON text; null for 0. The caller's. */
struct json *report_time(int64_t when);

void report_free(struct report *r);
void auto_report(struct report **r);
#define AUTO_REPORT AUTO(auto_report)

#endif
