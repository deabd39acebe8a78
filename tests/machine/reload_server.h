/* SPDX-License-Identifier: MIT
 *
 * reload_server — a world whose certificates are deployed by real files and a fake server, which
 * takes, when a reload begins, what lies in the folders then. One server at a time.
 */
#ifndef TESTS_MACHINE_RELOAD_SERVER_H
#define TESTS_MACHINE_RELOAD_SERVER_H

#include "tests/machine/world.h"

#define SERVER_MANY     20
#define SERVER_LIFETIME (10 * WORLD_DAY)

/* What it serves, or will. */
struct server_load {
	char *chains[SERVER_MANY]; /* owned */
};

struct reload_server {
	struct world *w;
	size_t count;      /* of certificates */
	int64_t reload_ms; /* how long one takes */
	int failures;      /* so many fail from now on */
	int reloads, checks;
	int64_t began_at; /* the last one */
	bool check_fails;
	struct server_load load; /* what it serves */
};

extern struct reload_server server;

/* A world with so many certificates, in which a daemon runs. */
struct world *server_world(size_t certificates);
void server_end(struct world *w);

/* Fails the test with the reason. */
void server_must(int r, const struct err *e);

/* It serves what lies in every folder, and something lies there. */
void server_assert(void);
void server_load_clear(struct server_load *l);

/* The wish of the i-th certificate; window: of the reload, or NULL. The caller's. */
char *server_wish(const struct world *w, size_t i, const char *window);

/* Writes in a turn of the daemon's store, which then looks. */
void server_turn(struct world *w, void (*write)(struct store *s, struct world *w));

/* For server_turn: all deployments are due again. */
void server_deploys_again(struct store *s, struct world *w);

/* How many deployments have failed. */
size_t server_failed(struct world *w);

#endif
