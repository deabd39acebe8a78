/* SPDX-License-Identifier: MIT
 *
 * systemd — what a service manager tells us in the environment, and what it wants to hear
 * (sd_notify(3), sd_listen_fds(3)). By hand: it is one datagram and three variables. Hooks see none
 * of the variables: their environment is made from nothing (hooks/environment.c).
 */
#ifndef AGENT_SYSTEMD_H
#define AGENT_SYSTEMD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SYSTEMD_FIRST_FD    3
#define SYSTEMD_MAX_SOCKETS 16

/* Listening sockets that we were started with. The descriptors live as long as the process. */
struct passed_sockets {
	int http[SYSTEMD_MAX_SOCKETS]; /* named "http", or not named */
	size_t http_count;
	int control; /* named "control"; -1: none */
};

/* The variables' texts, each may be NULL. */
struct systemd_listen {
	const char *pid, *fds, *names;
};

/* Reads the variables as the process pid. Descriptors of other names, or beyond
 * SYSTEMD_MAX_SOCKETS, are left alone; variables that are not meant for us or make no sense mean
 * none. */
void systemd_listen_parse(const struct systemd_listen *l, pid_t pid, struct passed_sockets *ret);

/* The same from the environment; makes the descriptors ours: close-on-exec, never blocking. */
void systemd_listen(struct passed_sockets *ret);

/* Sends a state ("READY=1", lines separated by newlines) to $NOTIFY_SOCKET, a path or an abstract
 * name. Nobody listening is fine. */
void systemd_notify(const char *state);

/* How often WATCHDOG=1 is to be sent, in milliseconds: half of $WATCHDOG_USEC; 0: never. */
int64_t systemd_watchdog_ms(void);

#endif
