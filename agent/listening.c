/* SPDX-License-Identifier: MIT
 *
 * listening — see listening.h. The only place that opens a TCP port for challenges.
 */
#include "agent/listening.h"

#include "base/fault.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG SOMAXCONN /* whom the kernel turns away tries again a second later */

/* A numeric address and its port as the kernel wants them. */
struct place {
	struct sockaddr_storage address;
	socklen_t len;
};

static bool place_parse(const char *text, int port, struct place *ret)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	*ret = (struct place){0};
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		ret->len = sizeof(v4);
		memcpy(&ret->address, &v4, sizeof(v4));
	} else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
		ret->len = sizeof(v6);
		memcpy(&ret->address, &v6, sizeof(v6));
	}
	return ret->len > 0;
}

static int bind_failed(const char *address, int port, struct err *e)
{
	switch (errno) {
	case EADDRINUSE:
		return err_set(e, ERR_BUSY, "another program listens on port %d", port);
	case EACCES:
		return err_set(e, ERR_CONFIG,
			       "listening on port %d needs root or CAP_NET_BIND_SERVICE; or name "
			       "another port with --http-port and have port 80 forwarded to it",
			       port);
	case EADDRNOTAVAIL:
		return err_set(e, ERR_CONFIG, "%s is no address of this machine", address);
	default:
		return err_sys(e, ERR_SYS, "listening on %s port %d", address, port);
	}
}

/* What the system says of an IPv6 address where there is no IPv6. */
static bool is_missing_family(void)
{
	return errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT || errno == EADDRNOTAVAIL;
}

/* SO_REUSEADDR lets us follow our predecessor at once; SO_REUSEPORT would let a stranger share the
 * port with us unnoticed. Where the family is optional and missing, *ret_fd stays -1. */
static int socket_open(const char *address, int port, bool optional, int *ret_fd, struct err *e)
{
	struct place place;
	AUTO_FD int fd = -1;
	const int on = 1;

	if (!place_parse(address, port, &place))
		return err_set(e, ERR_CONFIG, "%s is no IPv4 or IPv6 address", address);
	if (!FAULT_FAILS("listening.socket"))
		fd = socket(place.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return optional && is_missing_family()
			       ? 0
			       : err_sys(e, ERR_SYS, "a socket for port %d", port);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (place.address.ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0))
		return err_sys(e, ERR_SYS, "setting up port %d", port);
	if (bind(fd, (struct sockaddr *)&place.address, place.len) != 0 || listen(fd, BACKLOG) != 0)
		return optional && is_missing_family() ? 0 : bind_failed(address, port, e);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int port_of(int fd)
{
	struct sockaddr_storage name = {0};
	socklen_t len = sizeof(name);
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	getsockname(fd, (struct sockaddr *)&name, &len);
	memcpy(&v4, &name, sizeof(v4));
	memcpy(&v6, &name, sizeof(v6));
	return ntohs(name.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
}

/* Whether what comes to a place would come to this socket. One that is bound to all addresses
 * serves each of them; for IPv6 that is IPv4 too, unless it was told otherwise. */
static bool is_passed_for(int fd, const struct listening_config *config)
{
	struct sockaddr_storage name = {0};
	socklen_t len = sizeof(name);
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct place want;

	if (getsockname(fd, (struct sockaddr *)&name, &len) != 0 || port_of(fd) != config->port)
		return false;
	memcpy(&v4, &name, sizeof(v4));
	memcpy(&v6, &name, sizeof(v6));
	if (name.ss_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr)
				       : v4.sin_addr.s_addr == htonl(INADDR_ANY))
		return true;
	return config->address != NULL && place_parse(config->address, config->port, &want) &&
	       want.address.ss_family == name.ss_family &&
	       (name.ss_family == AF_INET6
			? memcmp(&((struct sockaddr_in6 *)&want.address)->sin6_addr, &v6.sin6_addr,
				 sizeof(v6.sin6_addr)) == 0
			: ((struct sockaddr_in *)&want.address)->sin_addr.s_addr ==
				  v4.sin_addr.s_addr);
}

/* Copies, so that closing ours leaves them open. True: there was one. */
static bool sockets_take(struct listening *ret, const struct listening_config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->passed_count && count < LISTENING_MAX; i++) {
		if (!is_passed_for(config->passed[i], config))
			continue;
		ret->fds[count] = fcntl(config->passed[i], F_DUPFD_CLOEXEC, 0);
		count += ret->fds[count] >= 0;
	}
	ret->port = config->port;
	return count > 0;
}

/* A port the system chose for IPv4 is IPv6's too. */
static int sockets_open(struct listening *ret, const struct listening_config *config, struct err *e)
{
	bool any = config->address == NULL;
	int r;

	ret->passed = sockets_take(ret, config);
	if (ret->passed)
		return 0;
	r = socket_open(any ? "0.0.0.0" : config->address, config->port, false, &ret->fds[0], e);
	if (r != 0)
		return r;
	ret->port = port_of(ret->fds[0]);
	return any ? socket_open("::", ret->port, true, &ret->fds[1], e) : 0;
}

int listening_open(const struct listening_config *config, struct listening *ret, struct err *e)
{
	struct listening l = {.fds = {-1, -1}};
	int r = sockets_open(&l, config, e);

	if (r != 0) {
		listening_close(&l);
		return r;
	}
	*ret = l;
	return 0;
}

/* Another process may be about to close its copies: shut down, they hold the port against nobody
 * who binds as we do. */
void listening_close(struct listening *l)
{
	for (size_t i = 0; i < LISTENING_MAX; i++) {
		if (l->fds[i] >= 0 && !l->passed)
			(void)shutdown(l->fds[i], SHUT_RDWR);
		auto_close(&l->fds[i]);
		l->fds[i] = -1;
	}
}
