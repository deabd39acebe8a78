/* SPDX-License-Identifier: MIT
 *
 * pause, resume — whether a certificate is renewed.
 */
#include "agent/report.h"
#include "agent/run.h"

static int pause_set(struct context *c, bool paused, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	const char *name = NULL;
	int r;

	r = run_operand(c, &name, e);
	if (r == 0)
		r = store_turn_begin(c->store, e);
	if (r != 0)
		return r;
	r = run_find(c, name, &certificate, e);
	if (r == 0) {
		certificate->paused = paused;
		r = certificate_save(c->store, certificate, e);
	}
	if (r != 0) {
		store_turn_undo(c->store);
		return r;
	}
	r = store_turn_commit(c->store, e);
	return r == 0 ? report_show(c, certificate, e) : r;
}

int cmd_pause(struct context *c, struct err *e)
{
	return pause_set(c, true, e);
}

int cmd_resume(struct context *c, struct err *e)
{
	return pause_set(c, false, e);
}
