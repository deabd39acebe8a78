/* SPDX-License-Identifier: MIT
 *
 * http01_request — see the header; RFC 9112 3 for the request line, RFC 8555 8.3 for the path.
 */
#include "agent/http01_request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define CHALLENGE_PATH "/.well-known/acme-challenge/"
#define TOKEN_BYTES    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/* Bytes inside the request; never NUL-terminated. */
struct span {
	const char *at;
	size_t len;
};

static bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

static bool span_begins(struct span s, const char *text)
{
	return s.len >= strlen(text) && strncasecmp(s.at, text, strlen(text)) == 0;
}

/* Cuts off what stands before the byte, and the byte. False, with nothing cut, without one. */
static bool span_cut(struct span *s, char byte, struct span *ret_before)
{
	const char *end = s->len > 0 ? memchr(s->at, byte, s->len) : NULL;

	if (end == NULL)
		return false;
	*ret_before = (struct span){s->at, (size_t)(end - s->at)};
	s->len -= ret_before->len + 1;
	s->at = end + 1;
	return true;
}

/* The next line without its LF or CRLF (RFC 9112 2.2 allows both). */
static bool next_line(struct span *s, struct span *ret_line)
{
	if (!span_cut(s, '\n', ret_line))
		return false;
	if (ret_line->len > 0 && ret_line->at[ret_line->len - 1] == '\r')
		ret_line->len--;
	return true;
}

static bool is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < 0x20 || s.at[i] > 0x7e)
			return false;
	return true;
}

static bool is_version(struct span s)
{
	return s.len == 8 && memcmp(s.at, "HTTP/1.", 7) == 0 && isdigit((unsigned char)s.at[7]);
}

static bool is_token(struct span s)
{
	if (s.len < HTTP01_MIN_TOKEN || s.len > HTTP01_MAX_TOKEN)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] == '\0' || strchr(TOKEN_BYTES, s.at[i]) == NULL)
			return false;
	return true;
}

/* "http://host" in front of the path is what a proxy is sent, and servers must accept it. */
static struct span path_of(struct span target)
{
	struct span host = {0};

	if (!span_begins(target, "http://"))
		return target;
	target.at += 7;
	target.len -= 7;
	if (!span_cut(&target, '/', &host) || host.len == 0)
		return (struct span){0};
	return (struct span){target.at - 1, target.len + 1};
}

static void read_target(struct span target, struct http01_request *r)
{
	struct span path = path_of(target);
	size_t prefix = strlen(CHALLENGE_PATH);

	if (path.len <= prefix || memcmp(path.at, CHALLENGE_PATH, prefix) != 0)
		return;
	path.at += prefix;
	path.len -= prefix;
	if (is_token(path))
		memcpy(r->token, path.at, path.len); /* r is all zero */
}

static bool read_line(struct span line, struct http01_request *r)
{
	struct span method = {0};
	struct span target = {0};

	if (!is_printable(line) || !span_cut(&line, ' ', &method) || method.len == 0 ||
	    !span_cut(&line, ' ', &target) || target.len == 0 || !is_version(line))
		return false;
	r->head = span_is(method, "HEAD");
	if (r->head || span_is(method, "GET"))
		read_target(target, r);
	return true;
}

enum http01_verdict http01_request_parse(const char *data, size_t len, struct http01_request *ret)
{
	struct http01_request r = {0};
	struct span rest = {data, len < HTTP01_MAX_REQUEST ? len : HTTP01_MAX_REQUEST};
	struct span line = {0};

	/* RFC 9112 2.2: an empty line before the request line is overlooked, once. */
	if (rest.len > 0 && rest.at[0] == '\r') {
		rest.at++;
		rest.len--;
	}
	if (rest.len > 0 && rest.at[0] == '\n') {
		rest.at++;
		rest.len--;
	}
	if (!next_line(&rest, &line))
		return rest.len > HTTP01_MAX_LINE + 1 ? HTTP01_BAD : HTTP01_INCOMPLETE;
	if (line.len > HTTP01_MAX_LINE || !read_line(line, &r))
		return HTTP01_BAD;
	do {
		if (!next_line(&rest, &line))
			return len >= HTTP01_MAX_REQUEST ? HTTP01_BAD : HTTP01_INCOMPLETE;
	} while (line.len > 0);
	*ret = r;
	return HTTP01_COMPLETE;
}
