/* SPDX-License-Identifier: MIT
 *
 * make_lock — see the header.
 */
#include "tests/unit.h"

#include "tests/unit/make_lock.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static int lock_file(const char *dir, const char *name)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000000, .l_len = 512};
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return strcmp(name, "turn") == 0 ? flock(fd, LOCK_EX | LOCK_NB) : fcntl(fd, F_SETLK, &lock);
}

struct made_lock made_lock_take(const char *dir, const char *name)
{
	int hold[2], held[2];
	struct made_lock l;
	char byte = 0;

	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	l.pid = fork();
	assert_true(l.pid >= 0);
	if (l.pid == 0) {
		close(hold[1]);
		if (lock_file(dir, name) != 0 || write(held[1], &byte, 1) != 1)
			_exit(1);
		_exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(hold[0]);
	close(held[1]);
	assert_int_equal(read(held[0], &byte, 1), 1);
	close(held[0]);
	l.hold = hold[1];
	return l;
}

void made_lock_drop(struct made_lock *l)
{
	int status = 0;

	close(l->hold);
	assert_int_equal(waitpid(l->pid, &status, 0), l->pid);
	assert_int_equal(status, 0);
}
