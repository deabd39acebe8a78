/* SPDX-License-Identifier: MIT
 *
 * mock_jws — verifies what clients sign (RFC 8555 6.2 to 6.5): form, algorithm, key, signature,
 * nonce, URL. Uses OpenSSL directly, so that what base/key.c signs is read by somebody else.
 */
#include "tests/mock/mock_internal.h"

#include "base/base64url.h"
#include "base/key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PART (256 * 1024)

static const struct curve {
	const char *algorithm, *name, *group, *digest;
	size_t size;
} curves[] = {
	{"ES256", "P-256", "prime256v1", "SHA256", 32},
	{"ES384", "P-384", "secp384r1", "SHA384", 48},
};

static const struct curve *curve_of(const char *algorithm)
{
	for (size_t i = 0; algorithm != NULL && i < COUNT_OF(curves); i++)
		if (str_equal(curves[i].algorithm, algorithm))
			return &curves[i];
	return NULL;
}

static bool decode(const char *text, struct buf *out)
{
	buf_init(out, MAX_PART);
	return text != NULL && base64url_decode(text, strlen(text), out) == 0;
}

/* --- the key --- */

static EVP_PKEY *key_of_point(const struct curve *c, const unsigned char *point, size_t len)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *parameters;
	EVP_PKEY *key = NULL;

	MOCK_MUST(OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, c->group,
						  0) == 1 &&
		  OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, len) ==
			  1);
	parameters = OSSL_PARAM_BLD_to_param(builder);
	MOCK_MUST(EVP_PKEY_fromdata_init(context) == 1);
	if (EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
		key = NULL;
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	return key;
}

/* RFC 7638: the members in the order of their names. */
static char *thumbprint_of(const struct curve *c, const char *x, const char *y)
{
	AUTO_FREE char *text = mem_printf(
		"{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", c->name, x, y);
	uint8_t hash[32];

	sha256(text, strlen(text), hash);
	return base64url_encode(hash, sizeof(hash));
}

static EVP_PKEY *key_of_jwk(const struct json *jwk, const struct curve *c, char **ret_thumbprint)
{
	const char *x = json_get_text(jwk, "x"), *y = json_get_text(jwk, "y");
	struct buf xs AUTO_BUF = {0};
	struct buf ys AUTO_BUF = {0};
	unsigned char point[1 + 2 * 48] = {4};
	EVP_PKEY *key;

	if (!str_equal(json_get_text(jwk, "kty"), "EC") ||
	    !str_equal(json_get_text(jwk, "crv"), c->name) || !decode(x, &xs) || !decode(y, &ys) ||
	    xs.len != c->size || ys.len != c->size)
		return NULL;
	memcpy(point + 1, xs.data, c->size);
	memcpy(point + 1 + c->size, ys.data, c->size);
	key = key_of_point(c, point, 1 + 2 * c->size);
	if (key != NULL)
		*ret_thumbprint = thumbprint_of(c, x, y);
	return key;
}

/* --- the signature --- */

static bool signature_holds(EVP_PKEY *key, const struct curve *c, const char *signed_text,
			    const struct buf *raw)
{
	const unsigned char *bytes = (const unsigned char *)raw->data;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	ECDSA_SIG *signature = ECDSA_SIG_new();
	unsigned char *der = NULL;
	int len, ok;

	if (raw->len != 2 * c->size) {
		EVP_MD_CTX_free(context);
		ECDSA_SIG_free(signature);
		return false;
	}
	MOCK_MUST(ECDSA_SIG_set0(signature, BN_bin2bn(bytes, (int)c->size, NULL),
				 BN_bin2bn(bytes + c->size, (int)c->size, NULL)) == 1);
	len = i2d_ECDSA_SIG(signature, &der);
	MOCK_MUST(len > 0);
	MOCK_MUST(EVP_DigestVerifyInit(context, NULL, EVP_get_digestbyname(c->digest), NULL, key) ==
		  1);
	ok = EVP_DigestVerify(context, der, (size_t)len, (const unsigned char *)signed_text,
			      strlen(signed_text));
	OPENSSL_free(der);
	ECDSA_SIG_free(signature);
	EVP_MD_CTX_free(context);
	return ok == 1;
}

