/* SPDX-License-Identifier: MIT
 *
 * test_limits — a CA whose limits are known is not asked for more, neither by the daemon nor by a
 * command.
 */
#include "tests/machine/world.h"

#include <stdio.h>
#include <stdlib.h>

#define BASE "https://acme-v02.api.letsencrypt.org"

static void a_command_does_not_ask_for_a_sixth_certificate_of_the_same_names(void **state)
{
	struct world *w = world_new_at("www.example", 1, BASE);
	size_t asked;

	(void)state;
	world_command(w, RUN_OBTAIN);
	for (int i = 0; i < 4; i++)
		world_command(w, RUN_FORCE);
	assert_int_equal(world_facts(w).versions, 5);
	asked = mock_ca_count(w->ca, MOCK_ANY);
	world_start(w, 0, RUN_FORCE);
	assert_true(world_run(w, 0));
	assert_true(engine_limited(w->agents[0].engine, w->certificate_id));
	assert_true(engine_said(w->agents[0].engine, w->certificate_id));
	world_kill(w, 0);
	assert_int_equal(mock_ca_count(w->ca, MOCK_ANY), asked);
	assert_int_equal(world_facts(w).orders, 5);
	world_sleep(w, 34 * 3600); /* one of five in seven days */
	world_command(w, RUN_FORCE);
	assert_int_equal(world_facts(w).versions, 6);
	world_assert_good(w, 6);
	world_free(w);
}

static void other_cas_are_asked_as_often_as_the_operator_likes(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 8; i++)
		world_command(w, RUN_FORCE);
	world_assert_good(w, 8);
	assert_int_equal(world_facts(w).orders, 8);
}

/* Of one registered domain, beside the one that is wanted already. */
static void want_many(struct world *w, struct certificate *c)
{
	for (int i = 0; i < 52; i++) {
		AUTO_CERTIFICATE struct certificate *more = mem_new(sizeof(*more));

		more->name = mem_printf("h%d.example", i);
		more->origin = mem_str("command");
		strlist_addf(&more->names, "h%d.www.example", i);
		more->wish = mem_printf("{\"key\":\"ec-256\",\"solver\":{\"name\":\"webroot\","
					"\"directory\":\"%s\"},\"deploy\":[]}",
					w->webroot);
		more->account_id = c->account_id;
		assert_int_equal(certificate_insert(w->agents[0].store, more, NULL), 0);
	}
}

static void the_daemon_goes_on_when_the_limit_has_room_again(void **state)
{
	struct world *w = world_new_at("www.example", 1, BASE);

	(void)state;
	world_change(w, 0, want_many);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 3600);
	assert_int_equal(mock_ca_count(w->ca, MOCK_NEW_ORDER), 50);
	assert_int_equal(mock_ca_counts(w->ca).certificates, 50);
	world_pass(w, 12096 - 3600 + 60); /* one of fifty in seven days */
	assert_int_equal(mock_ca_counts(w->ca).certificates, 51);
	world_pass(w, WORLD_DAY);
	assert_int_equal(mock_ca_count(w->ca, MOCK_NEW_ORDER), 53);
	assert_int_equal(mock_ca_counts(w->ca).certificates, 53);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_does_not_ask_for_a_sixth_certificate_of_the_same_names),
		cmocka_unit_test_setup_teardown(other_cas_are_asked_as_often_as_the_operator_likes,
						world_setup, world_teardown),
		cmocka_unit_test(the_daemon_goes_on_when_the_limit_has_room_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
