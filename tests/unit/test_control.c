/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "agent/control.h"
#include "agent/frame.h"
#include "base/mem.h"
#include "tests/unit/fake_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY   65534
#define MAX_TEXT (FRAME_HEADER + FRAME_MAX + 1)
#define MAX_FD   256

struct world {
	char folder[64];
	char *path;
	struct fake_loop *loop;
	struct control *control;
	int asked;
};

static struct json *answer(void *arg, const char *verb)
{
	struct world *w = arg;
	struct json *j;

	w->asked++;
	if (!str_equal(verb, "status"))
		return NULL;
	j = frame_new();
	json_put_text(j, "live", "yes");
	return j;
}

static struct control_config config_of(struct world *w)
{
	return (struct control_config){
		.loop = fake_loop_loop(w->loop),
		.path = w->path,
		.passed_fd = -1,
		.answer = answer,
		.arg = w,
	};
}

static int setup(void **state)
{
	struct world *w = mem_new(sizeof(*w));
	struct control_config config;
	struct err e = {0};

	strcpy(w->folder, "/tmp/everleaf-control-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	assert_int_equal(chmod(w->folder, 0755), 0);
	w->path = mem_printf("%s/control", w->folder);
	w->loop = fake_loop_new();
	config = config_of(w);
	if (control_open(&config, &w->control, &e) != 0)
		fail_msg("%s", e.text);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	control_free(w->control);
	assert_int_equal(fake_loop_watches(w->loop), 0);
	assert_int_equal(rmdir(w->folder), 0); /* the socket went with its server */
	fake_loop_free(w->loop);
	free(w->path);
	free(w);
	return 0;
}

/* The server's turn: whatever is ready, until nothing is. */
static void serve(struct world *w)
{
	for (bool again = true; again;) {
		again = false;
		for (int fd = 3; fd < MAX_FD; fd++) {
			struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

			if (poll(&p, 1, 0) <= 0 || (p.revents & POLLNVAL) != 0)
				continue;
			if (p.revents & (POLLIN | POLLHUP))
				again |= fake_loop_fd_ready(w->loop, fd, LOOP_READ) > 0;
			if (p.revents & POLLOUT)
				again |= fake_loop_fd_ready(w->loop, fd, LOOP_WRITE) > 0;
		}
	}
}

static int connected(const struct world *w)
{
	struct err e = {0};
	int fd = -1;

	if (control_connect(w->path, &fd, &e) != 0)
		fail_msg("%s", e.text);
	return fd;
}

static void say(int fd, const char *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static size_t frame_of(const char *text, char *out)
{
	size_t len = strlen(text);

	out[0] = out[1] = 0;
	out[2] = (char)(len >> 8);
	out[3] = (char)len;
	memcpy(out + FRAME_HEADER, text, len);
	return FRAME_HEADER + len;
}

/* What was answered before the connection was closed; NULL: it is still open, or nothing was. */
static struct json *heard(int fd)
{
	static char text[MAX_TEXT];
	struct json *j = NULL;
	size_t len = 0;
	ssize_t got;

	while ((got = recv(fd, text + len, sizeof(text) - len, 0)) > 0)
		len += (size_t)got;
	if (got < 0 || frame_parse(text, len, &j, NULL) != FRAME_COMPLETE)
		return NULL;
	return j;
}

static void is_refused(int fd, const char *why)
{
	AUTO_JSON struct json *j = heard(fd);

	assert_non_null(j);
	assert_non_null(json_get_text(j, "error"));
	if (strstr(json_get_text(j, "error"), why) == NULL)
		fail_msg("%s", json_get_text(j, "error"));
	close(fd);
}

static void is_served(struct world *w)
{
	AUTO_JSON struct json *j = NULL;
	char frame[256];
	int fd = connected(w);

	say(fd, frame, frame_of("{\"version\":1,\"do\":\"status\"}", frame));
	serve(w);
	j = heard(fd);
	assert_non_null(j);
	assert_string_equal(json_get_text(j, "live"), "yes");
	close(fd);
}

static void a_question_is_answered_and_the_connection_closed(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(lstat(w->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	is_served(w);
	is_served(w);
	assert_int_equal(w->asked, 2);
	assert_int_equal(control_count(w->control), 0);
}

static void a_question_in_two_pieces_is_one_wherever_it_is_cut(void **state)
{
	struct world *w = *state;
	char frame[256];
	size_t len = frame_of("{\"version\":1,\"do\":\"status\"}", frame);

	for (size_t cut = 0; cut <= len; cut++) {
		AUTO_JSON struct json *j = NULL;
		int fd = connected(w);

		if (cut > 0)
			say(fd, frame, cut);
		serve(w);
		assert_int_equal(control_count(w->control), cut < len);
		if (cut < len)
			say(fd, frame + cut, len - cut);
		serve(w);
		j = heard(fd);
		assert_non_null(j);
		assert_string_equal(json_get_text(j, "live"), "yes");
		close(fd);
	}
}

static void a_question_that_is_cut_off_is_dropped(void **state)
{
	struct world *w = *state;
	char frame[256];
	size_t len = frame_of("{\"version\":1,\"do\":\"status\"}", frame);

	for (size_t cut = 0; cut < len; cut++) {
		int fd = connected(w);

		say(fd, frame, cut > 0 ? cut : 0);
		close(fd);
		serve(w);
		assert_int_equal(control_count(w->control), 0);
	}
	assert_int_equal(w->asked, 0);
	is_served(w);
}

struct bad_case {
	const char *bytes;
	size_t len;
	const char *why;
};

static void bad_frames_are_answered_and_closed(void **state)
{
#define BYTES(text) text, sizeof(text) - 1
	static const struct bad_case cases[] = {
		{BYTES("\0\0\0\0"), "1 to 65536"},
		{BYTES("\0\1\0\1"), "1 to 65536"},
		{BYTES("\xff\xff\xff\xff"), "1 to 65536"},
		{BYTES("GET / HTTP/1.1\r\n\r\n"), "1 to 65536"},
		{BYTES("\0\0\0\2{}"), "version"},
		{BYTES("\0\0\0\2{}{}"), "one frame"},
		{BYTES("\0\0\0\1{"), ""},
		{BYTES("\0\0\0\4null"), ""},
		{BYTES("\0\0\0\2[]"), "version"},
		{BYTES("\0\0\0\15{\"version\":2}"), "version"},
		{BYTES("\0\0\0\17{\"version\":\"1\"}"), "version"},
		{BYTES("\0\0\0\15{\"version\":1}"), "no such request"},
		{BYTES("\0\0\0\24{\"version\":1,\"do\":1}"), "no such request"},
		{BYTES("\0\0\0\34{\"version\":1,\"do\":\"exports\"}"), ""},
		{BYTES("\0\0\0\41{\"version\":1,\"do\":\"status\",\"do\":1}"), ""},
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int fd = connected(w);

		say(fd, cases[i].bytes, cases[i].len);
		serve(w);
		is_refused(fd, cases[i].why);
		assert_int_equal(control_count(w->control), 0);
	}
	is_served(w);
}

static void the_largest_frame_is_read_and_a_larger_one_is_not(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *large = mem_new(MAX_TEXT);
	static const char text[] = "{\"version\":1,\"do\":\"status\"";
	size_t sent = 0;
	int fd = connected(w);

	memcpy(large, "\0\1\0\0", FRAME_HEADER);
	memset(large + FRAME_HEADER, ' ', FRAME_MAX);
	memcpy(large + FRAME_HEADER, text, sizeof(text) - 1);
	large[FRAME_HEADER + FRAME_MAX - 1] = '}';
	while (sent < FRAME_HEADER + FRAME_MAX) {
		ssize_t n = send(fd, large + sent, FRAME_HEADER + FRAME_MAX - sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		serve(w);
	}
	assert_int_equal(w->asked, 1);
	close(fd);
}

static void who_says_nothing_for_ten_seconds_is_closed(void **state)
{
	struct world *w = *state;
	int silent = connected(w);
	int slow = connected(w);
	char byte;

	serve(w);
	for (int second = 0; second < 9; second++) {
		fake_loop_advance(w->loop, 1000);
		say(slow, "\0", 1 - (second > 2)); /* a byte now and then wins no time */
		serve(w);
	}
	assert_int_equal(control_count(w->control), 2);
	fake_loop_advance(w->loop, 1000);
	assert_int_equal(control_count(w->control), 0);
	assert_int_equal(recv(silent, &byte, 1, 0), 0);
	close(silent);
	close(slow);
}

static void the_thirty_third_client_waits_until_one_has_gone(void **state)
{
	struct world *w = *state;
	int fds[CONTROL_MAX_CLIENTS];
	char frame[256];
	size_t len = frame_of("{\"version\":1,\"do\":\"status\"}", frame);
	AUTO_JSON struct json *j = NULL;
	int late;

	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
		fds[i] = connected(w);
	late = connected(w);
	say(late, frame, len);
	serve(w);
	assert_int_equal(control_count(w->control), CONTROL_MAX_CLIENTS);
	assert_int_equal(w->asked, 0);
	close(fds[0]);
	serve(w);
	assert_int_equal(w->asked, 1);
	j = heard(late);
	assert_non_null(j);
	close(late);
	for (size_t i = 1; i < CONTROL_MAX_CLIENTS; i++)
		close(fds[i]);
	serve(w);
	assert_int_equal(control_count(w->control), 0);
}

/* A connection made by another user; closed with the child, who waits for its standard input. */
static int connected_as(const struct world *w, uid_t uid)
{
	int pair[2];
	int fd = -1;
	struct msghdr m = {0};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} c = {0};
	struct iovec io = {.iov_base = &(char){0}, .iov_len = 1};
	pid_t child;
	int status;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	m = (struct msghdr){.msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = c.room,
			    .msg_controllen = sizeof(c.room)};
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (setuid(uid) != 0 || control_connect(w->path, &fd, NULL) != 0)
			_exit(1);
		c.head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
		_exit(sendmsg(pair[1], &m, 0) == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(recvmsg(pair[0], &m, MSG_CMSG_CLOEXEC), 1);
	memcpy(&fd, CMSG_DATA(&c.head), sizeof(fd));
	close(pair[0]);
	close(pair[1]);
	return fd;
}

static void other_users_are_refused_whatever_the_mode_of_the_socket(void **state)
{
	struct world *w = *state;
	int fd;

	if (geteuid() != 0)
		skip(); /* only root can become somebody else */
	assert_int_equal(chmod(w->path, 0666), 0);
	fd = connected_as(w, NOBODY);
	serve(w);
	is_refused(fd, "only root");
	fd = connected_as(w, 0);
	serve(w);
	assert_int_equal(control_count(w->control), 1); /* root may speak */
	close(fd);
	serve(w);
	assert_int_equal(w->asked, 0);
	assert_true(control_may(0));
	assert_true(control_may(geteuid()));
	assert_false(control_may(NOBODY));
}

static void a_socket_that_answers_is_not_stolen(void **state)
{
	struct world *w = *state;
	struct control_config config = config_of(w);
	struct control *second = NULL;
	struct err e = {0};

	assert_int_equal(control_open(&config, &second, &e), ERR_BUSY);
	assert_null(second);
	assert_non_null(strstr(e.text, w->path));
	serve(w);
	is_served(w);
}

static void a_socket_of_the_dead_is_replaced(void **state)
{
	struct world *w = *state;
	struct control_config config = config_of(w);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	control_free(TAKE(w->control));
	strcpy(name.sun_path, w->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	close(fd);
	assert_int_equal(control_open(&config, &w->control, NULL), 0);
	is_served(w);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct world *w = *state;
	struct control_config config = config_of(w);
	struct err e = {0};
	FILE *f;

	control_free(TAKE(w->control));
	f = fopen(w->path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(control_open(&config, &w->control, &e), ERR_CONFIG);
	assert_int_equal(access(w->path, F_OK), 0);
	assert_int_equal(unlink(w->path), 0);
}

static void a_link_is_replaced_and_what_it_names_is_not_touched(void **state)
{
	struct world *w = *state;
	struct control_config config = config_of(w);
	AUTO_FREE char *precious = mem_printf("%s/precious", w->folder);
	struct stat st;
	FILE *f;

	control_free(TAKE(w->control));
	f = fopen(precious, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(symlink(precious, w->path), 0);
	assert_int_equal(control_open(&config, &w->control, NULL), 0);
	assert_int_equal(lstat(precious, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(lstat(w->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(unlink(precious), 0);
}

static void a_successors_socket_is_not_taken_away(void **state)
{
	struct world *w = *state;
	struct control_config config = config_of(w);
	struct control *first = TAKE(w->control);

	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(control_open(&config, &w->control, NULL), 0);
	control_free(first);
	is_served(w);
}

static void a_path_that_is_too_long_is_told(void **state)
{
	struct world *w = *state;
	struct control_config config = config_of(w);
	AUTO_FREE char *path = mem_printf("%s/%0120d", w->folder, 1);
	struct control *second = NULL;
	struct err e = {0};
	int fd = -1;

	config.path = path;
	assert_int_equal(control_open(&config, &second, &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "--control"));
	assert_int_equal(control_connect(path, &fd, &e), ERR_CONFIG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_question_is_answered_and_the_connection_closed),
		TEST(a_question_in_two_pieces_is_one_wherever_it_is_cut),
		TEST(a_question_that_is_cut_off_is_dropped),
		TEST(bad_frames_are_answered_and_closed),
		TEST(the_largest_frame_is_read_and_a_larger_one_is_not),
		TEST(who_says_nothing_for_ten_seconds_is_closed),
		TEST(the_thirty_third_client_waits_until_one_has_gone),
		TEST(other_users_are_refused_whatever_the_mode_of_the_socket),
		TEST(a_socket_that_answers_is_not_stolen),
		TEST(a_socket_of_the_dead_is_replaced),
		TEST(what_is_no_socket_is_left_alone),
		TEST(a_link_is_replaced_and_what_it_names_is_not_touched),
		TEST(a_successors_socket_is_not_taken_away),
		TEST(a_path_that_is_too_long_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