/* --- the whole --- */

struct jws {
	struct json *root;
	struct json *header;
	const char *protected, *payload, *signature; /* of root */
};

static void jws_clear(struct jws *j)
{
	json_free(j->root);
	json_free(j->header);
}

static void count_member(void *arg, const char *key, const struct json *value)
{
	(void)key, (void)value;
	(*(int *)arg)++;
}

/* Exactly the three members of a flattened JWS, and a protected header (6.2). */
static bool jws_parse(const struct mock_request *q, struct jws *j)
{
	struct buf header AUTO_BUF = {0};
	int members = 0;

	if (json_parse(q->body, q->body_len, &j->root, NULL) != 0)
		return false;
	json_each(j->root, count_member, &members);
	j->protected = json_get_text(j->root, "protected");
	j->payload = json_get_text(j->root, "payload");
	j->signature = json_get_text(j->root, "signature");
	return members == 3 && j->payload != NULL && j->signature != NULL &&
	       decode(j->protected, &header) &&
	       json_parse(header.data, header.len, &j->header, NULL) == 0;
}

/* Finds the key that is to have signed it. */
static EVP_PKEY *find_key(struct mock_ca *ca, const struct jws *j, enum mock_kind kind,
			  struct mock_signed *s)
{
	const struct json *jwk = json_get(j->header, "jwk");
	const char *kid = json_get_text(j->header, "kid");
	const struct curve *c = curve_of(json_get_text(j->header, "alg"));
	struct mock_place place;

	if ((jwk == NULL) == (kid == NULL) || (jwk != NULL) != (kind == MOCK_NEW_ACCOUNT))
		return NULL;
	if (jwk != NULL) {
		s->key = key_of_jwk(jwk, c, &s->thumbprint);
		return s->key;
	}
	place = mock_place_of(ca, kid);
	if (place.kind == MOCK_ACCOUNT)
		s->account = mock_account_find(ca, place.id);
	return s->account != NULL ? s->account->key : NULL;
}

static bool nonce_taken(struct mock_ca *ca, const char *nonce)
{
	char *end = NULL;
	size_t number = nonce != NULL && nonce[0] == 'n' ? strtoul(nonce + 1, &end, 10) : SIZE_MAX;

	if (number >= ca->nonce_count) {
		ca->counts.nonces_unknown++;
		return false;
	}
	if (ca->nonces[number]) {
		ca->counts.nonces_reused++;
		return false;
	}
	ca->nonces[number] = true;
	return true;
}

static bool refuse(struct mock_response *a, int status, const char *type, const char *detail)
{
	mock_problem(a, status, type, detail);
	return false;
}

static bool read_payload(const struct jws *j, struct mock_record *r, struct mock_signed *s)
{
	struct buf text AUTO_BUF = {0};

	if (!decode(j->payload, &text))
		return false;
	r->payload = mem_str(text.data);
	s->empty = text.len == 0;
	return s->empty || json_parse(text.data, text.len, &s->payload, NULL) == 0;
}

static bool verify(struct mock_ca *ca, const struct mock_request *q, struct jws *j,
		   struct mock_signed *s, struct mock_response *a)
{
	AUTO_FREE char *text = NULL;
	struct buf raw AUTO_BUF = {0};
	const struct curve *c;
	EVP_PKEY *key;

