/* SPDX-License-Identifier: MIT
 *
 * child — the only place that forks.
 *
 *     RUNS ── its end ──────────────────────────────► DRAINS ── end of output, 200 ms ──► answered
 *       └─ timeout ─► TERM to the group ─► ENDING ─┬─► DRAINS
 *                     kill_ms later: KILL to it ───┘
 *
 * The group is killed only by a timeout or a cancel: what a hook leaves behind on purpose (a
 * server it restarted) lives on, and merely loses the pipe.
 */
#include "hooks/child.h"

#include "base/fault.h"
#include "hooks/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DRAIN_MS   200  /* for output after the child's end */
#define TICK_MS    50   /* how often a group that was asked to end is looked at */
#define GIVE_UP_MS 1000 /* after KILL: a process stuck in the kernel may not even then end */
#define READ_SIZE  (64 * 1024)

struct child {
	struct loop *loop;
	child_done *done;
	void *arg;
	char *program; /* argv[0], for sentences */
	pid_t pid;     /* leader of the group; 0: nothing was started */
	int output;    /* what it prints; -1: at its end */
	int report;    /* why it could not be run; at its end when it could */
	int kill_ms;   /* what is left of the time between TERM and KILL */
	bool ended;    /* the leader was reaped */
	bool killed;   /* KILL was sent */
	bool drains;
	struct watch *output_watch, *child_watch, *timer;
	struct child_result result;
	struct err refusal; /* code ERR_NONE: it was started */
};

/* Nothing of it comes from the loop any more. */
static void let_go(struct child *c)
{
	loop_cancel(c->loop, c->output_watch);
	loop_cancel(c->loop, c->child_watch);
	loop_cancel(c->loop, c->timer);
	c->output_watch = c->child_watch = c->timer = NULL;
	auto_close(&c->output);
	auto_close(&c->report);
	c->output = c->report = -1;
}

static void child_free(struct child *c)
{
	let_go(c);
	buf_free(&c->result.output);
	free(c->program);
	free(c);
}

/* The child may not have become a leader yet. Once reaped its number is its own no longer, but
 * stays taken while anybody is in the group. */
static void signal_group(const struct child *c, int signal)
{
	if (kill(-c->pid, signal) != 0 && !c->ended)
		kill(c->pid, signal);
}

static bool group_is_empty(const struct child *c)
{
	return kill(-c->pid, 0) != 0 && errno == ESRCH;
}

static void read_refusal(struct child *c)
{
	struct launch_report report;

	if (read(c->report, &report, sizeof(report)) == (ssize_t)sizeof(report))
		launch_explain(&report, c->program, &c->refusal);
}

static void finish(struct child *c)
{
	if (c->refusal.code == ERR_NONE)
		read_refusal(c);
	let_go(c);
	FAULT("child.answered");
	if (c->refusal.code != ERR_NONE)
		c->done(c->arg, NULL, &c->refusal);
	else
		c->done(c->arg, &c->result, NULL);
	child_free(c);
}

static void keep_output(struct child *c, const char *data, size_t len)
{
	size_t room = c->result.output.limit - c->result.output.len;
	size_t kept = len < room ? len : room;

	buf_add(&c->result.output, data, kept);
	c->result.dropped += len - kept;
}

