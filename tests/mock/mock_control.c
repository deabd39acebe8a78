/* SPDX-License-Identifier: MIT
 *
 * mock_control — the channel of mock_server.h: one line in, one line out.
 */
#include "tests/mock/mock_server.h"

#include "base/mem.h"
#include "tests/mock/mock_internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_LINE (64 * 1024)

struct client {
	struct mock_server *server;
	struct watch *watch;
	int fd;
	struct buf in;
};

static struct json *failure(const char *format, const char *what)
{
	struct json *answer = json_new_map();
	AUTO_FREE char *text = mem_printf(format, what);

	json_put_text(answer, "error", text);
	return answer;
}

/* --- members by table --- */

enum member_type {
	MEMBER_FLAG = 0,
	MEMBER_INT,
	MEMBER_NUMBER, /* int64_t */
	MEMBER_SIZE,
	MEMBER_TEXT, /* borrowed from the line */
};

struct member {
	const char *name;
	enum member_type type;
	size_t offset;
};

#define CONFIG(name, type)                                                                         \
	{                                                                                          \
#name, type, offsetof(struct mock_ca_config, name)                                 \
	}
static const struct member config_members[] = {
	CONFIG(reuse_orders, MEMBER_FLAG), CONFIG(reuse_authorizations, MEMBER_FLAG),
	CONFIG(processing, MEMBER_FLAG),   CONFIG(validate_ms, MEMBER_NUMBER),
	CONFIG(process_ms, MEMBER_NUMBER), CONFIG(retry_after, MEMBER_NUMBER),
	CONFIG(lifetime, MEMBER_NUMBER),   CONFIG(terms, MEMBER_FLAG),
	CONFIG(twist, MEMBER_INT),
};

#define FAULT_MEMBER(name, type)                                                                   \
	{                                                                                          \
#name, type, offsetof(struct mock_fault, name)                                     \
	}
static const struct member fault_members[] = {
	FAULT_MEMBER(skip, MEMBER_INT),        FAULT_MEMBER(times, MEMBER_INT),
	FAULT_MEMBER(delay_ms, MEMBER_NUMBER), FAULT_MEMBER(at, MEMBER_SIZE),
	FAULT_MEMBER(reused, MEMBER_FLAG),     FAULT_MEMBER(status, MEMBER_INT),
	FAULT_MEMBER(problem, MEMBER_TEXT),    FAULT_MEMBER(content_type, MEMBER_TEXT),
	FAULT_MEMBER(body, MEMBER_TEXT),
};

static bool member_set(const struct member *m, void *into, const struct json *value)
{
	void *field = (char *)into + m->offset;
	int64_t number = 0;

	switch (m->type) {
	case MEMBER_FLAG:
		*(bool *)field = json_flag(value);
		return true;
	case MEMBER_TEXT:
		*(const char **)field = json_text(value);
		return json_text(value) != NULL;
	case MEMBER_INT:
	case MEMBER_NUMBER:
	case MEMBER_SIZE:
		break;
	}
	if (!json_number(value, &number))
		return false;
	if (m->type == MEMBER_INT)
		*(int *)field = (int)number;
	else if (m->type == MEMBER_NUMBER)
		*(int64_t *)field = number;
	else
		*(size_t *)field = (size_t)number;
	return true;
}

/* What json_each fills; the first member that nobody knows is named. */
struct filling {
	const struct member *members;
	size_t count;
	void *into;
	bool (*other)(struct filling *f, const char *key, const struct json *value);
	struct mock_server *server;
	char *unknown;
};

static void fill_one(void *arg, const char *key, const struct json *value)
{
	struct filling *f = arg;

	if (strcmp(key, "do") == 0 || f->unknown != NULL)
		return;
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->members[i].name, key) == 0 &&
		    member_set(&f->members[i], f->into, value))
			return;
	if (f->other == NULL || !f->other(f, key, value))
		f->unknown = mem_str(key);
}

static struct json *fill(struct filling *f, const struct json *line)
{
	AUTO_FREE char *unknown = NULL;

