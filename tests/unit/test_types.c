/* SPDX-License-Identifier: MIT
 *
 * test_types — the CA's objects as they come: whole, partial, odd and hostile.
 */
#include "tests/unit.h"

#include "acme/types.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CA "https://ca.example/"

#define DIRECTORY                                                                                  \
	"{\"newNonce\":\"" CA "nonce\",\"newAccount\":\"" CA "account\",\"newOrder\":\"" CA        \
	"order\",\"revokeCert\":\"" CA "revoke\",\"keyChange\":\"" CA                              \
	"key\",\"renewalInfo\":\"" CA "ari\",\"meta\":{\"termsOfService\":\"" CA                   \
	"terms#v2\",\"externalAccountRequired\":true,\"profiles\":{\"classic\":\"the usual\","     \
	"\"shortlived\":\"" CA "short\"}},\"odd\":[{}]}"

#define ORDER                                                                                      \
	"{\"status\":\"pending\",\"expires\":\"2026-11-22T00:00:00Z\",\"identifiers\":["           \
	"{\"type\":\"dns\",\"value\":\"b.example\"},{\"type\":\"dns\",\"value\":\"*.A.example\"}," \
	"{\"type\":\"ip\",\"value\":\"2001:DB8::0:1\"}],\"authorizations\":[\"" CA "z/1\",\"" CA   \
	"z/2\"],\"finalize\":\"" CA "f/1\",\"error\":null,\"new\":1}"

#define AUTHORIZATION                                                                              \
	"{\"status\":\"pending\",\"expires\":\"2026-11-22T00:00:00Z\",\"identifier\":{\"type\":"   \
	"\"dns\",\"value\":\"a.example\"},\"wildcard\":true,\"challenges\":[{\"type\":\"dns-01\"," \
	"\"url\":\"" CA "c/1\",\"status\":\"pending\",\"token\":\"0123456789abcdefghijkl\"}]}"

#define CHALLENGE                                                                                  \
	"{\"type\":\"http-01\",\"url\":\"" CA "c/1\",\"status\":\"processing\",\"token\":"         \
	"\"0123456789abcdefghijkl\"}"

#define ACCOUNT "{\"status\":\"valid\",\"contact\":[],\"orders\":\"" CA "orders/1\"}"

/* text with the first from replaced by to. */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	if (at == NULL)
		fail_msg("no %s in %s", from, text);
	return mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static int parse_directory(const char *body, struct err *e)
{
	AUTO_DIRECTORY struct acme_directory *d = NULL;
	int r = acme_directory_parse(body, strlen(body), &d, e);

	assert_true((r == 0) == (d != NULL));
	return r;
}

static int parse_account(const char *body, struct err *e)
{
	AUTO_ACCOUNT struct acme_account *a = NULL;
	int r = acme_account_parse(body, strlen(body), &a, e);

	assert_true((r == 0) == (a != NULL));
	return r;
}

static int parse_order(const char *body, struct err *e)
{
	AUTO_ORDER struct acme_order *o = NULL;
	int r = acme_order_parse(body, strlen(body), &o, e);

	assert_true((r == 0) == (o != NULL));
	return r;
}

static int parse_authorization(const char *body, struct err *e)
{
	AUTO_AUTHORIZATION struct acme_authorization *a = NULL;
	int r = acme_authorization_parse(body, strlen(body), &a, e);

	assert_true((r == 0) == (a != NULL));
	return r;
}

static int parse_challenge(const char *body, struct err *e)
{
	AUTO_CHALLENGE struct acme_challenge *c = NULL;
	int r = acme_challenge_parse(body, strlen(body), &c, e);

	assert_true((r == 0) == (c != NULL));
	return r;
}

