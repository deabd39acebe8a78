/* SPDX-License-Identifier: MIT
 *
 * The responder as a process: this very binary, started again as `respond`. In a folder of answers
 * where a file "mad" is, it becomes one that says whatever stands there.
 */
#include "tests/unit.h"

#include "agent/responder.h"

#include "agent/confine.h"
#include "agent/loop.h"
#include "agent/respond.h"
#include "base/mem.h"
#include "base/message.h"
#include "base/strlist.h"
#include "hooks/child.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOKEN  "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
#define ANSWER TOKEN ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
#define ASK    "GET /.well-known/acme-challenge/" TOKEN " HTTP/1.1\r\nHost: a.example\r\n\r\n"

struct world {
	struct loop *loop;
	char directory[64];
	struct responder *responder;
	struct listening_config where;
	char fetched[MESSAGE_TEXT];
	int fetches;
	int serves;
};

static void on_fetched(void *arg, const char *token)
{
	struct world *w = arg;

	w->fetches++;
	snprintf(w->fetched, sizeof(w->fetched), "%s", token);
}

static void on_serves(void *arg)
{
	((struct world *)arg)->serves++;
}

static void write_file(const struct world *w, const char *name, const char *text)
{
	AUTO_FREE char *path = mem_printf("%s/%s", w->directory, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

static void remove_file(const struct world *w, const char *name)
{
	AUTO_FREE char *path = mem_printf("%s/%s", w->directory, name);

	(void)unlink(path);
}

/* A port that was free a moment ago. */
static int free_port(void)
{
	static const struct listening_config anywhere = {.address = "127.0.0.1"};
	struct listening l;
	struct err e;

	if (listening_open(&anywhere, &l, &e) != 0)
		fail_msg("%s", e.text);
	listening_close(&l);
	return l.port;
}

static int setup_as(void **state, bool here)
{
	struct world *w = mem_new(sizeof(*w));
	struct responder_config config = {
		.clock = clock_system(),
		.here = here,
		.fetched = on_fetched,
		.serves = on_serves,
		.arg = w,
	};
	struct err e;

	strcpy(w->directory, "/tmp/everleaf-responder-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	assert_int_equal(chmod(w->directory, 0711), 0);
	write_file(w, TOKEN, ANSWER);
	assert_int_equal(loop_event_new(&w->loop, &e), 0);
	config.loop = w->loop;
	config.answers = w->directory;
	if (responder_new(&config, &w->responder, &e) != 0)
		fail_msg("%s", e.text);
	w->where = (struct listening_config){.address = "127.0.0.1", .port = free_port()};
	*state = w;
	return 0;
}

static int setup(void **state)
{
	return setup_as(state, false);
}

static int setup_here(void **state)
{
	return setup_as(state, true);
}

static int teardown(void **state)
{
	struct world *w = *state;

	responder_free(w->responder);
	loop_event_free(w->loop);
	remove_file(w, TOKEN);
	remove_file(w, "mad");
	assert_int_equal(rmdir(w->directory), 0);
	free(w);
	return 0;
}

static void turn(const struct world *w)
{
	assert_int_equal(loop_wait(w->loop, 1000), 0);
}

static void open_port(const struct world *w)
{
	struct err e;

	if (responder_open(w->responder, &w->where, &e) != 0)
		fail_msg("%s", e.text);
}

static void begin(const struct world *w)
{
	open_port(w);
	while (!responder_serves(w->responder, &w->where))
		turn(w);
}

static int connect_to(const struct world *w)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)w->where.port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, ASK, strlen(ASK), MSG_NOSIGNAL), strlen(ASK));
	return fd;
}

/* Waits for the answer, or turns the wheel until it is there. */
static void expect_answer(const struct world *w, int fd, bool turns)
{
	char said[2048] = "";
	size_t len = 0;
	ssize_t n = 1;

	while (n != 0) {
		n = recv(fd, said + len, sizeof(said) - 1 - len, turns ? MSG_DONTWAIT : 0);
		if (n > 0)
			len += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			turn(w);
		else if (n < 0)
			fail_msg("%s", strerror(errno));
	}
	if (strstr(said, ANSWER) == NULL)
		fail_msg("it said '%s'", said);
	close(fd);
}

/* The youngest child: earlier ones may not be reaped yet. */
static pid_t responder_pid(void)
{
	AUTO_FREE char *path = mem_printf("/proc/self/task/%d/children", (int)getpid());
	FILE *f = fopen(path, "re");
	int pid = 0;

	assert_non_null(f);
	while (fscanf(f, "%d", &pid) == 1)
		;
	fclose(f);
	assert_int_not_equal(pid, 0);
	return pid;
}

