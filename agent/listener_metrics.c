/* SPDX-License-Identifier: MIT
 *
 * listener_metrics — see the header.
 *
 *     accepted ──► READ ──► WRITE ──► closed; after LISTENER_METRICS_MS from any state
 */
#include "agent/listener_metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG    16
#define MAX_HEADER 256
#define MAX_PAGE   ((size_t)32 * 1024 * 1024)
#define PAUSE_MS   100 /* when the process has no descriptor left */

struct connection {
	LIST_ENTRY(connection) link;
	struct listener_metrics *listener;
	int fd;
	struct watch *io, *deadline;
	struct buf in, out;
	size_t sent;
};

struct listener_metrics {
	struct loop *loop;
	int fd;
	char *path; /* of the unix socket, or NULL */
	struct watch *accepts, *pause;
	int (*page)(void *arg, struct buf *out, struct err *e);
	void *arg;
	LIST_HEAD(, connection) connections;
	size_t count;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

static void on_accept(void *arg, int fd, unsigned events);

/* --- connections --- */

static void connection_free(struct connection *c)
{
	struct listener_metrics *s = c->listener;

	LIST_REMOVE(c, link);
	loop_cancel(s->loop, c->io);
	loop_cancel(s->loop, c->deadline);
	close(c->fd);
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
	if (s->count-- == LISTENER_METRICS_CONNECTIONS)
		s->accepts = loop_watch_fd(s->loop, s->fd, LOOP_READ, on_accept, s);
}

static void on_deadline(void *arg)
{
	struct connection *c = arg;

	c->deadline = NULL;
	connection_free(c);
}

static void on_write(void *arg, int fd, unsigned events)
{
	struct connection *c = arg;
	ssize_t sent = send(fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

	(void)events;
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent > 0)
		c->sent += (size_t)sent;
	if (sent < 0 || c->sent == c->out.len)
		connection_free(c);
}

static void respond(struct connection *c, const char *status, const struct buf *body)
{
	(void)buf_printf(&c->out,
			 "HTTP/1.1 %s\r\n"
			 "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
			 "Content-Length: %zu\r\n"
			 "Connection: close\r\n"
			 "\r\n",
			 status, body->len);
	(void)buf_add(&c->out, body->data, body->len);
	loop_cancel(c->listener->loop, c->io);
	c->io = loop_watch_fd(c->listener->loop, c->fd, LOOP_WRITE, on_write, c);
}

static bool asks_for_metrics(const char *line)
{
	return strncmp(line, "GET /metrics HTTP/1.", 20) == 0 ||
	       strncmp(line, "GET / HTTP/1.", 13) == 0;
}

static void answer(struct connection *c)
{
	struct buf body AUTO_BUF = {0};
	struct err e = {0};

	buf_init(&body, MAX_PAGE);
	if (!asks_for_metrics(c->in.data)) {
		(void)buf_add_text(&body, "only GET /metrics is answered here\n");
		respond(c, "404 Not Found", &body);
	} else if (c->listener->page(c->listener->arg, &body, &e) != 0) {
		buf_clear(&body);
		(void)buf_printf(&body, "%s\n", e.text);
		respond(c, "503 Service Unavailable", &body);
	} else {
		respond(c, "200 OK", &body);
	}
}

static void on_read(void *arg, int fd, unsigned events)
{
	struct connection *c = arg;
	char chunk[1024];
	ssize_t got = recv(fd, chunk, sizeof(chunk), 0);

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0 || buf_add(&c->in, chunk, (size_t)got) != 0) {
		connection_free(c);
		return;
	}
	if (strstr(c->in.data, "\r\n\r\n") != NULL || strstr(c->in.data, "\n\n") != NULL)
		answer(c);
}

static void on_pause(void *arg)
{
	struct listener_metrics *s = arg;

	s->pause = NULL;
	s->accepts = loop_watch_fd(s->loop, s->fd, LOOP_READ, on_accept, s);
}

static void stop_accepting(struct listener_metrics *s)
{
	loop_cancel(s->loop, s->accepts);
	s->accepts = NULL;
}

/* Whoever finds no room waits in the backlog. */
static void on_accept(void *arg, int fd, unsigned events)
{
	struct listener_metrics *s = arg;
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *c;

	(void)events;
	if (client < 0) {
		if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS)
			return;
		stop_accepting(s);
		s->pause = loop_watch_timer(s->loop, PAUSE_MS, on_pause, s);
		return;
	}
	c = mem_new(sizeof(*c));
	c->listener = s;
	c->fd = client;
	buf_init(&c->in, LISTENER_METRICS_REQUEST);
	buf_init(&c->out, MAX_HEADER + MAX_PAGE);
	LIST_INSERT_HEAD(&s->connections, c, link);
	if (++s->count == LISTENER_METRICS_CONNECTIONS)
		stop_accepting(s);
	c->deadline = loop_watch_timer(s->loop, LISTENER_METRICS_MS, on_deadline, c);
	c->io = loop_watch_fd(s->loop, client, LOOP_READ, on_read, c);
}