static void a_directory_tells_its_urls_and_its_profiles(void **state)
{
	AUTO_DIRECTORY struct acme_directory *d = NULL;

	(void)state;
	assert_int_equal(acme_directory_parse(DIRECTORY, strlen(DIRECTORY), &d, NULL), 0);
	assert_string_equal(d->new_nonce, CA "nonce");
	assert_string_equal(d->new_account, CA "account");
	assert_string_equal(d->new_order, CA "order");
	assert_string_equal(d->revoke_cert, CA "revoke");
	assert_string_equal(d->key_change, CA "key");
	assert_string_equal(d->renewal_info, CA "ari");
	assert_string_equal(d->terms_of_service, CA "terms#v2");
	assert_true(d->external_account_required);
	assert_int_equal(d->profiles.count, 2);
	assert_true(strlist_has(&d->profiles, "shortlived"));
}

static void a_directory_of_three_urls_is_enough(void **state)
{
	static const char body[] = "{\"newNonce\":\"" CA "n\",\"newAccount\":\"" CA
				   "a\",\"newOrder\":\"" CA "o\",\"revokeCert\":null}";
	AUTO_DIRECTORY struct acme_directory *d = NULL;

	(void)state;
	assert_int_equal(acme_directory_parse(body, strlen(body), &d, NULL), 0);
	assert_null(d->revoke_cert);
	assert_null(d->renewal_info);
	assert_null(d->terms_of_service);
	assert_false(d->external_account_required);
	assert_int_equal(d->profiles.count, 0);
}

static void an_order_is_read_with_its_names_canonical_and_sorted(void **state)
{
	AUTO_ORDER struct acme_order *o = NULL;
	AUTO_FREE char *names = NULL;

	(void)state;
	assert_int_equal(acme_order_parse(ORDER, strlen(ORDER), &o, NULL), 0);
	names = strlist_join(&o->identifiers, " ");
	assert_string_equal(names, "*.a.example 2001:db8::1 b.example");
	assert_int_equal(o->status, ACME_PENDING);
	assert_int_equal(o->expires, 1795305600);
	assert_int_equal(o->authorizations.count, 2);
	assert_string_equal(o->authorizations.items[1], CA "z/2");
	assert_string_equal(o->finalize, CA "f/1");
	assert_null(o->certificate);
	assert_null(o->problem);
}

static void an_order_says_by_which_profile_it_is_made(void **state)
{
	AUTO_FREE char *body = replaced(ORDER, "\"new\":1", "\"profile\":\"classic\"");
	AUTO_ORDER struct acme_order *o = NULL;
	AUTO_ORDER struct acme_order *plain = NULL;

	(void)state;
	assert_int_equal(acme_order_parse(body, strlen(body), &o, NULL), 0);
	assert_string_equal(o->profile, "classic");
	assert_int_equal(acme_order_parse(ORDER, strlen(ORDER), &plain, NULL), 0);
	assert_null(plain->profile);
}

static void an_order_that_expires_in_the_year_1_does_not_expire(void **state)
{
	AUTO_FREE char *body = replaced(ORDER, "2026-11-22T00:00:00Z", "0001-01-01T00:00:00Z");
	AUTO_ORDER struct acme_order *o = NULL;

	(void)state;
	assert_int_equal(acme_order_parse(body, strlen(body), &o, NULL), 0);
	assert_int_equal(o->expires, 0);
}

static void an_order_that_failed_says_why(void **state)
{
	AUTO_FREE char *invalid = replaced(ORDER, "pending", "invalid");
	AUTO_FREE char *body = replaced(
		invalid, "\"error\":null",
		"\"error\":{\"type\":\"urn:ietf:params:acme:error:dns\",\"detail\":\"no\"}");
	AUTO_ORDER struct acme_order *o = NULL;

	(void)state;
	assert_int_equal(acme_order_parse(body, strlen(body), &o, NULL), 0);
	assert_true(acme_problem_is(o->problem, "dns"));
	assert_int_equal(o->problem->status, 0);
	assert_string_equal(o->problem->detail, "no");
}

