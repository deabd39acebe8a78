/* SPDX-License-Identifier: MIT
 *
 * scope — the certificates that a command was asked for, and what this run has done about each.
 */
#include "agent/engine_internal.h"

#include <stdlib.h>
#include <string.h>

/* The index of the first scope entry that is not below; they ascend, because there may be many. */
static size_t scope_index(const struct engine *g, int64_t certificate_id)
{
	size_t from = 0, to = g->scope_count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (g->scopes[middle].certificate_id < certificate_id)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

struct scope *engine_scope(const struct engine *g, int64_t certificate_id)
{
	size_t i = scope_index(g, certificate_id);

	return i < g->scope_count && g->scopes[i].certificate_id == certificate_id ? &g->scopes[i]
										   : NULL;
}

void engine_add(struct engine *g, int64_t certificate_id, enum engine_issue issue)
{
	size_t i = scope_index(g, certificate_id);

	engine_poke(g);
	if (engine_scope(g, certificate_id) != NULL)
		return;
	g->scopes = mem_grow(g->scopes, g->scope_count + 1, sizeof(*g->scopes));
	memmove(&g->scopes[i + 1], &g->scopes[i], (g->scope_count - i) * sizeof(*g->scopes));
	g->scopes[i] = (struct scope){
		.certificate_id = certificate_id,
		.issue = issue,
		.tried = issue == ISSUE_NEVER,
	};
	g->scope_count++;
}

bool engine_limited(const struct engine *g, int64_t certificate_id)
{
	const struct scope *scope = engine_scope(g, certificate_id);

	return scope != NULL && scope->limited;
}

bool engine_said(const struct engine *g, int64_t certificate_id)
{
	const struct scope *scope = engine_scope(g, certificate_id);

	return scope != NULL && scope->said;
}

void engine_says(struct engine *g, int64_t certificate_id)
{
	struct scope *scope = engine_scope(g, certificate_id);

	if (scope != NULL)
		scope->said = true;
}

void engine_again(struct engine *g, int64_t certificate_id)
{
	struct scope *scope = engine_scope(g, certificate_id);

	if (scope != NULL && scope->issue != ISSUE_NEVER)
		scope->tried = scope->under_way = false;
}
