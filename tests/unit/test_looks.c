/* SPDX-License-Identifier: MIT
 *
 * test_looks — who reads stops nobody who writes: what is told, planned or examined of many rows is
 * read in pieces, and another process commits while it is told.
 */
#include "tests/unit.h"

#include "agent/plan.h"
#include "agent/report.h"
#include "agent/stream.h"
#include "store/certificate.h"
#include "store/event.h"
#include "tests/unit/make_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY (2 * STORE_PIECE + 10)

/* One who reads (context.store), and another one who writes meanwhile. */
struct two {
	struct context c;
	struct store *writer;
	int64_t account;
	size_t commits;
	size_t told;
	char last[32]; /* name that was told last */
};

static void make_many(struct two *t, struct made_store *m)
{
	struct store *s = made_store_open(m);

	t->c = (struct context){.clock = &m->clock, .store = s};
	assert_int_equal(store_turn_begin(s, NULL), 0);
	t->account = make_account(s, "default");
	for (int i = 0; i < MANY; i++) {
		char name[32];
		int64_t id;

		snprintf(name, sizeof(name), "n%04d", i);
		id = make_certificate(s, t->account, name);
		assert_true(make_version(s, id, 1, m->now + 60 * MAKE_STORE_DAY) > 0);
	}
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_int_equal(store_open(m->dir, &m->clock, &t->writer, NULL), 0);
}

static void two_clear(struct two *t)
{
	store_free(t->writer);
}
#define AUTO_TWO AUTO(two_clear)

/* In a process that holds a look open this fails, after a minute of waiting. */
static void another_commits(struct two *t, const char *name)
{
	struct err e = {0};

	assert_false(store_in_look(t->c.store));
	if (store_turn_begin(t->writer, &e) != 0)
		fail_msg("%s", e.text);
	if (name != NULL)
		assert_true(make_certificate(t->writer, t->account, name) > 0);
	else
		assert_true(make_event(t->writer, 1, "written meanwhile") > 0);
	if (store_turn_commit(t->writer, &e) != 0)
		fail_msg("%s", e.text);
	t->commits++;
}

static int tell(void *arg, const struct report *r, struct err *e)
{
	struct two *t = arg;

	(void)e;
	assert_true(strcmp(r->certificate->name, t->last) > 0);
	snprintf(t->last, sizeof(t->last), "%s", r->certificate->name);
	if (t->told++ == 3)
		another_commits(t, "n0001b"); /* what was told is not gone back to */
	if (t->told == 10)
		another_commits(t, "n9999");
	if (t->told % 100 == 0)
		another_commits(t, NULL);
	return 0;
}

static void another_writes_while_all_are_told_and_none_is_told_twice(void **state)
{
	struct two t AUTO_TWO = {0};
	struct err e = {0};

	make_many(&t, *state);
	assert_int_equal(report_all(&t.c, &(struct report_list){.fn = tell, .arg = &t}, &e), 0);
	assert_int_equal(t.told, MANY + 1);
	assert_string_equal(t.last, "n9999");
	assert_true(t.commits >= MANY / 100);
}

static int refuse(void *arg, const struct report *r, struct err *e)
{
	struct two *t = arg;

	(void)r;
	return ++t->told == 5 ? err_set(e, ERR_SYS, "enough") : 0;
}

static void who_is_told_may_refuse_the_rest(void **state)
{
	struct two t AUTO_TWO = {0};
	struct err e = {0};

	make_many(&t, *state);
	assert_int_equal(report_all(&t.c, &(struct report_list){.fn = refuse, .arg = &t}, &e),
			 ERR_SYS);
	assert_int_equal(t.told, 5);
	assert_false(store_in_look(t.c.store));
}

