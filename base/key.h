/* SPDX-License-Identifier: MIT
 *
 * key — private keys: made, loaded, used to sign. The only door to EVP_PKEY besides x509 and tls.
 *
 * PEM text of a private key lives in secret buffers only; nothing here prints one.
 */
#ifndef BASE_KEY_H
#define BASE_KEY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strlist.h"

#include <stddef.h>
#include <stdint.h>

#define KEY_PEM_MAX   8192
#define KEY_HASH_SIZE 32

enum key_kind {
	KEY_NONE = 0,
	KEY_EC256,   /* P-256, JWS ES256 */
	KEY_EC384,   /* P-384, JWS ES384 */
	KEY_RSA2048, /* 2048 bit, JWS RS256 */
	KEY_KINDS,   /* how many */
};

struct key;

/* "ec-256", "ec-384", "rsa-2048"; "none" for KEY_NONE. */
const char *key_kind_name(enum key_kind kind);

/* Accepts what people type: ec-256, ec256, EC256, ecdsa, p256, P-256, prime256v1, secp384r1,
 * ec-384, rsa, rsa2048, rsa-2048, 2048 … KEY_NONE for anything else. */
enum key_kind key_kind_parse(const char *text);

/* Makes a new key. rsa-2048 takes long (a tenth of a second and more): call it in a child. */
int key_generate(enum key_kind kind, struct key **ret_key, struct err *e);

/* Reads one unencrypted PEM private key of a known kind. ERR_CONFIG for anything else. */
int key_load(const char *pem, size_t len, struct key **ret_key, struct err *e);

/* Appends PKCS#8 PEM to a secret buffer (limit ≥ KEY_PEM_MAX). */
int key_print(const struct key *k, struct buf *secret_pem, struct err *e);

enum key_kind key_kind(const struct key *k);

/* SHA-256 over the DER SubjectPublicKeyInfo. */
void key_hash(const struct key *k, uint8_t hash[KEY_HASH_SIZE]);

/* "ES256", "ES384" or "RS256" (RFC 7518 3.1). */
const char *key_jws_algorithm(const struct key *k);

/* Appends the JWS signature over data: raw r‖s for EC (RFC 7518 3.4), PKCS#1 v1.5 for RSA. */
int key_jws_sign(const struct key *k, const void *data, size_t len, struct buf *signature,
		 struct err *e);

/* The public JWK as compact JSON with exactly the members and order of RFC 7638 3.2 (its SHA-256
 * is the thumbprint). The caller frees it. */
char *key_jwk(const struct key *k);

/* base64url(SHA-256(JWK)), RFC 7638. The caller frees it. */
char *key_jwk_thumbprint(const struct key *k);

/* Appends a DER CertificationRequest for the names (A-labels, may start with "*.", or IP address
 * text), all of them in subjectAltName; the subject is empty (RFC 8555 7.4). */
int key_csr(const struct key *k, const struct strlist *names, struct buf *der, struct err *e);

/* SHA-256 of bytes: here because libcrypto is. */
void sha256(const void *data, size_t len, uint8_t hash[32]);

/* HMAC-SHA-256. */
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t mac[32]);

void key_free(struct key *k);
void auto_key(struct key **k);
#define AUTO_KEY AUTO(auto_key)

#endif