static void an_authorization_is_read_with_its_challenges(void **state)
{
	AUTO_AUTHORIZATION struct acme_authorization *a = NULL;

	(void)state;
	assert_int_equal(acme_authorization_parse(AUTHORIZATION, strlen(AUTHORIZATION), &a, NULL),
			 0);
	assert_string_equal(a->identifier, "a.example");
	assert_true(a->wildcard);
	assert_int_equal(a->challenge_count, 1);
	assert_string_equal(a->challenges[0].type, "dns-01");
	assert_string_equal(a->challenges[0].url, CA "c/1");
	assert_string_equal(a->challenges[0].token, "0123456789abcdefghijkl");
	assert_int_equal(a->challenges[0].status, ACME_PENDING);
}

/* One challenge of each oddity; want: how many are kept. */
static const struct {
	const char *challenge;
	size_t want;
} odd_challenges[] = {
	{"{\"type\":\"dns-persist-01\",\"url\":\"" CA "c\",\"status\":\"pending\"}", 1},
	{"{\"type\":\"x\",\"url\":\"" CA "c\"}", 1},
	{"{\"type\":\"x\",\"url\":\"" CA "c\",\"status\":\"surprised\"}", 1},
	{"{\"type\":\"x\",\"url\":\"" CA "c\",\"status\":7,\"token\":{}}", 1},
	{"{\"type\":\"x\",\"url\":\"" CA "c\",\"token\":\"../../etc\"}", 1}, /* acme_token_ok */
	{"{\"type\":\"x\",\"url\":\"http://ca.example/c\"}", 0},
	{"{\"type\":\"x\"}", 0},
	{"{\"url\":\"" CA "c\"}", 0},
	{"{\"type\":5,\"url\":\"" CA "c\"}", 0},
	{"\"x\"", 0},
	{"[]", 0},
	{"null", 0},
};

static void one_odd_challenge_never_costs_the_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(odd_challenges); i++) {
		AUTO_FREE char *two =
			mem_printf("\"challenges\":[%s,", odd_challenges[i].challenge);
		AUTO_FREE char *body = replaced(AUTHORIZATION, "\"challenges\":[", two);
		AUTO_AUTHORIZATION struct acme_authorization *a = NULL;
		struct err e = {0};

		if (acme_authorization_parse(body, strlen(body), &a, &e) != 0)
			fail_msg("%s: %s", body, e.text);
		assert_int_equal(a->challenge_count, odd_challenges[i].want + 1);
		if (odd_challenges[i].want == 1)
			assert_int_equal(a->challenges[0].status,
					 i == 0 ? ACME_PENDING : ACME_UNKNOWN);
	}
}

static void a_wildcard_in_the_name_is_as_good_as_the_flag(void **state)
{
	AUTO_FREE char *star = replaced(AUTHORIZATION, "a.example", "*.a.example");
	AUTO_FREE char *body = replaced(star, "\"wildcard\":true,", "");
	AUTO_AUTHORIZATION struct acme_authorization *a = NULL;

	(void)state;
	assert_int_equal(acme_authorization_parse(body, strlen(body), &a, NULL), 0);
	assert_string_equal(a->identifier, "a.example");
	assert_true(a->wildcard);
}

static void a_challenge_is_read_by_itself(void **state)
{
	AUTO_CHALLENGE struct acme_challenge *c = NULL;

	(void)state;
	assert_int_equal(acme_challenge_parse(CHALLENGE, strlen(CHALLENGE), &c, NULL), 0);
	assert_int_equal(c->status, ACME_PROCESSING);
	assert_string_equal(c->type, "http-01");
}

static void an_account_is_read(void **state)
{
	AUTO_ACCOUNT struct acme_account *a = NULL;

	(void)state;
	assert_int_equal(acme_account_parse(ACCOUNT, strlen(ACCOUNT), &a, NULL), 0);
	assert_int_equal(a->status, ACME_VALID);
	assert_string_equal(a->orders, CA "orders/1");
}

