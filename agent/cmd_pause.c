/* SPDX-License-Identifier: MIT
 *
 * pause, resume — whether a certificate is renewed.
 */
#include "agent/report.h"
#include "agent/run.h"

static int pause_write(struct context *c, struct certificate *certificate, struct err *e)
{
	certificate->paused = true;
	return certificate_save(c->store, certificate, e);
}

static int resume_write(struct context *c, struct certificate *certificate, struct err *e)
{
	certificate->paused = false;
	return certificate_save(c->store, certificate, e);
}

static int change_and_show(struct context *c, run_write *write, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	int r = run_change(c, write, &certificate, e);

	return r == 0 ? report_result(c, certificate, e) : r;
}

int cmd_pause(struct context *c, struct err *e)
{
	return change_and_show(c, pause_write, e);
}

int cmd_resume(struct context *c, struct err *e)
{
	return change_and_show(c, resume_write, e);
}
