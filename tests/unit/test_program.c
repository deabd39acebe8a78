/* SPDX-License-Identifier: MIT */
#include "tests/unit/hook_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

/* --- what may be run ----------------------------------------------------- */

static int check(const char *path, struct err *e)
{
	struct strlist argv AUTO_STRLIST = {0};

	strlist_add(&argv, path);
	return child_check_command(&argv, e);
}

/* Root's group is root's word, so root needs another one to make something that a group may
 * write to. */
static void give_to_a_group(const char *path, mode_t mode)
{
	if (geteuid() == 0)
		assert_int_equal(chown(path, 0, NOBODY), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* Makes one program, of which the path is returned. */
typedef const char *make_fn(const struct hook_scratch *s);

static const char *make_good(const struct hook_scratch *s)
{
	return scratch_script(s, "good", "echo good");
}

static const char *make_missing(const struct hook_scratch *s)
{
	return scratch_path(s, "missing");
}

static const char *make_not_executable(const struct hook_scratch *s)
{
	return scratch_write(s, "data", "#!/bin/sh\n", 0644);
}

static const char *make_group_writable(const struct hook_scratch *s)
{
	const char *path = scratch_write(s, "group", "#!/bin/sh\n", 0755);

	give_to_a_group(path, 0775);
	return path;
}

static const char *make_world_writable(const struct hook_scratch *s)
{
	return scratch_write(s, "world", "#!/bin/sh\n", 0757);
}

static const char *make_directory(const struct hook_scratch *s)
{
	mkdir(scratch_path(s, "folder"), 0755);
	return scratch_path(s, "folder");
}

static const char *make_fifo(const struct hook_scratch *s)
{
	mkfifo(scratch_path(s, "fifo"), 0755);
	chmod(scratch_path(s, "fifo"), 0755);
	return scratch_path(s, "fifo");
}

static const char *make_relative(const struct hook_scratch *s)
{
	(void)s;
	return "bin/true";
}

static const char *make_empty(const struct hook_scratch *s)
{
	(void)s;
	return "";
}

static const char *make_below_a_file(const struct hook_scratch *s)
{
	scratch_script(s, "good", "echo good");
	return scratch_path(s, "good/script");
}

static const char *make_trailing_slash(const struct hook_scratch *s)
{
	mkdir(scratch_path(s, "folder"), 0755);
	return scratch_path(s, "folder/");
}

static const char *make_in_open_folder(const struct hook_scratch *s)
{
	mkdir(scratch_path(s, "open"), 0755);
	scratch_script(s, "open/script", "echo bad");
	chmod(scratch_path(s, "open"), 0777);
	return scratch_path(s, "open/script");
}

static const char *make_in_group_folder(const struct hook_scratch *s)
{
	mkdir(scratch_path(s, "shared"), 0755);
	scratch_script(s, "shared/script", "echo bad");
	give_to_a_group(scratch_path(s, "shared"), 0775);
	return scratch_path(s, "shared/script");
}

/* The link is safe, what it goes through is not. */
static const char *make_link_through_open_folder(const struct hook_scratch *s)
{
	make_in_open_folder(s);
	if (symlink("open/script", scratch_path(s, "link")) != 0)
		assert_int_equal(errno, EEXIST);
	return scratch_path(s, "link");
}

static const char *make_link_loop(const struct hook_scratch *s)
{
	if (symlink("loop", scratch_path(s, "loop")) != 0)
		assert_int_equal(errno, EEXIST);
	return scratch_path(s, "loop");
}

static const char *make_dangling_link(const struct hook_scratch *s)
{
	if (symlink("nowhere", scratch_path(s, "dangling")) != 0)
		assert_int_equal(errno, EEXIST);
	return scratch_path(s, "dangling");
}

static const char *make_sticky_folder(const struct hook_scratch *s)
{
	mkdir(scratch_path(s, "sticky"), 0755);
	scratch_script(s, "sticky/script", "echo good");
	chmod(scratch_path(s, "sticky"), 01777);
	return scratch_path(s, "sticky/script");
}

static const char *make_links(const struct hook_scratch *s)
{
	make_good(s);
	assert_int_equal(mkdir(scratch_path(s, "a"), 0755), 0);
	assert_int_equal(symlink("../good", scratch_path(s, "a/good")), 0);
	assert_int_equal(symlink("a", scratch_path(s, "b")), 0);
	assert_int_equal(symlink(scratch_path(s, "b//./good"), scratch_path(s, "c")), 0);
	return scratch_path(s, "a/../c");
}

static const char *make_no_interpreter(const struct hook_scratch *s)
{
	return scratch_write(s, "lost", "#!/nowhere/interpreter\n", 0755);
}

static const char *make_neither(const struct hook_scratch *s)
{
	return scratch_write(s, "neither", "echo hello\n", 0755);
}

static const char *make_long_name(const struct hook_scratch *s)
{
	static char path[1024];

	snprintf(path, sizeof(path), "%s/%0300d", s->dir, 0);
	return path;
}

static const struct {
	make_fn *make;
	const char *says; /* part of the sentence; NULL: it runs and prints "good" */
	bool when_run;    /* only the kernel can tell: child_check_command lets it pass */
} programs[] = {
	{make_good, NULL, false},
	{make_links, NULL, false},
	{make_sticky_folder, NULL, false},
	{make_missing, "No such file or directory", false},
	{make_not_executable, "is not executable for us", false},
	{make_group_writable, "others may write to it (mode 0775", false},
	{make_world_writable, "others may write to it (mode 0757", false},
	{make_directory, "is a directory", false},
	{make_trailing_slash, "is a directory", false},
	{make_fifo, "is not a regular file", false},
	{make_relative, "by its full path", false},
	{make_empty, "by its full path", false},
	{make_below_a_file, "is not a regular file", false},
	{make_in_open_folder, "others may write to the directory", false},
	{make_in_group_folder, "others may write to the directory", false},
	{make_link_through_open_folder, "others may write to the directory", false},
	{make_link_loop, "too many symbolic links", false},
	{make_dangling_link, "No such file or directory", false},
	{make_long_name, "File name too long", false},
	{make_no_interpreter, "the interpreter or loader that it names does not exist", true},
	{make_neither, "neither a program for this machine nor a script", true},
};

static void only_programs_that_nobody_else_can_change_are_run(void **state)
{
	struct hook_scratch *s = *state;

	for (size_t i = 0; i < COUNT_OF(programs); i++) {
		struct hook_outcome o AUTO_OUTCOME = {0};
		struct strlist argv AUTO_STRLIST = {0};
		struct child_request request = {.argv = &argv};
		struct err e = {0};
		const char *path = programs[i].make(s);
		bool fine = programs[i].says == NULL || programs[i].when_run;

		strlist_add(&argv, path);
		assert_int_equal(check(path, &e), fine ? 0 : ERR_CONFIG);
		hook_run_request(s, &request, &o);
		assert_int_equal(o.ran, programs[i].says == NULL);
		if (o.ran) {
			assert_string_equal(o.output, "good\n");
			continue;
		}
		assert_int_equal(o.refusal.code, ERR_CONFIG);
		if (strstr(o.refusal.text, programs[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", o.refusal.text, programs[i].says);
		if (!fine)
			assert_string_equal(e.text, o.refusal.text);
	}
}

static void no_program_at_all_is_refused(void **state)
{
	struct hook_outcome o AUTO_OUTCOME = {0};
	struct strlist argv AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv};

	hook_run_request(*state, &request, &o);
	assert_false(o.ran);
	assert_int_equal(o.refusal.code, ERR_CONFIG);
}

/* Only root can give files away, and be somebody else for a moment. */
static void what_belongs_to_another_user_is_not_run(void **state)
{
	struct hook_scratch *s = *state;
	struct err e = {0};

	if (geteuid() != 0)
		skip();
	make_good(s);
	assert_int_equal(chown(scratch_path(s, "good"), NOBODY, NOBODY), 0);
	assert_int_equal(check(scratch_path(s, "good"), &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "it belongs to user 65534"));

	mkdir(scratch_path(s, "theirs"), 0755);
	scratch_script(s, "theirs/script", "echo bad");
	assert_int_equal(chown(scratch_path(s, "theirs"), NOBODY, NOBODY), 0);
	assert_int_equal(check(scratch_path(s, "theirs/script"), &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "could replace it"));

	make_sticky_folder(s);
	assert_int_equal(symlink("script", scratch_path(s, "sticky/link")), 0);
	assert_int_equal(check(scratch_path(s, "sticky/link"), &e), 0);
	assert_int_equal(lchown(scratch_path(s, "sticky/link"), NOBODY, NOBODY), 0);
	assert_int_equal(check(scratch_path(s, "sticky/link"), &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "a symbolic link on the way belongs to user 65534"));
}

/* --- what argv shows that it will run ------------------------------------ */

/* SCRIPT and DATA lie where everybody may write, and only SCRIPT can be executed; ARGV is what is
 * to be run. */
static const struct {
	const char *argv[4];
	bool refused;
} shown[] = {
	{{"/bin/sh", "SCRIPT"}, true},
	{{"/bin/sh", "-e", "DATA"}, true}, /* an interpreter needs no x */
	{{"/bin/sh", "-c", "SCRIPT && true"}, true},
	{{"/bin/sh", "-ec", "exec DATA"}, true},
	{{"/bin/sh", "-c", "cat DATA"}, false}, /* what a shell makes of a text is its author's */
	{{"/usr/bin/env", "A=/b", "SCRIPT"}, true},
	{{"/usr/bin/nice", "-n1", "SCRIPT"}, true},
	{{"/usr/bin/timeout", "9", "/bin/sh", "SCRIPT"}, true},
	{{"/bin/cat", "DATA"}, false}, /* data, for all we know */
	{{"/bin/sh", "/nowhere/script"}, false},
	{{"FIRST"}, true},      /* #!SCRIPT */
	{{"FIRST-ENV"}, false}, /* #!/usr/bin/env sh */
	{{"FIRST-SH"}, true},   /* #!/bin/sh SCRIPT */
	{{"/bin/sh", "GOOD", "DATA"}, false},
};

static char *shown_word(const struct hook_scratch *s, const char *word)
{
	AUTO_FREE char *text = mem_str(word);
	const char *end;
	char *at = strstr(text, "SCRIPT");
	char *data = strstr(text, "DATA");

	if (strncmp(text, "FIRST", 5) == 0 || str_equal(text, "GOOD"))
		return mem_printf("%s/%s", s->dir, text);
	if (at == NULL && data == NULL)
		return TAKE(text);
	end = at != NULL ? at + 6 : data + 4;
	return mem_printf("%.*s%s/open/%s%s", (int)((at != NULL ? at : data) - text), text, s->dir,
			  at != NULL ? "script" : "data", end);
}

static void a_script_that_others_can_change_is_not_run_by_its_interpreter_either(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_FREE char *first = NULL;
	AUTO_FREE char *sh = NULL;

	make_in_open_folder(s);
	scratch_write(s, "open/data", "data\n", 0644);
	first = mem_printf("#!%s/open/script\n", s->dir);
	sh = mem_printf("#!/bin/sh %s/open/script\n", s->dir);
	scratch_write(s, "FIRST", first, 0755);
	scratch_write(s, "FIRST-SH", sh, 0755);
	scratch_write(s, "FIRST-ENV", "#!/usr/bin/env sh\n", 0755);
	scratch_script(s, "GOOD", "echo good");
	for (size_t i = 0; i < COUNT_OF(shown); i++) {
		struct hook_outcome o AUTO_OUTCOME = {0};
		struct strlist argv AUTO_STRLIST = {0};
		struct child_request request = {.argv = &argv};
		struct err e = {0};

		for (size_t j = 0; j < COUNT_OF(shown[i].argv) && shown[i].argv[j] != NULL; j++) {
			AUTO_FREE char *word = shown_word(s, shown[i].argv[j]);

			strlist_add(&argv, word);
		}
		if (child_check_command(&argv, &e) != (shown[i].refused ? ERR_CONFIG : 0))
			fail_msg("row %zu (%s): %s", i, argv.items[0], e.text);
		if (!shown[i].refused)
			continue;
		assert_non_null(strstr(e.text, "others may write to the directory"));
		hook_run_request(s, &request, &o);
		assert_false(o.ran);
		assert_string_equal(o.refusal.text, e.text);
	}
}

static void what_we_may_not_read_is_not_run(void **state)
{
	struct hook_scratch *s = *state;
	struct err e = {0};
	const char *path = scratch_write(s, "unreadable", "#!/bin/sh\n", 0311);
	bool root = geteuid() == 0;
	int r;

	if (root)
		assert_int_equal(seteuid(NOBODY), 0);
	r = check(path, &e);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(r, ERR_CONFIG);
	assert_non_null(strstr(e.text, "Permission denied"));
}

static void copy_program(const char *from, const char *to, mode_t mode)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	char data[4096];
	ssize_t len;

	assert_true(in >= 0 && out >= 0);
	while ((len = read(in, data, sizeof(data))) > 0)
		assert_int_equal(write(out, data, (size_t)len), len);
	assert_int_equal(fchmod(out, mode), 0);
	close(in);
	close(out);
}

/* As fast as it goes, with moments in which the first is in place. */
__attribute__((noreturn)) static void swap(const char *first, const char *second)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* should an assertion fail */
	for (unsigned i = 0;; i++) {
		renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE);
		if (i % 2 == 1)
			ppoll(NULL, 0, &(struct timespec){.tv_nsec = 20000}, NULL);
	}
}

/* While a program that may be run and one that may not change places. */
static void what_was_judged_is_what_runs(void **state)
{
	struct hook_scratch *s = *state;
	const char *program = scratch_path(s, "program");
	const char *other = scratch_path(s, "other");
	pid_t swapper;
	int ran = 0;

	copy_program("/bin/true", program, 0755);
	copy_program("/bin/false", other, 0777);
	swapper = fork();
	if (swapper == 0)
		swap(program, other);
	for (int i = 0; i < 200; i++) {
		struct hook_outcome o AUTO_OUTCOME = {0};

		hook_run(s, program, 0, &o);
		if (o.ran)
			assert_int_equal(o.exit_code, 0);
		else
			assert_int_equal(o.refusal.code, ERR_CONFIG);
		ran += o.ran;
	}
	kill(swapper, SIGKILL);
	waitpid(swapper, NULL, 0);
	print_message("ran %d of 200\n", ran);
}

#define SCRATCH_TEST(test)                                                                         \
	cmocka_unit_test_setup_teardown(test, hook_scratch_setup, hook_scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(only_programs_that_nobody_else_can_change_are_run),
		SCRATCH_TEST(no_program_at_all_is_refused),
		SCRATCH_TEST(what_belongs_to_another_user_is_not_run),
		SCRATCH_TEST(a_script_that_others_can_change_is_not_run_by_its_interpreter_either),
		SCRATCH_TEST(what_we_may_not_read_is_not_run),
		SCRATCH_TEST(what_was_judged_is_what_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
