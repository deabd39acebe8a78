/* SPDX-License-Identifier: MIT
 *
 * examine — what opening a store does not see: versions that are not what was issued, and keys that
 * are missing, or not those of their rows.
 */
#include "store/internal.h"

#include "base/x509.h"
#include "store/keys.h"
#include "store/version.h"

#include <inttypes.h>
#include <string.h>

static bool hash_of_leaf(const char *pem, uint8_t hash[KEY_HASH_SIZE])
{
	AUTO_CHAIN struct x509_chain *leaf = NULL;

	if (x509_chain_parse(pem, strlen(pem), &leaf, NULL) != 0)
		return false;
	memcpy(hash, x509_chain_facts(leaf, 0)->key_hash, KEY_HASH_SIZE);
	return true;
}

/* hash NULL: any key will do. */
static int find_in_key(struct store *s, const char *whose, int64_t key_id, const uint8_t *hash,
		       struct strlist *findings)
{
	AUTO_KEY struct key *k = NULL;
	uint8_t have[KEY_HASH_SIZE];
	struct err why = {0};
	int r = keys_get(s, key_id, &k, &why);

	if (r == ERR_STORE)
		return r;
	if (r != 0) {
		strlist_addf(findings, "%s: %s", whose, why.text);
		return 0;
	}
	key_hash(k, have);
	if (hash != NULL && memcmp(hash, have, sizeof(have)) != 0)
		strlist_addf(findings, "%s: key %" PRId64 " is another one", whose, key_id);
	return 0;
}

static int find_in_version(struct store *s, const char *whose, int64_t id, struct strlist *findings)
{
	AUTO_VERSION struct version *v = NULL;
	uint8_t hash[KEY_HASH_SIZE];
	struct err why = {0};
	int r = version_load(s, id, &v, &why);

	if (r == ERR_STORE)
		return r;
	if (r != 0)
		strlist_addf(findings, "%s: %s", whose, why.text);
	else if (!hash_of_leaf(v->leaf, hash))
		strlist_addf(findings, "%s: its certificate cannot be read", whose);
	else
		return find_in_key(s, whose, v->key_id, hash, findings);
	return 0;
}

static int find_in_versions(struct store *s, struct strlist *findings, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT c.name, v.id FROM version AS v "
				  "JOIN certificate AS c ON c.id = v.certificate_id ORDER BY v.id");

	for (;;) {
		AUTO_FREE char *name = NULL;
		AUTO_FREE char *whose = NULL;
		int64_t id;
		int r = sql_step(&q, e);

		if (r <= 0)
			return r;
		name = sql_text(&q);
		id = sql_int(&q);
		whose = mem_printf("%s, version %" PRId64, name, id);
		if (find_in_version(s, whose, id, findings) != 0)
			return err_set(e, ERR_STORE, "the versions or keys cannot be read");
	}
}

/* Live orders only: the key of one that failed may be erased already. */
static int find_in_orders(struct store *s, struct strlist *findings, struct err *e)
{
	struct sql q AUTO_SQL =
		sql_start(&s->db, "SELECT id, key_id, key_hash FROM acme_order WHERE ended_at = 0");

	for (;;) {
		AUTO_FREE char *whose = NULL;
		uint8_t hash[KEY_HASH_SIZE];
		int64_t key_id;
		int r = sql_step(&q, e);

		if (r <= 0)
			return r;
		whose = mem_printf("order %" PRId64, sql_int(&q));
		key_id = sql_int(&q);
		sql_bytes(&q, hash, sizeof(hash));
		if (find_in_key(s, whose, key_id, hash, findings) != 0)
			return err_set(e, ERR_STORE, "the keys cannot be read");
	}
}

static int find_in_accounts(struct store *s, struct strlist *findings, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT server, key_id FROM account WHERE key_id IS NOT NULL ORDER BY id");

	for (;;) {
		AUTO_FREE char *server = NULL;
		AUTO_FREE char *whose = NULL;
		int r = sql_step(&q, e);

		if (r <= 0)
			return r;
		server = sql_text(&q);
		whose = mem_printf("the account at %s", server);
		if (find_in_key(s, whose, sql_int(&q), NULL, findings) != 0)
			return err_set(e, ERR_STORE, "the keys cannot be read");
	}
}

int store_examine(struct store *s, struct strlist *findings, struct err *e)
{
	int r = find_in_versions(s, findings, e);

	if (r == 0)
		r = find_in_orders(s, findings, e);
	if (r == 0)
		r = find_in_accounts(s, findings, e);
	return r;
}