	c = curve_of(json_get_text(j->header, "alg"));
	if (c == NULL)
		return refuse(a, 400, "badSignatureAlgorithm", "ES256 or ES384");
	key = find_key(ca, j, mock_place_of(ca, q->url).kind, s);
	if (key == NULL && json_get(j->header, "kid") != NULL) {
		mock_refuse(&ca->config.unknown,
			    &(const struct mock_refusal){400, "accountDoesNotExist"},
			    "no such account", a);
		return false;
	}
	if (key == NULL)
		return refuse(a, 400, "malformed", "either jwk or kid, as the resource wants");
	text = mem_printf("%s.%s", j->protected, j->payload);
	if (!decode(j->signature, &raw) || !signature_holds(key, c, text, &raw)) {
		ca->counts.forged++;
		return refuse(a, 400, "malformed", "the signature does not verify");
	}
	if (!nonce_taken(ca, json_get_text(j->header, "nonce")))
		return refuse(a, 400, "badNonce", "this nonce is not one to use");
	if (!str_equal(json_get_text(j->header, "url"), q->url))
		return refuse(a, 401, "unauthorized", "signed for another URL");
	if (s->account != NULL && s->account->deactivated)
		mock_refuse_inactive(ca, a);
	return s->account == NULL || !s->account->deactivated;
}

bool mock_verify(struct mock_ca *ca, const struct mock_request *q, struct mock_record *record,
		 struct mock_signed *ret_signed, struct mock_response *a)
{
	struct jws j AUTO(jws_clear) = {0};

	if (!str_equal(q->content_type, "application/jose+json"))
		return refuse(a, 415, "malformed", "not application/jose+json");
	if (!jws_parse(q, &j))
		return refuse(a, 400, "malformed", "no flattened JWS");
	record->nonce = mem_str(json_get_text(j.header, "nonce"));
	record->account = mem_str(json_get_text(j.header, "kid"));
	if (!read_payload(&j, record, ret_signed))
		return refuse(a, 400, "malformed", "a payload that is no JSON");
	return verify(ca, q, &j, ret_signed, a);
}

/* --- RFC 8555 7.3.4: the account's key, signed by a MAC --- */

static bool mac_holds(const struct mock_ca *ca, const struct json *binding)
{
	AUTO_FREE char *text = mem_printf("%s.%s", json_get_text(binding, "protected"),
					  json_get_text(binding, "payload"));
	struct buf key AUTO_BUF = {0};
	struct buf signature AUTO_BUF = {0};
	uint8_t mac[32];

	MOCK_MUST(decode(ca->config.eab_hmac_key, &key));
	hmac_sha256(key.data, key.len, text, strlen(text), mac);
	return decode(json_get_text(binding, "signature"), &signature) &&
	       signature.len == sizeof(mac) && memcmp(signature.data, mac, sizeof(mac)) == 0;
}

static bool binds_key(const struct json *jwk, const char *thumbprint)
{
	AUTO_FREE char *bound = NULL;

	for (size_t i = 0; bound == NULL && i < COUNT_OF(curves); i++)
		EVP_PKEY_free(key_of_jwk(jwk, &curves[i], &bound));
	return str_equal(bound, thumbprint);
}

bool mock_binding_holds(const struct mock_ca *ca, const struct json *binding,
			const char *thumbprint)
{
	AUTO_FREE char *url = mock_url(ca, "new-account");
	AUTO_JSON struct json *header = NULL;
	AUTO_JSON struct json *jwk = NULL;
	struct buf head AUTO_BUF = {0};
	struct buf body AUTO_BUF = {0};

	return decode(json_get_text(binding, "protected"), &head) &&
	       decode(json_get_text(binding, "payload"), &body) &&
	       json_parse(head.data, head.len, &header, NULL) == 0 &&
	       json_parse(body.data, body.len, &jwk, NULL) == 0 &&
	       str_equal(json_get_text(header, "alg"), "HS256") &&
	       str_equal(json_get_text(header, "kid"), ca->config.eab_kid) &&
	       str_equal(json_get_text(header, "url"), url) && json_get(header, "nonce") == NULL &&
	       binds_key(jwk, thumbprint) && mac_holds(ca, binding);
}

void mock_signed_clear(struct mock_signed *s)
{
	EVP_PKEY_free(s->key);
	free(s->thumbprint);
	json_free(s->payload);
	*s = (struct mock_signed){0};
}
