/* SPDX-License-Identifier: MIT
 *
 * files_version — see its header.
 */
#include "tests/unit/files_version.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const files_names[FILES_NAMES] = {"privkey.pem", "cert.pem", "chain.pem",
					      "fullchain.pem"};

int files_memory(const void *data, size_t len)
{
	int fd = memfd_create("key", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len); /* its offset is at the end now */
	return fd;
}

struct json *files_settings(const char *directory)
{
	struct json *settings = json_new_map();

	json_put_text(settings, "name", "files");
	json_put_text(settings, "directory", directory);
	return settings;
}

void files_version_make(const struct hook_scratch *s, int64_t number, struct files_version *v)
{
	char key[64];

	*v = (struct files_version){.settings = files_settings(scratch_path(s, "certs"))};
	snprintf(key, sizeof(key), "KEY %" PRId64 "\n", number);
	snprintf(v->leaf, sizeof(v->leaf), "CERT %" PRId64 "\n", number);
	snprintf(v->chain, sizeof(v->chain), "CHAIN %" PRId64 "\n", number);
	v->task = (struct deployer_task){
		.loop = s->loop,
		.settings = v->settings,
		.certificate = "shop",
		.store = "0123456789abcdef",
		.serial = "01",
		.version = number,
		.leaf = v->leaf,
		.chain = v->chain,
		.key_fd = files_memory(key, strlen(key)),
	};
}

void files_version_clear(struct files_version *v)
{
	if (v->task.key_fd >= 0)
		close(v->task.key_fd);
	json_free(v->settings);
	free(v->pem);
}

enum err_code files_install_version(struct hook_scratch *s, struct files_version *v)
{
	deployer_files.install(&v->task, scratch_done, s);
	return scratch_await(s);
}

enum err_code files_check_version(struct hook_scratch *s, struct files_version *v)
{
	deployer_files.check(&v->task, scratch_done, s);
	return scratch_await(s);
}

enum err_code files_install(struct hook_scratch *s, int64_t number)
{
	struct files_version v AUTO_VERSION;

	files_version_make(s, number, &v);
	return files_install_version(s, &v);
}

enum err_code files_check(struct hook_scratch *s, int64_t number)
{
	struct files_version v AUTO_VERSION;

	files_version_make(s, number, &v);
	return files_check_version(s, &v);
}

void assert_content(const struct hook_scratch *s, const char *name, const char *want)
{
	AUTO_FREE char *content = scratch_read(scratch_path(s, name));

	assert_string_equal(content, want);
}

mode_t mode_of(const struct hook_scratch *s, const char *name)
{
	struct stat st;

	return lstat(scratch_path(s, name), &st) == 0 ? st.st_mode : 0;
}

void assert_link(const struct hook_scratch *s, const char *name, const char *want)
{
	char target[SCRATCH_PATH] = "";

	assert_true(readlink(scratch_path(s, name), target, sizeof(target) - 1) > 0);
	assert_string_equal(target, want);
}

void assert_live(const struct hook_scratch *s, int64_t number)
{
	char want[4][128];
	const char *const words[] = {"KEY", "CERT", "CHAIN"};

	for (size_t i = 0; i < 3; i++)
		snprintf(want[i], sizeof(want[i]), "%s %" PRId64 "\n", words[i], number);
	snprintf(want[3], sizeof(want[3]), "CERT %" PRId64 "\nCHAIN %" PRId64 "\n", number, number);
	for (size_t i = 0; i < COUNT_OF(files_names); i++) {
		AUTO_FREE char *path = mem_printf("certs/%s", files_names[i]);

		assert_content(s, path, want[i]);
	}
}

size_t entries_of(const struct hook_scratch *s, const char *name)
{
	AUTO_FREE char *tree = scratch_tree(s);
	AUTO_FREE char *prefix = mem_printf("%s/%s/", s->dir, name);
	size_t count = 0;

	for (const char *line = tree; line != NULL; line = strchr(line, '\n')) {
		const char *rest;

		line += *line == '\n';
		if (strncmp(line, prefix, strlen(prefix)) != 0)
			continue;
		rest = line + strlen(prefix);
		count += strcspn(rest, "/") > strcspn(rest, " ");
	}
	return count;
}
