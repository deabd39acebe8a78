/* SPDX-License-Identifier: MIT
 *
 * ca — the sessions with the CAs this process talks to, one for each (server, trust, proxy), and
 * their directories on the way into the store.
 */
#include "agent/engine_internal.h"
#include "base/log.h"
#include "store/directory.h"
#include "store/keys.h"

#include <stdlib.h>

static void ca_directory_fetched(void *arg, const char *server, const char *body, size_t len)
{
	struct ca *ca = arg;

	(void)server;
	ca->stale = body == NULL;
	free(ca->directory);
	ca->directory = body != NULL ? mem_strn(body, len) : NULL;
}

static struct ca *ca_find(const struct engine *g, const struct account *a)
{
	for (size_t i = 0; i < g->ca_count; i++) {
		struct ca *ca = g->cas[i];

		if (str_equal(ca->server, a->server) && str_equal(ca->ca_bundle, a->ca_bundle) &&
		    str_equal(ca->proxy, a->proxy))
			return ca;
	}
	return NULL;
}

static void ca_free(struct ca *ca)
{
	session_free(ca->session);
	free(ca->server);
	free(ca->ca_bundle);
	free(ca->proxy);
	free(ca->directory);
	free(ca);
}

static int ca_open(struct engine *g, struct ca *ca, struct err *e)
{
	struct transport_config to = {ca->server, ca->ca_bundle, ca->proxy};
	struct session_config config = {
		.server = ca->server,
		.loop = g->config.loop,
		.clock = g->config.clock,
		.counters = g->config.counters != NULL ? &g->config.counters->ca : NULL,
		.directory_fetched = ca_directory_fetched,
		.arg = ca,
	};
	AUTO_FREE char *directory = NULL;
	int r;

	r = directory_load(g->config.store, ca->server, &directory, e);
	if (r == 0 || (e != NULL && e->cause == CAUSE_HELD)) /* then the CA is asked for it */
		r = g->config.transport_new(g->config.loop, &to, &config.transport, e);
	if (r != 0)
		return r;
	config.directory = directory;
	return session_new(&config, &ca->session, e);
}

int engine_session(struct engine *g, const struct account *a, struct session **ret_session,
		   struct err *e)
{
	struct ca *ca = ca_find(g, a);
	int r;

	if (ca == NULL) {
		ca = mem_new(sizeof(*ca));
		ca->server = mem_str(a->server);
		ca->ca_bundle = mem_str(a->ca_bundle);
		ca->proxy = mem_str(a->proxy);
		r = ca_open(g, ca, e);
		if (r != 0) {
			ca_free(ca);
			return r;
		}
		g->cas = mem_grow(g->cas, g->ca_count + 1, sizeof(struct ca *));
		g->cas[g->ca_count++] = ca;
	}
	*ret_session = ca->session;
	return 0;
}

int engine_account_key(struct engine *g, int64_t key_id, const struct key **ret_key, struct err *e)
{
	struct key *key = NULL;
	int r;

	for (size_t i = 0; i < g->key_count; i++)
		if (g->keys[i].id == key_id) {
			*ret_key = g->keys[i].key;
			return 0;
		}
	r = keys_get(g->config.store, key_id, &key, e);
	if (r != 0)
		return r;
	g->keys = mem_grow(g->keys, g->key_count + 1, sizeof(*g->keys));
	g->keys[g->key_count++] = (struct account_key){key_id, key};
	*ret_key = key;
	return 0;
}

void engine_forget_keys(struct engine *g)
{
	for (size_t i = 0; i < g->key_count; i++)
		key_free(g->keys[i].key);
	free(TAKE(g->keys));
	g->key_count = 0;
}

int engine_save_directories(struct engine *g, struct err *e)
{
	for (size_t i = 0; i < g->ca_count; i++) {
		struct ca *ca = g->cas[i];
		int r = 0;

		if (ca->stale)
			r = directory_forget(g->config.store, ca->server, e);
		else if (ca->directory != NULL)
			r = directory_save(g->config.store, ca->server, ca->directory, e);
		if (r != 0)
			return r;
		ca->stale = false;
		free(TAKE(ca->directory));
	}
	return 0;
}

void engine_free_cas(struct engine *g)
{
	for (size_t i = 0; i < g->ca_count; i++)
		ca_free(g->cas[i]);
	free(g->cas);
}
