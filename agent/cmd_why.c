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

int cmd_why(struct context *c, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *certificate = NULL;
	struct reasons reasons AUTO_REASONS = {0};
	AUTO_REPORT struct report *report = NULL;
	const char *name = NULL;
	int r = run_operand(c, &name, e);

	if (r == 0)
		r = run_find(c, name, &certificate, e);
	if (r == 0)
		r = reasons_find(c, certificate, &reasons, e);
	if (r == 0)
		r = report_read(c, certificate, &report, e);
	if (r != 0)
		return r;
	if (c->options->json) {
		report_print("why", why_json(report, &reasons));
		return EXIT_DONE;
	}
	for (size_t i = 0; i < reasons.count; i++)
		printf("%-12s %s\n",
		       i > 0 && reasons.items[i].about == reasons.items[i - 1].about
			       ? ""
			       : reasons.items[i].about,
		       reasons.items[i].text);
	return EXIT_DONE;
}
