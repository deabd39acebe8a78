/* SPDX-License-Identifier: MIT
 *
 * folder — the only place of hooks/ that makes and opens directories for files that others read.
 */
#include "hooks/folder.h"

#include "base/fault.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int folder_make_at(int parent_fd, const char *name, mode_t mode, struct err *e)
{
	mode_t mask;
	int r;

	/* not a chmod afterwards: a crash in between would leave it closed to the server for ever
	 */
	mask = umask(0);
	r = FAULT_FAILS("folder.make") ? -1 : mkdirat(parent_fd, name, mode);
	umask(mask);
	if (r != 0 && errno != EEXIST)
		return err_sys(e, ERR_SYS, "cannot make the directory %s", name);
	FAULT("folder.made");
	return 0;
}

int folder_open_at(int parent_fd, const char *name, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	assert(strchr(name, '/') == NULL && strcmp(name, "..") != 0);
	fd = (int)syscall(SYS_openat2, parent_fd, name, &how, sizeof(how));
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
		return fd;
	/* Container filters older than openat2 refuse it so. For one component that is not ".."
	 * O_NOFOLLOW promises the same. */
	return openat(parent_fd, name, (int)how.flags);
}

/* "/a/./b//../c" is "/a/c": without links in it that is what it means. */
static char *squash(const char *path)
{
	char *out = mem_new(strlen(path) + 2);
	size_t len = 0;

	while (*path != '\0') {
		size_t part = strcspn(path, "/");

		if (part == 2 && strncmp(path, "..", 2) == 0) {
			while (len > 0 && out[--len] != '/')
				;
		} else if (part > 0 && !(part == 1 && path[0] == '.')) {
			out[len++] = '/';
			memcpy(out + len, path, part);
			len += part;
		}
		path += part + (path[part] == '/');
	}
	out[len] = '\0';
	if (len == 0)
		out[len++] = '/';
	out[len] = '\0';
	return out;
}

char *folder_resolve(const char *path)
{
	AUTO_FREE char *above = mem_str(path);
	AUTO_FREE char *whole = NULL;
	char *real = realpath(above, NULL);
	char *slash;

	while (real == NULL && (slash = strrchr(above, '/')) != NULL) {
		*slash = '\0';
		real = realpath(above[0] != '\0' ? above : "/", NULL);
	}
	whole = mem_printf("%s/%s", real != NULL ? real : "",
			   path + (real != NULL ? strlen(above) : 0));
	free(real);
	return squash(whole);
}

int folder_random_suffix(char suffix[FOLDER_SUFFIX_SIZE], struct err *e)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return err_sys(e, ERR_SYS, "cannot get random bytes");
	snprintf(suffix, FOLDER_SUFFIX_SIZE, "%016llx", (unsigned long long)number);
	return 0;
}