	json_each(line, fill_one, f);
	unknown = f->unknown;
	return unknown != NULL ? failure("%s is not understood", unknown) : NULL;
}

/* --- the verbs --- */

static bool config_other(struct filling *f, const char *key, const struct json *value)
{
	int64_t port = 0;

	if (strcmp(key, "webroot") == 0) {
		mem_set_str(&f->server->webroot, json_text(value));
		return true;
	}
	if (strcmp(key, "http_port") != 0 || !json_number(value, &port))
		return false;
	f->server->http_port = (int)port;
	return true;
}

static struct json *do_config(struct mock_server *s, const struct json *line)
{
	struct filling f = {.members = config_members,
			    .count = COUNT_OF(config_members),
			    .into = mock_ca_config(s->ca),
			    .other = config_other,
			    .server = s};

	return fill(&f, line);
}

static bool fault_other(struct filling *f, const char *key, const struct json *value)
{
	static const char *const acts[MOCK_ACTS] = {"delay",         "drop-before", "drop-after",
						    "truncate",      "cut",         "replace",
						    "replace-after", "repeat"};
	struct mock_fault *fault = f->into;

	for (size_t i = 0; strcmp(key, "kind") == 0 && i < MOCK_KINDS; i++)
		if (str_equal(json_text(value), mock_kind_name((enum mock_kind)i))) {
			fault->kind = (enum mock_kind)i;
			return true;
		}
	for (size_t i = 0; strcmp(key, "act") == 0 && i < MOCK_ACTS; i++)
		if (str_equal(json_text(value), acts[i])) {
			fault->act = (enum mock_act)i;
			return true;
		}
	if (strcmp(key, "headers") != 0 || json_count(value) > COUNT_OF(fault->headers))
		return false;
	for (size_t i = 0; i < json_count(value); i++)
		fault->headers[i] = json_text(json_at(value, i));
	return true;
}

static struct json *do_fault(struct mock_server *s, const struct json *line)
{
	struct mock_fault fault = {0};
	struct filling f = {.members = fault_members,
			    .count = COUNT_OF(fault_members),
			    .into = &fault,
			    .other = fault_other,
			    .server = s};
	struct json *failed = fill(&f, line);

	if (failed == NULL)
		mock_ca_fault(s->ca, &fault);
	return failed;
}

static struct json *do_heal(struct mock_server *s, const struct json *line)
{
	(void)line;
	mock_ca_heal(s->ca);
	return NULL;
}

static struct json *do_clock(struct mock_server *s, const struct json *line)
{
	int64_t seconds = 0;

	if (!json_number(json_get(line, "add"), &seconds))
		return failure("%s", "how many seconds?");
	s->ahead_ms += seconds * 1000;
	return NULL;
}

static struct json *do_counts(struct mock_server *s, const struct json *line)
{
	const struct mock_counts c = mock_ca_counts(s->ca);
	struct json *answer = json_new_map();

	(void)line;
	json_put_number(answer, "requests", (int64_t)c.requests);
	json_put_number(answer, "accounts", (int64_t)c.accounts);
	json_put_number(answer, "deactivated", (int64_t)c.deactivated);
	json_put_number(answer, "orders", (int64_t)c.orders);
	json_put_number(answer, "unused_orders", (int64_t)c.unused_orders);
	json_put_number(answer, "certificates", (int64_t)c.certificates);
	json_put_number(answer, "validations", (int64_t)c.validations);
	json_put_number(answer, "nonces_reused", (int64_t)c.nonces_reused);
	json_put_number(answer, "nonces_unknown", (int64_t)c.nonces_unknown);
	json_put_number(answer, "forged", (int64_t)c.forged);
	return answer;
}

static struct json *record_json(const struct mock_record *r)
{
	struct json *v = json_new_map();

	json_put_number(v, "at_ms", r->at_ms);
	json_put_text(v, "kind", mock_kind_name(r->kind));
	json_put_text(v, "method", r->method);
	json_put_text(v, "url", r->url);
	json_put_text(v, "nonce", r->nonce);
	json_put_text(v, "account", r->account);
	json_put_text(v, "payload", r->payload);
	json_put_number(v, "status", r->status);
	json_put_flag(v, "acted", r->acted);
	json_put_text(v, "problem", r->problem);
	return v;
}

