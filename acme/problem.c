/* SPDX-License-Identifier: MIT
 *
 * problem — problem documents (RFC 7807, RFC 8555 6.7) and whatever a proxy sends in their place.
 *
 * Texts are kept as the CA wrote them; whoever shows one goes through struct err or the log,
 * which escape. Only a body that is no problem document is escaped here, as it becomes a detail.
 */
#include "acme/fields.h"
#include "acme/types.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define PREFIX          "urn:ietf:params:acme:error:"
#define MAX_TYPE        63 /* what struct err can carry */
#define MAX_SUBPROBLEMS ACME_MAX_AUTHORIZATIONS
#define MAX_RAW         512

/* "badNonce" of "urn:ietf:params:acme:error:badNonce"; "" for what is none of ACME's. */
static char *type_short(const char *type)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_.";
	size_t len;

	if (type == NULL || strncmp(type, PREFIX, strlen(PREFIX)) != 0)
		return mem_str("");
	type += strlen(PREFIX);
	len = strlen(type);
	if (len > MAX_TYPE || strspn(type, alphabet) != len)
		return mem_str("");
	return mem_str(type);
}

static void subproblems_read(const struct json *v, struct acme_problem *p)
{
	const struct json *list = json_get(v, "subproblems");
	size_t count = json_count(list);

	if (count > MAX_SUBPROBLEMS)
		count = MAX_SUBPROBLEMS;
	p->subproblems = mem_new(count * sizeof(*p->subproblems));
	p->subproblem_count = count;
	for (size_t i = 0; i < count; i++) {
		const struct json *one = json_at(list, i);
		struct acme_subproblem *sub = &p->subproblems[i];

		sub->type = type_short(json_get_text(one, "type"));
		sub->detail = mem_str(json_get_text(one, "detail"));
		sub->identifier = mem_str(json_get_text(json_get(one, "identifier"), "value"));
	}
}

/* NULL when v is no problem document: none of its members is there. */
static struct acme_problem *problem_read(int status, const struct json *v)
{
	const char *type = json_get_text(v, "type");
	const char *detail = json_get_text(v, "detail");
	struct acme_problem *p;

	if (detail == NULL)
		detail = json_get_text(v, "title"); /* RFC 7807 3.1: the detail's short form */
	if (type == NULL && detail == NULL)
		return NULL;
	p = mem_new(sizeof(*p));
	p->status = status;
	p->type = type_short(type);
	p->detail = mem_str(detail);
	p->instance = mem_str(json_get_text(v, "instance"));
	subproblems_read(v, p);
	return p;
}

struct acme_problem *fields_error(const struct json *v)
{
	return problem_read(0, json_get(v, "error"));
}

static struct acme_problem *problem_raw(int status, const char *body, size_t len)
{
	struct acme_problem *p = mem_new(sizeof(*p));

	p->status = status;
	p->type = mem_str("");
	if (len > 0)
		p->detail = text_escape_new(body, len < MAX_RAW ? len : MAX_RAW);
	return p;
}

struct acme_problem *acme_problem_parse(int status, const char *body, size_t len)
{
	AUTO_JSON struct json *v = NULL;
	struct acme_problem *p = NULL;

	if (fields_body(body, len, &v, NULL) == 0)
		p = problem_read(status, v);
	return p != NULL ? p : problem_raw(status, body, len);
}

bool acme_problem_is(const struct acme_problem *p, const char *type)
{
	return p != NULL && str_equal(p->type, type);
}
