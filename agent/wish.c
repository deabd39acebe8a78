/* SPDX-License-Identifier: MIT
 *
 * wish — see wish.h. Written by agent/options.c, read by everything that acts on it.
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
