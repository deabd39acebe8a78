/* SPDX-License-Identifier: MIT
 *
 * http01_request — what somebody on the Internet wants of the http-01 listener.
 *
 * A pure function over the bytes received so far. It understands just enough HTTP/1 to know the
 * method and the token; anything clever is no request of a CA.
 */
#ifndef AGENT_HTTP01_REQUEST_H
#define AGENT_HTTP01_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP01_MAX_LINE    1024 /* of the request line */
#define HTTP01_MAX_REQUEST 8192 /* of it and all header lines */
#define HTTP01_MIN_TOKEN   22
#define HTTP01_MAX_TOKEN   128

enum http01_verdict {
	HTTP01_COMPLETE = 0,
	HTTP01_INCOMPLETE, /* more bytes may make it complete */
	HTTP01_BAD,        /* they cannot: answer 400 */
};

struct http01_request {
	bool head;                        /* HEAD: no body is wanted */
	char token[HTTP01_MAX_TOKEN + 1]; /* "" when it is no GET or HEAD of a challenge: 404 */
};

/* Looks at the len bytes received so far. HTTP01_COMPLETE, once the empty line is there, fills
 * *ret; the other verdicts leave it untouched. The target may be a path or an absolute
 * http URL (RFC 9112 3.2.2); its path has to be exactly /.well-known/acme-challenge/TOKEN. */
enum http01_verdict http01_request_parse(const char *data, size_t len, struct http01_request *ret);

#endif
