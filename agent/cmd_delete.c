/* SPDX-License-Identifier: MIT
 *
 * delete — forgets a certificate: marks it removed; whoever works on it withdraws what it has
 * published. Nothing is revoked, and deployed files stay where they are.
 */
#include "agent/apply.h"
#include "agent/report.h"
#include "agent/run.h"
#include "store/deployment.h"
#include "store/event.h"

#include <stdio.h>

/* What is pending of it is not tried any more: a hook must not run for what nobody wants. */
static int delete_write(struct context *c, struct certificate *certificate, struct err *e)
{
	AUTO_FREE char *kind = mem_str("deleted");
	AUTO_FREE char *text = mem_str("deleted by a command");
	struct event ev = {.certificate_id = certificate->id, .kind = kind, .text = text};
	int r = apply_refuse(certificate, e);

	if (r == 0)
		r = run_refuse_called(c, certificate, e);
	if (r != 0)
		return r;
	certificate->removed_at = clock_now(c->clock);
	r = certificate_save(c->store, certificate, e);
	if (r == 0)
		r = deployment_supersede(c->store, certificate->id, 0, e);
	return r == 0 ? event_record(c->store, &ev, e) : r;
}

int cmd_delete(struct context *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	struct run_item item = {.issue = ISSUE_NEVER};
	int r;

	r = run_change(c, delete_write, &certificate, e);
	if (r != 0)
		return r;
	item.certificate_id = certificate->id;
	r = run_items(c, &item, 1, false, e); /* withdraws what is published */
	if (r == 0 && c->options->json)
		return report_show(c, certificate, e);
	if (r == 0 && !c->options->quiet)
		printf("%s: deleted; what was deployed stays where it is\n", certificate->name);
	return r;
}
