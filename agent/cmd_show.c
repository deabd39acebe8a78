/* SPDX-License-Identifier: MIT
 *
 * show — everything about one certificate.
 */
#include "agent/report.h"
#include "agent/run.h"

int cmd_show(struct context *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	const char *name = NULL;
	int r;

	r = run_operand(c, &name, e);
	if (r == 0)
		r = run_find(c, name, &certificate, e);
	return r == 0 ? report_show(c, certificate, e) : r;
}
