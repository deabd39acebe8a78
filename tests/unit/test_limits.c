/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"
#include "tests/unit/make_store.h"

#include "agent/limits.h"
#include "agent/schedule.h"
#include "store/account.h"
#include "store/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW    INT64_C(2000000000)
#define MINUTE 60
#define HOUR   3600
#define DAY    86400
#define SERVER "https://acme-v02.api.letsencrypt.org/directory"

/* Orders of the past, all alike but for their names: "%d" in them is the number of the order. */
struct past_row {
	int count;
	int64_t ago;   /* of the first, … */
	int64_t every; /* … and the others so much later each */
	const char *names;
	const char *had;
	bool exempt;
	int64_t account;               /* 0: account 1, the one that wishes */
	bool unknown, failed, refused; /* the CA never heard of it; nothing came of it; nor will */
};

static void past_add(struct past_orders *past, const struct past_row *row)
{
	for (int i = 0; i < row->count; i++) {
		struct past_order *o;

		past->orders = mem_grow(past->orders, past->count + 1, sizeof(*past->orders));
		o = &past->orders[past->count++];
		*o = (struct past_order){
			.account_id = row->account != 0 ? row->account : 1,
			.names = mem_printf(row->names, i),
			.had = row->had != NULL ? mem_printf(row->had, i) : NULL,
			.exempt = row->exempt,
			.known = !row->unknown,
			.issued = !row->failed && !row->refused,
			.began_at = NOW - row->ago + i * row->every,
		};
		o->refused_at = row->refused ? o->began_at : 0;
	}
}

#define ORDERS(number, age, text) .count = (number), .ago = (age), .names = (text)
#define ROWS                      2

