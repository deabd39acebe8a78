/* SPDX-License-Identifier: MIT
 *
 * delete — forgets a certificate: marks it removed; whoever works on it withdraws what it has
 * published. Nothing is revoked, and deployed files stay where they are.
 */
#include "agent/report.h"
#include "agent/run.h"
#include "store/event.h"

#include <stdio.h>

static int delete_mark(struct context *c, struct certificate *certificate, struct err *e)
{
	AUTO_FREE char *kind = mem_str("deleted");
	AUTO_FREE char *text = mem_str("deleted by a command");
	struct event ev = {.certificate_id = certificate->id, .kind = kind, .text = text};
	int r;

	r = store_turn_begin(c->store, e);
	if (r != 0)
		return r;
	certificate->removed_at = clock_now(c->clock);
	r = certificate_save(c->store, certificate, e);
	if (r == 0)
		r = event_record(c->store, &ev, e);
	if (r == 0)
		return store_turn_commit(c->store, e);
	store_turn_undo(c->store);
	return r;
}

int cmd_delete(struct context *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	struct run_item item = {0};
	const char *name = NULL;
	int r;

	r = run_operand(c, &name, e);
	if (r == 0)
		r = run_find(c, name, &certificate, e);
	if (r == 0)
		r = delete_mark(c, certificate, e);
	if (r != 0)
		return r;
	item.certificate_id = certificate->id;
	item.issue = ISSUE_NEVER;
	r = run_items(c, &item, 1, false, e); /* withdraws what is published */
	if (r == 0 && c->options->json)
		return report_show(c, certificate, e);
	if (r == 0 && !c->options->quiet)
		printf("%s: deleted; what was deployed stays where it is\n", name);
	return r;
}
