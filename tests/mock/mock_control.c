/* SPDX-License-Identifier: MIT
 *
 * mock_control — the channel of mock_server.h: one line in, one line out.
 */
#include "tests/mock/mock_server.h"

#include "base/mem.h"
#include "tests/mock/mock_internal.h"

#include <limits.h>
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

/* --- what a line says --- */

struct said {
	struct settings {
		struct mock_ca_config ca;
		int http_port;
		const char *webroot;
	} config; /* as it is, then as it is to be */
	struct mock_fault fault;
	int64_t from, add; /* MISSING: not said */
};

#define MISSING (-1)

enum member_type {
	MEMBER_FLAG = 0,
	MEMBER_INT,
	MEMBER_NUMBER, /* int64_t */
	MEMBER_SIZE,
	MEMBER_TEXT,    /* borrowed from the line */
	MEMBER_HEADERS, /* of a fault */
	MEMBER_WORD,    /* an enum, by name */
};

/* Of struct said. */
struct member {
	const char *name; /* NULL ends a list */
	enum member_type type;
	size_t offset;
	int64_t least, most;           /* of a number; most 0: as much as there is room for */
	const char *(*word)(size_t i); /* NULL: there are no more */
};

static const char *kind_word(size_t i)
{
	return i < MOCK_KINDS ? mock_kind_name((enum mock_kind)i) : NULL;
}

static const char *act_word(size_t i)
{
	static const char *const words[MOCK_ACTS] = {"delay",         "drop-before", "drop-after",
						     "truncate",      "cut",         "replace",
						     "replace-after", "repeat"};

	return i < MOCK_ACTS ? words[i] : NULL;
}

static const char *twist_word(size_t i)
{
	static const char *const words[MOCK_TWISTS] = {
		"honest",      "other-key",           "other-names",    "secret",        "old",
		"other-order", "other-authorization", "other-wildcard", "other-kinds",   "ca-leaf",
		"future",      "no-key-id",           "forged",         "version-1",     "expired",
		"leaf-last",   "leaf-twice",          "root",           "expired-cross", "cross"};

	return i < MOCK_TWISTS ? words[i] : NULL;
}

#define SAYS(text, kind, field)                                                                    \
	.name = (text), .type = (kind), .offset = offsetof(struct said, field)
