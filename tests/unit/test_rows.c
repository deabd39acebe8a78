/* SPDX-License-Identifier: MIT
 *
 * test_rows — accounts, certificates, orders and challenges: each table gives back what was put
 * into it, and keeps the rules that its header promises.
 */
#include "tests/unit.h"

#include "store/account.h"
#include "store/certificate.h"
#include "store/challenge.h"
#include "store/order.h"
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

static void an_account_comes_back_as_it_was_saved(void **state)
{
	struct store *s = in_turn(state);
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	const int64_t id = make_account(s, "default");
	bool taken = false;

	assert_int_equal(claim_take(s, CLAIM_ACCOUNT, id, &taken, NULL), 0);
	assert_true(taken);
	assert_int_equal(account_load(s, id, &a, NULL), 0);
	assert_null(a->url);
	assert_null(a->ca_bundle);
	assert_null(a->proxy);
	assert_int_equal(a->key_id, 0);
	fill_standing(&a->standing);
	mem_set_str(&a->url, "https://ca.example/account/1");
	mem_set_str(&a->ca_bundle, "/etc/ca.pem");
	mem_set_str(&a->proxy, "http://proxy:3128");
	mem_set_str(&a->contact, "a@example.com b@example.com");
	mem_set_str(&a->stage, "dead");
	a->agreed = false;
	a->key_id = 7;
	assert_int_equal(account_configure(s, a, NULL), 0);
	mem_set_str(&a->contact, "what its owner read before");
	a->agreed = true;
	assert_int_equal(account_save(s, a, false, NULL), 0); /* the operator's words stay */
	commit(s);

	account_free(TAKE(a));
	assert_int_equal(account_find(s, "https://ca.example/directory", "default", &a, NULL), 0);
	assert_int_equal(a->id, id);
	assert_string_equal(a->url, "https://ca.example/account/1");
	assert_string_equal(a->ca_bundle, "/etc/ca.pem");
	assert_string_equal(a->proxy, "http://proxy:3128");
	assert_string_equal(a->contact, "a@example.com b@example.com");
	assert_string_equal(a->stage, "dead");
	assert_false(a->agreed);
	assert_int_equal(a->key_id, 7);
	assert_string_equal(a->standing.owner, store_owner(s));
	assert_int_equal(a->standing.fence, 1);
	assert_standing(&a->standing);
}

static void an_account_is_one_for_each_entry_of_a_ca(void **state)
{
	struct store *s = in_turn(state);
	struct account **list = NULL;
	AUTO_ACCOUNT_ROW struct account *none = NULL;
	struct open_rows rows AUTO_OPEN_ROWS = {0};
	struct account young = {.server = (char *)"https://other.example/d",
				.entry = (char *)"default"};
	size_t count = 0;

	assert_int_equal(make_account(s, "default"), 1);
	assert_int_equal(make_account(s, "second"), 2);
	assert_int_equal(make_account(s, "default"), 1);
	assert_int_equal(account_insert(s, &young, NULL), 0);
	assert_int_equal(young.id, 3);
	assert_string_equal(young.stage, "key");
	free(young.stage);
	assert_int_equal(account_list(s, &list, &count, NULL), 0);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(list[i]->id, i + 1);
		account_free(list[i]);
	}
	free(list);
	assert_int_equal(account_open(s, 0, &rows, NULL), 0);
	assert_int_equal(rows.count, 0); /* nobody needs it yet */
	assert_true(make_certificate(s, 3, "a.test") > 0);
	assert_int_equal(account_open(s, 0, &rows, NULL), 0); /* the others are ready */
	assert_int_equal(rows.count, 1);
	assert_int_equal(rows.rows[0].id, 3);
	assert_int_equal(rows.rows[0].certificate_id, 0);
	assert_false(rows.rows[0].taken);
	assert_int_equal(account_find(s, "https://ca.example/directory", "x", &none, NULL), 0);
	assert_null(none);
	commit(s);
}

static void a_command_that_says_the_same_again_changes_no_account(void **state)
{
	struct store *s = in_turn(state);
	AUTO_ACCOUNT_ROW struct account *a = NULL;
	const int64_t id = make_account(s, "default");

	commit(s);
	assert_int_equal(account_load(s, id, &a, NULL), 0);
	for (int i = 0; i < 3; i++) {
		if (i > 0)
			mem_set_str(&a->proxy, "http://proxy:3128");
		assert_int_equal(store_turn_begin(s, NULL), 0);
		assert_int_equal(account_configure(s, a, NULL), 0);
		commit(s);
		assert_int_equal(store_commits(s), i == 0 ? 1 : 2);
	}
	account_free(TAKE(a));
	assert_int_equal(account_load(s, id, &a, NULL), 0);
	assert_string_equal(a->proxy, "http://proxy:3128");
}

