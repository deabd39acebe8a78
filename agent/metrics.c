/* SPDX-License-Identifier: MIT
 *
 * metrics — see metrics.h. Times are Unix seconds, as Prometheus wants them; what has no value has
 * no line.
 */
#include "agent/metrics.h"

#include "base/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#ifndef EVERLEAF_VERSION
#define EVERLEAF_VERSION "0.1.0"
#endif

/* --- reading --- */

struct family {
	const char *name, *help;
	/* False: this certificate has no such value. */
	bool (*value)(const struct report *r, int64_t *ret_value);
};

static bool report_not_before(const struct report *r, int64_t *ret_value)
{
	const struct version *live = r->live;

	*ret_value = live != NULL ? live->not_before : 0;
	return live != NULL;
}

static bool report_not_after(const struct report *r, int64_t *ret_value)
{
	const struct version *live = r->live;

	*ret_value = live != NULL ? live->not_after : 0;
	return live != NULL;
}

static bool report_next(const struct report *r, int64_t *ret_value)
{
	*ret_value = r->next.when > 0 ? r->next.when : 0;
	return r->next.what != SCHEDULE_NOTHING;
}

static bool report_success(const struct report *r, int64_t *ret_value)
{
	*ret_value = r->renewal.succeeded_at;
	return *ret_value != 0;
}

static bool report_failures(const struct report *r, int64_t *ret_value)
{
	*ret_value = r->renewal.failures;
	return true;
}

static bool report_pending(const struct report *r, int64_t *ret_value)
{
	*ret_value = r->pending;
	return true;
}

static const struct family families[METRICS_VALUES] = {
	{"certificate_not_before_seconds", "When the live certificate begins to be valid.",
	 report_not_before},
	{"certificate_not_after_seconds", "When the live certificate ends.", report_not_after},
	{"certificate_next_renewal_seconds", "When it is renewed; 0: as soon as possible.",
	 report_next},
	{"certificate_last_success_seconds", "When it was issued last.", report_success},
	{"certificate_failures", "Attempts to get or renew it that have failed in a row.",
	 report_failures},
	{"certificate_deployments_pending", "Deployments of it that are not done.", report_pending},
};

void metrics_add(struct metrics *m, const struct report *r)
{
	struct metrics_row row = {.name = mem_str(r->certificate->name), .state = r->state};

	for (size_t f = 0; f < METRICS_VALUES; f++)
		if (!families[f].value(r, &row.values[f]))
			row.values[f] = METRICS_NONE;
	m->rows = mem_grow(m->rows, m->count + 1, sizeof(row));
	m->rows[m->count++] = row;
}

static int metrics_note(void *arg, const struct report *r, struct err *e)
{
	(void)e;
	metrics_add(arg, r);
	return 0;
}

int metrics_read(struct context *c, struct metrics *ret_metrics, struct err *e)
{
	struct metrics m AUTO_METRICS = {.now = clock_now(c->clock)};
	int r = report_all(c, &(struct report_list){.fn = metrics_note, .arg = &m}, e);

	if (r != 0)
		return r;
	*ret_metrics = m;
	m = (struct metrics){0};
	return 0;
}

void metrics_clear(struct metrics *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->rows[i].name);
	free(m->rows);
	*m = (struct metrics){0};
}

/* --- printing: what does not fit is noticed once, at the end --- */

#define FLUSH_AT ((size_t)64 * 1024)

struct page {
	struct buf *out;
	bool full;
	void (*flush)(const struct buf *out);
};

static void add(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct page *p, const char *format, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = mem_vprintf(format, ap);
	va_end(ap);
	p->full = buf_add_text(p->out, text) != 0 || p->full;
	if (p->flush == NULL || p->out->len < FLUSH_AT)
		return;
	p->flush(p->out);
	buf_clear(p->out);
}

