/* SPDX-License-Identifier: MIT
 *
 * control — the server's side of the control socket.
 *
 *     accepted ──► READ ──► WRITE ──► closed
 *                   └ bad, not allowed: an answer that says so, by WRITE
 *     CONTROL_MS over: closed, from any state
 */
#include "agent/control.h"

#include "agent/frame.h"
#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG  64
#define PAUSE_MS 1000 /* when the process has no descriptor left */

struct client {
	LIST_ENTRY(client) link;
	struct control *control;
	int fd;
	struct watch *io;
	struct watch *deadline;
	struct buf in, out;
	size_t sent;
};

struct control {
	struct control_config config;
	int fd;
	struct watch *accept; /* NULL while there is no room */
	struct watch *pause;
	char *path;   /* bound by us, or NULL */
	dev_t device; /* of what was bound */
	ino_t inode;
	LIST_HEAD(, client) clients;
	size_t count;
};

bool control_may(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* --- clients --- */

static void control_accepts(struct control *c);

static void client_free(struct client *cl)
{
	struct control *c = cl->control;

	LIST_REMOVE(cl, link);
	c->count--;
	loop_cancel(c->config.loop, cl->io);
	loop_cancel(c->config.loop, cl->deadline);
	close(cl->fd);
	buf_free(&cl->in);
	buf_free(&cl->out);
	free(cl);
	control_accepts(c);
}

static void on_deadline(void *arg)
{
	struct client *cl = arg;

	cl->deadline = NULL;
	client_free(cl);
}

static void on_writable(void *arg, int fd, unsigned events)
{
	struct client *cl = arg;
	ssize_t sent;

	(void)events;
	sent = send(fd, cl->out.data + cl->sent, cl->out.len - cl->sent, MSG_NOSIGNAL);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent > 0)
		cl->sent += (size_t)sent;
	if (sent < 0 || cl->sent == cl->out.len)
		client_free(cl);
}

static void client_answers(struct client *cl, const struct json *answer)
{
	struct loop *l = cl->control->config.loop;

	if (frame_add(&cl->out, answer) != 0) {
		AUTO_JSON struct json *cut = frame_new();

		json_put_text(cut, "error", "the answer is too long for a frame");
		(void)frame_add(&cl->out, cut);
	}
	loop_cancel(l, cl->io);
	cl->io = loop_watch_fd(l, cl->fd, LOOP_WRITE, on_writable, cl);
}

static void client_refused(struct client *cl, const char *why)
{
	AUTO_JSON struct json *answer = frame_new();

	json_put_text(answer, "error", why);
	client_answers(cl, answer);
}

static void client_asked(struct client *cl, const struct json *request)
{
	const struct control_config *config = &cl->control->config;
	const char *verb = json_get_text(request, "do");
	AUTO_JSON struct json *answer = verb != NULL ? config->answer(config->arg, verb) : NULL;

	if (answer == NULL)
		client_refused(cl, "this daemon knows no such request");
	else
		client_answers(cl, answer);
}

/* The buffer has room for a whole frame and one byte more, so it is never full here. */
static void on_readable(void *arg, int fd, unsigned events)
{
	struct client *cl = arg;
	AUTO_JSON struct json *request = NULL;
	struct err e = {0};
	char bytes[4096];
	size_t room = cl->in.limit - cl->in.len;
	ssize_t got = recv(fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes), 0);

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		client_free(cl);
		return;
	}
	(void)buf_add(&cl->in, bytes, (size_t)got);
	switch (frame_parse(cl->in.data, cl->in.len, &request, &e)) {
	case FRAME_INCOMPLETE:
		break;
	case FRAME_COMPLETE:
		client_asked(cl, request);
		break;
	case FRAME_BAD:
		client_refused(cl, e.text);
		break;
	}
}

static bool peer_may(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && control_may(peer.uid);
}

static void client_new(struct control *c, int fd)
{
	struct client *cl = mem_new(sizeof(*cl));

	cl->control = c;
	cl->fd = fd;
	buf_init(&cl->in, FRAME_HEADER + FRAME_MAX + 1);
	buf_init(&cl->out, FRAME_HEADER + FRAME_MAX);
	LIST_INSERT_HEAD(&c->clients, cl, link);
	c->count++;
	cl->deadline = loop_watch_timer(c->config.loop, CONTROL_MS, on_deadline, cl);
	if (peer_may(fd))
		cl->io = loop_watch_fd(c->config.loop, fd, LOOP_READ, on_readable, cl);
	else
		client_refused(cl, "only root and the daemon's own user may ask it");
}

static void on_pause_over(void *arg)
{
	struct control *c = arg;

	c->pause = NULL;
	control_accepts(c);
}

