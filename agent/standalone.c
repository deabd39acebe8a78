/* SPDX-License-Identifier: MIT
 *
 * standalone — see standalone.h. The responder has each address and port that orders of this
 * process name; all of them show the same folder and go when it is empty.
 */
#include "agent/standalone.h"

#include "acme/types.h"
#include "agent/port_holder.h"
#include "agent/responder.h"
#include "agent/systemd.h"
#include "base/http.h"
#include "base/log.h"
#include "store/challenge.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#define READY_LIMIT_MS 10000 /* for our answer to be found at a port that is not ours */
#define READY_AGAIN_MS 250   /* also how often a port is tried whose holder shows our answers */
#define ANSWER_MAX     1024
#define HOLD_TRIES     3 /* others that start just then */

/* An answer of a dry run, locked while it is published. */
struct hold {
	char *token;
	int fd;
};

/* An answer of ours, and which process shows it. */
struct guest {
	char *token;
	char *address; /* NULL: all */
	int port;
	uint64_t socket; /* the one it was found at; 0: our own responder shows it, … */
	unsigned losses; /* … which had ended so often by then */
};

struct standalone {
	struct standalone_config config;
	char *directory;
	int dir_fd;
	struct responder *responder;
	LIST_HEAD(, ready) readies; /* who waits for an answer to be had */
	struct hold *holds;
	size_t hold_count;
	struct guest *guests;
	size_t guest_count;
	struct watch *heir; /* the timer that tries their ports */
};

/* --- the folder --- */

static bool answer_is_locked(const struct standalone *st, const char *token)
{
	int fd AUTO_FD = openat(st->dir_fd, token, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
}

/* Until it is locked it looks dead, and whoever starts just then may have removed it. */
static int answer_hold(struct standalone *st, const char *token, struct err *e)
{
	int fd AUTO_FD = openat(st->dir_fd, token, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat now;

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) != 0 || fstat(fd, &now) != 0 ||
	    now.st_nlink == 0)
		return err_set(e, ERR_NET, "another everleaf took the answer away");
	st->holds = mem_grow(st->holds, st->hold_count + 1, sizeof(*st->holds));
	st->holds[st->hold_count++] = (struct hold){mem_str(token), TAKE_FD(fd)};
	return 0;
}

static void answer_let_go(struct standalone *st, const char *token)
{
	size_t kept = 0;

	for (size_t i = 0; i < st->hold_count; i++) {
		struct hold *h = &st->holds[i];

		if (token != NULL && !str_equal(h->token, token)) {
			st->holds[kept++] = *h;
			continue;
		}
		close(h->fd);
		free(h->token);
	}
	st->hold_count = kept;
}

/* Answers of the dead: nobody will ask for them, and nobody would take them away. Within a turn, so
 * that nobody begins to need one meanwhile. */
static int answers_remove_dead(struct standalone *st, struct err *e)
{
	struct strlist live AUTO_STRLIST = {0};
	struct dirent *entry;
	DIR *dir;
	int r;

	r = challenge_live_tokens(st->config.store, true, &live, e);
	if (r != 0)
		return r;
	dir = opendir(st->directory);
	if (dir == NULL)
		return err_sys(e, ERR_SYS, "%s could not be read", st->directory);
	while ((entry = readdir(dir)) != NULL)
		if (acme_token_ok(entry->d_name) && !strlist_has(&live, entry->d_name) &&
		    !answer_is_locked(st, entry->d_name))
			(void)unlinkat(st->dir_fd, entry->d_name, 0);
	closedir(dir);
	return 0;
}

static int answers_sweep(struct standalone *st, struct err *e)
{
	int r = store_turn_begin(st->config.store, e);

	if (r != 0)
		return r;
	r = answers_remove_dead(st, e);
	store_turn_undo(st->config.store); /* it only read */
	return r;
}

/* The sockets' process may belong to another user, and finds its files by their names (the store
 * around the folder stays closed). */
static int folder_open(struct standalone *st, struct err *e)
{
	st->dir_fd = open(st->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->dir_fd < 0 || fchmod(st->dir_fd, 0711) != 0)
		return err_sys(e, ERR_SYS, "%s could not be opened", st->directory);
	return answers_sweep(st, e);
}

static void standalone_fetched(void *arg, const char *token);
static void standalone_serves(void *arg);

