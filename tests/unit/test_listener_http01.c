/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "agent/listener_http01.h"

#include "agent/http01_request.h"
#include "agent/listening.h"
#include "agent/loop.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN  "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
#define ANSWER TOKEN ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
#define PATH   "/.well-known/acme-challenge/"

struct world {
	struct loop *loop;
	char directory[64];
	int directory_fd;
	struct listening listening;
	struct listener *listener;
	char fetched[HTTP01_MAX_TOKEN + 1];
	int fetches;
	bool frees; /* fetched() frees the listener */
};

static void on_fetched(void *arg, const char *token)
{
	struct world *w = arg;

	w->fetches++;
	strcpy(w->fetched, token);
	if (w->frees)
		listener_free(TAKE(w->listener));
}

static void write_answer(const struct world *w, const char *name, const char *text)
{
	AUTO_FREE char *path = mem_printf("%s/%s", w->directory, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void remove_answer(const struct world *w, const char *name)
{
	AUTO_FREE char *path = mem_printf("%s/%s", w->directory, name);

	assert_int_equal(unlink(path), 0);
}

static int setup(void **state)
{
	static const struct listening_config anywhere;
	struct world *w = mem_new(sizeof(*w));
	struct listener_config config = {
		.listening = &w->listening,
		.fetched = on_fetched,
		.arg = w,
	};
	struct err e;

	strcpy(w->directory, "/tmp/everleaf-listener-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	w->directory_fd = open(w->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->directory_fd >= 0);
	config.answers_fd = w->directory_fd;
	write_answer(w, TOKEN, ANSWER);
	assert_int_equal(loop_event_new(&w->loop, &e), 0);
	if (listening_open(&anywhere, &w->listening, &e) != 0)
		fail_msg("%s", e.text);
	w->listener = listener_new(w->loop, &config);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	listener_free(w->listener);
	listening_close(&w->listening);
	loop_event_free(w->loop);
	close(w->directory_fd);
	remove_answer(w, TOKEN);
	assert_int_equal(rmdir(w->directory), 0);
	free(w);
	return 0;
}

/* Each address of loopback is a source of its own. */
static int connect_from(const struct world *w, in_addr_t from)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(from)};
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)w->listening.port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static int connect_v4(const struct world *w)
{
	return connect_from(w, INADDR_ANY);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Turns the wheel until the other side has closed; what it said is in said. */
static void hear(const struct world *w, int fd, char *said, size_t size)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, said + len, size - 1 - len, 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			break;
		if (n > 0)
			len += (size_t)n;
		else
			assert_int_equal(loop_wait(w->loop, 10), 0);
	}
	said[len] = '\0';
}

static void ask(const struct world *w, const char *request, char *said, size_t size)
{
	int fd = connect_v4(w);

	say(fd, request);
	hear(w, fd, said, size);
	close(fd);
}

static void expect_in(const char *said, const char *words)
{
	if (strstr(said, words) == NULL)
		fail_msg("'%s' lacks '%s'", said, words);
}

static void a_token_is_answered_and_its_fetch_is_told(void **state)
{
	struct world *w = *state;
	char said[2048];

	ask(w, "GET " PATH TOKEN " HTTP/1.1\r\nHost: a.example\r\n\r\n", said, sizeof(said));
	expect_in(said, "HTTP/1.1 200 OK\r\n");
	expect_in(said, "\r\nContent-Type: text/plain\r\n");
	expect_in(said, "\r\nConnection: close\r\n");
	expect_in(said, "\r\nContent-Length: 87\r\n");
	expect_in(said, "\r\n\r\n" ANSWER);
	assert_int_equal(w->fetches, 1);
	assert_string_equal(w->fetched, TOKEN);
}

static void a_head_gets_the_header_alone_and_is_no_fetch(void **state)
{
	struct world *w = *state;
	char said[2048];

	ask(w, "HEAD " PATH TOKEN " HTTP/1.1\r\n\r\n", said, sizeof(said));
	expect_in(said, "HTTP/1.1 200 OK\r\n");
	expect_in(said, "\r\nContent-Length: 87\r\n");
	assert_string_equal(said + strlen(said) - 4, "\r\n\r\n");
	assert_int_equal(w->fetches, 0);
}

static void a_request_in_pieces_is_answered_too(void **state)
{
	static const char request[] = "GET " PATH TOKEN " HTTP/1.0\r\n\r\n";
	struct world *w = *state;
	char said[2048];
	int fd = connect_v4(w);

	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		assert_int_equal(send(fd, &request[i], 1, MSG_NOSIGNAL), 1);
		assert_int_equal(loop_wait(w->loop, 0), 0);
	}
	hear(w, fd, said, sizeof(said));
	expect_in(said, ANSWER);
	close(fd);
}

