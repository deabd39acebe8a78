/* SPDX-License-Identifier: MIT
 *
 * transport — how a session reaches its CA: ops, so that a test can be the CA in-process. The real
 * one is base/http with the ACME policy: https only, no redirects, its caps,
 * the CA's own trust, our User-Agent.
 */
#ifndef ACME_TRANSPORT_H
#define ACME_TRANSPORT_H

#include "base/err.h"
#include "base/http.h"

struct transport;

struct transport_ops {
	const char *name;
	/* As http_submit; the handle is for cancel. */
	void *(*submit)(struct transport *t, const struct http_request *request, http_done *done,
			void *arg);
	void (*cancel)(struct transport *t, void *call);
	void (*free)(struct transport *t);
};

/* First member of every implementation. */
struct transport {
	const struct transport_ops *ops;
};

struct transport_config {
	const char *server;    /* directory URL: its address class is allowed for all URLs */
	const char *ca_bundle; /* NULL: the system's */
	const char *proxy;     /* NULL: none */
};

/* The real one. ERR_CONFIG when trust or proxy cannot be used. */
int transport_http_new(struct loop *l, const struct transport_config *config,
		       struct transport **ret_transport, struct err *e);

void transport_free(struct transport *t);

#endif
