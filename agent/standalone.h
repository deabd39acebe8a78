/* SPDX-License-Identifier: MIT
 *
 * standalone — the solver that needs no web server: answers are files in STATE/answers, and a
 * responder of ours (agent/responder.h) shows that folder and nothing else.
 *
 * An answer is alive while a living process's challenge row needs it, or, for those of a dry run,
 * which are no rows of this store, while its file is locked.
 *
 * Every process of one state directory may answer for all of them: when the port is taken, a GET
 * of our own token tells whether its holder is one of us (or a proxy to us). Who listens goes on
 * listening until no answer of a living process is left; when it ends before that, another one of
 * those whose answers it showed takes its port.
 */
#ifndef AGENT_STANDALONE_H
#define AGENT_STANDALONE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "hooks/solver.h"

#include <stdbool.h>

struct passed_sockets;
struct standalone;
struct store;

/* settings {"name":"standalone","address":TEXT or null,"port":80}. */
extern const struct solver_ops solver_standalone;

struct standalone_config {
	struct loop *loop;                    /* borrowed */
	struct store *store;                  /* borrowed; the listener never sees it */
	const struct passed_sockets *sockets; /* borrowed; used before a port is bound; or NULL */
	bool here;                            /* for tests: as responder_config's */
	bool rehearses;            /* the answers of this process are no rows of that store */
	const struct clock *clock; /* borrowed */
	void (*fetched)(void *arg, const char *token); /* told of each token that was served */
	void *arg;
};

/* Opens STATE/answers and takes away the answers that no living process's challenge needs. */
int standalone_new(const struct standalone_config *config, struct standalone **ret_standalone,
		   struct err *e);

/* An answer will be published in a moment: the responder may start. */
void standalone_expects(struct standalone *st);

/* This process has the port. */
bool standalone_listens(const struct standalone *st);

/* It listens, and a living process, this or another one, still has an answer there. parked false:
 * apart from those of orders that this process has parked. */
bool standalone_needed(const struct standalone *st, bool parked);

/* Gives the port up when it is not needed any more; returns whether it is. */
bool standalone_review(struct standalone *st);

/* The process that showed this answer, ours or another one, has ended or given its port up
 * meanwhile: the CA may have asked when nobody was there. */
bool standalone_was_left(const struct standalone *st, const char *token);

void standalone_free(struct standalone *st);

#endif
