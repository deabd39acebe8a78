/* SPDX-License-Identifier: MIT
 *
 * reload_server — see the header.
 */
#include "tests/machine/reload_server.h"

#include "base/file.h"
#include "hooks/deployer.h"
#include "store/deployment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PEM 65536

void server_must(int r, const struct err *e)
{
	if (r != 0)
		fail_msg("%s", e->text);
}

/* --- the server --- */

struct reload_server server;

struct reload {
	struct hook_call call; /* first */
	struct loop *loop;
	struct watch *timer;
	hook_done *done;
	void *arg;
	struct server_load load;
};

void server_load_clear(struct server_load *l)
{
	for (size_t i = 0; i < SERVER_MANY; i++)
		free(TAKE(l->chains[i]));
}

static char *chain_of(size_t i)
{
	AUTO_FREE char *path = mem_printf("%s/f%zu/fullchain.pem", server.w->base, i);
	struct buf b AUTO_BUF = {0};

	buf_init(&b, MAX_PEM);
	return file_read(path, &b, NULL) == 0 ? mem_str(b.data) : NULL;
}

static void reload_cancel(struct hook_call *call)
{
	struct reload *r = (struct reload *)call;

	loop_cancel(r->loop, r->timer);
	server_load_clear(&r->load);
	free(r);
}

static void reload_ends(void *arg)
{
	struct reload *r = arg;
	struct err e = {0};

	if (server.failures > 0) {
		server.failures--;
		err_set(&e, ERR_CHILD, "the server is on fire");
	} else {
		server_load_clear(&server.load);
		server.load = r->load;
		r->load = (struct server_load){0};
	}
	r->done(r->arg, NULL, e.code != ERR_NONE ? &e : NULL);
	server_load_clear(&r->load);
	free(r);
}

static struct hook_call *server_reload(const struct deployer_task *task, hook_done *done, void *arg)
{
	struct reload *r = mem_new(sizeof(*r));

	server.reloads++;
	server.began_at = world_now(server.w);
	r->call.cancel = reload_cancel;
	r->loop = task->loop;
	r->done = done;
	r->arg = arg;
	for (size_t i = 0; i < server.count; i++)
		r->load.chains[i] = chain_of(i);
	r->timer = loop_watch_timer(task->loop, server.reload_ms, reload_ends, r);
	return &r->call;
}

static struct hook_call *server_check(const struct deployer_task *task, hook_done *done, void *arg)
{
	struct err e = {0};

	server.checks++;
	err_set(&e, ERR_CHILD, "the configuration is wrong");
	return hook_call_answer(task->loop, server.check_fails ? &e : NULL, done, arg);
}

static const struct deployer_ops *server_deployer(const char *name)
{
	static const struct deployer_ops ops = {
		.name = "exec",
		.check = server_check,
		.reload = server_reload,
	};

	return str_equal(name, "exec") ? &ops : &deployer_files;
}

/* It serves what lies in every folder, and something lies there. */
void server_assert(void)
{
	for (size_t i = 0; i < server.count; i++) {
		AUTO_FREE char *there = chain_of(i);

		if (there == NULL || !str_equal(there, server.load.chains[i]))
			fail_msg("what lies in f%zu is not served", i);
	}
}

/* --- the certificates --- */

/* window: of the reload, or NULL. */
char *server_wish(const struct world *w, size_t i, const char *window)
{
	AUTO_FREE char *when = window != NULL ? mem_printf(",\"window\":\"%s\"", window) : NULL;

	return mem_printf("{\"key\":\"ec-256\","
			  "\"solver\":{\"name\":\"webroot\",\"directory\":\"%s\"},"
			  "\"deploy\":[{\"name\":\"files\",\"directory\":\"%s/f%zu\"},"
			  "{\"name\":\"exec\",\"reload\":[\"/bin/reload\"]%s}]}",
			  w->webroot, w->base, i, when != NULL ? when : "");
}

void server_turn(struct world *w, void (*write)(struct store *s, struct world *w))
{
	struct store *s = w->agents[0].store;
	struct err e = {0};

	server_must(store_turn_begin(s, &e), &e);
	write(s, w);
	server_must(store_turn_commit(s, &e), &e);
	engine_poke(w->agents[0].engine);
}

static void add_certificates(struct store *s, struct world *w)
{
	AUTO_CERTIFICATE struct certificate *first = NULL;
	struct err e = {0};

	server_must(certificate_load(s, w->certificate_id, &first, &e), &e);
	free(first->wish);
	first->wish = server_wish(w, 0, NULL);
	server_must(certificate_save(s, first, &e), &e);
	for (size_t i = 1; i < server.count; i++) {
		AUTO_CERTIFICATE struct certificate *c = mem_new(sizeof(*c));

		c->name = mem_printf("w%zu.example", i);
		c->origin = mem_str("command");
		c->account_id = first->account_id;
		strlist_add(&c->names, c->name);
		c->wish = server_wish(w, i, NULL);
		server_must(certificate_insert(s, c, &e), &e);
	}
}

/* A daemon runs in it. */
struct world *server_world(size_t certificates)
{
	struct world *w = world_new("www.example", 1);

	server = (struct reload_server){.w = w, .count = certificates, .reload_ms = 300};
	mock_ca_config(w->ca)->lifetime = SERVER_LIFETIME;
	w->deployer = server_deployer;
	world_start(w, 0, RUN_DAEMON);
	server_turn(w, add_certificates);
	return w;
}

void server_end(struct world *w)
{
	server_load_clear(&server.load);
	world_free(w);
}

void server_deploys_again(struct store *s, struct world *w)
{
	struct certificate **list = NULL;
	size_t count = 0;
	struct err e = {0};

	(void)w;
	server_must(certificate_list(s, &list, &count, &e), &e);
	for (size_t i = 0; i < count; i++)
		server_must(deployment_renew(s, list[i]->live_version_id, &e), &e);
	certificate_list_free(list, count);
}

size_t server_failed(struct world *w)
{
	int64_t first = w->certificate_id;
	size_t count = 0;

	for (size_t i = 0; i < server.count; i++) {
		w->certificate_id = first + (int64_t)i;
		count += world_events(w, "deploy-failed");
	}
	w->certificate_id = first;
	return count;
}
