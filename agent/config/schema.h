/* SPDX-License-Identifier: MIT
 *
 * schema — which keys a map may have and what each means. A map that was read is JSON in the
 * order of the schema: only what is right is in it, everything wrong was complained about at its
 * place.
 */
#ifndef AGENT_CONFIG_SCHEMA_H
#define AGENT_CONFIG_SCHEMA_H

#include "agent/config/node.h"
#include "base/json.h"

#define SCHEMA_MAX_KEYS 16

struct reading {
	struct config_errors *errors;
	bool secrets;    /* references are followed, to see whether they lead anywhere */
	const char *key; /* what is being read, for sentences */
};

/* A value as JSON, or NULL after a complaint. agent/config/types.h has them. */
typedef struct json *schema_type(struct reading *r, const struct node *v);

struct schema_key {
	const char *name; /* NULL ends a table, of at most SCHEMA_MAX_KEYS */
	schema_type *type;
	bool required;
	const char *member; /* what JSON calls it; NULL: the same */
};

/* what: for sentences, `solver "web"`. Never NULL; *ret_good: nothing was wrong. */
struct json *schema_read(struct reading *r, const struct node *v, const char *what,
			 const struct schema_key *keys, bool *ret_good);

#endif
