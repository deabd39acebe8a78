/* SPDX-License-Identifier: MIT
 *
 * work — something a stage asked the outside for: a request to the CA, a solver, a deployer, a
 * hook, a key, a handshake. Asked within a turn, started after its commit, heard in a later turn.
 */
#ifndef AGENT_WORK_H
#define AGENT_WORK_H

#include "acme/session.h"
#include "agent/step.h"
#include "hooks/deployer.h"
#include "hooks/solver.h"
#include "store/challenge.h"
#include "store/version.h"

struct work {
	struct step *step;  /* NULL once the step forgot it */
	struct work *next;  /* of the same step */
	struct work *queue; /* in the engine's queue of what was answered */
	size_t index;       /* the stage's own: which authorization, which challenge */
	bool started, answered, heard;

	void (*start)(struct work *w);
	void (*cancel)(struct work *w); /* started and not answered */
	void (*free_data)(void *data);
	void *data;   /* what start needs; owned */
	void *handle; /* what cancel needs */
	bool hook;    /* … and that is a struct hook_call */

	/* The outcome, once answered: error.code ERR_NONE and what fits the kind, or an error. */
	struct err error;
	struct acme_response *response; /* of the CA; may carry a problem */
	int64_t confirmed;              /* of the account that signed it (store/account.h) */
	char *output;                   /* of a program, or NULL */
	struct key *key;                /* of work_key */
	uint8_t fingerprint[32];        /* of work_probe */
};

/* Signed by the account of the row given (read again at every signature). Takes request. An order's
 * request is asked again after 1, 2 and 4 s when it meets an error that passes. */
#define WORK_CA_REPEATS 3
int work_ca(struct step *s, size_t index, int64_t account_id, struct acme_request *request,
	    struct err *e);

enum solver_verb {
	SOLVER_PRESENT = 0,
	SOLVER_READY,
	SOLVER_WITHDRAW,
};

/* Borrowed during work_solver. */
struct solver_ask {
	enum solver_verb verb;
	const struct challenge *challenge;
	const char *key_authorization; /* NULL for SOLVER_WITHDRAW */
};

int work_solver(struct step *s, size_t index, const struct solver_ask *ask, struct err *e);

enum deployer_verb {
	DEPLOYER_CHECK = 0,
	DEPLOYER_INSTALL,
	DEPLOYER_RELOAD,
};

/* Borrowed during work_deployer; certificate and version are read again when it starts. */
struct deployer_ask {
	enum deployer_verb verb;
	const struct target *target;
	const struct version *version;
	const char *directory; /* of the `files` deployer before it, or NULL */
};

int work_deployer(struct step *s, const struct deployer_ask *ask, struct err *e);

/* The key's PEM in a memory file that can only be read; the descriptor is the caller's. */
int deployer_key(struct store *store, int64_t key_id, int *ret_fd, struct err *e);

/* What a task says of a version: everything but loop, settings, key_fd and directory. Borrows. */
void deployer_task_fill(struct deployer_task *task, const struct certificate *c,
			const struct version *v);

/* Runs a program of the operator's with the certificate's environment. */
int work_hook(struct step *s, const struct strlist *argv, const struct strlist *environment,
	      struct err *e);

/* Makes a key: EC here, RSA in a child of our own binary. */
int work_key(struct step *s, enum key_kind kind, struct err *e);

/* Asks HOST:PORT which certificate it serves. server_name may be NULL. */
int work_probe(struct step *s, const char *host_port, const char *server_name, struct err *e);

/* Called by the kinds' callbacks: hands the outcome to the engine. error may be NULL. */
void work_answer(struct work *w, const struct err *error);

/* For the engine and work_*.c: a new work at the end of the step's list. */
struct work *work_new(struct step *s, size_t index);

/* Whether a program of the operator's runs for the step. */
bool works_run_program(const struct step *s);

/* Cancels what is out and takes it from the step; works_free gives the memory back, once nobody
 * hears any more. */
void works_drop(struct step *s);
void works_free(struct step *s);

#endif
