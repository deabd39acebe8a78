/* SPDX-License-Identifier: MIT
 *
 * test_deploy — one reload for many certificates, and windows. The files are real; the server is a
 * fake one that takes, when a reload begins, what lies in the folders then.
 */
#include "tests/machine/world.h"

#include "agent/wanted.h"
#include "base/file.h"
#include "hooks/deployer.h"
#include "store/deployment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MANY     20
#define HOUR     INT64_C(3600)
#define LIFETIME (10 * WORLD_DAY)
#define MAX_PEM  65536

static const struct clock *clock_of(const struct world *w)
{
	return fake_loop_clock(w->loop);
}

static void must(int r, const struct err *e)
{
	if (r != 0)
		fail_msg("%s", e->text);
}

/* --- the server --- */

struct load {
	char *chains[MANY]; /* owned */
};

static struct server {
	struct world *w;
	size_t count;      /* of certificates */
	int64_t reload_ms; /* how long one takes */
	int failures;      /* so many fail from now on */
	int reloads, checks;
	int64_t began_at; /* the last one */
	bool check_fails;
	struct load load; /* what it serves */
} server;

struct reload {
	struct hook_call call; /* first */
	struct loop *loop;
	struct watch *timer;
	hook_done *done;
	void *arg;
	struct load load;
};

static void load_clear(struct load *l)
{
	for (size_t i = 0; i < MANY; i++)
		free(TAKE(l->chains[i]));
}

static char *chain_of(size_t i)
{
	AUTO_FREE char *path = mem_printf("%s/f%zu/fullchain.pem", server.w->base, i);
	struct buf b AUTO_BUF = {0};

	buf_init(&b, MAX_PEM);
	return file_read(path, &b, NULL) == 0 ? mem_str(b.data) : NULL;
}

static void reload_cancel(struct hook_call *call)
{
	struct reload *r = (struct reload *)call;

	loop_cancel(r->loop, r->timer);
	load_clear(&r->load);
	free(r);
}

static void reload_ends(void *arg)
{
	struct reload *r = arg;
	struct err e = {0};

	if (server.failures > 0) {
		server.failures--;
		err_set(&e, ERR_CHILD, "the server is on fire");
	} else {
		load_clear(&server.load);
		server.load = r->load;
		r->load = (struct load){0};
	}
	r->done(r->arg, NULL, e.code != ERR_NONE ? &e : NULL);
	load_clear(&r->load);
	free(r);
}

static struct hook_call *server_reload(const struct deployer_task *task, hook_done *done, void *arg)
{
	struct reload *r = mem_new(sizeof(*r));

	server.reloads++;
	server.began_at = world_now(server.w);
	r->call.cancel = reload_cancel;
	r->loop = task->loop;
	r->done = done;
	r->arg = arg;
	for (size_t i = 0; i < server.count; i++)
		r->load.chains[i] = chain_of(i);
	r->timer = loop_watch_timer(task->loop, server.reload_ms, reload_ends, r);
	return &r->call;
}

static struct hook_call *server_check(const struct deployer_task *task, hook_done *done, void *arg)
{
	struct err e = {0};

	server.checks++;
	err_set(&e, ERR_CHILD, "the configuration is wrong");
	return hook_call_answer(task->loop, server.check_fails ? &e : NULL, done, arg);
}

static const struct deployer_ops *server_deployer(const char *name)
{
	static const struct deployer_ops ops = {
		.name = "exec",
		.check = server_check,
		.reload = server_reload,
	};

	return str_equal(name, "exec") ? &ops : &deployer_files;
}

/* It serves what lies in every folder, and something lies there. */
static void assert_served(void)
{
	for (size_t i = 0; i < server.count; i++) {
		AUTO_FREE char *there = chain_of(i);

		if (there == NULL || !str_equal(there, server.load.chains[i]))
			fail_msg("what lies in f%zu is not served", i);
	}
}

/* --- the certificates --- */

