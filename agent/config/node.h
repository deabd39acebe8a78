/* SPDX-License-Identifier: MIT
 *
 * node — the text of one configuration file as a tree that knows where everything stands. Scalars
 * are text and nothing else: what `yes`, `0640` or `null` mean is the schema's affair.
 */
#ifndef AGENT_CONFIG_NODE_H
#define AGENT_CONFIG_NODE_H

#include "agent/config/errors.h"

#define NODE_MAX_BYTES (1024 * 1024) /* of a file */
#define NODE_MAX_DEPTH 32
#define NODE_MAX_NODES 100000 /* of all files together */

enum node_kind {
	NODE_TEXT = 0,
	NODE_LIST,
	NODE_MAP,
};

struct node {
	enum node_kind kind;
	struct place at;
	char *text;          /* NODE_TEXT: never NULL, without control characters but \n and \t */
	bool quoted;         /* NODE_TEXT: no plain scalar */
	struct node **keys;  /* NODE_MAP: all NODE_TEXT; repetitions are kept */
	struct node **items; /* of a list, or the values of a map */
	size_t count;
};

/* Parses one document of YAML (so also JSON). An empty one is an empty map. nodes: how many more
 * there may be, counted down. On failure NULL, after at least one error was added: bad syntax,
 * limits, a second document, anchors, aliases, and tags but !!str, !!seq and !!map. */
struct node *node_parse(const char *text, size_t len, const struct place *file, size_t *nodes,
			struct config_errors *errors);

/* The value of the first such key, or NULL (also when map is NULL or no map). Borrowed. */
const struct node *node_get(const struct node *map, const char *key);

/* Plain and nothing at all: "key:". */
bool node_is_empty(const struct node *n);

void node_free(struct node *n);
void auto_node(struct node **n);
#define AUTO_NODE AUTO(auto_node)

#endif
