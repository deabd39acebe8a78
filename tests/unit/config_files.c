/* SPDX-License-Identifier: MIT */
#include "tests/unit/config_files.h"

#include "tests/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int config_folder_enter(void **state)
{
	char folder[] = "/tmp/everleaf-config-XXXXXX";

	if (mkdtemp(folder) == NULL || chdir(folder) != 0)
		return -1;
	*state = mem_str(folder);
	return 0;
}

static void empty(void)
{
	DIR *d = opendir(".");

	assert_non_null(d);
	for (struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d))
		(void)unlink(entry->d_name); /* "." and ".." it leaves */
	closedir(d);
}

int config_folder_leave(void **state)
{
	int r;

	empty();
	r = chdir("/") != 0 || rmdir(*state) != 0;
	free(*state);
	return r;
}

void config_file_write(const char *name, const char *text)
{
	int fd AUTO_FD = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

char *config_lines(const struct config_errors *errors)
{
	struct strlist lines AUTO_STRLIST = {0};

	for (size_t i = 0; i < errors->count; i++) {
		AUTO_FREE char *line = config_error_line(&errors->items[i]);

		strlist_add(&lines, line);
	}
	return strlist_join(&lines, "\n");
}

void config_case_check(const struct config_case *c)
{
	struct config_errors errors AUTO(config_errors_clear) = {0};
	AUTO_CONFIG struct config *config = NULL;
	AUTO_FREE char *got = NULL;

	empty();
	config_file_write("c.yaml", c->text);
	for (size_t i = 0; i < COUNT_OF(c->files) && c->files[i] != NULL; i += 2)
		config_file_write(c->files[i], c->files[i + 1]);
	config = config_read("c.yaml", CONFIG_SECRETS, &errors);
	got = config_lines(&errors);
	if (!str_equal(got, c->want))
		fail_msg("of\n%s\nit said\n%s\nand not\n%s", c->text, got, c->want);
}
