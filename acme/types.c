/* SPDX-License-Identifier: MIT
 *
 * types — directory, account and order as they come from the CA (RFC 8555 7.1.1 … 7.1.3).
 *
 * Lists come in any order: identifiers are sorted here, so that sets compare.
 */
#include "acme/types.h"

#include "acme/fields.h"
#include "base/mem.h"
#include "base/url.h"

#include <string.h>

static void profile_add(void *arg, const char *key, const struct json *value)
{
	(void)value; /* a text or URL for people */
	strlist_add(arg, key);
}

/* The terms are never fetched, only shown: so a fragment is fine, and so are terms that are in the
 * URL itself (Pebble's are); plain http is not. */
static int terms_read(const struct json *meta, char **ret_terms, struct err *e)
{
	const char *terms = json_get_text(meta, "termsOfService");
	AUTO_FREE char *bare = NULL;

	if (terms == NULL)
		return 0;
	bare = mem_strn(terms, strcspn(terms, "#"));
	if (strncmp(terms, "data:", 5) != 0 && url_check_https(bare, e) != 0)
		return err_while(e, "reading \"termsOfService\" in the CA's answer");
	*ret_terms = mem_str(terms);
	return 0;
}

static int directory_fill(const struct json *v, struct acme_directory *d, struct err *e)
{
	const struct json *meta = json_get(v, "meta");
	int r = fields_url(v, "newNonce", &d->new_nonce, e);

	if (r == 0)
		r = fields_url(v, "newAccount", &d->new_account, e);
	if (r == 0)
		r = fields_url(v, "newOrder", &d->new_order, e);
	if (r == 0)
		r = fields_url_optional(v, "revokeCert", &d->revoke_cert, e);
	if (r == 0)
		r = fields_url_optional(v, "keyChange", &d->key_change, e);
	if (r == 0)
		r = fields_url_optional(v, "renewalInfo", &d->renewal_info, e);
	if (r == 0)
		r = terms_read(meta, &d->terms_of_service, e);
	if (r != 0)
		return r;
	d->external_account_required = json_flag(json_get(meta, "externalAccountRequired"));
	json_each(json_get(meta, "profiles"), profile_add, &d->profiles);
	return 0;
}

int acme_directory_parse(const char *body, size_t len, struct acme_directory **ret, struct err *e)
{
	AUTO_JSON struct json *v = NULL;
	AUTO_DIRECTORY struct acme_directory *d = mem_new(sizeof(*d));
	int r = fields_body(body, len, &v, e);

	if (r == 0)
		r = directory_fill(v, d, e);
	if (r != 0)
		return r;
	*ret = TAKE(d);
	return 0;
}

/* For people only, so what is no text is passed over. */
static void account_contact(const struct json *list, struct strlist *contact)
{
	for (size_t i = 0; i < json_count(list) && i < ACME_MAX_CONTACTS; i++)
		if (json_text(json_at(list, i)) != NULL)
			strlist_add(contact, json_text(json_at(list, i)));
}

int acme_account_parse(const char *body, size_t len, struct acme_account **ret, struct err *e)
{
	const unsigned allowed = FIELDS_STATUS(ACME_VALID) | FIELDS_STATUS(ACME_DEACTIVATED) |
				 FIELDS_STATUS(ACME_REVOKED);
	AUTO_JSON struct json *v = NULL;
	AUTO_ACCOUNT struct acme_account *a = mem_new(sizeof(*a));
	int r = fields_body(body, len, &v, e);

	if (r == 0)
		r = fields_status(v, allowed, &a->status, e);
	if (r == 0)
		r = fields_url_optional(v, "orders", &a->orders, e);
	if (r != 0)
		return r;
	account_contact(json_get(v, "contact"), &a->contact);
	*ret = TAKE(a);
	return 0;
}

static int identifiers_read(const struct json *v, struct strlist *names, struct err *e)
{
	const struct json *list = json_get(v, "identifiers");

	if (json_count(list) == 0)
		return err_set(e, ERR_PROTOCOL, "the CA's order has no identifiers");
	if (json_count(list) > ACME_MAX_AUTHORIZATIONS)
		return err_set(e, ERR_PROTOCOL, "the CA's order has more than %d identifiers",
			       ACME_MAX_AUTHORIZATIONS);
	for (size_t i = 0; i < json_count(list); i++) {
		AUTO_FREE char *name = NULL;
		int r = fields_identifier(json_at(list, i), &name, e);

		if (r != 0)
			return r;
		if (!strlist_has(names, name))
			strlist_add(names, name);
	}
	strlist_sort(names);
	return 0;
}

static int order_fill(const struct json *v, struct acme_order *o, struct err *e)
{
	/* "expired" is none of 7.1.6's for orders, but says clearly what to do. */
	const unsigned allowed = FIELDS_STATUS(ACME_PENDING) | FIELDS_STATUS(ACME_READY) |
				 FIELDS_STATUS(ACME_PROCESSING) | FIELDS_STATUS(ACME_VALID) |
				 FIELDS_STATUS(ACME_INVALID) | FIELDS_STATUS(ACME_EXPIRED);
	int r = fields_status(v, allowed, &o->status, e);

	if (r == 0)
		r = fields_expires(v, &o->expires, e);
	if (r == 0)
		r = identifiers_read(v, &o->identifiers, e);
	if (r == 0)
		r = fields_url_list(v, "authorizations", ACME_MAX_AUTHORIZATIONS,
				    &o->authorizations, e);
	if (r == 0)
		r = fields_url(v, "finalize", &o->finalize, e);
	if (r == 0)
		r = fields_url_optional(v, "certificate", &o->certificate, e);
	if (r != 0)
		return r;
	if (o->status == ACME_VALID && o->certificate == NULL)
		return err_set(e, ERR_PROTOCOL,
			       "the CA's order is valid, but has no certificate URL");
	o->problem = fields_error(v);
	o->profile = mem_str(json_get_text(v, "profile"));
	return 0;
}

int acme_order_parse(const char *body, size_t len, struct acme_order **ret, struct err *e)
{
	AUTO_JSON struct json *v = NULL;
	AUTO_ORDER struct acme_order *o = mem_new(sizeof(*o));
	int r = fields_body(body, len, &v, e);

	if (r == 0)
		r = order_fill(v, o, e);
	if (r != 0)
		return r;
	*ret = TAKE(o);
	return 0;
}
