/* SPDX-License-Identifier: MIT
 *
 * fault — the counter behind FAULT() and FAULT_FAILS(), and a clock that tests put ahead. Empty
 * unless built with -DEVERLEAF_FAULT.
 *
 * Written with what a child between fork and exec may call; a child goes on counting from where
 * its parent was.
 */
#include "base/fault.h"

#ifdef EVERLEAF_FAULT

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUIET_MS 50 /* for so long nothing came: neither the CA nor a child is at work */

/* The build for tests only: there they are the point. */
static unsigned long kill_seen, fail_seen;
static int64_t hurried_ms; /* by how much waits were cut short */
static int64_t cut_ms;     /* the present wait's part of it, if nothing disturbs it */

/* A trace with a hole would send the crash test to the wrong point, so it is all or nothing. */
static void trace(const char *path, const char *name, const char *kind)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s%s\n", name, kind);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || len < 0 || (size_t)len >= sizeof(line) || write(fd, line, (size_t)len) != len)
		abort();
	close(fd);
}

/* The variable is "NAME:N", and name is passed for the N-th time. */
static bool is_now(const char *variable, const char *name, unsigned long *seen)
{
	const char *at = getenv(variable);
	size_t len = strlen(name);

	if (at == NULL || strncmp(at, name, len) != 0 || at[len] != ':')
		return false;
	return ++*seen == strtoul(at + len + 1, NULL, 10);
}

static void pass(const char *name, const char *kind)
{
	const char *path = getenv("EVERLEAF_FAULT_TRACE");

	if (path != NULL)
		trace(path, name, kind);
	if (is_now("EVERLEAF_FAULT_KILL", name, &kill_seen))
		kill(getpid(), SIGKILL);
}

void fault_point(const char *name)
{
	int saved = errno;

	pass(name, "");
	errno = saved;
}

bool fault_fails(const char *name)
{
	const char *error = getenv("EVERLEAF_FAULT_ERRNO");
	int saved = errno;

	pass(name, " fails");
	errno = saved;
	if (!is_now("EVERLEAF_FAULT_FAIL", name, &fail_seen))
		return false;
	errno = error != NULL ? atoi(error) : EIO;
	return true;
}

/* Opened each time: descriptors that stay would disturb tests that count them. */
int64_t fault_ahead_ms(void)
{
	const char *path = getenv("EVERLEAF_FAULT_CLOCK");
	int saved = errno;
	char text[32] = "";
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		abort();
	if (fd >= 0)
		close(fd);
	errno = saved;
	return strtoll(text, NULL, 10) * 1000 + hurried_ms;
}

int64_t fault_wait_ms(int64_t ms)
{
	cut_ms = 0;
	if (getenv("EVERLEAF_FAULT_HURRY") == NULL || ms <= QUIET_MS)
		return ms;
	cut_ms = ms - QUIET_MS;
	return QUIET_MS;
}

void fault_waited(void)
{
	hurried_ms += cut_ms;
	cut_ms = 0;
}

#endif
