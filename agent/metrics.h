/* SPDX-License-Identifier: MIT
 *
 * metrics — the store, and what this process has done, in the text format of Prometheus (0.0.4).
 */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include "agent/counters.h"
#include "agent/report.h"
#include "base/buf.h"

#define METRICS_MAX ((size_t)128 * 1024 * 1024) /* some 150,000 certificates */

/* What there is to tell of one certificate: there may be very many. */
#define METRICS_VALUES 6
struct metrics_row {
	char *name;                     /* owned */
	const char *state;              /* static */
	int64_t values[METRICS_VALUES]; /* of the families in metrics.c; METRICS_NONE: none */
};
#define METRICS_NONE INT64_MIN

struct metrics {
	struct metrics_row *rows; /* owned */
	size_t count;
	int64_t now;
	const struct counters *counters;      /* borrowed; NULL: the store alone */
	void (*flush)(const struct buf *out); /* takes what is printed so far; NULL: all is kept */
};

/* Reads the store of c. */
int metrics_read(struct context *c, struct metrics *ret_metrics, struct err *e);

/* Adds what there is to tell of it. */
void metrics_add(struct metrics *m, const struct report *r);

/* Appends the text: a pure function but for flush. ERR_SYS when it is larger than the buffer may
 * be. */
int metrics_print(const struct metrics *m, struct buf *out, struct err *e);

/* Both, of c's store and those counters (or NULL). */
int metrics_text(struct context *c, const struct counters *counters, struct buf *out,
		 struct err *e);

/* Replaces a file, mode 0644, for the textfile collector of node_exporter: it sees the old one or
 * the new one. */
int metrics_write(const char *path, const struct buf *text, struct err *e);

void metrics_clear(struct metrics *m);
#define AUTO_METRICS AUTO(metrics_clear)

#endif
