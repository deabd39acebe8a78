/* SPDX-License-Identifier: MIT
 *
 * nonces — the anti-replay nonces a CA gave us and that no request has used yet (RFC 8555 6.5,
 * 7.2). The newest is used first, because CAs forget the oldest first.
 */
#ifndef ACME_NONCES_H
#define ACME_NONCES_H

#include "acme/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nonces {
	struct {
		char *value;
		int64_t since_ms;
	} items[SESSION_MAX_NONCES]; /* oldest first */
	size_t count;
};

/* What RFC 8555 6.5.1 calls a valid Replay-Nonce, of at most 256 characters. NULL is none. */
bool nonce_ok(const char *value);

/* Keeps a copy; an invalid one is ignored, and one that is there already. A full pool forgets its
 * oldest. */
void nonces_add(struct nonces *n, const char *value, int64_t now_ms);

/* The newest one, or NULL. Those idle for SESSION_NONCE_IDLE_MS are forgotten first. The
 * caller's. */
char *nonces_take(struct nonces *n, int64_t now_ms);

/* Forgets what was kept before a time: one of them was refused, and the others are older. */
void nonces_forget(struct nonces *n, int64_t before_ms);

void nonces_clear(struct nonces *n);

#endif