static const struct member config_members[] = {
	{SAYS("http_port", MEMBER_INT, config.http_port), .most = 65535},
	{SAYS("webroot", MEMBER_TEXT, config.webroot)},
	{SAYS("reuse_orders", MEMBER_FLAG, config.ca.reuse_orders)},
	{SAYS("reuse_authorizations", MEMBER_FLAG, config.ca.reuse_authorizations)},
	{SAYS("processing", MEMBER_FLAG, config.ca.processing)},
	{SAYS("validate_ms", MEMBER_NUMBER, config.ca.validate_ms)},
	{SAYS("process_ms", MEMBER_NUMBER, config.ca.process_ms)},
	{SAYS("retry_after", MEMBER_NUMBER, config.ca.retry_after)},
	{SAYS("date_ahead", MEMBER_NUMBER, config.ca.date_ahead), .least = -1000000000},
	{SAYS("lifetime", MEMBER_NUMBER, config.ca.lifetime)},
	{SAYS("terms", MEMBER_FLAG, config.ca.terms)},
	{SAYS("renewal_info", MEMBER_FLAG, config.ca.renewal_info)},
	{SAYS("twist", MEMBER_WORD, config.ca.twist), .word = twist_word},
	{SAYS("alternates", MEMBER_NUMBER, config.ca.alternates)},
	{SAYS("verdict_in_answer", MEMBER_FLAG, config.ca.verdict_in_answer)},
	{SAYS("authorizations_stay", MEMBER_FLAG, config.ca.authorizations_stay)},
	{SAYS("orders_stay", MEMBER_FLAG, config.ca.orders_stay)},
	{SAYS("silent", MEMBER_FLAG, config.ca.silent)},
	{SAYS("answered_again", MEMBER_FLAG, config.ca.answered_again)},
	{SAYS("spells", MEMBER_FLAG, config.ca.spells)},
	{SAYS("judge", MEMBER_TEXT, config.ca.judge)},
	{SAYS("issue_error", MEMBER_TEXT, config.ca.issue_error)},
	{SAYS("unknown_status", MEMBER_INT, config.ca.unknown.status), .most = 599},
	{SAYS("unknown_problem", MEMBER_TEXT, config.ca.unknown.problem)},
	{SAYS("inactive_status", MEMBER_INT, config.ca.inactive.status), .most = 599},
	{SAYS("inactive_problem", MEMBER_TEXT, config.ca.inactive.problem)},
	{SAYS("absent_status", MEMBER_INT, config.ca.absent.status), .most = 599},
	{SAYS("absent_problem", MEMBER_TEXT, config.ca.absent.problem)},
	{SAYS("shows_inactive", MEMBER_FLAG, config.ca.shows_inactive)},
	{SAYS("contact_status", MEMBER_INT, config.ca.contact.status), .most = 599},
	{SAYS("contact_problem", MEMBER_TEXT, config.ca.contact.problem)},
	{SAYS("keeps_no_contact", MEMBER_FLAG, config.ca.keeps_no_contact)},
	{SAYS("alone", MEMBER_FLAG, config.ca.alone)},
	{SAYS("same_ids", MEMBER_FLAG, config.ca.same_ids)},
	{SAYS("eab_kid", MEMBER_TEXT, config.ca.eab_kid)},
	{SAYS("eab_hmac_key", MEMBER_TEXT, config.ca.eab_hmac_key)},
	{0},
};

static const struct member fault_members[] = {
	{SAYS("kind", MEMBER_WORD, fault.kind), .word = kind_word},
	{SAYS("skip", MEMBER_INT, fault.skip)},
	{SAYS("times", MEMBER_INT, fault.times), .least = MOCK_FOREVER},
	{SAYS("act", MEMBER_WORD, fault.act), .word = act_word},
	{SAYS("delay_ms", MEMBER_NUMBER, fault.delay_ms)},
	{SAYS("at", MEMBER_SIZE, fault.at)},
	{SAYS("reused", MEMBER_FLAG, fault.reused)},
	{SAYS("status", MEMBER_INT, fault.status), .least = 100, .most = 599},
	{SAYS("problem", MEMBER_TEXT, fault.problem)},
	{SAYS("content_type", MEMBER_TEXT, fault.content_type)},
	{SAYS("body", MEMBER_TEXT, fault.body)},
	{SAYS("headers", MEMBER_HEADERS, fault.headers)},
	{0},
};

static const struct member records_members[] = {{SAYS("from", MEMBER_NUMBER, from)}, {0}};
static const struct member clock_members[] = {{SAYS("add", MEMBER_NUMBER, add)}, {0}};
static const struct member no_members[] = {{0}};

static bool number_set(const struct member *m, void *field, const struct json *value)
{
	int64_t most = m->most != 0 ? m->most : m->type == MEMBER_INT ? INT_MAX : INT64_MAX;
	int64_t number;

	if (!json_number(value, &number) || number < m->least || number > most)
		return false;
	if (m->type == MEMBER_INT)
		*(int *)field = (int)number;
	else if (m->type == MEMBER_NUMBER)
		*(int64_t *)field = number;
	else
		*(size_t *)field = (size_t)number;
	return true;
}

static bool flag_set(bool *field, const struct json *value)
{
	AUTO_FREE char *text = json_print(value, false);

	*field = json_flag(value);
	return *field || str_equal(text, "false");
}

static bool word_set(const struct member *m, int *field, const struct json *value)
{
	const char *word;

	for (size_t i = 0; (word = m->word(i)) != NULL; i++)
		if (str_equal(json_text(value), word)) {
			*field = (int)i;
			return true;
		}
	return false;
}

