/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "agent/loop.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
	struct loop *loop;
	char order[32]; /* who was called, one letter each */
	int status;
	struct watch *mine;
	struct watch *other;
};

static int setup(void **state)
{
	struct world *w = mem_new(sizeof(*w));
	struct err e;

	assert_int_equal(loop_event_new(&w->loop, &e), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	loop_event_free(w->loop);
	free(w);
	return 0;
}

static void called(struct world *w, char who)
{
	w->order[strlen(w->order)] = who;
}

/* Turns until n were called; a watch that never fires ends in the alarm of main(). */
static void until_called(struct world *w, size_t n)
{
	while (strlen(w->order) < n)
		assert_int_equal(loop_wait(w->loop, -1), 0);
}

static void on_a(void *arg)
{
	called(arg, 'a');
}

static void on_b(void *arg)
{
	called(arg, 'b');
}

static void on_c(void *arg)
{
	called(arg, 'c');
}

static void a_timer_fires_from_the_wheel_and_once(void **state)
{
	struct world *w = *state;

	loop_watch_timer(w->loop, 0, on_a, w);
	assert_string_equal(w->order, "");
	until_called(w, 1);
	assert_int_equal(loop_wait(w->loop, 20), 0);
	assert_string_equal(w->order, "a");
}

static void timers_fire_in_the_order_of_their_time(void **state)
{
	struct world *w = *state;

	loop_watch_timer(w->loop, 60, on_c, w);
	loop_watch_timer(w->loop, 0, on_a, w);
	loop_watch_timer(w->loop, 30, on_b, w);
	until_called(w, 3);
	assert_string_equal(w->order, "abc");
}

static void a_cancelled_timer_does_not_fire(void **state)
{
	struct world *w = *state;
	struct watch *a = loop_watch_timer(w->loop, 0, on_a, w);

	loop_watch_timer(w->loop, 10, on_b, w);
	loop_cancel(w->loop, a);
	loop_cancel(w->loop, NULL);
	until_called(w, 1);
	assert_string_equal(w->order, "b");
}

static void on_again(void *arg)
{
	struct world *w = arg;

	called(w, 'x');
	if (strlen(w->order) < 3)
		loop_watch_timer(w->loop, 0, on_again, w);
}

static void a_timer_may_make_the_next_one(void **state)
{
	struct world *w = *state;

	loop_watch_timer(w->loop, 0, on_again, w);
	assert_int_equal(loop_wait(w->loop, -1), 0);
	assert_string_equal(w->order, "x"); /* at the next turn, not in this one */
	until_called(w, 3);
	assert_string_equal(w->order, "xxx");
}

static void on_fd(void *arg, int fd, unsigned events)
{
	struct world *w = arg;
	char byte;

	if (events & LOOP_READ) {
		assert_int_equal(read(fd, &byte, 1), 1);
		called(w, byte);
	}
	if (events & LOOP_WRITE) {
		called(w, 'W');
		loop_cancel(w->loop, TAKE(w->mine));
	}
}

static void a_descriptor_is_reported_as_often_as_it_is_ready(void **state)
{
	struct world *w = *state;
	struct watch *watch = NULL;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	watch = loop_watch_fd(w->loop, fds[0], LOOP_READ, on_fd, w);
	assert_int_equal(loop_wait(w->loop, 0), 0);
	assert_string_equal(w->order, "");
	assert_int_equal(write(fds[1], "12", 2), 2);
	until_called(w, 2);
	assert_string_equal(w->order, "12");
	loop_cancel(w->loop, watch);
	assert_int_equal(write(fds[1], "3", 1), 1);
	assert_int_equal(loop_wait(w->loop, 10), 0);
	assert_string_equal(w->order, "12");
	close(fds[0]);
	close(fds[1]);
}

static void a_callback_may_cancel_its_own_watch(void **state)
{
	struct world *w = *state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	w->mine = loop_watch_fd(w->loop, fds[1], LOOP_WRITE, on_fd, w);
	until_called(w, 1);
	assert_int_equal(loop_wait(w->loop, 10), 0);
	assert_string_equal(w->order, "W");
	close(fds[0]);
	close(fds[1]);
}

static void on_rival(void *arg, int fd, unsigned events)
{
	struct world *w = arg;

	(void)fd;
	(void)events;
	called(w, 'r');
	loop_cancel(w->loop, TAKE(w->mine));
	loop_cancel(w->loop, TAKE(w->other));
}

static void a_callback_may_cancel_a_watch_that_is_ready_in_the_same_turn(void **state)
{
	struct world *w = *state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "1", 1), 1);
	w->mine = loop_watch_fd(w->loop, fds[0], LOOP_READ, on_rival, w);
	w->other = loop_watch_fd(w->loop, fds[1], LOOP_WRITE, on_rival, w);
	until_called(w, 1);
	assert_int_equal(loop_wait(w->loop, 10), 0);
	assert_string_equal(w->order, "r");
	close(fds[0]);
	close(fds[1]);
}

static void on_child(void *arg, int wait_status)
{
	struct world *w = arg;

	w->status = wait_status;
	called(w, 'e');
}

static pid_t child_that_ends_with(int code)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(code);
	assert_true(pid > 0);
	return pid;
}

/* Ends when the returned descriptor is closed. */
static pid_t child_that_waits(int *ret_fd)
{
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		_exit(read(fds[0], &byte, 1) == 0 ? 7 : 1);
	}
	close(fds[0]);
	*ret_fd = fds[1];
	return pid;
}

