/* SPDX-License-Identifier: MIT
 *
 * metrics — the store in Prometheus' text format, on stdout or for a textfile collector.
 */
#include "agent/metrics.h"
#include "agent/run.h"

#include <stdio.h>

static int metrics_run(struct context *c, struct err *e)
{
	struct buf text AUTO_BUF = {0};
	int r;

	buf_init(&text, METRICS_MAX);
	r = metrics_text(c, NULL, &text, e);
	if (r == 0 && c->options->textfile != NULL)
		r = metrics_write(c->options->textfile, &text, e);
	else if (r == 0)
		(void)fwrite(text.data, 1, text.len, stdout); /* main asks whether that failed */
	return r;
}

int cmd_metrics(struct context *c, struct err *e)
{
	if (c->options->operands.count > 0)
		return usage(e, "everleaf metrics takes no operand");
	return run_reader(c, metrics_run, e);
}
