/* SPDX-License-Identifier: MIT
 *
 * sim — many certificates through years: the real engine and the real store, a CA that is quick
 * (quick_ca.h), a clock that can be wrong, and the rules that must hold whatever happens. A test
 * says what happens; a rule that is broken fails it.
 *
 * There are two times: the CA's, which is the true one and in which everything here is told, and
 * the agent's wall clock, which may differ from it.
 *
 * The same seed gives the same run: also the keys and signatures come of it.
 */
#ifndef TESTS_MACHINE_SIM_H
#define TESTS_MACHINE_SIM_H

#include "tests/unit.h"

#include "tests/machine/quick_ca.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_HOUR INT64_C(3600)
#define SIM_DAY  (24 * SIM_HOUR)

struct sim;

struct sim_config {
	uint64_t seed;
	size_t subjects;                     /* certificates: "c0.test", "c1.test" … */
	const char *informing;               /* base URL of the CA with renewal information */
	const char *plain;                   /* of the other, which has the odd ones; NULL: none */
	int64_t (*lifetime)(size_t subject); /* seconds */
	int64_t orders_an_hour; /* that do not replace, and three hours' at once; 0: any number */
	int64_t info_again;     /* Retry-After of renewal information */
	bool info_at_once; /* … until the next multiple of it: all come together, which is cheap */
};

struct sim *sim_new(const struct sim_config *config);
void sim_free(struct sim *s);

/* A number below a bound, from the seed. */
int64_t sim_random(struct sim *s, int64_t below);

int64_t sim_now(const struct sim *s);
void sim_until(struct sim *s, int64_t when);

/* --- what happens --- */

/* The CA is down, or busy (429 to new orders and renewal information), from now until then. */
void sim_weather(struct sim *s, enum quick_mood mood, int64_t until);

/* It refuses this one's orders from now until then. */
void sim_refuse(struct sim *s, size_t subject, int64_t until);

/* It advises to renew the present certificate of this one at once. */
void sim_pull(struct sim *s, size_t subject);

/* The agent's wall clock is wrong by seconds from now on; 0: right again. */
void sim_wrong_clock(struct sim *s, int64_t seconds);

/* The machine sleeps. */
void sim_suspend(struct sim *s, int64_t seconds);

/* --- what came of it --- */

struct sim_counts {
	size_t requests;
	size_t orders; /* new ones that were asked for, … */
	size_t replacing;
	size_t infos;
	size_t issued;
	size_t expired; /* before they were replaced; each for a reason that excuses it */
	size_t refused; /* orders of those that the CA refused */
};
struct sim_counts sim_counts(const struct sim *s);

/* How often one was issued, and when it was last. */
size_t sim_issued(const struct sim *s, size_t subject);
int64_t sim_issued_at(const struct sim *s, size_t subject);

/* SHA-256 over all requests with their times, in hex; may be asked once. The caller frees it. */
char *sim_trace(struct sim *s);

#endif
