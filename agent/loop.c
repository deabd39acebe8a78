/* SPDX-License-Identifier: MIT
 *
 * loop — the only file that turns libevent's wheel.
 *
 * Every watch is one libevent event, so that libevent itself keeps the promise that a callback may
 * cancel any other watch, also one that is ready in the same turn. SIGCHLD marks the children that
 * have ended and makes their events due; it never calls back by itself.
 */
#include "agent/loop.h"

#include "base/fault.h"
#include "base/mem.h"

#include <event2/event.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

enum watch_kind {
	WATCH_FD = 0,
	WATCH_TIMER,
	WATCH_CHILD,
	WATCH_KINDS, /* how many */
};

/* What waitpid() would say of a child that somebody else reaped: exit status 127. Never success. */
#define STATUS_UNKNOWN (127 << 8)

struct watch {
	LIST_ENTRY(watch) link;
	struct event *event; /* owned; a child's is its look at waitpid() */
	enum watch_kind kind;
	union {
		loop_fd_fn *fd;
		loop_timer_fn *timer;
		loop_child_fn *child; /* NULL: cancelled, only to be reaped */
	} fn;
	void *arg;
	pid_t pid;
	bool ended; /* status is known, the child is reaped */
	int status;
};

enum { SIGNALS = 4 }; /* INT, TERM, HUP, CHLD */

struct event_loop {
	struct loop loop; /* first: what the doors see */
	struct event_base *base;
	struct event *signals[SIGNALS];
	struct event *wake; /* the end of a loop_wait() */
	LIST_HEAD(, watch) watches;
	bool stop;
	bool hangup;
};

static struct timeval from_ms(int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

static void watch_free(struct watch *w)
{
	LIST_REMOVE(w, link);
	event_free(w->event);
	free(w);
}

/* Out of memory ends the process here as it does in mem.c. */
static struct watch *watch_new(struct loop *l, int fd, short what, event_callback_fn due)
{
	struct event_loop *le = (struct event_loop *)l;
	struct watch *w = mem_new(sizeof(*w));

	w->event = event_new(le->base, fd, what, due, w);
	if (w->event == NULL)
		abort();
	LIST_INSERT_HEAD(&le->watches, w, link);
	return w;
}

static void fd_due(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	unsigned events = 0;

	if (what & EV_READ)
		events |= LOOP_READ;
	if (what & EV_WRITE)
		events |= LOOP_WRITE;
	w->fn.fd(w->arg, fd, events);
}

static struct watch *event_watch_fd(struct loop *l, int fd, unsigned events, loop_fd_fn *fn,
				    void *arg)
{
	short what = EV_PERSIST;
	struct watch *w = NULL;

	if (events & LOOP_READ)
		what |= EV_READ;
	if (events & LOOP_WRITE)
		what |= EV_WRITE;
	w = watch_new(l, fd, what, fd_due);
	w->kind = WATCH_FD;
	w->fn.fd = fn;
	w->arg = arg;
	/* What cannot be waited for (a file, a descriptor that is gone) counts as ready: its owner
	 * learns the reason from read() or write(). */
	if (event_add(w->event, NULL) != 0)
		event_active(w->event, what & (EV_READ | EV_WRITE), 1);
	return w;
}

static void timer_due(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	loop_timer_fn *fn = w->fn.timer;
	void *fn_arg = w->arg;

	(void)fd;
	(void)what;
	watch_free(w);
	fn(fn_arg);
}

static struct watch *event_watch_timer(struct loop *l, int64_t ms, loop_timer_fn *fn, void *arg)
{
	struct timeval after = from_ms(ms);
	struct watch *w = watch_new(l, -1, 0, timer_due);

	w->kind = WATCH_TIMER;
	w->fn.timer = fn;
	w->arg = arg;
	if (event_add(w->event, &after) != 0)
		abort(); /* only memory is missing here */
	return w;
}

/* Reaps the child if it has ended. */
static void child_look(struct watch *w)
{
	pid_t r;

	if (w->ended)
		return;
	r = waitpid(w->pid, &w->status, WNOHANG);
	if (r == 0)
		return;
	if (r < 0)
		w->status = STATUS_UNKNOWN;
	w->ended = true;
	FAULT("loop.reaped");
}

static void child_due(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	loop_child_fn *fn = w->fn.child;
	void *fn_arg = w->arg;
	int status;

	(void)fd;
	(void)what;
	child_look(w);
	if (!w->ended)
		return; /* SIGCHLD will make it due again */
	status = w->status;
	watch_free(w);
	if (fn != NULL)
		fn(fn_arg, status);
}

/* The child may have ended before we watch, its SIGCHLD long gone: so it is looked at once in the
 * next turn, and then at every SIGCHLD. */
static struct watch *event_watch_child(struct loop *l, pid_t pid, loop_child_fn *fn, void *arg)
{
	struct timeval at_once = {0};
	struct watch *w = watch_new(l, -1, 0, child_due);

	w->kind = WATCH_CHILD;
	w->pid = pid;
	w->fn.child = fn;
	w->arg = arg;
	if (event_add(w->event, &at_once) != 0)
		abort();
	return w;
}

static void event_cancel(struct loop *l, struct watch *w)
{
	(void)l;
	if (w->kind == WATCH_CHILD && !w->ended)
		w->fn.child = NULL; /* stays to be reaped */
	else
		watch_free(w);
}

static const struct loop_ops event_ops = {
	.watch_fd = event_watch_fd,
	.watch_timer = event_watch_timer,
	.watch_child = event_watch_child,
	.cancel = event_cancel,
};

static struct watch *watch_of(struct event_loop *le, pid_t pid)
{
	struct watch *w = NULL;

	LIST_FOREACH(w, &le->watches, link)
	if (w->kind == WATCH_CHILD && !w->ended && w->pid == pid)
		return w;
	return NULL;
}

/* As PID 1 of a container we are the parent of whatever a hook left behind, and nobody else would
 * ever take it away. Of the children that have ended one is looked at after the other, without
 * taking it (WNOWAIT): ours are left to their watches. */
static void reap_orphans(struct event_loop *le)
{
	siginfo_t info = {0};

	if (getpid() != 1)
		return;
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
		struct watch *w = watch_of(le, info.si_pid);

		if (w == NULL) {
			(void)waitpid(info.si_pid, NULL, WNOHANG);
		} else {
			child_look(w);
			event_active(w->event, EV_TIMEOUT, 1);
		}
		info.si_pid = 0;
	}
}

