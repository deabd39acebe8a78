/* SPDX-License-Identifier: MIT
 *
 * listener_http01 — connections, and the few bytes each is sent.
 *
 *     accepted ──► READ ──► WRITE ──► LINGER ──► closed
 *                   │ bad: 400, unknown: 404 (both by WRITE)
 *                   └ LISTENER_MS over, or room is needed ──► closed, from any state
 *
 * Who makes room? First who has its answer already. Else somebody whose request is not whole: of
 * those, one from the source that has the most of them, and of its own the oldest. So one host that
 * opens connections as fast as it can takes its places from itself, and a CA that is slow, because
 * its packets were lost, keeps its own; many hosts, or all behind one proxy, take turns by age.
 *
 * By age alone an honest request is safe, too: it comes with the connection or right behind it, at
 * most a quarter of the places changes hands in one turn of the loop, and what was sent is read in
 * every turn.
 *
 * LINGER reads on after our last byte: closing with unread bytes would make the kernel reset the
 * connection, and the answer could be lost on its way (RFC 9112 9.6).
 */
#include "agent/listener_http01.h"

#include "agent/http01_request.h"
#include "agent/listening.h"
#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_HEADER  256
#define PAUSE_MS    100 /* when the process has no descriptor left */
#define SOURCE_SIZE 8

enum connection_state {
	CONNECTION_READ = 0,
	CONNECTION_WRITE,
	CONNECTION_LINGER,
	CONNECTION_STATES, /* how many */
};

struct connection {
	TAILQ_ENTRY(connection) link;
	struct listener *listener;
	enum connection_state state;
	int fd;
	struct source *source; /* while it reads; borrowed */
	struct watch *io;
	struct watch *deadline;
	char in[HTTP01_MAX_REQUEST];
	size_t in_len;
	char out[MAX_HEADER + LISTENER_MAX_ANSWER];
	size_t out_len;
	size_t out_sent;
	char token[HTTP01_MAX_TOKEN + 1]; /* of an answered GET, else "" */
};

/* Whom connections that read are from: an IPv4 address or an IPv6 network. Free when there are
 * none. */
struct source {
	uint8_t address[SOURCE_SIZE];
	size_t readers;
};

struct listener {
	struct loop *loop;
	int answers_fd;         /* borrowed, as are these: */
	int fds[LISTENING_MAX]; /* -1: none */
	struct watch *accepts[LISTENING_MAX];
	struct watch *pause;
	void (*fetched)(void *arg, const char *token);
	void *arg;
	TAILQ_HEAD(connections, connection) connections; /* oldest first */
	size_t count;
	struct source sources[LISTENER_MAX_CONNECTIONS];
};

static void on_io(void *arg, int fd, unsigned events);

static void stops_reading(struct connection *c)
{
	if (c->source != NULL)
		c->source->readers--;
	c->source = NULL;
}

static void connection_free(struct connection *c)
{
	struct listener *s = c->listener;

	stops_reading(c);
	TAILQ_REMOVE(&s->connections, c, link);
	s->count--;
	loop_cancel(s->loop, c->io);
	loop_cancel(s->loop, c->deadline);
	close(c->fd);
	free(c);
}

static void on_deadline(void *arg)
{
	struct connection *c = arg;

	c->deadline = NULL;
	connection_free(c);
}

static void wait_for(struct connection *c, unsigned events)
{
	loop_cancel(c->listener->loop, c->io);
	c->io = loop_watch_fd(c->listener->loop, c->fd, events, on_io, c);
}

/* Reads the answer of a token that the parser has passed. -1: there is none. */
static ssize_t answer_read(const struct listener *s, const char *token, char *answer)
{
	AUTO_FD int fd =
		openat(s->answers_fd, token, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
	    info.st_size > LISTENER_MAX_ANSWER)
		return -1;
	return read(fd, answer, LISTENER_MAX_ANSWER);
}

