/* SPDX-License-Identifier: MIT
 *
 * mock_acme — the resources of RFC 8555 7: orders (accounts and authorizations have files of their
 * own). Behaves as Pebble and Boulder do where the RFC leaves a choice.
 */
#include "tests/mock/mock_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void mock_add_location(struct mock_ca *ca, struct mock_response *a, const char *what, int64_t id)
{
	AUTO_FREE char *url = mock_url(ca, "%s/%lld", what, (long long)id);

	strlist_addf(&a->headers, "location: %s", url);
}

void mock_put_url(struct mock_ca *ca, struct json *map, const char *member, const char *path,
		  int64_t id)
{
	AUTO_FREE char *url = mock_url(ca, "%s/%lld", path, (long long)id);

	json_put_text(map, member, url);
}

void mock_put_time(struct json *map, const char *member, int64_t when)
{
	char text[CLOCK_TEXT_SIZE];

	json_put_text(map, member, clock_format(when, text));
}

/* In the spelling of RFC 8555 7.1.4, or in another one of the same name. */
struct json *mock_identifier(const struct mock_ca *ca, const char *name)
{
	struct json *v = json_new_map();
	bool address = strchr(name, ':') != NULL || strspn(name, "0123456789.") == strlen(name);
	AUTO_FREE char *spelled = mem_printf("%s%s", name, ca->config.spells ? "." : "");

	for (char *p = spelled; ca->config.spells && *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	json_put_text(v, "type", address ? "ip" : "dns");
	json_put_text(v, "value", address ? name : spelled);
	return v;
}

void mock_put_error(struct json *map, const char *type, const char *detail)
{
	AUTO_FREE char *urn = mem_printf(MOCK_URN "%s", type);
	struct json *v = json_new_map();

	json_put_text(v, "type", urn);
	json_put_text(v, "detail", detail);
	json_put_number(v, "status", 403);
	json_put(map, "error", v);
}

void mock_add_retry_after(const struct mock_ca *ca, struct mock_response *a)
{
	if (ca->config.retry_after > 0)
		strlist_addf(&a->headers, "retry-after: %lld", (long long)ca->config.retry_after);
}

/* --- orders --- */

struct mock_order *mock_order_find(const struct mock_ca *ca, int64_t id)
{
	if (id < 1 || (size_t)id > ca->order_count || (size_t)id <= ca->forgotten_orders)
		return NULL;
	return ca->orders[id - 1];
}

void mock_order_judge(struct mock_ca *ca, struct mock_order *o)
{
	bool all = true;

	if (!str_equal(o->status, "pending"))
		return;
	if (o->expires <= mock_now(ca))
		o->status = "invalid";
	for (size_t i = 0; i < o->authorization_count; i++) {
		const char *status = mock_authorization_find(ca, o->authorizations[i])->status;

		if (str_equal(status, "invalid") && !ca->config.orders_stay)
			o->status = "invalid";
		all = all && str_equal(status, "valid");
	}
	if (all && str_equal(o->status, "pending"))
		o->status = "ready";
}

void mock_order_issue(struct mock_ca *ca, struct mock_order *o)
{
	o->due_ms = 0;
	if (mock_said(ca->config.issue_error)) {
		o->status = "invalid";
		o->problem = ca->config.issue_error;
		return;
	}
	mock_issue(ca, o);
	o->status = "valid";
	ca->counts.certificates++;
}

static void order_answer(struct mock_ca *ca, const struct mock_order *o, int status,
			 struct mock_response *a)
{
	struct json *v = json_new_map();
	struct json *names = json_new_list();
	struct json *urls = json_new_list();

