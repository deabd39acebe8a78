/* SPDX-License-Identifier: MIT
 *
 * tls — a handshake that asks a server which certificate it really serves.
 *
 * Verifies nothing: what is served is compared by its fingerprint, and a self-signed placeholder
 * is an answer too.
 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include "base/err.h"
#include "base/loop.h"

#include <stdint.h>

struct tls_probe;

struct tls_probe_request {
	const char *host; /* name or address to connect to; borrowed during the call */
	int port;
	const char *server_name; /* SNI; NULL or an address text: none */
	int timeout_ms;          /* for all of it; 0: 10 s */
};

/* Exactly once, from the loop, unless cancelled. fingerprint is the SHA-256 of the leaf's DER
 * (borrowed), or NULL and e says why. */
typedef void tls_probe_done(void *arg, const uint8_t fingerprint[32], const struct err *e);

/* A name is looked up before this returns, which may block while no name server answers; an address
 * text never does. All addresses are tried in turn, each with its share of the time. */
struct tls_probe *tls_probe_start(struct loop *l, const struct tls_probe_request *request,
				  tls_probe_done *done, void *arg);
void tls_probe_cancel(struct tls_probe *p);

#endif
