/* SPDX-License-Identifier: MIT
 *
 * control_client — a command's side of the control socket: one question, one answer, a deadline.
 */
#include "agent/control.h"

#include "agent/frame.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int control_connect(const char *path, int *ret_fd, struct err *e)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	AUTO_FD int fd = -1;

	if (strlen(path) >= sizeof(name.sun_path))
		return err_set(e, ERR_CONFIG,
			       "%s is too long for a socket: name a shorter one with --control",
			       path);
	memcpy(name.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, ERR_SYS, "a socket");
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0) {
		if (errno == EAGAIN) /* its queue is full: it is there */
			return err_set(e, ERR_NET, "the daemon at %s has no time now", path);
		return err_set(e, ERR_CONFIG, "no daemon answers at %s (%s); everleaf run is one",
			       path, strerror(errno));
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int client_send(int fd, const char *verb)
{
	AUTO_JSON struct json *request = frame_new();
	struct buf frame AUTO_BUF = {0};

	buf_init(&frame, FRAME_HEADER + FRAME_MAX);
	json_put_text(request, "do", verb);
	if (frame_add(&frame, request) != 0)
		return -1;
	/* much smaller than any socket's buffer: it goes out whole or not at all */
	return send(fd, frame.data, frame.len, MSG_NOSIGNAL) == (ssize_t)frame.len ? 0 : -1;
}

static int client_wait(int fd, int64_t until_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t ms = until_ms - clock_mono_ms(clock_system());

	return poll(&p, 1, ms > 0 ? (int)ms : 0);
}

/* ERR_NONE with *ret_answer still NULL: more is to come. */
static int client_read(int fd, struct buf *in, struct json **ret_answer, struct err *e)
{
	char bytes[4096];
	size_t room = in->limit - in->len;
	ssize_t got = recv(fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes), 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return err_set(e, ERR_NET, "the daemon ended without an answer");
	(void)buf_add(in, bytes, (size_t)got);
	return frame_parse(in->data, in->len, ret_answer, e) == FRAME_BAD ? ERR_PROTOCOL : 0;
}

static int client_hear(int fd, struct json **ret_answer, struct err *e)
{
	int64_t until_ms = clock_mono_ms(clock_system()) + CONTROL_MS;
	AUTO_JSON struct json *answer = NULL;
	struct buf in AUTO_BUF = {0};
	int r = 0;

	buf_init(&in, FRAME_HEADER + FRAME_MAX + 1);
	while (r == 0 && answer == NULL) {
		int ready = client_wait(fd, until_ms);

		if (ready == 0)
			return err_set(e, ERR_NET, "the daemon did not answer within %d s",
				       CONTROL_MS / 1000);
		if (ready > 0)
			r = client_read(fd, &in, &answer, e);
	}
	if (r != 0)
		return r;
	if (json_get_text(answer, "error") != NULL)
		return err_set(e, ERR_CONFIG, "the daemon refused: %s",
			       json_get_text(answer, "error"));
	*ret_answer = TAKE(answer);
	return 0;
}

int control_ask(const char *path, const char *verb, struct json **ret_answer, struct err *e)
{
	AUTO_FD int fd = -1;
	int r = control_connect(path, &fd, e);

	if (r != 0)
		return r;
	(void)client_send(fd, verb); /* whoever refuses us may have closed, and has said why */
	return client_hear(fd, ret_answer, e);
}

void control_wake(const char *path)
{
	AUTO_FD int fd = -1;

	if (control_connect(path, &fd, NULL) == 0)
		(void)client_send(fd, "wake");
}
