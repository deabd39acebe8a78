/* SPDX-License-Identifier: MIT
 *
 * test_listener_metrics — who may ask, what they are told, and how little room they get.
 */
#include "tests/unit.h"

#include "agent/listener_metrics.h"
#include "tests/unit/hook_scratch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define GET "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

static int page(void *arg, struct buf *out, struct err *e)
{
	const char *text = arg;

	if (text == NULL)
		return err_set(e, ERR_STORE, "the disk is full");
	return buf_add_text(out, text);
}

static struct listener_metrics *open_at(struct hook_scratch *h, const char *address,
					const char *text)
{
	const struct listener_metrics_config config = {address, page, (void *)(uintptr_t)text};
	struct listener_metrics *s = NULL;
	struct err e = {0};

	if (listener_metrics_open(h->loop, &config, &s, &e) != 0)
		fail_msg("%s", e.text);
	return s;
}

static char *unix_address(struct hook_scratch *h)
{
	return mem_printf("unix:%s", scratch_path(h, "socket"));
}

static int client(const struct hook_scratch *h)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", scratch_path(h, "socket"));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void stop_soon(void *arg)
{
	*(bool *)arg = true;
}

static void turn(struct hook_scratch *h)
{
	bool stop = false;

	loop_watch_timer(h->loop, 10, stop_soon, &stop);
	assert_true(poll_loop_run(h->poll, &stop));
}

/* What the client reads until the other side closes; the caller frees it. */
static char *ask(struct hook_scratch *h, const char *const *pieces)
{
	struct buf answer AUTO_BUF = {0};
	int fd AUTO_FD = client(h);
	char chunk[4096];
	ssize_t got = -1;

	buf_init(&answer, 1 << 20);
	for (; *pieces != NULL; pieces++) {
		(void)send(fd, *pieces, strlen(*pieces), MSG_NOSIGNAL);
		turn(h);
	}
	for (int i = 0; i < 1000 && got != 0; i++) {
		got = recv(fd, chunk, sizeof(chunk), 0);
		if (got > 0)
			assert_int_equal(buf_add(&answer, chunk, (size_t)got), 0);
		else if (got < 0 && errno != EAGAIN)
			break; /* reset */
		else if (got < 0)
			turn(h);
	}
	return buf_take(&answer);
}

static const struct {
	const char *pieces[4];
	const char *begins; /* the answer; "": closed without one */
	const char *ends;
} asked[] = {
	{{GET}, "HTTP/1.1 200 OK\r\n", "\r\n\r\neverleaf_x 1\n"},
	{{"GET / HTTP/1.0\n\n"}, "HTTP/1.1 200 OK\r\n", "everleaf_x 1\n"},
	{{"GET /met", "rics HTTP/1.1\r\n", "\r\n"}, "HTTP/1.1 200 OK\r\n", "everleaf_x 1\n"},
	{{"GET /metricsX HTTP/1.1\r\n\r\n"}, "HTTP/1.1 404 ", "here\n"},
	{{"POST /metrics HTTP/1.1\r\n\r\n"}, "HTTP/1.1 404 ", "here\n"},
	{{"\r\n\r\n"}, "HTTP/1.1 404 ", "here\n"},
};

static void only_the_metrics_are_shown(void **state)
{
	struct hook_scratch *h = *state;
	AUTO_FREE char *address = unix_address(h);
	struct listener_metrics *s = open_at(h, address, "everleaf_x 1\n");

	for (size_t i = 0; i < COUNT_OF(asked); i++) {
		AUTO_FREE char *answer = ask(h, asked[i].pieces);
		size_t len = strlen(answer), end = strlen(asked[i].ends);

		if (strncmp(answer, asked[i].begins, strlen(asked[i].begins)) != 0 || len < end ||
		    strcmp(answer + len - end, asked[i].ends) != 0)
			fail_msg("row %zu: %s", i, answer);
	}
	assert_int_equal(listener_metrics_count(s), 0);
	listener_metrics_free(s);
	assert_int_equal(poll_loop_watches(h->poll), 0);
}

static void a_page_that_cannot_be_made_is_an_error_that_says_why(void **state)
{
	struct hook_scratch *h = *state;
	AUTO_FREE char *address = unix_address(h);
	struct listener_metrics *s = open_at(h, address, NULL);
	AUTO_FREE char *answer = ask(h, (const char *const[]){GET, NULL});

	assert_non_null(strstr(answer, "503 Service Unavailable"));
	assert_non_null(strstr(answer, "the disk is full\n"));
	listener_metrics_free(s);
}