static void respond(struct connection *c, const char *status, const char *body, size_t len)
{
	int header = snprintf(c->out, MAX_HEADER,
			      "HTTP/1.1 %s\r\n"
			      "Content-Type: text/plain\r\n"
			      "Content-Length: %zu\r\n"
			      "Connection: close\r\n"
			      "\r\n",
			      status, len);

	c->out_len = (size_t)header;
	memcpy(c->out + c->out_len, body, len);
	c->out_len += len;
	c->state = CONNECTION_WRITE;
	stops_reading(c);
}

static void respond_to(struct connection *c, const struct http01_request *request)
{
	static const char missing[] = "no such challenge\n";
	char answer[LISTENER_MAX_ANSWER];
	ssize_t len =
		request->token[0] != '\0' ? answer_read(c->listener, request->token, answer) : -1;

	if (len < 0)
		respond(c, "404 Not Found", missing, sizeof(missing) - 1);
	else
		respond(c, "200 OK", answer, (size_t)len);
	if (request->head)
		c->out_len -= len < 0 ? sizeof(missing) - 1 : (size_t)len;
	else if (len >= 0)
		memcpy(c->token, request->token, sizeof(c->token));
}

/* The last byte is with the kernel. fetched() may free the listener, so it is called last. */
static void connection_linger(struct connection *c)
{
	struct listener *s = c->listener;
	char token[HTTP01_MAX_TOKEN + 1];

	memcpy(token, c->token, sizeof(token));
	c->state = CONNECTION_LINGER;
	if (shutdown(c->fd, SHUT_WR) == 0)
		wait_for(c, LOOP_READ);
	else
		connection_free(c); /* the client is gone */
	if (token[0] != '\0' && s->fetched != NULL)
		s->fetched(s->arg, token);
}

static void connection_write(struct connection *c)
{
	ssize_t sent = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);

	if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
		wait_for(c, LOOP_WRITE);
		return;
	}
	if (sent < 0) {
		connection_free(c);
		return;
	}
	c->out_sent += (size_t)sent;
	if (c->out_sent < c->out_len)
		wait_for(c, LOOP_WRITE);
	else
		connection_linger(c);
}

static void connection_judge(struct connection *c)
{
	static const char bad[] = "bad request\n";
	struct http01_request request = {0};

	switch (http01_request_parse(c->in, c->in_len, &request)) {
	case HTTP01_INCOMPLETE:
		return;
	case HTTP01_COMPLETE:
		respond_to(c, &request);
		break;
	case HTTP01_BAD:
		respond(c, "400 Bad Request", bad, sizeof(bad) - 1);
		break;
	}
	connection_write(c);
}

/* The parser never calls a full buffer incomplete, so there is always room to read into. */
static void connection_read(struct connection *c)
{
	ssize_t got = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		connection_free(c);
		return;
	}
	c->in_len += (size_t)got;
	connection_judge(c);
}

static void connection_drain(struct connection *c)
{
	ssize_t got = recv(c->fd, c->in, sizeof(c->in), 0);

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		connection_free(c);
}

static void on_io(void *arg, int fd, unsigned events)
{
	struct connection *c = arg;

	(void)fd;
	(void)events;
	if (c->state == CONNECTION_READ)
		connection_read(c);
	else if (c->state == CONNECTION_WRITE)
		connection_write(c);
	else
		connection_drain(c);
}

/* A /64 is one customer's, who has all its addresses. */
static void address_of(const struct sockaddr_storage *peer, uint8_t address[SOURCE_SIZE])
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(address, 0, SOURCE_SIZE);
	memcpy(&v4, peer, sizeof(v4));
	memcpy(&v6, peer, sizeof(v6));
	if (peer->ss_family == AF_INET6)
		memcpy(address, &v6.sin6_addr, SOURCE_SIZE);
	else
		memcpy(address, &v4.sin_addr, sizeof(v4.sin_addr));
}

/* There is always a free one: there are as many as connections. */
static struct source *source_of(struct listener *s, const struct sockaddr_storage *peer)
{
	uint8_t address[SOURCE_SIZE];
	struct source *found = NULL;