static void a_certificate_comes_back_as_it_was_saved(void **state)
{
	struct store *s = in_turn(state);
	AUTO_CERTIFICATE struct certificate *c = NULL;
	const int64_t account = make_account(s, "default");
	const int64_t id = make_certificate(s, account, "www");

	assert_int_equal(certificate_load(s, id, &c, NULL), 0);
	assert_int_equal(c->live_version_id, 0);
	strlist_add(&c->names, "*.example.com");
	strlist_add(&c->names, "192.0.2.1");
	mem_set_str(&c->wish, "{\"key\":\"ec-256\"}");
	c->paused = true;
	assert_int_equal(certificate_save(s, c, NULL), 0);
	commit(s);

	certificate_free(TAKE(c));
	assert_int_equal(certificate_find(s, "www", &c, NULL), 0);
	assert_int_equal(c->id, id);
	assert_string_equal(c->origin, "command");
	assert_int_equal(c->names.count, 3);
	assert_string_equal(c->names.items[0], "www.example.com");
	assert_string_equal(c->names.items[2], "192.0.2.1");
	assert_string_equal(c->wish, "{\"key\":\"ec-256\"}");
	assert_int_equal(c->account_id, account);
	assert_true(c->paused);
	certificate_free(TAKE(c));
	assert_int_equal(certificate_load(s, 99, &c, NULL), 0);
	assert_null(c);
}

