/* SPDX-License-Identifier: MIT
 *
 * store — a copy of everything, and whether everything is whole; beside whoever works on it.
 */
#include "agent/report.h"
#include "agent/run.h"
#include "agent/words.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static int store_cmd_backup(struct context *c, struct err *e)
{
	AUTO_FREE char *file = words_path(c->options->operands.items[1]);
	AUTO_FREE char *keys = mem_printf("%s.keys", file);
	struct json *j;
	int r = store_check_rest(c->store, e);

	if (r == 0)
		r = store_backup(c->store, file, e);
	if (r != 0)
		return r;
	if (c->options->json) {
		j = json_new_map();
		json_put_text(j, "file", file);
		json_put_text(j, "keys", keys);
		report_print("backup", j);
	} else if (!c->options->quiet) {
		printf("%s and %s: keep them together, and secret\n", file, keys);
	}
	return EXIT_DONE;
}

/* --- how far it has come, for people --- */

#define CHECK_TOLD 10000 /* so many more, where there is no line to write over */

struct teller {
	bool terminal;
	int64_t told; /* of what is told now */
};

static void check_tells(void *arg, const char *what, int64_t done, int64_t all)
{
	struct teller *t = arg;

	if (t->terminal)
		fprintf(stderr, "\r\033[K%s: %" PRId64 " of %" PRId64, what, done, all);
	else if (done / CHECK_TOLD != t->told / CHECK_TOLD)
		log_line(LOG_INFO, "%s: %" PRId64 " of %" PRId64, what, done, all);
	t->told = done;
}

static int check_look(struct context *c, struct strlist *findings, struct err *e)
{
	struct teller t = {.terminal = isatty(STDERR_FILENO) && log_level >= LOG_NOTICE};
	const struct store_progress progress = {check_tells, &t};
	int r;

	if (t.terminal)
		fprintf(stderr, "looking at %s as a whole", store_dir(c->store));
	r = store_check_rest(c->store, e);
	if (r == 0)
		r = store_examine(c->store, findings, &progress, e);
	if (t.terminal)
		fprintf(stderr, "\r\033[K");
	return r;
}

static int store_cmd_check(struct context *c, struct err *e)
{
	struct strlist findings AUTO_STRLIST = {0};
	struct json *list;
	int r = check_look(c, &findings, e);

	if (r != 0)
		return r;
	if (c->options->json) {
		list = json_new_list();
		for (size_t i = 0; i < findings.count; i++)
			json_add_text(list, findings.items[i]);
		report_print("findings", list);
	}
	for (size_t i = 0; i < findings.count && !c->options->json; i++)
		printf("%s\n", findings.items[i]);
	if (findings.count == 0 && !c->options->json && !c->options->quiet)
		printf("%s is whole\n", store_dir(c->store));
	return findings.count == 0 ? EXIT_DONE : EXIT_FAILED;
}

int cmd_store(struct context *c, struct err *e)
{
	const struct strlist *words = &c->options->operands;

	if (words->count == 2 && str_equal(words->items[0], "backup") && words->items[1][0] != 0)
		return run_reader(c, store_cmd_backup, e);
	if (words->count == 1 && str_equal(words->items[0], "check"))
		return run_reader(c, store_cmd_check, e);
	return usage(e, "it is everleaf store backup FILE, or everleaf store check");
}