	address_of(peer, address);
	for (size_t i = 0; i < COUNT_OF(s->sources); i++) {
		struct source *source = &s->sources[i];

		if (source->readers == 0)
			found = found == NULL ? source : found;
		else if (memcmp(source->address, address, SOURCE_SIZE) == 0)
			return source;
	}
	memcpy(found->address, address, SOURCE_SIZE);
	return found;
}

static struct connection *oldest_in(const struct listener *s, enum connection_state state)
{
	struct connection *c = NULL;

	TAILQ_FOREACH(c, &s->connections, link)
	if (c->state == state)
		return c;
	return NULL;
}

static struct connection *whom_to_close(const struct listener *s)
{
	struct connection *found = oldest_in(s, CONNECTION_LINGER);
	struct connection *c = NULL;

	if (found != NULL)
		return found;
	TAILQ_FOREACH(c, &s->connections, link)
	if (c->source != NULL && (found == NULL || c->source->readers > found->source->readers))
		found = c;
	return found != NULL ? found : TAILQ_FIRST(&s->connections);
}

static void connection_new(struct listener *s, int fd, const struct sockaddr_storage *peer)
{
	struct connection *c = NULL;

	if (s->count == LISTENER_MAX_CONNECTIONS)
		connection_free(whom_to_close(s));
	c = mem_new(sizeof(*c));
	c->listener = s;
	c->fd = fd;
	c->source = source_of(s, peer);
	c->source->readers++;
	TAILQ_INSERT_TAIL(&s->connections, c, link);
	s->count++;
	c->deadline = loop_watch_timer(s->loop, LISTENER_MS, on_deadline, c);
	wait_for(c, LOOP_READ);
}

static void on_accept(void *arg, int fd, unsigned events);

static void accepts_begin(struct listener *s)
{
	for (size_t i = 0; i < LISTENING_MAX; i++)
		if (s->fds[i] >= 0)
			s->accepts[i] = loop_watch_fd(s->loop, s->fds[i], LOOP_READ, on_accept, s);
}

static void on_pause_over(void *arg)
{
	struct listener *s = arg;

	s->pause = NULL;
	accepts_begin(s);
}

/* Without a descriptor to accept with, the socket would stay ready and the loop would spin. */
static void accepts_pause(struct listener *s)
{
	for (size_t i = 0; i < LISTENING_MAX; i++)
		loop_cancel(s->loop, TAKE(s->accepts[i]));
	s->pause = loop_watch_timer(s->loop, PAUSE_MS, on_pause_over, s);
}

/* Few at a time: in a flood every new connection costs an old one its place, and those that have
 * sent their request by now shall be heard before that. */
static void on_accept(void *arg, int fd, unsigned events)
{
	struct listener *s = arg;

	(void)events;
	for (int i = 0; i < LISTENER_MAX_CONNECTIONS / 4; i++) {
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof(from);
		int peer = FAULT_FAILS("listener.accept")
				   ? -1
				   : accept4(fd, (struct sockaddr *)&from, &len,
					     SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (peer >= 0) {
			connection_new(s, peer, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			accepts_pause(s);
		return; /* EAGAIN, or a client that left before we looked */
	}
}

struct listener *listener_new(struct loop *l, const struct listener_config *config)
{
	struct listener *s = mem_new(sizeof(*s));

	s->loop = l;
	s->fetched = config->fetched;
	s->arg = config->arg;
	s->answers_fd = config->answers_fd;
	memcpy(s->fds, config->listening->fds, sizeof(s->fds));
	TAILQ_INIT(&s->connections);
	accepts_begin(s);
	return s;
}

size_t listener_count(const struct listener *s)
{
	return s->count;
}

void listener_free(struct listener *s)
{
	if (s == NULL)
		return;
	while (!TAILQ_EMPTY(&s->connections))
		connection_free(TAILQ_FIRST(&s->connections));
	loop_cancel(s->loop, s->pause);
	for (size_t i = 0; i < LISTENING_MAX; i++)
		loop_cancel(s->loop, s->accepts[i]);
	free(s);
}