/* Without a descriptor to accept with, the socket would stay ready and the loop would spin. */
static void control_pauses(struct control *c)
{
	loop_cancel(c->config.loop, TAKE(c->accept));
	c->pause = loop_watch_timer(c->config.loop, PAUSE_MS, on_pause_over, c);
}

/* Without room the rest waits in the kernel: the end of a client makes room. */
static void on_accept(void *arg, int fd, unsigned events)
{
	struct control *c = arg;

	(void)events;
	while (c->count < CONTROL_MAX_CLIENTS) {
		int peer = FAULT_FAILS("control.accept")
				   ? -1
				   : accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (peer < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			control_pauses(c);
		if (peer < 0)
			return;
		client_new(c, peer);
	}
	loop_cancel(c->config.loop, TAKE(c->accept));
}

static void control_accepts(struct control *c)
{
	if (c->accept == NULL && c->pause == NULL && c->fd >= 0)
		c->accept = loop_watch_fd(c->config.loop, c->fd, LOOP_READ, on_accept, c);
}

/* --- the socket --- */

/* What may be taken away: a socket (or our link to one) that nobody answers. */
static int path_clear(const char *path, struct err *e)
{
	AUTO_FD int fd = -1;
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : err_sys(e, ERR_CONFIG, "%s", path);
	if (!S_ISSOCK(st.st_mode) && !S_ISLNK(st.st_mode))
		return err_set(e, ERR_CONFIG, "%s is no socket: name another with --control", path);
	if (control_connect(path, &fd, NULL) == 0)
		return err_set(e, ERR_BUSY, "another everleaf run answers on %s", path);
	if (unlink(path) != 0 && errno != ENOENT)
		return err_sys(e, ERR_CONFIG, "taking away %s", path);
	return 0;
}

static int control_bind(struct control *c, const char *path, struct err *e)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	AUTO_FD int fd = -1;
	struct stat st;
	int r;

	if (strlen(path) >= sizeof(name.sun_path))
		return err_set(e, ERR_CONFIG,
			       "%s is too long for a socket: name a shorter one with --control",
			       path);
	r = path_clear(path, e);
	if (r != 0)
		return r;
	memcpy(name.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* a socket's own mode becomes its file's: there is no moment at which others can connect */
	if (fd < 0 || fchmod(fd, 0600) != 0 ||
	    bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0 || listen(fd, BACKLOG) != 0 ||
	    lstat(path, &st) != 0)
		return err_sys(e, ERR_CONFIG, "the control socket %s", path);
	c->path = mem_str(path);
	c->device = st.st_dev;
	c->inode = st.st_ino;
	c->fd = TAKE_FD(fd);
	return 0;
}

/* Commands look where a socket of ours would be: a link leads them to one that we were given. It is
 * no more than a convenience, so where it cannot be, they need --control. */
static void control_link(struct control *c, const char *path)
{
	struct sockaddr_un name = {0};
	socklen_t len = sizeof(name);
	struct stat st;

	if (getsockname(c->fd, (struct sockaddr *)&name, &len) != 0 || name.sun_family != AF_UNIX ||
	    name.sun_path[0] != '/' ||
	    strnlen(name.sun_path, sizeof(name.sun_path)) == sizeof(name.sun_path) ||
	    path_clear(path, NULL) != 0 || symlink(name.sun_path, path) != 0 ||
	    lstat(path, &st) != 0)
		return;
	c->path = mem_str(path);
	c->device = st.st_dev;
	c->inode = st.st_ino;
}

int control_open(const struct control_config *config, struct control **ret_control, struct err *e)
{
	struct control *c = mem_new(sizeof(*c));
	int r = 0;

	c->config = *config;
	c->fd = config->passed_fd;
	LIST_INIT(&c->clients);
	if (c->fd < 0)
		r = control_bind(c, config->path, e);
	else
		control_link(c, config->path);
	if (r != 0) {
		control_free(c);
		return r;
	}
	control_accepts(c);
	*ret_control = c;
	return 0;
}

size_t control_count(const struct control *c)
{
	return c->count;
}

static void path_remove(const struct control *c)
{
	struct stat st;

	if (c->path != NULL && lstat(c->path, &st) == 0 && st.st_dev == c->device &&
	    st.st_ino == c->inode)
		(void)unlink(c->path);
}

void control_free(struct control *c)
{
	int fd;

	if (c == NULL)
		return;
	path_remove(c);
	fd = TAKE_FD(c->fd); /* nobody is accepted any more */
	while (!LIST_EMPTY(&c->clients))
		client_free(LIST_FIRST(&c->clients));
	loop_cancel(c->config.loop, c->accept);
	loop_cancel(c->config.loop, c->pause);
	if (fd >= 0)
		close(fd);
	free(c->path);
	free(c);
}
