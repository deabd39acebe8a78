/* SPDX-License-Identifier: MIT
 *
 * files_version — certificate versions for tests of the files deployer: small texts that carry
 * their number instead of PEM, installed into the scratch's directory "certs".
 */
#ifndef TESTS_UNIT_FILES_VERSION_H
#define TESTS_UNIT_FILES_VERSION_H

#include "base/json.h"
#include "hooks/deployer.h"
#include "tests/unit/hook_scratch.h"

#define FILES_NAMES 4

extern const char *const files_names[FILES_NAMES];

/* One version with everything it needs. */
struct files_version {
	struct deployer_task task;
	struct json *settings; /* owned */
	char leaf[64], chain[64];
	char *pem; /* of a real certificate; owned, or NULL */
};

void files_version_make(const struct hook_scratch *s, int64_t number, struct files_version *v);
void files_version_clear(struct files_version *v);
#define AUTO_VERSION AUTO(files_version_clear)

/* A descriptor of a file in memory; its offset is at the end. */
int files_memory(const void *data, size_t len);

/* {"name":"files","directory":…}; the caller frees it. */
struct json *files_settings(const char *directory);

/* The op's answer. */
enum err_code files_install_version(struct hook_scratch *s, struct files_version *v);
enum err_code files_check_version(struct hook_scratch *s, struct files_version *v);
enum err_code files_install(struct hook_scratch *s, int64_t number);
enum err_code files_check(struct hook_scratch *s, int64_t number);

/* Names are below the scratch's directory. */
void assert_content(const struct hook_scratch *s, const char *name, const char *want);
void assert_link(const struct hook_scratch *s, const char *name, const char *want);
mode_t mode_of(const struct hook_scratch *s, const char *name); /* type too; 0: missing */
size_t entries_of(const struct hook_scratch *s, const char *name);

/* All four through the names that servers are told. */
void assert_live(const struct hook_scratch *s, int64_t number);

#endif
