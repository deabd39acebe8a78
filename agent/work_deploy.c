/* SPDX-License-Identifier: MIT
 *
 * work_deploy — deployers and handshakes as works. The key reaches a deployer as the descriptor of
 * a sealed memory file, never as a string.
 */
#include "agent/work.h"

#include "agent/caller.h"
#include "agent/engine.h"
#include "agent/folders.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/tls.h"
#include "store/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct deployer_data {
	struct engine *engine;
	deployer_op *op;
	int64_t certificate_id, version_id;
	bool with_key;
	struct json *settings;
	char *directory; /* or NULL */
	struct certificate *certificate;
	struct version *version;
	int key_fd;
};

static void deployer_data_free(void *data)
{
	struct deployer_data *d = data;

	json_free(d->settings);
	free(d->directory);
	certificate_free(d->certificate);
	version_free(d->version);
	auto_close(&d->key_fd);
	free(d);
}

int deployer_key(struct store *store, int64_t key_id, int *ret_fd, struct err *e)
{
	AUTO_KEY struct key *key = NULL;
	AUTO_FD int fd = -1;
	struct buf pem AUTO_BUF = {0};
	int r;

	buf_init_secret(&pem, KEY_PEM_MAX);
	r = keys_get(store, key_id, &key, e);
	if (r == 0)
		r = key_print(key, &pem, e);
	if (r != 0)
		return r;
	if (!FAULT_FAILS("deployer.key"))
		fd = memfd_create("everleaf-key", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_sys(e, ERR_SYS, "a memory file for the key could not be made");
	r = file_write_all(fd, pem.data, pem.len, e);
	if (r != 0)
		return r;
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void deployer_task_fill(struct deployer_task *task, const struct certificate *c,
			const struct version *v)
{
	task->certificate = c->name;
	task->names = &v->names;
	task->version = v->id;
	task->serial = v->serial;
	task->not_before = v->not_before;
	task->not_after = v->not_after;
	task->leaf = v->leaf;
	task->chain = v->chain;
}

static int deployer_read(struct deployer_data *d, struct err *e)
{
	struct store *store = engine_store(d->engine);
	int r;

	r = certificate_load(store, d->certificate_id, &d->certificate, e);
	if (r == 0)
		r = version_load(store, d->version_id, &d->version, e);
	if (r == 0 && (d->certificate == NULL || d->version == NULL))
		r = err_set(e, ERR_SYS, "version %lld is gone", (long long)d->version_id);
	if (r == 0 && d->with_key)
		r = deployer_key(store, d->version->key_id, &d->key_fd, e);
	return r;
}

static void deployer_answered(void *arg, const char *output, const struct err *e)
{
	struct work *w = arg;

	w->output = mem_str(output);
	work_answer(w, e);
}

static void deployer_start(struct work *w)
{
	struct deployer_data *d = w->data;
	struct deployer_task task = {.loop = engine_loop(d->engine), .settings = d->settings};
	AUTO_FREE char *caller = caller_marker(w->step);

	deployer_task_fill(&task, d->certificate, d->version);
	if (engine_rehearses(d->engine))
		task.version = 0; /* what it would deploy is newer than anything that is there */
	else
		folders_task(&task, engine_store(d->engine));
	task.only_looks = engine_rehearses(d->engine);
	task.caller = caller;
	task.key_fd = d->key_fd;
	task.directory = d->directory;
	w->handle = d->op(&task, deployer_answered, w);
}

static void hook_cancelled(struct work *w)
{
	hook_call_cancel(w->handle);
}

static deployer_op *op_of(const struct deployer_ops *ops, enum deployer_verb verb)
{
	if (verb == DEPLOYER_CHECK)
		return ops->check;
	return verb == DEPLOYER_INSTALL ? ops->install : ops->reload;
}

int work_deployer(struct step *s, const struct deployer_ask *ask, struct err *e)
{
	const struct target *t = ask->target;
	const struct deployer_ops *ops = engine_deployer(s->engine, t->deployer);
	struct json *settings = NULL;
	struct deployer_data *d;
	struct work *w;
	int r;

	if (ops == NULL)
		return err_set(e, ERR_CONFIG, "this everleaf has no deployer \"%s\"", t->deployer);
	if (op_of(ops, ask->verb) == NULL)
		return 0; /* nothing to do there: heard at once */
	r = json_parse(t->settings, strlen(t->settings), &settings, e);
	if (r != 0)
		return r;
	d = mem_new(sizeof(*d));
	d->engine = s->engine;
	d->op = op_of(ops, ask->verb);
	d->certificate_id = ask->version->certificate_id;
	d->version_id = ask->version->id;
	d->with_key = ask->verb == DEPLOYER_INSTALL;
	d->settings = settings;
	d->directory = mem_str(ask->directory);
	d->key_fd = -1;
	r = deployer_read(d, e); /* within the turn: outside of one the store may not be ours */
	if (r != 0) {
		deployer_data_free(d);
		return r;
	}
	w = work_new(s, 0);
	w->data = d;
	w->free_data = deployer_data_free;
	w->start = deployer_start;
	w->cancel = hook_cancelled;
	w->hook = true;
	return 0;
}

/* --- handshakes --- */

struct probe_data {
	char *host;
	int port;
	char *server_name;
};

static void probe_data_free(void *data)
{
	struct probe_data *d = data;

	free(d->host);
	free(d->server_name);
	free(d);
}

static void probe_answered(void *arg, const uint8_t fingerprint[32], const struct err *e)
{
	struct work *w = arg;

	if (fingerprint != NULL)
		memcpy(w->fingerprint, fingerprint, sizeof(w->fingerprint));
	work_answer(w, e);
}

static void probe_start(struct work *w)
{
	struct probe_data *d = w->data;
	struct tls_probe_request request = {
		.host = d->host,
		.port = d->port,
		.server_name = d->server_name,
	};

	w->handle = tls_probe_start(engine_loop(w->step->engine), &request, probe_answered, w);
}

static void probe_cancelled(struct work *w)
{
	tls_probe_cancel(w->handle);
}

int work_probe(struct step *s, const char *host_port, const char *server_name, struct err *e)
{
	const char *colon = strrchr(host_port, ':');
	struct probe_data *d;
	struct work *w;

	if (colon == NULL || colon == host_port || atoi(colon + 1) <= 0 || atoi(colon + 1) > 65535)
		return err_set(e, ERR_CONFIG, "\"%s\" is not HOST:PORT", host_port);
	d = mem_new(sizeof(*d));
	d->host = host_port[0] == '[' ? mem_strn(host_port + 1, (size_t)(colon - host_port) - 2)
				      : mem_strn(host_port, (size_t)(colon - host_port));
	d->port = atoi(colon + 1);
	d->server_name = mem_str(server_name);
	w = work_new(s, 0);
	w->data = d;
	w->free_data = probe_data_free;
	w->start = probe_start;
	w->cancel = probe_cancelled;
	return 0;
}
