/* SPDX-License-Identifier: MIT
 *
 * mock_authorization — authorizations and challenges (RFC 8555 7.5, 8.3), as Pebble and Boulder
 * have them, or with the habits of others (mock_ca_config).
 */
#include "tests/mock/mock_internal.h"

#include "base/base64url.h"

#include <stdlib.h>
#include <string.h>

struct mock_authorization *mock_authorization_find(const struct mock_ca *ca, int64_t id)
{
	return id >= 1 && (size_t)id <= ca->authorization_count ? ca->authorizations[id - 1] : NULL;
}

static char *token_new(struct mock_ca *ca)
{
	uint64_t bytes[4];

	for (size_t i = 0; i < COUNT_OF(bytes); i++)
		bytes[i] = mock_random(ca);
	return base64url_encode(bytes, sizeof(bytes));
}

/* In any order, but one without a token always comes before http-01: who takes the first one, or
 * believes that all have tokens, fails. */
static void challenges_make(struct mock_ca *ca, struct mock_authorization *z)
{
	static const char *const types[] = {"dns-persist-01", "http-01", "dns-01", "tls-alpn-01"};
	size_t at = 0;

	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (!z->wildcard || strncmp(types[i], "dns", 3) == 0)
			z->challenges[z->challenge_count++] = (struct mock_challenge){
				.type = types[i],
				.token = i > 0 ? token_new(ca) : NULL,
				.status = "pending",
			};
	for (size_t i = z->challenge_count - 1; i > 1; i--) {
		size_t k = 1 + mock_random(ca) % i;
		struct mock_challenge c = z->challenges[i];

		z->challenges[i] = z->challenges[k];
		z->challenges[k] = c;
	}
	/* the one without a token: anywhere before http-01 */
	while (at + 1 < z->challenge_count && mock_random(ca) % 2 == 0 &&
	       !str_equal(z->challenges[at + 1].type, "http-01")) {
		struct mock_challenge c = z->challenges[at];

		z->challenges[at] = z->challenges[at + 1];
		z->challenges[at + 1] = c;
		at++;
	}
}

struct mock_authorization *mock_authorization_for(struct mock_ca *ca, int64_t account_id,
						  const char *name)
{
	bool wildcard = strncmp(name, "*.", 2) == 0;
	struct mock_authorization *z;

	for (size_t i = 0; ca->config.reuse_authorizations && i < ca->authorization_count; i++) {
		z = ca->authorizations[i];
		if (z->account_id == account_id && z->wildcard == wildcard &&
		    str_equal(z->status, "valid") && z->expires > mock_now(ca) &&
		    str_equal(z->identifier, wildcard ? name + 2 : name))
			return z;
	}
	z = mem_new(sizeof(*z));
	ca->authorizations = mem_grow(ca->authorizations, ca->authorization_count + 1, sizeof(z));
	ca->authorizations[ca->authorization_count++] = z;
	z->id = (int64_t)ca->authorization_count;
	z->account_id = account_id;
	z->identifier = mem_str(wildcard ? name + 2 : name);
	z->wildcard = wildcard;
	z->status = "pending";
	z->expires = mock_now(ca) + MOCK_ORDER_LIFE;
	challenges_make(ca, z);
	return z;
}

static struct json *challenge_json(struct mock_ca *ca, const struct mock_authorization *z,
				   size_t index)
{
	const struct mock_challenge *c = &z->challenges[index];
	AUTO_FREE char *url = mock_url(ca, "challenge/%lld/%zu", (long long)z->id, index);
	struct json *v = json_new_map();

	json_put_text(v, "type", c->type);
	json_put_text(v, "url", url);
	json_put_text(v, "status", c->status);
	if (c->token != NULL)
		json_put_text(v, "token", c->token);
	if (c->problem != NULL && !(ca->config.silent && str_equal(c->status, "invalid")))
		mock_put_error(v, c->problem, "the mock could not validate it");
	return v;
}

void mock_authorization_act(struct mock_ca *ca, const struct mock_authorization *z,
			    struct mock_response *a)
{
	struct json *v = json_new_map();
	struct json *list = json_new_list();
	bool other = ca->config.twist == MOCK_OTHER_AUTHORIZATION;
	bool wildcard = z->wildcard != (ca->config.twist == MOCK_OTHER_WILDCARD);

	json_put(v, "identifier", mock_identifier(ca, other ? "other.example" : z->identifier));
	json_put_text(v, "status", z->status);
	mock_put_time(v, "expires", z->expires);
	if (wildcard)
		json_put_flag(v, "wildcard", true);
	for (size_t i = 0; i < z->challenge_count; i++)
		json_add(list, challenge_json(ca, z, i));
	json_put(v, "challenges", list);
	if (str_equal(z->status, "pending"))
		mock_add_retry_after(ca, a);
	mock_json(a, 200, v);
}

/* What becomes of the authorization and its orders is a matter of habit. */
void mock_challenge_validate(struct mock_ca *ca, struct mock_authorization *z,
			     struct mock_challenge *c)
{
	const struct mock_account *account = mock_account_find(ca, z->account_id);
	AUTO_FREE char *wanted = mem_printf("%s.%s", c->token, account->thumbprint);
	struct buf found AUTO_BUF = {0};

	buf_init(&found, 4096);
	c->due_ms = 0;
	ca->counts.validations++;
	if (mock_said(ca->config.judge))
		c->problem = ca->config.judge;
	else if (ca->config.fetch == NULL ||
		 ca->config.fetch(ca->config.fetch_arg, z->identifier, c->token, &found) != 0)
		c->problem = "connection";
	else if (strcmp(found.data, wanted) != 0)
		c->problem = "unauthorized";
	if (ca->config.answered_again && str_equal(c->problem, "connection")) {
		c->status = "pending";
		return;
	}
	c->status = c->problem != NULL ? "invalid" : "valid";
	if (c->problem == NULL || !ca->config.authorizations_stay)
		z->status = c->status;
	if (c->problem == NULL)
		z->expires = mock_now(ca) + INT64_C(30) * 86400;
	for (size_t i = 0; i < ca->order_count; i++)
		mock_order_judge(ca, ca->orders[i]);
}

/* RFC 8555 7.5.1. A challenge that has been answered, or whose authorization is over, is refused.
 */
void mock_challenge_act(struct mock_ca *ca, const struct mock_place *place,
			const struct mock_signed *s, struct mock_response *a)
{
	struct mock_authorization *z = mock_authorization_find(ca, place->id);
	struct mock_challenge *c = &z->challenges[place->index];

	if (!s->empty) {
		if (!json_is_map(s->payload)) {
			mock_problem(a, 400, "malformed", "a challenge wants an object");
			return;
		}
		if (!str_equal(z->status, "pending")) {
			mock_problem(a, 400, "malformed", "this authorization is over");
			return;
		}
		if (!str_equal(c->type, "http-01")) {
			mock_problem(a, 400, "malformed", "the mock validates http-01 only");
			return;
		}
		if (str_equal(c->status, "pending")) {
			c->status = "processing";
			c->problem = NULL;
			c->due_ms = mock_mono(ca) +
				    (ca->config.validate_ms > 0 ? ca->config.validate_ms : 1);
			if (ca->config.verdict_in_answer)
				mock_challenge_validate(ca, z, c);
		}
	}
	mock_add_retry_after(ca, a);
	mock_json(a, 200, challenge_json(ca, z, place->index));
}

void mock_authorization_free(struct mock_authorization *z)
{
	for (size_t i = 0; i < z->challenge_count; i++)
		free(z->challenges[i].token);
	free(z->identifier);
	free(z);
}
