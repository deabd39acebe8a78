/* SPDX-License-Identifier: MIT
 *
 * poll_loop — the smallest loop that keeps base/loop.h's promises. Children are asked for every
 * few milliseconds instead of by a signal: a test is in no hurry.
 */
#include "tests/unit/poll_loop.h"

#include "base/clock.h"
#include "base/mem.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>

#define MAX_FDS  32
#define TURN_MS  5
#define PATIENCE 60000 /* ms: what takes longer hangs */

enum kind {
	KIND_FD = 0,
	KIND_TIMER,
	KIND_CHILD,
};

struct watch {
	struct watch *next;
	enum kind kind;
	bool gone; /* cancelled or fired: swept at the end of the turn */
	int fd;
	unsigned events;
	int64_t due;
	pid_t pid;
	loop_fd_fn *on_fd;
	loop_timer_fn *on_timer;
	loop_child_fn *on_child; /* NULL: cancelled, to be reaped */
	void *arg;
};

struct poll_loop {
	struct loop loop; /* first */
	struct watch *watches;
};

static int64_t now_ms(void)
{
	return clock_mono_ms(clock_system());
}

static struct watch *add(struct loop *l, struct watch w)
{
	struct poll_loop *p = (struct poll_loop *)l;
	struct watch *copy = mem_new(sizeof(*copy));
	struct watch **end = &p->watches;

	*copy = w;
	while (*end != NULL)
		end = &(*end)->next;
	*end = copy;
	return copy;
}

static struct watch *watch_fd(struct loop *l, int fd, unsigned events, loop_fd_fn *fn, void *arg)
{
	return add(l, (struct watch){
			      .kind = KIND_FD,
			      .fd = fd,
			      .events = events,
			      .on_fd = fn,
			      .arg = arg,
		      });
}

static struct watch *watch_timer(struct loop *l, int64_t ms, loop_timer_fn *fn, void *arg)
{
	return add(l, (struct watch){
			      .kind = KIND_TIMER,
			      .due = now_ms() + ms,
			      .on_timer = fn,
			      .arg = arg,
		      });
}

static struct watch *watch_child(struct loop *l, pid_t pid, loop_child_fn *fn, void *arg)
{
	return add(l, (struct watch){.kind = KIND_CHILD, .pid = pid, .on_child = fn, .arg = arg});
}

static void cancel(struct loop *l, struct watch *w)
{
	(void)l;
	if (w->kind == KIND_CHILD)
		w->on_child = NULL;
	else
		w->gone = true;
}

static const struct loop_ops poll_loop_ops = {
	.watch_fd = watch_fd,
	.watch_timer = watch_timer,
	.watch_child = watch_child,
	.cancel = cancel,
};

struct poll_loop *poll_loop_new(void)
{
	struct poll_loop *p = mem_new(sizeof(*p));

	p->loop.ops = &poll_loop_ops;
	return p;
}

struct loop *poll_loop_loop(struct poll_loop *p)
{
	return &p->loop;
}

static int patience_of_turn(const struct poll_loop *p)
{
	int64_t now = now_ms();

	for (const struct watch *w = p->watches; w != NULL; w = w->next)
		if (w->kind == KIND_TIMER && !w->gone && w->due <= now)
			return 0;
	return TURN_MS;
}

/* Descriptors that are ready. */
static void turn_fds(struct poll_loop *p)
{
	struct pollfd fds[MAX_FDS];
	struct watch *owners[MAX_FDS];
	nfds_t count = 0;

	for (struct watch *w = p->watches; w != NULL && count < MAX_FDS; w = w->next) {
		if (w->kind != KIND_FD || w->gone)
			continue;
		owners[count] = w;
		fds[count++] = (struct pollfd){
			.fd = w->fd,
			.events = (short)((w->events & LOOP_READ ? POLLIN : 0) |
					  (w->events & LOOP_WRITE ? POLLOUT : 0)),
		};
	}
	if (poll(fds, count, patience_of_turn(p)) <= 0)
		return;
	for (nfds_t i = 0; i < count; i++)
		if (fds[i].revents != 0 && !owners[i]->gone)
			owners[i]->on_fd(owners[i]->arg, fds[i].fd, owners[i]->events);
}

static void turn_timers(struct poll_loop *p)
{
	int64_t now = now_ms();

	for (struct watch *w = p->watches; w != NULL; w = w->next) {
		if (w->kind != KIND_TIMER || w->gone || w->due > now)
			continue;
		w->gone = true;
		w->on_timer(w->arg);
	}
}

static void turn_children(struct poll_loop *p)
{
	int status;

	for (struct watch *w = p->watches; w != NULL; w = w->next) {
		if (w->kind != KIND_CHILD || w->gone || waitpid(w->pid, &status, WNOHANG) != w->pid)
			continue;
		w->gone = true;
		if (w->on_child != NULL)
			w->on_child(w->arg, status);
	}
}

static void turn(struct poll_loop *p)
{
	struct watch **at = &p->watches;

	turn_fds(p);
	turn_timers(p);
	turn_children(p);
	while (*at != NULL) {
		struct watch *w = *at;

		if (!w->gone) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
}

bool poll_loop_run(struct poll_loop *p, const bool *stop)
{
	int64_t end = now_ms() + PATIENCE;

	while (!*stop && now_ms() < end)
		turn(p);
	return *stop;
}

static bool has_children(const struct poll_loop *p)
{
	for (const struct watch *w = p->watches; w != NULL; w = w->next)
		if (w->kind == KIND_CHILD && !w->gone)
			return true;
	return false;
}

bool poll_loop_reap(struct poll_loop *p)
{
	int64_t end = now_ms() + PATIENCE;

	while (has_children(p) && now_ms() < end)
		turn(p);
	return !has_children(p);
}

size_t poll_loop_watches(const struct poll_loop *p)
{
	size_t count = 0;

	for (const struct watch *w = p->watches; w != NULL; w = w->next)
		if (!w->gone && (w->kind != KIND_CHILD || w->on_child != NULL))
			count++;
	return count;
}

void poll_loop_free(struct poll_loop *p)
{
	while (p->watches != NULL) {
		struct watch *w = p->watches;

		p->watches = w->next;
		free(w);
	}
	free(p);
}