/* --- the address --- */

static int not_an_address(const char *text, struct err *e)
{
	return err_set(
		e, ERR_CONFIG,
		"\"%s\" is not unix:/PATH, 127.0.0.1:PORT or [::1]:PORT: metrics are shown on "
		"this machine only",
		text);
}

static int read_unix(const char *path, union address *a, socklen_t *ret_len, struct err *e)
{
	if (path[0] != '/' || strlen(path) >= sizeof(a->local.sun_path))
		return err_set(e, ERR_CONFIG,
			       "\"%s\" is not an absolute path of less than %zu bytes", path,
			       sizeof(a->local.sun_path));
	a->local.sun_family = AF_UNIX;
	memcpy(a->local.sun_path, path, strlen(path) + 1);
	*ret_len = sizeof(a->local);
	return 0;
}

static int read_loopback(const char *text, union address *a, socklen_t *ret_len, struct err *e)
{
	const char *colon = strrchr(text, ':');
	AUTO_FREE char *host = NULL;
	char *end = NULL;
	long port = colon != NULL ? strtol(colon + 1, &end, 10) : 0;

	if (colon == NULL || port < 1 || port > 65535 || *end != '\0')
		return not_an_address(text, e);
	host = mem_strn(text, (size_t)(colon - text));
	if (str_equal(host, "[::1]")) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_addr = in6addr_loopback;
		a->v6.sin6_port = htons((uint16_t)port);
		*ret_len = sizeof(a->v6);
		return 0;
	}
	if (inet_pton(AF_INET, str_equal(host, "localhost") ? "127.0.0.1" : host,
		      &a->v4.sin_addr) != 1 ||
	    (ntohl(a->v4.sin_addr.s_addr) >> 24) != 127)
		return not_an_address(text, e);
	a->v4.sin_family = AF_INET;
	a->v4.sin_port = htons((uint16_t)port);
	*ret_len = sizeof(a->v4);
	return 0;
}

/* One that a crash left behind: nobody answers there. */
static void remove_stale(const union address *a, socklen_t len)
{
	int fd AUTO_FD = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd >= 0 && lstat(a->local.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    st.st_uid == geteuid() && connect(fd, &a->any, len) != 0 && errno == ECONNREFUSED)
		(void)unlink(a->local.sun_path);
}

static int listener_bind(struct listener_metrics *s, const char *address, struct err *e)
{
	bool local = strncmp(address, "unix:", 5) == 0;
	union address a = {0};
	socklen_t len = 0;
	int one = 1;
	int r = local ? read_unix(address + 5, &a, &len, e) : read_loopback(address, &a, &len, e);

	if (r != 0)
		return r;
	s->fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return err_sys(e, ERR_CONFIG, "cannot make a socket for %s", address);
	if (local)
		remove_stale(&a, len);
	else
		(void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s->fd, &a.any, len) != 0)
		return err_sys(e, ERR_CONFIG, "cannot listen on %s", address);
	if (local)
		s->path = mem_str(a.local.sun_path);
	if ((local && chmod(s->path, 0660) != 0) || listen(s->fd, BACKLOG) != 0)
		return err_sys(e, ERR_CONFIG, "cannot listen on %s", address);
	return 0;
}

int listener_metrics_open(struct loop *l, const struct listener_metrics_config *config,
			  struct listener_metrics **ret_listener, struct err *e)
{
	struct listener_metrics *s = mem_new(sizeof(*s));
	int r;

	s->loop = l;
	s->fd = -1;
	s->page = config->page;
	s->arg = config->arg;
	LIST_INIT(&s->connections);
	r = listener_bind(s, config->address, e);
	if (r != 0) {
		listener_metrics_free(s);
		return r;
	}
	s->accepts = loop_watch_fd(l, s->fd, LOOP_READ, on_accept, s);
	*ret_listener = s;
	return 0;
}

size_t listener_metrics_count(const struct listener_metrics *s)
{
	return s->count;
}

void listener_metrics_free(struct listener_metrics *s)
{
	if (s == NULL)
		return;
	while (!LIST_EMPTY(&s->connections))
		connection_free(LIST_FIRST(&s->connections));
	loop_cancel(s->loop, s->accepts);
	loop_cancel(s->loop, s->pause);
	if (s->path != NULL)
		(void)unlink(s->path);
	free(s->path);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}
