/* SPDX-License-Identifier: MIT
 *
 * pause, resume — whether a certificate is renewed.
 */
#include "agent/apply.h"
#include "agent/report.h"
#include "agent/run.h"

static int pause_write(struct context *c, struct certificate *certificate, struct err *e)
{
	int r = apply_refuse(certificate, e);

	certificate->paused = true;
	return r == 0 ? certificate_save(c->store, certificate, e) : r;
}

static int resume_write(struct context *c, struct certificate *certificate, struct err *e)
{
	int r = apply_refuse(certificate, e);

	certificate->paused = false;
	return r == 0 ? certificate_save(c->store, certificate, e) : r;
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