static void another_writes_while_a_plan_is_told(void **state)
{
	struct two t AUTO_TWO = {0};
	AUTO_PLAN struct plan *p = NULL;
	struct plan_event event;
	struct err e = {0};
	int64_t orders = 0;
	int r;

	make_many(&t, *state);
	assert_int_equal(plan_begin(&t.c, 60, &p, &e), 0);
	another_commits(&t, "n0000b"); /* it is not in this plan any more */
	while ((r = plan_next(p, &event, &e)) > 0) {
		assert_string_not_equal(event.name, "n0000b");
		if (t.told++ % 100 == 0)
			another_commits(&t, NULL);
	}
	assert_int_equal(r, 0);
	for (size_t i = 0; i < p->day_count; i++)
		orders += p->loads[i];
	assert_int_equal(orders, t.told);
	assert_true(t.told >= MANY);
}

static int64_t examined;

static void examine_tells(void *arg, const char *what, int64_t done, int64_t all)
{
	struct two *t = arg;

	if (!str_equal(what, "versions"))
		return;
	assert_int_equal(all, MANY);
	assert_true(done > examined && done <= all);
	examined = done;
	another_commits(t, NULL);
}

static void another_writes_while_a_store_is_examined_and_it_says_how_far_it_is(void **state)
{
	struct strlist findings AUTO_STRLIST = {0};
	struct two t AUTO_TWO = {0};
	const struct store_progress progress = {examine_tells, &t};
	struct err e = {0};

	make_many(&t, *state);
	examined = 0;
	assert_int_equal(store_examine(t.c.store, &findings, &progress, &e), 0);
	assert_int_equal(examined, MANY);
	assert_true(t.commits >= MANY / STORE_PIECE);
	assert_int_equal(findings.count, MANY); /* their leaves are none */
}

/* --- what is printed on the way is what a tree would be --- */

static struct json *tree(void)
{
	struct json *root = json_new_map();
	struct json *all = json_new_map();
	struct json *list = json_new_list();
	struct json *empty = json_new_map();

	json_put_number(root, "schema", REPORT_SCHEMA);
	for (int i = 0; i < 3; i++) {
		struct json *j = json_new_map();

		json_put_text(j, "a \"name\"", i == 1 ? NULL : "two\nlines, {\"and\": \xff}");
		json_put(j, "none", json_new_list());
		json_add(list, j);
	}
	json_put(all, "li\"st", list);
	json_put(all, "empty", empty);
	json_put_flag(all, "flag", true);
	json_put(root, "all", all);
	return root;
}

static void stream_tree(const struct json *root)
{
	const struct json *list = json_get(json_get(root, "all"), "li\"st");
	struct stream s = {0};

	stream_begin(&s);
	stream_open(&s, "all", '{');
	stream_open(&s, "li\"st", '[');
	for (size_t i = 0; i < json_count(list); i++)
		stream_put(&s, NULL, json_clone(json_at(list, i)));
	stream_close(&s);
	stream_open(&s, "empty", '{');
	stream_close(&s);
	stream_put(&s, "flag", json_new_flag(true));
	stream_end(&s);
}

static void what_is_streamed_is_the_text_of_the_whole_tree(void **state)
{
	AUTO_JSON struct json *root = tree();
	AUTO_FREE char *text = json_print(root, true);
	AUTO_FREE char *wanted = mem_printf("%s\n", text);
	FILE *file = tmpfile();
	int before = dup(STDOUT_FILENO);
	char got[4096] = "";

	(void)state;
	assert_non_null(file);
	fflush(stdout);
	assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
	stream_tree(root);
	fflush(stdout);
	assert_true(dup2(before, STDOUT_FILENO) >= 0);
	close(before);
	rewind(file);
	assert_true(fread(got, 1, sizeof(got) - 1, file) > 0);
	fclose(file);
	assert_string_equal(got, wanted);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_writes_while_all_are_told_and_none_is_told_twice),
		TEST(who_is_told_may_refuse_the_rest),
		TEST(another_writes_while_a_plan_is_told),
		TEST(another_writes_while_a_store_is_examined_and_it_says_how_far_it_is),
		cmocka_unit_test(what_is_streamed_is_the_text_of_the_whole_tree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
