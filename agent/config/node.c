/* SPDX-License-Identifier: MIT
 *
 * node — see node.h; node_parse is in yaml.c.
 */
#include "agent/config/node.h"

#include <stdlib.h>

const struct node *node_get(const struct node *map, const char *key)
{
	if (map == NULL || map->kind != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->count; i++)
		if (str_equal(map->keys[i]->text, key))
			return map->items[i];
	return NULL;
}

bool node_is_empty(const struct node *n)
{
	return n->kind == NODE_TEXT && !n->quoted && n->text[0] == '\0';
}

/* As deep as NODE_MAX_DEPTH at most. */
void node_free(struct node *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; i < n->count; i++) {
		if (n->kind == NODE_MAP)
			node_free(n->keys[i]);
		node_free(n->items[i]);
	}
	free(n->keys);
	free(n->items);
	free(n->text);
	free(n);
}

void auto_node(struct node **n)
{
	node_free(*n);
}
