/* SPDX-License-Identifier: MIT
 *
 * world_standalone — a world whose answers are shown by everleaf itself, on a port that is free.
 */
#ifndef TESTS_MACHINE_WORLD_STANDALONE_H
#define TESTS_MACHINE_WORLD_STANDALONE_H

#include "tests/machine/world.h"

/* For world_change: the certificate is answered for by `standalone`. */
void world_want_standalone(struct world *w, struct certificate *c);

/* A mock_ca_config.fetch (arg: the world): what agent 0 shows, as long as it listens. */
int world_fetch_shown(void *arg, const char *identifier, const char *token, struct buf *ret_answer);

#endif
