/* SPDX-License-Identifier: MIT
 *
 * options — see options.h. A new option is one row here and one field there. Other clients'
 * spellings that mean the same are rows without help text.
 */
#include "agent/options.h"

#include "agent/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_type {
	OPTION_FLAG = 0, /* bool */
	OPTION_COUNT,    /* int */
	OPTION_TEXT,     /* const char * */
	OPTION_LIST,     /* struct strlist: one item each time */
	OPTION_COMMAS,   /* struct strlist: split at commas */
};

struct option_row {
	const char *name;
	int letter; /* 0: none */
	enum option_type type;
	size_t offset;
	const char *verbs;    /* " obtain renew "; "": every command */
	const char *argument; /* what help calls it */
	const char *help;     /* NULL: another spelling of the row above it */
};

#define AT(field) offsetof(struct options, field)
#define WISH      " obtain reconfigure "
#define OBTAIN    " obtain "
#define RENEW     " obtain renew "
#define TRY       " obtain renew deploy "
#define SERVER    " obtain renew reconfigure account "

static const struct option_row rows[] = {
	{"domain", 'd', OPTION_COMMAS, AT(domains), OBTAIN, "NAME[,NAME...]",
	 "a name of the certificate; may be repeated"},
	{"domains", 0, OPTION_COMMAS, AT(domains), OBTAIN, NULL, NULL},
	{"name", 0, OPTION_TEXT, AT(name), OBTAIN, "HANDLE",
	 "what to call the certificate (default: its first name)"},
	{"cert-name", 0, OPTION_TEXT, AT(name), OBTAIN, NULL, NULL},
	{"expand", 0, OPTION_FLAG, AT(expand), OBTAIN, NULL,
	 "add the names to those that the certificate has"},
	{"server", 0, OPTION_TEXT, AT(server), SERVER, "URL|SHORT",
	 "the CA's directory URL, or letsencrypt (default), letsencrypt-staging, zerossl, google, "
	 "buypass, actalis, sslcom"},
	{"staging", 0, OPTION_FLAG, AT(staging), SERVER, NULL,
	 "the same as --server letsencrypt-staging"},
	{"test-cert", 0, OPTION_FLAG, AT(staging), SERVER, NULL, NULL},
	{"test", 0, OPTION_FLAG, AT(staging), SERVER, NULL, NULL},
	{"ca-bundle", 0, OPTION_TEXT, AT(ca_bundle), SERVER, "FILE|DIR",
	 "trust these certificates when talking to the CA, instead of the system's"},
	{"proxy", 0, OPTION_TEXT, AT(proxy), SERVER, "URL", "reach the CA through this proxy"},
	{"email", 'm', OPTION_TEXT, AT(mail), " obtain account ", "MAIL", "the account's contact"},
	{"agree-tos", 0, OPTION_FLAG, AT(agree_tos), SERVER, NULL,
	 "agree to the CA's terms of service"},
	{"accept-tos", 0, OPTION_FLAG, AT(agree_tos), SERVER, NULL, NULL},
	{"accept-terms", 0, OPTION_FLAG, AT(agree_tos), SERVER, NULL, NULL},
	{"standalone", 0, OPTION_FLAG, AT(standalone), WISH, NULL,
	 "answer http-01 with a listener of our own"},
	{"http-address", 0, OPTION_TEXT, AT(http_address), WISH, "ADDRESS",
	 "its address (default: all)"},
	{"http-01-address", 0, OPTION_TEXT, AT(http_address), WISH, "", NULL},
	{"http-port", 0, OPTION_TEXT, AT(http_port), WISH, "PORT", "its port (default: 80)"},
	{"http-01-port", 0, OPTION_TEXT, AT(http_port), WISH, "", NULL},
	{"httpport", 0, OPTION_TEXT, AT(http_port), WISH, "", NULL},
	{"webroot", 'w', OPTION_TEXT, AT(webroot), WISH, "DIR",
	 "answer http-01 through the web server whose document root this is"},
	{"webroot-path", 0, OPTION_TEXT, AT(webroot), WISH, "", NULL},
	{"solver-exec", 0, OPTION_TEXT, AT(solver_exec), WISH, "COMMAND",
	 "answer http-01 through a program (everleaf-hooks(7))"},
	{"key-type", 'k', OPTION_TEXT, AT(key_type), WISH, "TYPE",
	 "ec-256 (default), ec-384 or rsa-2048"},
	{"keylength", 0, OPTION_TEXT, AT(key_type), WISH, "", NULL},
	{"deploy-files", 0, OPTION_TEXT, AT(deploy_files), WISH, "DIR",
	 "install privkey.pem, cert.pem, chain.pem and fullchain.pem there"},
	{"deploy-owner", 0, OPTION_TEXT, AT(deploy_owner), WISH, "USER[:GROUP]",
	 "owner of those files"},
	{"deploy-mode", 0, OPTION_TEXT, AT(deploy_mode), WISH, "MODE",
	 "mode of privkey.pem (default: 0600)"},
	{"deploy-hook", 0, OPTION_LIST, AT(deploy_hooks), WISH, "COMMAND",
	 "run after each issue, for instance to reload a server; may be repeated"},
	{"renew-hook", 0, OPTION_LIST, AT(deploy_hooks), WISH, "", NULL},
	{"reloadcmd", 0, OPTION_LIST, AT(deploy_hooks), WISH, "", NULL},
	{"prove", 0, OPTION_TEXT, AT(prove), WISH, "HOST:PORT",
	 "the last deployment is done when a TLS handshake there shows the new certificate"},
	{"pre-hook", 0, OPTION_TEXT, AT(pre_hook), WISH, "COMMAND",
	 "run before answers are published"},
	{"post-hook", 0, OPTION_TEXT, AT(post_hook), WISH, "COMMAND",
	 "run after they were taken back, if the pre-hook may have run"},
	{"force", 0, OPTION_FLAG, AT(force), RENEW, NULL, "even if it is not due"},
	{"force-renewal", 0, OPTION_FLAG, AT(force), RENEW, NULL, NULL},
	{"dry-run", 0, OPTION_FLAG, AT(dry_run), TRY, NULL,
	 "only try whether it could be done, at the CA's staging server, and change nothing"},
	{"run-deploy-hooks", 0, OPTION_FLAG, AT(run_deploy_hooks), TRY, NULL,
	 "with --dry-run: run the deploy hooks, with the present certificate"},
	{"recheck", 0, OPTION_FLAG, AT(recheck), " renew ", NULL,
	 "ask the CA now when it advises to renew, at most once a minute"},
	{"notify-hook", 0, OPTION_TEXT, AT(notify_hook), " renew run ", "COMMAND",
	 "run when a certificate nears its end, or cannot be renewed"},
	{"textfile", 0, OPTION_TEXT, AT(textfile), " metrics ", "FILE",
	 "replace this file instead of printing"},
	{"metrics", 0, OPTION_TEXT, AT(metrics), " run ", "unix:PATH|127.0.0.1:PORT",
	 "show numbers for Prometheus there"},
	{"metrics-textfile", 0, OPTION_TEXT, AT(metrics_textfile), " run ", "FILE",
	 "write them to this file each minute"},
	{"out", 'o', OPTION_TEXT, AT(out), " export ", "DIR", "where to write the files"},
	{"new", 0, OPTION_FLAG, AT(new), " account ", NULL,
	 "make a new key and a new account where the CA refuses the present one"},
	{"days", 0, OPTION_TEXT, AT(days), " plan ", "N", "how far ahead (default: 400)"},
	{"config", 0, OPTION_TEXT, AT(config), "", "FILE",
	 "the configuration file (default: $EVERLEAF_CONFIG, /etc/everleaf/everleaf.yaml)"},
	{"live", 0, OPTION_FLAG, AT(live), " status ", NULL, "ask the running daemon what it does"},
	{"warning", 0, OPTION_TEXT, AT(warning), " check ", "1/N|DAYS",
	 "warn when no more than this is left (default: 1/4 of the lifetime)"},
	{"critical", 0, OPTION_TEXT, AT(critical), " check ", "1/N|DAYS",
	 "the same for critical (default: 1/8)"},
	{"keep-until-expiring", 0, OPTION_FLAG, AT(ignored), RENEW, NULL, NULL},
	{"non-interactive", 'n', OPTION_FLAG, AT(ignored), "", NULL, NULL},
	{"state", 0, OPTION_TEXT, AT(state), "", "DIR",
	 "the state directory (default: $EVERLEAF_STATE, /var/lib/everleaf for root)"},
	{"control", 0, OPTION_TEXT, AT(control), "", "PATH",
	 "the daemon's control socket (default: $EVERLEAF_CONTROL, \"control\" in the state "
	 "directory)"},
	{"json", 0, OPTION_FLAG, AT(json), "", NULL, "print JSON"},
	{"exit-code", 0, OPTION_FLAG, AT(exit_code), "", NULL,
	 "exit 3 when there was nothing to do"},
	{"verbose", 'v', OPTION_COUNT, AT(verbose), "", NULL, "say more; twice: still more"},
	{"quiet", 'q', OPTION_FLAG, AT(quiet), "", NULL, "say only what failed"},
	{"log-format", 0, OPTION_TEXT, AT(log_format), "", "FORMAT",
	 "of what is said on standard error: text (default), kv or json"},
	{"color", 0, OPTION_TEXT, AT(color), "", "WHEN", "auto (default), always or never"},
	{"help", 'h', OPTION_FLAG, AT(help), "", NULL, "print this"},
	{"version", 'V', OPTION_FLAG, AT(version), "", NULL, "print the version"},
};

