/* SPDX-License-Identifier: MIT
 *
 * observe — see observe.h.
 */
#include "agent/observe.h"

#include "agent/listener_metrics.h"
#include "agent/metrics.h"
#include "base/log.h"

#include <stdlib.h>

#define WRITE_MS 60000
#define FRESH_MS 5000 /* a page that is younger is shown again: it costs a look at every row */

struct observer {
	struct context *c;
	struct loop *loop;
	const struct counters *counters;
	const char *textfile;
	struct listener_metrics *listener;
	struct watch *timer; /* of the file */
	struct buf page;
	int64_t page_ms; /* mono: when it was made; 0: never */
	bool failing;    /* the file; that was said */
};

static int observe_look(struct observer *o, struct err *e)
{
	int64_t now = clock_mono_ms(o->c->clock);
	int r;

	if (o->page_ms != 0 && now - o->page_ms < FRESH_MS)
		return 0;
	buf_clear(&o->page);
	r = metrics_text(o->c, o->counters, &o->page, e);
	o->page_ms = r == 0 ? now : 0;
	return r;
}

static int observe_page(void *arg, struct buf *out, struct err *e)
{
	struct observer *o = arg;
	int r = observe_look(o, e);

	if (r == 0 && buf_add(out, o->page.data, o->page.len) != 0)
		return err_set(e, ERR_SYS, "the metrics are too large");
	return r;
}

static void on_timer(void *arg)
{
	struct observer *o = arg;
	struct err e = {0};
	int r = observe_look(o, &e);

	if (r == 0)
		r = metrics_write(o->textfile, &o->page, &e);
	if (o->listener == NULL) { /* nobody asks for it before the next one, and it may be large */
		buf_free(&o->page);
		buf_init(&o->page, METRICS_MAX);
		o->page_ms = 0;
	}
	if (r != 0 && !o->failing)
		log_line(LOG_ERROR, "%s; it is tried again each minute", e.text);
	o->failing = r != 0;
	o->timer = loop_watch_timer(o->loop, WRITE_MS, on_timer, o);
}

int observe_start(struct context *c, struct loop *l, const struct observe_config *wanted,
		  struct observer **ret_observer, struct err *e)
{
	struct observer *o = mem_new(sizeof(*o));
	struct listener_metrics_config config = {wanted->listen, observe_page, o};
	int r = 0;

	o->c = c;
	o->loop = l;
	o->counters = wanted->counters;
	o->textfile = wanted->textfile;
	buf_init(&o->page, METRICS_MAX);
	if (config.address != NULL)
		r = listener_metrics_open(l, &config, &o->listener, e);
	if (r != 0) {
		observe_stop(o);
		return r;
	}
	if (wanted->textfile != NULL)
		o->timer = loop_watch_timer(l, 0, on_timer, o);
	*ret_observer = o;
	return 0;
}

void observe_stop(struct observer *o)
{
	if (o == NULL)
		return;
	listener_metrics_free(o->listener);
	loop_cancel(o->loop, o->timer);
	buf_free(&o->page);
	free(o);
}
