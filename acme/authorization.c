/* SPDX-License-Identifier: MIT
 *
 * authorization — authorizations and their challenges (RFC 8555 7.1.4, 7.1.5, 8).
 *
 * A challenge inside an authorization is read forgivingly: CAs offer types that we do not know,
 * some without a token, and one odd challenge must not cost the others.
 */
#include "acme/fields.h"
#include "acme/identifier.h"
#include "acme/types.h"
#include "base/mem.h"
#include "base/url.h"

#include <string.h>

#define CHALLENGE_STATUS                                                                           \
	(FIELDS_STATUS(ACME_PENDING) | FIELDS_STATUS(ACME_PROCESSING) |                            \
	 FIELDS_STATUS(ACME_VALID) | FIELDS_STATUS(ACME_INVALID))

#define AUTHORIZATION_STATUS                                                                       \
	(FIELDS_STATUS(ACME_PENDING) | FIELDS_STATUS(ACME_VALID) | FIELDS_STATUS(ACME_INVALID) |   \
	 FIELDS_STATUS(ACME_DEACTIVATED) | FIELDS_STATUS(ACME_EXPIRED) |                           \
	 FIELDS_STATUS(ACME_REVOKED))

/* A URL that is not https is as good as none: nothing is ever sent there. */
static bool challenge_usable(const struct json *v)
{
	const char *url = json_get_text(v, "url");

	return json_get_text(v, "type") != NULL && url != NULL && url_check_https(url, NULL) == 0;
}

/* v: usable. */
static void challenge_fill(const struct json *v, struct acme_challenge *c)
{
	c->type = mem_str(json_get_text(v, "type"));
	c->url = mem_str(json_get_text(v, "url"));
	c->token = mem_str(json_get_text(v, "token"));
	c->status = fields_status_parse(json_get_text(v, "status"));
	if ((FIELDS_STATUS(c->status) & CHALLENGE_STATUS) == 0)
		c->status = ACME_UNKNOWN;
	c->problem = fields_error(v);
}

int acme_challenge_parse(const char *body, size_t len, struct acme_challenge **ret, struct err *e)
{
	AUTO_JSON struct json *v = NULL;
	AUTO_FREE char *url = NULL;
	enum acme_status status;
	int r = fields_body(body, len, &v, e);

	if (r == 0)
		r = fields_url(v, "url", &url, e);
	if (r == 0)
		r = fields_status(v, CHALLENGE_STATUS, &status, e);
	if (r != 0)
		return r;
	if (json_get_text(v, "type") == NULL)
		return err_set(e, ERR_PROTOCOL, "the CA's challenge has no type");
	*ret = mem_new(sizeof(**ret));
	challenge_fill(v, *ret);
	return 0;
}

static int challenges_read(const struct json *v, struct acme_authorization *a, struct err *e)
{
	const struct json *list = json_get(v, "challenges");

	if (!json_is_list(list))
		return err_set(e, ERR_PROTOCOL, "the CA's authorization has no challenges");
	if (json_count(list) > ACME_MAX_CHALLENGES)
		return err_set(e, ERR_PROTOCOL,
			       "the CA's authorization has more than %d challenges",
			       ACME_MAX_CHALLENGES);
	a->challenges = mem_new(json_count(list) * sizeof(*a->challenges));
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *one = json_at(list, i);

		if (challenge_usable(one))
			challenge_fill(one, &a->challenges[a->challenge_count++]);
	}
	return 0;
}

/* RFC 8555 7.1.4: the wildcard is told by a flag; some CAs write it into the name as well. */
static int identifier_read(const struct json *v, struct acme_authorization *a, struct err *e)
{
	AUTO_FREE char *name = NULL;
	int r = fields_identifier(json_get(v, "identifier"), &name, e);

	if (r != 0)
		return r;
	a->wildcard = json_flag(json_get(v, "wildcard")) || identifier_is_wildcard(name);
	a->identifier = mem_str(identifier_is_wildcard(name) ? name + 2 : name);
	return 0;
}

int acme_authorization_parse(const char *body, size_t len, struct acme_authorization **ret,
			     struct err *e)
{
	AUTO_JSON struct json *v = NULL;
	AUTO_AUTHORIZATION struct acme_authorization *a = mem_new(sizeof(*a));
	int r = fields_body(body, len, &v, e);

	if (r == 0)
		r = fields_status(v, AUTHORIZATION_STATUS, &a->status, e);
	if (r == 0)
		r = fields_expires(v, &a->expires, e);
	if (r == 0)
		r = identifier_read(v, a, e);
	if (r == 0)
		r = challenges_read(v, a, e);
	if (r != 0)
		return r;
	*ret = TAKE(a);
	return 0;
}

bool acme_token_ok(const char *token)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_";
	size_t len;

	if (token == NULL)
		return false;
	len = strlen(token);
	return len >= 22 && len <= 128 && strspn(token, alphabet) == len;
}