#define FIRST 256 /* getopt's values of our rows begin here, beyond every letter */

int usage(struct err *e, const char *format, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = mem_vprintf(format, ap);
	va_end(ap);
	err_set(e, ERR_CONFIG, "%s", text);
	(void)err_because(e, CAUSE_USAGE);
	return ERR_CONFIG;
}

static bool takes_argument(const struct option_row *row)
{
	return row->type == OPTION_TEXT || row->type == OPTION_LIST || row->type == OPTION_COMMAS;
}

static void table_for_getopt(struct option *longs, char *letters)
{
	size_t n = 0;

	letters[n++] =
		'-'; /* operands come in their place, as value 1, whatever POSIXLY_CORRECT says */
	letters[n++] = ':'; /* a missing argument is told apart */
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		longs[i] = (struct option){rows[i].name, takes_argument(&rows[i]), NULL,
					   FIRST + (int)i};
		if (rows[i].letter == 0)
			continue;
		letters[n++] = (char)rows[i].letter;
		if (takes_argument(&rows[i]))
			letters[n++] = ':';
	}
	letters[n] = '\0';
}

static const struct option_row *row_of(int value)
{
	if (value >= FIRST)
		return &rows[value - FIRST];
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].letter == value)
			return &rows[i];
	return NULL;
}