static bool headers_set(struct mock_fault *fault, const struct json *list)
{
	if (!json_is_list(list) || json_count(list) > COUNT_OF(fault->headers))
		return false;
	for (size_t i = 0; i < json_count(list); i++) {
		fault->headers[i] = json_text(json_at(list, i));
		if (fault->headers[i] == NULL)
			return false;
	}
	return true;
}

static bool member_set(const struct member *m, struct said *said, const struct json *value)
{
	void *field = (char *)said + m->offset;

	switch (m->type) {
	case MEMBER_FLAG:
		return flag_set(field, value);
	case MEMBER_INT:
	case MEMBER_NUMBER:
	case MEMBER_SIZE:
		return number_set(m, field, value);
	case MEMBER_TEXT:
		*(const char **)field = json_text(value);
		return json_text(value) != NULL;
	case MEMBER_HEADERS:
		return headers_set(&said->fault, value);
	case MEMBER_WORD:
		return word_set(m, field, value);
	}
	return false;
}

/* What json_each fills; the first member that is not understood is named. */
struct filling {
	const struct member *members;
	struct said *said;
	char *unknown;
};

static void fill_one(void *arg, const char *key, const struct json *value)
{
	struct filling *f = arg;

	if (strcmp(key, "do") == 0 || f->unknown != NULL)
		return;
	for (const struct member *m = f->members; m->name != NULL; m++)
		if (strcmp(m->name, key) == 0 && member_set(m, f->said, value))
			return;
	f->unknown = mem_str(key);
}

/* --- the verbs --- */

static struct json *do_config(struct mock_server *s, const struct said *said)
{
	*mock_ca_config(s->ca) = said->config.ca;
	s->http_port = said->config.http_port;
	s->webroot = said->config.webroot;
	return NULL;
}

/* A row that would do nothing, or answer by a status of 0, was meant otherwise. */
static struct json *do_fault(struct mock_server *s, const struct said *said)
{
	const struct mock_fault *f = &said->fault;
	bool answers = f->act == MOCK_REPLACE ||
		       (f->act == MOCK_REPLACE_AFTER && (f->problem != NULL || f->body != NULL));

	if (f->act == MOCK_ACTS)
		return failure("%s", "which act?");
	if (answers && f->status == 0)
		return failure("%s", "with which status?");
	mock_ca_fault(s->ca, f);
	return NULL;
}

static struct json *do_heal(struct mock_server *s, const struct said *said)
{
	(void)said;
	mock_ca_heal(s->ca);
	return NULL;
}

static struct json *do_forget_accounts(struct mock_server *s, const struct said *said)
{
	(void)said;
	mock_ca_forget_accounts(s->ca);
	return NULL;
}

static struct json *do_deactivate_accounts(struct mock_server *s, const struct said *said)
{
	(void)said;
	mock_ca_deactivate_accounts(s->ca);
	return NULL;
}

static struct json *do_clock(struct mock_server *s, const struct said *said)
{
	if (said->add == MISSING)
		return failure("%s", "how many seconds?");
	s->ahead_ms += said->add * 1000;
	return NULL;
}

/* The next CA has other tokens: what the last one's clients left behind must not do for it. */
static struct json *do_reset(struct mock_server *s, const struct said *said)
{
	struct mock_ca_config config = said->config.ca;

	config.seed++;
	mock_ca_free(s->ca);
	s->ca = mock_ca_new(&config);
	return NULL;
}

static struct json *do_counts(struct mock_server *s, const struct said *said)
{
	const struct mock_counts c = mock_ca_counts(s->ca);
	struct json *answer = json_new_map();

	(void)said;
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
	json_put_number(v, "body_len", (int64_t)r->body_len);
	json_put_flag(v, "acted", r->acted);
	json_put_text(v, "problem", r->problem);
	return v;
}

