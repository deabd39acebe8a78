/* SPDX-License-Identifier: MIT
 *
 * http_internal — what the files of the http door share; nobody else includes it.
 *
 *     http.c          the life of a peer group and of a call; libcurl's sockets and timer
 *     http_policy.c   what http_new is told: trust, proxy, reach
 *     http_call.c     the options of one request and libcurl's callbacks for it
 *     http_error.c    libcurl's verdict as a sentence
 *     http_address.c  the class of an address
 *
 * No code of ours that could come back into the door runs inside a libcurl callback: an ended call
 * is answered from a timer of its own, so a caller may cancel, submit and free at will.
 */
#ifndef BASE_HTTP_INTERNAL_H
#define BASE_HTTP_INTERNAL_H

#include "base/http.h"

#include <curl/curl.h>
#include <stdint.h>
#include <sys/queue.h>

#define HTTP_MAX_HEADER_BYTES (32 * 1024)
#define HTTP_MAX_HEADER_LINES 100

/* A URL taken apart by libcurl's own parser, so that we judge what it will connect to. */
struct http_place {
	char *scheme; /* lower case */
	char *host;   /* without brackets */
	char *port;   /* never NULL */
};

struct http {
	struct loop *loop;
	CURLM *multi;
	struct watch *timer; /* libcurl has one */
	struct watch *nudge; /* http_nudge was called */
	LIST_HEAD(, http_call) calls;
	LIST_HEAD(, http_socket) sockets;
	bool https_only;
	unsigned reach;        /* one bit for each enum http_address that is allowed */
	char *unresolved_host; /* reach_url's, when it had no address yet at http_new; or NULL */
	char *ca_file;         /* at most one of the two; neither: libcurl's default */
	char *ca_directory;
	char *proxy; /* "" for none: NULL would mean the environment's */
	char *user_agent;
	long connect_ms;
	long total_ms;
};

/* Why we made libcurl stop. */
enum http_stop {
	HTTP_STOP_NONE = 0,
	HTTP_STOP_HEAD,   /* too many or too long header lines */
	HTTP_STOP_BODY,   /* longer than max_body */
	HTTP_STOP_RESEND, /* it was about to send the body a second time */
};

struct http_call {
	LIST_ENTRY(http_call) link;
	struct http *http;
	http_done *done;
	void *arg;
	CURL *easy; /* NULL once ended */
	struct curl_slist *headers;
	struct http_place place;
	struct http_response *response;
	struct err failure; /* code ERR_NONE: response is the answer */
	struct watch *deliver;
	char *body;
	size_t body_len;
	size_t body_given; /* bytes libcurl has been handed */
	size_t max_body;
	size_t header_bytes;
	size_t header_lines;
	bool opens;     /* a connection of its own */
	bool goes_out;  /* the request has a connection */
	bool posts;     /* else a GET or HEAD */
	bool in_header; /* between a status line and its empty line */
	enum http_stop stop;
	unsigned gate_passed;         /* addresses that were allowed */
	unsigned gate_refused;        /* addresses that were not */
	enum http_address gate_class; /* of the last refused one */
	char detail[CURL_ERROR_SIZE]; /* libcurl's words */
};

/* http.c: a connection stands. Whoever waited to learn whether it takes more than one request looks
 * for his own again (libcurl 8.14 leaves him waiting when it does not). */
void http_nudge(struct http *h);

/* http_policy.c */
int http_policy_apply(struct http *h, const struct http_policy *policy, struct err *e);
int http_place_parse(const char *url, struct http_place *ret_place);
void http_place_clear(struct http_place *p);
bool http_reaches(const struct http *h, enum http_address class);

/* http_call.c: everything but handing it to the multi handle. */
int http_call_prepare(struct http_call *c, const struct http_request *request, struct err *e);

/* http_error.c: fills c->failure. */
void http_call_explain(struct http_call *c, CURLcode result);
int http_refuse_address(const struct http_call *c, enum http_address class, struct err *e);

#endif
