/* SPDX-License-Identifier: MIT
 *
 * command — the table of commands. A new command is one row here and one file cmd_NAME.c.
 */
#include "agent/command.h"

#include "agent/config/config.h"
#include "agent/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command commands[] = {
	{"obtain", " issue certonly ", cmd_obtain, NEEDS_SOUND_STORE, "-d NAME... [OPTIONS]",
	 "get a certificate and deploy it"},
	{"renew", "", cmd_renew, NEEDS_STORE, "[--force] [CERTIFICATE...]",
	 "renew what is due, or what is named"},
	{"status", " list certificates ", cmd_status, NEEDS_NO_STORE, "[--live]",
	 "one line for each certificate"},
	{"show", "", cmd_show, NEEDS_STORE, "CERTIFICATE", "everything about one certificate"},
	{"plan", "", cmd_plan, NEEDS_NO_STORE, "[--days N]",
	 "what will be renewed and deployed on which day"},
	{"why", "", cmd_why, NEEDS_STORE, "CERTIFICATE", "what comes next, when, and why"},
	{"history", "", cmd_history, NEEDS_STORE, "[CERTIFICATE]", "what happened, and why"},
	{"deploy", "", cmd_deploy, NEEDS_SOUND_STORE, "[--dry-run] CERTIFICATE",
	 "deploy the present certificate again"},
	{"export", "", cmd_export, NEEDS_STORE, "CERTIFICATE --out DIR",
	 "write its files somewhere"},
	{"reconfigure", "", cmd_reconfigure, NEEDS_SOUND_STORE, "CERTIFICATE OPTIONS",
	 "change how it is got and deployed, without issuing"},
	{"pause", "", cmd_pause, NEEDS_SOUND_STORE, "CERTIFICATE",
	 "do not renew it until it is resumed"},
	{"resume", "", cmd_resume, NEEDS_SOUND_STORE, "CERTIFICATE", "renew it again"},
	{"delete", " remove ", cmd_delete, NEEDS_SOUND_STORE, "CERTIFICATE",
	 "forget it; deployed files stay where they are"},
	{"account", "", cmd_account, NEEDS_STORE, "show | register [--new] [NAME]",
	 "the accounts at CAs"},
	{"run", "", cmd_run, NEEDS_STORE, "", "the daemon, in the foreground"},
	{"reload", "", cmd_reload, NEEDS_NO_STORE, "", "have the daemon read everything again"},
	{"check-config", "", cmd_check_config, NEEDS_NO_STORE, "[FILE]",
	 "say everything that is wrong with the configuration file"},
	{"config", "", cmd_config, NEEDS_STORE, "show",
	 "the configuration with every default resolved"},
	{"check", "", cmd_check, NEEDS_NO_STORE, "[CERTIFICATE...]",
	 "whether all is well, in the words and exit codes of a Nagios plugin"},
	{"metrics", "", cmd_metrics, NEEDS_NO_STORE, "[--textfile FILE]",
	 "numbers for Prometheus, in its text format"},
	{"store", "", cmd_store, NEEDS_NO_STORE, "backup FILE | check", "the store as files"},
	{"version", "", cmd_version, NEEDS_NO_STORE, "", "print the version"},
	{"help", "", cmd_help, NEEDS_NO_STORE, "[COMMAND]", "print help"},
	{"complete", "", cmd_complete, NEEDS_NO_STORE, NULL, NULL}, /* for shells */
	{"respond", "", cmd_respond, NEEDS_NO_STORE, NULL, NULL},   /* the same: agent/respond.h */
	{"keygen", "", cmd_keygen, NEEDS_NO_STORE, NULL, NULL}, /* our own child: agent/keygen.h */
};

const struct command *command_find(const char *typed)
{
	AUTO_FREE char *word = typed != NULL ? mem_printf(" %s ", typed) : NULL;

	for (size_t i = 0; typed != NULL && i < COUNT_OF(commands); i++)
		if (str_equal(commands[i].name, typed) || strstr(commands[i].aliases, word) != NULL)
			return &commands[i];
	return NULL;
}

const char *command_name(const char *typed)
{
	const struct command *command = command_find(typed);

	return command != NULL ? command->name : NULL;
}

void commands_each(void (*visit)(void *arg, const char *name, const char *summary), void *arg)
{
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (commands[i].summary != NULL)
			visit(arg, commands[i].name, commands[i].summary);
}

static void commands_json(void)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		struct json *j;

		if (commands[i].summary == NULL)
			continue;
		j = json_new_map();
		json_put_text(j, "name", commands[i].name);
		json_put_text(j, "operands", commands[i].operands);
		json_put_text(j, "summary", commands[i].summary);
		json_add(list, j);
	}
	report_print("commands", list);
}

int commands_print(const char *verb, bool json, struct err *e)
{
	const struct command *command = command_find(verb);

	if (verb != NULL && (command == NULL || command->summary == NULL))
		return usage(e, "there is no command \"%s\"; see everleaf help", verb);
	if (json) {
		commands_json();
		return 0;
	}
	if (command != NULL) {
		printf("usage: everleaf %s %s\n\n%s\n\n", command->name, command->operands,
		       command->summary);
		options_print(command->name);
		printf("\n");
	} else {
		printf("usage: everleaf COMMAND [OPTIONS]\n\n");
		for (size_t i = 0; i < COUNT_OF(commands); i++)
			if (commands[i].summary != NULL)
				printf("  %-12s  %s\n", commands[i].name, commands[i].summary);
		printf("\nOptions of every command:\n\n");
	}
	options_print("");
	printf("\nSee everleaf(1), and everleaf help COMMAND.\n");
	return 0;
}

const char *command_config_file(const struct options *o, bool *ret_asked)
{
	const char *from = o->config != NULL ? o->config : getenv("EVERLEAF_CONFIG");

	*ret_asked = from != NULL && from[0] != '\0';
	return *ret_asked ? from : CONFIG_FILE;
}

char *command_state_dir(const struct options *o)
{
	const char *from = o->state != NULL ? o->state : getenv("EVERLEAF_STATE");
	const char *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	if (from != NULL && from[0] != '\0')
		return mem_str(from);
	if (geteuid() == 0)
		return mem_str("/var/lib/everleaf");
	if (xdg != NULL && xdg[0] == '/')
		return mem_printf("%s/everleaf", xdg);
	if (home == NULL || home[0] != '/')
		return NULL;
	return mem_printf("%s/.local/state/everleaf", home);
}

char *command_control_path(const struct options *o)
{
	const char *from = o->control != NULL ? o->control : getenv("EVERLEAF_CONTROL");
	AUTO_FREE char *dir = NULL;

	if (from != NULL && from[0] != '\0')
		return mem_str(from);
	dir = command_state_dir(o);
	return dir != NULL ? mem_printf("%s/control", dir) : NULL;
}

int command_state(const struct options *o, char **ret_dir, struct err *e)
{
	if (o->state != NULL && o->state[0] == '\0')
		return usage(e, "--state is empty: give a directory, or leave it out");
	*ret_dir = command_state_dir(o);
	if (*ret_dir == NULL)
		return usage(e, "HOME is not set: say with --state where to keep everything");
	return 0;
}
