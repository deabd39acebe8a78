/* SPDX-License-Identifier: MIT
 *
 * fake_ca — each request becomes a timer; when it fires, the next row of its script answers.
 */
#include "tests/unit/fake_ca.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY                                                                                  \
	"{\"newNonce\":\"https://ca.example/nonce\",\"newAccount\":\"https://ca.example/account\"" \
	",\"newOrder\":\"https://ca.example/order\"}"

struct fake_ca_call {
	struct fake_ca_call *next;
	struct fake_ca *ca;
	enum fake_ca_kind kind;
	struct watch *timer;
	http_done *done;
	void *arg;
};

static void call_remove(struct fake_ca_call *c)
{
	struct fake_ca_call **at = &c->ca->calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (c->kind == FAKE_CA_POST)
		c->ca->in_flight--;
	free(c);
}

static struct fake_ca_answer next_answer(struct fake_ca *ca, enum fake_ca_kind kind)
{
	struct fake_ca_answer answer = {0};

	if (ca->decide != NULL && ca->decide(ca, kind, &answer))
		return answer;
	if (ca->left[kind] == 0)
		return answer;
	answer = *ca->script[kind];
	if (!answer.forever) {
		ca->script[kind]++;
		ca->left[kind]--;
	}
	return answer;
}

static struct http_response *response_new(struct fake_ca *ca, enum fake_ca_kind kind,
					  const struct fake_ca_answer *answer)
{
	const char *type = answer->type != NULL ? answer->type : "application/json";
	const char *body = kind == FAKE_CA_DIRECTORY ? DIRECTORY : "{}";
	struct http_response *r = mem_new(sizeof(*r));

	if (answer->body != NULL)
		body = answer->body;
	r->status = answer->status != 0 ? answer->status : 200;
	if (*type != '\0')
		strlist_addf(&r->headers, "content-type: %s", type);
	for (size_t i = 0; i < COUNT_OF(answer->headers) && answer->headers[i] != NULL; i++)
		strlist_add(&r->headers, answer->headers[i]);
	if (!answer->no_nonce && kind != FAKE_CA_DIRECTORY)
		strlist_addf(&r->headers, "replay-nonce: %d", ca->nonces++);
	buf_init(&r->body, 1024 * 1024);
	if (kind != FAKE_CA_NONCE)
		(void)buf_add_text(&r->body, body);
	return r;
}

static void call_answer(void *arg)
{
	struct fake_ca_call *c = arg;
	struct fake_ca *ca = c->ca;
	enum fake_ca_kind kind = c->kind;
	const struct fake_ca_answer answer = next_answer(ca, kind);
	http_done *done = c->done;
	void *done_arg = c->arg;
	struct err e = {0};

	call_remove(c);
	if (answer.fail == ERR_NONE) {
		done(done_arg, response_new(ca, kind, &answer), NULL);
		return;
	}
	err_set(&e, answer.fail, "the script says so");
	e.cause = answer.cause;
	done(done_arg, NULL, &e);
}

static void post_note(struct fake_ca *ca, const struct http_request *request)
{
	AUTO_FREE char *body = mem_strn(request->body, request->body_len);
	char *end;
	long nonce = strtol(body, &end, 10);

	if (end == body || *end != '|' || nonce < 0 || nonce >= ca->nonces || ca->used[nonce])
		ca->misused++;
	else
		ca->used[nonce] = true;
	ca->last_nonce = (int)nonce;
	strlist_add(&ca->urls, request->url);
	strlist_add(&ca->bodies, body);
	free(ca->headers);
	ca->headers = strlist_join(request->headers, "|");
	ca->max_body = request->max_body;
	if (++ca->in_flight > ca->most_in_flight)
		ca->most_in_flight = ca->in_flight;
}

static void *ca_submit(struct transport *t, const struct http_request *request, http_done *done,
		       void *arg)
{
	struct fake_ca *ca = (struct fake_ca *)(void *)t;
	struct fake_ca_call *c = mem_new(sizeof(*c));

	c->ca = ca;
	c->kind = FAKE_CA_POST;
	if (strcmp(request->method, "GET") == 0)
		c->kind = FAKE_CA_DIRECTORY;
	if (strcmp(request->method, "HEAD") == 0)
		c->kind = FAKE_CA_NONCE;
	c->done = done;
	c->arg = arg;
	c->next = ca->calls;
	ca->calls = c;
	ca->count[c->kind]++;
	if (c->kind == FAKE_CA_POST)
		post_note(ca, request);
	c->timer = loop_watch_timer(fake_loop_loop(ca->loop), ca->delay_ms, call_answer, c);
	return c;
}

static void ca_cancel(struct transport *t, void *call)
{
	struct fake_ca *ca = (struct fake_ca *)(void *)t;
	struct fake_ca_call *c = call;

	ca->cancelled++;
	loop_cancel(fake_loop_loop(ca->loop), c->timer);
	call_remove(c);
}

static void ca_free(struct transport *t)
{
	((struct fake_ca *)(void *)t)->freed = true;
}

static const struct transport_ops ops = {
	.name = "fake",
	.submit = ca_submit,
	.cancel = ca_cancel,
	.free = ca_free,
};

struct fake_ca *fake_ca_new(struct fake_loop *loop)
{
	struct fake_ca *ca = mem_new(sizeof(*ca));

	ca->transport.ops = &ops;
	ca->loop = loop;
	ca->delay_ms = 10;
	return ca;
}

void fake_ca_free(struct fake_ca *ca)
{
	if (ca == NULL)
		return;
	while (ca->calls != NULL)
		ca_cancel(&ca->transport, ca->calls);
	strlist_clear(&ca->urls);
	strlist_clear(&ca->bodies);
	free(ca->headers);
	free(ca);
}

void fake_ca_script(struct fake_ca *ca, enum fake_ca_kind kind, const struct fake_ca_answer *rows,
		    size_t count)
{
	ca->script[kind] = rows;
	ca->left[kind] = count;
}

int fake_ca_sign(void *arg, const struct jws_header *header, const char *payload, struct buf *out,
		 struct err *e)
{
	const bool *broken = arg;

	if (broken != NULL && *broken)
		return err_set(e, ERR_CONFIG, "the key is gone");
	(void)buf_printf(out, "%s|%s|%s|%s", header->nonce, header->url,
			 header->kid != NULL ? header->kid : "-", payload != NULL ? payload : "-");
	return 0;
}
