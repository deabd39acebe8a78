/* SPDX-License-Identifier: MIT
 *
 * keygen — see keygen.h.
 */
#include "agent/keygen.h"

#include "base/file.h"
#include "hooks/child.h"

#include <stdlib.h>
#include <unistd.h>

struct keygen {
	struct loop *loop;
	enum key_kind kind;
	struct watch *timer;
	struct child *child;
	keygen_done *done;
	void *arg;
};

static void keygen_here(void *arg)
{
	AUTO_FREE struct keygen *k = arg;
	struct key *key = NULL;
	struct err e = {0};

	if (key_generate(k->kind, &key, &e) != 0) {
		k->done(k->arg, NULL, &e);
		return;
	}
	k->done(k->arg, key, NULL);
}

static void keygen_ended(void *arg, const struct child_result *result, const struct err *why)
{
	AUTO_FREE struct keygen *k = arg;
	struct key *key = NULL;
	struct err e = {0};

	if (result == NULL) {
		k->done(k->arg, NULL, why);
		return;
	}
	if (child_failed("everleaf keygen", result, &e) != 0 ||
	    key_load(result->output.data, result->output.len, &key, &e) != 0) {
		k->done(k->arg, NULL, &e);
		return;
	}
	k->done(k->arg, key, NULL);
}

static void keygen_elsewhere(struct keygen *k)
{
	struct strlist argv AUTO_STRLIST = {0};
	struct child_request request = {
		.argv = &argv,
		.timeout_ms = 120000,
		.secret_output = true,
		.own_program = true,
	};

	strlist_add(&argv, "/proc/self/exe");
	strlist_add(&argv, "keygen");
	strlist_add(&argv, key_kind_name(k->kind));
	k->child = child_start(k->loop, &request, keygen_ended, k);
}

struct keygen *keygen_start(struct loop *l, enum key_kind kind, keygen_done *done, void *arg)
{
	struct keygen *k = mem_new(sizeof(*k));

	k->loop = l;
	k->kind = kind;
	k->done = done;
	k->arg = arg;
	if (kind == KEY_RSA2048)
		keygen_elsewhere(k);
	else
		k->timer = loop_watch_timer(l, 0, keygen_here, k);
	return k;
}

void keygen_cancel(struct keygen *k)
{
	if (k == NULL)
		return;
	loop_cancel(k->loop, k->timer);
	if (k->child != NULL)
		child_cancel(k->child);
	free(k);
}

int keygen_child(const char *kind)
{
	AUTO_KEY struct key *key = NULL;
	struct buf pem AUTO_BUF = {0};
	struct err e = {0};

	buf_init_secret(&pem, KEY_PEM_MAX);
	if (key_generate(key_kind_parse(kind), &key, &e) != 0 || key_print(key, &pem, &e) != 0 ||
	    file_write_all(STDOUT_FILENO, pem.data, pem.len, &e) != 0)
		return 1;
	return 0;
}
