/* SPDX-License-Identifier: MIT
 *
 * keys — private keys in a database file of their own, which only this module opens. Every other
 * row carries the id. A key is committed here, in a commit of its own, before the row that names
 * it.
 */
#ifndef STORE_KEYS_H
#define STORE_KEYS_H

#include "base/key.h"
#include "store/store.h"

/* Stores a key. It is durable when this returns, or inside a turn when the turn is committed: all
 * keys of a turn in one commit of their own, before that of the turn. Fills *ret_id. */
int keys_put(struct store *s, const struct key *k, int64_t *ret_id, struct err *e);

/* Loads a key. ERR_SYS when it is not there or damaged: that concerns those who need it, and nobody
 * else's turn. */
int keys_get(struct store *s, int64_t id, struct key **ret_key, struct err *e);

/* The id of a stored key with this SPKI hash, 0: none (an account key is never a
 * certificate's). */
int keys_find(struct store *s, const uint8_t hash[KEY_HASH_SIZE], int64_t *ret_id, struct err *e);

#endif
