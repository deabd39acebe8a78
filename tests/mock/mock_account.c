/* SPDX-License-Identifier: MIT
 *
 * mock_account — accounts (RFC 8555 7.3), and the ways in which CAs say that one is not there, or
 * is not to be used any more: the configuration chooses among those that were seen.
 */
#include "tests/mock/mock_internal.h"

#include <stdlib.h>

struct mock_account *mock_account_find(const struct mock_ca *ca, int64_t id)
{
	for (size_t i = 0; i < ca->account_count; i++)
		if (!ca->accounts[i]->forgotten && ca->accounts[i]->id == id)
			return ca->accounts[i];
	return NULL;
}

static struct mock_account *account_of_key(const struct mock_ca *ca, const char *thumbprint)
{
	for (size_t i = 0; i < ca->account_count; i++)
		if (!ca->accounts[i]->forgotten &&
		    str_equal(ca->accounts[i]->thumbprint, thumbprint))
			return ca->accounts[i];
	return NULL;
}

static void account_read_contact(struct mock_account *account, const struct json *list)
{
	strlist_clear(&account->contact);
	for (size_t i = 0; i < json_count(list); i++)
		if (json_text(json_at(list, i)) != NULL)
			strlist_add(&account->contact, json_text(json_at(list, i)));
}

static struct mock_account *account_new(struct mock_ca *ca, struct mock_signed *s)
{
	struct mock_account *account = mem_new(sizeof(*account));

	ca->accounts = mem_grow(ca->accounts, ca->account_count + 1, sizeof(*ca->accounts));
	ca->accounts[ca->account_count++] = account;
	account->id = (int64_t)ca->account_count - (int64_t)ca->ids_begin;
	account->key = TAKE(s->key);
	account->thumbprint = TAKE(s->thumbprint);
	account_read_contact(account, json_get(s->payload, "contact"));
	return account;
}

const char *mock_account_status(const struct mock_account *account)
{
	return account->deactivated ? "deactivated" : "valid";
}

static void account_answer(struct mock_ca *ca, const struct mock_account *account, int status,
			   struct mock_response *a)
{
	struct json *v = json_new_map();
	struct json *contact = json_new_list();

	for (size_t i = 0; i < account->contact.count; i++)
		json_add_text(contact, account->contact.items[i]);
	json_put_text(v, "status", mock_account_status(account));
	if (ca->config.keeps_no_contact)
		json_free(contact);
	else
		json_put(v, "contact", contact);
	mock_put_url(ca, v, "orders", "orders", account->id);
	mock_add_location(ca, a, "account", account->id);
	mock_json(a, status, v);
}

void mock_refuse(const struct mock_refusal *as, const struct mock_refusal *otherwise,
		 const char *detail, struct mock_response *a)
{
	mock_problem(a, as->status != 0 ? as->status : otherwise->status,
		     as->problem != NULL ? as->problem : otherwise->problem, detail);
}

void mock_refuse_inactive(const struct mock_ca *ca, struct mock_response *a)
{
	mock_refuse(&ca->config.inactive, &(const struct mock_refusal){401, "unauthorized"},
		    "this account is deactivated", a);
}

static void count_member(void *arg, const char *key, const struct json *value)
{
	(void)key, (void)value;
	(*(size_t *)arg)++;
}

static bool stands_alone(const struct json *payload)
{
	size_t members = 0;

	json_each(payload, count_member, &members);
	return members == 1;
}

/* Of a key that has no account. */
static void account_register(struct mock_ca *ca, struct mock_signed *s, struct mock_response *a)
{
	const struct json *binding = json_get(s->payload, "externalAccountBinding");

	if (ca->config.terms && !json_flag(json_get(s->payload, "termsOfServiceAgreed")))
		mock_problem(a, 403, "userActionRequired", "agree to the terms first");
	else if (ca->config.eab_kid != NULL && binding == NULL)
		mock_problem(a, 403, "externalAccountRequired", "where is the binding?");
	else if (ca->config.eab_kid != NULL && !mock_binding_holds(ca, binding, s->thumbprint))
		mock_problem(a, 403, "unauthorized", "the binding does not verify");
	else
		account_answer(ca, account_new(ca, s), 201, a);
}

/* RFC 8555 7.3: a known key gets its account, whatever else it says, unless that is dead (7.3.6).
 */
void mock_new_account_act(struct mock_ca *ca, struct mock_signed *s, struct mock_response *a)
{
	const struct mock_account *known = account_of_key(ca, s->thumbprint);
	bool looks = json_flag(json_get(s->payload, "onlyReturnExisting"));

	if (!json_is_map(s->payload))
		mock_problem(a, 400, "malformed", "newAccount wants an object");
	else if (looks && ca->config.alone && !stands_alone(s->payload))
		mock_problem(a, 400, "malformed", "onlyReturnExisting must be alone");
	else if (known != NULL && known->deactivated && !ca->config.shows_inactive)
		mock_refuse_inactive(ca, a);
	else if (known != NULL)
		account_answer(ca, known, 200, a);
	else if (looks)
		mock_refuse(&ca->config.absent,
			    &(const struct mock_refusal){400, "accountDoesNotExist"},
			    "this key has no account", a);
	else
		account_register(ca, s, a);
}

/* RFC 8555 7.3.2 and 7.3.6. */
void mock_account_act(struct mock_ca *ca, struct mock_signed *s, struct mock_response *a)
{
	if (json_is_list(json_get(s->payload, "contact")) && ca->config.contact.status != 0) {
		mock_refuse(&ca->config.contact,
			    &(const struct mock_refusal){400, "invalidContact"},
			    "nobody lives there", a);
		return;
	}
	if (json_is_list(json_get(s->payload, "contact")))
		account_read_contact(s->account, json_get(s->payload, "contact"));
	if (str_equal(json_get_text(s->payload, "status"), "deactivated")) {
		s->account->deactivated = true;
		ca->counts.deactivated++;
	}
	account_answer(ca, s->account, 200, a);
}

void mock_ca_deactivate_accounts(struct mock_ca *ca)
{
	for (size_t i = 0; i < ca->account_count; i++)
		ca->accounts[i]->deactivated = true;
}

void mock_ca_activate_accounts(struct mock_ca *ca)
{
	for (size_t i = 0; i < ca->account_count; i++)
		ca->accounts[i]->deactivated = false;
}

/* What a database knew is gone with it; what is being validated or issued, too. */
void mock_ca_forget_accounts(struct mock_ca *ca)
{
	mock_ca_forget_orders(ca);
	for (size_t i = 0; i < ca->account_count; i++)
		ca->accounts[i]->forgotten = true;
	for (size_t i = 0; i < ca->authorization_count; i++) {
		struct mock_authorization *z = ca->authorizations[i];

		z->account_id = 0;
		for (size_t k = 0; k < z->challenge_count; k++)
			z->challenges[k].due_ms = 0;
	}
	for (size_t i = 0; i < ca->order_count; i++)
		ca->orders[i]->due_ms = 0;
	if (ca->config.same_ids)
		ca->ids_begin = ca->account_count;
}

void mock_account_free(struct mock_account *account)
{
	free(account->thumbprint);
	strlist_clear(&account->contact);
	EVP_PKEY_free(account->key);
	free(account);
}
