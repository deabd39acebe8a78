/* SPDX-License-Identifier: MIT
 *
 * command — a command is a row in the table (agent/command.c) and one file cmd_NAME.c: it parses,
 * calls and prints; it decides nothing.
 */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include "agent/options.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/store.h"

/* Exit codes (everleaf(1)). */
enum exit_code {
	EXIT_DONE = 0,    /* done, or nothing to do */
	EXIT_FAILED = 1,  /* failed; what is kept and what comes next was said */
	EXIT_USAGE = 2,   /* the command line cannot mean anything */
	EXIT_NOTHING = 3, /* nothing to do, with --exit-code */
	EXIT_LATER = 75,  /* nothing is wrong here: try again later */
};

struct config;
struct limits_book;

/* What a command is given. */
struct context {
	const struct options *options;
	const struct clock *clock;
	struct store *store;          /* NULL for commands that need none */
	bool color;                   /* stdout is a terminal that wants colours */
	bool informed;                /* CAs are asked when they advise to renew (RFC 9773) */
	const struct strlist *notify; /* as engine_config's; NULL: no notices */
	struct limits_book *book; /* the limits of CAs for one reading; NULL: counted each time */
	const struct config *config; /* the file as it is now; NULL: none, or it was not read */
	struct store *rehearsal;     /* a dry run: the real store; the other one is a scratch one */
};

/* Returns an exit code, or a negative enum err_code with e filled, which main prints. */
typedef int command_fn(struct context *c, struct err *e);

/* The store that a command is given. */
enum command_need {
	NEEDS_NO_STORE = 0,
	NEEDS_STORE,       /* it reads, or calls store_check_rest before it acts */
	NEEDS_SOUND_STORE, /* it acts on what it reads: looked at as a whole first, however large */
};

struct command {
	const char *name;
	const char *aliases; /* " issue certonly " or "" */
	command_fn *run;
	enum command_need need;
	const char *operands; /* for help */
	const char *summary;
};

/* By name or alias; NULL when there is none (or typed is NULL). */
const struct command *command_find(const char *typed);

/* The command's own name for a name or an alias; NULL when there is none. */
const char *command_name(const char *typed);

/* Where the state is: --state, EVERLEAF_STATE, or the default for this user; NULL when that one
 * needs a HOME and there is none. The caller frees. */
char *command_state_dir(const struct options *o);

/* The same, or what is wrong with it as "usage". */
int command_state(const struct options *o, char **ret_dir, struct err *e);

/* The daemon's control socket: --control, EVERLEAF_CONTROL, or "control" in the state directory;
 * NULL as above. The caller frees. */
char *command_control_path(const struct options *o);

/* The configuration file: --config, EVERLEAF_CONFIG, or the default; asked: it is not the default,
 * so it has to be there. Borrowed. */
const char *command_config_file(const struct options *o, bool *ret_asked);

command_fn cmd_account, cmd_check, cmd_check_config, cmd_complete, cmd_config, cmd_delete,
	cmd_deploy, cmd_export, cmd_help, cmd_history, cmd_keygen, cmd_metrics, cmd_obtain,
	cmd_pause, cmd_plan, cmd_reconfigure, cmd_reload, cmd_renew, cmd_respond, cmd_resume,
	cmd_run, cmd_show, cmd_status, cmd_store, cmd_version, cmd_why;

/* Calls visit for each command that help knows. */
void commands_each(void (*visit)(void *arg, const char *name, const char *summary), void *arg);

/* For cmd_help: prints the table, or one command; ERR_CONFIG "usage" for an unknown one. */
int commands_print(const char *verb, bool json, struct err *e);

#endif
