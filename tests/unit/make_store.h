/* SPDX-License-Identifier: MIT
 *
 * make_store — state directories for tests, with a clock that stands still until it is set, and
 * rows with everything in them that a test does not care about.
 *
 * What a child process calls must not be an assertion of cmocka: those helpers return -1 instead.
 */
#ifndef TESTS_UNIT_MAKE_STORE_H
#define TESTS_UNIT_MAKE_STORE_H

#include "base/clock.h"
#include "store/order.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAKE_STORE_NOW 1800000000
#define MAKE_STORE_DAY 86400

struct made_store {
	char base[64]; /* a directory of its own, removed at the end */
	char dir[80];  /* the state directory in it; not there before the first open */
	int64_t now;
	struct clock clock;
	struct store *store; /* opened by made_store_open, closed at the end at the latest */
};

/* Setup and teardown of a cmocka test: *state is a struct made_store. */
int made_store_setup(void **state);
int made_store_teardown(void **state);

/* Opens m->store, or fails the test. close may be called twice. */
struct store *made_store_open(struct made_store *m);
void made_store_close(struct made_store *m);

/* "DIR/NAME". The caller frees it. */
char *made_store_path(const struct made_store *m, const char *name);

/* Whether a file of the state directory (any, for NULL) contains these bytes. The store must be
 * closed: reading a database file drops the locks on it. */
bool made_store_contains(const struct made_store *m, const char *name, const void *data,
			 size_t len);

/* Runs statements on a database file of the closed store, past all checks of ours. */
void made_store_sql(const struct made_store *m, const char *name, const char *text);

/* A child process that runs fn with two pipes to its parent, and ends with what it returns. */
struct made_child {
	pid_t pid;
	int from; /* read what it says */
	int to;   /* say something to it */
};
typedef int made_child_fn(struct made_store *m, int from, int to);
void made_child_start(struct made_child *c, struct made_store *m, made_child_fn *fn);

/* One number across a pipe. -1 when the other side is gone. */
int made_say(int to, int64_t number);
int made_hear(int from, int64_t *ret_number);

/* Waits for its end; its exit status, or minus the signal that ended it. */
int made_child_end(struct made_child *c);

/* Each inserts one row in the present turn and returns its id, or -1. */
int64_t make_account(struct store *s, const char *entry);
int64_t make_certificate(struct store *s, int64_t account_id, const char *name);
int64_t make_version(struct store *s, int64_t certificate_id, int64_t key_id, int64_t not_after);
int64_t make_target(struct store *s, const char *settings);
int64_t make_event(struct store *s, int64_t certificate_id, const char *text);

struct make_deployment {
	int64_t certificate_id;
	int64_t version_id;
	int64_t target_id;
	int64_t position;
};
int64_t make_deployment(struct store *s, const struct make_deployment *spec);

/* An order as it is before it is inserted, of key kind "ec-256". */
struct order *make_order(int64_t account_id, int64_t certificate_id);

/* Inserts one; -1 also when there is a live one already. */
int64_t make_order_row(struct store *s, int64_t account_id, int64_t certificate_id);

/* Ends an order of ours at a time. */
void end_order(struct store *s, int64_t id, int64_t when);

#endif
