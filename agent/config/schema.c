/* SPDX-License-Identifier: MIT
 *
 * schema — see schema.h. What the types are is types.c's affair.
 */
#include "agent/config/schema.h"

#include "agent/config/types.h"

static size_t row_of(const struct schema_key *keys, const char *name)
{
	size_t i = 0;

	while (keys[i].name != NULL && !str_equal(keys[i].name, name))
		i++;
	return i;
}

static void complain_unknown(struct config_errors *errors, const struct node *key, const char *what,
			     const struct schema_key *keys)
{
	struct strlist known AUTO_STRLIST = {0};
	AUTO_FREE char *suggestion = NULL;

	for (; keys->name != NULL; keys++)
		strlist_add(&known, keys->name);
	suggestion = config_suggestion(key->text, &known);
	config_error_add(errors, &key->at, "\"%s\" is no key of %s%s", key->text, what, suggestion);
}

/* Which of the map's values belongs to which row. False: a key is unknown or stands there twice. */
static bool keys_sort(struct reading *r, const struct node *map, const char *what,
		      const struct schema_key *keys, size_t found[SCHEMA_MAX_KEYS])
{
	bool good = true;

	for (size_t i = 0; i < map->count; i++) {
		const struct node *key = map->keys[i];
		size_t row = row_of(keys, key->text);

		if (keys[row].name == NULL) {
			complain_unknown(r->errors, key, what, keys);
			good = false;
		} else if (found[row] != 0) {
			config_error_add(r->errors, &key->at,
					 "\"%s\" stands here a second time: first in line %d",
					 key->text, map->keys[found[row] - 1]->at.line);
			good = false;
		} else {
			found[row] = i + 1;
		}
	}
	return good;
}

struct json *schema_read(struct reading *r, const struct node *v, const char *what,
			 const struct schema_key *keys, bool *ret_good)
{
	struct json *result = json_new_map();
	size_t found[SCHEMA_MAX_KEYS] = {0}; /* index + 1 */

	if (v->kind != NODE_MAP) {
		config_error_add(r->errors, &v->at, "%s has to be a map of keys and values, not %s",
				 what, type_of(v));
		*ret_good = false;
		return result;
	}
	*ret_good = keys_sort(r, v, what, keys, found);
	for (size_t row = 0; keys[row].name != NULL; row++) {
		const char *member = keys[row].member != NULL ? keys[row].member : keys[row].name;
		struct json *value = NULL;

		r->key = keys[row].name;
		if (found[row] != 0)
			value = keys[row].type(r, v->items[found[row] - 1]);
		else if (keys[row].required)
			config_error_add(r->errors, &v->at, "%s has no \"%s\"", what,
					 keys[row].name);
		if (value != NULL)
			json_put(result, member, value);
		else if (found[row] != 0 || keys[row].required)
			*ret_good = false;
	}
	return result;
}
