/* SPDX-License-Identifier: MIT
 *
 * why — what is wanted of a certificate, what is there, what comes next and when, and why.
 */
#include "agent/reasons.h"
#include "agent/report.h"
#include "agent/run.h"

#include <stdio.h>

static struct json *why_json(const struct report *report, const struct reasons *reasons)
{
	struct json *j = json_new_map();
	struct json *list = json_new_list();

	for (size_t i = 0; i < reasons->count; i++) {
		struct json *one = json_new_map();

		json_put_text(one, "about", reasons->items[i].about);
		json_put_text(one, "text", reasons->items[i].text);
		json_add(list, one);
	}
	json_put(j, "certificate", report_json(report));
	json_put(j, "reasons", list);
	return j;
}

struct answer {
	struct certificate *certificate;
	struct report *report; /* borrows the certificate */
	struct reasons reasons;
};

static void answer_clear(struct answer *a)
{
	reasons_clear(&a->reasons);
	report_free(a->report);
	certificate_free(a->certificate);
}

/* All of one moment. */
static int answer_read(struct context *c, const char *name, struct answer *a, struct err *e)
{
	int r = store_look_begin(c->store, e);

	if (r == 0)
		r = run_find(c, name, &a->certificate, e);
	if (r == 0)
		r = reasons_find(c, a->certificate, &a->reasons, e);
	if (r == 0)
		r = report_read(c, a->certificate, &a->report, e);
	store_look_end(c->store);
	return r;
}

int cmd_why(struct context *c, struct err *e)
{
	struct answer a AUTO(answer_clear) = {0};
	const struct reasons *reasons = &a.reasons;
	const char *name = NULL;
	int r = run_operand(c, &name, e);

	if (r == 0)
		r = answer_read(c, name, &a, e);
	if (r != 0)
		return r;
	if (c->options->json) {
		report_print("why", why_json(a.report, reasons));
		return EXIT_DONE;
	}
	for (size_t i = 0; i < reasons->count; i++)
		printf("%-12s %s\n",
		       i > 0 && reasons->items[i].about == reasons->items[i - 1].about
			       ? ""
			       : reasons->items[i].about,
		       reasons->items[i].text);
	return EXIT_DONE;
}
