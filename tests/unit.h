/* SPDX-License-Identifier: MIT
 *
 * unit — what every unit test includes first: cmocka with the headers it forgets to include.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Where a folder for one test is made that need not outlive the machine: in memory, where a sync
 * costs nothing, when there is such a place that runs hooks. No test takes the power away. */
static inline const char *unit_memory(void)
{
	struct statvfs v;
	bool good = access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &v) == 0 &&
		    (v.f_flag & ST_NOEXEC) == 0;

	return good ? "/dev/shm" : "/tmp";
}

#endif