/* A good body in which one thing is replaced. */
static const struct {
	int (*parse)(const char *body, struct err *e);
	const char *good;
	const char *from;
	const char *to;
	const char *why; /* in the sentence */
} broken[] = {
	/* http in every URL */
	{parse_directory, DIRECTORY, CA "nonce", "http://ca.example/nonce", "newNonce"},
	{parse_directory, DIRECTORY, CA "account", "http://ca.example/account", "newAccount"},
	{parse_directory, DIRECTORY, CA "order", "http://ca.example/order", "newOrder"},
	{parse_directory, DIRECTORY, CA "revoke", "http://ca.example/revoke", "revokeCert"},
	{parse_directory, DIRECTORY, CA "key", "http://ca.example/key", "keyChange"},
	{parse_directory, DIRECTORY, CA "ari", "http://ca.example/ari", "renewalInfo"},
	{parse_directory, DIRECTORY, CA "terms", "http://ca.example/terms", "termsOfService"},
	{parse_order, ORDER, CA "z/2", "http://ca.example/z/2", "authorizations"},
	{parse_order, ORDER, CA "f/1", "http://ca.example/f/1", "finalize"},
	{parse_order, ORDER, "\"new\":1", "\"certificate\":\"http://ca.example/c\"", "certificate"},
	{parse_challenge, CHALLENGE, CA, "http://ca.example/", "url"},
	{parse_account, ACCOUNT, CA, "http://ca.example/", "orders"},
	/* other URLs that are none */
	{parse_directory, DIRECTORY, CA "nonce", "", "newNonce"},
	{parse_directory, DIRECTORY, CA "nonce", "/nonce", "newNonce"},
	{parse_directory, DIRECTORY, CA "nonce", "https://u@ca.example/", "newNonce"},
	{parse_directory, DIRECTORY, "\"" CA "nonce\"", "17", "newNonce"},
	{parse_directory, DIRECTORY, "newOrder", "newORDER", "newOrder"},
	{parse_directory, DIRECTORY, "newNonce", "n", "newNonce"},
	{parse_directory, DIRECTORY, "newAccount", "n", "newAccount"},
	/* shapes */
	{parse_directory, DIRECTORY, "{", "[{", ""},
	{parse_directory, DIRECTORY, "\"odd\":[{}]}", "", ""},
	{parse_directory, DIRECTORY, DIRECTORY, "", ""},
	{parse_directory, DIRECTORY, DIRECTORY, "[]", "object"},
	{parse_directory, DIRECTORY, DIRECTORY, "<html>", ""},
	/* statuses */
	{parse_order, ORDER, "pending", "deactivated", "status"},
	{parse_order, ORDER, "pending", "Pending", "status"},
	{parse_order, ORDER, "pending", "unknown", "status"},
	{parse_order, ORDER, "\"pending\"", "null", "status"},
	{parse_order, ORDER, "status", "state", "status"},
	{parse_authorization, AUTHORIZATION, "pending", "processing", "status"},
	{parse_authorization, AUTHORIZATION, "pending", "", "status"},
	{parse_challenge, CHALLENGE, "processing", "ready", "status"},
	{parse_account, ACCOUNT, "valid", "pending", "status"},
	{parse_account, ACCOUNT, "\"status\":\"valid\",", "", "status"},
	/* order */
	{parse_order, ORDER, "pending", "valid", "no certificate"},
	{parse_order, ORDER, "2026-11-22T00:00:00Z", "tomorrow", "expires"},
	{parse_order, ORDER, "identifiers", "names", "identifiers"},
	{parse_order, ORDER, "b.example", "b_c.example", "underscore"},
	{parse_order, ORDER, "b.example", "b.example\\u0000", ""},
	{parse_order, ORDER, "b.example", "192.0.2.1", "192.0.2.1"}, /* not a "dns" */
	{parse_order, ORDER, "\"type\":\"ip\"", "\"type\":\"mail\"", "mail"},
	{parse_order, ORDER, "\"type\":\"ip\",", "", "identifier"},
	{parse_order, ORDER, "authorizations", "auths", "authorizations"},
	{parse_order, ORDER, "\"" CA "z/1\"", "1", "authorizations"},
	{parse_order, ORDER, "finalize", "finalise", "finalize"},
	/* authorization and challenge */
	{parse_authorization, AUTHORIZATION, "identifier", "name", "identifier"},
	{parse_authorization, AUTHORIZATION, "challenges", "offers", "challenges"},
	{parse_authorization, AUTHORIZATION, "2026-11-22T00:00:00Z", "2026-13-01", "expires"},
	{parse_challenge, CHALLENGE, "\"type\":\"http-01\",", "", "type"},
	{parse_challenge, CHALLENGE, "\"url\"", "\"uri\"", "url"},
};

