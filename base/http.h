/* SPDX-License-Identifier: MIT
 *
 * http — the only door to libcurl: requests under a policy, answered from the loop.
 *
 * One struct http is one peer group (a CA with its trust, its proxy, its address class): it keeps
 * connections alive and multiplexes over HTTP/2. It follows no redirect, decodes no content
 * encoding, sends no cookie, uses no .netrc and no proxy from the environment. A body is handed
 * to the library once: when a connection dies under it the call fails (ERR_NET, "…") and the
 * caller makes a new request — a signed one must not be sent twice (RFC 8555 6.5).
 */
#ifndef BASE_HTTP_H
#define BASE_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>

struct http;
struct http_call;
struct sockaddr;

/* Where an address lies; a higher value is less public. */
enum http_address {
	HTTP_PUBLIC = 0,
	HTTP_PRIVATE,  /* RFC 1918, fc00::/7, 100.64/10 */
	HTTP_LOOPBACK, /* 127/8, ::1 */
	HTTP_REFUSED,  /* link-local and metadata (169.254/16, fe80::/10), multicast, 0/8, … */
};

/* Copied by http_new. */
struct http_policy {
	bool https_only;         /* refuse http:// (always so for a CA) */
	enum http_address reach; /* highest class it may connect to; HTTP_REFUSED is never reached.
				  * Behind a proxy only the proxy resolves, so only literal
				  * addresses are judged, and the proxy's own address is not */
	bool reach_from_url;     /* the class of what reach_url resolves to is allowed too (the
				  * operator named that host) */
	const char *reach_url;   /* borrowed while http_new runs */
	const char *ca_bundle;   /* file or hash directory, trusted alone; NULL: the system's */
	const char *proxy;       /* URL, or NULL */
	const char *user_agent;  /* NULL: none */
	int connect_ms;          /* 0: 10 s */
	int total_ms;            /* 0: 60 s */
};

struct http_request {
	const char *method; /* "GET", "HEAD" or "POST"; borrowed during http_submit */
	const char *url;    /* borrowed */
	const char *body;   /* POST only; copied */
	size_t body_len;
	const struct strlist *headers; /* "Name: value"; borrowed */
	size_t max_body;               /* bytes of answer accepted; more is ERR_PROTOCOL */
};

struct http_response {
	int status;
	struct strlist headers; /* "name: value", name in lower case, value trimmed */
	struct buf body;
	bool reused; /* came over a connection that had been used before */
};

/* Exactly once, from the loop, unless cancelled. On success response is the callee's to free and
 * e is NULL; else response is NULL and e says why (borrowed). ERR_NET with CAUSE_CONNECTION_LOST
 * means: a reused connection died before a byte of the answer came. */
typedef void http_done(void *arg, struct http_response *response, const struct err *e);

/* ERR_CONFIG when there is nothing to trust in a bundle (file or hash directory). */
int http_check_bundle(const char *bundle, struct err *e);

/* ERR_CONFIG when the bundle or the proxy cannot be used. */
int http_new(struct loop *l, const struct http_policy *policy, struct http **ret_http,
	     struct err *e);

/* Starts a request. What is wrong at once is reported through done as well, from the loop. */
struct http_call *http_submit(struct http *h, const struct http_request *request, http_done *done,
			      void *arg);

/* Forgets a call that has not been answered. */
void http_cancel(struct http_call *call);

/* Value of the n-th header of that name (lower case, n from 0), or NULL. Borrowed. */
const char *http_header(const struct http_response *r, const char *name, size_t n);

/* The class of an address. */
enum http_address http_address_class(const struct sockaddr *address);

/* Version of the library in use, "7.88.1". Static. */
const char *http_library(void);

void http_response_free(struct http_response *r);
void http_free(struct http *h); /* cancels what is under way */
void auto_http_response(struct http_response **r);
#define AUTO_HTTP_RESPONSE AUTO(auto_http_response)

#endif
