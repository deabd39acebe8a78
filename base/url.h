/* SPDX-License-Identifier: MIT
 *
 * url — what we accept as a URL from outside: absolute https, nothing clever.
 *
 * A URL is kept as the exact text it came in (RFC 8555 6.4: the "url" header is compared byte for
 * byte), so this module checks and resolves, and never normalises.
 */
#ifndef BASE_URL_H
#define BASE_URL_H

#include "base/err.h"

#define URL_MAX 2048

/* Refuses (ERR_PROTOCOL) what is not "https://host[:port][/path][?query]": another scheme, user
 * information, a fragment, an empty host, a port that is no number in 1…65535, control bytes,
 * spaces, bytes above 0x7e, '\\', more than URL_MAX bytes. IPv6 hosts stand in brackets. */
int url_check_https(const char *url, struct err *e);

/* Resolves a reference against a base that passed url_check_https (RFC 3986 5.2, including dot
 * segments), and checks the result in the same way. *ret_url is the caller's. */
int url_resolve(const char *base, const char *reference, char **ret_url, struct err *e);

/* The host without brackets, and the port (443 when absent), of a URL that passed the check.
 * *ret_host is the caller's. */
int url_host(const char *url, char **ret_host, int *ret_port, struct err *e);

#endif