/* window: of the reload, or NULL. */
static char *wish_of(const struct world *w, size_t i, const char *window)
{
	AUTO_FREE char *when = window != NULL ? mem_printf(",\"window\":\"%s\"", window) : NULL;

	return mem_printf("{\"key\":\"ec-256\","
			  "\"solver\":{\"name\":\"webroot\",\"directory\":\"%s\"},"
			  "\"deploy\":[{\"name\":\"files\",\"directory\":\"%s/f%zu\"},"
			  "{\"name\":\"exec\",\"reload\":[\"/bin/reload\"]%s}]}",
			  w->webroot, w->base, i, when != NULL ? when : "");
}

static void turn(struct world *w, void (*write)(struct store *s, struct world *w))
{
	struct store *s = w->agents[0].store;
	struct err e = {0};

	must(store_turn_begin(s, &e), &e);
	write(s, w);
	must(store_turn_commit(s, &e), &e);
	engine_poke(w->agents[0].engine);
}

static void add_certificates(struct store *s, struct world *w)
{
	AUTO_CERTIFICATE struct certificate *first = NULL;
	struct err e = {0};

	must(certificate_load(s, w->certificate_id, &first, &e), &e);
	free(first->wish);
	first->wish = wish_of(w, 0, NULL);
	must(certificate_save(s, first, &e), &e);
	for (size_t i = 1; i < server.count; i++) {
		AUTO_CERTIFICATE struct certificate *c = mem_new(sizeof(*c));

		c->name = mem_printf("w%zu.example", i);
		c->origin = mem_str("command");
		c->account_id = first->account_id;
		strlist_add(&c->names, c->name);
		c->wish = wish_of(w, i, NULL);
		must(certificate_insert(s, c, &e), &e);
	}
}

/* A daemon runs in it. */
static struct world *new_world(size_t certificates)
{
	struct world *w = world_new("www.example", 1);

	server = (struct server){.w = w, .count = certificates, .reload_ms = 300};
	mock_ca_config(w->ca)->lifetime = LIFETIME;
	w->deployer = server_deployer;
	world_start(w, 0, RUN_DAEMON);
	turn(w, add_certificates);
	return w;
}

static void end_world(struct world *w)
{
	load_clear(&server.load);
	world_free(w);
}

/* --- one reload for many --- */

static void deploy_all_again(struct store *s, struct world *w)
{
	struct certificate **list = NULL;
	size_t count = 0;
	struct err e = {0};

	(void)w;
	must(certificate_list(s, &list, &count, &e), &e);
	for (size_t i = 0; i < count; i++)
		must(deployment_renew(s, list[i]->live_version_id, &e), &e);
	certificate_list_free(list, count);
}

static void twenty_certificates_that_are_due_at_one_time_are_one_reload(void **state)
{
	struct world *w = new_world(MANY);

	(void)state;
	world_pass(w, 300);
	assert_int_equal(world_facts(w).open_deployments, 0);
	assert_served();
	assert_int_equal(server.reloads, 1);
	turn(w, deploy_all_again);
	world_pass(w, 300);
	assert_int_equal(world_facts(w).open_deployments, 0);
	assert_int_equal(server.reloads, 2);
	assert_int_equal(server.checks, 2);
	world_pass(w, LIFETIME * 3 / 4); /* each has its own time to be renewed */
	assert_int_equal(world_facts(w).versions, 2);
	assert_served();
	end_world(w);
}

static void whoever_dies_between_raise_and_reload_leaves_it_to_the_next(void **state)
{
	bool ended = false;
	int64_t k;

	(void)state;
	for (k = 1; !ended; k++) {
		struct world *w = new_world(3);

		world_pass(w, 120);
		assert_int_equal(server.reloads, 1);
		turn(w, deploy_all_again);
		load_clear(&server.load); /* so that it serves nothing that was there before */
		for (int64_t i = 0; i < k; i++)
			world_step(w);
		ended = world_facts(w).open_deployments == 0;
		world_kill(w, 0);
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 120);
		assert_int_equal(world_facts(w).open_deployments, 0);
		assert_served();
		assert_in_range(server.reloads, 2, 3);
		world_assert_quiet(w);
		end_world(w);
	}
	assert_true(k > 10);
}

