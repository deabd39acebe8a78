/* SPDX-License-Identifier: MIT
 *
 * mock_https — HTTP/1.1 over TLS for the mock CA: connections that stay open, answers that come
 * late, are cut, or never come. One request at a time on a connection, as curl sends them.
 */
#include "tests/mock/mock_server.h"

#include "base/file.h"
#include "base/mem.h"
#include "tests/mock/mock_internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_REQUEST (1024 * 1024)
#define DAYS        3650

struct peer {
	struct mock_server *server;
	SSL *ssl;
	int fd;
	struct watch *watch; /* reads; NULL while an answer is on its way */
	struct watch *timer; /* a late answer */
	bool greeted;
	struct buf in;
	struct mock_response answer;
};

/* --- its own certificate --- */

static void extension_add(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	MOCK_MUST(extension != NULL && X509_add_ext(x, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static X509 *certificate_make(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * DAYS);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"mock CA", -1,
				   -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	extension_add(x, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
	extension_add(x, NID_subject_key_identifier, "hash");
	MOCK_MUST(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

static void certificate_save(X509 *x, const char *dir)
{
	AUTO_FREE char *path = mem_printf("%s/ca.pem", dir);
	FILE *f = fopen(path, "we");

	MOCK_MUST(f != NULL && PEM_write_X509(f, x) == 1);
	fclose(f);
}

static SSL_CTX *context_make(const char *dir)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = certificate_make(key);

	MOCK_MUST(SSL_CTX_use_certificate(ctx, x) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
	certificate_save(x, dir);
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

/* --- connections --- */

static void peer_free(struct peer *p)
{
	loop_cancel(p->server->loop, p->watch);
	loop_cancel(p->server->loop, p->timer);
	SSL_free(p->ssl);
	close(p->fd);
	buf_free(&p->in);
	mock_response_clear(&p->answer);
	free(p);
}

/* Answers are small: waiting for room to write them holds nobody up for long. */
static bool peer_send(struct peer *p, const char *data, size_t len)
{
	while (len > 0) {
		struct pollfd ready = {.fd = p->fd, .events = POLLOUT};
		int n;

		ERR_clear_error();
		n = SSL_write(p->ssl, data, (int)len);

		if (n <= 0 && (SSL_get_error(p->ssl, n) != SSL_ERROR_WANT_WRITE ||
			       poll(&ready, 1, 5000) != 1))
			return false;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static bool peer_send_answer(struct peer *p)
{
	size_t promised = p->answer.end == MOCK_CUT_OFF ? p->answer.whole : p->answer.body.len;
	AUTO_FREE char *headers = strlist_join(&p->answer.headers, "\r\n");
	AUTO_FREE char *head =
		mem_printf("HTTP/1.1 %d .\r\ncontent-length: %zu\r\n%s%s\r\n", p->answer.status,
			   promised, headers, p->answer.headers.count > 0 ? "\r\n" : "");

	return peer_send(p, head, strlen(head)) &&
	       peer_send(p, p->answer.body.data, p->answer.body.len);
}

static void peer_due(void *arg, int fd, unsigned events);

/* The end of an answer, however late it is. */
static void peer_answers(void *arg)
{
	struct peer *p = arg;

	p->timer = NULL;
	if (p->answer.end == MOCK_LOST || !peer_send_answer(p) || p->answer.end != MOCK_WHOLE) {
		peer_free(p);
		return;
	}
	mock_response_clear(&p->answer);
	p->watch = loop_watch_fd(p->server->loop, p->fd, LOOP_READ, peer_due, p);
	peer_due(p, p->fd, LOOP_READ); /* the next request may be here already */
}

/* The value of a header of the request, NULL: it has none. The caller frees it. */
static char *header_of(const char *head, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1 + strspn(line + len + 1, " ");
			return mem_strn(line, strcspn(line, "\r"));
		}
	}
	return NULL;
}

/* How long the request is with its body; 0: its head is not all here. */
static size_t request_length(const struct buf *in)
{
	const char *end = in->len > 0 ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;
	AUTO_FREE char *head = NULL;
	AUTO_FREE char *length = NULL;

	if (end == NULL)
		return 0;
	head = mem_strn(in->data, (size_t)(end - in->data) + 2);
	length = header_of(head, "content-length");
	return (size_t)(end - in->data) + 4 + (length != NULL ? strtoul(length, NULL, 10) : 0);
}

static void request_answer(struct peer *p, size_t len)
{
	const char *end = memmem(p->in.data, p->in.len, "\r\n\r\n", 4);
	AUTO_FREE char *head = mem_strn(p->in.data, (size_t)(end - p->in.data) + 2);
	AUTO_FREE char *type = header_of(head, "content-type");
	AUTO_FREE char *method = mem_strn(head, strcspn(head, " "));
	const char *path = head + strlen(method) + 1;
	AUTO_FREE char *url =
		mem_printf("%s%.*s", p->server->base, (int)strcspn(path, " \r"), path);
	const struct mock_request q = {
		.method = method,
		.url = url,
		.content_type = type,
		.body = end + 4,
		.body_len = len - (size_t)(end + 4 - p->in.data),
	};

	mock_response_init(&p->answer);
	mock_ca_answer(p->server->ca, &q, &p->answer);
	if (strcmp(method, "HEAD") == 0)
		buf_clear(&p->answer.body);
	mock_server_ticks(p->server);
	memmove(p->in.data, p->in.data + len, p->in.len - len);
	p->in.len -= len;
}

/* False: this is its end. What OpenSSL refused elsewhere (a signature, another's handshake) is
 * still in its queue, where SSL_get_error would take it for ours. */
static bool peer_reads(struct peer *p)
{
	char data[16384];
	int n;

	ERR_clear_error();
	if (!p->greeted) {
		n = SSL_accept(p->ssl);
		if (n <= 0)
			return SSL_get_error(p->ssl, n) == SSL_ERROR_WANT_READ;
		p->greeted = true;
	}
	while ((n = SSL_read(p->ssl, data, sizeof(data))) > 0)
		if (buf_add(&p->in, data, (size_t)n) != 0)
			return false;
	return SSL_get_error(p->ssl, n) == SSL_ERROR_WANT_READ;
}

static void peer_due(void *arg, int fd, unsigned events)
{
	struct peer *p = arg;
	bool open = peer_reads(p);
	size_t len = request_length(&p->in);

	(void)fd, (void)events;
	if (len > 0 && p->in.len >= len) {
		loop_cancel(p->server->loop, TAKE(p->watch));
		request_answer(p, len);
		p->timer = loop_watch_timer(p->server->loop, p->answer.delay_ms, peer_answers, p);
	} else if (!open) {
		peer_free(p);
	}
}

struct listening {
	struct mock_server *server;
	SSL_CTX *ctx;
};

static void on_accept(void *arg, int fd, unsigned events)
{
	struct listening *l = arg;
	struct peer *p;
	int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (peer < 0)
		return;
	/* else a body waits until the head, or a session ticket, is acknowledged: 40 ms */
	(void)setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	p = mem_new(sizeof(*p));
	p->server = l->server;
	p->fd = peer;
	p->ssl = SSL_new(l->ctx);
	SSL_set_fd(p->ssl, peer);
	buf_init(&p->in, MAX_REQUEST);
	mock_response_init(&p->answer);
	p->watch = loop_watch_fd(l->server->loop, peer, LOOP_READ, peer_due, p);
}

int mock_https_listen(struct mock_server *s, const char *dir)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct listening *l = mem_new(sizeof(*l));
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	l->server = s;
	l->ctx = context_make(dir);
	MOCK_MUST(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		  listen(fd, 128) == 0 && getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	loop_watch_fd(s->loop, fd, LOOP_READ, on_accept, l);
	return ntohs(at.sin_port);
}
