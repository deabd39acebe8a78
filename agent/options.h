/* SPDX-License-Identifier: MIT
 *
 * options — the command line as a value: one table says which option belongs to which command,
 * what it fills, and what `everleaf help` says of it. Options may stand anywhere.
 */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include "base/err.h"
#include "base/strlist.h"

#include <stdbool.h>

/* Strings are borrowed from argv. */
struct options {
	const char *verb; /* NULL: none was given */
	struct strlist operands;
	/* of every command */
	const char *state;
	const char *control;
	const char *log_format;
	const char *color; /* "auto", "always", "never" */
	bool json, quiet, exit_code, help, version;
	int verbose;
	/* of some */
	struct strlist domains;
	struct strlist deploy_hooks;
	const char *name, *server, *ca_bundle, *proxy, *mail;
	const char *http_address, *http_port, *webroot, *solver_exec;
	const char *key_type;
	const char *deploy_files, *deploy_owner, *deploy_mode, *prove;
	const char *pre_hook, *post_hook, *out, *config, *days;
	const char *warning, *critical, *notify_hook;
	const char *textfile, *metrics, *metrics_textfile;
	bool agree_tos, standalone, staging, force, expand, dry_run, run_deploy_hooks, recheck,
		live, new;
	bool ignored; /* options that ask for what is so anyway */
};

/* ERR_CONFIG with type "usage" and what is wrong: an unknown option, one that does not belong to
 * the verb, a missing argument. The verb itself is not judged. */
int options_parse(int argc, char **argv, struct options *ret_options, struct err *e);

/* Whether the table has an option of that long name for a verb ("" : of every command). */
bool options_known(const char *verb, const char *name);

/* Calls visit for each option of a verb and of every command (NULL: for the latter), other
 * spellings left out, with its name and what help says of it. */
void options_each(const char *verb, void (*visit)(void *arg, const char *name, const char *text),
		  void *arg);

/* Whether a word ("--name", "-d") is an option whose argument is the next word. */
bool options_takes_argument(const char *word);

/* Prints the options of a verb for people. */
void options_print(const char *verb);

void options_clear(struct options *o);

/* Fills e as a mistake on the command line: exit code 2. */
int usage(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
