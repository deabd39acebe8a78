/* SPDX-License-Identifier: MIT
 *
 * make_store — see the header.
 */
#include "tests/unit.h"

#include "tests/unit/make_store.h"

#include "base/file.h"
#include "store/account.h"
#include "store/certificate.h"
#include "store/deployment.h"
#include "store/event.h"
#include "store/version.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_FILE (64 * 1024 * 1024)

static int64_t made_now(void *arg)
{
	return ((const struct made_store *)arg)->now;
}

static int64_t made_mono_ms(void *arg)
{
	return ((const struct made_store *)arg)->now * 1000;
}

int made_store_setup(void **state)
{
	struct made_store *m = mem_new(sizeof(*m));

	umask(022); /* a test that failed may have left its own */
	snprintf(m->base, sizeof(m->base), "%s/everleaf-store-XXXXXX", unit_memory());
	if (mkdtemp(m->base) == NULL)
		return -1;
	snprintf(m->dir, sizeof(m->dir), "%s/state", m->base);
	m->now = MAKE_STORE_NOW;
	m->clock = (struct clock){made_now, made_mono_ms, m};
	*state = m;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

int made_store_teardown(void **state)
{
	struct made_store *m = *state;
	int r;

	made_store_close(m);
	r = nftw(m->base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(m);
	return r;
}

struct store *made_store_open(struct made_store *m)
{
	struct err e = {0};

	assert_null(m->store);
	if (store_open(m->dir, &m->clock, &m->store, &e) != 0)
		fail_msg("%s", e.text);
	return m->store;
}

void made_store_close(struct made_store *m)
{
	store_free(m->store);
	m->store = NULL;
}

char *made_store_path(const struct made_store *m, const char *name)
{
	return mem_printf("%s/%s", m->dir, name);
}

static bool file_contains(const char *path, const void *data, size_t len)
{
	struct buf b AUTO_BUF = {0};
	struct err e = {0};

	buf_init(&b, MAX_FILE);
	if (file_read(path, &b, &e) != 0)
		fail_msg("%s", e.text);
	return memmem(b.data, b.len, data, len) != NULL;
}

bool made_store_contains(const struct made_store *m, const char *name, const void *data, size_t len)
{
	struct dirent **entries = NULL;
	int count = scandir(m->dir, &entries, NULL, alphasort);
	bool found = false;

	assert_null(m->store);
	assert_true(count > 0);
	for (int i = 0; i < count; i++) {
		AUTO_FREE char *path = made_store_path(m, entries[i]->d_name);

		if (entries[i]->d_type == DT_REG &&
		    (name == NULL || str_equal(name, entries[i]->d_name)))
			found = file_contains(path, data, len) || found;
		free(entries[i]);
	}
	free(entries);
	return found;
}

void made_store_sql(const struct made_store *m, const char *name, const char *text)
{
	AUTO_FREE char *path = made_store_path(m, name);
	sqlite3 *sqlite = NULL;

	assert_null(m->store);
	assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
	if (sqlite3_exec(sqlite, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(sqlite));
	assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
}

void made_child_start(struct made_child *c, struct made_store *m, made_child_fn *fn)
{
	int up[2], down[2];

	assert_null(m->store); /* no connection crosses a fork */
	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	assert_int_equal(pipe2(down, O_CLOEXEC), 0);
	fflush(NULL);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		close(up[0]);
		close(down[1]);
		_exit(fn(m, down[0], up[1]) == 0 ? 0 : 1);
	}
	close(up[1]);
	close(down[0]);
	c->from = up[0];
	c->to = down[1];
}

int made_say(int to, int64_t number)
{
	return write(to, &number, sizeof(number)) == sizeof(number) ? 0 : -1;
}

int made_hear(int from, int64_t *ret_number)
{
	return read(from, ret_number, sizeof(*ret_number)) == sizeof(*ret_number) ? 0 : -1;
}

int made_child_end(struct made_child *c)
{
	int status = 0;

	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	close(c->from);
	close(c->to);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int64_t make_account(struct store *s, const char *entry)
{
	struct account a = {
		.server = (char *)"https://ca.example/directory",
		.entry = (char *)entry,
		.contact = (char *)"ops@example.com",
		.agreed = true,
		.stage = (char *)"ready",
	};

	return account_insert(s, &a, NULL) == 0 ? a.id : -1;
}

int64_t make_certificate(struct store *s, int64_t account_id, const char *name)
{
	struct certificate c = {
		.name = (char *)name,
		.origin = (char *)"command",
		.wish = (char *)"{}",
		.account_id = account_id,
	};
	int r;

	strlist_add(&c.names, "www.example.com");
	r = certificate_insert(s, &c, NULL);
	strlist_clear(&c.names);
	return r == 0 ? c.id : -1;
}

int64_t make_version(struct store *s, int64_t certificate_id, int64_t key_id, int64_t not_after)
{
	struct version v = {
		.certificate_id = certificate_id,
		.key_id = key_id,
		.key_kind = (char *)"ec-256",
		.serial = (char *)"0A3F",
		.issuer = (char *)"CN=Test",
		.fingerprint = (char *)"00",
		.not_before = not_after - 90 * MAKE_STORE_DAY,
		.not_after = not_after,
		.leaf = (char *)"-----BEGIN CERTIFICATE-----\n",
	};

	return version_insert(s, &v, NULL) == 0 ? v.id : -1;
}

int64_t make_target(struct store *s, const char *settings)
{
	struct target t = {.deployer = (char *)"files", .settings = (char *)settings};

	return target_put(s, &t, NULL) == 0 ? t.id : -1;
}

int64_t make_event(struct store *s, int64_t certificate_id, const char *text)
{
	struct event ev = {
		.certificate_id = certificate_id,
		.kind = (char *)"test",
		.text = (char *)text,
	};

	return event_record(s, &ev, NULL) == 0 ? ev.id : -1;
}

int64_t make_deployment(struct store *s, const struct make_deployment *spec)
{
	struct deployment d = {
		.certificate_id = spec->certificate_id,
		.version_id = spec->version_id,
		.target_id = spec->target_id,
		.position = spec->position,
	};
	int r = deployment_insert(s, &d, NULL);

	free(d.stage);
	return r == 0 ? d.id : -1;
}

struct order *make_order(int64_t account_id, int64_t certificate_id)
{
	struct order *o = mem_new(sizeof(*o));

	o->account_id = account_id;
	o->certificate_id = certificate_id;
	o->key_id = 1;
	o->key_kind = mem_str("ec-256");
	strlist_add(&o->names, "www.example.com");
	o->wish = mem_str("{}");
	buf_init(&o->csr, 4096);
	buf_add(&o->csr, "csr", 4); /* with its NUL: it is binary */
	o->stage = mem_str("new");
	return o;
}

int64_t make_order_row(struct store *s, int64_t account_id, int64_t certificate_id)
{
	AUTO_ORDER_ROW struct order *o = make_order(account_id, certificate_id);
	bool inserted = false;

	if (order_insert(s, o, &inserted, NULL) != 0 || !inserted)
		return -1;
	return o->id;
}

void end_order(struct store *s, int64_t id, int64_t when)
{
	AUTO_ORDER_ROW struct order *o = NULL;
	struct err e = {0};

	assert_int_equal(order_load(s, id, &o, &e), 0);
	mem_set_str(&o->stage, "done");
	o->ended_at = when;
	if (order_save(s, o, true, &e) != 0)
		fail_msg("%s", e.text);
}
