/* SPDX-License-Identifier: MIT
 *
 * web_server — one process for each connection, so that a slow one holds up nobody.
 *
 *     /ok          200 with headers worth a look and the body "hello"
 *     /echo        200, the body is the request as it came
 *     /body/N      200 with N bytes
 *     /headers/N   200 with N header lines in all (the status line and the empty one included)
 *     /long/N      200 with one header line of N bytes
 *     /early       103 with a header, then 200 with another
 *     /encoded     200 with a Content-Encoding nobody asked for
 *     /moved       302 to /ok
 *     /die         reads the request, then closes without a word
 *     /half        promises a body and closes in the middle
 *     /junk        answers what is not HTTP
 *     /slow        never answers
 */
#include "tests/unit.h"

#include "tests/unit/web_server.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_REQUEST 65536

struct peer {
	int fd;
	SSL *ssl; /* NULL: no TLS */
	int number;
};

static void say(const struct peer *p, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = p->ssl != NULL ? SSL_write(p->ssl, data, (int)len)
					   : send(p->fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0);
		data += n;
		len -= (size_t)n;
	}
}

static void say_text(const struct peer *p, const char *text)
{
	say(p, text, strlen(text));
}

static void answer(const struct peer *p, const char *status, const char *headers, const char *body,
		   size_t len)
{
	AUTO_FREE char *head = mem_printf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n"
					  "X-Connection: %d\r\n%s\r\n",
					  status, len, p->number, headers);

	say_text(p, head);
	say(p, body, len);
}

static size_t want_body(const char *request)
{
	const char *field = strcasestr(request, "\r\ncontent-length:");

	return field != NULL ? strtoul(field + 17, NULL, 10) : 0;
}

/* Reads one request. False: the client has gone. */
static bool listen_to(const struct peer *p, char *request)
{
	size_t len = 0;

	for (;;) {
		const char *end = NULL;
		ssize_t n = p->ssl != NULL
				    ? SSL_read(p->ssl, request + len, (int)(MAX_REQUEST - 1 - len))
				    : recv(p->fd, request + len, MAX_REQUEST - 1 - len, 0);

		if (n <= 0)
			return false;
		len += (size_t)n;
		request[len] = '\0';
		end = strstr(request, "\r\n\r\n");
		if (end != NULL && len >= (size_t)(end + 4 - request) + want_body(request))
			return true;
	}
}

static bool number_after(const char *path, const char *prefix, size_t *ret_number)
{
	if (strncmp(path, prefix, strlen(prefix)) != 0)
		return false;
	*ret_number = strtoul(path + strlen(prefix), NULL, 10);
	return true;
}

static void fill(char *text, char with, size_t len)
{
	memset(text, with, len);
	text[len] = '\0';
}

/* Ours are: status, Content-Length, X-Connection, these, and the empty line. */
static void answer_headers(const struct peer *p, size_t lines)
{
	AUTO_FREE char *headers = mem_new(lines * 16 + 1);

	for (size_t i = 4; i < lines; i++)
		strcat(headers, "X-Filler: 1\r\n");
	answer(p, "200 OK", headers, "", 0);
}

static void answer_sized(const struct peer *p, const char *path)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *headers = NULL;
	size_t n = 0;

	if (number_after(path, "/headers/", &n)) {
		answer_headers(p, n);
	} else if (number_after(path, "/body/", &n)) {
		text = mem_new(n + 1);
		fill(text, 'b', n);
		answer(p, "200 OK", "", text, n);
	} else if (number_after(path, "/long/", &n)) {
		text = mem_new(n + 1);
		fill(text, 'h', n - strlen("X-Long: \r\n"));
		headers = mem_printf("X-Long: %s\r\n", text);
		answer(p, "200 OK", headers, "", 0);
	} else {
		answer(p, "404 Not Found", "", "", 0);
	}
}

