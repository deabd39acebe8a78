/* SPDX-License-Identifier: MIT
 *
 * transport — base/http under the ACME policy (RFC 8555 6.1): https only, no redirects, our name
 * and our language in every request.
 */
#include "acme/transport.h"

#include "base/mem.h"
#include "base/strlist.h"

#include <stdlib.h>

#ifndef EVERLEAF_VERSION
#define EVERLEAF_VERSION "0.1.0"
#endif

struct transport_http {
	struct transport transport; /* first: what the session sees */
	struct http *http;
};

static void *transport_http_submit(struct transport *t, const struct http_request *request,
				   http_done *done, void *arg)
{
	struct strlist headers AUTO_STRLIST = {0};
	struct http_request with_language = *request;

	if (request->headers != NULL)
		strlist_copy(&headers, request->headers);
	strlist_add(&headers, "Accept-Language: en"); /* problem texts go into our logs */
	with_language.headers = &headers;
	return http_submit(((struct transport_http *)t)->http, &with_language, done, arg);
}

static void transport_http_cancel(struct transport *t, void *call)
{
	(void)t;
	http_cancel(call);
}

static void transport_http_free(struct transport *t)
{
	struct transport_http *th = (struct transport_http *)t;

	http_free(th->http);
	free(th);
}

static const struct transport_ops http_ops = {
	.name = "http",
	.submit = transport_http_submit,
	.cancel = transport_http_cancel,
	.free = transport_http_free,
};

int transport_http_new(struct loop *l, const struct transport_config *config,
		       struct transport **ret_transport, struct err *e)
{
	AUTO_FREE char *user_agent =
		mem_printf("everleaf/" EVERLEAF_VERSION " libcurl/%s", http_library());
	const struct http_policy policy = {
		.https_only = true,
		.reach = HTTP_PUBLIC,
		.reach_from_url = true,
		.reach_url = config->server,
		.ca_bundle = config->ca_bundle,
		.proxy = config->proxy,
		.user_agent = user_agent,
	};
	struct transport_http *th = NULL;
	struct http *http = NULL;
	int r;

	r = http_new(l, &policy, &http, e);
	if (r != 0)
		return r;
	th = mem_new(sizeof(*th));
	th->transport.ops = &http_ops;
	th->http = http;
	*ret_transport = &th->transport;
	return 0;
}

void transport_free(struct transport *t)
{
	if (t != NULL)
		t->ops->free(t);
}
