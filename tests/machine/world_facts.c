/* SPDX-License-Identifier: MIT
 *
 * world_facts — what is so in a world, and what must be so when nothing is under way.
 */
#include "tests/machine/world.h"

#include "acme/identifier.h"
#include "base/file.h"
#include "base/key.h"
#include "base/x509.h"
#include "store/account.h"
#include "store/challenge.h"
#include "store/deployment.h"
#include "store/event.h"
#include "store/keys.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE   (256 * 1024)
#define MAX_EVENTS 10000

static void must(int r, const struct err *e)
{
	if (r != 0)
		fail_msg("%s", e->text);
}

/* Agent 0's store, or one for the moment. */
static struct store *borrow(struct world *w)
{
	struct store *s = w->agents[0].store;
	struct err e = {0};

	if (s == NULL)
		must(store_open(w->state, fake_loop_clock(w->loop), &s, &e), &e);
	return s;
}

static void give_back(struct world *w, struct store *s)
{
	if (s != w->agents[0].store)
		store_free(s);
}

/* Hidden files too: a temporary one must not stay either. */
static size_t count_answers(const struct world *w)
{
	AUTO_FREE char *path = mem_printf("%s/.well-known/acme-challenge", w->webroot);
	const struct dirent *entry;
	size_t count = 0;
	DIR *dir = opendir(path);

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (dir != NULL)
		closedir(dir);
	return count;
}

static size_t count_accounts(struct store *s)
{
	struct account **list = NULL;
	size_t count = 0;
	struct err e = {0};

	must(account_list(s, &list, &count, &e), &e);
	for (size_t i = 0; i < count; i++)
		account_free(list[i]);
	free(list);
	return count;
}

static void facts_of_certificate(struct world *w, struct store *s, struct facts *f)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct version **versions = NULL;
	struct err e = {0};

	must(certificate_load(s, w->certificate_id, &c, &e), &e);
	assert_non_null(c);
	f->live = c->live_version_id;
	f->paused = c->paused;
	f->removed = c->removed_at != 0;
	must(version_list(s, c->id, &versions, &f->versions, &e), &e);
	version_list_free(versions, f->versions);
	must(renewal_load(s, c->id, &f->renewal, &e), &e);
}

/* Order ids are 1, 2, 3 … and nothing is pruned here. */
static void facts_of_orders(struct world *w, struct store *s, struct facts *f)
{
	AUTO_ORDER_ROW struct order *latest = NULL;
	struct open_rows open AUTO_OPEN_ROWS = {0};
	struct err e = {0};

	must(order_latest(s, w->certificate_id, &latest, &e), &e);
	must(order_open(s, 0, &open, &e), &e);
	f->open_orders = open.count;
	if (latest == NULL)
		return;
	f->orders = (size_t)latest->id;
	f->order_error = latest->standing.error;
	f->order_next_at = latest->standing.next_at;
	snprintf(f->stage, sizeof(f->stage), "%s", latest->stage);
	for (int64_t id = 1; id <= latest->id; id++) {
		struct challenge **list = NULL;
		size_t count = 0;

		must(challenge_list(s, id, &list, &count, &e), &e);
		for (size_t i = 0; i < count; i++)
			f->unwithdrawn += !list[i]->withdrawn;
		challenge_list_free(list, count);
	}
}

struct facts world_facts(struct world *w)
{
	struct open_rows open AUTO_OPEN_ROWS = {0};
	struct store *s = borrow(w);
	struct facts f = {0};
	struct err e = {0};

	facts_of_certificate(w, s, &f);
	facts_of_orders(w, s, &f);
	f.answers = count_answers(w);
	f.accounts = count_accounts(s);
	must(deployment_open(s, 0, &open, &e), &e);
	f.open_deployments = open.count;
	give_back(w, s);
	return f;
}

size_t world_events(struct world *w, const char *kind)
{
	struct event_list list AUTO_EVENT_LIST = {0};
	struct store *s = borrow(w);
	struct err e = {0};
	size_t count = 0;

	must(event_list(s, w->certificate_id, MAX_EVENTS, &list, &e), &e);
	for (size_t i = 0; i < list.count; i++)
		count += str_equal(list.events[i]->kind, kind);
	give_back(w, s);
	return count;
}

/* --- what must be so --- */

static void read_file(const struct world *w, const char *name, struct buf *b)
{
	AUTO_FREE char *path = mem_printf("%s/%s", w->files, name);
	struct err e = {0};

	buf_init(b, MAX_FILE);
	must(file_read(path, b, &e), &e);
}

/* The pair that a server would read is the live version, and fits together. */
static void assert_files(const struct world *w, const struct version *v)
{
	struct buf key_pem AUTO_BUF = {0};
	struct buf chain_pem AUTO_BUF = {0};
	AUTO_KEY struct key *key = NULL;
	AUTO_CHAIN struct x509_chain *chain = NULL;
	uint8_t hash[KEY_HASH_SIZE];
	struct err e = {0};

	read_file(w, "privkey.pem", &key_pem);
	read_file(w, "fullchain.pem", &chain_pem);
	must(key_load(key_pem.data, key_pem.len, &key, &e), &e);
	must(x509_chain_parse(chain_pem.data, chain_pem.len, &chain, &e), &e);
	key_hash(key, hash);
	assert_memory_equal(hash, x509_chain_facts(chain, 0)->key_hash, sizeof(hash));
	assert_string_equal(x509_chain_leaf_pem(chain), v->leaf);
	assert_true(x509_chain_facts(chain, 0)->not_after > world_now(w));
}

static void assert_version(struct world *w, struct store *s)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	AUTO_VERSION struct version *v = NULL;
	AUTO_KEY struct key *key = NULL;
	AUTO_FREE char *wanted = NULL;
	AUTO_FREE char *has = NULL;
	struct err e = {0};

	must(certificate_load(s, w->certificate_id, &c, &e), &e);
	assert_true(c->live_version_id != 0);
	must(version_load(s, c->live_version_id, &v, &e), &e);
	must(keys_get(s, v->key_id, &key, &e), &e);
	wanted = identifier_set(&c->names);
	has = identifier_set(&v->names);
	assert_string_equal(has, wanted);
	assert_files(w, v);
}

void world_assert_quiet(struct world *w)
{
	struct mock_counts counts = mock_ca_counts(w->ca);
	struct facts f = world_facts(w);
	struct store *s = borrow(w);
	struct err e = {0};

	assert_int_equal(f.open_orders, 0);
	assert_int_equal(f.open_deployments, 0);
	assert_int_equal(f.answers, 0);
	assert_int_equal(f.unwithdrawn, 0);
	assert_int_equal(counts.nonces_reused, 0);
	assert_int_equal(counts.nonces_unknown, 0);
	assert_int_equal(counts.forged, 0);
	must(store_check(s, &e), &e);
	give_back(w, s);
}

void world_assert_good(struct world *w, size_t max_orders)
{
	struct mock_counts counts = mock_ca_counts(w->ca);
	struct store *s = borrow(w);

	assert_version(w, s);
	give_back(w, s);
	world_assert_quiet(w);
	assert_int_equal(counts.accounts, 1);
	assert_in_range(counts.orders, 1, max_orders);
}

char *world_trace(const struct world *w)
{
	struct strlist lines AUTO_STRLIST = {0};
	const struct mock_record *r;

	for (size_t i = 0; (r = mock_ca_record(w->ca, i)) != NULL; i++)
		strlist_addf(&lines, "%lld %s %s %d %s", (long long)r->at_ms, r->method, r->url,
			     r->status, r->nonce != NULL ? r->nonce : "-");
	return strlist_join(&lines, "\n");
}
