/* SPDX-License-Identifier: MIT
 *
 * check — a plugin for Nagios and what understands its plugins: one line, then one for each
 * certificate that is not well. Its exit codes are Nagios', not those of the other commands.
 */
#include "agent/check.h"
#include "agent/folders.h"
#include "agent/run.h"
#include "agent/stream.h"
#include "agent/wish.h"
#include "hooks/child.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct check {
	struct check_limits limits;
	int64_t now;
	struct store *store;
	struct strlist lines; /* of those that are not well */
	struct stream s;      /* with --json: of all */
	bool json;
	size_t by[CHECK_LEVELS]; /* how many */
	size_t count;
	bool any;     /* one has been issued: */
	int64_t next; /* … seconds until the first of them expires */
};

static void check_clear(struct check *k)
{
	strlist_clear(&k->lines);
}

static int limit_read(const char *option, const char *text, struct check_limit *limit,
		      struct err *e)
{
	if (text == NULL || check_limit_parse(text, limit))
		return 0;
	return usage(e, "--%s is a part of the lifetime, as 1/8, or a number of days, not \"%s\"",
		     option, text);
}

static void check_begin(struct check *k)
{
	if (!k->json || k->s.depth > 0)
		return;
	stream_begin(&k->s);
	stream_open(&k->s, "check", '{');
	stream_open(&k->s, "certificates", '[');
}

static void check_note(struct check *k, const struct report *r, enum check_level level,
		       const char *text)
{
	struct json *j;

	k->by[level]++;
	k->count++;
	if (k->json) {
		check_begin(k);
		j = json_new_map();
		json_put_text(j, "name", r->certificate->name);
		json_put_text(j, "level", check_level_name(level));
		json_put_text(j, "text", text);
		json_put(j, "not_after", report_time(r->live != NULL ? r->live->not_after : 0));
		stream_put(&k->s, NULL, j);
	} else if (level != CHECK_OK)
		strlist_addf(&k->lines, "%s: %s: %s", r->certificate->name, check_level_name(level),
			     text);
}

static int check_program(const struct strlist *argv, struct err *e)
{
	return argv->count > 0 ? child_check_command(argv, e) : 0;
}

static int check_programs_of(const struct json *settings, struct err *e)
{
	static const char *const members[] = {"command", "reload", "check"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(members); i++) {
		struct strlist argv AUTO_STRLIST = {0};

		wish_words(settings, members[i], &argv);
		r = check_program(&argv, e);
	}
	return r;
}

/* Programs that are gone by now, or that others may change. A renewal does not stop at those of its
 * deployment: what is issued is in its files at least. */
static int check_programs(const struct wish *wish, struct err *e)
{
	int r = check_program(&wish->pre_hook, e);

	if (r == 0)
		r = check_programs_of(wish->solver, e);
	for (size_t i = 0; r == 0 && i < json_count(wish->deploy); i++)
		r = check_programs_of(json_at(wish->deploy, i), e);
	return r == 0 ? check_program(&wish->post_hook, e) : r;
}

/* What the next renewal would meet, looked at before there is one to pay for. Only for who deploys,
 * and root: others cannot know. */
static int check_ahead(const struct check *k, const struct report *r, struct err *e)
{
	struct deployer_task task = {
		.certificate = r->certificate->name,
		.names = r->live != NULL ? &r->live->names : NULL,
		.key_fd = -1,
		.only_looks = true,
		.strict = r->live != NULL && r->pending == 0,
	};
	AUTO_WISH struct wish *wish = NULL;
	struct stat st;
	int ret;

	if (r->certificate->dropped_at != 0 || stat(store_dir(k->store), &st) != 0 ||
	    (geteuid() != 0 && geteuid() != st.st_uid) ||
	    wish_parse(r->certificate->wish, &wish, NULL) != 0)
		return 0;
	task.as = st.st_uid;
	folders_task(&task, k->store);
	ret = folders_room(wish->deploy, &task, e);
	return ret == 0 ? check_programs(wish, e) : ret;
}

static int check_one(void *arg, const struct report *r, struct err *e)
{
	struct check *k = arg;
	AUTO_FREE char *text = NULL;
	enum check_level level = check_judge(r, &k->limits, k->now, &text);
	struct err why = {0};

	(void)e;
	if (r->error.code == ERR_NONE && check_ahead(k, r, &why) != 0) {
		char *more = mem_printf("%s; %s", text, why.text);

		free(text);
		text = more;
		level = level == CHECK_OK ? CHECK_WARNING : level;
	}
	if (r->live != NULL && (!k->any || r->live->not_after - k->now < k->next)) {
		k->any = true;
		k->next = r->live->not_after - k->now;
	}
	check_note(k, r, level, text);
	return 0;
}

