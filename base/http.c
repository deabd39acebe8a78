/* SPDX-License-Identifier: MIT
 *
 * http — the life of a peer group and of its calls, and libcurl's sockets and timer on our loop.
 *
 *     http_submit ──► in the multi handle ──► ended ──(timer 0)──► done()
 *          └──────── wrong at once ────────────┘
 *
 * An ended call waits for its own timer, so done() runs with nothing of libcurl on the stack and
 * nothing of ours is touched after it: it may cancel other calls and free the whole group.
 */
#include "base/http_internal.h"

#include "base/fault.h"

#include <stdlib.h>
#include <string.h>

#define MAX_HOST_CONNECTIONS 4L

/* A descriptor libcurl waits for. */
struct http_socket {
	LIST_ENTRY(http_socket) link;
	struct http *http;
	struct watch *watch;
};

static void socket_free(struct http_socket *s)
{
	LIST_REMOVE(s, link);
	loop_cancel(s->http->loop, s->watch);
	free(s);
}

static void call_free(struct http_call *c)
{
	LIST_REMOVE(c, link);
	loop_cancel(c->http->loop, c->deliver);
	if (c->easy != NULL) {
		curl_multi_remove_handle(c->http->multi, c->easy);
		curl_easy_cleanup(c->easy);
	}
	curl_slist_free_all(c->headers);
	http_place_clear(&c->place);
	http_response_free(c->response);
	free(c->body);
	free(c);
}

static void call_deliver(void *arg)
{
	struct http_call *c = arg;
	http_done *done = c->done;
	void *done_arg = c->arg;
	struct err failure = c->failure;
	struct http_response *response = NULL;

	c->deliver = NULL;
	if (failure.code == ERR_NONE)
		response = TAKE(c->response);
	call_free(c);
	done(done_arg, response, failure.code == ERR_NONE ? NULL : &failure);
}

static void call_ends(struct http_call *c)
{
	c->deliver = loop_watch_timer(c->http->loop, 0, call_deliver, c);
}

static void call_heard(struct http_call *c, CURLcode result)
{
	long number = 0;

	if (FAULT_FAILS("http.answer"))
		result = CURLE_RECV_ERROR;
	if (result == CURLE_OK) {
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &number);
		c->response->status = (int)number;
		curl_easy_getinfo(c->easy, CURLINFO_NUM_CONNECTS, &number);
		c->response->reused = number == 0;
	} else {
		http_call_explain(c, result);
	}
	curl_multi_remove_handle(c->http->multi, c->easy);
	curl_easy_cleanup(TAKE(c->easy));
	call_ends(c);
}

/* Collects what has ended. No code but ours runs here. */
static void hear(struct http *h)
{
	const struct CURLMsg *message = NULL;
	int left = 0;

	while ((message = curl_multi_info_read(h->multi, &left)) != NULL) {
		CURLcode result = message->data.result;
		struct http_call *c = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&c);
		call_heard(c, result); /* message is gone with its handle */
	}
}

static void socket_due(void *arg, int fd, unsigned events)
{
	struct http *h = ((struct http_socket *)arg)->http;
	int what = 0;
	int running = 0;

	if (events & LOOP_READ)
		what |= CURL_CSELECT_IN;
	if (events & LOOP_WRITE)
		what |= CURL_CSELECT_OUT;
	curl_multi_socket_action(h->multi, fd, what, &running); /* may free arg */
	hear(h);
}

static void timer_due(void *arg)
{
	struct http *h = arg;
	int running = 0;

	h->timer = NULL;
	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	hear(h);
}

static void nudge_due(void *arg)
{
	struct http *h = arg;
	struct http_call *c = NULL;

	h->nudge = NULL;
	LIST_FOREACH(c, &h->calls, link)
	{
		if (c->easy == NULL || c->opens || c->goes_out)
			continue;
		curl_multi_remove_handle(h->multi, c->easy);
		curl_multi_add_handle(h->multi, c->easy); /* as it did before, so it will */
	}
}

void http_nudge(struct http *h)
{
	if (h->nudge == NULL)
		h->nudge = loop_watch_timer(h->loop, 0, nudge_due, h);
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	loop_cancel(h->loop, TAKE(h->timer));
	if (ms >= 0)
		h->timer = loop_watch_timer(h->loop, ms, timer_due, h);
	return 0;
}

static struct http_socket *socket_new(struct http *h, curl_socket_t fd)
{
	struct http_socket *s = mem_new(sizeof(*s));

