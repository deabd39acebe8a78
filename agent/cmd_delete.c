/* SPDX-License-Identifier: MIT
 *
 * delete — forgets a certificate: marks it removed; whoever works on it withdraws what it has
 * published. Nothing is revoked, and deployed files stay where they are.
 */
#include "agent/report.h"
#include "agent/run.h"
#include "store/deployment.h"
#include "store/event.h"

#include <stdio.h>

/* What is pending of it is not tried any more: a hook must not run for what nobody wants. */
static int delete_write(struct context *c, const char *name, struct certificate **ret,
			struct err *e)
{
	AUTO_FREE char *kind = mem_str("deleted");
	AUTO_FREE char *text = mem_str("deleted by a command");
	struct event ev = {.kind = kind, .text = text};
	int r;

	r = run_find(c, name, ret, e);
	if (r != 0)
		return r;
	(*ret)->removed_at = clock_now(c->clock);
	ev.certificate_id = (*ret)->id;
	r = certificate_save(c->store, *ret, e);
	if (r == 0)
		r = deployment_supersede(c->store, (*ret)->id, 0, e);
	return r == 0 ? event_record(c->store, &ev, e) : r;
}

static int delete_mark(struct context *c, const char *name, struct certificate **ret, struct err *e)
{
	int r;

	r = store_turn_begin(c->store, e);
	if (r != 0)
		return r;
	r = delete_write(c, name, ret, e);
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
		r = delete_mark(c, name, &certificate, e);
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