static void the_end_of_a_child_is_told_with_its_status(void **state)
{
	struct world *w = *state;
	int fd;
	pid_t pid = child_that_waits(&fd);

	loop_watch_child(w->loop, pid, on_child, w);
	assert_int_equal(loop_wait(w->loop, 10), 0);
	assert_string_equal(w->order, "");
	close(fd);
	until_called(w, 1);
	assert_true(WIFEXITED(w->status));
	assert_int_equal(WEXITSTATUS(w->status), 7);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* it was reaped */
}

static void a_child_that_ended_before_it_was_watched_is_told_too(void **state)
{
	struct world *w = *state;
	pid_t pid = child_that_ends_with(3);
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(loop_wait(w->loop, 0), 0); /* its SIGCHLD is used up */
	loop_watch_child(w->loop, pid, on_child, w);
	assert_string_equal(w->order, "");
	until_called(w, 1);
	assert_int_equal(WEXITSTATUS(w->status), 3);
}

static void children_that_end_together_are_all_told(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 5; i++)
		loop_watch_child(w->loop, child_that_ends_with(0), on_child, w);
	until_called(w, 5);
	assert_string_equal(w->order, "eeeee");
}

static void a_cancelled_child_is_reaped_in_silence(void **state)
{
	struct world *w = *state;
	int fd;
	pid_t pid = child_that_waits(&fd);

	loop_cancel(w->loop, loop_watch_child(w->loop, pid, on_child, w));
	close(fd);
	while (kill(pid, 0) == 0)
		assert_int_equal(loop_wait(w->loop, 100), 0);
	assert_int_equal(errno, ESRCH);
	assert_string_equal(w->order, "");
}

static void a_child_somebody_else_reaped_never_looks_like_a_success(void **state)
{
	struct world *w = *state;
	pid_t pid = child_that_ends_with(0);

	assert_int_equal(waitpid(pid, NULL, 0), pid);
	loop_watch_child(w->loop, pid, on_child, w);
	until_called(w, 1);
	assert_int_not_equal(w->status, 0);
}

static void a_wait_ends_when_its_time_is_over(void **state)
{
	struct world *w = *state;

	assert_int_equal(loop_wait(w->loop, 0), 0);
	assert_int_equal(loop_wait(w->loop, 10), 0);
	assert_false(loop_should_stop(w->loop));
	assert_non_null(loop_event_base(w->loop));
}

static void a_signal_asks_to_stop_and_a_second_one_insists(void **state)
{
	struct world *w = *state;
	struct sigaction now;

	assert_int_equal(raise(SIGTERM), 0);
	while (!loop_should_stop(w->loop))
		assert_int_equal(loop_wait(w->loop, -1), 0);
	assert_int_equal(sigaction(SIGTERM, NULL, &now), 0);
	assert_true(now.sa_handler == SIG_DFL);
	assert_int_equal(sigaction(SIGINT, NULL, &now), 0);
	assert_true(now.sa_handler != SIG_DFL);
}

static void a_hangup_is_told_once_and_stops_nothing(void **state)
{
	struct world *w = *state;

	assert_false(loop_take_hangup(w->loop));
	assert_int_equal(raise(SIGHUP), 0);
	while (!loop_take_hangup(w->loop))
		assert_int_equal(loop_wait(w->loop, -1), 0);
	assert_false(loop_take_hangup(w->loop));
	assert_false(loop_should_stop(w->loop));
}

static void a_closed_pipe_is_an_error_and_no_signal(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(write(fds[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(fds[1]);
}

static void what_is_still_watched_is_forgotten_with_the_loop(void **state)
{
	struct world *w = *state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	loop_watch_timer(w->loop, 0, on_a, w);
	loop_watch_fd(w->loop, fds[1], LOOP_WRITE, on_fd, w);
	loop_watch_child(w->loop, child_that_ends_with(0), on_child, w);
	loop_event_free(w->loop);
	assert_string_equal(w->order, "");
	assert_int_equal(loop_event_new(&w->loop, NULL), 0);
	close(fds[0]);
	close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_timer_fires_from_the_wheel_and_once),
		TEST(timers_fire_in_the_order_of_their_time),
		TEST(a_cancelled_timer_does_not_fire),
		TEST(a_timer_may_make_the_next_one),
		TEST(a_descriptor_is_reported_as_often_as_it_is_ready),
		TEST(a_callback_may_cancel_its_own_watch),
		TEST(a_callback_may_cancel_a_watch_that_is_ready_in_the_same_turn),
		TEST(the_end_of_a_child_is_told_with_its_status),
		TEST(a_child_that_ended_before_it_was_watched_is_told_too),
		TEST(children_that_end_together_are_all_told),
		TEST(a_cancelled_child_is_reaped_in_silence),
		TEST(a_child_somebody_else_reaped_never_looks_like_a_success),
		TEST(a_wait_ends_when_its_time_is_over),
		TEST(a_signal_asks_to_stop_and_a_second_one_insists),
		TEST(a_hangup_is_told_once_and_stops_nothing),
		TEST(a_closed_pipe_is_an_error_and_no_signal),
		TEST(what_is_still_watched_is_forgotten_with_the_loop),
	};

	alarm(60); /* a watch that never fires */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
