/* SPDX-License-Identifier: MIT
 *
 * fake_loop — a list of watches in the order they were made. A watch leaves the list before its
 * function is called when it fires once, so that the function may cancel or free anything.
 */
#include "tests/unit/fake_loop.h"

#include "base/mem.h"

#include <stdlib.h>

enum kind {
	KIND_FD = 0,
	KIND_TIMER,
	KIND_CHILD,
	KINDS, /* how many */
};

struct watch {
	struct watch *next;
	enum kind kind;
	int64_t due_ms; /* KIND_TIMER */
	int fd;         /* KIND_FD */
	unsigned events;
	pid_t pid;      /* KIND_CHILD */
	unsigned round; /* KIND_FD: the last one in which it was called */
	loop_fd_fn *fd_fn;
	loop_timer_fn *timer_fn;
	loop_child_fn *child_fn;
	void *arg;
};

struct fake_loop {
	struct loop loop; /* first: a struct loop is one of these */
	struct clock clock;
	int64_t mono_ms;
	int64_t offset_ms; /* wall clock minus mono_ms */
	unsigned round;
	struct watch *watches;
};

static struct fake_loop *fake(struct loop *l)
{
	return (struct fake_loop *)(void *)l;
}

static struct watch *watch_add(struct loop *l, enum kind kind, void *arg)
{
	struct watch **at = &fake(l)->watches;
	struct watch *w = mem_new(sizeof(*w));

	w->kind = kind;
	w->arg = arg;
	while (*at != NULL)
		at = &(*at)->next;
	*at = w;
	return w;
}

static void watch_cancel(struct loop *l, struct watch *w)
{
	struct watch **at = &fake(l)->watches;

	while (*at != w)
		at = &(*at)->next; /* a watch that is gone crashes here, as it should */
	*at = w->next;
	free(w);
}

static struct watch *watch_fd(struct loop *l, int fd, unsigned events, loop_fd_fn *fn, void *arg)
{
	struct watch *w = watch_add(l, KIND_FD, arg);

	w->fd = fd;
	w->events = events;
	w->fd_fn = fn;
	return w;
}

static struct watch *watch_timer(struct loop *l, int64_t ms, loop_timer_fn *fn, void *arg)
{
	struct watch *w = watch_add(l, KIND_TIMER, arg);

	w->due_ms = fake(l)->mono_ms + (ms > 0 ? ms : 0);
	w->timer_fn = fn;
	return w;
}

static struct watch *watch_child(struct loop *l, pid_t pid, loop_child_fn *fn, void *arg)
{
	struct watch *w = watch_add(l, KIND_CHILD, arg);

	w->pid = pid;
	w->child_fn = fn;
	return w;
}

static const struct loop_ops ops = {
	.watch_fd = watch_fd,
	.watch_timer = watch_timer,
	.watch_child = watch_child,
	.cancel = watch_cancel,
};

static int64_t clock_now_fake(void *arg)
{
	const struct fake_loop *f = arg;

	return (f->mono_ms + f->offset_ms) / 1000;
}

static int64_t clock_mono_fake(void *arg)
{
	const struct fake_loop *f = arg;

	return f->mono_ms;
}

struct fake_loop *fake_loop_new(void)
{
	struct fake_loop *f = mem_new(sizeof(*f));

	f->loop.ops = &ops;
	f->clock = (struct clock){.now = clock_now_fake, .mono_ms = clock_mono_fake, .arg = f};
	f->offset_ms = (int64_t)FAKE_LOOP_START * 1000;
	return f;
}

void fake_loop_free(struct fake_loop *f)
{
	if (f == NULL)
		return;
	while (f->watches != NULL)
		watch_cancel(&f->loop, f->watches);
	free(f);
}

struct loop *fake_loop_loop(struct fake_loop *f)
{
	return &f->loop;
}

const struct clock *fake_loop_clock(struct fake_loop *f)
{
	return &f->clock;
}

/* The earliest timer, the first made of several; NULL: none. */
static struct watch *next_timer(const struct fake_loop *f)
{
	struct watch *next = NULL;

	for (struct watch *w = f->watches; w != NULL; w = w->next) {
		if (w->kind == KIND_TIMER && (next == NULL || w->due_ms < next->due_ms))
			next = w;
	}
	return next;
}

static void timer_fire(struct fake_loop *f, struct watch *w)
{
	loop_timer_fn *fn = w->timer_fn;
	void *arg = w->arg;

	watch_cancel(&f->loop, w);
	fn(arg);
}

bool fake_loop_turn(struct fake_loop *f)
{
	struct watch *w = next_timer(f);

	if (w == NULL || w->due_ms > f->mono_ms)
		return false;
	timer_fire(f, w);
	return true;
}

void fake_loop_settle(struct fake_loop *f)
{
	while (fake_loop_turn(f))
		;
}

bool fake_loop_skip(struct fake_loop *f)
{
	struct watch *w = next_timer(f);

	if (w == NULL)
		return false;
	if (w->due_ms > f->mono_ms)
		f->mono_ms = w->due_ms;
	timer_fire(f, w);
	return true;
}

void fake_loop_advance(struct fake_loop *f, int64_t ms)
{
	int64_t end = f->mono_ms + ms;

	for (struct watch *w = next_timer(f); w != NULL && w->due_ms <= end; w = next_timer(f)) {
		if (w->due_ms > f->mono_ms)
			f->mono_ms = w->due_ms;
		timer_fire(f, w);
	}
	f->mono_ms = end;
}

void fake_loop_set_now(struct fake_loop *f, int64_t now)
{
	f->offset_ms = now * 1000 - f->mono_ms;
}

/* A function may cancel any watch, so the search starts anew after each call. */
size_t fake_loop_fd_ready(struct fake_loop *f, int fd, unsigned events)
{
	size_t called = 0;
	struct watch *w;

	f->round++;
	for (w = f->watches; w != NULL;) {
		if (w->kind != KIND_FD || w->fd != fd || (w->events & events) == 0 ||
		    w->round == f->round) {
			w = w->next;
			continue;
		}
		w->round = f->round;
		called++;
		w->fd_fn(w->arg, fd, w->events & events);
		w = f->watches;
	}
	return called;
}

size_t fake_loop_child_ends(struct fake_loop *f, pid_t pid, int wait_status)
{
	size_t called = 0;

	for (struct watch *w = f->watches; w != NULL;) {
		loop_child_fn *fn = w->child_fn;
		void *arg = w->arg;

		if (w->kind != KIND_CHILD || w->pid != pid) {
			w = w->next;
			continue;
		}
		watch_cancel(&f->loop, w);
		called++;
		fn(arg, wait_status);
		w = f->watches;
	}
	return called;
}

size_t fake_loop_watches(const struct fake_loop *f)
{
	size_t count = 0;

	for (const struct watch *w = f->watches; w != NULL; w = w->next)
		count++;
	return count;
}

int64_t fake_loop_next_ms(const struct fake_loop *f)
{
	const struct watch *w = next_timer(f);

	if (w == NULL)
		return -1;
	return w->due_ms > f->mono_ms ? w->due_ms - f->mono_ms : 0;
}