	for (size_t i = 0; i < o->names.count; i++)
		json_add(names, mock_identifier(ca, o->names.items[i]));
	if (ca->config.twist == MOCK_OTHER_ORDER)
		json_add(names, mock_identifier(ca, "other.example"));
	for (size_t i = 0; i < o->authorization_count; i++) {
		AUTO_FREE char *url =
			mock_url(ca, "authorization/%lld", (long long)o->authorizations[i]);

		json_add_text(urls, url);
	}
	json_put_text(v, "status", o->status);
	mock_put_time(v, "expires", o->expires);
	json_put(v, "identifiers", names);
	json_put(v, "authorizations", urls);
	mock_put_url(ca, v, "finalize", "finalize", o->id);
	if (o->problem != NULL)
		mock_put_error(v, o->problem, "the mock could not issue it");
	if (o->pem != NULL)
		mock_put_url(ca, v, "certificate", "certificate", o->id);
	if (str_equal(o->status, "pending") || str_equal(o->status, "processing"))
		mock_add_retry_after(ca, a);
	mock_json(a, status, v);
}

static bool names_read(const struct mock_signed *s, struct strlist *names)
{
	const struct json *list = json_get(s->payload, "identifiers");

	for (size_t i = 0; i < json_count(list); i++) {
		const char *value = json_get_text(json_at(list, i), "value");

		if (value == NULL || json_get_text(json_at(list, i), "type") == NULL)
			return false;
		if (!strlist_has(names, value))
			strlist_add(names, value);
	}
	strlist_sort(names);
	return names->count > 0;
}

static struct mock_order *order_reused(const struct mock_ca *ca, int64_t account_id,
				       const struct strlist *names)
{
	for (size_t i = ca->forgotten_orders; ca->config.reuse_orders && i < ca->order_count; i++) {
		struct mock_order *o = ca->orders[i];

		if (o->account_id == account_id && strlist_equal(&o->names, names) &&
		    (str_equal(o->status, "pending") || str_equal(o->status, "ready")))
			return o;
	}
	return NULL;
}

static struct mock_order *order_new(struct mock_ca *ca, int64_t account_id,
				    const struct strlist *names)
{
	struct mock_order *o = mem_new(sizeof(*o));

	ca->orders = mem_grow(ca->orders, ca->order_count + 1, sizeof(*ca->orders));
	ca->orders[ca->order_count++] = o;
	o->id = (int64_t)ca->order_count;
	o->account_id = account_id;
	strlist_copy(&o->names, names);
	o->status = "pending";
	o->expires = mock_now(ca) + MOCK_ORDER_LIFE;
	o->authorizations = mem_new(names->count * sizeof(*o->authorizations));
	/* not in the order of the names */
	for (size_t i = names->count; i-- > 0;)
		o->authorizations[o->authorization_count++] =
			mock_authorization_for(ca, account_id, names->items[i])->id;
	mock_order_judge(ca, o);
	return o;
}

static void new_order_act(struct mock_ca *ca, const struct mock_signed *s, struct mock_response *a)
{
	struct strlist names AUTO_STRLIST = {0};
	struct mock_order *o;

	if (!names_read(s, &names)) {
		mock_problem(a, 400, "malformed", "no identifiers");
		return;
	}
	o = order_reused(ca, s->account->id, &names);
	if (o == NULL)
		o = order_new(ca, s->account->id, &names);
	mock_add_location(ca, a, "order", o->id);
	order_answer(ca, o, 201, a);
}

/* RFC 8555 7.4; for what is not ready Boulder says 403 orderNotReady, whatever it is. */
static void finalize_act(struct mock_ca *ca, struct mock_order *o, const struct mock_signed *s,
			 struct mock_response *a)
{
	const char *why = NULL;

	if (!str_equal(o->status, "ready")) {
		mock_problem(a, 403, "orderNotReady", "the order is not ready");
		return;
	}
	o->csr = mock_csr(ca, o, json_get_text(s->payload, "csr"), &why);
	if (o->csr == NULL) {
		mock_problem(a, 400, "badCSR", why);
		return;
	}
	o->status = "processing";
	o->due_ms = mock_mono(ca) + ca->config.process_ms;
	if (!ca->config.processing)
		mock_order_issue(ca, o);
	order_answer(ca, o, 200, a);
}

/* The links as CAs write them: each in a header of its own, all in one, absolute or not. */
static void add_alternates(const struct mock_ca *ca, const struct mock_order *o,
			   struct mock_response *a)
{
	AUTO_FREE char *first = mock_url(ca, "certificate/%lld/1", (long long)o->id);

