/* SPDX-License-Identifier: MIT
 *
 * web_server — a small, badly behaved web server in a child process, for tests of clients.
 *
 * HTTP/1.1 on a free loopback port, with TLS or without. What it does depends on the path; see
 * web_server.c. It dies with the test.
 */
#ifndef TESTS_UNIT_WEB_SERVER_H
#define TESTS_UNIT_WEB_SERVER_H

#include "tests/unit/make_cert.h"

#include <stdbool.h>
#include <sys/types.h>

/* Shared with the child: what it has seen so far. */
struct web_server_seen {
	int connections;
	int requests; /* whole ones */
};

struct web_server {
	pid_t pid;
	int port;
	volatile struct web_server_seen *seen;
};

struct web_server_spec {
	const struct made_cert *cert;  /* NULL: no TLS */
	const struct made_cert *other; /* served to the server name "other.example"; may be NULL */
	bool wants_client_cert;        /* ends the handshake of a client without one */
	bool tls12;                    /* no higher version */
	bool silent;                   /* accepts and says nothing */
};

/* A certificate that signs itself, for names in OpenSSL's words. The caller frees it. */
struct made_cert *web_server_cert(const char *names, int64_t not_after);

struct web_server web_server_start(const struct web_server_spec *spec);
void web_server_stop(struct web_server *s);

/* A loopback port nobody listens on (as likely as can be). */
int web_server_free_port(void);

#endif