static int check_named(struct context *c, struct check *k, struct err *e)
{
	for (size_t i = 0; i < c->options->operands.count; i++) {
		AUTO_CERTIFICATE struct certificate *certificate = NULL;
		AUTO_REPORT struct report *report = NULL;
		int r = store_look_begin(c->store, e);

		if (r == 0)
			r = run_find(c, c->options->operands.items[i], &certificate, e);
		if (r == 0)
			r = report_read(c, certificate, &report, e);
		store_look_end(c->store);
		if (r == 0)
			r = check_one(k, report, e);
		if (r != 0)
			return r;
	}
	return 0;
}

static int check_all(struct context *c, struct check *k, struct err *e)
{
	return report_all(c, &(struct report_list){.fn = check_one, .arg = k}, e);
}

static char *check_summary(const struct check *k)
{
	AUTO_FREE char *next = check_duration(k->next < 0 ? -k->next : k->next);
	struct strlist parts AUTO_STRLIST = {0};

	strlist_addf(&parts, "%zu certificate%s", k->count, k->count == 1 ? "" : "s");
	if (k->by[CHECK_CRITICAL] > 0)
		strlist_addf(&parts, "%zu critical", k->by[CHECK_CRITICAL]);
	if (k->by[CHECK_WARNING] > 0)
		strlist_addf(&parts, "%zu to be looked at", k->by[CHECK_WARNING]);
	if (k->any && k->next > 0)
		strlist_addf(&parts, "the next expires in %s", next);
	else if (k->any)
		strlist_addf(&parts, "one expired %s ago", next);
	return strlist_join(&parts, ", ");
}

/* In Nagios' format a | begins the numbers. */
static void print_text(const char *text)
{
	for (; *text != '\0'; text++)
		putchar(*text == '|' ? '/' : *text);
}

static void check_print(const struct check *k, enum check_level level, const char *summary)
{
	printf("EVERLEAF %s - %s | certificates=%zu warning=%zu critical=%zu",
	       check_level_name(level), summary, k->count, k->by[CHECK_WARNING],
	       k->by[CHECK_CRITICAL]);
	if (k->any)
		printf(" next=%" PRId64 "s", k->next);
	putchar('\n');
	for (size_t i = 0; i < k->lines.count; i++) {
		print_text(k->lines.items[i]);
		putchar('\n');
	}
}

/* The verdict comes after what it rests on; also after those that could be read before it was known
 * that not all can. */
static void check_json(struct check *k, enum check_level level, const char *summary)
{
	check_begin(k);
	stream_close(&k->s);
	stream_put(&k->s, "level", json_new_text(check_level_name(level)));
	stream_put(&k->s, "code", json_new_number(level));
	stream_put(&k->s, "text", json_new_text(summary));
	stream_end(&k->s);
}

static int check_read(struct context *c, struct check *k, struct err *e)
{
	int r = limit_read("warning", c->options->warning, &k->limits.warning, e);

	if (r == 0)
		r = limit_read("critical", c->options->critical, &k->limits.critical, e);
	if (r != 0)
		return r;
	return c->options->operands.count > 0 ? check_named(c, k, e) : check_all(c, k, e);
}

static int check_run(struct context *c, struct err *e)
{
	struct check k AUTO(check_clear) = {
		.limits = {{.part = 4}, {.part = 8}},
		.now = clock_now(c->clock),
		.store = c->store,
		.json = c->options->json,
	};
	AUTO_FREE char *summary = NULL;
	enum check_level level;
	int r = check_read(c, &k, e);

	if (r != 0 && k.s.depth > 0) {
		check_json(&k, CHECK_UNKNOWN, e->text);
		return CHECK_UNKNOWN;
	}
	if (r != 0)
		return r;
	level = k.by[CHECK_CRITICAL] > 0  ? CHECK_CRITICAL
		: k.by[CHECK_WARNING] > 0 ? CHECK_WARNING
					  : CHECK_OK;
	summary = check_summary(&k);
	if (k.json)
		check_json(&k, level, summary);
	else
		check_print(&k, level, summary);
	return (int)level;
}

/* A monitor reads what is printed, and takes a code that is not one of its own for the worst. */
int cmd_check(struct context *c, struct err *e)
{
	struct check nothing = {.json = c->options->json};
	struct err why = {0};
	int r = run_reader(c, check_run, &why);

	(void)e;
	if (r >= 0)
		return r;
	if (c->options->json) {
		check_json(&nothing, CHECK_UNKNOWN, why.text);
	} else {
		printf("EVERLEAF UNKNOWN - ");
		print_text(why.text);
		putchar('\n');
	}
	return CHECK_UNKNOWN;
}
