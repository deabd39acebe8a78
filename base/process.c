/* SPDX-License-Identifier: MIT
 *
 * process — see process.h.
 */
#include "base/process.h"

#include "base/mem.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A process chooses its own name: only what is printable is repeated. */
static void read_name(long pid, char *name, size_t size)
{
	AUTO_FREE char *path = mem_printf("/proc/%ld/comm", pid);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, name, size - 1) : -1;

	name[len > 0 ? len : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	for (char *p = name; *p != '\0'; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
}

void process_text(long pid, char *text, size_t size)
{
	char name[32];

	read_name(pid, name, sizeof(name));
	snprintf(text, size, "%s (pid %ld)", name[0] != '\0' ? name : "a process", pid);
}
