/* SPDX-License-Identifier: MIT
 *
 * main — the way from argv to a command and back to an exit code.
 */
#include "agent/check.h"
#include "agent/command.h"
#include "agent/run.h"
#include "base/log.h"
#include "base/mem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Colours only on a terminal that is not told otherwise. */
static int color_wanted(const struct options *o, bool *ret_color, struct err *e)
{
	const char *no = getenv("NO_COLOR");

	if (o->color == NULL || str_equal(o->color, "auto"))
		*ret_color = isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0');
	else if (str_equal(o->color, "always") || str_equal(o->color, "never"))
		*ret_color = str_equal(o->color, "always");
	else
		return usage(e, "--color is auto, always or never, not \"%s\"", o->color);
	return 0;
}

static int log_set(const struct options *o, struct err *e)
{
	const char *format = o->log_format != NULL ? o->log_format : getenv("EVERLEAF_LOG_FORMAT");

	log_look_at_journal();
	if (format != NULL && format[0] != '\0' && !log_set_format(format))
		return usage(e, "--log-format is text, kv or json, not \"%s\"", format);
	if (o->quiet)
		log_level = LOG_ERROR;
	else if (o->verbose > 0)
		log_level = o->verbose > 1 ? LOG_DEBUG : LOG_INFO;
	return 0;
}

static int command_run(const struct command *command, struct context *c, struct err *e)
{
	switch (command->need) {
	case NEEDS_STORE:
		return run_with_store(c, STORE_QUICKLY, command->run, e);
	case NEEDS_SOUND_STORE:
		return run_with_store(c, STORE_SOUND, command->run, e);
	default:
		return command->run(c, e);
	}
}

static int everleaf(int argc, char **argv, struct options *o, struct err *e)
{
	struct context c = {.options = o, .clock = clock_system()};
	const struct command *command;
	int r;

	r = options_parse(argc, argv, o, e);
	if (r == 0)
		r = log_set(o, e);
	if (r == 0)
		r = color_wanted(o, &c.color, e);
	if (r != 0)
		return r;
	if (o->version)
		return cmd_version(&c, e);
	if (o->help || o->verb == NULL)
		return commands_print(o->verb, o->json, e) != 0
			       ? ERR_CONFIG
			       : (o->help ? EXIT_DONE : EXIT_USAGE);
	command = command_find(o->verb);
	if (command == NULL)
		return usage(e, "there is no command \"%s\"; see everleaf help", o->verb);
	return command_run(command, &c, e);
}

/* Standard descriptors that are closed would be taken by the store's files. */
static void descriptors_fill(void)
{
	struct stat st;

	for (int fd = 0; fd <= 2; fd++)
		if (fstat(fd, &st) != 0 && fopen("/dev/null", "r+") == NULL)
			abort();
}

/* What ends a process by default and is no request to end: a file-size limit is an error of write()
 * (EFBIG), and the others mean nothing here. What was blocked when we were started is not any more:
 * the loop waits for it. Programs that we start get the defaults back (hooks/launch.c). */
static void signals_settle(void)
{
	static const int ignored[] = {SIGXFSZ,   SIGUSR1, SIGUSR2, SIGALRM,
				      SIGVTALRM, SIGIO,   SIGPWR,  SIGSTKFLT};
	sigset_t none;

	for (size_t i = 0; i < COUNT_OF(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct err e = {0};
	int r;

	signals_settle();
	descriptors_fill();
	umask(077);
	r = everleaf(argc, argv, &options, &e);
	options_clear(&options);
	if ((fflush(stdout) != 0 || ferror(stdout)) && r == 0)
		r = err_sys(&e, ERR_SYS, "the output could not be written");
	if (r >= 0)
		return r;
	if (e.text[0] != '\0')
		log_line(LOG_ERROR, "%s", e.text);
	if (str_equal(command_name(options.verb), "check"))
		return CHECK_UNKNOWN; /* Nagios' codes: 2 would mean "critical" */
	if (e.cause == CAUSE_USAGE)
		return EXIT_USAGE;
	if (e.code == ERR_BUSY || e.code == ERR_NET || e.cause == CAUSE_HELD ||
	    e.cause == CAUSE_REPLACED)
		return EXIT_LATER;
	return EXIT_FAILED;
}