int standalone_new(const struct standalone_config *config, struct standalone **ret_standalone,
		   struct err *e)
{
	struct standalone *st = mem_new(sizeof(*st));
	struct responder_config responder = {
		.loop = config->loop,
		.clock = config->clock,
		.here = config->here,
		.fetched = standalone_fetched,
		.serves = standalone_serves,
		.arg = st,
	};
	int r;

	st->config = *config;
	st->directory = mem_printf("%s/answers", store_dir(config->store));
	st->dir_fd = -1;
	r = folder_open(st, e);
	responder.answers = st->directory;
	if (r == 0)
		r = responder_new(&responder, &st->responder, e);
	if (r != 0) {
		standalone_free(st);
		return r;
	}
	*ret_standalone = st;
	return 0;
}

void standalone_expects(struct standalone *st)
{
	responder_start(st->responder);
}

bool standalone_listens(const struct standalone *st)
{
	return responder_listens(st->responder);
}

static bool holds(const struct standalone *st, const char *token)
{
	for (size_t i = 0; i < st->hold_count; i++)
		if (str_equal(st->holds[i].token, token))
			return true;
	return false;
}

static bool any_is_locked(const struct standalone *st, bool parked)
{
	const struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(st->directory);

	while (!found && dir != NULL && (entry = readdir(dir)) != NULL)
		found = acme_token_ok(entry->d_name) && answer_is_locked(st, entry->d_name) &&
			(parked || !holds(st, entry->d_name));
	if (dir != NULL)
		closedir(dir);
	return found;
}

bool standalone_needed(const struct standalone *st, bool parked)
{
	struct strlist live AUTO_STRLIST = {0};

	if (!standalone_listens(st))
		return false;
	if (challenge_live_tokens(st->config.store, parked, &live, NULL) != 0)
		return true; /* nobody can know now */
	for (size_t i = 0; i < live.count; i++)
		if (faccessat(st->dir_fd, live.items[i], F_OK, 0) == 0)
			return true;
	return any_is_locked(st, parked);
}

bool standalone_review(struct standalone *st)
{
	bool needed = standalone_needed(st, true);

	if (!needed)
		responder_close(st->responder);
	return needed;
}

/* NULL: all. */
static void guests_drop(struct standalone *st, const char *token)
{
	size_t kept = 0;

	for (size_t i = 0; i < st->guest_count; i++) {
		struct guest *g = &st->guests[i];

		if (token != NULL && !str_equal(g->token, token)) {
			st->guests[kept++] = *g;
			continue;
		}
		free(g->token);
		free(g->address);
	}
	st->guest_count = kept;
}

void standalone_free(struct standalone *st)
{
	if (st == NULL)
		return;
	responder_free(st->responder);
	answer_let_go(st, NULL);
	free(st->holds);
	guests_drop(st, NULL);
	free(st->guests);
	loop_cancel(st->config.loop, st->heir);
	auto_close(&st->dir_fd);
	free(st->directory);
	free(st);
}

static void standalone_fetched(void *arg, const char *token)
{
	struct standalone *st = arg;

	st->config.fetched(st->config.arg, token);
}

/* --- settings --- */

static int settings_port(const struct json *settings)
{
	int64_t port = 80;

	(void)json_number(json_get(settings, "port"), &port);
	return (int)port;
}

static bool standalone_handles(const char *type, bool wildcard)
{
	return str_equal(type, "http-01") && !wildcard;
}

static int standalone_check(const struct json *settings, struct err *e)
{
	int port = settings_port(settings);

	if (port < 1 || port > 65535)
		return err_set(e, ERR_CONFIG, "%d is no port", port);
	return 0;
}

/* --- the listener --- */

static struct listening_config where(const struct standalone *st, const char *address, int port)
{
	const struct passed_sockets *sockets = st->config.sockets;

	return (struct listening_config){
		.address = address,
		.port = port,
		.passed = sockets != NULL ? sockets->http : NULL,
		.passed_count = sockets != NULL ? sockets->http_count : 0,
	};
}

/* ERR_BUSY: the port is somebody else's for now. */
static int standalone_listen(struct standalone *st, const char *address, int port, struct err *e)
{
	const struct listening_config at = where(st, address, port);

	return responder_open(st->responder, &at, e);
}

/* The port of an answer that another process shows becomes ours as soon as that process leaves it.
 */