static const struct {
	struct past_row past[ROWS];
	const char *names; /* of the wish, by account 1 */
	bool exempt, renews;
	int64_t wait;    /* seconds until it is allowed */
	const char *why; /* in the clause; NULL: nothing is in the way */
} judgements[] = {
	{.names = "example.org", .wait = 0}, /* nothing was */

	/* registered domain: 50 in seven days, one every 12096 s */
	{.past = {{ORDERS(49, HOUR, "h%d.example.org")}}, .names = "www.example.org"},
	{.past = {{ORDERS(50, HOUR, "h%d.example.org")}},
	 .names = "www.example.org",
	 .wait = 12096 - HOUR,
	 .why = "50 certificates per registered domain in 7 days: example.org is free again at "},
	{.past = {{ORDERS(50, 12096, "h%d.example.org")}}, .names = "www.example.org"},
	{.past = {{ORDERS(50, 12095, "h%d.example.org")}},
	 .names = "www.example.org",
	 .wait = 1,
	 .why = "50"},
	{.past = {{ORDERS(50, HOUR, "h%d.example.org")}}, .names = "www.example.net"},
	{.past = {{ORDERS(50, HOUR, "h%d.example.co.uk")}}, .names = "other.co.uk"},
	{.past = {{ORDERS(50, HOUR, "h%d.example.org")}},
	 .names = "a.test b.example.org",
	 .wait = 12096 - HOUR,
	 .why = "50"},
	{.past = {{ORDERS(50, HOUR, "a%d.example.org b%d.example.org")}}, .names = "b.test"},
	/* an order that is for a domain twice counts once */
	{.past = {{ORDERS(49, HOUR, "a%1$d.example.org b%1$d.example.org")}},
	 .names = "www.example.org"},
	{.past = {{ORDERS(50, HOUR, "h%d.example.org"), .account = 2}},
	 .names = "www.example.org",
	 .wait = 12096 - HOUR,
	 .why = "50"}, /* whoever asked */
	{.past = {{ORDERS(50, HOUR, "h%d.example.org"), .failed = true}},
	 .names = "www.example.org"},
	{.past = {{ORDERS(50, HOUR, "h%d.example.org"), .exempt = true}},
	 .names = "www.example.org"},
	{.past = {{ORDERS(50, HOUR, "h%d.example.org"), .had = "h%d.example.org"}},
	 .names = "www.example.org"},
	{.past = {{ORDERS(50, HOUR, "h%d.example.org"), .had = "x.example.org"}},
	 .names = "www.example.org",
	 .wait = 12096 - HOUR,
	 .why = "50"}, /* other names than before: no renewal */
	{.past = {{ORDERS(50, HOUR, "a%1$d.example.org b%1$d.example.org"),
		   .had = "b%1$d.example.org a%1$d.example.org"}},
	 .names = "www.example.org"}, /* in another order */
	{.past = {{ORDERS(50, HOUR, "h%d.example.org")}},
	 .names = "www.example.org",
	 .renews = true},
	{.past = {{ORDERS(50, HOUR, "h%d.example.org")}},
	 .names = "www.example.org",
	 .exempt = true},
	/* by and by it is refilled */
	{.past = {{ORDERS(50, 7 * DAY + HOUR, "h%d.example.org")},
		  {ORDERS(50, HOUR, "i%d.example.org")}},
	 .names = "www.example.org",
	 .wait = 12096 - HOUR,
	 .why = "50"},
	{.past = {{ORDERS(60, 60 * 12096, "h%d.example.org"), .every = 12096}},
	 .names = "www.example.org"},
	{.past = {{ORDERS(50, HOUR, "2001:db8::%d")}},
	 .names = "2001:db8::ffff",
	 .wait = 12096 - HOUR,
	 .why = "2001:db8::/64"},
	{.past = {{ORDERS(50, HOUR, "2001:db8::%d")}}, .names = "2001:db8:0:1::1"},

	/* exactly the same names: 5 in seven days, one every 34 hours (120960 s); also renewals */
	{.past = {{ORDERS(4, HOUR, "a.org b.org")}}, .names = "b.org a.org", .renews = true},
	{.past = {{ORDERS(5, HOUR, "a.org b.org")}},
	 .names = "b.org a.org",
	 .renews = true,
	 .wait = 120960 - HOUR,
	 .why = "5 certificates for exactly the same names in 7 days: a.org b.org is free again"},
	{.past = {{ORDERS(5, HOUR, "a.org b.org"), .had = "a.org b.org"}},
	 .names = "b.org a.org",
	 .renews = true,
	 .wait = 120960 - HOUR,
	 .why = "5 "},
	{.past = {{ORDERS(5, HOUR, "a.org b.org"), .exempt = true}},
	 .names = "b.org a.org",
	 .renews = true,
	 .wait = 120960 - HOUR,
	 .why = "5 "},
	{.past = {{ORDERS(5, HOUR, "a.org b.org")}}, .names = "b.org a.org", .exempt = true},
	{.past = {{ORDERS(5, HOUR, "a.org b.org")}}, .names = "a.org"},
	{.past = {{ORDERS(5, HOUR, "a.org"), .failed = true}}, .names = "a.org"},

	/* new orders: 300 in three hours, one every 36 s */
	{.past = {{ORDERS(299, MINUTE, "%d.test")}}, .names = "a.test"},
	{.past = {{ORDERS(300, 30, "%d.test")}},
	 .names = "a.test",
	 .wait = 6,
	 .why = "300 new orders per account in 3 hours"},
	{.past = {{ORDERS(300, 30, "%d.test"), .failed = true}},
	 .names = "a.test",
	 .wait = 6,
	 .why = "300 "},
	{.past = {{ORDERS(300, 30, "%d.test"), .failed = true, .unknown = true}},
	 .names = "a.test"},
	{.past = {{ORDERS(300, 30, "%d.test"), .account = 2}}, .names = "a.test"},
	{.past = {{ORDERS(300, 30, "%d.test"), .exempt = true}}, .names = "a.test"},
	{.past = {{ORDERS(300, 30, "%d.test"), .had = "%d.test"}}, .names = "a.test"},
	{.past = {{ORDERS(300, 30, "%d.test")}}, .names = "a.test", .renews = true},

	/* failed validations: 5 in an hour, one every 12 minutes */
	{.past = {{ORDERS(4, MINUTE, "a.test"), .refused = true}}, .names = "a.test"},
	{.past = {{ORDERS(5, MINUTE, "a.test"), .refused = true}},
	 .names = "a.test",
	 .wait = 11 * MINUTE,
	 .why = "5 failed validations per name and account in an hour: a.test is free again at"},
	{.past = {{ORDERS(5, MINUTE, "*.a.test"), .refused = true}},
	 .names = "a.test",
	 .wait = 11 * MINUTE,
	 .why = "a.test"},
	{.past = {{ORDERS(5, MINUTE, "a.test"), .refused = true}}, .names = "b.test"},
	{.past = {{ORDERS(5, MINUTE, "a.test"), .refused = true, .account = 2}}, .names = "a.test"},
	{.past = {{ORDERS(5, MINUTE, "a.test"), .refused = true}},
	 .names = "a.test",
	 .exempt = true},

	/* the one that holds longest is said */
	{.past = {{ORDERS(50, HOUR, "h%d.a.org")}, {ORDERS(5, HOUR, "h.a.org")}},
	 .names = "h.a.org",
	 .wait = 120960 - HOUR,
	 .why = "exactly the same names"},
	/* a clock that was ahead */
	{.past = {{ORDERS(50, -3 * DAY, "h%d.example.org")}},
	 .names = "www.example.org",
	 .wait = 12096,
	 .why = "50"},
};

