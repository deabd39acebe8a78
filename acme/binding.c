/* SPDX-License-Identifier: MIT
 *
 * binding — see binding.h. The one JWS that a MAC signs: HS256 over the account's JWK, with the
 * outer request's URL and no nonce.
 */
#include "acme/binding.h"

#include "base/base64url.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define MAX_MAC_KEY 1024

static char *protected_header(const struct acme_binding *b)
{
	AUTO_JSON struct json *header = json_new_map();
	AUTO_FREE char *text = NULL;

	json_put_text(header, "alg", "HS256");
	json_put_text(header, "kid", b->kid);
	json_put_text(header, "url", b->url);
	text = json_print(header, false);
	return base64url_encode(text, strlen(text));
}

/* Some CAs show the key with padding, which RFC 7515 has not. */
static int mac_key(const struct acme_binding *b, struct buf *key, struct err *e)
{
	size_t len = b->mac_len;

	while (len > 0 && b->mac[len - 1] == '=')
		len--;
	if (base64url_decode(b->mac, len, key) == 0 && key->len > 0)
		return 0;
	return err_set(e, ERR_CONFIG,
		       "the MAC key of the external account binding is no base64url text: copy "
		       "it again from the CA's web site");
}

static struct json *flattened(const char *header, const char *jwk, const char *signature)
{
	struct json *jws = json_new_map();

	json_put_text(jws, "protected", header);
	json_put_text(jws, "payload", jwk);
	json_put_text(jws, "signature", signature);
	return jws;
}

int acme_binding_add(const struct acme_binding *b, const char *payload, char **ret_payload,
		     struct err *e)
{
	AUTO_FREE char *header = protected_header(b);
	AUTO_FREE char *jwk = key_jwk(b->account);
	AUTO_FREE char *body = base64url_encode(jwk, strlen(jwk));
	AUTO_FREE char *input = mem_printf("%s.%s", header, body);
	AUTO_FREE char *signature = NULL;
	struct buf key AUTO_BUF = {0};
	struct json *whole = NULL;
	uint8_t mac[32];
	int r;

	buf_init_secret(&key, MAX_MAC_KEY);
	r = mac_key(b, &key, e);
	if (r == 0)
		r = json_parse(payload, strlen(payload), &whole, e);
	if (r != 0)
		return r;
	hmac_sha256(key.data, key.len, input, strlen(input), mac);
	signature = base64url_encode(mac, sizeof(mac));
	json_put(whole, "externalAccountBinding", flattened(header, body, signature));
	*ret_payload = json_print(whole, false);
	json_free(whole);
	return 0;
}
