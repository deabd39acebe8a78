/* SPDX-License-Identifier: MIT
 *
 * mock_net — see the header.
 */
#include "tests/mock/mock_net.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define THERE_MS 5
#define BACK_MS  5

/* --- the loop: everything is the inner one's --- */

static struct mock_net *net_of(struct loop *l)
{
	return (struct mock_net *)(void *)l;
}

static struct watch *net_fd(struct loop *l, int fd, unsigned events, loop_fd_fn *fn, void *arg)
{
	return loop_watch_fd(net_of(l)->inner, fd, events, fn, arg);
}

static struct watch *net_timer(struct loop *l, int64_t ms, loop_timer_fn *fn, void *arg)
{
	return loop_watch_timer(net_of(l)->inner, ms, fn, arg);
}

static struct watch *net_child(struct loop *l, pid_t pid, loop_child_fn *fn, void *arg)
{
	return loop_watch_child(net_of(l)->inner, pid, fn, arg);
}

static void net_cancel(struct loop *l, struct watch *w)
{
	loop_cancel(net_of(l)->inner, w);
}

static const struct loop_ops loop_ops = {
	.watch_fd = net_fd,
	.watch_timer = net_timer,
	.watch_child = net_child,
	.cancel = net_cancel,
};

void mock_net_init(struct mock_net *n, struct loop *inner, struct mock_ca *ca)
{
	*n = (struct mock_net){
		.loop.ops = &loop_ops,
		.inner = inner,
		.ca = ca,
		.there_ms = THERE_MS,
		.back_ms = BACK_MS,
	};
}

/* --- the transport --- */

struct mock_transport {
	struct transport transport; /* first */
	struct mock_net *net;
};

struct mock_call {
	struct mock_net *net;
	struct watch *timer;
	char *method, *url, *content_type;
	struct buf body;
	size_t max_body;
	struct mock_response answer;
	http_done *done;
	void *arg;
};

static void call_free(struct mock_call *c)
{
	c->net->in_flight--;
	free(c->method);
	free(c->url);
	free(c->content_type);
	buf_free(&c->body);
	mock_response_clear(&c->answer);
	free(c);
}

static struct http_response *response_of(struct mock_call *c)
{
	struct http_response *r = mem_new(sizeof(*r));

	r->status = c->answer.status;
	strlist_copy(&r->headers, &c->answer.headers);
	r->body = c->answer.body;
	c->answer.body = (struct buf){0};
	return r;
}

static void call_fail(struct mock_call *c, struct err *e)
{
	if (c->answer.end == MOCK_CUT_OFF)
		err_set(e, ERR_NET, "%s: the connection ended within the answer", c->url);
	else
		err_set(e, ERR_NET, "%s: the connection ended before the answer", c->url);
	/* base/http.h: what does no harm twice may be asked for again whatever died */
	if ((c->answer.end == MOCK_LOST && c->answer.reused) || !str_equal(c->method, "POST"))
		(void)err_because(e, CAUSE_CONNECTION_LOST);
}

static void call_arrives(void *arg)
{
	struct mock_call *c = arg;
	struct http_response *response = NULL;
	http_done *done = c->done;
	void *done_arg = c->arg;
	struct err e = {0};

	if (c->answer.end != MOCK_WHOLE)
		call_fail(c, &e);
	else if (c->answer.body.len > c->max_body)
		err_set(&e, ERR_PROTOCOL, "%s: the answer is too long", c->url);
	else
		response = response_of(c);
	call_free(c);
	done(done_arg, response, response == NULL ? &e : NULL);
}

static void call_is_heard(void *arg)
{
	struct mock_call *c = arg;
	const struct mock_request q = {
		.method = c->method,
		.url = c->url,
		.content_type = c->content_type,
		.body = c->body.data,
		.body_len = c->body.len,
	};

	mock_ca_answer(c->net->ca, &q, &c->answer);
	c->timer = loop_watch_timer(c->net->inner, c->net->back_ms + c->answer.delay_ms,
				    call_arrives, c);
}

static char *content_type_of(const struct http_request *request)
{
	static const char name[] = "content-type:";

	for (size_t i = 0; request->headers != NULL && i < request->headers->count; i++) {
		const char *header = request->headers->items[i];

		if (strncasecmp(header, name, sizeof(name) - 1) == 0)
			return mem_str(header + sizeof(name) - 1 +
				       strspn(header + sizeof(name) - 1, " "));
	}
	return NULL;
}

static void *transport_submit(struct transport *t, const struct http_request *request,
			      http_done *done, void *arg)
{
	struct mock_net *n = ((struct mock_transport *)(void *)t)->net;
	struct mock_call *c = mem_new(sizeof(*c));

	c->net = n;
	c->method = mem_str(request->method);
	c->url = mem_str(request->url);
	c->content_type = content_type_of(request);
	buf_init(&c->body, 1024 * 1024);
	if (request->body != NULL && buf_add(&c->body, request->body, request->body_len) != 0)
		abort();
	c->max_body = request->max_body;
	c->done = done;
	c->arg = arg;
	mock_response_init(&c->answer);
	if (++n->in_flight > n->most_in_flight)
		n->most_in_flight = n->in_flight;
	c->timer = loop_watch_timer(n->inner, n->there_ms, call_is_heard, c);
	return c;
}

static void transport_cancel(struct transport *t, void *call)
{
	struct mock_call *c = call;

	(void)t;
	loop_cancel(c->net->inner, c->timer);
	call_free(c);
}

static void transport_end(struct transport *t)
{
	free(t);
}

static const struct transport_ops transport_ops = {
	.name = "mock",
	.submit = transport_submit,
	.cancel = transport_cancel,
	.free = transport_end,
};

int mock_net_transport(struct loop *l, const struct transport_config *config,
		       struct transport **ret_transport, struct err *e)
{
	struct mock_transport *t = mem_new(sizeof(*t));

	(void)config, (void)e;
	t->transport.ops = &transport_ops;
	t->net = net_of(l);
	*ret_transport = &t->transport;
	return 0;
}