static void guests_inherit(void *arg)
{
	struct standalone *st = arg;
	bool before = standalone_listens(st);
	bool taken = false;

	st->heir = NULL;
	for (size_t i = 0; i < st->guest_count; i++)
		if (st->guests[i].socket != 0 &&
		    standalone_listen(st, st->guests[i].address, st->guests[i].port, NULL) != 0)
			taken = true;
	if (standalone_listens(st) && !before)
		log_line(LOG_INFO,
			 "the everleaf that showed our answers is gone; this one listens");
	if (taken)
		st->heir = loop_watch_timer(st->config.loop, READY_AGAIN_MS, guests_inherit, st);
}

static bool guest_left(const struct standalone *st, const struct guest *g)
{
	if (g->socket == 0)
		return responder_losses(st->responder) != g->losses;
	return listener_port_socket(g->port) != g->socket;
}

bool standalone_was_left(const struct standalone *st, const char *token)
{
	for (size_t i = 0; i < st->guest_count; i++)
		if (str_equal(st->guests[i].token, token))
			return guest_left(st, &st->guests[i]);
	return false;
}

static int answer_publish(struct standalone *st, const struct solver_task *task, struct err *e)
{
	int r = 0;

	for (int i = 0; i < HOLD_TRIES; i++) {
		r = answer_write(st->dir_fd, task->token, task->key_authorization, e);
		if (r == 0 && st->config.rehearses)
			r = answer_hold(st, task->token, e);
		if (r != ERR_NET)
			break;
	}
	return r;
}

static struct hook_call *standalone_present(const struct solver_task *task, hook_done *done,
					    void *arg)
{
	struct standalone *st = task->host;
	struct err e = {0};
	int r;

	r = answer_publish(st, task, &e);
	if (r == 0)
		r = standalone_listen(st, json_get_text(task->settings, "address"),
				      settings_port(task->settings), &e);
	if (r == ERR_BUSY)
		r = 0; /* SETTLE finds out whose it is */
	return hook_call_answer(task->loop, r != 0 ? &e : NULL, done, arg);
}

static struct hook_call *standalone_withdraw(const struct solver_task *task, hook_done *done,
					     void *arg)
{
	struct standalone *st = task->host;
	struct err e = {0};
	int r = answer_remove(st->dir_fd, task->token, &e);

	answer_let_go(st, task->token);
	guests_drop(st, task->token);
	standalone_review(st);
	return hook_call_answer(task->loop, r != 0 ? &e : NULL, done, arg);
}

/* --- SETTLE: is our answer to be had at that port? --- */

struct ready {
	struct hook_call base;
	LIST_ENTRY(ready) link;
	struct standalone *st;
	char *address; /* NULL: all */
	int port;
	char *token, *answer;
	uint64_t socket; /* that was asked */
	struct http *http;
	struct http_call *call;
	struct watch *timer;
	int64_t until_ms; /* mono */
	hook_done *done;
	void *arg;
};

static void ready_free(struct hook_call *c)
{
	struct ready *rd = (struct ready *)c;

	LIST_REMOVE(rd, link);
	if (rd->call != NULL)
		http_cancel(rd->call);
	loop_cancel(rd->st->config.loop, rd->timer);
	http_free(rd->http);
	free(rd->address);
	free(rd->token);
	free(rd->answer);
	free(rd);
}

static void ready_answers(struct ready *rd, const struct err *e)
{
	hook_done *done = rd->done;
	void *arg = rd->arg;
	struct err copy = e != NULL ? *e : (struct err){0};

	ready_free(&rd->base);
	done(arg, NULL, e != NULL ? &copy : NULL);
}

static void ready_try(void *arg);

static void ready_taken(struct ready *rd)
{
	char holder[128] = "";
	struct err e = {0};

	(void)listener_port_holder(rd->port, holder, sizeof(holder));
	err_set(&e, ERR_CONFIG,
		"port %d is taken%s%s and does not show our answers: stop it, or let it serve them "
		"with --webroot DIR",
		rd->port, holder[0] != '\0' ? " by " : "", holder);
	ready_answers(rd, &e);
}

/* Ours is shown, perhaps by another everleaf. */
static void ready_shown(struct ready *rd)
{
	struct standalone *st = rd->st;

	guests_drop(st, rd->token);
	st->guests = mem_grow(st->guests, st->guest_count + 1, sizeof(*st->guests));
	st->guests[st->guest_count++] = (struct guest){
		.token = TAKE(rd->token),
		.address = TAKE(rd->address),
		.port = rd->port,
		.socket = rd->socket,
		.losses = responder_losses(st->responder),
	};
	if (st->heir == NULL && rd->socket != 0)
		st->heir = loop_watch_timer(st->config.loop, READY_AGAIN_MS, guests_inherit, st);
	ready_answers(rd, NULL);
}

