/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "agent/systemd.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define US 4711

struct listen_case {
	struct systemd_listen in;
	int http[3]; /* 0: no more */
	int control;
};

static void sockets_are_found_by_their_names_and_only_by_whom_they_are_for(void **state)
{
	static const struct listen_case cases[] = {
		{{NULL, NULL, NULL}, {0}, -1},
		{{"4711", NULL, NULL}, {0}, -1},
		{{NULL, "1", NULL}, {0}, -1},
		{{"4712", "1", "http"}, {0}, -1}, /* our parent's */
		{{"4711", "1", NULL}, {3}, -1},
		{{"4711", "2", NULL}, {3, 4}, -1},
		{{"4711", "2", "http"}, {3, 4}, -1}, /* names run out */
		{{"4711", "1", ""}, {3}, -1},
		{{"4711", "1", "unknown"}, {3}, -1}, /* what systemd calls no name */
		{{"4711", "2", "http:control"}, {3}, 4},
		{{"4711", "3", "control:http:http"}, {4, 5}, 3},
		{{"4711", "3", "control:other:http"}, {5}, 3},
		{{"4711", "2", "control:control"}, {0}, 3}, /* the first one */
		{{"4711", "2", "https:httpx"}, {0}, -1},
		{{"4711", "3", "a::http"}, {4, 5}, -1},
		{{"4711", "0", "http"}, {0}, -1},
		{{"4711", "-1", "http"}, {0}, -1},
		{{"4711", "1x", "http"}, {0}, -1},
		{{"4711", "", "http"}, {0}, -1},
		{{"4711 ", "1", "http"}, {0}, -1},
		{{"+4711", "1", "http"}, {0}, -1},
		{{"4711", "99999999999999999999", "http"}, {0}, -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct passed_sockets got;
		size_t count = 0;

		systemd_listen_parse(&cases[i].in, US, &got);
		while (count < COUNT_OF(cases[i].http) && cases[i].http[count] != 0)
			count++;
		if (got.http_count != count || got.control != cases[i].control ||
		    memcmp(got.http, cases[i].http, count * sizeof(int)) != 0)
			fail_msg("case %zu: %zu http, control %d", i, got.http_count, got.control);
	}
}

static void more_sockets_than_there_is_room_for_are_left_alone(void **state)
{
	const struct systemd_listen l = {"4711", "1000000000", NULL};
	struct passed_sockets got;

	(void)state;
	systemd_listen_parse(&l, US, &got);
	assert_int_equal(got.http_count, SYSTEMD_MAX_SOCKETS);
	assert_int_equal(got.http[SYSTEMD_MAX_SOCKETS - 1],
			 SYSTEMD_FIRST_FD + SYSTEMD_MAX_SOCKETS - 1);
}

/* A socket as a service manager has it; path may begin with '@'. */
static int manager(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(name.sun_path, path, strlen(path));
	if (path[0] == '@')
		name.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&name,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))),
			 0);
	return fd;
}

static void is_heard_at(const char *path)
{
	char heard[128] = "";
	int fd = manager(path);

	assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
	systemd_notify("READY=1\nSTATUS=running");
	assert_true(recv(fd, heard, sizeof(heard) - 1, 0) > 0);
	assert_string_equal(heard, "READY=1\nSTATUS=running");
	close(fd);
	systemd_notify("WATCHDOG=1"); /* the manager is gone: nothing happens */
}

static void a_manager_is_told_at_a_path_and_at_an_abstract_name(void **state)
{
	char folder[] = "/tmp/everleaf-notify-XXXXXX";
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *abstract = mem_printf("@everleaf-test-%d", (int)getpid());

	(void)state;
	assert_non_null(mkdtemp(folder));
	path = mem_printf("%s/notify", folder);
	is_heard_at(path);
	is_heard_at(abstract);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void a_notify_socket_that_is_none_is_ignored(void **state)
{
	char longer[200];
	const char *bad[] = {"", "@", "/", "relative", "vsock:2:1", longer};
	int before;

	(void)state;
	memset(longer, '/', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	before = dup(0);
	close(before);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(setenv("NOTIFY_SOCKET", bad[i], 1), 0);
		systemd_notify("READY=1");
	}
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	systemd_notify("READY=1");
	assert_int_equal(dup(0), before); /* no descriptor was left open */
	close(before);
}

static void the_watchdog_is_fed_twice_in_its_time(void **state)
{
	AUTO_FREE char *us = mem_printf("%d", (int)getpid());
	AUTO_FREE char *other = mem_printf("%d", (int)getppid());

	(void)state;
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(systemd_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(systemd_watchdog_ms(), 15000);
	setenv("WATCHDOG_PID", us, 1);
	assert_int_equal(systemd_watchdog_ms(), 15000);
	setenv("WATCHDOG_PID", other, 1);
	assert_int_equal(systemd_watchdog_ms(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "1", 1);
	assert_int_equal(systemd_watchdog_ms(), 1);
	setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(systemd_watchdog_ms(), 0);
	unsetenv("WATCHDOG_USEC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_are_found_by_their_names_and_only_by_whom_they_are_for),
		cmocka_unit_test(more_sockets_than_there_is_room_for_are_left_alone),
		cmocka_unit_test(a_manager_is_told_at_a_path_and_at_an_abstract_name),
		cmocka_unit_test(a_notify_socket_that_is_none_is_ignored),
		cmocka_unit_test(the_watchdog_is_fed_twice_in_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