static struct json *do_records(struct mock_server *s, const struct said *said)
{
	struct json *answer = json_new_map();
	struct json *list = json_new_list();
	const struct mock_record *r;

	for (size_t i = said->from != MISSING ? (size_t)said->from : 0;
	     (r = mock_ca_record(s->ca, i)) != NULL; i++)
		json_add(list, record_json(r));
	json_put(answer, "records", list);
	return answer;
}

static struct json *texts_json(const struct strlist *texts)
{
	struct json *list = json_new_list();

	for (size_t i = 0; i < texts->count; i++)
		json_add_text(list, texts->items[i]);
	return list;
}

static void put_account(struct mock_server *s, struct json *map, const char *member, int64_t id)
{
	AUTO_FREE char *url = mock_url(s->ca, "account/%lld", (long long)id);

	json_put_text(map, member, url);
}

static struct json *do_orders(struct mock_server *s, const struct said *said)
{
	struct json *answer = json_new_map();
	struct json *list = json_new_list();

	(void)said;
	for (size_t i = 0; i < s->ca->order_count; i++) {
		const struct mock_order *o = s->ca->orders[i];
		struct json *v = json_new_map();

		json_put_text(v, "status", o->status);
		json_put(v, "names", texts_json(&o->names));
		put_account(s, v, "account", o->account_id);
		json_put_flag(v, "certificate", o->pem != NULL);
		json_add(list, v);
	}
	json_put(answer, "orders", list);
	return answer;
}

static struct json *do_accounts(struct mock_server *s, const struct said *said)
{
	struct json *answer = json_new_map();
	struct json *list = json_new_list();

	(void)said;
	for (size_t i = 0; i < s->ca->account_count; i++) {
		const struct mock_account *a = s->ca->accounts[i];
		struct json *v;

		if (a->forgotten)
			continue;
		v = json_new_map();
		put_account(s, v, "url", a->id);
		json_put_text(v, "status", mock_account_status(a));
		json_put(v, "contact", texts_json(&a->contact));
		json_add(list, v);
	}
	json_put(answer, "accounts", list);
	return answer;
}

static const struct {
	const char *name;
	const struct member *members;
	struct json *(*run)(struct mock_server *s, const struct said *said); /* NULL: done */
} verbs[] = {
	{"config", config_members, do_config},
	{"fault", fault_members, do_fault},
	{"heal", no_members, do_heal},
	{"clock", clock_members, do_clock},
	{"counts", no_members, do_counts},
	{"records", records_members, do_records},
	{"orders", no_members, do_orders},
	{"accounts", no_members, do_accounts},
	{"reset", no_members, do_reset},
	{"forget-accounts", no_members, do_forget_accounts},
	{"deactivate-accounts", no_members, do_deactivate_accounts},
};

static struct json *verb_run(struct mock_server *s, size_t verb, const struct json *line)
{
	struct said said = {
		.config = {*mock_ca_config(s->ca), s->http_port, s->webroot},
		.fault.act = MOCK_ACTS,
		.from = MISSING,
		.add = MISSING,
	};
	struct filling f = {.members = verbs[verb].members, .said = &said};
	AUTO_FREE char *unknown = NULL;
	struct json *answer;

	json_each(line, fill_one, &f);
	unknown = f.unknown;
	if (unknown != NULL)
		return failure("%s is not understood", unknown);
	answer = verbs[verb].run(s, &said);
	mock_server_ticks(s);
	return answer != NULL ? answer : json_new_map();
}

/* The line is kept for ever: faults and the configuration borrow its texts. */
static struct json *line_run(struct mock_server *s, const char *text, size_t len)
{
	struct json *line = NULL;
	const char *verb;

	if (json_parse(text, len, &line, NULL) != 0)
		return failure("%s", "not one JSON object");
	verb = json_get_text(line, "do");
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (str_equal(verbs[i].name, verb))
			return verb_run(s, i, line);
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
