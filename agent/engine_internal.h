/* SPDX-License-Identifier: MIT
 *
 * engine_internal — the engine's insides, for engine.c, look.c and ca.c only.
 */
#ifndef AGENT_ENGINE_INTERNAL_H
#define AGENT_ENGINE_INTERNAL_H

#include "agent/engine.h"
#include "agent/limits.h"
#include "agent/work.h"

#define ENGINE_MAX_HEARD    64    /* outcomes of one turn (HACKING.md) */
#define ENGINE_LOOK_MS      60000 /* the longest time between two looks for ownerless work */
#define ENGINE_LOOK_SOON_MS 200   /* while waiting for another process */
#define ENGINE_LOOK_IDLE_MS 2000  /* the same for the daemon, which nobody waits for */
#define ENGINE_MAX_STEPS    256   /* rows worked on at once; others wait for their end */
#define ENGINE_MANY         16    /* steps: with so many, turns come … */
#define ENGINE_GATHER_MS    10   /* … so long after another, for more of them to share a commit */
#define ENGINE_WAIT_MS      10   /* for whoever has the store, then the turn comes later */
#define ENGINE_STOP_WAIT_MS 2000 /* the same at an orderly end, when nobody is served any more */
#define ENGINE_MAX_CRASHES  5    /* turns that could not be committed, without calm */
#define ENGINE_CALM_MS      120000 /* good turns for so long; one alone proves little */
#define ENGINE_PAUSE_MAX_S  60     /* the longest pause after one */

/* A certificate that a command was asked for. */
struct scope {
	int64_t certificate_id;
	enum engine_issue issue;
	bool under_way; /* an order was there already: --force asks for no second one */
	bool tried;     /* an order was born in this run */
	bool said;      /* people were told what failed in this run */
	bool limited;   /* a limit of the CA is in the way */
};

/* A CA this process talks to. */
struct ca {
	char *server, *ca_bundle, *proxy; /* the latter two may be NULL */
	struct session *session;
	char *directory; /* fetched and not yet in the store */
	bool stale;      /* what is in the store is to be forgotten */
};

/* An account's key in memory. */
struct account_key {
	int64_t id;
	struct key *key;
};

/* A row this process has worked on and let go. */
struct ended {
	const struct machine *machine;
	int64_t id;
};

struct engine {
	struct engine_config config;
	struct step **steps;
	size_t step_count;
	struct work *heard_first, *heard_last; /* answered, in order of arrival */
	struct ca **cas;
	size_t ca_count;
	struct account_key *keys; /* of the accounts of what is under way */
	size_t key_count;
	struct scope *scopes;
	size_t scope_count;
	struct standalone *standalone;
	struct limits_book book; /* with what this process has begun since it was counted */
	int64_t began_at;
	int64_t look_ms;   /* mono: when to look for work */
	int64_t resume_ms; /* mono: no turn before (a commit failed) */
	int64_t drain_ms;  /* mono: when waiting for what is out ends; 0: not draining */
	int64_t next_at;   /* what the last look found due next, 0: nothing */
	int64_t ca_requests, ca_failures;
	struct err error; /* of the last turn that crashed */
	int64_t error_at;
	int64_t back_ms; /* mono: when the loop was to be back here at the latest; 0: any time */
	int64_t held_ms, held_at; /* mono and Unix: since when another program has the store */
	int held_tries;           /* turns that it was in the way of; 0: nobody has it */
	bool held_said;           /* people were told, … */
	char holder[STORE_HOLDER_SIZE]; /* … and who it is */
	int wait_ms, rehearsal_wait_ms; /* what was waited for the stores without an engine */
	int crashes; /* turns that could not be committed, since there was calm */
	int64_t crashed_ms;
	struct ended *ended; /* rows that this run has worked on */
	size_t ended_count;
	size_t elsewhere; /* rows of the scope that other living processes have */
	bool looked;      /* since the last change of scope */
	bool waits_said;  /* people were told whom a command waits for */
};

/* Finds rows that want work and makes steps of them. Within a turn. */
int engine_look(struct engine *g, struct err *e);

/* The scope entry of a certificate, NULL: not in scope (a daemon has none and takes all). */
struct scope *engine_scope(const struct engine *g, int64_t certificate_id);

/* A step is over: a command does not take its row again when it is parked, and what ended may have
 * made work for others. */
void engine_note_end(struct engine *g, const struct step *s);

/* held.c. Another program has the store (why): the turn is tried again later. An error: a command
 * has waited long enough. */
int engine_held(struct engine *g, const struct err *why);
void engine_let_go(struct engine *g); /* nobody has it (any more) */

/* The loop is back in the engine: whether it was away too long. */
void engine_is_back(struct engine *g);

/* The loop may be away for ms milliseconds: perhaps not so long. When it is to be back. */
int64_t engine_goes(struct engine *g, int64_t ms);

/* Writes directories that were fetched. Within a turn. */
int engine_save_directories(struct engine *g, struct err *e);

/* The responder may start when answers are about to be published (agent/shown.c). After a turn. */
void engine_expects(struct engine *g);

/* A CA was given the answer of that token. arg is the engine. */
void engine_fetched(void *arg, const char *token);

void engine_free_cas(struct engine *g);

/* Nothing needs the accounts' keys in memory. */
void engine_forget_keys(struct engine *g);

struct step *step_new(struct engine *g, const struct machine *m, int64_t id);
void step_free(struct step *s);

#endif
