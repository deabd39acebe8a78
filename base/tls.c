/* SPDX-License-Identifier: MIT
 *
 * tls — one handshake, watched until the server has shown its certificate.
 *
 *     each address in turn: connect ──► handshake ──► the leaf's fingerprint
 *
 * An attempt that fails or outlasts its share of the time gives way to the next address; the last
 * one's reason is the reported one.
 */
#include "base/tls.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ADDRESSES 8
#define TIMEOUT_MS    10000

struct tls_probe {
	struct loop *loop;
	tls_probe_done *done;
	void *arg;
	char *host;
	int port;
	char *server_name; /* NULL: no SNI */
	struct addrinfo *addresses;
	const struct addrinfo *next; /* borrowed from addresses: to be tried after this one */
	int left;                    /* how many of them still may be tried */
	int share_ms;                /* of the time, for each address */
	int fd;
	SSL_CTX *context;
	SSL *ssl; /* NULL until connected */
	struct watch *io;
	struct watch *timer;
	uint8_t fingerprint[32];
	bool seen; /* the fingerprint is the server's */
	struct err failure;
};

static void try_next(void *arg);

/* The server's chain is not verified, only its leaf is written down; at the moment it is shown,
 * because a server that then wants a client certificate has answered all the same. */
static int on_certificate(X509_STORE_CTX *store, void *arg)
{
	struct tls_probe *p = arg;
	const X509 *leaf = X509_STORE_CTX_get0_cert(store);
	unsigned len = 0;

	if (leaf != NULL && X509_digest(leaf, EVP_sha256(), p->fingerprint, &len) == 1)
		p->seen = true;
	return 1;
}

static void attempt_end(struct tls_probe *p)
{
	loop_cancel(p->loop, TAKE(p->io));
	loop_cancel(p->loop, TAKE(p->timer));
	SSL_free(TAKE(p->ssl));
	if (p->fd >= 0)
		close(TAKE_FD(p->fd));
}

static void probe_free(struct tls_probe *p)
{
	attempt_end(p);
	SSL_CTX_free(p->context);
	if (p->addresses != NULL)
		freeaddrinfo(p->addresses);
	free(p->host);
	free(p->server_name);
	free(p);
}

/* Nothing of p may be touched afterwards. */
static void probe_answer(struct tls_probe *p)
{
	tls_probe_done *done = p->done;
	void *arg = p->arg;
	struct err failure = p->failure;
	uint8_t fingerprint[32];
	bool seen = p->seen;

	memcpy(fingerprint, p->fingerprint, sizeof(fingerprint));
	probe_free(p);
	done(arg, seen ? fingerprint : NULL, seen ? NULL : &failure);
}

static void fail(struct tls_probe *p, const char *reason)
{
	err_set(&p->failure, ERR_NET, "%s:%d showed no certificate: %s", p->host, p->port, reason);
	p->seen = false;
	attempt_end(p);
	try_next(p);
}

static void on_late(void *arg)
{
	struct tls_probe *p = arg;
	char reason[64];

	p->timer = NULL;
	snprintf(reason, sizeof(reason), "%s within %d ms",
		 p->ssl == NULL ? "no connection" : "no TLS handshake", p->share_ms);
	fail(p, reason);
}

static void on_io(void *arg, int fd, unsigned events);

static void wait_for(struct tls_probe *p, unsigned events)
{
	loop_cancel(p->loop, p->io);
	p->io = loop_watch_fd(p->loop, p->fd, events, on_io, p);
}

/* Whether the server ended a handshake that was good on our side: by an alert or by hanging up.
 * Not so when the certificate came without a proof of its key. */
static bool server_refused(unsigned long code)
{
	return code == 0 || ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET;
}

static void handshake_failed(struct tls_probe *p, int number)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	if (p->seen && server_refused(code)) {
		probe_answer(p);
		return;
	}
	if (reason == NULL)
		reason = number != 0 ? strerror(number) : "the connection was closed";
	fail(p, reason);
}