static void misbehave(const struct peer *p, const char *path)
{
	if (strcmp(path, "/die") == 0)
		_exit(0);
	if (strcmp(path, "/slow") == 0)
		for (;;)
			pause();
	if (strcmp(path, "/junk") == 0) {
		say_text(p, "220 mail.example ESMTP\r\n\r\n");
		_exit(0);
	}
	if (strcmp(path, "/half") == 0) {
		say_text(p, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
		_exit(0);
	}
	answer_sized(p, path);
}

static void serve(const struct peer *p, const char *request)
{
	char method[16] = "";
	char path[256] = "";

	sscanf(request, "%15s %255s", method, path);
	if (strcmp(method, "HEAD") == 0)
		say_text(p, "HTTP/1.1 200 OK\r\nReplay-Nonce: abc\r\nContent-Length: 5\r\n\r\n");
	else if (strcmp(path, "/ok") == 0)
		answer(p, "200 OK", "X-NAME: \t Value \r\nX-Name:\r\nLink: <a>\r\n", "hello", 5);
	else if (strcmp(path, "/echo") == 0)
		answer(p, "200 OK", "", request, strlen(request));
	else if (strcmp(path, "/moved") == 0)
		answer(p, "302 Found", "Location: /ok\r\n", "", 0);
	else if (strcmp(path, "/encoded") == 0)
		answer(p, "200 OK", "Content-Encoding: gzip\r\n", "plain", 5);
	else if (strcmp(path, "/early") == 0) {
		say_text(p, "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n");
		answer(p, "200 OK", "X-Late: 1\r\n", "", 0);
	} else {
		misbehave(p, path);
	}
}

static int choose_cert(SSL *ssl, int *alert, void *arg)
{
	const struct made_cert *other = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	if (other != NULL && name != NULL && strcmp(name, "other.example") == 0) {
		SSL_use_certificate(ssl, other->x509);
		SSL_use_PrivateKey(ssl, other->key);
	}
	return SSL_TLSEXT_ERR_OK;
}

static SSL *shake_hands(const struct web_server_spec *spec, int fd)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	SSL *ssl = NULL;

	SSL_CTX_use_certificate(context, spec->cert->x509);
	SSL_CTX_use_PrivateKey(context, spec->cert->key);
	SSL_CTX_set_tlsext_servername_callback(context, choose_cert);
	SSL_CTX_set_tlsext_servername_arg(context, (void *)spec->other);
	if (spec->wants_client_cert)
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   NULL);
	if (spec->tls12)
		SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
	ssl = SSL_new(context);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) != 1)
		_exit(0);
	return ssl;
}

static _Noreturn void talk(const struct web_server *s, const struct web_server_spec *spec, int fd)
{
	struct peer p = {.fd = fd, .number = s->seen->connections};
	char *request = mem_new(MAX_REQUEST);

	while (spec->silent)
		pause();
	if (spec->cert != NULL)
		p.ssl = shake_hands(spec, fd);
	while (listen_to(&p, request)) {
		__sync_fetch_and_add(&s->seen->requests, 1);
		serve(&p, request);
	}
	_exit(0);
}

static _Noreturn void run(const struct web_server *s, const struct web_server_spec *spec,
			  int listener)
{
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		s->seen->connections++;
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(listener);
			talk(s, spec, fd);
		}
		close(fd);
	}
}

struct made_cert *web_server_cert(const char *names, int64_t not_after)
{
	EVP_PKEY *key = EVP_EC_gen("prime256v1"); /* TLS does not know this key as "P-256" */
	struct made_cert *c = make_cert(&(struct make_cert_spec){
		.subject = "test",
		.key = key,
		.names = names,
		.aki = "",
		.not_before = not_after - 90 * 86400,
		.not_after = not_after,
	});

	EVP_PKEY_free(key);
	return c;
}

static int bind_loopback(int *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

struct web_server web_server_start(const struct web_server_spec *spec)
{
	struct web_server s = {0};
	int fd = bind_loopback(&s.port);

	assert_int_equal(listen(fd, 64), 0);
	s.seen = mmap(NULL, sizeof(*s.seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_true(s.seen != MAP_FAILED);
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (s.pid == 0)
		run(&s, spec, fd);
	close(fd);
	return s;
}

void web_server_stop(struct web_server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	munmap((void *)s->seen, sizeof(*s->seen));
}

int web_server_free_port(void)
{
	int port = 0;

	close(bind_loopback(&port));
	return port;
}
