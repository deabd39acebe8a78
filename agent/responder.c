/* SPDX-License-Identifier: MIT
 *
 * responder — see responder.h.
 *
 *     NONE ── a port is expected, or opened ─► RUNS ── it ends, or says nonsense ─► PAUSE ─► RUNS
 *
 * It is told of every port again by each new process. What it says is checked: who talks to the
 * Internet may be in a stranger's hands.
 */
#include "agent/responder.h"

#include "acme/types.h"
#include "agent/listener_http01.h"
#include "agent/respond.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/message.h"
#include "hooks/child.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALM_MS      10000 /* one that lived for so long is followed at once */
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000

struct place {
	char *address; /* NULL: all */
	int port;      /* as it was asked for */
	uint32_t id;
	struct listening listening;
	bool serves;
	struct listener *listener; /* NULL: in the other process */
};

struct responder {
	struct responder_config config;
	int answers_fd;
	struct place *places;
	size_t place_count;
	uint32_t last_id;
	struct child *child; /* NULL: none runs */
	int channel;         /* to it */
	struct watch *watch; /* of the channel */
	struct watch *again; /* the pause */
	int64_t pause_ms;
	int64_t started_ms; /* mono */
	struct err trouble;
	unsigned losses;
	bool gone; /* the present one, which is counted among them */
};

static void responder_lost(struct responder *r, const char *why);

/* Counted as soon as it can be known: before a verdict that it may have cost is heard. */
static void responder_gone(struct responder *r)
{
	r->losses += !r->gone;
	r->gone = true;
}

/* --- what is said to it --- */

/* One that is gone already is mourned when its end is heard of, which tells more. */
static void tell(struct responder *r, const struct message *m)
{
	if (r->child != NULL && message_send(r->channel, m) == MESSAGE_NONE)
		responder_lost(r, "it reads nothing any more");
}

static void tell_open(struct responder *r, const struct place *p)
{
	struct message m = {.verb = RESPOND_OPEN, .id = p->id, .text = RESPOND_HTTP01};

	for (size_t i = 0; i < LISTENING_MAX; i++)
		if (p->listening.fds[i] >= 0)
			m.fds[m.fd_count++] = p->listening.fds[i];
	tell(r, &m);
}

/* --- what it says --- */

static void hear_serves(struct responder *r, uint32_t id)
{
	for (size_t i = 0; i < r->place_count; i++)
		if (r->places[i].id == id)
			r->places[i].serves = true;
	r->trouble = (struct err){0};
	r->config.serves(r->config.arg);
}

/* The text goes into a log. */
static void hear_confined(const struct message *m)
{
	struct err how;

	err_set(&how, ERR_NONE, "%s", m->text);
	log_line(m->id != 0 ? LOG_NOTICE : LOG_INFO,
		 "challenges are answered by a process of its own, %s", how.text);
}

/* False: it is not in its right mind. */
static bool responder_hear(struct responder *r, const struct message *m)
{
	if (m->fd_count > 0)
		return false;
	if (m->verb == RESPOND_CONFINED)
		hear_confined(m);
	else if (m->verb == RESPOND_SERVES)
		hear_serves(r, m->id);
	else if (m->verb == RESPOND_FETCHED && acme_token_ok(m->text))
		r->config.fetched(r->config.arg, m->text);
	else
		return false;
	return true;
}

static void on_channel(void *arg, int fd, unsigned events)
{
	struct responder *r = arg;
	enum message_result result;
	struct message m;

	(void)events;
	result = message_receive(fd, false, &m);
	if (result == MESSAGE_GOT) {
		if (!responder_hear(r, &m))
			result = MESSAGE_BAD;
		message_clear(&m);
	}
	if (result == MESSAGE_BAD) {
		responder_lost(r, "it said what it must not say");
	} else if (result == MESSAGE_END) { /* its end is on its way, and tells more */
		responder_gone(r);
		loop_cancel(r->config.loop, r->watch);
		r->watch = NULL;
	}
}

/* --- its life --- */

/* Nothing is left of it. */
static void responder_end(struct responder *r)
{
	child_cancel(TAKE(r->child));
	loop_cancel(r->config.loop, TAKE(r->watch));
	auto_close(&r->channel);
	r->channel = -1;
	for (size_t i = 0; i < r->place_count; i++)
		r->places[i].serves = false;
}

static void on_pause_over(void *arg)
{
	struct responder *r = arg;

	r->again = NULL;
	if (r->place_count > 0)
		responder_start(r);
}

/* The first one that dies is followed at once, and so is one that lived for long: a CA waits. */
static void responder_lost(struct responder *r, const char *why)
{
	int64_t pause_ms = r->pause_ms;

	responder_gone(r);
	responder_end(r);
	if (clock_mono_ms(r->config.clock) - r->started_ms >= CALM_MS)
		pause_ms = 0;
	r->pause_ms = pause_ms == 0 ? PAUSE_MIN_MS : 2 * pause_ms;
	if (r->pause_ms > PAUSE_MAX_MS)
		r->pause_ms = PAUSE_MAX_MS;
	err_set(&r->trouble, ERR_BUSY, "the process that answers challenges ended: %s", why);
	log_line(LOG_ERROR, "%s; it is started again", r->trouble.text);
	loop_cancel(r->config.loop, r->again);
	r->again = loop_watch_timer(r->config.loop, pause_ms, on_pause_over, r);
}

