/* SPDX-License-Identifier: MIT
 *
 * program — whether a program of the operator's may be run, and the command lines in settings.
 *
 * A program runs with our rights, so nobody but root and us may be able to change it, or to put
 * another in its place (base/path.h). The same holds for its interpreter, for the script that argv
 * gives to an interpreter, and for programs among its arguments.
 */
#ifndef HOOKS_PROGRAM_H
#define HOOKS_PROGRAM_H

#include "base/err.h"
#include "base/json.h"
#include "base/strlist.h"

#define PROGRAM_MAX_ARGUMENTS 64

/* The PATH that programs get. */
#define PROGRAM_PLACES "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"

/* Opens and judges argv[0], and judges what it will run as far as argv shows; *ret_fd reads the
 * file and is the caller's. ERR_CONFIG, with what to change, when it may not be run. */
int program_open(const struct strlist *argv, int *ret_fd, struct err *e);

/* Appends a member of settings ("command"): a list of one to PROGRAM_MAX_ARGUMENTS strings of which
 * the first is an absolute path. ERR_CONFIG otherwise; argv is untouched then. */
int program_command(const struct json *settings, const char *member, struct strlist *argv,
		    struct err *e);

#endif
