/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "base/message.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct pair {
	int ends[2];
};

static int setup(void **state)
{
	struct pair *p = mem_new(sizeof(*p));

	assert_int_equal(message_pair(p->ends, NULL), 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	auto_close(&p->ends[0]);
	auto_close(&p->ends[1]);
	free(p);
	return 0;
}

static size_t descriptors_open(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void what_is_said_arrives_with_its_descriptors(void **state)
{
	const struct pair *p = *state;
	struct message m = {.verb = 7, .id = 8, .text = "words", .fd_count = 2};
	struct message got = {0};
	struct stat ours, theirs;

	m.fds[0] = m.fds[1] = STDERR_FILENO;
	assert_int_equal(message_send(p->ends[0], &m), MESSAGE_GOT);
	assert_int_equal(message_receive(p->ends[1], true, &got), MESSAGE_GOT);
	assert_int_equal(got.verb, 7);
	assert_int_equal(got.id, 8);
	assert_string_equal(got.text, "words");
	assert_int_equal(got.fd_count, 2);
	assert_int_equal(fstat(STDERR_FILENO, &ours), 0);
	assert_int_equal(fstat(got.fds[1], &theirs), 0);
	assert_int_equal(ours.st_ino, theirs.st_ino);
	assert_int_equal(fcntl(got.fds[0], F_GETFD), FD_CLOEXEC);
	message_clear(&got);
	assert_int_equal(got.fd_count, 0);
}

static void nothing_and_the_end_are_told_apart(void **state)
{
	struct pair *p = *state;
	struct message m = {.verb = 1};

	assert_int_equal(message_receive(p->ends[1], false, &m), MESSAGE_NONE);
	close(TAKE_FD(p->ends[0]));
	assert_int_equal(message_receive(p->ends[1], false, &m), MESSAGE_END);
	assert_int_equal(message_receive(p->ends[1], true, &m), MESSAGE_END);
	assert_int_equal(message_send(p->ends[1], &m), MESSAGE_END);
	assert_int_equal(m.verb, 1);
}

static void who_reads_nothing_keeps_nobody_waiting(void **state)
{
	const struct pair *p = *state;
	const struct message m = {.verb = 1};
	enum message_result result;

	do
		result = message_send(p->ends[0], &m);
	while (result == MESSAGE_GOT);
	assert_int_equal(result, MESSAGE_NONE);
}

/* Sends bytes with a descriptor, as no side of ours does. */
static void send_raw(int fd, const void *data, size_t len, size_t descriptors)
{
	int fds[8] = {0, 1, 2, 0, 1, 2, 0, 1};
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	union {
		char bytes[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr header = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(descriptors * sizeof(int)),
	};

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(descriptors * sizeof(int));
	memcpy(CMSG_DATA(&control.align), fds, descriptors * sizeof(int));
	assert_int_equal(sendmsg(fd, &header, MSG_NOSIGNAL), len);
}

static void what_is_no_message_is_refused_and_leaves_no_descriptor(void **state)
{
	const struct pair *p = *state;
	struct {
		uint32_t numbers[2];
		char text[MESSAGE_TEXT + 1];
	} raw;
	const size_t whole = sizeof(raw.numbers) + MESSAGE_TEXT;
	const struct {
		size_t len, descriptors;
		char fill; /* of the text */
	} cases[] = {
		{1, 1, 0},         /* too short */
		{whole - 1, 1, 0}, /* by a byte */
		{whole + 1, 1, 0}, /* too long */
		{whole, 8, 0},     /* more descriptors than there may be */
		{whole, 1, 'x'},   /* a text without an end */
	};
	struct message m = {.verb = 1};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		size_t before = descriptors_open();

		memset(&raw, 0, sizeof(raw));
		memset(raw.text, cases[i].fill, sizeof(raw.text));
		send_raw(p->ends[0], &raw, cases[i].len, cases[i].descriptors);
		if (message_receive(p->ends[1], false, &m) != MESSAGE_BAD)
			fail_msg("case %zu", i);
		assert_int_equal(m.verb, 1);
		assert_int_equal(descriptors_open(), before);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_said_arrives_with_its_descriptors),
		TEST(nothing_and_the_end_are_told_apart),
		TEST(who_reads_nothing_keeps_nobody_waiting),
		TEST(what_is_no_message_is_refused_and_leaves_no_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