static void handshake(struct tls_probe *p)
{
	int r;
	int number;

	ERR_clear_error();
	errno = 0;
	r = SSL_connect(p->ssl);
	number = errno;
	switch (SSL_get_error(p->ssl, r)) {
	case SSL_ERROR_NONE:
		if (p->seen)
			probe_answer(p);
		else
			fail(p, "it needs none for this handshake");
		return;
	case SSL_ERROR_WANT_READ:
		wait_for(p, LOOP_READ);
		return;
	case SSL_ERROR_WANT_WRITE:
		wait_for(p, LOOP_WRITE);
		return;
	default:
		handshake_failed(p, number);
	}
}

/* RFC 6066 3: no address in server_name. */
static bool is_address(const char *text)
{
	struct in6_addr any;

	return inet_pton(AF_INET, text, &any) == 1 || inet_pton(AF_INET6, text, &any) == 1;
}

static void handshake_begin(struct tls_probe *p)
{
	p->ssl = SSL_new(p->context);
	if (p->ssl == NULL || SSL_set_fd(p->ssl, p->fd) != 1)
		abort(); /* only memory is missing here */
	if (p->server_name != NULL && SSL_set_tlsext_host_name(p->ssl, p->server_name) != 1) {
		fail(p, "its name is no server name for TLS");
		return;
	}
	handshake(p);
}

static void on_io(void *arg, int fd, unsigned events)
{
	struct tls_probe *p = arg;
	int number = 0;
	socklen_t len = sizeof(number);

	(void)events;
	if (p->ssl != NULL) {
		handshake(p);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) != 0)
		number = errno;
	if (number != 0)
		fail(p, strerror(number));
	else
		handshake_begin(p);
}

/* A connection that cannot even begin is the next address' turn, from the loop. */
static void connect_begin(struct tls_probe *p, const struct addrinfo *a)
{
	p->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || (connect(p->fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS)) {
		err_sys(&p->failure, ERR_NET, "%s:%d showed no certificate", p->host, p->port);
		attempt_end(p);
		p->timer = loop_watch_timer(p->loop, 0, try_next, p);
		return;
	}
	p->timer = loop_watch_timer(p->loop, p->share_ms, on_late, p);
	wait_for(p, LOOP_WRITE);
}

static void try_next(void *arg)
{
	struct tls_probe *p = arg;
	const struct addrinfo *a = p->next;

	p->timer = NULL;
	if (a == NULL || p->left == 0) {
		probe_answer(p);
		return;
	}
	p->left--;
	p->next = a->ai_next;
	connect_begin(p, a);
}

/* What is served is only compared, never trusted: so an old or weak server may answer too. */
static SSL_CTX *context_new(struct tls_probe *p)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (context == NULL)
		abort();
	SSL_CTX_set_security_level(context, 0);
	SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_cert_verify_callback(context, on_certificate, p);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	return context;
}

/* Keeps at most MAX_ADDRESSES and gives each the same share of the time. */
static void resolve(struct tls_probe *p, int timeout_ms)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	char port[16];
	int r;

	snprintf(port, sizeof(port), "%d", p->port);
	r = getaddrinfo(p->host, port, &hints, &p->addresses);
	if (r == EAI_NONAME) {
		hints.ai_flags = 0;
		r = getaddrinfo(p->host, port, &hints, &p->addresses);
	}
	if (r != 0) {
		p->addresses = NULL;
		err_set(&p->failure, ERR_NET, "%s could not be resolved: %s", p->host,
			gai_strerror(r));
		return;
	}
	p->next = p->addresses;
	for (const struct addrinfo *a = p->next; a != NULL && p->left < MAX_ADDRESSES;
	     a = a->ai_next)
		p->left++;
	p->share_ms = timeout_ms / p->left;
}

struct tls_probe *tls_probe_start(struct loop *l, const struct tls_probe_request *request,
				  tls_probe_done *done, void *arg)
{
	struct tls_probe *p = mem_new(sizeof(*p));

	p->loop = l;
	p->done = done;
	p->arg = arg;
	p->host = mem_str(request->host);
	p->port = request->port;
	if (request->server_name != NULL && !is_address(request->server_name))
		p->server_name = mem_str(request->server_name);
	p->fd = -1;
	p->context = context_new(p);
	resolve(p, request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS);
	p->timer = loop_watch_timer(l, 0, try_next, p);
	return p;
}

void tls_probe_cancel(struct tls_probe *p)
{
	if (p != NULL)
		probe_free(p);
}
