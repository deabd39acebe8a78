/* SPDX-License-Identifier: MIT
 *
 * loop — hands each call on to the implementation's ops (agent/loop.c, or a test's hand-turned
 * wheel).
 */
#include "base/loop.h"

#include <stddef.h>

struct watch *loop_watch_fd(struct loop *l, int fd, unsigned events, loop_fd_fn *fn, void *arg)
{
	return l->ops->watch_fd(l, fd, events, fn, arg);
}

struct watch *loop_watch_timer(struct loop *l, int64_t ms, loop_timer_fn *fn, void *arg)
{
	return l->ops->watch_timer(l, ms, fn, arg);
}

struct watch *loop_watch_child(struct loop *l, pid_t pid, loop_child_fn *fn, void *arg)
{
	return l->ops->watch_child(l, pid, fn, arg);
}

void loop_cancel(struct loop *l, struct watch *w)
{
	if (w != NULL)
		l->ops->cancel(l, w);
}