/* One SIGCHLD may stand for many children, so all are looked at. */
static void on_child(struct event_loop *le)
{
	struct watch *w = NULL;

	LIST_FOREACH(w, &le->watches, link)
	{
		if (w->kind != WATCH_CHILD || w->ended)
			continue;
		child_look(w);
		if (w->ended)
			event_active(w->event, EV_TIMEOUT, 1);
	}
	reap_orphans(le);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct event_loop *le = arg;

	(void)what;
	if (number == SIGCHLD) {
		on_child(le);
		return;
	}
	if (number == SIGHUP) {
		le->hangup = true;
		return;
	}
	le->stop = true;
	for (size_t i = 0; i < SIGNALS; i++)
		if (event_get_signal(le->signals[i]) == number)
			event_del(le->signals[i]); /* the next one has its default effect */
}

static struct event_base *base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		abort();
	/* No cached time: a timer made after a long callback must not fire early. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME | EVENT_BASE_FLAG_IGNORE_ENV |
					      EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	FAULT_WAITED();
}

static int signals_catch(struct event_loop *le, struct err *e)
{
	static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};

	for (size_t i = 0; i < SIGNALS; i++) {
		le->signals[i] = evsignal_new(le->base, numbers[i], on_signal, le);
		if (le->signals[i] == NULL || event_add(le->signals[i], NULL) != 0)
			return err_set(e, ERR_SYS, "signal %d cannot be caught", numbers[i]);
	}
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return err_sys(e, ERR_SYS, "SIGPIPE cannot be ignored");
	return 0;
}

int loop_event_new(struct loop **ret_loop, struct err *e)
{
	struct event_loop *le = mem_new(sizeof(*le));
	int r;

	le->loop.ops = &event_ops;
	LIST_INIT(&le->watches);
	le->base = base_new();
	if (le->base == NULL) {
		free(le);
		return err_sys(e, ERR_SYS, "the event loop cannot be made");
	}
	le->wake = evtimer_new(le->base, on_wake, NULL);
	if (le->wake == NULL)
		abort();
	r = signals_catch(le, e);
	if (r != 0) {
		loop_event_free(&le->loop);
		return r;
	}
	reap_orphans(le); /* of those that ended before, no SIGCHLD comes any more */
	*ret_loop = &le->loop;
	return 0;
}

int loop_wait(struct loop *l, int64_t ms)
{
	struct event_loop *le = (struct event_loop *)l;
	struct timeval after = from_ms(FAULT_WAIT_MS(ms));
	int r;

	if (ms > 0 && event_add(le->wake, &after) != 0)
		return ERR_SYS;
	r = event_base_loop(le->base, ms == 0 ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
	event_del(le->wake);
	return r < 0 ? ERR_SYS : 0;
}

bool loop_should_stop(const struct loop *l)
{
	return ((const struct event_loop *)l)->stop;
}

bool loop_take_hangup(struct loop *l)
{
	struct event_loop *le = (struct event_loop *)l;
	bool hangup = le->hangup;

	le->hangup = false;
	return hangup;
}

struct event_base *loop_event_base(struct loop *l)
{
	return ((struct event_loop *)l)->base;
}

void loop_event_free(struct loop *l)
{
	struct event_loop *le = (struct event_loop *)l;

	if (le == NULL)
		return;
	while (!LIST_EMPTY(&le->watches))
		watch_free(LIST_FIRST(&le->watches));
	for (size_t i = 0; i < SIGNALS; i++)
		if (le->signals[i] != NULL)
			event_free(le->signals[i]);
	event_free(le->wake);
	event_base_free(le->base);
	free(le);
}