static void one_wrong_member_is_a_protocol_error_that_names_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(broken); i++) {
		AUTO_FREE char *body = replaced(broken[i].good, broken[i].from, broken[i].to);
		struct err e = {0};

		assert_int_equal(broken[i].parse(broken[i].good, &e), 0);
		assert_int_equal(e.code, ERR_NONE);
		if (broken[i].parse(body, &e) != ERR_PROTOCOL)
			fail_msg("row %zu was taken: %s", i, body);
		assert_int_equal(e.code, ERR_PROTOCOL);
		if (strstr(e.text, broken[i].why) == NULL)
			fail_msg("no \"%s\" in: %s", broken[i].why, e.text);
	}
}

static void every_body_that_is_cut_off_is_an_error(void **state)
{
	static const char *const bodies[] = {DIRECTORY, ORDER, AUTHORIZATION, CHALLENGE, ACCOUNT};
	int (*const parse[])(const char *, struct err *) = {
		parse_directory, parse_order, parse_authorization, parse_challenge, parse_account};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		for (size_t len = 0; len < strlen(bodies[i]); len++) {
			AUTO_FREE char *body = mem_strn(bodies[i], len);

			assert_int_equal(parse[i](body, &(struct err){0}), ERR_PROTOCOL);
		}
	}
}

/* A body in which item stands count times between head and tail. */
static char *repeated(const char *head, const char *item, size_t count, const char *tail)
{
	struct buf b;

	buf_init(&b, 1024 * 1024);
	(void)buf_add_text(&b, head);
	for (size_t i = 0; i < count; i++)
		(void)buf_printf(&b, "%s%s", i == 0 ? "" : ",", item);
	(void)buf_add_text(&b, tail);
	return buf_take(&b);
}

static int parse_authorizations(size_t count)
{
	AUTO_FREE char *body =
		repeated("{\"status\":\"ready\",\"identifiers\":[{\"type\":\"dns\",\"value\":"
			 "\"a.example\"}],\"finalize\":\"" CA "f\",\"authorizations\":[",
			 "\"" CA "z\"", count, "]}");

	return parse_order(body, NULL);
}

static int parse_challenges(size_t count)
{
	AUTO_FREE char *body =
		repeated("{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":"
			 "\"a.example\"},\"challenges\":[",
			 "{\"type\":\"x\",\"url\":\"" CA "c\"}", count, "]}");

	return parse_authorization(body, NULL);
}

static int parse_padded(size_t len)
{
	AUTO_FREE char *body = mem_printf("%-*s", (int)len, ACCOUNT);

	assert_int_equal(strlen(body), len);
	return parse_account(body, NULL);
}

static void each_limit_holds_exactly(void **state)
{
	(void)state;
	assert_int_equal(parse_authorizations(0), 0);
	assert_int_equal(parse_authorizations(ACME_MAX_AUTHORIZATIONS), 0);
	assert_int_not_equal(parse_authorizations(ACME_MAX_AUTHORIZATIONS + 1), 0);
	assert_int_equal(parse_challenges(0), 0);
	assert_int_equal(parse_challenges(ACME_MAX_CHALLENGES), 0);
	assert_int_not_equal(parse_challenges(ACME_MAX_CHALLENGES + 1), 0);
	assert_int_equal(parse_padded(ACME_MAX_JSON), 0);
	assert_int_not_equal(parse_padded(ACME_MAX_JSON + 1), 0);
}