static void a_large_page_arrives_whole_and_a_large_request_is_cut_off(void **state)
{
	struct hook_scratch *h = *state;
	AUTO_FREE char *address = unix_address(h);
	AUTO_FREE char *large = mem_new(900001);
	AUTO_FREE char *answer = NULL;
	AUTO_FREE char *none = NULL;
	struct listener_metrics *s;

	memset(large, 'x', 900000);
	s = open_at(h, address, large);
	answer = ask(h, (const char *const[]){GET, NULL});
	assert_string_equal(strstr(answer, "\r\n\r\n") + 4, large);
	large[LISTENER_METRICS_REQUEST + 100] = '\0';
	none = ask(h, (const char *const[]){large, NULL});
	assert_string_equal(none, "");
	listener_metrics_free(s);
}

static void connections_are_few_and_one_that_ends_makes_room(void **state)
{
	struct hook_scratch *h = *state;
	AUTO_FREE char *address = unix_address(h);
	struct listener_metrics *s = open_at(h, address, "everleaf_x 1\n");
	int fds[LISTENER_METRICS_CONNECTIONS + 4];
	struct pollfd last;

	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = client(h);
		turn(h);
	}
	assert_int_equal(listener_metrics_count(s), LISTENER_METRICS_CONNECTIONS);
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
	last = (struct pollfd){.fd = fds[COUNT_OF(fds) - 1], .events = POLLIN};
	assert_int_equal(send(last.fd, GET, strlen(GET), MSG_NOSIGNAL), strlen(GET));
	for (int i = 0; i < 100 && poll(&last, 1, 0) == 0; i++)
		turn(h);
	assert_int_equal(last.revents & POLLIN, POLLIN);
	listener_metrics_free(s);
	for (size_t i = 4; i < COUNT_OF(fds); i++)
		close(fds[i]);
}

static void who_says_nothing_is_not_waited_for(void **state)
{
	struct hook_scratch *h = *state;
	AUTO_FREE char *address = unix_address(h);
	struct listener_metrics *s = open_at(h, address, "everleaf_x 1\n");
	int fd AUTO_FD = client(h);

	assert_true(fd >= 0);
	turn(h);
	assert_int_equal(listener_metrics_count(s), 1);
	for (int i = 0; i < 3000 && listener_metrics_count(s) > 0; i++)
		turn(h);
	assert_int_equal(listener_metrics_count(s), 0);
	listener_metrics_free(s);
}

static void a_socket_left_by_a_crash_is_replaced_and_one_in_use_is_not(void **state)
{
	struct hook_scratch *h = *state;
	AUTO_FREE char *address = unix_address(h);
	const struct listener_metrics_config config = {address, page, NULL};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct listener_metrics *s, *second = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", scratch_path(h, "socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	s = open_at(h, address, "");
	assert_int_equal(stat(a.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(listener_metrics_open(h->loop, &config, &second, NULL), ERR_CONFIG);
	assert_int_equal(stat(a.sun_path, &st), 0);
	listener_metrics_free(s);
	assert_int_equal(stat(a.sun_path, &st), -1);
	scratch_write(h, "socket", "a file of somebody's", 0600);
	assert_int_equal(listener_metrics_open(h->loop, &config, &second, NULL), ERR_CONFIG);
	assert_int_equal(stat(a.sun_path, &st), 0);
}

static void only_this_machine_is_listened_to(void **state)
{
	static const char *const refused[] = {
		"0.0.0.0:9100",    "192.0.2.1:9100",
		"[::]:9100",       "example.org:9100",
		":9100",           "9100",
		"127.0.0.1",       "127.0.0.1:0",
		"127.0.0.1:x",     "127.0.0.1:",
		"127.0.0.1:65536", "unix:relative",
		"unix:",           "",
	};
	struct hook_scratch *h = *state;

	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		const struct listener_metrics_config config = {refused[i], page, NULL};
		struct listener_metrics *s = NULL;

		if (listener_metrics_open(h->loop, &config, &s, NULL) != ERR_CONFIG)
			fail_msg("%s", refused[i]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, hook_scratch_setup, hook_scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_the_metrics_are_shown),
		TEST(a_page_that_cannot_be_made_is_an_error_that_says_why),
		TEST(a_large_page_arrives_whole_and_a_large_request_is_cut_off),
		TEST(connections_are_few_and_one_that_ends_makes_room),
		TEST(who_says_nothing_is_not_waited_for),
		TEST(a_socket_left_by_a_crash_is_replaced_and_one_in_use_is_not),
		TEST(only_this_machine_is_listened_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
