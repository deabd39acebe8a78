/* SPDX-License-Identifier: MIT
 *
 * test_owner — who has a row, who may take it, and what the one who lost it may still write.
 *
 * Two stores opened in one process stand for two processes: every lock in question belongs to an
 * open file, not to a process.
 */
#include "tests/unit.h"

#include "store/account.h"
#include "store/deployment.h"
#include "store/internal.h"
#include "tests/unit/make_store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool take(struct store *s, enum claimable what, int64_t id)
{
	bool taken = false;

	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(claim_take(s, what, id, &taken, NULL), 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	return taken;
}

static int64_t insert_order(struct store *s)
{
	const int64_t account = make_account(s, "default");

	return make_order_row(s, account, make_certificate(s, account, "www"));
}

static int own_and_hang(struct made_store *m, int from, int to)
{
	int64_t number = 0;

	if (store_open(m->dir, &m->clock, &m->store, NULL) != 0 ||
	    store_turn_begin(m->store, NULL) != 0)
		return -1;
	number = insert_order(m->store);
	if (store_turn_commit(m->store, NULL) != 0 || made_say(to, number) != 0)
		return -1;
	(void)made_hear(from, &number); /* until it is killed */
	return 0;
}

static void a_row_is_free_as_soon_as_its_owner_is_killed(void **state)
{
	struct made_store *m = *state;
	AUTO_ORDER_ROW struct order *o = NULL;
	struct open_rows rows AUTO_OPEN_ROWS = {0};
	struct made_child child;
	struct store *s;
	int64_t id = 0;

	made_child_start(&child, m, own_and_hang);
	assert_int_equal(made_hear(child.from, &id), 0);
	s = made_store_open(m);
	assert_false(take(s, CLAIM_ORDER, id));
	assert_int_equal(order_open(s, 0, &rows, NULL), 0);
	assert_int_equal(rows.count, 1);
	assert_true(rows.rows[0].taken);
	assert_false(rows.rows[0].mine);
	assert_int_equal(store_commits(s), 0);

	assert_int_equal(kill(child.pid, SIGKILL), 0);
	assert_int_equal(made_child_end(&child), -SIGKILL);
	open_rows_clear(&rows);
	assert_int_equal(order_open(s, 0, &rows, NULL), 0);
	assert_false(rows.rows[0].taken);
	assert_true(take(s, CLAIM_ORDER, id));
	assert_int_equal(order_load(s, id, &o, NULL), 0);
	assert_string_equal(o->standing.owner, store_owner(s));
	assert_int_equal(o->standing.fence, 2);
	assert_int_equal(o->standing.attempts, 2);
}

static void a_row_is_free_as_soon_as_its_owner_ends(void **state)
{
	struct made_store *m = *state;
	struct store *s = made_store_open(m);
	struct store *other = NULL;
	int64_t id;

	assert_int_equal(store_open(m->dir, &m->clock, &other, NULL), 0);
	assert_string_not_equal(store_owner(s), store_owner(other));
	assert_int_equal(store_turn_begin(other, NULL), 0);
	id = insert_order(other);
	assert_int_equal(store_turn_commit(other, NULL), 0);
	assert_false(take(s, CLAIM_ORDER, id));
	assert_true(take(other, CLAIM_ORDER, id)); /* again */
	store_free(other);
	assert_true(take(s, CLAIM_ORDER, id));
}

static void what_was_read_before_the_last_claim_cannot_be_saved(void **state)
{
	struct store *s = made_store_open(*state);
	AUTO_ORDER_ROW struct order *old = NULL;
	AUTO_ORDER_ROW struct order *new = NULL;
	struct err e = {0};
	int64_t id;

	assert_int_equal(store_turn_begin(s, NULL), 0);
	id = insert_order(s);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_int_equal(order_load(s, id, &old, NULL), 0);
	assert_true(take(s, CLAIM_ORDER, id));
	assert_int_equal(order_load(s, id, &new, NULL), 0);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	mem_set_str(&old->stage, "present");
	assert_int_equal(order_save(s, old, false, &e), ERR_BUSY);
	assert_int_equal(e.cause, CAUSE_LOST);
	mem_set_str(&new->stage, "authorize");
	assert_int_equal(order_save(s, new, true, &e), 0);
	assert_int_equal(order_save(s, new, false, &e), ERR_BUSY); /* released: not ours */
	assert_int_equal(store_turn_commit(s, NULL), 0);

	order_free(TAKE(old));
	assert_int_equal(order_load(s, id, &old, NULL), 0);
	assert_string_equal(old->stage, "authorize");
	assert_string_equal(old->standing.owner, "");
}

static void accounts_and_deployments_are_fenced_too(void **state)
{
	struct store *s = made_store_open(*state);
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	AUTO_DEPLOYMENT struct deployment *d = NULL;
	struct make_deployment spec = {.position = 1};
	struct err e = {0};
	int64_t account, id;

	assert_int_equal(store_turn_begin(s, NULL), 0);
	account = make_account(s, "default");
	spec.certificate_id = make_certificate(s, account, "www");
	spec.version_id = make_version(s, spec.certificate_id, 1, MAKE_STORE_NOW);
	spec.target_id = make_target(s, "{}");
	id = make_deployment(s, &spec);
	assert_int_equal(account_load(s, account, &a, NULL), 0);
	assert_int_equal(account_save(s, a, false, &e), ERR_BUSY); /* never claimed */
	assert_int_equal(e.cause, CAUSE_LOST);
	assert_int_equal(deployment_load(s, id, &d, NULL), 0);
	assert_int_equal(deployment_save(s, d, false, &e), ERR_BUSY);
	assert_int_equal(store_turn_commit(s, NULL), 0);

	assert_true(take(s, CLAIM_ACCOUNT, account));
	assert_true(take(s, CLAIM_DEPLOYMENT, id));
	a->standing.fence++;
	d->standing.fence++;
	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(account_save(s, a, true, &e), 0);
	assert_int_equal(deployment_save(s, d, true, &e), 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
}

static void a_claim_is_released_only_by_its_owner(void **state)
{
	struct made_store *m = *state;
	struct store *s = made_store_open(m);
	struct store *other = NULL;
	int64_t id;

	assert_int_equal(store_open(m->dir, &m->clock, &other, NULL), 0);
	assert_int_equal(store_turn_begin(s, NULL), 0);
	id = make_target(s, "{}");
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_true(take(s, CLAIM_TARGET, id));
	assert_int_equal(store_turn_begin(other, NULL), 0);
	assert_int_equal(claim_release(other, CLAIM_TARGET, id, NULL), 0);
	assert_int_equal(store_turn_commit(other, NULL), 0);
	assert_int_equal(store_commits(other), 0);
	assert_false(take(other, CLAIM_TARGET, id));
	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(claim_release(s, CLAIM_TARGET, id, NULL), 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_true(take(other, CLAIM_TARGET, id));
	assert_false(take(other, CLAIM_TARGET, id + 1)); /* there is none */
	store_free(other);
}

/* Owners as a row that somebody touched might name them. */
static const char *const strangers[] = {
	"",
	"../turn",
	"../../../../../../../../etc/passwd",
	"0123456789abcdef0123456789abcde",  /* a digit short */
	"0123456789ABCDEF0123456789ABCDEF", /* not our hex */
	"0123456789abcdef0123456789abcdef", /* ours by form, but gone */
	"0123456789abcdef0123456789abcdef0",
};

static void an_owner_that_is_none_of_ours_is_dead(void **state)
{
	struct store *s = made_store_open(*state);

	for (size_t i = 0; i < COUNT_OF(strangers); i++)
		assert_false(owner_alive(s, strangers[i]));
	assert_true(owner_alive(s, store_owner(s)));
	assert_int_equal(strlen(store_owner(s)), STORE_ID_SIZE - 1);
}

static void asking_whether_an_owner_lives_does_not_disturb_it(void **state)
{
	struct made_store *m = *state;
	struct store *s = made_store_open(m);
	struct store *other = NULL;

	assert_int_equal(store_open(m->dir, &m->clock, &other, NULL), 0);
	for (int i = 0; i < 10; i++) {
		assert_true(owner_alive(s, store_owner(other)));
		assert_true(owner_alive(other, store_owner(s)));
	}
	store_free(other);
}

static bool owner_file_exists(const struct made_store *m, const char *id)
{
	AUTO_FREE char *path = mem_printf("%s/owners/%s", m->dir, id);

	return access(path, F_OK) == 0;
}

static void files_of_the_dead_are_swept_and_those_of_the_living_stay(void **state)
{
	static const char dead[] = "0123456789abcdef0123456789abcdef";
	struct made_store *m = *state;
	struct store *s = made_store_open(m);
	struct store *other = NULL;
	AUTO_FREE char *path = mem_printf("%s/owners/%s", m->dir, dead);
	char gone[STORE_ID_SIZE];

	assert_int_equal(store_open(m->dir, &m->clock, &other, NULL), 0);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_false(owner_alive(s, dead));
	assert_int_equal(store_prune(s, NULL), 0);
	assert_false(owner_file_exists(m, dead));
	assert_true(owner_file_exists(m, store_owner(s)));
	assert_true(owner_file_exists(m, store_owner(other)));
	assert_true(owner_alive(s, store_owner(other)));
	memcpy(gone, store_owner(other), sizeof(gone));
	store_free(other);
	assert_false(owner_file_exists(m, gone));
}

static int open_and_prune(struct made_store *m, int from, int to)
{
	(void)from;
	(void)to;
	for (int i = 0; i < 40; i++) {
		if (store_open(m->dir, &m->clock, &m->store, NULL) != 0)
			return -1;
		if (owner_prune(m->store, NULL) != 0 || access(m->dir, F_OK) != 0)
			return -1;
		if (!owner_file_exists(m, store_owner(m->store)))
			return -2;
		store_free(m->store);
	}
	return 0;
}

static void a_sweep_never_takes_the_file_of_one_who_just_started(void **state)
{
	struct made_store *m = *state;
	struct made_child children[3];

	for (size_t i = 0; i < COUNT_OF(children); i++)
		made_child_start(&children[i], m, open_and_prune);
	for (size_t i = 0; i < COUNT_OF(children); i++)
		assert_int_equal(made_child_end(&children[i]), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_is_free_as_soon_as_its_owner_is_killed),
		TEST(a_row_is_free_as_soon_as_its_owner_ends),
		TEST(what_was_read_before_the_last_claim_cannot_be_saved),
		TEST(accounts_and_deployments_are_fenced_too),
		TEST(a_claim_is_released_only_by_its_owner),
		TEST(an_owner_that_is_none_of_ours_is_dead),
		TEST(asking_whether_an_owner_lives_does_not_disturb_it),
		TEST(files_of_the_dead_are_swept_and_those_of_the_living_stay),
		TEST(a_sweep_never_takes_the_file_of_one_who_just_started),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