static void an_order_waits_for_the_limit_that_is_in_its_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(judgements); i++) {
		struct past_orders past AUTO_PAST_ORDERS = {0};
		struct strlist names AUTO_STRLIST = {0};
		const struct limit_wish w = {1, &names, judgements[i].exempt, judgements[i].renews};
		AUTO_LIMITS struct limits *l = NULL;
		struct limit_verdict v;

		strlist_add_split(&names, judgements[i].names, " ");
		for (size_t k = 0; k < ROWS; k++)
			past_add(&past, &judgements[i].past[k]);
		l = limits_count(SERVER, &past, NOW);
		v = limits_judge(l, &w, NOW);
		if ((v.at > NOW ? v.at - NOW : 0) != judgements[i].wait)
			fail_msg("row %zu: %lld s, not %lld", i, (long long)(v.at - NOW),
				 (long long)judgements[i].wait);
		if (judgements[i].why != NULL && strstr(v.why, judgements[i].why) == NULL)
			fail_msg("row %zu: \"%s\"", i, v.why);
	}
}

static void what_was_begun_counts_before_it_has_a_row(void **state)
{
	struct past_orders past = {0};
	struct strlist names AUTO_STRLIST = {0};
	const struct limit_wish w = {.account_id = 1, .names = &names};
	AUTO_LIMITS struct limits *l = limits_count(SERVER, &past, NOW);

	(void)state;
	strlist_add(&names, "a.test");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(limits_judge(l, &w, NOW).at, 0);
		limits_begin(l, &w, NOW);
	}
	assert_int_equal(limits_judge(l, &w, NOW).at, NOW + 120960);
}

static void what_waits_is_told_a_time_of_its_own(void **state)
{
	struct past_orders past AUTO_PAST_ORDERS = {0};
	struct strlist names AUTO_STRLIST = {0};
	struct strlist others AUTO_STRLIST = {0};
	const struct limit_wish w = {.account_id = 1, .names = &names};
	const struct limit_wish other = {.account_id = 1, .names = &others};
	AUTO_LIMITS struct limits *l = NULL;

	(void)state;
	past_add(&past, &(struct past_row){ORDERS(50, HOUR, "h%d.example.org")});
	l = limits_count(SERVER, &past, NOW);
	strlist_add(&names, "www.example.org");
	strlist_add(&others, "example.net");
	for (int i = 1; i <= 1000; i++) {
		assert_int_equal(limits_judge(l, &w, NOW).at, NOW - HOUR + i * INT64_C(12096));
		limits_queue(l, &w, NOW);
		assert_int_equal(limits_judge(l, &other, NOW).at, 0); /* nobody else waits */
		limits_queue(l, &other, NOW);
	}
}

static void other_cas_have_no_limits(void **state)
{
	struct past_orders past = {0};

	(void)state;
	assert_null(limits_count("https://ca.test/directory", &past, NOW));
	assert_null(
		limits_count("https://acme-staging-v02.api.letsencrypt.org/directory", &past, NOW));
}

static void what_is_used_is_told(void **state)
{
	struct past_orders past AUTO_PAST_ORDERS = {0};
	struct strlist names AUTO_STRLIST = {0};
	const struct limit_wish w = {.account_id = 1, .names = &names};
	AUTO_LIMITS struct limits *l = NULL;
	struct limit_room *rooms = NULL;
	size_t count;

	(void)state;
	strlist_add_split(&names, "www.example.org example.net", " ");
	past_add(&past, &(struct past_row){ORDERS(12, HOUR, "h%d.example.org")});
	past_add(&past, &(struct past_row){ORDERS(2, MINUTE, "example.net"), .refused = true});
	l = limits_count(SERVER, &past, NOW);
	count = limits_room(l, &w, NOW, &rooms);
	assert_int_equal(count, 6);
	assert_string_equal(rooms[0].what, "new orders per account in 3 hours: this account");
	assert_int_equal(rooms[0].used, 1); /* a minute refills one and a bit */
	assert_int_equal(rooms[0].most, 300);
	assert_string_equal(rooms[1].what,
			    "certificates per registered domain in 7 days: example.org");
	assert_int_equal(rooms[1].used, 12);
	assert_int_equal(rooms[1].most, 50);
	assert_int_equal(rooms[2].used, 0); /* example.net: nothing came of them */
	assert_int_equal(rooms[3].used, 0);
	assert_int_equal(rooms[4].used, 0); /* www.example.org was never refused */
	assert_int_equal(rooms[5].used, 2);
	limit_rooms_free(rooms, count);
}