	if (ca->config.alternates > 0)
		strlist_addf(&a->headers, "link: <%s>;rel=\"alternate\"", first);
	for (int64_t i = 2; i <= ca->config.alternates; i++)
		strlist_addf(&a->headers, "link: <%lld/%lld>; rel=\"index alternate\"",
			     (long long)o->id, (long long)i);
}

static void certificate_act(const struct mock_ca *ca, const struct mock_order *o, int64_t index,
			    struct mock_response *a)
{
	if (o->pem == NULL || index > ca->config.alternates) {
		mock_problem(a, 404, "malformed", "not issued yet");
		return;
	}
	if (index == 0)
		add_alternates(ca, o, a);
	a->status = 200;
	strlist_add(&a->headers, "content-type: application/pem-certificate-chain");
	MOCK_MUST(buf_add_text(&a->body, index > 0 && index == ca->config.alternates
						 ? o->good_pem
						 : o->pem) == 0);
}

void mock_order_free(struct mock_order *o)
{
	strlist_clear(&o->names);
	free(o->authorizations);
	X509_REQ_free(o->csr);
	free(o->pem);
	free(o->good_pem);
	free(o);
}

/* --- where it all comes together --- */

static bool order_of(struct mock_ca *ca, const struct mock_place *place,
		     const struct mock_signed *s, struct mock_order **ret_order)
{
	struct mock_order *o = mock_order_find(ca, place->id);

	*ret_order = o;
	return o != NULL && o->account_id == s->account->id;
}

static bool order_act(struct mock_ca *ca, const struct mock_place *place, struct mock_signed *s,
		      struct mock_response *a)
{
	struct mock_order *o;

	if (!order_of(ca, place, s, &o))
		return false;
	if (place->kind == MOCK_FINALIZE)
		finalize_act(ca, o, s, a);
	else if (!s->empty)
		mock_problem(a, 400, "malformed", "POST-as-GET has an empty payload");
	else if (place->kind == MOCK_CERTIFICATE)
		certificate_act(ca, o, (int64_t)place->index, a);
	else
		order_answer(ca, o, 200, a);
	return true;
}

static bool authorization_or_challenge_act(struct mock_ca *ca, const struct mock_place *place,
					   struct mock_signed *s, struct mock_response *a)
{
	struct mock_authorization *z = mock_authorization_find(ca, place->id);

	if (z == NULL || z->account_id != s->account->id || place->index >= z->challenge_count)
		return false;
	if (place->kind == MOCK_CHALLENGE)
		mock_challenge_act(ca, place, s, a);
	else if (!s->empty)
		mock_problem(a, 400, "malformed", "POST-as-GET has an empty payload");
	else
		mock_authorization_act(ca, z, a);
	return true;
}

void mock_act(struct mock_ca *ca, const struct mock_place *place, struct mock_signed *s,
	      struct mock_response *a)
{
	bool found = true;

	switch (place->kind) {
	case MOCK_NEW_ACCOUNT:
		mock_new_account_act(ca, s, a);
		break;
	case MOCK_NEW_ORDER:
		new_order_act(ca, s, a);
		break;
	case MOCK_ACCOUNT:
		found = place->id == s->account->id;
		if (found)
			mock_account_act(ca, s, a);
		break;
	case MOCK_ORDER:
	case MOCK_FINALIZE:
	case MOCK_CERTIFICATE:
		found = order_act(ca, place, s, a);
		break;
	case MOCK_AUTHORIZATION:
	case MOCK_CHALLENGE:
		found = authorization_or_challenge_act(ca, place, s, a);
		break;
	default:
		found = false;
	}
	if (!found)
		mock_problem(a, 404, "malformed", "there is nothing here");
}
