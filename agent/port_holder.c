/* SPDX-License-Identifier: MIT
 *
 * port_holder — from /proc/net/tcp's listening sockets by their inode to the process that has one
 * of them open.
 */
#include "agent/port_holder.h"

#include "base/mem.h"
#include "base/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SOCKETS 16
#define LISTENING   0x0a /* TCP_LISTEN as the kernel prints it */

struct sockets {
	unsigned long inodes[MAX_SOCKETS];
	size_t count;
};

/* Lines: "0: 00000000:0050 00000000:0000 0A … uid timeout inode …", addresses in hex. */
static void collect(const char *path, int port, struct sockets *s)
{
	FILE *f = fopen(path, "re");
	char line[512];
	unsigned line_port;
	unsigned state;
	unsigned long inode;

	if (f == NULL)
		return;
	while (s->count < MAX_SOCKETS && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line,
			   " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
			   &line_port, &state, &inode) != 3)
			continue;
		if (state == LISTENING && line_port == (unsigned)port && inode != 0)
			s->inodes[s->count++] = inode;
	}
	fclose(f);
}

static bool is_one_of(const struct sockets *s, const char *link)
{
	unsigned long inode;

	if (sscanf(link, "socket:[%lu]", &inode) != 1)
		return false;
	for (size_t i = 0; i < s->count; i++)
		if (s->inodes[i] == inode)
			return true;
	return false;
}

static bool process_has_one(const char *pid, const struct sockets *s)
{
	AUTO_FREE char *path = mem_printf("/proc/%s/fd", pid);
	const struct dirent *entry = NULL;
	DIR *d = opendir(path);
	char link[64];
	bool found = false;

	if (d == NULL)
		return false;
	while (!found && (entry = readdir(d)) != NULL) {
		ssize_t len = readlinkat(dirfd(d), entry->d_name, link, sizeof(link) - 1);

		if (len <= 0)
			continue;
		link[len] = '\0';
		found = is_one_of(s, link);
	}
	closedir(d);
	return found;
}

/* Only processes: the other entries of /proc give 0. */
static long lowest_holder(const struct sockets *s)
{
	const struct dirent *entry = NULL;
	DIR *d = opendir("/proc");
	long lowest = 0;

	if (d == NULL)
		return 0;
	while ((entry = readdir(d)) != NULL) {
		long pid = isdigit((unsigned char)entry->d_name[0])
				   ? strtol(entry->d_name, NULL, 10)
				   : 0;

		if (pid > 0 && (lowest == 0 || pid < lowest) && process_has_one(entry->d_name, s))
			lowest = pid;
	}
	closedir(d);
	return lowest;
}

static void collect_all(int port, struct sockets *s)
{
	collect("/proc/net/tcp", port, s);
	collect("/proc/net/tcp6", port, s);
}

uint64_t listener_port_socket(int port)
{
	struct sockets s = {0};

	collect_all(port, &s);
	return s.count > 0 ? s.inodes[0] : 0;
}

int listener_port_holder(int port, char *text, size_t size)
{
	struct sockets s = {0};
	long pid = 0;

	text[0] = '\0';
	collect_all(port, &s);
	if (s.count > 0)
		pid = lowest_holder(&s);
	if (pid == 0)
		return -1;
	process_text(pid, text, size);
	return 0;
}