/* --- the schedule heeds them --- */

static void a_limit_puts_off_what_is_due_and_says_so(void **state)
{
	struct certificate c = {0};
	struct renewal renewal = {0};
	const uint8_t seed[32] = {0};
	struct limit_verdict limit = {NOW + HOUR, "the CA allows little"};
	struct schedule_input in = {
		.certificate = &c, .renewal = &renewal, .limit = &limit, .seed = seed, .now = NOW};
	struct schedule s;

	(void)state;
	s = schedule(&in);
	assert_int_equal(s.when, NOW + HOUR);
	assert_int_equal(s.free_at, NOW + HOUR);
	assert_true(s.due <= NOW);
	assert_string_equal(s.why, "the CA allows little");
	renewal = (struct renewal){.failures = 2, .next_at = NOW + 2 * HOUR, .error_at = NOW};
	s = schedule(&in);
	assert_int_equal(s.when, NOW + 2 * HOUR); /* the back-off is longer */
	assert_int_equal(s.free_at, NOW + HOUR);
	limit.at = NOW;
	renewal.failures = 0;
	s = schedule(&in);
	assert_true(s.when <= NOW);
	assert_int_equal(s.free_at, 0);
}

/* --- the rows they are counted from --- */

static void orders_are_counted_from_their_rows(void **state)
{
	struct made_store *m = *state;
	struct store *s = made_store_open(m);
	struct past_orders past AUTO_PAST_ORDERS = {0};
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	int64_t account, certificate[4], order[4];

	assert_int_equal(store_turn_begin(s, NULL), 0);
	account = make_account(s, "default");
	for (int i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "c%d", i);
		certificate[i] = make_certificate(s, account, name);
		m->now++;
		order[i] = make_order_row(s, account, certificate[i]);
	}
	assert_int_equal(account_load(s, account, &a, NULL), 0);
	end_order(s, order[1], m->now);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	made_store_close(m);
	made_store_sql(
		m, "everleaf.db",
		"UPDATE acme_order SET created_at = created_at - 1000 WHERE id = 1;"
		"UPDATE acme_order SET url = 'u', stage = 'failed', ended_at = 7, "
		"err_type = 'dns' WHERE id = 3;"
		"UPDATE acme_order SET replaces = 'r', exempt = 1, names = 'b a', url = 'v', stage "
		"= 'failed', "
		"ended_at = 8, issued = 1 WHERE id = 4;"
		"UPDATE acme_order SET replaces = 'r' WHERE id = 3;" /* after its window */
		"INSERT INTO version (id, certificate_id, order_id, key_id, key_kind, serial, "
		"issuer, fingerprint, names, not_before, not_after, leaf, chain, created_at) "
		"VALUES (1, 4, 2, 1, '', '', '', '', 'a b', 0, 0, '', '', 0);");
	s = made_store_open(m);
	assert_int_equal(past_orders_read(s, "https://other.test", 0, &past, NULL), 0);
	assert_int_equal(past.count, 0);
	assert_int_equal(past_orders_read(s, a->server, m->now - 100, &past, NULL), 0);
	assert_int_equal(past.count, 3);    /* the first is too long ago */
	assert_false(past.orders[0].known); /* it has no URL */
	assert_int_equal(past.orders[0].refused_at, 0);
	assert_true(past.orders[1].known);
	assert_false(past.orders[1].exempt);
	assert_false(past.orders[1].issued);
	assert_int_equal(past.orders[1].refused_at, 7);
	assert_true(past.orders[2].known && past.orders[2].issued && past.orders[2].exempt);
	assert_int_equal(past.orders[2].account_id, account);
	assert_int_equal(past.orders[2].began_at, m->now);
	assert_string_equal(past.orders[2].names, "b a");
	assert_string_equal(past.orders[2].had, "a b");
	assert_null(past.orders[1].had);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_waits_for_the_limit_that_is_in_its_way),
		cmocka_unit_test(what_was_begun_counts_before_it_has_a_row),
		cmocka_unit_test(what_waits_is_told_a_time_of_its_own),
		cmocka_unit_test(other_cas_have_no_limits),
		cmocka_unit_test(what_is_used_is_told),
		cmocka_unit_test(a_limit_puts_off_what_is_due_and_says_so),
		cmocka_unit_test_setup_teardown(orders_are_counted_from_their_rows,
						made_store_setup, made_store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
