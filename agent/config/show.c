/* SPDX-License-Identifier: MIT
 *
 * show — the effective configuration for people. JSON text is YAML, too, so only the first two
 * levels are laid out, and config_print can be read again.
 */
#include "agent/config/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A proxy's password is not to be seen: "http://user:***@proxy". */
static char *without_password(const char *proxy)
{
	const char *host = strrchr(proxy, '@');
	const char *user = strstr(proxy, "://");
	const char *colon;

	user = user != NULL ? user + 3 : proxy;
	colon = strchr(user, ':');
	if (host == NULL || colon == NULL || colon > host)
		return mem_str(proxy);
	return mem_printf("%.*s***%s", (int)(colon + 1 - proxy), proxy, host);
}

static void member_show(void *arg, const char *key, const struct json *value)
{
	struct json *shown = arg;

	if (str_equal(key, "proxy")) {
		AUTO_FREE char *proxy = without_password(json_text(value));

		json_put_text(shown, key, proxy);
	} else {
		/* what a wish calls "name" has another word where everything has a name */
		json_put(shown, str_equal(key, "name") ? "type" : key, json_clone(value));
	}
}

void section_show(struct section *s, const struct node *key, const struct json *value)
{
	AUTO_FREE char *origin = config_origin(&key->at);
	struct json *shown = json_new_map();

	if (s->shown == NULL)
		s->shown = json_new_map();
	json_put_text(shown, "origin", origin);
	json_each(value, member_show, shown);
	json_put(s->shown, key->text, shown);
}

/* --- as YAML --- */

static void print_member(void *arg, const char *key, const struct json *value)
{
	const char *indent = arg;
	AUTO_FREE char *text = json_print(value, false);

	if (!str_equal(key, "origin"))
		printf("%s%s: %s\n", indent, key, text);
}

static void print_entry(void *arg, const char *name, const struct json *value)
{
	AUTO_JSON struct json *quoted = json_new_text(name);
	AUTO_FREE char *text = json_print(quoted, false);

	(void)arg;
	printf("  %s: # %s\n", text, json_get_text(value, "origin"));
	json_each(value, print_member, (void *)(uintptr_t) "    ");
}

static void print_section(void *arg, const char *section, const struct json *value)
{
	bool once = str_equal(section, "notify") || str_equal(section, "metrics") ||
		    str_equal(section, "log");

	(void)arg;
	printf("%s:\n", section);
	if (once)
		json_each(value, print_member, (void *)(uintptr_t) "  ");
	else
		json_each(value, print_entry, NULL);
}

void config_print(const struct config *c)
{
	json_each(c->effective, print_section, NULL);
}