static struct json *do_records(struct mock_server *s, const struct json *line)
{
	struct json *answer = json_new_map();
	struct json *list = json_new_list();
	const struct mock_record *r;
	int64_t from = 0;

	(void)json_number(json_get(line, "from"), &from);
	for (size_t i = (size_t)from; (r = mock_ca_record(s->ca, i)) != NULL; i++)
		json_add(list, record_json(r));
	json_put(answer, "records", list);
	return answer;
}

static struct json *do_orders(struct mock_server *s, const struct json *line)
{
	struct json *answer = json_new_map();
	struct json *list = json_new_list();

	(void)line;
	for (size_t i = 0; i < s->ca->order_count; i++) {
		AUTO_FREE char *names = strlist_join(&s->ca->orders[i]->names, " ");
		struct json *v = json_new_map();

		json_put_text(v, "status", s->ca->orders[i]->status);
		json_put_text(v, "names", names);
		json_add(list, v);
	}
	json_put(answer, "orders", list);
	return answer;
}

static const struct {
	const char *name;
	struct json *(*run)(struct mock_server *s, const struct json *line); /* NULL: done */
} verbs[] = {
	{"config", do_config}, {"fault", do_fault},     {"heal", do_heal},     {"clock", do_clock},
	{"counts", do_counts}, {"records", do_records}, {"orders", do_orders},
};

/* The line is kept for ever: a fault borrows its texts. */
static struct json *line_run(struct mock_server *s, const char *text, size_t len)
{
	struct json *line = NULL;
	const char *verb;

	if (json_parse(text, len, &line, NULL) != 0)
		return failure("%s", "not one JSON object");
	verb = json_get_text(line, "do");
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (str_equal(verbs[i].name, verb)) {
			struct json *answer = verbs[i].run(s, line);

			mock_server_ticks(s);
			return answer != NULL ? answer : json_new_map();
		}
	return failure("there is no verb %s", verb != NULL ? verb : "(none)");
}

/* --- clients --- */

static bool client_say(const struct client *c, const struct json *answer)
{
	AUTO_FREE char *text = json_print(answer, false);
	AUTO_FREE char *line = mem_printf("%s\n", text);
	size_t len = strlen(line);

	for (size_t at = 0; at < len;) {
		ssize_t n = send(c->fd, line + at, len - at, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static void client_free(struct client *c)
{
	loop_cancel(c->server->loop, c->watch);
	close(c->fd);
	buf_free(&c->in);
	free(c);
}

static void client_due(void *arg, int fd, unsigned events)
{
	struct client *c = arg;
	char data[4096];
	ssize_t n = recv(fd, data, sizeof(data), 0);
	char *end;

	(void)events;
	if (n <= 0 || buf_add(&c->in, data, (size_t)n) != 0) {
		client_free(c);
		return;
	}
	while ((end = memchr(c->in.data, '\n', c->in.len)) != NULL) {
		size_t len = (size_t)(end - c->in.data);
		AUTO_JSON struct json *answer = line_run(c->server, c->in.data, len);

		memmove(c->in.data, end + 1, c->in.len - len - 1);
		c->in.len -= len + 1;
		if (!client_say(c, answer)) {
			client_free(c);
			return;
		}
	}
}

static void on_client(void *arg, int fd, unsigned events)
{
	struct mock_server *s = arg;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct client *c;

	(void)events;
	if (peer < 0)
		return;
	c = mem_new(sizeof(*c));
	c->server = s;
	c->fd = peer;
	buf_init(&c->in, MAX_LINE);
	c->watch = loop_watch_fd(s->loop, peer, LOOP_READ, client_due, c);
}

void mock_control_listen(struct mock_server *s, const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	MOCK_MUST(strlen(path) < sizeof(at.sun_path));
	memcpy(at.sun_path, path, strlen(path));
	MOCK_MUST(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		  listen(fd, 16) == 0);
	loop_watch_fd(s->loop, fd, LOOP_READ, on_client, s);
}
