/* SPDX-License-Identifier: MIT
 *
 * url — the only place that takes a URL apart.
 *
 * Narrower than RFC 3986 where two readers could disagree about the host: no percent-encoding,
 * no user information, no zone id, no backslash. What passes is kept as it came.
 */
#include "base/url.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME     "https://"
#define SCHEME_LEN (sizeof(SCHEME) - 1)
#define HOST_MAX   255
#define HTTPS_PORT 443
#define TOO_LONG   "it is longer than 2048 bytes"
#define URL_SHOWN  "\"%.200s\"" /* enough to find it; the sentence needs room too */

_Static_assert(URL_MAX == 2048, "TOO_LONG names the limit");

/* Where the parts of a URL lie in its text; nothing is owned. */
struct url_parts {
	const char *host;
	size_t host_len; /* without brackets */
	int port;
	const char *path; /* the end of the authority: "/…", "?…" or "" */
	size_t path_len;  /* without the query */
};

static int refuse(struct err *e, const char *url, const char *why)
{
	return err_set(e, ERR_PROTOCOL, "the URL " URL_SHOWN " cannot be used: %s", url, why);
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What is wrong with the characters, or NULL. */
static const char *characters_fault(const char *url)
{
	if (strnlen(url, URL_MAX + 1) > URL_MAX)
		return TOO_LONG;
	for (const char *c = url; *c != '\0'; c++) {
		if ((unsigned char)*c <= 0x20 || (unsigned char)*c > 0x7e)
			return "it contains a space, a control or a byte that is not ASCII";
		if (*c == '\\')
			return "it contains a backslash";
		if (*c == '#')
			return "it has a fragment";
	}
	return NULL;
}

static bool is_host_name(const char *host, size_t len)
{
	if (len == 0 || len > HOST_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alpha(host[i]) && !is_digit(host[i]) && strchr("-._", host[i]) == NULL)
			return false;
	return true;
}

static bool is_ipv6(const char *host, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

/* Reads ":port" or nothing up to end. */
static bool parse_port(const char *at, const char *end, int *ret_port)
{
	int port = 0;

	if (at == end) {
		*ret_port = HTTPS_PORT;
		return true;
	}
	if (*at != ':' || end - at < 2 || end - at > 6)
		return false;
	for (at++; at < end; at++) {
		if (!is_digit(*at))
			return false;
		port = port * 10 + (*at - '0');
	}
	*ret_port = port;
	return port >= 1 && port <= 65535;
}

/* Reads "host[:port]" between at and end. Returns what is wrong with it, or NULL. */
static const char *parse_authority(const char *at, const char *end, struct url_parts *p)
{
	const char *stop;

	if (memchr(at, '@', (size_t)(end - at)) != NULL)
		return "it contains user information";
	if (at < end && *at == '[') {
		stop = memchr(at, ']', (size_t)(end - at));
		if (stop == NULL || !is_ipv6(at + 1, (size_t)(stop - at - 1)))
			return "what stands in brackets is no IPv6 address";
		p->host = at + 1;
		p->host_len = (size_t)(stop - at - 1);
		stop++;
	} else {
		stop = memchr(at, ':', (size_t)(end - at));
		if (stop == NULL)
			stop = end;
		p->host = at;
		p->host_len = (size_t)(stop - at);
		if (!is_host_name(p->host, p->host_len))
			return "its host is empty or no host name";
	}
	if (!parse_port(stop, end, &p->port))
		return "its port is no number from 1 to 65535";
	return NULL;
}

static int parse(const char *url, struct url_parts *p, struct err *e)
{
	const char *why = characters_fault(url);
	const char *authority;

	if (why != NULL)
		return refuse(e, url, why);
	if (strncasecmp(url, SCHEME, SCHEME_LEN) != 0) /* RFC 3986 3.1: case does not matter */
		return refuse(e, url, "it does not begin with https://");
	authority = url + SCHEME_LEN;
	p->path = authority + strcspn(authority, "/?");
	p->path_len = strcspn(p->path, "?");
	why = parse_authority(authority, p->path, p);
	return why == NULL ? 0 : refuse(e, url, why);
}

int url_check_https(const char *url, struct err *e)
{
	struct url_parts p = {0};

	return parse(url, &p, e);
}

/* RFC 3986 3.1: a reference that begins with "scheme:" is no relative one. */
static bool has_scheme(const char *reference)
{
	const char *c = reference;

	if (!is_alpha(*c))
		return false;
	while (*c != '\0' && (is_alpha(*c) || is_digit(*c) || strchr("+-.", *c) != NULL))
		c++;
	return *c == ':';
}

/* Takes the last segment and its slash off again, but nothing below floor. */
static void drop_segment(struct buf *out, size_t floor)
{
	while (out->len > floor) {
		out->len--;
		if (out->data[out->len] == '/')
			break;
	}
	out->data[out->len] = '\0';
}

/* Appends path without its "." and ".." segments (RFC 3986 5.2.4). path is empty or begins with
 * a slash; out holds the authority already, which ".." does not reach. */
static void add_without_dots(struct buf *out, const char *path, size_t len)
{
	const char *end = path + len;
	size_t floor = out->len;

	for (const char *next; path < end; path = next) {
		size_t segment_len; /* with the slash in front */

		next = memchr(path + 1, '/', (size_t)(end - path - 1));
		if (next == NULL)
			next = end;
		segment_len = (size_t)(next - path);
		if (segment_len == 3 && memcmp(path, "/..", 3) == 0)
			drop_segment(out, floor);
		else if (segment_len != 2 || path[1] != '.') {
			buf_add(out, path, segment_len);
			continue;
		}
		if (next == end)
			buf_add_text(out, "/"); /* a dot segment at the end names a folder */
	}
}

/* Merges a relative path with the base's (RFC 3986 5.2.3). */
static void add_merged(struct buf *merged, const struct url_parts *base, const char *path,
		       size_t len)
{
	if (*path != '/') {
		const char *slash = memrchr(base->path, '/', base->path_len);

		if (slash == NULL)
			buf_add_text(merged, "/");
		else
			buf_add(merged, base->path, (size_t)(slash - base->path) + 1);
	}
	buf_add(merged, path, len);
}

/* An absolute URL, whose dot segments go as well (RFC 3986 5.2.2). */
static int resolve_absolute(const char *url, struct buf *out, struct err *e)
{
	struct url_parts p = {0};
	int r;

	r = parse(url, &p, e);
	if (r != 0)
		return r;
	buf_add(out, url, (size_t)(p.path - url));
	add_without_dots(out, p.path, p.path_len);
	buf_add_text(out, p.path + p.path_len);
	return 0;
}

/* A path, a query, both or nothing. base_url is the text that base points into. */
static void resolve_relative(const char *base_url, const struct url_parts *base,
			     const char *reference, struct buf *out)
{
	size_t path_len = strcspn(reference, "?");
	const char *query = reference + path_len;
	struct buf merged AUTO_BUF = {0};

	buf_add(out, base_url, (size_t)(base->path - base_url));
	if (path_len == 0) {
		buf_add(out, base->path, base->path_len);
		buf_add_text(out, *query == '?' ? query : base->path + base->path_len);
		return;
	}
	buf_init(&merged, 2 * URL_MAX);
	add_merged(&merged, base, reference, path_len);
	add_without_dots(out, merged.data, merged.len);
	buf_add_text(out, query);
}

int url_resolve(const char *base, const char *reference, char **ret_url, struct err *e)
{
	AUTO_FREE char *plain = NULL; /* the reference without its fragment */
	AUTO_FREE char *whole = NULL;
	struct buf out AUTO_BUF = {0};
	struct url_parts base_parts = {0};
	int r;

	if (strnlen(reference, URL_MAX + 1) > URL_MAX)
		return refuse(e, reference, TOO_LONG);
	r = parse(base, &base_parts, e);
	if (r != 0)
		return r;

	buf_init(&out, 4 * URL_MAX); /* more than base and reference together: nothing is cut */
	plain = mem_strn(reference, strcspn(reference, "#"));
	if (has_scheme(plain))
		whole = mem_str(plain);
	else if (strncmp(plain, "//", 2) == 0)
		whole = mem_printf("https:%s", plain);
	if (whole != NULL)
		r = resolve_absolute(whole, &out, e);
	else
		resolve_relative(base, &base_parts, plain, &out);
	if (r == 0)
		r = url_check_https(out.data, e);
	if (r != 0)
		return r;
	*ret_url = buf_take(&out);
	return 0;
}

int url_host(const char *url, char **ret_host, int *ret_port, struct err *e)
{
	struct url_parts p = {0};
	int r;

	r = parse(url, &p, e);
	if (r != 0)
		return r;
	*ret_host = mem_strn(p.host, p.host_len);
	*ret_port = p.port;
	return 0;
}