static void every_status_that_an_object_may_have_is_read(void **state)
{
	static const enum acme_status orders[] = {ACME_PENDING, ACME_READY, ACME_PROCESSING,
						  ACME_INVALID};
	static const enum acme_status authorizations[] = {ACME_PENDING, ACME_VALID,
							  ACME_INVALID, ACME_EXPIRED,
							  ACME_REVOKED, ACME_DEACTIVATED};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		AUTO_FREE char *body = replaced(ORDER, "pending", acme_status_name(orders[i]));
		AUTO_ORDER struct acme_order *o = NULL;

		assert_int_equal(acme_order_parse(body, strlen(body), &o, NULL), 0);
		assert_int_equal(o->status, orders[i]);
	}
	for (size_t i = 0; i < COUNT_OF(authorizations); i++) {
		AUTO_FREE char *body =
			replaced(AUTHORIZATION, "pending", acme_status_name(authorizations[i]));
		AUTO_AUTHORIZATION struct acme_authorization *a = NULL;

		assert_int_equal(acme_authorization_parse(body, strlen(body), &a, NULL), 0);
		assert_int_equal(a->status, authorizations[i]);
	}
}

static void a_status_has_a_name_even_when_it_is_none(void **state)
{
	(void)state;
	assert_string_equal(acme_status_name(ACME_DEACTIVATED), "deactivated");
	assert_string_equal(acme_status_name(ACME_UNKNOWN), "unknown");
	assert_string_equal(acme_status_name(ACME_STATUSES), "unknown");
	assert_string_equal(acme_status_name((enum acme_status) - 1), "unknown");
}

static const struct {
	const char *token;
	bool want;
} tokens[] = {
	{NULL, false},
	{"", false},
	{"0123456789abcdefghijk", false}, /* 21 */
	{"0123456789abcdefghijkl", true}, /* 22 */
	{"0123456789-bcdefghij_l", true},
	{"0123456789abcdefghij==", false},
	{"0123456789/bcdefghijkl", false},
	{"0123456789.bcdefghijkl", false},
	{"../../../../../etc/passwd", false},
	{"0123456789abcdefghijkl\n", false},
	{"0123456789abcdefghijkl ", false},
	{"0123456789abcdefghijk\xc3\xa9", false},
};

static void a_token_that_could_leave_its_folder_is_refused(void **state)
{
	char token[130] = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(tokens); i++)
		assert_int_equal(acme_token_ok(tokens[i].token), tokens[i].want);
	memset(token, 'x', 128);
	assert_true(acme_token_ok(token));
	token[128] = 'x';
	assert_false(acme_token_ok(token));
}

static void freeing_nothing_is_fine(void **state)
{
	(void)state;
	acme_directory_free(NULL);
	acme_account_free(NULL);
	acme_order_free(NULL);
	acme_authorization_free(NULL);
	acme_challenge_free(NULL);
	acme_problem_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_tells_its_urls_and_its_profiles),
		cmocka_unit_test(a_directory_of_three_urls_is_enough),
		cmocka_unit_test(an_order_is_read_with_its_names_canonical_and_sorted),
		cmocka_unit_test(an_order_says_by_which_profile_it_is_made),
		cmocka_unit_test(an_order_that_expires_in_the_year_1_does_not_expire),
		cmocka_unit_test(an_order_that_failed_says_why),
		cmocka_unit_test(an_authorization_is_read_with_its_challenges),
		cmocka_unit_test(one_odd_challenge_never_costs_the_others),
		cmocka_unit_test(a_wildcard_in_the_name_is_as_good_as_the_flag),
		cmocka_unit_test(a_challenge_is_read_by_itself),
		cmocka_unit_test(an_account_is_read),
		cmocka_unit_test(one_wrong_member_is_a_protocol_error_that_names_it),
		cmocka_unit_test(every_body_that_is_cut_off_is_an_error),
		cmocka_unit_test(each_limit_holds_exactly),
		cmocka_unit_test(every_status_that_an_object_may_have_is_read),
		cmocka_unit_test(a_status_has_a_name_even_when_it_is_none),
		cmocka_unit_test(a_token_that_could_leave_its_folder_is_refused),
		cmocka_unit_test(freeing_nothing_is_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
