/* SPDX-License-Identifier: MIT
 *
 * mock-ca DIR — serves the mock CA over HTTPS on a free port of 127.0.0.1 until it is ended or its
 * parent ends. DIR gets ca.pem (to be trusted), control (mock_server.h) and, when all is ready,
 * url (the directory's, which is printed as well).
 */
#include "tests/mock/mock_server.h"

#include "agent/loop.h"
#include "base/file.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MAX_ANSWER 4096

static int64_t server_now(void *arg)
{
	const struct mock_server *s = arg;

	return clock_now(clock_system()) + s->ahead_ms / 1000;
}

static int64_t server_mono_ms(void *arg)
{
	const struct mock_server *s = arg;

	return clock_mono_ms(clock_system()) + s->ahead_ms;
}

/* --- http-01 (RFC 8555 8.3) --- */

/* Whoever does not answer soon has no answer: the client may be dead or stopped. */
static int fetch_connect(const struct mock_server *s)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)s->http_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct timeval limit = {.tv_sec = 1};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int fetch_ask(int fd, const char *identifier, const char *token, struct buf *b)
{
	AUTO_FREE char *request = mem_printf("GET /.well-known/acme-challenge/%s HTTP/1.1\r\n"
					     "Host: %s\r\nConnection: close\r\n\r\n",
					     token, identifier);
	char data[1024];
	ssize_t n;

	if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		return -1;
	while ((n = recv(fd, data, sizeof(data), 0)) > 0)
		if (buf_add(b, data, (size_t)n) != 0)
			return -1;
	return n == 0 ? 0 : -1;
}

static int server_fetch(void *arg, const char *identifier, const char *token,
			struct buf *ret_answer)
{
	const struct mock_server *s = arg;
	struct buf whole AUTO_BUF = {0};
	const char *body;
	int fd AUTO_FD = -1;

	if (s->webroot[0] != '\0') {
		AUTO_FREE char *path =
			mem_printf("%s/.well-known/acme-challenge/%s", s->webroot, token);

		return file_read(path, ret_answer, NULL);
	}
	buf_init(&whole, MAX_ANSWER);
	fd = fetch_connect(s);
	if (fd < 0 || fetch_ask(fd, identifier, token, &whole) != 0)
		return -1;
	body = strstr(whole.data, "\r\n\r\n");
	if (strncmp(whole.data, "HTTP/1.1 200 ", 13) != 0 || body == NULL)
		return -1;
	return buf_add_text(ret_answer, body + 4);
}

/* --- its life --- */

static void server_tick(void *arg)
{
	struct mock_server *s = arg;

	s->tick = NULL;
	mock_ca_tick(s->ca);
	mock_server_ticks(s);
}

void mock_server_ticks(struct mock_server *s)
{
	int64_t ms = mock_ca_next_ms(s->ca);

	loop_cancel(s->loop, TAKE(s->tick));
	if (ms >= 0)
		s->tick = loop_watch_timer(s->loop, ms, server_tick, s);
}

static void server_publish(const struct mock_server *s, const char *dir)
{
	int fd AUTO_FD = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct buf url AUTO_BUF = {0};
	struct err e = {0};

	buf_init(&url, MAX_ANSWER);
	if (buf_add_text(&url, s->directory) != 0 ||
	    file_replace_at(fd, "url", &url, 0644, &e) != 0) {
		fprintf(stderr, "mock-ca: %s\n", e.text);
		exit(1);
	}
	printf("%s\n", s->directory);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct mock_server s = {
		.clock = {.now = server_now, .mono_ms = server_mono_ms, .arg = &s},
		.webroot = "",
	};
	struct mock_ca_config config = {
		.clock = &s.clock, .seed = 1, .fetch = server_fetch, .fetch_arg = &s};
	AUTO_FREE char *control = NULL;
	struct err e = {0};

	if (argc != 2 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
	    loop_event_new(&s.loop, &e) != 0) {
		fprintf(stderr, "usage: mock-ca DIR %s\n", e.text);
		return 2;
	}
	s.base = mem_printf("https://127.0.0.1:%d", mock_https_listen(&s, argv[1]));
	config.base = s.base;
	s.ca = mock_ca_new(&config);
	s.directory = mem_str(mock_ca_directory(s.ca));
	control = mem_printf("%s/control", argv[1]);
	mock_control_listen(&s, control);
	server_publish(&s, argv[1]);
	while (!loop_should_stop(s.loop))
		if (loop_wait(s.loop, 60000) != 0)
			return 1;
	_exit(0); /* what it remembers goes with it */
}
