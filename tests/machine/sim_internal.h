/* SPDX-License-Identifier: MIT
 *
 * sim_internal — what the simulation (sim.c) and its rules (sim_rules.c) share.
 */
#ifndef TESTS_MACHINE_SIM_INTERNAL_H
#define TESTS_MACHINE_SIM_INTERNAL_H

#include "tests/machine/sim.h"

#include "agent/engine.h"
#include "base/mem.h"

#include <openssl/evp.h>

#define START INT64_C(4000000000) /* after any build date */

struct gap {
	int64_t from, until;
	size_t subject; /* QUICK_NOBODY: of none */
};

struct subject {
	size_t issued;
	int64_t issued_at;
	int64_t not_before, not_after; /* 0: none yet */
	int64_t refused_until;
	int64_t pulled_at; /* the CA's advice for the present one; 0: none yet */
	/* what the agent was told, 0: nothing holds */
	int64_t order_from, info_from;
	int64_t allowed_at; /* order_from as it was last, also when it has passed */
	/* failures in a row of what the CA refuses */
	int64_t failed_at, tried_at;
	int tries;
	bool replaced; /* the last one said what it replaces */
};

struct sim {
	struct sim_config config;
	char base[64];
	char *state;
	struct fake_loop *loop;
	struct clock clock; /* the true one */
	int64_t wrong;      /* the agent's clock minus the true one, … */
	int64_t wrong_since;
	struct quick_ca *ca;
	struct store *store;
	struct engine *engine;
	uint64_t random;
	struct subject *subjects;
	struct quick_weather weather;
	int64_t weather_until;
	struct gap *gaps;
	size_t gap_count;
	int64_t full_at; /* when the CA has forgotten all orders that it limits */
	int64_t pruned_at;
	EVP_MD_CTX *trace;
	int voice; /* a copy of stderr while the agent must not be heard; else -1 */
	struct sim_counts counts;
};

/* The agent is heard from now on. */
void sim_loud(struct sim *s);

#define BROKEN(s, q, ...)                                                                          \
	do {                                                                                       \
		AUTO_FREE char *rule_ = mem_printf(__VA_ARGS__);                                   \
		sim_loud(s);                                                                       \
		fail_msg("day %.3f, %s: %s", (double)(sim_now(s) - START) / (double)SIM_DAY, (q),  \
			 rule_);                                                                   \
	} while (0)

/* sim_rules.c: what a request, an answer and an issue must be like, or the test fails. */
void sim_heard_busy(const struct sim *s, struct subject *u, const struct quick_request *q);
void sim_rule_tries(struct sim *s, struct subject *u, const struct quick_request *q);
void sim_rule_orders(struct sim *s, struct subject *u, const struct quick_request *q);
void sim_rule_late(struct sim *s, const struct subject *u, const char *what);
void sim_rule_info(struct sim *s, struct subject *u, const struct quick_request *q);
void sim_rule_expiry(struct sim *s, const struct subject *u, const char *what);
void sim_rule_after_end(struct sim *s, const struct subject *u, const char *what);

#endif
