/* SPDX-License-Identifier: MIT */
#include "tests/unit/files_version.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- generations -------------------------------------------------------------------------- */

static void the_live_generation_and_the_one_before_are_kept(void **state)
{
	struct hook_scratch *s = *state;
	static const int64_t numbers[] = {1, 2, 5, 9, 10, 11, 100};

	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		AUTO_FREE char *live = mem_printf(".gen/%" PRId64, numbers[i]);
		AUTO_FREE char *before =
			mem_printf("certs/.gen/%" PRId64, numbers[i > 0 ? i - 1 : 0]);

		assert_int_equal(files_install(s, numbers[i]), ERR_NONE);
		assert_live(s, numbers[i]);
		assert_link(s, "certs/.live", live);
		assert_int_equal(mode_of(s, before), S_IFDIR | 0755);
		assert_int_equal(entries_of(s, "certs/.gen"), i == 0 ? 1 : 2);
	}
}

/* What a crash left behind, at every place where it can. */
static void what_a_crash_left_behind_is_swept(void **state)
{
	struct hook_scratch *s = *state;

	assert_int_equal(files_install(s, 3), ERR_NONE);
	assert_int_equal(mkdir(scratch_path(s, "certs/.gen/4.tmp-0123456789abcdef"), 0755), 0);
	scratch_write(s, "certs/.gen/4.tmp-0123456789abcdef/privkey.pem", "KEY", 0600);
	assert_int_equal(mkdir(scratch_path(s, "certs/.gen/3.tmp-0123456789abcdef"), 0755), 0);
	assert_int_equal(symlink(".gen/4", scratch_path(s, "certs/.live.tmp-0123456789abcdef")), 0);
	assert_int_equal(mkdir(scratch_path(s, "certs/.gen/8"), 0755), 0); /* never went live */
	assert_int_equal(files_install(s, 4), ERR_NONE);
	assert_live(s, 4);
	assert_int_equal(entries_of(s, "certs"), 6);
	assert_int_equal(entries_of(s, "certs/.gen"), 2);
}

static void files_of_others_in_the_directory_stay(void **state)
{
	struct hook_scratch *s = *state;

	mkdir(scratch_path(s, "certs"), 0755);
	scratch_write(s, "certs/dhparam.pem", "theirs", 0644);
	scratch_write(s, "certs/.live.bak", "theirs", 0644);
	for (int64_t i = 1; i < 5; i++) {
		assert_int_equal(files_install(s, i), ERR_NONE);
		scratch_write(s, "certs/.gen/notes", "theirs", 0644);
	}
	assert_content(s, "certs/dhparam.pem", "theirs");
	assert_content(s, "certs/.live.bak", "theirs");
	assert_content(s, "certs/.gen/notes", "theirs");
}

/* What people do to a directory; the next install mends it. */
static const struct {
	const char *remove; /* below certs; NULL: nothing */
	const char *write;
	const char *content;
	mode_t mode;
} drifts[] = {
	{"privkey.pem", NULL, NULL, 0},
	{".live", NULL, NULL, 0},
	{".gen/7/cert.pem", NULL, NULL, 0},
	{NULL, ".gen/7/cert.pem", "CERT 8\n", 0644}, /* same length */
	{NULL, ".gen/7/cert.pem", "CERT 7\n\n", 0644},
	{NULL, ".gen/7/privkey.pem", "", 0600},
	{NULL, ".gen/7/privkey.pem", "KEY 7\n", 0644}, /* everybody could read it */
};

static void what_people_changed_is_put_right_by_the_next_install(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_FREE char *right = NULL;

	assert_int_equal(files_install(s, 7), ERR_NONE);
	right = scratch_tree(s);
	for (size_t i = 0; i < COUNT_OF(drifts); i++) {
		AUTO_FREE char *removed = mem_printf("certs/%s", drifts[i].remove);
		AUTO_FREE char *written = mem_printf("certs/%s", drifts[i].write);
		AUTO_FREE char *after = NULL;

		if (drifts[i].remove != NULL)
			assert_int_equal(unlink(scratch_path(s, removed)), 0);
		if (drifts[i].write != NULL)
			scratch_write(s, written, drifts[i].content, drifts[i].mode);
		assert_int_equal(files_install(s, 7), ERR_NONE);
		after = scratch_tree(s);
		assert_string_equal(after, right);
	}
}

/* --- what readers see --------------------------------------------------------------------- */

