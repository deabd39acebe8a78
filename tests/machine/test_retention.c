/* SPDX-License-Identifier: MIT
 *
 * test_retention — ten years of renewals, failures and changes of mind, row by row as the agent
 * writes them, with a tidying each day: the store stays as large as it was after two.
 */
#include "tests/unit.h"

#include "store/account.h"
#include "store/certificate.h"
#include "store/challenge.h"
#include "store/deployment.h"
#include "store/event.h"
#include "store/keys.h"
#include "store/version.h"
#include "tests/unit/make_store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY          MAKE_STORE_DAY
#define CERTIFICATES 20
#define CHANGE_DAYS  30 /* one certificate is deleted, and another made, so often */
#define GROWTH       1.2

static const int lifetimes[] = {6, 10, 47, 90}; /* days */

struct life {
	int64_t id;
	int lifetime;
	int64_t renew_on; /* day */
};

struct history {
	struct made_store *m;
	struct life lives[CERTIFICATES];
	uint32_t random;
	int64_t account, orders;
	int made; /* certificates so far */
};

/* Numerical Recipes' generator: the same history in every run. */
static uint32_t chance(struct history *h, uint32_t below)
{
	h->random = h->random * 1664525 + 1013904223;
	return (h->random >> 8) % below;
}

static void life_begins(struct history *h, size_t i, int64_t day)
{
	AUTO_FREE char *name = mem_printf("c%d.example.com", h->made++);

	h->lives[i] = (struct life){
		.id = make_certificate(h->m->store, h->account, name),
		.lifetime = lifetimes[i % COUNT_OF(lifetimes)],
		.renew_on = day,
	};
	assert_true(h->lives[i].id > 0);
}

static void life_ends(struct history *h, size_t i)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct store *s = h->m->store;

	assert_int_equal(certificate_load(s, h->lives[i].id, &c, NULL), 0);
	c->removed_at = h->m->now;
	assert_int_equal(certificate_save(s, c, NULL), 0);
	assert_true(make_event(s, c->id, "deleted by a command") > 0);
}

static int64_t put_key(struct store *s)
{
	AUTO_KEY struct key *key = NULL;
	int64_t id = 0;

	assert_int_equal(key_generate(KEY_EC256, &key, NULL), 0);
	assert_int_equal(keys_put(s, key, &id, NULL), 0);
	return id;
}

static void put_challenges(struct store *s, int64_t order_id)
{
	for (int i = 0; i < 2; i++) {
		AUTO_FREE char *url = mem_printf("https://ca.example/authorization/%lld/%d",
						 (long long)order_id, i);
		struct challenge c = {
			.order_id = order_id,
			.authorization_url = url,
			.identifier = (char *)"www.example.com",
			.type = (char *)"http-01",
			.url = url,
			.token = url,
			.solver = (char *)"{\"name\":\"webroot\",\"directory\":\"/var/www\"}",
		};

		assert_int_equal(challenge_put(s, &c, NULL), 0);
		assert_int_equal(challenge_withdrawn(s, c.id, NULL), 0);
	}
}

/* An order that has ended, with the events of one. */
static int64_t put_order(struct history *h, const struct life *l, int64_t *ret_key)
{
	AUTO_ORDER_ROW struct order *o = make_order(h->account, l->id);
	struct store *s = h->m->store;
	char csr[450];
	bool inserted = false;

	*ret_key = o->key_id = put_key(s);
	memset(csr, 'c', sizeof(csr));
	assert_int_equal(buf_add(&o->csr, csr, sizeof(csr)), 0);
	assert_int_equal(order_insert(s, o, &inserted, NULL), 0);
	assert_true(inserted);
	put_challenges(s, o->id);
	end_order(s, o->id, h->m->now);
	for (int i = 0; i < 3; i++)
		assert_true(make_event(s, l->id, "something happened, told in one sentence") > 0);
	h->orders++;
	return o->id;
}

static void put_version(struct history *h, const struct life *l, int64_t key_id)
{
	AUTO_FREE char *pem = mem_new(2001);
	struct store *s = h->m->store;
	AUTO_FREE char *settings = mem_printf("{\"directory\":\"/%lld\"}", (long long)l->id);
	struct make_deployment spec = {l->id, 0, make_target(s, settings), 1};
	AUTO_DEPLOYMENT struct deployment *d = NULL;
	struct version v = {
		.certificate_id = l->id,
		.key_id = key_id,
		.key_kind = (char *)"ec-256",
		.serial = (char *)"0A3F",
		.issuer = (char *)"CN=Test",
		.fingerprint = (char *)"00",
		.not_before = h->m->now,
		.not_after = h->m->now + l->lifetime * DAY,
		.leaf = pem,
		.chain = pem,
	};
	struct renewal renewal = {.certificate_id = l->id, .succeeded_at = h->m->now};
	bool taken = false;

	memset(pem, 'p', 2000);
	assert_int_equal(version_insert(s, &v, NULL), 0);
	assert_int_equal(deployment_supersede(s, l->id, v.id, NULL), 0);
	spec.version_id = v.id;
	spec.position = make_deployment(s, &spec);
	assert_int_equal(claim_take(s, CLAIM_DEPLOYMENT, spec.position, &taken, NULL), 0);
	assert_int_equal(deployment_load(s, spec.position, &d, NULL), 0);
	mem_set_str(&d->stage, "done");
	d->ended_at = h->m->now;
	assert_int_equal(deployment_save(s, d, true, NULL), 0);
	assert_int_equal(renewal_save(s, &renewal, NULL), 0);
}

