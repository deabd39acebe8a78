/* SPDX-License-Identifier: MIT
 *
 * config_files — configuration files that a test writes down as texts, and all that is said of
 * them.
 */
#ifndef TESTS_UNIT_CONFIG_FILES_H
#define TESTS_UNIT_CONFIG_FILES_H

#include "agent/config/config.h"

/* A configuration and every line that is said of it. */
struct config_case {
	const char *text;      /* of c.yaml */
	const char *want;      /* "c.yaml:1:2: …" lines, joined by a line feed */
	const char *files[10]; /* others: name, text, name, text … */
};

/* cmocka's setup and teardown for a group: the test works in a folder of its own. */
int config_folder_enter(void **state);
int config_folder_leave(void **state);

/* Writes a file there (mode 0600). */
void config_file_write(const char *name, const char *text);

/* The lines, joined by a line feed. The caller's. */
char *config_lines(const struct config_errors *errors);

void config_case_check(const struct config_case *c);

#endif
