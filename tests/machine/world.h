/* SPDX-License-Identifier: MIT
 *
 * world — everything around an engine, for tests: a state directory, a webroot and a folder for
 * files that are real, and a CA, a loop and a clock that are not. Years pass in milliseconds, and
 * any agent can be killed between any two steps.
 *
 * One certificate is wanted: www.example (and more names, if asked for), answered through the
 * `webroot` solver and deployed by `files`.
 */
#ifndef TESTS_MACHINE_WORLD_H
#define TESTS_MACHINE_WORLD_H

#include "tests/unit.h"

#include "agent/engine.h"
#include "store/certificate.h"
#include "store/order.h"
#include "store/version.h"
#include "tests/mock/mock_ca.h"
#include "tests/mock/mock_net.h"
#include "tests/unit/fake_loop.h"

#include <stdbool.h>

#define WORLD_AGENTS 2
#define WORLD_DAY    INT64_C(86400)

struct agent {
	struct store *store;
	struct engine *engine;
	bool by_hand;
	struct err end; /* what ended its engine */
};

struct world {
	char base[64]; /* a directory of its own, removed at the end */
	char *state, *webroot, *files;
	struct fake_loop *loop;
	struct mock_ca *ca;
	struct mock_net net;
	struct agent agents[WORLD_AGENTS];
	int64_t certificate_id;
	const struct strlist *notify; /* engine_config's; borrowed */
	const struct deployer_ops *(*deployer)(
		const char *name); /* the same; NULL: the real ones */
	bool burst;                /* everything that happens at one time is heard in one turn */
	bool event;                /* the next step is an event, not a turn */
	int64_t next_ms;           /* how long the engines can wait, -1: for ever */
	int64_t steps;             /* of the run so far */
};

/* Seeds random() with EVERLEAF_TEST_SEED, else anew, and prints it. */
void world_seed(void);

/* How far apart the points are at which an enumeration kills, and the first of them: all, from 1;
 * with the sanitizers, which make it many times slower, every fourth from one that the seed
 * chooses, unless EVERLEAF_LONG is set. */
int64_t world_stride(void);
int64_t world_first(void);

/* A world whose certificate is wanted already; names are separated by spaces. */
struct world *world_new(const char *names, uint64_t seed);
/* The same with a CA whose URLs begin otherwise (mock_ca_config.base). */
struct world *world_new_at(const char *names, uint64_t seed, const char *base);
void world_free(struct world *w);

/* As cmocka wants them: the state is a world_new("www.example", 1). */
int world_setup(void **state);
int world_teardown(void **state);

enum world_run {
	RUN_DAEMON = 0,
	RUN_OBTAIN, /* a command: if it is due */
	RUN_FORCE,  /* a command: although it is not due */
	RUN_FINISH, /* a command: only what is under way */
	RUN_RENEW,  /* a patient command */
};

/* Opens the store (unless it is) and starts an engine in it. */
void world_start(struct world *w, size_t agent, enum world_run run);

/* Its end without a word, as kill -9 would. */
void world_kill(struct world *w, size_t agent);

/* One turn of every engine, or one event (all that are due, in a burst); time passes when nothing
 * else happens. */
void world_step(struct world *w);

/* Whether all commands are done. */
bool world_settled(const struct world *w);

/* Until all commands are done, at most limit steps (0: until they are done, or the test fails).
 * False: the limit came first. */
bool world_run(struct world *w, int64_t limit);

/* start, run, and an orderly end. */
void world_command(struct world *w, enum world_run run);

/* Lets seconds of the clock pass for whoever is running. */
void world_pass(struct world *w, int64_t seconds);

/* Lets time pass with nobody running. */
void world_sleep(struct world *w, int64_t seconds);

int64_t world_now(const struct world *w);

/* --- what is wanted --- */

/* Changes the certificate's row in a turn of the agent's store, as a command does. */
void world_change(struct world *w, size_t agent,
		  void (*change)(struct world *w, struct certificate *c));

/* For such a change. */
void world_want_names(struct certificate *c, const char *names);
void world_want_files(struct world *w, struct certificate *c, const char *files);

/* --- what is so; each opens the store for itself when agent 0 has none --- */

struct facts {
	int64_t live; /* id of the live version, 0: none */
	size_t versions;
	size_t orders;      /* rows, live or ended */
	size_t open_orders; /* live */
	size_t open_deployments;
	size_t answers;     /* files left in the webroot */
	size_t unwithdrawn; /* challenge rows */
	size_t accounts;
	bool paused, removed;
	struct renewal renewal;
	struct err order_error; /* of the newest order */
	int64_t order_next_at;
	char stage[16]; /* of the newest order, "" : none */
};

struct facts world_facts(struct world *w);

/* How many events of a kind there are. */
size_t world_events(struct world *w, const char *kind);

/* Everything that must be true when nothing is under way: one live version that was
 * issued for our key and the wanted names, whole and matching files, nothing published, nothing
 * open, one account, at most max_orders at the CA, no nonce used twice, a sound store. */
void world_assert_good(struct world *w, size_t max_orders);

/* Nothing published or open, no nonce used twice, a sound store; whether or not anything is
 * live. */
void world_assert_quiet(struct world *w);

/* What the CA has seen, as text: one line for each request. The caller frees it. */
char *world_trace(const struct world *w);

#define FAULT_ROW(w, ...) mock_ca_fault((w)->ca, &(const struct mock_fault){__VA_ARGS__})

#endif
