/* SPDX-License-Identifier: MIT
 *
 * wish — see wish.h. The only place that writes one; what is in it is said by agent/wishing.c and
 * agent/config/. Read by everything that acts on it.
 */
#include "agent/wish.h"

#include <stdlib.h>
#include <string.h>

void wish_words(const struct json *v, const char *member, struct strlist *words)
{
	const struct json *list = json_get(v, member);

	for (size_t i = 0; i < json_count(list); i++) {
		const char *word = json_text(json_at(list, i));

		if (word != NULL)
			strlist_add(words, word);
	}
}

char *wish_brief(const struct json *settings)
{
	struct strlist words AUTO_STRLIST = {0};
	int64_t port = 0;
	const char *const members[] = {"name", "directory", "address", "owner", "group", "mode"};

	for (size_t i = 0; i < COUNT_OF(members); i++)
		if (json_get_text(settings, members[i]) != NULL)
			strlist_add(&words, json_get_text(settings, members[i]));
	if (json_number(json_get(settings, "port"), &port))
		strlist_addf(&words, "port %lld", (long long)port);
	wish_words(settings, "command", &words);
	wish_words(settings, "reload", &words);
	if (json_get_text(settings, "prove") != NULL)
		strlist_addf(&words, "(proved at %s)", json_get_text(settings, "prove"));
	return strlist_join(&words, " ");
}

static void put(struct json *wish, const char *member, struct json **part)
{
	if (*part != NULL)
		json_put(wish, member, TAKE(*part));
}

char *wish_print(struct wish_parts *parts)
{
	AUTO_JSON struct json *wish = json_new_map();

	json_put_text(wish, "key", key_kind_name(parts->key));
	if (parts->profile != NULL)
		json_put_text(wish, "profile", parts->profile);
	put(wish, "solver", &parts->solver);
	put(wish, "deploy", &parts->deploy);
	put(wish, "pre_hook", &parts->pre_hook);
	put(wish, "post_hook", &parts->post_hook);
	return json_print(wish, false);
}

void wish_parts_clear(struct wish_parts *parts)
{
	json_free(parts->solver);
	json_free(parts->deploy);
	json_free(parts->pre_hook);
	json_free(parts->post_hook);
	*parts = (struct wish_parts){0};
}

int wish_parse(const char *text, struct wish **ret_wish, struct err *e)
{
	AUTO_WISH struct wish *w = mem_new(sizeof(*w));
	const char *kind;
	int r;

	r = json_parse(text, strlen(text), &w->root, e);
	if (r != 0) {
		err_while(e, "reading what is wanted of a certificate");
		return e != NULL ? (e->code = ERR_SYS) : ERR_SYS;
	}
	kind = json_get_text(w->root, "key");
	w->key = key_kind_parse(kind != NULL ? kind : "ec-256");
	w->solver = json_get(w->root, "solver");
	w->deploy = json_get(w->root, "deploy");
	wish_words(w->root, "pre_hook", &w->pre_hook);
	wish_words(w->root, "post_hook", &w->post_hook);
	*ret_wish = TAKE(w);
	return 0;
}

void wish_free(struct wish *w)
{
	if (w == NULL)
		return;
	json_free(w->root);
	strlist_clear(&w->pre_hook);
	strlist_clear(&w->post_hook);
	free(w);
}

void auto_wish(struct wish **w)
{
	wish_free(*w);
}