/* A third of the renewals fail before they succeed, up to five times. */
static void life_renews(struct history *h, struct life *l, int64_t day)
{
	int64_t key = 0;

	for (uint32_t left = chance(h, 3) == 0 ? chance(h, 5) + 1 : 0; left > 0; left--)
		put_order(h, l, &key);
	put_order(h, l, &key);
	put_version(h, l, key);
	l->renew_on = day + (l->lifetime < 10 ? l->lifetime / 2 : l->lifetime * 2 / 3);
}

static void live_a_day(struct history *h, int64_t day)
{
	struct store *s = h->m->store;
	struct err e = {0};

	h->m->now = MAKE_STORE_NOW + day * DAY;
	assert_int_equal(store_turn_begin(s, NULL), 0);
	if (day % CHANGE_DAYS == CHANGE_DAYS - 1) {
		size_t i = chance(h, CERTIFICATES);

		life_ends(h, i);
		life_begins(h, i, day);
	}
	for (size_t i = 0; i < CERTIFICATES; i++)
		if (h->lives[i].renew_on <= day)
			life_renews(h, &h->lives[i], day);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	if (store_prune(s, &e) != 0)
		fail_msg("%s", e.text);
}

/* --- how large it is --- */

static const struct {
	const char *file, *table;
} tables[] = {
	{"everleaf.db", "account"},   {"everleaf.db", "certificate"},
	{"everleaf.db", "renewal"},   {"everleaf.db", "renewal_info"},
	{"everleaf.db", "notice"},    {"everleaf.db", "acme_order"},
	{"everleaf.db", "challenge"}, {"everleaf.db", "version"},
	{"everleaf.db", "target"},    {"everleaf.db", "deployment"},
	{"everleaf.db", "event"},     {"everleaf.db", "directory"},
	{"keys.db", "key"},
};

struct size {
	int64_t rows[COUNT_OF(tables)];
	int64_t bytes, key_bytes;
};

static int64_t count_rows(const struct made_store *m, size_t table)
{
	AUTO_FREE char *path = made_store_path(m, tables[table].file);
	AUTO_FREE char *text = mem_printf("SELECT count(*) FROM \"%s\"", tables[table].table);
	sqlite3_stmt *stmt = NULL;
	sqlite3 *sqlite = NULL;
	int64_t count;

	assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(sqlite, text, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	count = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(sqlite);
	return count;
}

static int64_t file_size(const struct made_store *m, const char *name)
{
	AUTO_FREE char *path = made_store_path(m, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void measure(const struct history *h, int years, struct size *z)
{
	for (size_t i = 0; i < COUNT_OF(tables); i++)
		z->rows[i] = count_rows(h->m, i);
	z->bytes = file_size(h->m, "everleaf.db");
	z->key_bytes = file_size(h->m, "keys.db");
	print_message("# after %d years and %lld orders: %lld and %lld bytes;", years,
		      (long long)h->orders, (long long)z->bytes, (long long)z->key_bytes);
	for (size_t i = 0; i < COUNT_OF(tables); i++)
		print_message(" %s %lld", tables[i].table, (long long)z->rows[i]);
	print_message("\n");
}

static void assert_no_growth(const char *what, int64_t before, int64_t after)
{
	if ((double)after > GROWTH * (double)before + 5)
		fail_msg("%s grew from %lld to %lld", what, (long long)before, (long long)after);
}

static void ten_years_need_no_more_room_than_two(void **state)
{
	struct history h = {.m = *state, .random = 1};
	struct size two, ten;

	made_store_open(h.m);
	assert_int_equal(store_turn_begin(h.m->store, NULL), 0);
	h.account = make_account(h.m->store, "default");
	for (size_t i = 0; i < CERTIFICATES; i++)
		life_begins(&h, i, (int64_t)i);
	assert_int_equal(store_turn_commit(h.m->store, NULL), 0);
	for (int64_t day = 0; day < 3650; day++) {
		live_a_day(&h, day);
		if (day == 729)
			measure(&h, 2, &two);
	}
	measure(&h, 10, &ten);
	for (size_t i = 0; i < COUNT_OF(tables); i++)
		assert_no_growth(tables[i].table, two.rows[i], ten.rows[i]);
	assert_no_growth("everleaf.db", two.bytes, ten.bytes);
	assert_no_growth("keys.db", two.key_bytes, ten.key_bytes);
	assert_true(h.orders > 10000);
	assert_int_equal(store_check(h.m->store, NULL), 0);
}

/* In memory, where there is such a place: what reaches a disk is not asked here. */
static int setup(void **state)
{
	int r = made_store_setup(state);
	struct made_store *m = *state;
	char base[] = "/dev/shm/everleaf-store-XXXXXX";

	if (r != 0 || mkdtemp(base) == NULL)
		return r;
	rmdir(m->base);
	snprintf(m->base, sizeof(m->base), "%s", base);
	snprintf(m->dir, sizeof(m->dir), "%s/state", base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ten_years_need_no_more_room_than_two, setup,
						made_store_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