	s->http = h;
	LIST_INSERT_HEAD(&h->sockets, s, link);
	curl_multi_assign(h->multi, fd, s);
	return s;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http *h = arg;
	struct http_socket *s = socket_arg;
	unsigned events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			socket_free(s);
		curl_multi_assign(h->multi, fd, NULL);
		return 0;
	}
	if (s == NULL)
		s = socket_new(h, fd);
	if (what & CURL_POLL_IN)
		events |= LOOP_READ;
	if (what & CURL_POLL_OUT)
		events |= LOOP_WRITE;
	loop_cancel(h->loop, s->watch);
	s->watch = loop_watch_fd(h->loop, fd, events, socket_due, s);
	return 0;
}

static int multi_new(struct http *h, struct err *e)
{
	CURLMcode r;

	h->multi = curl_multi_init();
	if (h->multi == NULL)
		return err_set(e, ERR_SYS, "libcurl cannot be started");
	r = curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	if (r == CURLM_OK)
		r = curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	if (r == CURLM_OK)
		r = curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	if (r == CURLM_OK)
		r = curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	if (r == CURLM_OK)
		r = curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	if (r == CURLM_OK)
		r = curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
				      MAX_HOST_CONNECTIONS);
	if (r != CURLM_OK)
		return err_set(e, ERR_SYS, "libcurl refused an option: %s", curl_multi_strerror(r));
	return 0;
}

int http_new(struct loop *l, const struct http_policy *policy, struct http **ret_http,
	     struct err *e)
{
	struct http *h = NULL;
	int r;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) /* counted, so one for each of us */
		return err_set(e, ERR_SYS, "libcurl cannot be started");
	h = mem_new(sizeof(*h));
	h->loop = l;
	LIST_INIT(&h->calls);
	LIST_INIT(&h->sockets);
	r = multi_new(h, e);
	if (r == 0)
		r = http_policy_apply(h, policy, e);
	if (r != 0) {
		http_free(h);
		return r;
	}
	*ret_http = h;
	return 0;
}

struct http_call *http_submit(struct http *h, const struct http_request *request, http_done *done,
			      void *arg)
{
	struct http_call *c = mem_new(sizeof(*c));
	CURLMcode m;

	c->http = h;
	c->done = done;
	c->arg = arg;
	c->body_len = request->body != NULL ? request->body_len : 0;
	c->body = mem_new(c->body_len);
	if (c->body_len > 0)
		memcpy(c->body, request->body, c->body_len);
	c->max_body = request->max_body;
	c->response = mem_new(sizeof(*c->response));
	buf_init(&c->response->body, request->max_body);
	LIST_INSERT_HEAD(&h->calls, c, link);

	if (http_call_prepare(c, request, &c->failure) != 0) {
		call_ends(c);
		return c;
	}
	if (FAULT_FAILS("http.submit")) {
		err_sys(&c->failure, ERR_NET, "%s cannot be reached", request->url);
		call_ends(c);
		return c;
	}
	m = curl_multi_add_handle(h->multi, c->easy);
	if (m != CURLM_OK) {
		err_set(&c->failure, ERR_SYS, "libcurl refused a request: %s",
			curl_multi_strerror(m));
		call_ends(c);
	}
	FAULT("http.submitted");
	return c;
}

void http_cancel(struct http_call *call)
{
	if (call != NULL)
		call_free(call);
}

const char *http_header(const struct http_response *r, const char *name, size_t n)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < r->headers.count; i++) {
		const char *line = r->headers.items[i];

		if (strncmp(line, name, len) != 0 || strncmp(line + len, ": ", 2) != 0)
			continue;
		if (n-- == 0)
			return line + len + 2;
	}
	return NULL;
}

const char *http_library(void)
{
	return curl_version_info(CURLVERSION_NOW)->version;
}

void http_response_free(struct http_response *r)
{
	if (r == NULL)
		return;
	strlist_clear(&r->headers);
	buf_free(&r->body);
	free(r);
}

void auto_http_response(struct http_response **r)
{
	http_response_free(*r);
}

void http_free(struct http *h)
{
	if (h == NULL)
		return;
	while (!LIST_EMPTY(&h->calls))
		call_free(LIST_FIRST(&h->calls));
	curl_multi_cleanup(h->multi); /* still tells on_socket and on_timer */
	while (!LIST_EMPTY(&h->sockets))
		socket_free(LIST_FIRST(&h->sockets));
	loop_cancel(h->loop, h->timer);
	loop_cancel(h->loop, h->nudge);
	free(h->unresolved_host);
	free(h->ca_file);
	free(h->ca_directory);
	free(h->proxy);
	free(h->user_agent);
	free(h);
	curl_global_cleanup();
}
