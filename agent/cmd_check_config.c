/* SPDX-License-Identifier: MIT
 *
 * check-config — everything that is wrong with the configuration file, at once. Changes nothing and
 * needs no store, so that it can be run before a file is put in its place.
 */
#include "agent/command.h"
#include "agent/config/config.h"
#include "agent/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *counted(size_t count, const char *thing)
{
	return mem_printf("%zu %s%s", count, thing, count == 1 ? "" : "s");
}

static char *summary(const struct config *c, const struct config_errors *errors)
{
	size_t warned = config_errors_count(errors, true);
	AUTO_FREE char *certificates = counted(c->certificate_count, "certificate");
	AUTO_FREE char *accounts = counted(c->account_count, "account");
	AUTO_FREE char *bad = counted(config_errors_count(errors, false), "error");
	AUTO_FREE char *warnings = counted(warned, "warning");

	return mem_printf("%s, %s; %s%s%s", certificates, accounts, bad, warned > 0 ? ", " : "",
			  warned > 0 ? warnings : "");
}

static struct json *error_json(const struct config_error *error)
{
	struct json *j = json_new_map();

	json_put_text(j, "file", error->file);
	json_put(j, "line", error->line > 0 ? json_new_number(error->line) : json_new_text(NULL));
	json_put(j, "column",
		 error->column > 0 ? json_new_number(error->column) : json_new_text(NULL));
	json_put_text(j, "text", error->text);
	json_put_flag(j, "warning", error->warning);
	return j;
}

static struct json *check_json(const struct config *c, const struct config_errors *errors)
{
	struct json *check = json_new_map();
	struct json *list = json_new_list();
	struct json *left = json_new_list();

	for (size_t i = 0; i < errors->count; i++)
		json_add(list, error_json(&errors->items[i]));
	for (size_t i = 0; i < c->left.count; i++)
		json_add_text(left, c->left.items[i]);
	json_put_number(check, "certificates", (int64_t)c->certificate_count);
	json_put_number(check, "accounts", (int64_t)c->account_count);
	json_put(check, "left", left);
	json_put(check, "errors", list);
	return check;
}

static int check(const struct context *c, const char *path)
{
	struct config_errors errors AUTO(config_errors_clear) = {0};
	AUTO_CONFIG struct config *config = config_read(path, CONFIG_SECRETS, &errors);
	AUTO_FREE char *text = summary(config, &errors);

	config_errors_print(&errors);
	if (c->options->json)
		report_print("check", check_json(config, &errors));
	else if (!c->options->quiet)
		printf("%s\n", text);
	return config_errors_count(&errors, false) > 0 ? EXIT_FAILED : EXIT_DONE;
}

int cmd_check_config(struct context *c, struct err *e)
{
	const struct strlist *operands = &c->options->operands;
	bool asked;
	const char *path = command_config_file(c->options, &asked);

	if (operands->count > 1 || (operands->count == 1 && c->options->config != NULL))
		return usage(e, "check-config takes one file");
	if (operands->count == 1)
		path = operands->items[0];
	else if (!asked && access(path, F_OK) != 0)
		path = NULL;
	if (path != NULL || c->options->json)
		return check(c, path);
	if (!c->options->quiet)
		printf("there is no " CONFIG_FILE ": nothing is configured by a file\n");
	return EXIT_DONE;
}
