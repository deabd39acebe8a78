/* SPDX-License-Identifier: MIT
 *
 * metrics — the store in Prometheus' text format, on stdout or for a textfile collector.
 */
#include "agent/metrics.h"
#include "agent/run.h"

#include <stdio.h>

static void metrics_flush(const struct buf *text)
{
	(void)fwrite(text->data, 1, text->len, stdout); /* main asks whether that failed */
}

static int metrics_run(struct context *c, struct err *e)
{
	struct metrics m AUTO_METRICS = {0};
	struct buf text AUTO_BUF = {0};
	int r = metrics_read(c, &m, e);

	buf_init(&text, METRICS_MAX);
	if (c->options->textfile == NULL)
		m.flush = metrics_flush;
	if (r == 0)
		r = metrics_print(&m, &text, e);
	if (r == 0 && c->options->textfile != NULL)
		return metrics_write(c->options->textfile, &text, e);
	if (r == 0)
		metrics_flush(&text);
	return r;
}

int cmd_metrics(struct context *c, struct err *e)
{
	if (c->options->operands.count > 0)
		return usage(e, "everleaf metrics takes no operand");
	return run_reader(c, metrics_run, e);
}