static void ready_got(void *arg, struct http_response *response, const struct err *e)
{
	struct ready *rd = arg;
	bool ours = response != NULL && response->status == 200 &&
		    strncmp(response->body.data, rd->answer, strlen(rd->answer)) == 0;

	(void)e;
	rd->call = NULL;
	http_response_free(response);
	if (ours)
		ready_shown(rd);
	else if (clock_mono_ms(rd->st->config.clock) >= rd->until_ms)
		ready_taken(rd);
	else
		rd->timer = loop_watch_timer(rd->st->config.loop, READY_AGAIN_MS, ready_try, rd);
}

static void ready_ask(struct ready *rd)
{
	struct http_policy policy = {.reach = HTTP_LOOPBACK, .connect_ms = 2000, .total_ms = 3000};
	struct err e = {0};
	const char *address = rd->address != NULL ? rd->address : "127.0.0.1";
	AUTO_FREE char *url = NULL;
	struct http_request request = {.method = "GET", .max_body = ANSWER_MAX};

	if (rd->http == NULL && http_new(rd->st->config.loop, &policy, &rd->http, &e) != 0) {
		ready_answers(rd, &e);
		return;
	}
	url = mem_printf(strchr(address, ':') != NULL
				 ? "http://[%s]:%d/.well-known/acme-challenge/%s"
				 : "http://%s:%d/.well-known/acme-challenge/%s",
			 address, rd->port, rd->token);
	request.url = url;
	rd->socket = listener_port_socket(rd->port);
	rd->call = http_submit(rd->http, &request, ready_got, rd);
}

/* The port is ours, and whoever connects waits in the kernel until the responder is there. Only
 * when something went wrong with it the CA is not told before it serves: perhaps it never will. */
static void ready_waits(struct ready *rd)
{
	struct standalone *st = rd->st;
	const struct listening_config at = where(st, rd->address, rd->port);
	struct err e = *responder_trouble(st->responder);

	rd->socket = 0;
	if (e.code == ERR_NONE || responder_serves(st->responder, &at))
		ready_shown(rd);
	else if (clock_mono_ms(st->config.clock) >= rd->until_ms)
		ready_answers(rd, &e);
	else
		rd->timer = loop_watch_timer(st->config.loop, READY_AGAIN_MS, ready_try, rd);
}

/* The port may have become free; if not, its holder may be one of us. */
static void ready_try(void *arg)
{
	struct ready *rd = arg;
	struct err e = {0};
	int r;

	rd->timer = NULL;
	r = standalone_listen(rd->st, rd->address, rd->port, &e);
	if (r == ERR_BUSY)
		ready_ask(rd);
	else if (r == 0)
		ready_waits(rd);
	else
		ready_answers(rd, &e);
}

static void standalone_serves(void *arg)
{
	struct standalone *st = arg;
	struct ready *rd = NULL;

	LIST_FOREACH(rd, &st->readies, link)
	{
		if (rd->call != NULL)
			continue;
		loop_cancel(st->config.loop, rd->timer);
		rd->timer = loop_watch_timer(st->config.loop, 0, ready_try, rd);
	}
}

static struct hook_call *standalone_ready(const struct solver_task *task, hook_done *done,
					  void *arg)
{
	struct standalone *st = task->host;
	struct ready *rd = mem_new(sizeof(*rd));

	rd->base.cancel = ready_free;
	rd->st = st;
	rd->until_ms = clock_mono_ms(st->config.clock) + READY_LIMIT_MS;
	rd->address = mem_str(json_get_text(task->settings, "address"));
	rd->port = settings_port(task->settings);
	rd->token = mem_str(task->token);
	rd->answer = mem_str(task->key_authorization);
	rd->done = done;
	rd->arg = arg;
	rd->timer = loop_watch_timer(task->loop, 0, ready_try, rd);
	LIST_INSERT_HEAD(&st->readies, rd, link);
	return &rd->base;
}

const struct solver_ops solver_standalone = {
	.name = "standalone",
	.handles = standalone_handles,
	.ends_with_us = true,
	.check = standalone_check,
	.present = standalone_present,
	.ready = standalone_ready,
	.withdraw = standalone_withdraw,
};