/* Reads once: a program that prints without end must not hold the loop. */
static void read_output(struct child *c)
{
	char data[READ_SIZE];
	ssize_t len = read(c->output, data, sizeof(data));

	if (len > 0)
		keep_output(c, data, (size_t)len);
	if (c->result.output.secret && len > 0)
		mem_wipe(data, (size_t)len);
	if (len > 0 || (len < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	loop_cancel(c->loop, c->output_watch);
	c->output_watch = NULL;
	auto_close(&c->output);
	c->output = -1;
}

static void on_output(void *arg, int fd, unsigned events)
{
	struct child *c = arg;

	(void)fd;
	(void)events;
	read_output(c);
	if (c->output < 0 && c->drains)
		finish(c);
}

static void on_drained(void *arg)
{
	struct child *c = arg;

	c->timer = NULL;
	if (c->output >= 0)
		read_output(c); /* what the pipe holds now, should the loop have been late */
	finish(c);
}

/* A grandchild may hold the pipe open for ever. */
static void drain(struct child *c)
{
	c->drains = true;
	loop_cancel(c->loop, c->timer);
	c->timer = loop_watch_timer(c->loop, c->output < 0 ? 0 : DRAIN_MS, on_drained, c);
}

static void on_given_up(void *arg)
{
	struct child *c = arg;

	c->timer = NULL;
	c->result.exit_code = -1;
	c->result.signal = SIGKILL;
	finish(c); /* the loop reaps it, should it ever end */
}

static void kill_now(struct child *c)
{
	FAULT("child.kill");
	signal_group(c, SIGKILL);
	c->killed = true;
	if (c->ended)
		drain(c);
	else
		c->timer = loop_watch_timer(c->loop, GIVE_UP_MS, on_given_up, c);
}

/* Looks often, because a group of which nobody is left gives its number back: KILL must not hit
 * whoever gets it next. */
static void on_tick(void *arg)
{
	struct child *c = arg;
	int ms = c->kill_ms < TICK_MS ? c->kill_ms : TICK_MS;

	c->timer = NULL;
	if (c->ended && group_is_empty(c)) {
		drain(c);
		return;
	}
	if (ms <= 0) {
		kill_now(c);
		return;
	}
	c->kill_ms -= ms;
	c->timer = loop_watch_timer(c->loop, ms, on_tick, c);
}

static void on_timeout(void *arg)
{
	struct child *c = arg;

	c->timer = NULL;
	c->result.timed_out = true;
	FAULT("child.term");
	signal_group(c, SIGTERM);
	on_tick(c);
}

static void on_end(void *arg, int status)
{
	struct child *c = arg;

	c->child_watch = NULL;
	c->ended = true;
	c->result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	c->result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	FAULT("child.end");
	if (!c->result.timed_out || c->killed)
		drain(c); /* else on_tick sees to the rest of the group */
}

static void on_refused(void *arg)
{
	struct child *c = arg;

	c->timer = NULL;
	finish(c);
}

static int start(struct child *c, const struct child_request *request)
{
	struct launched launched;
	int r = launch(request, &launched, &c->refusal);

	if (r != 0)
		return r;
	c->pid = launched.pid;
	c->output = launched.output;
	c->report = launched.report;
	return 0;
}

struct child *child_start(struct loop *l, const struct child_request *request, child_done *done,
			  void *arg)
{
	struct child *c = mem_new(sizeof(*c));

	*c = (struct child){.loop = l, .done = done, .arg = arg, .output = -1, .report = -1};
	c->program = mem_str(request->argv->count > 0 ? request->argv->items[0] : "");
	c->kill_ms = request->kill_ms > 0 ? request->kill_ms : CHILD_KILL_MS;
	if (request->secret_output)
		buf_init_secret(&c->result.output, CHILD_MAX_OUTPUT);
	else
		buf_init(&c->result.output, CHILD_MAX_OUTPUT);

	if (start(c, request) != 0) {
		c->timer = loop_watch_timer(l, 0, on_refused, c);
		return c;
	}
	c->output_watch = loop_watch_fd(l, c->output, LOOP_READ, on_output, c);
	c->child_watch = loop_watch_child(l, c->pid, on_end, c);
	if (request->timeout_ms != CHILD_LASTS)
		c->timer = loop_watch_timer(
			l, request->timeout_ms > 0 ? request->timeout_ms : CHILD_TIMEOUT_MS,
			on_timeout, c);
	return c;
}

void child_cancel(struct child *c)
{
	if (c == NULL)
		return;
	/* After the leader's own end the group is no business of ours, unless we were ending it. */
	if (c->pid > 0 && (!c->ended || (c->result.timed_out && !c->drains)))
		signal_group(c, SIGKILL);
	child_free(c);
}

/* The last line that is not empty. */
static size_t last_line(const struct buf *output, const char **ret_start)
{
	size_t end = output->len;
	size_t start;

	while (end > 0 && strchr(" \t\r\n", output->data[end - 1]) != NULL)
		end--;
	start = end;
	while (start > 0 && strchr("\r\n", output->data[start - 1]) == NULL)
		start--;
	*ret_start = output->data + start;
	return end - start;
}

int child_failed(const char *program, const struct child_result *r, struct err *e)
{
	const char *line = "";
	size_t len = r->output.secret ? 0 : last_line(&r->output, &line);
	const char *separator = len > 0 ? ": " : "";
	int shown = len < INT_MAX ? (int)len : INT_MAX;

	if (r->timed_out)
		return err_set(e, ERR_CHILD, "%s did not end in time and was stopped%s%.*s",
			       program, separator, shown, line);
	if (r->signal != 0)
		return err_set(e, ERR_CHILD, "%s was ended by signal %d (%s)%s%.*s", program,
			       r->signal, strsignal(r->signal), separator, shown, line);
	if (r->exit_code != 0)
		return err_set(e, ERR_CHILD, "%s ended with exit code %d%s%.*s", program,
			       r->exit_code, separator, shown, line);
	return 0;
}
