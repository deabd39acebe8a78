/* SPDX-License-Identifier: MIT
 *
 * systemd — see systemd.h.
 */
#include "agent/systemd.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool number_parse(const char *text, long long *ret)
{
	char *end = NULL;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static void socket_add(struct passed_sockets *p, const char *name, size_t len, int fd)
{
	bool is_http = len == 0 || (len == 4 && memcmp(name, "http", 4) == 0) ||
		       (len == 7 && memcmp(name, "unknown", 7) == 0); /* systemd's "no name" */

	if (is_http)
		p->http[p->http_count++] = fd;
	else if (len == 7 && memcmp(name, "control", 7) == 0 && p->control < 0)
		p->control = fd;
}

void systemd_listen_parse(const struct systemd_listen *l, pid_t pid, struct passed_sockets *ret)
{
	const char *name = l->names != NULL ? l->names : "";
	long long count = 0;
	long long for_pid = 0;

	*ret = (struct passed_sockets){.control = -1};
	if (!number_parse(l->pid, &for_pid) || for_pid != pid || !number_parse(l->fds, &count))
		return;
	for (int i = 0; i < count && i < SYSTEMD_MAX_SOCKETS; i++) {
		size_t len = strcspn(name, ":");

		socket_add(ret, name, len, SYSTEMD_FIRST_FD + i);
		name += len + (name[len] == ':');
	}
}

/* Only what listens: a descriptor that is closed or something else would fail at every accept. */
static bool socket_prepare(int fd)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens &&
	       fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

void systemd_listen(struct passed_sockets *ret)
{
	const struct systemd_listen l = {getenv("LISTEN_PID"), getenv("LISTEN_FDS"),
					 getenv("LISTEN_FDNAMES")};
	size_t kept = 0;

	systemd_listen_parse(&l, getpid(), ret);
	for (size_t i = 0; i < ret->http_count; i++)
		if (socket_prepare(ret->http[i]))
			ret->http[kept++] = ret->http[i];
	ret->http_count = kept;
	if (ret->control >= 0 && !socket_prepare(ret->control))
		ret->control = -1;
}

void systemd_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	size_t len = path != NULL ? strlen(path) : 0;
	AUTO_FD int fd = -1;

	if (len < 2 || len >= sizeof(name.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(name.sun_path, path, len);
	if (path[0] == '@')
		name.sun_path[0] = '\0'; /* an abstract name: its length tells where it ends */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&name,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

int64_t systemd_watchdog_ms(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	long long for_pid = 0;
	long long usec = 0;

	if (pid != NULL && (!number_parse(pid, &for_pid) || for_pid != getpid()))
		return 0;
	if (!number_parse(getenv("WATCHDOG_USEC"), &usec) || usec <= 0)
		return 0;
	return usec / 2000 > 0 ? usec / 2000 : 1;
}