/* The first words of the answer to each. */
static const struct {
	const char *request;
	const char *want;
} others[] = {
	{"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
	{"GET " PATH " HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
	{"GET " PATH "aaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "}, /* no file */
	{"GET " PATH "../../../../../etc/passwd HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
	{"POST " PATH TOKEN " HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 404 "},
	{"HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
	{"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 "},
	{"\x16\x03\x01\n", "HTTP/1.1 400 "},
};

static void anything_else_is_turned_away(void **state)
{
	struct world *w = *state;
	char said[2048];

	for (size_t i = 0; i < COUNT_OF(others); i++) {
		ask(w, others[i].request, said, sizeof(said));
		if (strncmp(said, others[i].want, strlen(others[i].want)) != 0)
			fail_msg("'%s' was answered '%s'", others[i].request, said);
	}
	assert_int_equal(w->fetches, 0);
}

static void a_flood_of_header_is_turned_away(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *request = mem_new(20001);
	char said[2048];

	memset(request, 'x', 20000);
	memcpy(request, "GET / HTTP/1.1\r\nX: ", 19);
	ask(w, request, said, sizeof(said));
	expect_in(said, "HTTP/1.1 400 ");
}

static void only_a_small_plain_file_is_an_answer(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *secret = mem_printf("%s/secret", w->directory);
	AUTO_FREE char *link = mem_printf("%s/lllllllllllllllllllllllll", w->directory);
	AUTO_FREE char *fifo = mem_printf("%s/fffffffffffffffffffffffff", w->directory);
	char big[LISTENER_MAX_ANSWER + 2];
	char said[4096];

	write_answer(w, "secret", "secret");
	assert_int_equal(symlink(secret, link), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	memset(big, 'b', sizeof(big));
	big[LISTENER_MAX_ANSWER + 1] = '\0';
	write_answer(w, "bbbbbbbbbbbbbbbbbbbbbbbbb", big);
	ask(w, "GET " PATH "lllllllllllllllllllllllll HTTP/1.1\r\n\r\n", said, sizeof(said));
	expect_in(said, "404");
	ask(w, "GET " PATH "fffffffffffffffffffffffff HTTP/1.1\r\n\r\n", said, sizeof(said));
	expect_in(said, "404");
	ask(w, "GET " PATH "bbbbbbbbbbbbbbbbbbbbbbbbb HTTP/1.1\r\n\r\n", said, sizeof(said));
	expect_in(said, "404");
	big[LISTENER_MAX_ANSWER] = '\0';
	write_answer(w, "bbbbbbbbbbbbbbbbbbbbbbbbb", big);
	ask(w, "GET " PATH "bbbbbbbbbbbbbbbbbbbbbbbbb HTTP/1.1\r\n\r\n", said, sizeof(said));
	expect_in(said, big);
	remove_answer(w, "secret");
	unlink(link);
	unlink(fifo);
	remove_answer(w, "bbbbbbbbbbbbbbbbbbbbbbbbb");
}

static void slow_clients_never_lock_out_one_that_asks(void **state)
{
	struct world *w = *state;
	int fds[3 * LISTENER_MAX_CONNECTIONS];
	char said[2048];

	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = connect_v4(w);
		say(fds[i], "GET / HT");
		assert_int_equal(loop_wait(w->loop, 0), 0);
		assert_true(listener_count(w->listener) <= LISTENER_MAX_CONNECTIONS);
	}
	while (loop_wait(w->loop, 10) == 0 &&
	       listener_count(w->listener) < LISTENER_MAX_CONNECTIONS)
		;
	ask(w, "GET " PATH TOKEN " HTTP/1.1\r\n\r\n", said, sizeof(said));
	expect_in(said, ANSWER);
	assert_int_equal(recv(fds[0], said, 1, 0), 0); /* the oldest made room */
	assert_int_equal(recv(fds[COUNT_OF(fds) - 1], said, 1, 0), -1);
	assert_int_equal(errno, EAGAIN); /* the youngest still has its time */
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		close(fds[i]);
}

/* Turns the wheel until all that came has been seen to: a quarter is accepted in a turn. */
static void accept_all(const struct world *w)
{
	for (int turn = 0; turn < 128; turn++)
		assert_int_equal(loop_wait(w->loop, 1), 0);
}

static bool is_open(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN;
}

static void who_opens_most_makes_room_and_a_slow_ca_keeps_its_place(void **state)
{
	struct world *w = *state;
	int storm[5 * LISTENER_MAX_CONNECTIONS];
	int slow = connect_from(w, 0x7f000002); /* before all of them, and its packets get lost */
	int other = connect_from(w, 0x7f000003);
	char said[2048];

	for (size_t i = 0; i < COUNT_OF(storm); i++) {
		storm[i] = connect_from(w, INADDR_LOOPBACK);
		if (i % 2 == 0)
			say(storm[i], "GET / HT");
		assert_int_equal(loop_wait(w->loop, 0), 0);
	}
	accept_all(w);
	assert_int_equal(listener_count(w->listener), LISTENER_MAX_CONNECTIONS);
	assert_true(is_open(other));
	assert_false(is_open(storm[0]));
	assert_false(
		is_open(storm[COUNT_OF(storm) - LISTENER_MAX_CONNECTIONS])); /* two less are left */
	assert_true(is_open(storm[COUNT_OF(storm) - 1]));
	say(slow, "GET " PATH TOKEN " HTTP/1.1\r\n\r\n");
	hear(w, slow, said, sizeof(said));
	expect_in(said, ANSWER);
	for (size_t i = 0; i < COUNT_OF(storm); i++)
		close(storm[i]);
	close(slow), close(other);
}

static void who_has_its_answer_makes_room_first(void **state)
{
	struct world *w = *state;
	int fds[LISTENER_MAX_CONNECTIONS];
	char said[2048] = "";

	fds[0] = connect_v4(w); /* the oldest of all, and silent */
	accept_all(w);
	for (size_t i = 1; i < COUNT_OF(fds); i++) {
		fds[i] = connect_v4(w);
		if (i == 40)
			say(fds[i], "GET " PATH TOKEN " HTTP/1.1\r\n\r\n");
		assert_int_equal(loop_wait(w->loop, 0), 0);
	}
	accept_all(w);
	assert_int_equal(listener_count(w->listener), LISTENER_MAX_CONNECTIONS);
	close(connect_v4(w));
	accept_all(w);
	assert_true(is_open(fds[0]));
	hear(w, fds[40], said, sizeof(said)); /* all of it had come */
	expect_in(said, ANSWER);
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		close(fds[i]);
}

static void a_client_that_leaves_leaves_nothing_behind(void **state)
{
	struct world *w = *state;
	char said[2048];

	for (int i = 0; i < 10; i++) {
		int fd = connect_v4(w);

		say(fd, "GET ");
		close(fd);
	}
	ask(w, "GET " PATH TOKEN " HTTP/1.1\r\n\r\n", said, sizeof(said));
	while (listener_count(w->listener) > 0)
		assert_int_equal(loop_wait(w->loop, 10), 0);
}

static void the_fetch_may_free_the_listener(void **state)
{
	struct world *w = *state;
	char said[2048];

	w->frees = true;
	ask(w, "GET " PATH TOKEN " HTTP/1.1\r\n\r\n", said, sizeof(said));
	expect_in(said, ANSWER); /* it was with the kernel already */
	assert_null(w->listener);
}

static void it_listens_on_ipv6_where_there_is_some(void **state)
{
	struct world *w = *state;
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				 .sin6_port = htons((uint16_t)w->listening.port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	char said[2048];

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0) {
		close(fd);
		skip();
	}
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	say(fd, "GET " PATH TOKEN " HTTP/1.1\r\n\r\n");
	hear(w, fd, said, sizeof(said));
	expect_in(said, ANSWER);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_token_is_answered_and_its_fetch_is_told),
		TEST(a_head_gets_the_header_alone_and_is_no_fetch),
		TEST(a_request_in_pieces_is_answered_too),
		TEST(anything_else_is_turned_away),
		TEST(a_flood_of_header_is_turned_away),
		TEST(only_a_small_plain_file_is_an_answer),
		TEST(slow_clients_never_lock_out_one_that_asks),
		TEST(who_opens_most_makes_room_and_a_slow_ca_keeps_its_place),
		TEST(who_has_its_answer_makes_room_first),
		TEST(a_client_that_leaves_leaves_nothing_behind),
		TEST(the_fetch_may_free_the_listener),
		TEST(it_listens_on_ipv6_where_there_is_some),
	};

	alarm(60); /* an answer that never comes */
	const struct rlimit files = {8 * LISTENER_MAX_CONNECTIONS, 8 * LISTENER_MAX_CONNECTIONS};

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0); /* both ends of all are ours */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
