/* SPDX-License-Identifier: MIT
 *
 * confine — see confine.h. By system calls where libc has no function for them.
 *
 * The order matters: a root directory needs root, capabilities go with the user (and what a service
 * manager left of them one by one), and Landlock wants to know that nothing is gained any more.
 */
#include "agent/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What linux/landlock.h has no names for yet on the oldest systems that we build on. */
#define FS_TRUNCATE  (UINT64_C(1) << 14) /* since version 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* since 5 */
#define FS_FIRST     ((UINT64_C(1) << 13) - 1)
#define NET_TCP      UINT64_C(3) /* to bind and to connect, since 4 */
#define SCOPES       UINT64_C(3) /* abstract sockets and signals, since 6 */

/* As the kernel of version 6 knows it; older ones are told of its first parts only. */
struct ruleset {
	uint64_t fs, net, scoped;
};

static int landlock_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return v > 0 ? (int)v : 0;
}

static size_t ruleset_for(int version, struct ruleset *ret)
{
	*ret = (struct ruleset){.fs = FS_FIRST, .net = NET_TCP, .scoped = SCOPES};
	if (version >= 2)
		ret->fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		ret->fs |= FS_TRUNCATE;
	if (version >= 5)
		ret->fs |= FS_IOCTL_DEV;
	if (version >= 6)
		return sizeof(*ret);
	return version >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
}

/* Returns the version, 0 when nothing was done. */
static int lock_in(int dir_fd)
{
	int version = landlock_version();
	struct landlock_path_beneath_attr reads = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
		.parent_fd = dir_fd,
	};
	struct ruleset rules;
	size_t size = ruleset_for(version, &rules);
	bool done;
	int fd;

	if (version == 0)
		return 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return 0;
	done = syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &reads, 0) == 0 &&
	       syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	close(fd);
	return done ? version : 0;
}

static void become_nobody(struct confined *c, int dir_fd)
{
	c->chroot = fchdir(dir_fd) == 0 && chroot(".") == 0;
	if (setgroups(0, NULL) == 0 && setresgid(CONFINE_USER, CONFINE_USER, CONFINE_USER) == 0)
		c->root = setresuid(CONFINE_USER, CONFINE_USER, CONFINE_USER) != 0;
}

/* Of a root that has to stay one. Where a filter forbids it, there are none left to speak of. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	(void)syscall(SYS_capset, &header, none);
}

/* No file, no process, no core. */
static void limit(void)
{
	static const struct rlimit none;

	(void)setrlimit(RLIMIT_FSIZE, &none);
	(void)setrlimit(RLIMIT_NPROC, &none);
	(void)setrlimit(RLIMIT_CORE, &none);
}

int confine(int dir_fd, struct confined *ret, struct err *e)
{
	struct confined c = {.root = geteuid() == 0};

	limit();
	if (c.root)
		become_nobody(&c, dir_fd);
	drop_capabilities();
	/* The kernel forgets it when the user changes. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_sys(e, ERR_SYS, "privileges could not be given up");
	c.landlock = lock_in(dir_fd);
	*ret = c;
	return 0;
}

void confined_print(const struct confined *c, char *text, size_t size)
{
	char landlock[48] = "";

	if (c->landlock > 0)
		snprintf(landlock, sizeof(landlock), ", under Landlock %d", c->landlock);
	snprintf(text, size, "as user %u%s%s%s", (unsigned)geteuid(),
		 c->root ? ", which it may not change" : "",
		 c->chroot ? ", in a root directory of nothing but answers" : "", landlock);
}