static void add_family(struct page *p, const char *name, const char *type, const char *help)
{
	add(p, "# HELP everleaf_%s %s\n# TYPE everleaf_%s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are written with a backslash. */
static void add_value(struct page *p, const char *text)
{
	for (;;) {
		size_t plain = strcspn(text, "\\\"\n");

		p->full = buf_add(p->out, text, plain) != 0 || p->full;
		text += plain;
		if (*text == '\0')
			return;
		add(p, "\\%c", *text == '\n' ? 'n' : *text);
		text++;
	}
}

static void add_certificates(struct page *p, const struct metrics *m)
{
	for (size_t f = 0; f < COUNT_OF(families); f++) {
		add_family(p, families[f].name, "gauge", families[f].help);
		for (size_t i = 0; i < m->count; i++) {
			if (m->rows[i].values[f] == METRICS_NONE)
				continue;
			add(p, "everleaf_%s{certificate=\"", families[f].name);
			add_value(p, m->rows[i].name);
			add(p, "\"} %" PRId64 "\n", m->rows[i].values[f]);
		}
	}
	add_family(p, "certificate_state", "gauge", "1 for the state it is in.");
	for (size_t i = 0; i < m->count; i++) {
		add(p, "everleaf_certificate_state{certificate=\"");
		add_value(p, m->rows[i].name);
		add(p, "\",state=\"%s\"} 1\n", m->rows[i].state);
	}
}

static int64_t answers_of(const struct acme_counter *c)
{
	int64_t sum = 0;

	for (size_t i = 0; i < ACME_CLASSES; i++)
		sum += c->answers[i];
	return sum;
}

static void add_requests(struct page *p, const struct acme_counters *ca)
{
	static const char *const classes[ACME_CLASSES] = {"none", "1xx", "2xx",
							  "3xx",  "4xx", "5xx"};

	add_family(p, "ca_requests_total", "counter",
		   "Requests to CAs by kind and class of answer.");
	for (size_t k = 0; k < ACME_ASKED; k++)
		for (size_t i = 0; i < ACME_CLASSES; i++)
			if (ca->of[k].answers[i] != 0)
				add(p,
				    "everleaf_ca_requests_total{kind=\"%s\",answer=\"%s\"} "
				    "%" PRId64 "\n",
				    acme_asked_name((enum acme_asked)k), classes[i],
				    ca->of[k].answers[i]);
}

static void add_latency(struct page *p, const char *kind, const struct acme_counter *c)
{
	static const char name[] = "everleaf_ca_request_duration_seconds";
	int64_t sum = 0;

	for (size_t b = 0; b < ACME_BUCKETS; b++) {
		int64_t ms = acme_bucket_ms(b);
		AUTO_FREE char *limit =
			ms < 0 ? mem_str("+Inf") : mem_printf("%g", (double)ms / 1000);

		sum += c->buckets[b];
		add(p, "%s_bucket{kind=\"%s\",le=\"%s\"} %" PRId64 "\n", name, kind, limit, sum);
	}
	add(p, "%s_sum{kind=\"%s\"} %" PRId64 ".%03d\n", name, kind, c->total_ms / 1000,
	    (int)(c->total_ms % 1000));
	add(p, "%s_count{kind=\"%s\"} %" PRId64 "\n", name, kind, sum);
}

static void add_latencies(struct page *p, const struct acme_counters *ca)
{
	add_family(p, "ca_request_duration_seconds", "histogram",
		   "How long CAs took to answer, or not to.");
	for (size_t k = 0; k < ACME_ASKED; k++)
		if (answers_of(&ca->of[k]) != 0)
			add_latency(p, acme_asked_name((enum acme_asked)k), &ca->of[k]);
}

static void add_process(struct page *p, const struct counters *c)
{
	add_family(p, "start_time_seconds", "gauge", "When the daemon began.");
	add(p, "everleaf_start_time_seconds %" PRId64 "\n", c->started_at);
	add_family(p, "turns_total", "counter", "Turns of the engine.");
	add(p, "everleaf_turns_total %" PRId64 "\n", c->turns);
	add_family(p, "crashes_total", "counter", "Turns that could not be committed.");
	add(p, "everleaf_crashes_total %" PRId64 "\n", c->crashes);
	add_family(p, "failures_total", "counter", "Steps that failed, by machine and stage.");
	for (size_t i = 0; i < c->stages; i++)
		add(p, "everleaf_failures_total{machine=\"%s\",stage=\"%s\"} %" PRId64 "\n",
		    c->failures[i].machine, c->failures[i].stage, c->failures[i].count);
	add_requests(p, &c->ca);
	add_latencies(p, &c->ca);
}

int metrics_print(const struct metrics *m, struct buf *out, struct err *e)
{
	struct page p = {.out = out, .flush = m->flush};

	add_family(&p, "build_info", "gauge", "1, with the version.");
	add(&p, "everleaf_build_info{version=\"%s\"} 1\n", EVERLEAF_VERSION);
	add_family(&p, "time_seconds", "gauge", "When this was written.");
	add(&p, "everleaf_time_seconds %" PRId64 "\n", m->now);
	add_certificates(&p, m);
	if (m->counters != NULL)
		add_process(&p, m->counters);
	return p.full ? err_set(e, ERR_SYS, "the metrics are too large") : 0;
}

int metrics_text(struct context *c, const struct counters *counters, struct buf *out, struct err *e)
{
	struct metrics m AUTO_METRICS = {0};
	int r = metrics_read(c, &m, e);

	m.counters = counters;
	return r == 0 ? metrics_print(&m, out, e) : r;
}

int metrics_write(const char *path, const struct buf *text, struct err *e)
{
	AUTO_FREE char *folder = file_folder(path);
	const char *slash = strrchr(path, '/');
	int fd AUTO_FD = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, ERR_CONFIG, "cannot open the folder %s", folder);
	return file_replace_at(fd, slash != NULL ? slash + 1 : path, text, 0644, e);
}
