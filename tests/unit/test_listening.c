/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "agent/listening.h"

#include "agent/port_holder.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void expect_in(const char *said, const char *words)
{
	if (strstr(said, words) == NULL)
		fail_msg("'%s' lacks '%s'", said, words);
}

static struct listening opened(const struct listening_config *config)
{
	struct listening l;
	struct err e;

	if (listening_open(config, &l, &e) != 0)
		fail_msg("%s", e.text);
	return l;
}

static struct listening anywhere(void)
{
	static const struct listening_config config;

	return opened(&config);
}

/* Who connects to the port comes out of this socket. */
static void expect_heard(int port, int fd)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)port)};
	int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int in;

	assert_int_equal(connect(out, (struct sockaddr *)&to, sizeof(to)), 0);
	in = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(in >= 0);
	close(in);
	close(out);
}

static void a_taken_port_is_busy_and_its_holder_has_a_name(void **state)
{
	struct listening l = anywhere();
	const struct listening_config same = {.port = l.port};
	struct listening second;
	AUTO_FREE char *pid = mem_printf("(pid %d)", (int)getpid());
	struct err e = {0};
	char text[64];

	(void)state;
	assert_int_equal(listening_open(&same, &second, &e), ERR_BUSY);
	expect_in(e.text, "another program listens on port");
	assert_int_equal(listener_port_holder(l.port, text, sizeof(text)), 0);
	expect_in(text, pid);
	listening_close(&l);
}

static void a_port_that_changes_hands_has_another_socket(void **state)
{
	struct listening l = anywhere();
	const struct listening_config same = {.port = l.port};
	uint64_t first = listener_port_socket(l.port);

	(void)state;
	assert_int_not_equal(first, 0);
	assert_int_equal(listener_port_socket(l.port), first);
	listening_close(&l);
	assert_int_equal(listener_port_socket(same.port), 0);
	l = opened(&same);
	assert_int_not_equal(listener_port_socket(l.port), 0);
	assert_int_not_equal(listener_port_socket(l.port), first);
	listening_close(&l);
}

static void a_free_port_has_no_holder_and_can_be_had_again(void **state)
{
	struct listening l = anywhere();
	const struct listening_config same = {.port = l.port};
	char text[64];

	(void)state;
	expect_heard(l.port, l.fds[0]);
	listening_close(&l);
	assert_int_equal(listener_port_holder(same.port, text, sizeof(text)), -1);
	assert_string_equal(text, "");
	l = opened(&same);
	assert_int_equal(l.port, same.port);
	listening_close(&l);
}

static void a_port_that_was_given_up_is_free_while_another_process_has_a_copy(void **state)
{
	struct listening l = anywhere();
	const struct listening_config same = {.port = l.port};
	const int copies[] = {dup(l.fds[0]), dup(l.fds[1])};

	(void)state;
	listening_close(&l);
	l = opened(&same);
	expect_heard(l.port, l.fds[0]);
	listening_close(&l);
	for (size_t i = 0; i < COUNT_OF(copies); i++)
		close(copies[i]);
}

static void it_listens_on_the_address_it_is_given(void **state)
{
	static const struct {
		const char *address;
		const char *wrong; /* NULL: nothing */
	} cases[] = {
		{"127.0.0.2", NULL},
		{"192.0.2.1", "192.0.2.1 is no address of this machine"},
		{"localhost", "localhost is no IPv4 or IPv6 address"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct listening_config config = {.address = cases[i].address};
		struct listening l;
		struct err e = {0};
		int r = listening_open(&config, &l, &e);

		assert_int_equal(r, cases[i].wrong != NULL ? ERR_CONFIG : 0);
		if (r != 0)
			expect_in(e.text, cases[i].wrong);
		else
			listening_close(&l);
	}
}

static int listening(const char *address)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(inet_pton(AF_INET, address, &a.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static int port_of_socket(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin_port);
}

static void a_socket_it_was_given_is_used_and_stays_open(void **state)
{
	const int fds[] = {listening("127.0.0.1"), listening("0.0.0.0")};
	const struct listening_config config = {
		.port = port_of_socket(fds[1]),
		.passed = fds,
		.passed_count = COUNT_OF(fds),
	};

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct listening l = opened(&config);

		assert_int_equal(l.port, config.port);
		expect_heard(config.port, l.fds[0]);
		listening_close(&l);
	}
	expect_heard(config.port, fds[1]); /* it listens still */
	close(fds[0]);
	close(fds[1]);
}

/* All addresses were asked for, and the socket has one: it would not hear the CA. */
static void a_socket_of_another_address_is_not_used(void **state)
{
	static const struct {
		const char *passed, *wanted;
		bool used;
	} cases[] = {
		{"127.0.0.1", NULL, false},
		{"127.0.0.1", "127.0.0.1", true},
		{"0.0.0.0", "127.0.0.1", true},
		{"0.0.0.0", NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const int fd = listening(cases[i].passed);
		const struct listening_config config = {
			.address = cases[i].wanted,
			.port = port_of_socket(fd),
			.passed = &fd,
			.passed_count = 1,
		};
		struct listening second;
		bool taken = listening_open(&config, &second, NULL) == 0;

		if (taken != cases[i].used)
			fail_msg("case %zu", i);
		if (taken)
			listening_close(&second);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_taken_port_is_busy_and_its_holder_has_a_name),
		cmocka_unit_test(a_port_that_changes_hands_has_another_socket),
		cmocka_unit_test(a_free_port_has_no_holder_and_can_be_had_again),
		cmocka_unit_test(a_port_that_was_given_up_is_free_while_another_process_has_a_copy),
		cmocka_unit_test(it_listens_on_the_address_it_is_given),
		cmocka_unit_test(a_socket_it_was_given_is_used_and_stays_open),
		cmocka_unit_test(a_socket_of_another_address_is_not_used),
	};

	alarm(60); /* somebody who never comes */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
