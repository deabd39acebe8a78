/* SPDX-License-Identifier: MIT
 *
 * fault — the counter behind FAULT(). Empty unless built with -DEVERLEAF_FAULT.
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
#include <unistd.h>

/* A trace with a hole would send the crash test to the wrong point, so it is all or nothing. */
static void trace(const char *path, unsigned long number, const char *name)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%lu %s\n", number, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || len < 0 || (size_t)len >= sizeof(line) || write(fd, line, (size_t)len) != len)
		abort();
	close(fd);
}

void fault_point(const char *name)
{
	static unsigned long number; /* the build for tests only: there it is the point */
	const char *kill_at = getenv("EVERLEAF_FAULT_KILL");
	const char *trace_path = getenv("EVERLEAF_FAULT_TRACE");
	int saved = errno;

	number++;
	if (trace_path != NULL)
		trace(trace_path, number, name);
	if (kill_at != NULL && strtoul(kill_at, NULL, 10) == number)
		kill(getpid(), SIGKILL);
	errno = saved;
}

#endif