static void the_name_of_a_certificate_is_free_again_when_it_is_removed(void **state)
{
	struct store *s = in_turn(state);
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct certificate second = {.name = (char *)"www",
				     .origin = (char *)"/etc/a.yaml:3",
				     .wish = (char *)"{}",
				     .account_id = 1};
	struct certificate **list = NULL;
	struct err e = {0};
	size_t count = 0;

	assert_int_equal(make_certificate(s, make_account(s, "default"), "www"), 1);
	assert_int_equal(make_certificate(s, 1, "api"), 2);
	assert_int_equal(certificate_insert(s, &second, &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "made by: command"));
	assert_int_equal(certificate_load(s, 2, &c, NULL), 0);
	mem_set_str(&c->name, "www");
	assert_int_equal(certificate_save(s, c, &e), ERR_CONFIG);
	certificate_free(TAKE(c));

	assert_int_equal(certificate_find(s, "www", &c, NULL), 0);
	c->removed_at = NOW;
	assert_int_equal(certificate_save(s, c, NULL), 0);
	assert_int_equal(certificate_insert(s, &second, NULL), 0);
	assert_int_equal(second.id, 3);
	assert_int_equal(certificate_list(s, &list, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_string_equal(list[0]->name, "api");
	assert_int_equal(list[1]->id, 3);
	certificate_list_free(list, count);
	commit(s);
}

static void a_renewal_is_born_with_its_certificate_and_keeps_its_error(void **state)
{
	struct store *s = in_turn(state);
	struct renewal r = {0};
	struct err e = {0};

	assert_int_equal(make_certificate(s, make_account(s, "default"), "www"), 1);
	assert_int_equal(renewal_load(s, 1, &r, NULL), 0);
	assert_int_equal(r.error.code, ERR_NONE);
	assert_int_equal(r.succeeded_at, 0);
	r.failures = 4;
	r.next_at = NOW + 100;
	r.error = some_error();
	r.error_at = NOW;
	r.succeeded_at = NOW - 5;
	assert_int_equal(renewal_save(s, &r, NULL), 0);
	memset(&r, 0, sizeof(r));
	assert_int_equal(renewal_load(s, 1, &r, NULL), 0);
	assert_int_equal(r.certificate_id, 1);
	assert_int_equal(r.failures, 4);
	assert_int_equal(r.next_at, NOW + 100);
	assert_some_error(&r.error);
	assert_int_equal(r.error_at, NOW);
	assert_int_equal(r.succeeded_at, NOW - 5);
	assert_int_equal(renewal_load(s, 2, &r, &e), ERR_STORE);
	commit(s);
}

static void an_order_comes_back_as_it_was_saved(void **state)
{
	struct store *s = in_turn(state);
	AUTO_ORDER_ROW struct order *o = NULL;
	const int64_t account = make_account(s, "default");
	const int64_t certificate = make_certificate(s, account, "www");
	const int64_t id = make_order_row(s, account, certificate);

	assert_int_equal(order_load(s, id, &o, NULL), 0);
	assert_int_equal(o->certificate_id, certificate);
	assert_int_equal(o->account_id, account);
	assert_int_equal(o->key_id, 1);
	assert_string_equal(o->key_kind, "ec-256");
	assert_int_equal(o->csr.len, 4);
	assert_memory_equal(o->csr.data, "csr", 4);
	assert_string_equal(o->names.items[0], "www.example.com");
	assert_null(o->url);
	assert_null(o->replaces);
	assert_false(o->issued);
	assert_int_equal(o->created_at, NOW);
	assert_string_equal(o->standing.owner, store_owner(s));
	assert_int_equal(o->standing.fence, 1);
	assert_int_equal(o->standing.attempts, 1);

	fill_standing(&o->standing);
	mem_set_str(&o->url, "https://ca.example/order/1");
	mem_set_str(&o->replaces, "abc.def");
	mem_set_str(&o->stage, "failed");
	o->hooked = true;
	o->issued = true;
	o->version_id = 12;
	o->ended_at = NOW + 9;
	assert_int_equal(order_save(s, o, false, NULL), 0);
	commit(s);
	order_free(TAKE(o));
	assert_int_equal(order_latest(s, certificate, &o, NULL), 0);
	assert_int_equal(o->id, id);
	assert_string_equal(o->url, "https://ca.example/order/1");
	assert_string_equal(o->replaces, "abc.def");
	assert_string_equal(o->stage, "failed");
	assert_true(o->hooked);
	assert_true(o->issued);
	assert_int_equal(o->version_id, 12);
	assert_int_equal(o->ended_at, NOW + 9);
	assert_standing(&o->standing);
}

static void a_certificate_has_one_live_order_of_each_key_kind(void **state)
{
	struct store *s = in_turn(state);
	AUTO_ORDER_ROW struct order *again = NULL;
	AUTO_ORDER_ROW struct order *rsa = NULL;
	struct open_rows rows AUTO_OPEN_ROWS = {0};
	const int64_t account = make_account(s, "default");
	const int64_t www = make_certificate(s, account, "www");
	const int64_t api = make_certificate(s, account, "api");
	bool inserted = true;
	int64_t id;

	id = make_order_row(s, account, www);
	again = make_order(account, www);
	assert_int_equal(order_insert(s, again, &inserted, NULL), 0);
	assert_false(inserted);
	assert_int_equal(again->id, 0);
	rsa = make_order(account, www);
	mem_set_str(&rsa->key_kind, "rsa-2048");
	assert_int_equal(order_insert(s, rsa, &inserted, NULL), 0);
	assert_true(inserted);
	assert_int_equal(make_order_row(s, account, api), id + 2);

	end_order(s, id, NOW);
	assert_int_equal(order_insert(s, again, &inserted, NULL), 0);
	assert_true(inserted);
	assert_int_equal(again->id, id + 3);
	assert_int_equal(order_open(s, www, &rows, NULL), 0);
	assert_int_equal(rows.count, 2);
	assert_true(rows.rows[0].mine && rows.rows[0].taken);
	open_rows_clear(&rows);
	assert_int_equal(order_open(s, 0, &rows, NULL), 0);
	assert_int_equal(rows.count, 3);
	commit(s);
}

static void an_order_url_belongs_to_one_live_order(void **state)
{
	struct store *s = in_turn(state);
	AUTO_ORDER_ROW struct order *a = NULL;
	AUTO_ORDER_ROW struct order *b = NULL;
	const int64_t account = make_account(s, "default");
	struct err e = {0};

	assert_int_equal(make_order_row(s, account, make_certificate(s, account, "www")), 1);
	assert_int_equal(make_order_row(s, account, make_certificate(s, account, "api")), 2);
	assert_int_equal(order_load(s, 1, &a, NULL), 0);
	assert_int_equal(order_load(s, 2, &b, NULL), 0);
	mem_set_str(&a->url, "https://ca.example/order/1");
	mem_set_str(&b->url, "https://ca.example/order/1");
	assert_int_equal(order_save(s, a, false, NULL), 0);
	assert_int_equal(order_save(s, a, false, NULL), 0); /* itself is no other */
	assert_int_equal(order_save(s, b, false, &e), ERR_CONFIG);
	assert_int_equal(e.cause, CAUSE_ORDER_TAKEN);
	end_order(s, 1, NOW);
	assert_int_equal(order_save(s, b, false, NULL), 0);
	commit(s);
}

static void an_order_that_ended_without_its_time_is_our_bug(void **state)
{
	struct store *s = in_turn(state);
	AUTO_ORDER_ROW struct order *o = NULL;
	const int64_t account = make_account(s, "default");
	struct err e = {0};

	assert_int_equal(make_order_row(s, account, make_certificate(s, account, "www")), 1);
	assert_int_equal(order_load(s, 1, &o, NULL), 0);
	mem_set_str(&o->stage, "done");
	assert_int_equal(order_save(s, o, false, &e), ERR_BUG);
	mem_set_str(&o->stage, "nonsense");
	assert_int_equal(order_save(s, o, false, &e), ERR_BUG);
	commit(s); /* the statement was undone, not the turn */
	order_free(TAKE(o));
	assert_int_equal(order_load(s, 1, &o, NULL), 0);
	assert_string_equal(o->stage, "new");
}

static struct challenge make_challenge(int64_t order_id, const char *url, const char *token)
{
	return (struct challenge){
		.order_id = order_id,
		.authorization_url = (char *)url,
		.identifier = (char *)"example.com",
		.wildcard = true,
		.type = (char *)"http-01",
		.url = (char *)"https://ca.example/challenge",
		.token = (char *)token,
		.solver = (char *)"{\"webroot\":\"/srv\"}",
	};
}

static void a_challenge_is_one_for_each_authorization_of_an_order(void **state)
{
	struct store *s = in_turn(state);
	const int64_t account = make_account(s, "default");
	const int64_t order = make_order_row(s, account, make_certificate(s, account, "www"));
	struct challenge a = make_challenge(order, "https://ca.example/authz/1", "token-a");
	struct challenge b = make_challenge(order, "https://ca.example/authz/2", "token-b");
	struct challenge again = make_challenge(order, "https://ca.example/authz/1", "token-c");
	struct challenge **list = NULL;
	size_t count = 0;

	assert_int_equal(challenge_put(s, &a, NULL), 0);
	assert_int_equal(challenge_put(s, &b, NULL), 0);
	assert_int_equal(challenge_withdrawn(s, a.id, NULL), 0);
	again.withdrawn = true;
	assert_int_equal(challenge_put(s, &again, NULL), 0);
	assert_int_equal(again.id, a.id);
	assert_false(again.withdrawn);
	assert_int_equal(challenge_withdrawn(s, b.id, NULL), 0);
	commit(s);

	assert_int_equal(challenge_list(s, order, &list, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_string_equal(list[0]->token, "token-c");
	assert_false(list[0]->withdrawn);
	assert_true(list[0]->wildcard);
	assert_string_equal(list[0]->authorization_url, "https://ca.example/authz/1");
	assert_string_equal(list[0]->identifier, "example.com");
	assert_string_equal(list[0]->type, "http-01");
	assert_string_equal(list[0]->url, "https://ca.example/challenge");
	assert_string_equal(list[0]->solver, "{\"webroot\":\"/srv\"}");
	assert_int_equal(list[0]->order_id, order);
	assert_true(list[1]->withdrawn);
	challenge_list_free(list, count);
}

static bool shared(struct store *s, const struct challenge *c)
{
	bool is_shared = false;

	assert_int_equal(challenge_shared(s, c, &is_shared, NULL), 0);
	return is_shared;
}

static void a_token_is_live_while_a_live_order_of_a_living_owner_needs_it(void **state)
{
	struct store *s = in_turn(state);
	const int64_t account = make_account(s, "default");
	const int64_t www = make_order_row(s, account, make_certificate(s, account, "www"));
	const int64_t api = make_order_row(s, account, make_certificate(s, account, "api"));
	struct challenge a = make_challenge(www, "https://ca.example/authz/1", "token");
	struct challenge b = make_challenge(api, "https://ca.example/authz/1", "token");
	struct strlist tokens AUTO_STRLIST = {0};

	assert_int_equal(challenge_put(s, &a, NULL), 0);
	assert_false(shared(s, &a));
	assert_int_equal(challenge_put(s, &b, NULL), 0);
	assert_true(shared(s, &a));
	assert_int_equal(challenge_live_tokens(s, true, &tokens, NULL), 0);
	assert_int_equal(tokens.count, 1);
	assert_string_equal(tokens.items[0], "token");
	assert_int_equal(challenge_withdrawn(s, b.id, NULL), 0);
	assert_false(shared(s, &a));
	assert_true(shared(s, &b));
	assert_int_equal(claim_release(s, CLAIM_ORDER, www, NULL), 0);
	strlist_clear(&tokens);
	assert_int_equal(challenge_live_tokens(s, true, &tokens, NULL), 0);
	assert_int_equal(tokens.count, 0);
	assert_true(shared(s, &b)); /* nobody works on it now, but it is live */
	commit(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_account_comes_back_as_it_was_saved),
		TEST(an_account_is_one_for_each_entry_of_a_ca),
		TEST(a_command_that_says_the_same_again_changes_no_account),
		TEST(a_certificate_comes_back_as_it_was_saved),
		TEST(the_name_of_a_certificate_is_free_again_when_it_is_removed),
		TEST(a_renewal_is_born_with_its_certificate_and_keeps_its_error),
		TEST(an_order_comes_back_as_it_was_saved),
		TEST(a_certificate_has_one_live_order_of_each_key_kind),
		TEST(an_order_url_belongs_to_one_live_order),
		TEST(an_order_that_ended_without_its_time_is_our_bug),
		TEST(a_challenge_is_one_for_each_authorization_of_an_order),
		TEST(a_token_is_live_while_a_live_order_of_a_living_owner_needs_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
