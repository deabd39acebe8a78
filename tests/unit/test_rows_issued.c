/* SPDX-License-Identifier: MIT
 *
 * test_rows_issued — the rows of what comes after an order, and of what is kept beside: versions,
 * targets, deployments, events, directories.
 */
#include "tests/unit.h"

#include "store/certificate.h"
#include "store/deployment.h"
#include "store/directory.h"
#include "store/event.h"
#include "store/version.h"
#include "tests/unit/make_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW MAKE_STORE_NOW

static struct store *in_turn(void **state)
{
	struct store *s = made_store_open(*state);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	return s;
}

static void commit(struct store *s)
{
	struct err e = {0};

	if (store_turn_commit(s, &e) != 0)
		fail_msg("%s", e.text);
}

static struct err some_error(void)
{
	struct err e = {0};

	err_set(&e, ERR_BUSY, "the CA asks for time: \"später\"");
	e.retry_at = NOW + 60;
	snprintf(e.type, sizeof(e.type), "rateLimited");
	return e;
}

static void assert_some_error(const struct err *e)
{
	const struct err want = some_error();

	assert_int_equal(e->code, want.code);
	assert_int_equal(e->retry_at, want.retry_at);
	assert_string_equal(e->type, want.type);
	assert_string_equal(e->text, want.text);
}

static void fill_standing(struct standing *st)
{
	st->attempts = 2;
	st->failures = 3;
	st->next_at = NOW + 5;
	st->error = some_error();
	st->error_at = NOW - 1;
}

static void assert_standing(const struct standing *st)
{
	assert_int_equal(st->attempts, 2);
	assert_int_equal(st->failures, 3);
	assert_int_equal(st->next_at, NOW + 5);
	assert_some_error(&st->error);
	assert_int_equal(st->error_at, NOW - 1);
}