static void on_child_end(void *arg, const struct child_result *result, const struct err *why)
{
	struct responder *r = arg;
	struct err e = {0};

	r->child = NULL;
	if (result == NULL)
		responder_lost(r, why->text);
	else if (child_failed("everleaf respond", result, &e) != 0)
		responder_lost(r, e.text);
	else
		responder_lost(r, "it thought that we were gone");
}

/* The state directory is a word of its command line for whoever lists processes. */
static void responder_launch(struct responder *r, int channel)
{
	struct strlist argv AUTO_STRLIST = {0};
	const struct child_request request = {
		.argv = &argv,
		.timeout_ms = CHILD_LASTS,
		.own_program = true,
		.channel = channel,
	};

	strlist_add(&argv, "everleaf");
	strlist_add(&argv, "respond");
	strlist_add(&argv, r->config.answers);
	r->child = child_start(r->config.loop, &request, on_child_end, r);
}

void responder_start(struct responder *r)
{
	struct message folder = {
		.verb = RESPOND_ANSWERS,
		.fds = {r->answers_fd},
		.fd_count = 1,
	};
	int ends[2] = {-1, -1};
	struct err e = {0};

	if (r->config.here || r->child != NULL || r->again != NULL)
		return;
	r->started_ms = clock_mono_ms(r->config.clock);
	if (message_pair(ends, &e) != 0) {
		responder_lost(r, e.text);
		return;
	}
	r->channel = ends[0];
	r->gone = false;
	responder_launch(r, ends[1]);
	auto_close(&ends[1]);
	FAULT("responder.started");
	r->watch = loop_watch_fd(r->config.loop, r->channel, LOOP_READ, on_channel, r);
	tell(r, &folder);
	for (size_t i = 0; i < r->place_count; i++)
		tell_open(r, &r->places[i]);
}

/* --- the ports --- */

static struct place *place_find(const struct responder *r, const struct listening_config *where)
{
	for (size_t i = 0; i < r->place_count; i++)
		if (r->places[i].port == where->port &&
		    str_equal(r->places[i].address, where->address))
			return &r->places[i];
	return NULL;
}

static void serve_here(struct responder *r, struct place *p)
{
	const struct listener_config config = {
		.listening = &p->listening,
		.answers_fd = r->answers_fd,
		.fetched = r->config.fetched,
		.arg = r->config.arg,
	};

	p->listener = listener_new(r->config.loop, &config);
	p->serves = true;
}

int responder_open(struct responder *r, const struct listening_config *where, struct err *e)
{
	struct listening listening;
	struct place *p;
	int result;

	if (place_find(r, where) != NULL)
		return 0;
	result = listening_open(where, &listening, e);
	if (result != 0)
		return result;
	r->places = mem_grow(r->places, r->place_count + 1, sizeof(*r->places));
	p = &r->places[r->place_count++];
	*p = (struct place){
		.address = mem_str(where->address),
		.port = where->port,
		.id = ++r->last_id,
		.listening = listening,
	};
	if (r->config.here)
		serve_here(r, p);
	else if (r->child != NULL)
		tell_open(r, p);
	else
		responder_start(r);
	return 0;
}

bool responder_listens(const struct responder *r)
{
	return r->place_count > 0;
}

bool responder_serves(const struct responder *r, const struct listening_config *where)
{
	const struct place *p = place_find(r, where);

	return p != NULL && p->serves;
}

const struct err *responder_trouble(const struct responder *r)
{
	return &r->trouble;
}

unsigned responder_losses(const struct responder *r)
{
	return r->losses;
}

/* It is told before the sockets end, so that it does not find them ended. */
void responder_close(struct responder *r)
{
	for (size_t i = 0; i < r->place_count; i++) {
		struct place *p = &r->places[i];
		const struct message m = {.verb = RESPOND_CLOSE, .id = p->id};

		listener_free(p->listener);
		tell(r, &m);
		listening_close(&p->listening);
		free(p->address);
	}
	free(TAKE(r->places));
	r->place_count = 0;
}

int responder_new(const struct responder_config *config, struct responder **ret_responder,
		  struct err *e)
{
	struct responder *r;
	int fd = open(config->answers, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, ERR_SYS, "%s could not be opened", config->answers);
	r = mem_new(sizeof(*r));
	r->config = *config;
	r->answers_fd = fd;
	r->channel = -1;
	*ret_responder = r;
	return 0;
}

void responder_free(struct responder *r)
{
	if (r == NULL)
		return;
	responder_close(r);
	responder_end(r);
	loop_cancel(r->config.loop, r->again);
	auto_close(&r->answers_fd);
	free(r);
}
