/* SPDX-License-Identifier: MIT
 *
 * config show — what is wanted, with every default resolved and where each of it comes from: the
 * configuration file, and the certificates that commands made.
 */
#include "agent/command.h"
#include "agent/config/config.h"
#include "agent/report.h"
#include "store/account.h"
#include "store/certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As those of the file, with the wish instead of names that only the file has. */
static int certificate_json(struct store *s, const struct certificate *c, struct json **ret_json,
			    struct err *e)
{
	AUTO_ACCOUNT_ROW struct account *account = NULL;
	AUTO_JSON struct json *j = json_new_map();
	struct json *names = json_new_list();
	struct json *wish = NULL;
	int r;

	json_put_text(j, "origin", c->origin);
	for (size_t i = 0; i < c->names.count; i++)
		json_add_text(names, c->names.items[i]);
	json_put(j, "names", names);
	r = account_load(s, c->account_id, &account, e);
	if (r == 0)
		r = json_parse(c->wish, strlen(c->wish), &wish, e);
	if (r != 0)
		return r;
	json_put_text(j, "server", account != NULL ? account->server : NULL);
	json_put(j, "wish", wish);
	json_put_flag(j, "paused", c->paused);
	*ret_json = TAKE(j);
	return 0;
}

/* {NAME: …} of what commands made. */
static int commands_json(struct store *s, struct json *map, struct err *e)
{
	struct certificate **list = NULL;
	size_t count = 0;
	int r = certificate_list(s, &list, &count, e);

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct json *j = NULL;

		if (!certificate_is_of_command(list[i]))
			continue;
		r = certificate_json(s, list[i], &j, e);
		if (r == 0)
			json_put(map, list[i]->name, j);
	}
	certificate_list_free(list, count);
	return r;
}

/* Comments: a certificate of a command does not become one of the file by being copied there. */
static void command_print(void *arg, const char *name, const struct json *value)
{
	AUTO_FREE char *text = json_print(value, false);
	bool *titled = arg;

	if (!*titled)
		printf("# made by everleaf obtain, and not part of the file:\n");
	*titled = true;
	printf("#   %s: %s\n", name, text);
}

static void show(const struct context *c, const struct config *config, const struct json *commands)
{
	bool titled = false;

	if (c->options->json) {
		struct json *both = json_new_map();

		json_put(both, "file", json_clone(config->effective));
		json_put(both, "commands", json_clone(commands));
		report_print("config", both);
		return;
	}
	config_print(config);
	json_each(commands, command_print, &titled);
}

int cmd_config(struct context *c, struct err *e)
{
	const struct strlist *operands = &c->options->operands;
	struct config_errors errors AUTO(config_errors_clear) = {0};
	AUTO_CONFIG struct config *config = NULL;
	AUTO_JSON struct json *commands = json_new_map();
	bool asked;
	const char *path = command_config_file(c->options, &asked);
	int r;

	if (operands->count != 1 || !str_equal(operands->items[0], "show"))
		return usage(e, "everleaf config does \"show\"");
	r = commands_json(c->store, commands, e);
	if (r != 0)
		return r;
	config = config_read(asked || access(path, F_OK) == 0 ? path : NULL, 0, &errors);
	config_errors_print(&errors);
	show(c, config, commands);
	return config_errors_count(&errors, false) > 0 ? EXIT_FAILED : EXIT_DONE;
}