static void a_fetch_is_answered_and_told(void **state)
{
	struct world *w = *state;

	begin(w);
	expect_answer(w, connect_to(w), true);
	while (w->fetches == 0)
		turn(w);
	assert_int_equal(w->fetches, 1);
	assert_string_equal(w->fetched, TOKEN);
}

static void a_ca_is_answered_while_we_do_nothing(void **state)
{
	struct world *w = *state;

	begin(w);
	for (int i = 0; i < 10; i++)
		expect_answer(w, connect_to(w), false); /* the wheel stands still */
	assert_int_equal(w->fetches, 0);
	while (w->fetches < 10)
		turn(w);
}

static void more_fetches_than_anybody_hears_of_keep_no_ca_waiting(void **state)
{
	struct world *w = *state;

	begin(w);
	for (int i = 0; i < 1000; i++)
		expect_answer(w, connect_to(w), false);
	while (w->fetches < 100)
		turn(w);
}

static void who_connects_before_it_is_there_waits_for_it(void **state)
{
	struct world *w = *state;
	int fd;

	open_port(w);
	assert_true(responder_listens(w->responder));
	fd = connect_to(w);
	expect_answer(w, fd, true);
}

static void one_that_dies_is_followed_and_who_waits_is_answered(void **state)
{
	struct world *w = *state;

	begin(w);
	for (int i = 0; i < 3; i++) {
		pid_t pid = responder_pid();

		assert_int_equal(kill(pid, SIGKILL), 0);
		while (responder_serves(w->responder, &w->where))
			turn(w);
		assert_non_null(strstr(responder_trouble(w->responder)->text,
				       "everleaf respond was ended by signal 9 (Killed)"));
		expect_answer(w, connect_to(w), true);
		while (!responder_serves(w->responder, &w->where))
			turn(w);
		assert_int_not_equal(responder_pid(), pid);
	}
	assert_int_equal(responder_trouble(w->responder)->code, ERR_NONE);
}

static void a_port_that_is_given_up_can_be_had_again(void **state)
{
	struct world *w = *state;
	struct listening l;
	int fd;

	for (int i = 0; i < 5; i++) {
		begin(w);
		expect_answer(w, connect_to(w), true);
		responder_close(w->responder);
		assert_false(responder_listens(w->responder));
		assert_int_equal(listening_open(&w->where, &l, NULL), 0); /* by anybody */
		fd = connect_to(w);
		listening_close(&l);
		close(fd);
	}
}

static void a_second_port_is_served_by_the_same_process(void **state)
{
	struct world *w = *state;
	pid_t pid;

	begin(w);
	pid = responder_pid();
	w->where.port = free_port();
	begin(w);
	expect_answer(w, connect_to(w), true);
	assert_int_equal(responder_pid(), pid);
}

/* A number that stands in its /proc/PID/status. */
static unsigned long long status_of(pid_t pid, const char *name, int base)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	size_t len = strlen(name);
	char line[256];
	unsigned long long value = 99;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			value = strtoull(line + len + 1, NULL, base);
	fclose(f);
	return value;
}

static void it_has_no_right_that_it_does_not_need(void **state)
{
	struct world *w = *state;
	pid_t pid;

	begin(w);
	pid = responder_pid();
	assert_int_equal(status_of(pid, "NoNewPrivs", 10), 1);
	assert_int_equal(status_of(pid, "CapEff", 16), 0);
	assert_int_equal(status_of(pid, "CapPrm", 16), 0);
	if ((status_of(getpid(), "CapEff", 16) >> CAP_SETUID & 1) != 0)
		assert_int_equal(status_of(pid, "Uid", 10), CONFINE_USER);
}

/* Each descriptor that it has leads to one of these. */
static void it_has_no_file_of_ours(void **state)
{
	static const char *const may[] = {"socket:", "pipe:", "anon_inode:"};
	struct world *w = *state;
	AUTO_FREE char *fds = NULL;
	const struct dirent *entry;
	char to[256];
	DIR *dir;

	begin(w);
	fds = mem_printf("/proc/%d/fd", (int)responder_pid());
	dir = opendir(fds);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, to, sizeof(to) - 1);
		bool good = len < 0; /* . and .. */

		to[len > 0 ? len : 0] = '\0';
		for (size_t i = 0; i < COUNT_OF(may); i++)
			good = good || strncmp(to, may[i], strlen(may[i])) == 0;
		if (!good && strcmp(to, w->directory) != 0)
			fail_msg("it has %s", to);
	}
	closedir(dir);
}

/* What the mad one says, each with a verb that a responder may not say, or a text that it may not
 * say with it. */
static const char *const madness[] = {
	"0 ",          /* no verb */
	"1 x",         /* ours */
	"3 http-01",   /* ours, too */
	"77 x",        /* nobody's */
	"5 ../../etc", /* a fetched token that is none */
	"5 ",          /* the same */
};

