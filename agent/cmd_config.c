/* SPDX-License-Identifier: MIT
 *
 * config show — what is wanted, with every default resolved and where each of it comes from: the
 * configuration file, and the certificates that commands made.
 */
#include "agent/command.h"
#include "agent/config/config.h"
#include "agent/report.h"
#include "agent/stream.h"
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

/* One piece of what commands made, copied in one look; NULL for what is the file's. A certificate
 * and its account are of one moment; pieces need not be, as what they say is of one each. */
struct made {
	struct certificate_walk w;
	struct json *of[STORE_PIECE]; /* of w's; owned */
};

static void made_clear(struct made *m)
{
	for (size_t i = 0; i < STORE_PIECE; i++)
		json_free(TAKE(m->of[i]));
}

static int made_read(struct store *s, struct made *m, struct err *e)
{
	int r = store_look_begin(s, e);

	if (r != 0)
		return r;
	r = certificate_walk(s, &m->w, e);
	for (size_t i = 0; r >= 0 && i < m->w.count; i++) {
		int one = certificate_is_of_command(m->w.list[i])
				  ? certificate_json(s, m->w.list[i], &m->of[i], e)
				  : 0;

		r = one != 0 ? one : r;
	}
	store_look_end(s);
	return r;
}

/* Calls print for each of them, after its look. */
static int made_each(struct store *s,
		     void (*print)(void *arg, const char *name, struct json *value), void *arg,
		     struct err *e)
{
	struct made m = {0};
	int r;

	while ((r = made_read(s, &m, e)) > 0) {
		for (size_t i = 0; i < m.w.count; i++)
			if (m.of[i] != NULL)
				print(arg, m.w.list[i]->name, TAKE(m.of[i]));
		made_clear(&m);
	}
	made_clear(&m);
	certificate_walk_clear(&m.w);
	return r;
}

/* Comments: a certificate of a command does not become one of the file by being copied there. */
static void made_print(void *arg, const char *name, struct json *value)
{
	AUTO_JSON struct json *owned = value;
	AUTO_FREE char *text = json_print(owned, false);
	bool *titled = arg;

	if (!*titled)
		printf("# made by everleaf obtain, and not part of the file:\n");
	*titled = true;
	printf("#   %s: %s\n", name, text);
}

static void made_put(void *arg, const char *name, struct json *value)
{
	stream_put(arg, name, value);
}

static int show(const struct context *c, const struct config *config, struct err *e)
{
	struct stream s = {0};
	bool titled = false;
	int r;

	if (!c->options->json) {
		config_print(config);
		return made_each(c->store, made_print, &titled, e);
	}
	stream_begin(&s);
	stream_open(&s, "config", '{');
	stream_put(&s, "file", json_clone(config->effective));
	stream_open(&s, "commands", '{');
	r = made_each(c->store, made_put, &s, e);
	if (r == 0)
		stream_end(&s);
	return r;
}

int cmd_config(struct context *c, struct err *e)
{
	const struct strlist *operands = &c->options->operands;
	struct config_errors errors AUTO(config_errors_clear) = {0};
	AUTO_CONFIG struct config *config = NULL;
	bool asked;
	const char *path = command_config_file(c->options, &asked);
	int r;

	if (operands->count != 1 || !str_equal(operands->items[0], "show"))
		return usage(e, "everleaf config does \"show\"");
	config = config_read(asked || access(path, F_OK) == 0 ? path : NULL, 0, &errors);
	config_errors_print(&errors);
	r = show(c, config, e);
	if (r != 0)
		return r;
	return config_errors_count(&errors, false) > 0 ? EXIT_FAILED : EXIT_DONE;
}
