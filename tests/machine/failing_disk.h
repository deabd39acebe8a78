/* SPDX-License-Identifier: MIT
 *
 * failing_disk — stands between SQLite and the disk: counts what is written, synced, cut and
 * removed, and lets the n-th such operation fail, alone or with everything after it (as after a
 * kill or a power cut: whoever opens the files next has to repair them).
 */
#ifndef TESTS_MACHINE_FAILING_DISK_H
#define TESTS_MACHINE_FAILING_DISK_H

#include <stdbool.h>
#include <stdint.h>

struct failing_disk;

/* From now on every database is opened through it. One at a time. */
struct failing_disk *failing_disk_new(void);
void failing_disk_free(struct failing_disk *d);

/* Operations so far. */
int64_t failing_disk_count(const struct failing_disk *d);

/* The n-th operation from now (from 1) fails; and then all that follow, if it stays broken. */
void failing_disk_break(struct failing_disk *d, int64_t n, bool stays);

/* Nothing fails any more. Returns whether something did. */
bool failing_disk_repair(struct failing_disk *d);

#endif
