/* SPDX-License-Identifier: MIT
 *
 * message — see message.h. A datagram is a header of fixed size and nothing else, so that there is
 * nothing to parse.
 */
#include "base/message.h"

#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FREE_FD 3

struct wire {
	uint32_t verb;
	uint32_t id;
	char text[MESSAGE_TEXT];
};

/* Room for the descriptors, aligned as the kernel wants it. */
union control {
	char bytes[CMSG_SPACE(sizeof(int) * MESSAGE_FDS)];
	struct cmsghdr align;
};

int message_pair(int ret_ends[2], struct err *e)
{
	int ends[2] = {-1, -1};

	if (FAULT_FAILS("message.pair") ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return err_sys(e, ERR_SYS, "cannot make a socket pair");
	for (int i = 0; i < 2; i++) {
		int old = ends[i];

		if (old >= FIRST_FREE_FD)
			continue;
		ends[i] = fcntl(old, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		close(old);
	}
	if (ends[0] < 0 || ends[1] < 0) {
		err_sys(e, ERR_SYS, "cannot make a socket pair");
		auto_close(&ends[0]);
		auto_close(&ends[1]);
		return ERR_SYS;
	}
	memcpy(ret_ends, ends, sizeof(ends));
	return 0;
}

enum message_result message_send(int fd, const struct message *m)
{
	struct wire wire = {.verb = m->verb, .id = m->id};
	struct iovec part = {.iov_base = &wire, .iov_len = sizeof(wire)};
	union control control = {0};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	memcpy(wire.text, m->text, strnlen(m->text, MESSAGE_TEXT - 1));
	if (m->fd_count > 0) {
		struct cmsghdr *rights = &control.align;

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * m->fd_count);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * m->fd_count);
		memcpy(CMSG_DATA(rights), m->fds, sizeof(int) * m->fd_count);
	}
	do
		sent = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? MESSAGE_NONE : MESSAGE_END;
	return MESSAGE_GOT;
}

/* The kernel has made them ours already: also those of a datagram that is refused. */
static void take_descriptors(struct msghdr *header, struct message *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		size_t count = 0;

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count && m->fd_count < MESSAGE_FDS; i++)
			memcpy(&m->fds[m->fd_count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

enum message_result message_receive(int fd, bool waits, struct message *ret)
{
	struct message m = {0};
	struct wire wire;
	struct iovec part = {.iov_base = &wire, .iov_len = sizeof(wire)};
	union control control;
	struct msghdr header = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got;

	do
		got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 && errno == EAGAIN ? MESSAGE_NONE : MESSAGE_END;
	take_descriptors(&header, &m);
	if (got != (ssize_t)sizeof(wire) || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    memchr(wire.text, '\0', sizeof(wire.text)) == NULL) {
		message_clear(&m);
		return MESSAGE_BAD;
	}
	m.verb = wire.verb;
	m.id = wire.id;
	memcpy(m.text, wire.text, sizeof(m.text));
	*ret = m;
	return MESSAGE_GOT;
}

void message_clear(struct message *m)
{
	while (m->fd_count > 0)
		close(m->fds[--m->fd_count]);
}
