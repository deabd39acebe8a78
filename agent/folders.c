/* SPDX-License-Identifier: MIT
 *
 * folders — see folders.h.
 */
#include "agent/folders.h"

#include "agent/wire.h"
#include "agent/wish.h"

#include <stdlib.h>
#include <string.h>

#define NAME "{name}"

/* --- {name} --- */

static char *text_expand(const char *text, const char *certificate)
{
	struct strlist parts AUTO_STRLIST = {0};
	const char *at;

	while ((at = strstr(text, NAME)) != NULL) {
		AUTO_FREE char *before = mem_strn(text, (size_t)(at - text));

		strlist_add(&parts, before);
		text = at + strlen(NAME);
	}
	strlist_add(&parts, text);
	return strlist_join(&parts, certificate);
}

bool folders_named(const struct json *deployer, const char *member)
{
	const struct json *value = json_get(deployer, member);

	if (json_text(value) != NULL)
		return strstr(json_text(value), NAME) != NULL;
	for (size_t i = 0; json_is_list(value) && i < json_count(value); i++)
		if (strstr(json_text(json_at(value, i)), NAME) != NULL)
			return true;
	return false;
}

static void member_expand(struct json *deployer, const char *member, const char *certificate)
{
	const struct json *value = json_get(deployer, member);
	const char *text = json_text(value);
	struct json *list;

	if (!folders_named(deployer, member))
		return;
	if (text != NULL) {
		AUTO_FREE char *expanded = text_expand(text, certificate);

		json_put_text(deployer, member, expanded);
		return;
	}
	list = json_new_list();
	for (size_t i = 0; i < json_count(value); i++) {
		AUTO_FREE char *expanded = text_expand(json_text(json_at(value, i)), certificate);

		json_add_text(list, expanded);
	}
	json_put(deployer, member, list);
}

struct json *folders_expand(const struct json *deployer, const char *certificate)
{
	struct json *expanded = json_clone(deployer);

	member_expand(expanded, "directory", certificate);
	member_expand(expanded, "command", certificate);
	member_expand(expanded, "check", certificate);
	return expanded;
}

/* --- places --- */

/* The caller's; NULL: a deployer that has none. */
static char *place_of(const struct json *deployer)
{
	const struct deployer_ops *ops = wire_deployer(json_get_text(deployer, "name"));

	return ops != NULL && ops->place != NULL ? ops->place(deployer) : NULL;
}

void folders_add(struct folders *f, const char *certificate, const struct json *deploy)
{
	for (size_t i = 0; i < json_count(deploy); i++) {
		char *place = place_of(json_at(deploy, i));

		if (place == NULL)
			continue;
		f->items = mem_grow(f->items, f->count + 1, sizeof(f->items[0]));
		f->items[f->count++] =
			(struct folder_place){.place = place, .certificate = certificate};
		f->sorted = false;
	}
}

static int compare(const void *a, const void *b)
{
	const struct folder_place *x = a, *y = b;

	return strcmp(x->place, y->place);
}

/* The first of those with the place; they stand beside each other. */
static size_t find(struct folders *f, const char *place)
{
	size_t low = 0, high = f->count;

	if (!f->sorted && f->count > 0)
		qsort(f->items, f->count, sizeof(f->items[0]), compare);
	f->sorted = true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(f->items[middle].place, place) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const char *folders_other(struct folders *f, const char *certificate, const struct json *deploy,
			  const char **ret_place)
{
	for (size_t i = 0; i < json_count(deploy); i++) {
		AUTO_FREE char *place = place_of(json_at(deploy, i));
		size_t at = place != NULL ? find(f, place) : f->count;

		/* its own places are few, those of others it stops at */
		for (; at < f->count && str_equal(f->items[at].place, place); at++) {
			if (str_equal(f->items[at].certificate, certificate))
				continue;
			*ret_place = f->items[at].place;
			return f->items[at].certificate;
		}
	}
	return NULL;
}

void folders_clear(struct folders *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->items[i].place);
	free(f->items);
	*f = (struct folders){0};
}

int folders_clash(const char *certificate, const char *other, const char *place, struct err *e)
{
	return err_set(e, ERR_CONFIG,
		       "the certificates %s and %s would both be deployed into %s, and one would "
		       "take the place of the other: give each a directory of its own, for "
		       "instance %s/" NAME,
		       certificate, other, place, place);
}

/* --- of a store --- */

/* Of a certificate that is there and not given up by its file. */
static int refuse_one(struct folders *ours, const struct certificate *c, const char *name,
		      struct err *e)
{
	AUTO_WISH struct wish *wish = NULL;
	const char *place = NULL;

	if (str_equal(c->name, name) || c->dropped_at != 0 || strstr(c->wish, "\"files\"") == NULL)
		return 0;
	if (wish_parse(c->wish, &wish, e) != 0)
		return e->code;
	if (folders_other(ours, c->name, wish->deploy, &place) == NULL)
		return 0;
	return folders_clash(name, c->name, place, e);
}

int folders_refuse(struct store *s, const char *certificate, const char *wish, struct err *e)
{
	struct certificate_walk w AUTO_CERTIFICATE_WALK = {0};
	struct folders ours AUTO_FOLDERS = {0};
	AUTO_WISH struct wish *want = NULL;
	int r = wish_parse(wish, &want, e);

	if (r != 0)
		return r;
	folders_add(&ours, certificate, want->deploy);
	while (ours.count > 0 && (r = certificate_walk(s, &w, e)) > 0)
		for (size_t i = 0; i < w.count; i++) {
			r = refuse_one(&ours, w.list[i], certificate, e);
			if (r != 0)
				return r;
		}
	return r;
}

/* Errors are a yes: what cannot be known is not overwritten. */
static bool still_wants(void *arg, const char *certificate, const char *directory)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	AUTO_FREE char *wanted = NULL;
	AUTO_JSON struct json *deployer = json_new_map();
	AUTO_WISH struct wish *wish = NULL;
	bool wants = false;

	if (certificate_find(arg, certificate, &c, NULL) != 0)
		return true;
	if (c == NULL || c->dropped_at != 0)
		return false;
	if (wish_parse(c->wish, &wish, NULL) != 0)
		return true;
	json_put_text(deployer, "name", "files");
	json_put_text(deployer, "directory", directory);
	wanted = place_of(deployer);
	for (size_t i = 0; !wants && i < json_count(wish->deploy); i++) {
		AUTO_FREE char *place = place_of(json_at(wish->deploy, i));

		wants = place != NULL && str_equal(place, wanted);
	}
	return wants;
}

void folders_task(struct deployer_task *task, struct store *s)
{
	task->store = store_id(s);
	task->wants = still_wants;
	task->wants_arg = s;
}

int folders_room(const struct json *deploy, struct deployer_task *task, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_count(deploy); i++) {
		const struct json *settings = json_at(deploy, i);
		const struct deployer_ops *ops = wire_deployer(json_get_text(settings, "name"));

		task->settings = settings;
		if (ops != NULL && ops->room != NULL)
			r = ops->room(task, e);
	}
	return r;
}
