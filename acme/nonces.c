/* SPDX-License-Identifier: MIT
 *
 * nonces — a small stack that forgets from its bottom: what is too old, and what is too much.
 */
#include "acme/nonces.h"

#include "base/base64url.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NONCE 256

bool nonce_ok(const char *value)
{
	return value != NULL && strnlen(value, MAX_NONCE + 1) <= MAX_NONCE && base64url_is(value);
}

static void forget_oldest(struct nonces *n)
{
	free(n->items[0].value);
	n->count--;
	memmove(&n->items[0], &n->items[1], n->count * sizeof(n->items[0]));
}

void nonces_add(struct nonces *n, const char *value, int64_t now_ms)
{
	if (!nonce_ok(value))
		return;
	for (size_t i = 0; i < n->count; i++) {
		if (strcmp(n->items[i].value, value) == 0)
			return; /* a cached answer: two requests must not use it */
	}
	if (n->count == SESSION_MAX_NONCES)
		forget_oldest(n);
	n->items[n->count].value = mem_str(value);
	n->items[n->count].since_ms = now_ms;
	n->count++;
}

char *nonces_take(struct nonces *n, int64_t now_ms)
{
	while (n->count > 0 && now_ms - n->items[0].since_ms > SESSION_NONCE_IDLE_MS)
		forget_oldest(n);
	if (n->count == 0)
		return NULL;
	n->count--;
	return TAKE(n->items[n->count].value);
}

void nonces_forget(struct nonces *n, int64_t before_ms)
{
	while (n->count > 0 && n->items[0].since_ms < before_ms)
		forget_oldest(n);
}

void nonces_clear(struct nonces *n)
{
	while (n->count > 0)
		forget_oldest(n);
}
