/* SPDX-License-Identifier: MIT
 *
 * test_file — files read under a limit and replaced so that nothing half-written is ever seen.
 */
#include "tests/unit.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of the test's own, removed with what is in it. */
struct folder {
	char path[64];
	int fd;
};

static int make_folder(void **state)
{
	struct folder *f = mem_new(sizeof(*f));

	strcpy(f->path, "/tmp/everleaf-file-XXXXXX");
	if (mkdtemp(f->path) == NULL)
		return -1;
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return f->fd < 0 ? -1 : 0;
}

static void empty_folder(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fdopendir(fd);

	for (struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d)) {
		if (str_equal(entry->d_name, ".") || str_equal(entry->d_name, ".."))
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		empty_folder(fd, entry->d_name);
		unlinkat(fd, entry->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

static int remove_folder(void **state)
{
	struct folder *f = *state;

	empty_folder(f->fd, ".");
	close(f->fd);
	rmdir(f->path);
	free(f);
	return 0;
}

/* Path of a name in the folder; freed by the caller. */
static char *path_in(const struct folder *f, const char *name)
{
	return mem_printf("%s/%s", f->path, name);
}

static size_t count_entries(const struct folder *f)
{
	DIR *d = fdopendir(openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	size_t count = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count - 2; /* "." and ".." */
}

static mode_t mode_of(const struct folder *f, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

static void assert_content(const struct folder *f, const char *name, const char *want)
{
	AUTO_FREE char *path = path_in(f, name);
	struct buf b AUTO_BUF = {0};
	struct err e = {0};

	buf_init(&b, 1 << 20);
	assert_int_equal(file_read(path, &b, &e), 0);
	assert_string_equal(b.data, want);
}

static int replace(int fd, const char *name, const char *text, mode_t mode, struct err *e)
{
	const struct buf content = {.data = (char *)(uintptr_t)text, .len = strlen(text)};

	return file_replace_at(fd, name, &content, mode, e);
}

static void a_replaced_file_has_the_new_content_and_the_exact_mode(void **state)
{
	struct folder *f = *state;
	struct err e = {0};
	mode_t old = umask(077);

	assert_int_equal(replace(f->fd, "a", "one", 0644, &e), 0);
	umask(0);
	assert_content(f, "a", "one");
	assert_int_equal(mode_of(f, "a"), S_IFREG | 0644);
	assert_int_equal(replace(f->fd, "a", "", 0600, &e), 0);
	umask(old);
	assert_content(f, "a", "");
	assert_int_equal(mode_of(f, "a"), S_IFREG | 0600);
	assert_int_equal(count_entries(f), 1); /* no temporary file is left */
	assert_int_equal(e.code, ERR_NONE);
}

static void who_has_the_old_file_open_goes_on_reading_the_old_one(void **state)
{
	struct folder *f = *state;
	struct err e = {0};
	int fd AUTO_FD = -1;
	char seen[8] = "";

	assert_int_equal(replace(f->fd, "a", "old", 0600, &e), 0);
	fd = openat(f->fd, "a", O_RDONLY | O_CLOEXEC);
	assert_int_equal(replace(f->fd, "a", "new", 0600, &e), 0);
	assert_int_equal(read(fd, seen, sizeof(seen) - 1), 3);
	assert_string_equal(seen, "old");
	assert_content(f, "a", "new");
}

static void a_link_in_the_way_is_replaced_and_not_followed(void **state)
{
	struct folder *f = *state;
	struct err e = {0};

	assert_int_equal(replace(f->fd, "target", "kept", 0600, &e), 0);
	assert_int_equal(symlinkat("target", f->fd, "link"), 0);
	assert_int_equal(replace(f->fd, "link", "new", 0600, &e), 0);
	assert_content(f, "target", "kept");
	assert_content(f, "link", "new");
	assert_int_equal(mode_of(f, "link"), S_IFREG | 0600);
}

static void a_replacement_that_fails_leaves_nothing_behind(void **state)
{
	struct folder *f = *state;
	struct err e = {0};

	assert_int_equal(mkdirat(f->fd, "folder", 0700), 0);
	assert_int_equal(replace(f->fd, "folder", "x", 0600, &e), ERR_SYS);
	assert_non_null(strstr(e.text, "while writing folder: "));
	assert_non_null(strstr(e.text, "Is a directory"));
	assert_int_equal(count_entries(f), 1);
	assert_int_equal(replace(-1, "a", "x", 0600, &e), ERR_SYS);
}

static const char *const no_names[] = {"", ".", "..", "/", "a/b", "../a", "/etc/everleaf"};

static void a_name_that_leads_out_of_the_folder_is_refused(void **state)
{
	struct folder *f = *state;

	for (size_t i = 0; i < COUNT_OF(no_names); i++) {
		struct err e = {0};

		assert_int_equal(replace(f->fd, no_names[i], "x", 0600, &e), ERR_SYS);
		assert_int_equal(e.code, ERR_SYS);
	}
	assert_int_equal(count_entries(f), 0);
}

static void a_file_at_the_limit_is_read_and_a_larger_one_refused_whole(void **state)
{
	struct folder *f = *state;
	AUTO_FREE char *path = path_in(f, "a");
	AUTO_FREE char *content = mem_new(10001);
	struct buf b AUTO_BUF = {0};
	struct err e = {0};

	memset(content, 'x', 10000);
	assert_int_equal(replace(f->fd, "a", content, 0600, &e), 0);
	buf_init(&b, 10004);
	buf_add_text(&b, "+ 1 ");
	assert_int_equal(file_read(path, &b, &e), 0);
	assert_int_equal(b.len, 10004);
	buf_free(&b);
	buf_init(&b, 10003);
	buf_add_text(&b, "+ 1 ");
	assert_int_equal(file_read(path, &b, &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "is larger than 10003 bytes"));
	assert_int_equal(b.len, 4);
	assert_string_equal(b.data, "+ 1 ");
}

static void what_is_no_file_is_refused_with_its_name(void **state)
{
	struct folder *f = *state;
	AUTO_FREE char *missing = path_in(f, "missing");
	AUTO_FREE char *fifo = path_in(f, "fifo");
	struct buf b AUTO_BUF = {0};
	struct err e = {0};

	buf_init(&b, 100);
	assert_int_equal(file_read(missing, &b, &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "/missing: No such file or directory"));
	assert_int_equal(file_read(f->path, &b, &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "not a regular file"));
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(file_read(fifo, &b, &e), ERR_CONFIG); /* and does not wait for a writer */
	assert_int_equal(b.len, 0);
}

static void writing_to_a_closed_pipe_is_an_error_with_its_reason(void **state)
{
	struct err e = {0};
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(file_write_all(fds[1], "abc", 3, &e), 0);
	close(fds[0]);
	assert_int_equal(file_write_all(fds[1], "abc", 3, &e), ERR_SYS);
	assert_string_equal(e.text, "cannot write: Broken pipe");
	assert_int_equal(file_sync(fds[1], "the pipe", &e), ERR_SYS); /* has no disk */
	close(fds[1]);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_FOLDER(a_replaced_file_has_the_new_content_and_the_exact_mode),
		IN_A_FOLDER(who_has_the_old_file_open_goes_on_reading_the_old_one),
		IN_A_FOLDER(a_link_in_the_way_is_replaced_and_not_followed),
		IN_A_FOLDER(a_replacement_that_fails_leaves_nothing_behind),
		IN_A_FOLDER(a_name_that_leads_out_of_the_folder_is_refused),
		IN_A_FOLDER(a_file_at_the_limit_is_read_and_a_larger_one_refused_whole),
		IN_A_FOLDER(what_is_no_file_is_refused_with_its_name),
		cmocka_unit_test(writing_to_a_closed_pipe_is_an_error_with_its_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