static void a_new_version_is_the_live_one(void **state)
{
	struct store *s = in_turn(state);
	AUTO_CERTIFICATE struct certificate *c = NULL;
	AUTO_VERSION struct version *v = NULL;
	struct version full = {
		.order_id = 5,
		.key_id = 6,
		.key_kind = (char *)"ec-384",
		.serial = (char *)"0BAD",
		.issuer = (char *)"CN=R1",
		.fingerprint = (char *)"ff",
		.ari_id = (char *)"aki.serial",
		.not_before = NOW - 10,
		.not_after = NOW + 10,
		.leaf = (char *)"LEAF",
		.chain = (char *)"CHAIN",
		.created_at = NOW - 3,
		.profile = (char *)"classic",
	};
	struct version **list = NULL;
	size_t count = 0;

	full.certificate_id = make_certificate(s, make_account(s, "default"), "www");
	assert_int_equal(make_version(s, full.certificate_id, 1, NOW), 1);
	strlist_add(&full.names, "a.example");
	strlist_add(&full.names, "b.example");
	assert_int_equal(version_insert(s, &full, NULL), 0);
	commit(s);
	assert_int_equal(certificate_load(s, full.certificate_id, &c, NULL), 0);
	assert_int_equal(c->live_version_id, full.id);
	assert_int_equal(version_load(s, full.id, &v, NULL), 0);
	assert_true(strlist_equal(&v->names, &full.names));
	assert_int_equal(v->order_id, 5);
	assert_int_equal(v->key_id, 6);
	assert_string_equal(v->key_kind, "ec-384");
	assert_string_equal(v->serial, "0BAD");
	assert_string_equal(v->issuer, "CN=R1");
	assert_string_equal(v->fingerprint, "ff");
	assert_string_equal(v->ari_id, "aki.serial");
	assert_int_equal(v->not_before, NOW - 10);
	assert_int_equal(v->not_after, NOW + 10);
	assert_string_equal(v->leaf, "LEAF");
	assert_string_equal(v->chain, "CHAIN");
	assert_int_equal(v->created_at, NOW - 3);
	assert_string_equal(v->profile, "classic");
	strlist_clear(&full.names);

	assert_int_equal(version_list(s, full.certificate_id, &list, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_int_equal(list[0]->id, full.id);
	assert_null(list[1]->ari_id);
	assert_null(list[1]->profile);
	assert_string_equal(list[1]->chain, "");
	version_list_free(list, count);
}

static void a_target_counts_installs_and_reloads(void **state)
{
	struct store *s = in_turn(state);
	AUTO_TARGET struct target *t = NULL;
	const int64_t id = make_target(s, "{\"dir\":\"/etc\"}");
	int64_t wanted = 0;

	assert_int_equal(make_target(s, "{}"), id + 1);
	assert_int_equal(make_target(s, "{\"dir\":\"/etc\"}"), id);
	assert_int_equal(target_raise(s, id, &wanted, NULL), 0);
	assert_int_equal(target_raise(s, id, &wanted, NULL), 0);
	assert_int_equal(wanted, 2);
	assert_int_equal(target_reached(s, id, 2, NULL), 0);
	assert_int_equal(target_reached(s, id, 1, NULL), 0); /* heard late */
	assert_int_equal(target_load(s, id, &t, NULL), 0);
	assert_string_equal(t->deployer, "files");
	assert_string_equal(t->settings, "{\"dir\":\"/etc\"}");
	assert_int_equal(t->wanted, 2);
	assert_int_equal(t->done, 2);
	assert_int_equal(target_raise(s, 99, &wanted, NULL), ERR_STORE);
	commit(s);
}

/* A certificate with two versions of two deployments each: ids 1 and 2, 3 and 4. */
static struct store *with_deployments(void **state)
{
	struct store *s = in_turn(state);
	struct make_deployment spec = {0};

	spec.certificate_id = make_certificate(s, make_account(s, "default"), "www");
	spec.target_id = make_target(s, "{}");
	for (int i = 0; i < 2; i++) {
		spec.version_id = make_version(s, spec.certificate_id, 1, NOW);
		for (spec.position = 1; spec.position <= 2; spec.position++)
			assert_true(make_deployment(s, &spec) > 0);
	}
	return s;
}

/* The ids that are open, as decimal digits. */
static int64_t open_deployments(struct store *s, int64_t certificate_id)
{
	struct open_rows rows AUTO_OPEN_ROWS = {0};
	int64_t ids = 0;

	assert_int_equal(deployment_open(s, certificate_id, &rows, NULL), 0);
	for (size_t i = 0; i < rows.count; i++)
		ids = ids * 10 + rows.rows[i].id;
	return ids;
}

static void end_deployment(struct store *s, int64_t id)
{
	AUTO_DEPLOYMENT struct deployment *d = NULL;
	bool taken = false;

	assert_int_equal(claim_take(s, CLAIM_DEPLOYMENT, id, &taken, NULL), 0);
	assert_int_equal(deployment_load(s, id, &d, NULL), 0);
	fill_standing(&d->standing);
	mem_set_str(&d->stage, "done");
	d->ended_at = NOW;
	assert_int_equal(deployment_save(s, d, true, NULL), 0);
	deployment_free(TAKE(d));
	assert_int_equal(deployment_load(s, id, &d, NULL), 0);
	assert_string_equal(d->stage, "done");
	assert_standing(&d->standing);
}

static void deployments_of_a_version_run_in_their_order(void **state)
{
	struct store *s = with_deployments(state);
	struct deployment **list = NULL;
	size_t count = 0;

	assert_int_equal(open_deployments(s, 0), 13);
	assert_int_equal(open_deployments(s, 1), 13);
	assert_int_equal(open_deployments(s, 2), 0);
	end_deployment(s, 3);
	assert_int_equal(open_deployments(s, 0), 14);
	end_deployment(s, 4);
	assert_int_equal(open_deployments(s, 0), 1);
	assert_int_equal(deployment_list(s, 2, &list, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_int_equal(list[0]->id, 3);
	assert_int_equal(list[1]->position, 2);
	assert_int_equal(list[1]->ended_at, NOW);
	assert_int_equal(list[1]->created_at, NOW);
	deployment_list_free(list, count);
	commit(s);
}

static void a_newer_version_takes_the_deployments_of_the_older(void **state)
{
	struct store *s = with_deployments(state);
	AUTO_DEPLOYMENT struct deployment *d = NULL;
	bool taken = false;

	end_deployment(s, 1);
	assert_int_equal(claim_take(s, CLAIM_DEPLOYMENT, 2, &taken, NULL), 0);
	assert_int_equal(deployment_load(s, 2, &d, NULL), 0);
	assert_int_equal(deployment_supersede(s, 1, 2, NULL), 0);
	assert_int_equal(open_deployments(s, 0), 3);
	assert_int_equal(deployment_save(s, d, false, NULL), ERR_BUSY); /* it was taken away */
	deployment_free(TAKE(d));
	assert_int_equal(deployment_load(s, 2, &d, NULL), 0);
	assert_string_equal(d->stage, "superseded");
	deployment_free(TAKE(d));
	assert_int_equal(deployment_load(s, 1, &d, NULL), 0);
	assert_string_equal(d->stage, "done"); /* had ended before */
	commit(s);
}

static void a_deployment_that_is_asked_for_again_is_due_at_once(void **state)
{
	struct store *s = with_deployments(state);
	AUTO_DEPLOYMENT struct deployment *d = NULL;
	bool taken = false;

	end_deployment(s, 3);
	assert_int_equal(claim_take(s, CLAIM_DEPLOYMENT, 4, &taken, NULL), 0);
	assert_int_equal(deployment_load(s, 4, &d, NULL), 0);
	fill_standing(&d->standing);
	assert_int_equal(deployment_save(s, d, false, NULL), 0);
	assert_int_equal(deployment_renew(s, 2, NULL), 0);
	deployment_free(TAKE(d));
	assert_int_equal(deployment_load(s, 3, &d, NULL), 0);
	assert_string_equal(d->stage, "due");
	assert_int_equal(d->ended_at, 0);
	assert_int_equal(d->standing.attempts + d->standing.failures + d->standing.next_at, 0);
	assert_int_equal(d->standing.error.code, ERR_NONE);
	deployment_free(TAKE(d));
	assert_int_equal(deployment_load(s, 4, &d, NULL), 0);
	assert_int_equal(d->standing.next_at, 0);
	assert_int_equal(d->standing.failures, 3); /* still the same attempt */
	commit(s);
}

static void what_was_deployed_before_is_the_newest_other_version_that_was(void **state)
{
	struct store *s = with_deployments(state);
	AUTO_DEPLOYMENT struct deployment *d = NULL;
	int64_t before = -1;

	assert_int_equal(deployment_load(s, 3, &d, NULL), 0);
	assert_int_equal(deployment_before(s, d, &before, NULL), 0);
	assert_int_equal(before, 0);
	end_deployment(s, 3); /* of its own version */
	assert_int_equal(deployment_before(s, d, &before, NULL), 0);
	assert_int_equal(before, 0);
	end_deployment(s, 1);
	assert_int_equal(deployment_before(s, d, &before, NULL), 0);
	assert_int_equal(before, 1);
	d->target_id = make_target(s, "{\"another\":1}");
	assert_int_equal(deployment_before(s, d, &before, NULL), 0);
	assert_int_equal(before, 0);
	commit(s);
}

static void a_deployment_is_coming_while_somebody_alive_is_at_the_one_before_it(void **state)
{
	struct store *s = with_deployments(state);
	struct make_deployment spec = {.certificate_id = 1, .version_id = 2, .position = 0};
	bool coming = true, taken = false;
	int64_t id;

	spec.target_id = make_target(s, "{\"files\":1}");
	id = make_deployment(s, &spec);
	assert_int_equal(deployment_coming(s, 1, &coming, NULL), 0);
	assert_false(coming); /* nobody is at it */
	assert_int_equal(claim_take(s, CLAIM_DEPLOYMENT, id, &taken, NULL), 0);
	assert_int_equal(deployment_coming(s, 1, &coming, NULL), 0);
	assert_true(coming);
	assert_int_equal(deployment_coming(s, spec.target_id, &coming, NULL), 0);
	assert_false(coming); /* it is there */
	end_deployment(s, id);
	assert_int_equal(deployment_coming(s, 1, &coming, NULL), 0);
	assert_false(coming);
	commit(s);
}

/* next_at of a deployment; *ret_raised: the other thing that is looked at. */
static int64_t next_of(struct store *s, int64_t id, int64_t *ret_raised)
{
	AUTO_DEPLOYMENT struct deployment *d = NULL;

	assert_int_equal(deployment_load(s, id, &d, NULL), 0);
	*ret_raised = d->raised;
	return d->standing.next_at;
}

static void postpone(struct store *s, int64_t id, int64_t failures)
{
	AUTO_DEPLOYMENT struct deployment *d = NULL;
	bool taken = false;

	assert_int_equal(claim_take(s, CLAIM_DEPLOYMENT, id, &taken, NULL), 0);
	assert_int_equal(deployment_load(s, id, &d, NULL), 0);
	d->standing.next_at = NOW + 100;
	d->standing.failures = failures;
	d->raised = 7;
	assert_int_equal(deployment_save(s, d, true, NULL), 0);
}

static void another_window_wakes_whoever_waits_for_it_and_no_other(void **state)
{
	struct store *s = with_deployments(state);
	struct target t = {.deployer = mem_str("files"), .settings = mem_str("{}")};
	int64_t raised;

	postpone(s, 1, 1);
	postpone(s, 3, 0);
	t.window = mem_str("02:00-03:00");
	assert_int_equal(target_put(s, &t, NULL), 0);
	assert_int_equal(t.id, 1);
	assert_int_equal(next_of(s, 1, &raised), NOW + 100); /* it has failed */
	assert_int_equal(next_of(s, 3, &raised), 0);
	assert_int_equal(raised, 7);
	postpone(s, 3, 0);
	assert_int_equal(target_put(s, &t, NULL), 0); /* the same window */
	assert_int_equal(next_of(s, 3, &raised), NOW + 100);
	assert_int_equal(deployment_renew(s, 2, NULL), 0); /* asked for */
	assert_int_equal(next_of(s, 3, &raised), 0);
	assert_int_equal(raised, 0);
	free(t.deployer);
	free(t.settings);
	free(t.window);
	commit(s);
}

static void events_come_newest_last(void **state)
{
	struct store *s = in_turn(state);
	struct event_list list AUTO_EVENT_LIST = {0};
	struct event full = {
		.certificate_id = 1,
		.order_id = 9,
		.kind = (char *)"failed",
		.text = (char *)"two\nlines",
	};

	assert_int_equal(make_event(s, 1, "a"), 1);
	assert_int_equal(make_event(s, 2, "b"), 2);
	assert_int_equal(event_record(s, &full, NULL), 0);
	assert_int_equal(full.at, NOW);
	assert_int_equal(make_event(s, 0, "d"), 4);
	commit(s);
	assert_int_equal(event_list(s, 0, 3, &list, NULL), 0);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.events[0]->text, "b");
	assert_string_equal(list.events[2]->text, "d");
	event_list_clear(&list);
	assert_int_equal(event_list(s, 1, 10, &list, NULL), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.events[1]->id, 3);
	assert_int_equal(list.events[1]->at, NOW);
	assert_int_equal(list.events[1]->order_id, 9);
	assert_string_equal(list.events[1]->kind, "failed");
	assert_string_equal(list.events[1]->text, "two\nlines");
}

/* Seconds after a directory was read. */
static const struct {
	int64_t later;
	bool found;
} ages[] = {
	{0, true},
	{86399, true},
	{86400, false},
	{-1, false}, /* the clock was wrong then or is now */
};

static void a_directory_is_kept_for_a_day(void **state)
{
	struct made_store *m = *state;
	struct store *s = in_turn(state);

	assert_int_equal(directory_save(s, "https://ca.example/d", "{}", NULL), 0);
	assert_int_equal(directory_save(s, "https://ca.example/d", "{\"a\":1}", NULL), 0);
	for (size_t i = 0; i < COUNT_OF(ages); i++) {
		AUTO_FREE char *body = NULL;

		m->now = NOW + ages[i].later;
		assert_int_equal(directory_load(s, "https://ca.example/d", &body, NULL), 0);
		if (ages[i].found)
			assert_string_equal(body, "{\"a\":1}");
		else
			assert_null(body);
	}
	m->now = NOW;
	assert_int_equal(directory_forget(s, "https://ca.example/d", NULL), 0);
	for (int i = 0; i < 2; i++) {
		AUTO_FREE char *body = NULL;

		assert_int_equal(directory_load(s, "https://ca.example/d", &body, NULL), 0);
		assert_null(body);
	}
	commit(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_version_is_the_live_one),
		TEST(a_target_counts_installs_and_reloads),
		TEST(deployments_of_a_version_run_in_their_order),
		TEST(a_newer_version_takes_the_deployments_of_the_older),
		TEST(a_deployment_that_is_asked_for_again_is_due_at_once),
		TEST(what_was_deployed_before_is_the_newest_other_version_that_was),
		TEST(a_deployment_is_coming_while_somebody_alive_is_at_the_one_before_it),
		TEST(another_window_wakes_whoever_waits_for_it_and_no_other),
		TEST(events_come_newest_last),
		TEST(a_directory_is_kept_for_a_day),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
