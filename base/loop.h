/* SPDX-License-Identifier: MIT
 *
 * loop — what the doors need of an event loop: watch a socket, a timer, a child's end.
 *
 * Ops, so that base/ and hooks/ do not know libevent (agent/loop.c does) and a test can turn the
 * wheel by hand. Callbacks come from the loop only, never from within a loop_* call. A callback
 * may cancel any watch, its own included.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdint.h>
#include <sys/types.h>

struct loop;
struct watch;

enum loop_event {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
};

typedef void loop_fd_fn(void *arg, int fd, unsigned events); /* events: those that happened */
typedef void loop_timer_fn(void *arg);
typedef void loop_child_fn(void *arg, int wait_status); /* as waitpid() gives it */

struct loop_ops {
	struct watch *(*watch_fd)(struct loop *l, int fd, unsigned events, loop_fd_fn *fn,
				  void *arg);
	struct watch *(*watch_timer)(struct loop *l, int64_t ms, loop_timer_fn *fn, void *arg);
	struct watch *(*watch_child)(struct loop *l, pid_t pid, loop_child_fn *fn, void *arg);
	void (*cancel)(struct loop *l, struct watch *w);
};

/* First member of every implementation. */
struct loop {
	const struct loop_ops *ops;
};

/* Watches until cancelled. The descriptor stays the caller's, who cancels before closing it. */
struct watch *loop_watch_fd(struct loop *l, int fd, unsigned events, loop_fd_fn *fn, void *arg);

/* Fires once after ms milliseconds (0: at the next turn of the wheel); its watch is gone when fn
 * is called: forget the pointer there. */
struct watch *loop_watch_timer(struct loop *l, int64_t ms, loop_timer_fn *fn, void *arg);

/* Fires once when the child has ended, and reaps it; its watch is gone when fn is called. */
struct watch *loop_watch_child(struct loop *l, pid_t pid, loop_child_fn *fn, void *arg);

/* Forgets a watch; NULL is fine. A cancelled child is reaped by the loop when it ends. */
void loop_cancel(struct loop *l, struct watch *w);

#endif