static void row_fill(const struct option_row *row, struct options *o, const char *argument)
{
	void *field = (char *)o + row->offset;

	switch (row->type) {
	case OPTION_FLAG:
		*(bool *)field = true;
		break;
	case OPTION_COUNT:
		(*(int *)field)++;
		break;
	case OPTION_TEXT:
		*(const char **)field = argument;
		break;
	case OPTION_LIST:
		strlist_add(field, argument);
		break;
	case OPTION_COMMAS:
		strlist_add_split(field, argument, ",");
		break;
	}
}

static bool row_is_of(const struct option_row *row, const char *verb)
{
	AUTO_FREE char *word = mem_printf(" %s ", verb);

	return row->verbs[0] == '\0' || strstr(row->verbs, word) != NULL;
}

bool options_known(const char *verb, const char *name)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (str_equal(rows[i].name, name))
			return verb[0] == '\0' ? rows[i].verbs[0] == '\0'
					       : row_is_of(&rows[i], verb);
	return false;
}

/* Which rows were used: whether they belong to the verb is known only at the end. */
static int rows_check(const bool used[], const char *verb, struct err *e)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (used[i] && verb != NULL && !row_is_of(&rows[i], verb))
			return usage(e, "--%s does not go with \"%s\"; see everleaf help %s",
				     rows[i].name, verb, verb);
	return 0;
}

