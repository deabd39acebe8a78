/* SPDX-License-Identifier: MIT
 *
 * respond — see respond.h.
 *
 * Of what is fetched while the parent reads nothing, as much is told as the kernel keeps, some
 * hundred tokens: it is told so that the parent may ask the CA early, and asks later without.
 */
#include "agent/respond.h"

#include "agent/confine.h"
#include "agent/listener_http01.h"
#include "agent/listening.h"
#include "agent/loop.h"
#include "base/mem.h"
#include "base/message.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <unistd.h>

#define MAX_SERVED 64      /* listeners: more addresses and ports than a machine is told of */
#define WAIT_MS    3600000 /* how long the loop sleeps when nobody comes */

struct served {
	TAILQ_ENTRY(served) link;
	uint32_t id;
	struct listening listening;
	struct listener *listener;
};

struct respond {
	struct loop *loop;
	int channel;
	int answers_fd;
	bool over;
	int result; /* with why, when it is over */
	struct err why;
	TAILQ_HEAD(, served) served;
	size_t count;
};

static void respond_tell(const struct respond *r, enum respond_verb verb, uint32_t id,
			 const char *text)
{
	struct message m = {.verb = verb, .id = id};

	snprintf(m.text, sizeof(m.text), "%s", text);
	(void)message_send(r->channel, &m);
}

static void respond_fetched(void *arg, const char *token)
{
	respond_tell(arg, RESPOND_FETCHED, 0, token);
}

static void served_free(struct respond *r, struct served *s)
{
	TAILQ_REMOVE(&r->served, s, link);
	r->count--;
	listener_free(s->listener);
	for (size_t i = 0; i < LISTENING_MAX; i++)
		auto_close(&s->listening.fds[i]); /* whether they end is the parent's affair */
	free(s);
}

static bool served_open(struct respond *r, struct message *m)
{
	struct listener_config config = {
		.answers_fd = r->answers_fd,
		.fetched = respond_fetched,
		.arg = r,
	};
	struct served *s;

	if (!str_equal(m->text, RESPOND_HTTP01) || m->fd_count == 0 ||
	    m->fd_count > LISTENING_MAX || r->count == MAX_SERVED)
		return false;
	s = mem_new(sizeof(*s));
	s->id = m->id;
	s->listening = (struct listening){.fds = {-1, -1}};
	memcpy(s->listening.fds, m->fds, m->fd_count * sizeof(m->fds[0]));
	m->fd_count = 0; /* they are the listener's now */
	config.listening = &s->listening;
	s->listener = listener_new(r->loop, &config);
	TAILQ_INSERT_TAIL(&r->served, s, link);
	r->count++;
	respond_tell(r, RESPOND_SERVES, s->id, "");
	return true;
}

static void served_close(struct respond *r, uint32_t id)
{
	struct served *s = NULL;

	TAILQ_FOREACH(s, &r->served, link)
	{
		if (s->id == id) {
			served_free(r, s);
			return;
		}
	}
}

static void respond_ends(struct respond *r, int result, const char *why)
{
	r->over = true;
	r->result = result != 0 ? err_set(&r->why, result, "%s", why) : 0;
}

static void respond_hear(struct respond *r, struct message *m)
{
	if (m->verb == RESPOND_CLOSE)
		served_close(r, m->id);
	else if (m->verb != RESPOND_OPEN || !served_open(r, m))
		respond_ends(r, ERR_PROTOCOL, "the parent said what it must not say");
	message_clear(m);
}

/* One at a time: those who connect are not to wait for it. */
static void on_channel(void *arg, int fd, unsigned events)
{
	struct respond *r = arg;
	struct message m;

	(void)events;
	switch (message_receive(fd, false, &m)) {
	case MESSAGE_GOT:
		respond_hear(r, &m);
		break;
	case MESSAGE_NONE:
		break;
	case MESSAGE_END:
		respond_ends(r, 0, NULL);
		break;
	case MESSAGE_BAD:
		respond_ends(r, ERR_PROTOCOL, "the parent said something that is no message");
		break;
	}
}

static int respond_begin(struct respond *r, struct err *e)
{
	struct message m = {0};
	struct confined confined;
	char how[MESSAGE_TEXT];
	int result;

	if (message_receive(r->channel, true, &m) != MESSAGE_GOT || m.verb != RESPOND_ANSWERS ||
	    m.fd_count != 1) {
		message_clear(&m);
		return err_set(e, ERR_PROTOCOL,
			       "`everleaf respond` is started by everleaf itself, as the process "
			       "that answers challenges");
	}
	r->answers_fd = m.fds[0];
	result = confine(r->answers_fd, &confined, e);
	if (result != 0)
		return result;
	confined_print(&confined, how, sizeof(how));
	respond_tell(r, RESPOND_CONFINED, confined.root, how);
	return loop_event_new(&r->loop, e);
}

/* Whoever ends everleaf by its name, or leaves a terminal, means the parent, which may need its
 * answers shown for a moment yet. */
static void hear_no_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int respond_run(int channel, struct err *e)
{
	struct respond r = {.channel = channel, .answers_fd = -1};
	struct watch *watch;
	int result;

	TAILQ_INIT(&r.served);
	hear_no_signals();
	prctl(PR_SET_NAME, "everleaf"); /* else that of a descriptor */
	result = respond_begin(&r, e);
	if (result == 0) {
		watch = loop_watch_fd(r.loop, channel, LOOP_READ, on_channel, &r);
		while (!r.over && result == 0)
			if (loop_wait(r.loop, WAIT_MS) != 0)
				result = err_set(e, ERR_SYS, "the event loop failed");
		loop_cancel(r.loop, watch);
	}
	while (!TAILQ_EMPTY(&r.served))
		served_free(&r, TAILQ_FIRST(&r.served));
	if (r.loop != NULL)
		loop_event_free(r.loop);
	auto_close(&r.answers_fd);
	if (result == 0 && r.result != 0) {
		*e = r.why;
		result = r.result;
	}
	return result;
}