static size_t failed(struct world *w)
{
	int64_t first = w->certificate_id;
	size_t count = 0;

	for (size_t i = 0; i < server.count; i++) {
		w->certificate_id = first + (int64_t)i;
		count += world_events(w, "deploy-failed");
	}
	w->certificate_id = first;
	return count;
}

static void a_reload_that_fails_fails_one_and_the_next_one_stands_for_it_too(void **state)
{
	struct world *w = new_world(MANY);

	(void)state;
	server.failures = 1;
	world_pass(w, 30);
	assert_int_equal(failed(w), 1);
	assert_int_equal(server.reloads, 2);
	assert_int_equal(world_facts(w).open_deployments, 1);
	assert_served();
	world_pass(w, 300);
	assert_int_equal(world_facts(w).open_deployments, 0);
	assert_int_equal(server.reloads, 2);
	end_world(w);
}

static void a_check_that_fails_reloads_nothing(void **state)
{
	struct world *w = new_world(3);

	(void)state;
	server.check_fails = true;
	world_pass(w, 30);
	assert_int_equal(failed(w), 3);
	assert_int_equal(server.reloads, 0);
	server.check_fails = false;
	world_pass(w, 300);
	assert_int_equal(world_facts(w).open_deployments, 0);
	assert_served();
	end_world(w);
}

static void deploy_first_again(struct store *s, struct world *w)
{
	struct err e = {0};

	must(deployment_renew(s, world_facts(w).live, &e), &e);
}

static void what_is_installed_during_a_reload_is_reloaded_after_it(void **state)
{
	struct world *w = new_world(2);

	(void)state;
	world_pass(w, 120);
	server.reload_ms = 20000;
	turn(w, deploy_first_again);
	world_pass(w, 5);
	assert_int_equal(server.reloads, 2);
	w->certificate_id++;
	turn(w, deploy_first_again);
	w->certificate_id--;
	world_pass(w, 10);
	assert_int_equal(server.reloads, 2);
	world_pass(w, 30);
	assert_int_equal(server.reloads, 3);
	assert_int_equal(world_facts(w).open_deployments, 0);
	assert_served();
	end_world(w);
}

/* --- windows --- */

static const char *window; /* for set_window */

static void set_window(struct store *s, struct world *w)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct context context = {.store = s, .clock = clock_of(w)};
	struct err e = {0};

	must(certificate_load(s, w->certificate_id, &c, &e), &e);
	free(c->wish);
	c->wish = wish_of(w, 0, window);
	must(certificate_save(s, c, &e), &e);
	must(wanted_deployments(&context, c, false, &e), &e);
}

static void change_window(struct world *w, const char *to)
{
	window = to;
	turn(w, set_window);
}

/* Until a second version is issued; when that was. */
static int64_t pass_renewal(struct world *w)
{
	size_t versions = world_facts(w).versions;

	while (world_facts(w).versions == versions)
		world_step(w);
	return world_now(w);
}

static void a_renewal_is_deployed_exactly_when_its_window_opens(void **state)
{
	struct world *w = new_world(1);
	int64_t renewed_at, opens_at;

	(void)state;
	change_window(w, "02:00-05:00 UTC");
	world_pass(w, 60);
	assert_int_equal(server.reloads, 1); /* nothing was served yet */
	renewed_at = pass_renewal(w);
	opens_at = renewed_at - renewed_at % WORLD_DAY + WORLD_DAY + 2 * HOUR;
	assert_true(opens_at - renewed_at < WORLD_DAY); /* it is closed */
	world_pass(w, opens_at - renewed_at - 1);
	assert_int_equal(server.reloads, 1);
	assert_int_equal(world_facts(w).open_deployments, 1);
	assert_int_equal(world_events(w, "deploy-failed"), 0);
	world_pass(w, 10);
	assert_int_equal(server.reloads, 2);
	assert_in_range(server.began_at, opens_at, opens_at + 1);
	assert_served();
	end_world(w);
}