static void a_responder_that_says_nonsense_is_ended_and_not_believed(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < COUNT_OF(madness); i++) {
		write_file(w, "mad", madness[i]);
		begin(w);
		while (responder_trouble(w->responder)->code == ERR_NONE)
			turn(w);
		assert_non_null(strstr(responder_trouble(w->responder)->text,
				       "it said what it must not say"));
		assert_int_equal(w->fetches, 0);
		remove_file(w, "mad");
		expect_answer(w, connect_to(w), true); /* by its follower */
		while (w->fetches == 0)
			turn(w);
		w->fetches = 0;
		responder_close(w->responder);
		teardown(state);
		setup(state);
		w = *state;
	}
}

/* --- what runs in the other process --- */

static int be_mad(const char *directory, FILE *f)
{
	struct message m = {0}, said = {.verb = RESPOND_SERVES};
	int verb = 0;

	if (fscanf(f, "%d %159s", &verb, said.text) < 1)
		return 9;
	(void)directory;
	while (message_receive(STDIN_FILENO, true, &m) == MESSAGE_GOT && m.verb != RESPOND_OPEN)
		message_clear(&m);
	said.id = m.id;
	(void)message_send(STDIN_FILENO, &said);
	said.verb = (uint32_t)verb;
	(void)message_send(STDIN_FILENO, &said);
	while (message_receive(STDIN_FILENO, true, &m) == MESSAGE_GOT)
		message_clear(&m);
	return 0;
}

static int respond(const char *directory)
{
	AUTO_FREE char *path = mem_printf("%s/mad", directory);
	FILE *f = fopen(path, "re");
	struct err e = {0};

	if (f != NULL)
		return be_mad(directory, f);
	if (respond_run(STDIN_FILENO, &e) == 0)
		return 0;
	fprintf(stderr, "%s\n", e.text);
	return 1;
}

/* Everything that a confined process must not be able to do; which one it could. */
static int try_to_escape(const char *directory)
{
	int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct confined c = {0};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	if (confine(dir, &c, NULL) != 0)
		return 1;
	if (openat(dir, TOKEN, O_RDONLY) < 0)
		return 2;
	if (c.landlock == 0 && !c.chroot)
		return 77; /* neither root nor Landlock: nothing to be had here */
	if (open("/etc/passwd", O_RDONLY) >= 0 || openat(dir, "../../etc/passwd", O_RDONLY) >= 0)
		return 3;
	if (openat(dir, TOKEN, O_WRONLY) >= 0 || openat(dir, "new", O_WRONLY | O_CREAT, 0600) >= 0)
		return 4;
	if (unlinkat(dir, TOKEN, 0) == 0)
		return 5;
	if (fork() >= 0 && geteuid() != 0)
		return 6;
	to.sin_port = htons(9);
	if (c.landlock >= 4 &&
	    (connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof(to)) == 0 ||
	     errno != EACCES))
		return 7;
	return 0;
}

static void on_escaped(void *arg, const struct child_result *result, const struct err *e)
{
	int *code = arg;

	*code = result != NULL ? result->exit_code : 99;
	(void)e;
}

static void who_is_confined_reads_one_folder_and_does_nothing_else(void **state)
{
	struct world *w = *state;
	struct strlist argv AUTO_STRLIST = {0};
	const struct child_request request = {.argv = &argv, .own_program = true};
	int code = -2;

	strlist_add(&argv, "everleaf");
	strlist_add(&argv, "escape");
	strlist_add(&argv, w->directory);
	child_start(w->loop, &request, on_escaped, &code);
	while (code == -2)
		turn(w);
	if (code == 77)
		skip();
	assert_int_equal(code, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define HERE(name) cmocka_unit_test_setup_teardown(name, setup_here, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fetch_is_answered_and_told),
		HERE(a_fetch_is_answered_and_told),
		TEST(a_ca_is_answered_while_we_do_nothing),
		TEST(more_fetches_than_anybody_hears_of_keep_no_ca_waiting),
		TEST(who_connects_before_it_is_there_waits_for_it),
		TEST(one_that_dies_is_followed_and_who_waits_is_answered),
		TEST(a_port_that_is_given_up_can_be_had_again),
		HERE(a_port_that_is_given_up_can_be_had_again),
		TEST(a_second_port_is_served_by_the_same_process),
		TEST(it_has_no_right_that_it_does_not_need),
		TEST(it_has_no_file_of_ours),
		TEST(a_responder_that_says_nonsense_is_ended_and_not_believed),
		TEST(who_is_confined_reads_one_folder_and_does_nothing_else),
	};

	alarm(60); /* an answer that never comes */
	if (argc == 3 && str_equal(argv[1], "respond"))
		return respond(argv[2]);
	if (argc == 3 && str_equal(argv[1], "escape"))
		_exit(try_to_escape(argv[2])); /* a sanitizer's last look would need /proc */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
