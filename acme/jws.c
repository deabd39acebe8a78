/* SPDX-License-Identifier: MIT
 *
 * jws — builds the signed body of every ACME POST: protected header, payload, signature, each
 * base64url (RFC 7515 3.2, 7.2.2). There is no unprotected header and no choice of algorithm:
 * the key says which, and no error of a CA can talk us into a weaker one (RFC 8555 10.1).
 */
#include "acme/jws.h"

#include "base/base64url.h"
#include "base/json.h"

#include <assert.h>
#include <string.h>

#define MAX_SIGNATURE 512 /* bytes, RSA-4096 */

/* RFC 8555 6.2: alg, nonce, url, and either jwk or kid, never both. */
static int jws_protected(const struct key *k, const struct jws_header *h, char **ret_text,
			 struct err *e)
{
	AUTO_JSON struct json *header = json_new_map();
	AUTO_FREE char *jwk = NULL;
	AUTO_FREE char *text = NULL;
	struct json *parsed = NULL;
	int r;

	json_put_text(header, "alg", key_jws_algorithm(k));
	if (h->kid != NULL) {
		json_put_text(header, "kid", h->kid);
	} else {
		jwk = key_jwk(k);
		r = json_parse(jwk, strlen(jwk), &parsed, e);
		if (r != 0)
			return err_while(e, "reading our own public key");
		json_put(header, "jwk", parsed);
	}
	if (h->nonce != NULL)
		json_put_text(header, "nonce", h->nonce);
	json_put_text(header, "url", h->url);
	text = json_print(header, false);
	*ret_text = base64url_encode(text, strlen(text));
	return 0;
}

/* RFC 7515 5.1 step 5: over the two encoded parts as they are sent. */
static int jws_signature(const struct key *k, const char *header, const char *payload,
			 char **ret_text, struct err *e)
{
	AUTO_FREE char *input = mem_printf("%s.%s", header, payload);
	struct buf signature AUTO_BUF = {0};
	int r;

	buf_init(&signature, MAX_SIGNATURE);
	r = key_jws_sign(k, input, strlen(input), &signature, e);
	if (r != 0)
		return r;
	*ret_text = base64url_encode(signature.data, signature.len);
	return 0;
}

int jws_sign(const struct key *k, const struct jws_header *h, const char *payload, struct buf *out,
	     struct err *e)
{
	AUTO_FREE char *header = NULL;
	AUTO_FREE char *body = NULL;
	AUTO_FREE char *signature = NULL;
	AUTO_FREE char *text = NULL;
	int r;

	assert(h->url != NULL);
	r = jws_protected(k, h, &header, e);
	if (r != 0)
		return r;
	/* RFC 8555 6.3: POST-as-GET has a payload of no bytes, which is not the same as "{}" */
	body = payload != NULL ? base64url_encode(payload, strlen(payload)) : mem_str("");
	r = jws_signature(k, header, body, &signature, e);
	if (r != 0)
		return r;
	/* base64url needs no escaping */
	text = mem_printf("{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}", header,
			  body, signature);
	if (buf_add_text(out, text) != 0)
		return err_set(e, ERR_CONFIG,
			       "a request of %zu bytes is above the limit of %zu; are there too "
			       "many names in one certificate?",
			       strlen(text), out->limit);
	return 0;
}