/* A minute of the week, so many seconds from now. */
static char *window_in(const struct world *w, int64_t seconds)
{
	time_t from = (time_t)(world_now(w) + seconds), to = from + 60;
	char day[8], begin[8], end[8];
	struct tm tm;

	assert_non_null(gmtime_r(&from, &tm));
	strftime(day, sizeof(day), "%a", &tm);
	strftime(begin, sizeof(begin), "%H:%M", &tm);
	assert_non_null(gmtime_r(&to, &tm));
	strftime(end, sizeof(end), "%H:%M", &tm);
	return mem_printf("%s %s-%s UTC", day, begin, end);
}

static void a_window_is_waited_for_over_days_but_not_until_what_is_served_ends(void **state)
{
	struct world *w = new_world(1);
	AUTO_FREE char *late = NULL;
	AUTO_VERSION struct version *served = NULL;
	struct err e = {0};
	int64_t latest;

	(void)state;
	world_pass(w, 60);
	must(version_load(w->agents[0].store, world_facts(w).live, &served, &e), &e);
	latest = served->not_after - (served->not_after - served->not_before) / 6;
	late = window_in(w, LIFETIME - WORLD_DAY);
	change_window(w, late);
	assert_true(pass_renewal(w) < latest - WORLD_DAY);
	world_pass(w, latest - world_now(w) - 1);
	assert_int_equal(server.reloads, 1);
	world_pass(w, 10);
	assert_int_equal(server.reloads, 2);
	assert_in_range(server.began_at, latest, latest + 1);
	assert_served();
	end_world(w);
}

static void another_window_is_no_other_target_and_heeded_at_once(void **state)
{
	struct world *w = new_world(1);
	AUTO_TARGET struct target *t = NULL;
	struct err e = {0};
	int64_t renewed_at;

	(void)state;
	world_pass(w, 60);
	change_window(w, "02:00-05:00 UTC");
	world_pass(w, 2 * WORLD_DAY);
	assert_int_equal(server.reloads, 1);
	must(target_load(w->agents[0].store, 2, &t, &e), &e);
	assert_string_equal(t->window, "02:00-05:00 UTC");
	target_free(TAKE(t));
	must(target_load(w->agents[0].store, 3, &t, &e), &e);
	assert_null(t);
	renewed_at = pass_renewal(w);
	world_pass(w, 60);
	assert_int_equal(server.reloads, 1);
	change_window(w, NULL);
	world_pass(w, 120);
	assert_int_equal(server.reloads, 2);
	assert_in_range(server.began_at, renewed_at + 60, renewed_at + 180);
	end_world(w);
}

static void
who_asks_for_a_certificate_does_not_wait_and_who_renews_whatever_is_due_does(void **state)
{
	struct world *w = new_world(1);

	(void)state;
	change_window(w, "02:00-05:00 UTC");
	world_pass(w, 60);
	world_kill(w, 0);
	world_sleep(w, LIFETIME * 3 / 4);
	world_command(w, RUN_RENEW);
	assert_int_equal(world_facts(w).versions, 2);
	assert_int_equal(server.reloads, 1);
	world_command(w, RUN_RENEW);
	assert_int_equal(server.reloads, 1);
	world_command(w, RUN_FINISH);
	assert_int_equal(server.reloads, 2);
	assert_int_equal(world_facts(w).open_deployments, 0);
	assert_served();
	end_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twenty_certificates_that_are_due_at_one_time_are_one_reload),
		cmocka_unit_test(whoever_dies_between_raise_and_reload_leaves_it_to_the_next),
		cmocka_unit_test(a_reload_that_fails_fails_one_and_the_next_one_stands_for_it_too),
		cmocka_unit_test(a_check_that_fails_reloads_nothing),
		cmocka_unit_test(what_is_installed_during_a_reload_is_reloaded_after_it),
		cmocka_unit_test(a_renewal_is_deployed_exactly_when_its_window_opens),
		cmocka_unit_test(
			a_window_is_waited_for_over_days_but_not_until_what_is_served_ends),
		cmocka_unit_test(another_window_is_no_other_target_and_heeded_at_once),
		cmocka_unit_test(
			who_asks_for_a_certificate_does_not_wait_and_who_renews_whatever_is_due_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