/* The number after the word, through one open of .live; -1: missing or torn. */
static long read_number(int live_fd, const char *name, const char *word)
{
	char text[64];
	int fd = openat(live_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	size_t skip = strlen(word);

	if (fd >= 0)
		close(fd);
	if (len <= (ssize_t)skip || text[len - 1] != '\n' || strncmp(text, word, skip) != 0)
		return -1;
	text[len] = '\0';
	return strtol(text + skip, NULL, 10);
}

/* Key and certificate as a server reads them that opens the directory once. False: no pair. A
 * reader that was overtaken by two whole installs meanwhile opens it again, as it must. */
static bool read_pair(const char *live, long *ret_number)
{
	struct stat opened, now;
	char before[64] = "", after[64] = "";
	ssize_t had = readlink(live, before, sizeof(before) - 1);
	int fd = open(live, O_PATH | O_DIRECTORY | O_CLOEXEC);
	long key, cert;
	bool overtaken;

	/* pruned between reading the link and following it: it leads elsewhere by now */
	if (fd < 0)
		return had > 0 && errno == ENOENT && readlink(live, after, sizeof(after) - 1) > 0 &&
		       strcmp(before, after) != 0;
	key = read_number(fd, "privkey.pem", "KEY ");
	cert = read_number(fd, "cert.pem", "CERT ");
	overtaken = fstat(fd, &opened) != 0 || stat(live, &now) != 0 || opened.st_ino != now.st_ino;
	close(fd);
	if (key < 0 || cert < 0)
		return overtaken; /* its generation was pruned under it */
	*ret_number = key;
	return key == cert;
}

/* Exit code 0: only pairs, and never an older one after a newer one. */
__attribute__((noreturn)) static void read_until(const char *live, long last)
{
	long number = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (number < last) {
		long before = number;

		if (!read_pair(live, &number))
			_exit(1);
		if (number < before)
			_exit(2);
	}
	_exit(0);
}

static void a_reader_always_finds_a_matching_pair(void **state)
{
	struct hook_scratch *s = *state;
	const int64_t last = 200;
	AUTO_FREE char *live = mem_printf("%s/certs/.live", s->dir);
	int status = -1;
	pid_t reader;

	assert_int_equal(files_install(s, 1), ERR_NONE);
	reader = fork();
	if (reader == 0)
		read_until(live, (long)last);
	for (int64_t i = 2; i <= last; i++) {
		assert_int_equal(files_install(s, i), ERR_NONE);
		assert_int_equal(files_install(s, i), ERR_NONE);
	}
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
}

/* Whether it is mended or not, the live generation is never missing. */
static void a_reader_finds_no_hole_while_the_live_generation_is_mended(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_FREE char *live = mem_printf("%s/certs/.live", s->dir);
	int status = -1;
	pid_t reader;

	assert_int_equal(files_install(s, 1), ERR_NONE);
	reader = fork();
	if (reader == 0)
		read_until(live, 2);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(chmod(scratch_path(s, "certs/.gen/1/chain.pem"), 0600), 0);
		assert_int_equal(files_install(s, 1), ERR_NONE);
	}
	assert_int_equal(files_install(s, 2), ERR_NONE);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
}

/* Installs on and on, from number upwards. */
__attribute__((noreturn)) static void install_for_ever(struct hook_scratch *s, int64_t number)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		files_install(s, number++);
}

/* Killed at whatever point it has reached; the numbered points are the crash tests' affair. */
static void a_kill_at_any_moment_leaves_the_old_or_the_new(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_FREE char *live = mem_printf("%s/certs/.live", s->dir);
	long number = 1;

	assert_int_equal(files_install(s, 1), ERR_NONE);
	for (int i = 0; i < 60; i++) {
		struct timespec moment = {.tv_nsec = i * 100000L};
		pid_t installer = fork();

		if (installer == 0)
			install_for_ever(s, number);
		ppoll(NULL, 0, &moment, NULL);
		kill(installer, SIGKILL);
		assert_int_equal(waitpid(installer, NULL, 0), installer);
		assert_true(read_pair(live, &number));
		assert_live(s, number);
	}
	assert_int_equal(files_install(s, number + 1), ERR_NONE);
	assert_live(s, number + 1);
	assert_int_equal(entries_of(s, "certs"), 6);
	assert_int_equal(entries_of(s, "certs/.gen"), 2);
}

#define SCRATCH_TEST(test)                                                                         \
	cmocka_unit_test_setup_teardown(test, hook_scratch_setup, hook_scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(the_live_generation_and_the_one_before_are_kept),
		SCRATCH_TEST(what_a_crash_left_behind_is_swept),
		SCRATCH_TEST(files_of_others_in_the_directory_stay),
		SCRATCH_TEST(what_people_changed_is_put_right_by_the_next_install),
		SCRATCH_TEST(a_reader_always_finds_a_matching_pair),
		SCRATCH_TEST(a_reader_finds_no_hole_while_the_live_generation_is_mended),
		SCRATCH_TEST(a_kill_at_any_moment_leaves_the_old_or_the_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
