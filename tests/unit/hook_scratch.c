/* SPDX-License-Identifier: MIT
 *
 * hook_scratch — see its header.
 */
#include "tests/unit/hook_scratch.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/strlist.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int hook_scratch_setup(void **state)
{
	struct hook_scratch *s = mem_new(sizeof(*s));

	umask(077);
	strcpy(s->dir, "/tmp/everleaf-hooks-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	assert_int_equal(chmod(s->dir, 0755), 0);
	s->poll = poll_loop_new();
	s->loop = poll_loop_loop(s->poll);
	*state = s;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int hook_scratch_teardown(void **state)
{
	struct hook_scratch *s = *state;
	size_t left = poll_loop_watches(s->poll);

	poll_loop_free(s->poll);
	nftw(s->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(s->output);
	free(s);
	assert_int_equal(left, 0); /* a call that was answered leaves nothing behind */
	return 0;
}

const char *scratch_path(const struct hook_scratch *s, const char *name)
{
	static char paths[8][SCRATCH_PATH];
	static size_t next;
	char *path = paths[next++ % COUNT_OF(paths)];

	snprintf(path, SCRATCH_PATH, "%s/%s", s->dir, name);
	return path;
}

const char *scratch_write(const struct hook_scratch *s, const char *name, const char *content,
			  mode_t mode)
{
	const char *path = scratch_path(s, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

const char *scratch_script(const struct hook_scratch *s, const char *name, const char *body)
{
	AUTO_FREE char *text = mem_printf("#!/bin/sh\n%s\n", body);

	return scratch_write(s, name, text, 0755);
}

char *scratch_read(const char *path)
{
	char data[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, data, sizeof(data) - 1);

	if (fd >= 0)
		close(fd);
	return mem_strn(data, len > 0 ? (size_t)len : 0);
}

static void describe(const char *path, const struct stat *st, struct strlist *lines)
{
	AUTO_FREE char *content = NULL;
	char target[SCRATCH_PATH] = "";

	if (S_ISREG(st->st_mode))
		content = scratch_read(path);
	if (S_ISLNK(st->st_mode) && readlink(path, target, sizeof(target) - 1) < 0)
		target[0] = '?';
	strlist_addf(lines, "%s %06o %s%s", path, (unsigned)st->st_mode, target,
		     content == NULL ? "" : content);
}

static void collect(const char *path, struct strlist *lines)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		AUTO_FREE char *below = mem_printf("%s/%s", path, entry->d_name);
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (lstat(below, &st) != 0)
			continue;
		describe(below, &st, lines);
		if (S_ISDIR(st.st_mode))
			collect(below, lines);
	}
	if (dir != NULL)
		closedir(dir);
}

char *scratch_tree(const struct hook_scratch *s)
{
	struct strlist lines AUTO_STRLIST = {0};

	collect(s->dir, &lines);
	strlist_sort(&lines);
	return strlist_join(&lines, "\n");
}

void scratch_done(void *arg, const char *output, const struct err *e)
{
	struct hook_scratch *s = arg;

	assert_false(s->answered);
	s->answered = true;
	free(s->output);
	s->output = mem_str(output);
	s->answer = e == NULL ? (struct err){0} : *e;
}

enum err_code scratch_await(struct hook_scratch *s)
{
	assert_false(s->answered); /* never from within the call */
	assert_true(poll_loop_run(s->poll, &s->answered));
	s->answered = false;
	return s->answer.code;
}

pid_t scratch_process(const struct hook_scratch *s, const char *name)
{
	AUTO_FREE char *text = scratch_read(scratch_path(s, name));

	return (pid_t)strtol(text, NULL, 10);
}

/* The letter after the program's name, which stands in parentheses; '\0': no such process. */
static char state_of(pid_t pid)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/stat", (int)pid);
	AUTO_FREE char *text = scratch_read(path);
	const char *end = strrchr(text, ')');

	return end == NULL ? '\0' : end[2];
}

bool scratch_process_ends(const struct hook_scratch *s, const char *name)
{
	pid_t pid = scratch_process(s, name);

	assert_true(pid > 1);
	for (int i = 0; i < 1000; i++) {
		char state = state_of(pid);

		if (state == '\0' || state == 'Z' || state == 'X')
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}
