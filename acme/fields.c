/* SPDX-License-Identifier: MIT
 *
 * fields — each reader says in its error which member was wrong, because the CA's log and ours
 * are all that an operator has to find out why an answer was refused.
 */
#include "acme/fields.h"

#include "acme/identifier.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/url.h"

#include <string.h>

static const char *const status_names[ACME_STATUSES] = {
	[ACME_UNKNOWN] = "unknown", [ACME_PENDING] = "pending",
	[ACME_READY] = "ready",     [ACME_PROCESSING] = "processing",
	[ACME_VALID] = "valid",     [ACME_INVALID] = "invalid",
	[ACME_EXPIRED] = "expired", [ACME_DEACTIVATED] = "deactivated",
	[ACME_REVOKED] = "revoked",
};

const char *acme_status_name(enum acme_status s)
{
	if ((unsigned)s >= ACME_STATUSES)
		return status_names[ACME_UNKNOWN];
	return status_names[s];
}

enum acme_status fields_status_parse(const char *text)
{
	for (int s = ACME_UNKNOWN + 1; text != NULL && s < ACME_STATUSES; s++) {
		if (strcmp(text, status_names[s]) == 0)
			return (enum acme_status)s;
	}
	return ACME_UNKNOWN;
}

int fields_body(const char *body, size_t len, struct json **ret_json, struct err *e)
{
	AUTO_JSON struct json *v = NULL;
	int r;

	if (len > ACME_MAX_JSON)
		return err_set(e, ERR_PROTOCOL, "the CA's answer is longer than %d bytes",
			       ACME_MAX_JSON);
	r = json_parse(body, len, &v, e);
	if (r != 0)
		return err_while(e, "reading the CA's answer");
	if (!json_is_map(v))
		return err_set(e, ERR_PROTOCOL, "the CA's answer is no JSON object");
	*ret_json = TAKE(v);
	return 0;
}

static int url_copy(const char *url, const char *key, char **ret_url, struct err *e)
{
	int r = url_check_https(url, e);

	if (r != 0)
		return err_while(e, "reading \"%s\" in the CA's answer", key);
	*ret_url = mem_str(url);
	return 0;
}

int fields_url(const struct json *v, const char *key, char **ret_url, struct err *e)
{
	const char *url = json_get_text(v, key);

	if (url == NULL)
		return err_set(e, ERR_PROTOCOL, "the CA's answer has no URL \"%s\"", key);
	return url_copy(url, key, ret_url, e);
}

int fields_url_optional(const struct json *v, const char *key, char **ret_url, struct err *e)
{
	const char *url = json_get_text(v, key);

	return url == NULL ? 0 : url_copy(url, key, ret_url, e);
}

int fields_url_list(const struct json *v, const char *key, size_t max, struct strlist *urls,
		    struct err *e)
{
	const struct json *list = json_get(v, key);

	if (!json_is_list(list))
		return err_set(e, ERR_PROTOCOL, "the CA's answer has no list \"%s\"", key);
	if (json_count(list) > max)
		return err_set(e, ERR_PROTOCOL, "\"%s\" in the CA's answer has more than %zu items",
			       key, max);
	for (size_t i = 0; i < json_count(list); i++) {
		const char *url = json_text(json_at(list, i));

		if (url == NULL)
			return err_set(e, ERR_PROTOCOL,
				       "\"%s\" in the CA's answer has an item that is no URL", key);
		if (url_check_https(url, e) != 0)
			return err_while(e, "reading \"%s\" in the CA's answer", key);
		strlist_add(urls, url);
	}
	return 0;
}

int fields_status(const struct json *v, unsigned allowed, enum acme_status *ret_status,
		  struct err *e)
{
	const char *text = json_get_text(v, "status");
	enum acme_status s = fields_status_parse(text);

	if (text == NULL)
		return err_set(e, ERR_PROTOCOL, "the CA's answer has no status");
	if (s == ACME_UNKNOWN || (FIELDS_STATUS(s) & allowed) == 0)
		return err_set(e, ERR_PROTOCOL,
			       "the CA's answer has a status that RFC 8555 does not give it here: "
			       "\"%.64s\"",
			       text);
	*ret_status = s;
	return 0;
}

int fields_expires(const struct json *v, int64_t *ret_when, struct err *e)
{
	const char *text = json_get_text(v, "expires");
	int64_t when;

	if (text == NULL)
		return 0;
	if (!clock_parse(text, &when))
		return err_set(e, ERR_PROTOCOL,
			       "\"expires\" in the CA's answer is no time: \"%.64s\"", text);
	if (when > 0) /* some servers print "never" as the year 1 */
		*ret_when = when;
	return 0;
}

int fields_identifier(const struct json *v, char **ret_name, struct err *e)
{
	const char *type = json_get_text(v, "type");
	const char *value = json_get_text(v, "value");
	AUTO_FREE char *name = NULL;

	if (type == NULL || value == NULL)
		return err_set(e, ERR_PROTOCOL,
			       "the CA's answer has an identifier without type or value");
	if (identifier_canonical(value, &name, e) != 0) {
		if (e != NULL)
			e->code = ERR_PROTOCOL; /* the CA's mistake, not the operator's */
		err_while(e, "reading an identifier in the CA's answer");
		return ERR_PROTOCOL;
	}
	if (strcmp(type, identifier_type(name)) != 0)
		return err_set(e, ERR_PROTOCOL,
			       "the CA's answer calls the identifier %s a \"%.32s\"", name, type);
	*ret_name = TAKE(name);
	return 0;
}
