/* SPDX-License-Identifier: MIT
 *
 * request — the payloads of RFC 8555 7 (and `replaces`, RFC 9773 5) as JSON. Members that say
 * nothing are left out: some CAs refuse an empty contact list.
 */
#include "acme/request.h"

#include "acme/identifier.h"
#include "base/base64url.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>

static struct acme_request *request_new(enum acme_target target, const char *url)
{
	struct acme_request *r = mem_new(sizeof(*r));

	r->target = target;
	r->url = mem_str(url);
	return r;
}

struct acme_request *request_find_account(void)
{
	struct acme_request *r = request_new(ACME_TO_NEW_ACCOUNT, NULL);

	r->with_jwk = true;
	r->payload = mem_str("{\"onlyReturnExisting\":true}");
	return r;
}

static struct json *texts_json(const struct strlist *texts)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < texts->count; i++)
		json_add_text(list, texts->items[i]);
	return list;
}

struct acme_request *request_new_account(const struct strlist *contact, bool agreed)
{
	AUTO_JSON struct json *body = json_new_map();
	struct acme_request *r = request_new(ACME_TO_NEW_ACCOUNT, NULL);

	if (contact != NULL && contact->count > 0)
		json_put(body, "contact", texts_json(contact));
	if (agreed)
		json_put_flag(body, "termsOfServiceAgreed", true);
	r->with_jwk = true;
	r->binds = true;
	r->payload = json_print(body, false);
	return r;
}

struct acme_request *request_update_contact(const char *account_url, const struct strlist *contact)
{
	AUTO_JSON struct json *body = json_new_map();
	struct acme_request *r = request_new(ACME_TO_URL, account_url);

	json_put(body, "contact", texts_json(contact));
	r->payload = json_print(body, false);
	return r;
}

struct acme_request *request_deactivate(const char *account_url)
{
	struct acme_request *r = request_new(ACME_TO_URL, account_url);

	r->payload = mem_str("{\"status\":\"deactivated\"}");
	return r;
}

static struct json *identifiers_json(const struct strlist *names)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < names->count; i++) {
		struct json *one = json_new_map();

		json_put_text(one, "type", identifier_type(names->items[i]));
		json_put_text(one, "value", names->items[i]);
		json_add(list, one);
	}
	return list;
}

struct acme_request *request_new_order(const struct strlist *names, const char *profile,
				       const char *replaces)
{
	AUTO_JSON struct json *body = json_new_map();
	struct acme_request *r = request_new(ACME_TO_NEW_ORDER, NULL);

	json_put(body, "identifiers", identifiers_json(names));
	if (profile != NULL)
		json_put_text(body, "profile", profile);
	if (replaces != NULL)
		json_put_text(body, "replaces", replaces);
	r->payload = json_print(body, false);
	return r;
}

struct acme_request *request_read(const char *url)
{
	return request_new(ACME_TO_URL, url);
}

struct acme_request *request_answer_challenge(const char *challenge_url)
{
	struct acme_request *r = request_new(ACME_TO_URL, challenge_url);

	r->payload = mem_str("{}");
	return r;
}

struct acme_request *request_finalize(const char *finalize_url, const void *csr, size_t csr_len)
{
	AUTO_JSON struct json *body = json_new_map();
	AUTO_FREE char *text = base64url_encode(csr, csr_len);
	struct acme_request *r = request_new(ACME_TO_URL, finalize_url);

	json_put_text(body, "csr", text);
	r->payload = json_print(body, false);
	return r;
}

struct acme_request *request_certificate(const char *certificate_url)
{
	struct acme_request *r = request_new(ACME_TO_URL, certificate_url);

	r->wants_chain = true;
	return r;
}

struct acme_request *request_renewal_info(const char *certificate_id)
{
	struct acme_request *r = request_new(ACME_TO_RENEWAL_INFO, certificate_id);

	r->unsigned_get = true;
	return r;
}

void acme_request_free(struct acme_request *r)
{
	if (r == NULL)
		return;
	free(r->url);
	free(r->payload);
	free(r);
}

void auto_acme_request(struct acme_request **r)
{
	acme_request_free(*r);
}
