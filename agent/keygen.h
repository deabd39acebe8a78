/* SPDX-License-Identifier: MIT
 *
 * keygen — a new private key without stopping the loop: EC at once, RSA (a tenth of a second and
 * far more) in a child of our own binary, `everleaf keygen KIND`, which prints it into a pipe.
 */
#ifndef AGENT_KEYGEN_H
#define AGENT_KEYGEN_H

#include "base/key.h"
#include "base/loop.h"

struct keygen;

/* Exactly once, from the loop, unless cancelled: key (the callee's) or e. */
typedef void keygen_done(void *arg, struct key *key, const struct err *e);

struct keygen *keygen_start(struct loop *l, enum key_kind kind, keygen_done *done, void *arg);
void keygen_cancel(struct keygen *k);

/* What the child does: prints a new key on stdout. Returns an exit code. */
int keygen_child(const char *kind);

#endif