static int options_check(const struct options *o, struct err *e)
{
	if (o->run_deploy_hooks && !o->dry_run)
		return usage(e, "--run-deploy-hooks goes with --dry-run; everleaf deploy runs them "
				"otherwise");
	return 0;
}

static int getopt_failed(int value, char **argv, struct err *e)
{
	const char *word = argv[optind - 1];

	if (value == ':')
		return usage(e, "%s needs an argument", word);
	if (optopt != 0 && optopt < FIRST)
		return usage(e, "there is no option -%c; see everleaf help", optopt);
	if (optopt >= FIRST)
		return usage(e, "%s takes no argument", word);
	return usage(e, "there is no option %s; see everleaf help", word);
}

static void operand_add(struct options *o, const char *word)
{
	if (o->verb == NULL)
		o->verb = word;
	else
		strlist_add(&o->operands, word);
}

int options_parse(int argc, char **argv, struct options *ret_options, struct err *e)
{
	struct option longs[COUNT_OF(rows) + 1] = {0};
	char letters[3 * COUNT_OF(rows) + 3];
	bool used[COUNT_OF(rows)] = {false};
	struct options *o = ret_options;
	int value;

	table_for_getopt(longs, letters);
	opterr = 0;
	optind = 1;
	while ((value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_row *row = value != 1 ? row_of(value) : NULL;

		if (value == 1) {
			operand_add(o, optarg);
			continue;
		}
		if (row == NULL)
			return getopt_failed(value, argv, e);
		used[row - rows] = true;
		row_fill(row, o, optarg);
	}
	while (optind < argc)
		operand_add(o, argv[optind++]);
	if (rows_check(used, command_name(o->verb), e) != 0)
		return ERR_CONFIG;
	return options_check(o, e);
}

void options_each(const char *verb, void (*visit)(void *arg, const char *name, const char *text),
		  void *arg)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].help != NULL &&
		    (rows[i].verbs[0] == '\0' || (verb != NULL && row_is_of(&rows[i], verb))))
			visit(arg, rows[i].name, rows[i].help);
}

bool options_takes_argument(const char *word)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (takes_argument(&rows[i]) &&
		    ((strncmp(word, "--", 2) == 0 && str_equal(word + 2, rows[i].name)) ||
		     (word[0] == '-' && word[1] == rows[i].letter && word[1] != '\0' &&
		      word[2] == '\0')))
			return true;
	return false;
}

void options_print(const char *verb)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char left[64];

		if (rows[i].help == NULL || (verb[0] == '\0') != (rows[i].verbs[0] == '\0') ||
		    !row_is_of(&rows[i], verb))
			continue;
		snprintf(left, sizeof(left), "%s%c%s--%s%s%s", rows[i].letter != 0 ? "-" : " ",
			 rows[i].letter != 0 ? rows[i].letter : ' ',
			 rows[i].letter != 0 ? ", " : "  ", rows[i].name,
			 rows[i].argument != NULL ? " " : "",
			 rows[i].argument != NULL ? rows[i].argument : "");
		printf("  %-32s  %s\n", left, rows[i].help);
	}
}

void options_clear(struct options *o)
{
	strlist_clear(&o->operands);
	strlist_clear(&o->domains);
	strlist_clear(&o->deploy_hooks);
}
