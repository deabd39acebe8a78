/* SPDX-License-Identifier: MIT
 *
 * http_call — one request as libcurl options, and the callbacks that keep its limits: the address
 * gate before a connection, the caps on header and body, the body that is sent once.
 */
#include "base/http_internal.h"

#include "base/fault.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* The same for every request. */
static const struct {
	CURLoption option;
	long value;
} fixed_options[] = {
	{CURLOPT_NOSIGNAL, 1},
	{CURLOPT_QUICK_EXIT, 1}, /* cancelling must not wait for a resolver that hangs */
	{CURLOPT_PATH_AS_IS, 1}, /* RFC 8555 6.4: the URL is compared byte for byte */
	{CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
	{CURLOPT_FOLLOWLOCATION, 0},
	{CURLOPT_NETRC, CURL_NETRC_IGNORED},
	{CURLOPT_HTTP_CONTENT_DECODING, 0},
	{CURLOPT_HTTP09_ALLOWED, 0},
	{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1}, /* a proxy's answer is not the CA's */
	{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS},
	{CURLOPT_PIPEWAIT, 1},
	{CURLOPT_TCP_NODELAY, 1},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_SSL_VERIFYPEER, 1},
	{CURLOPT_SSL_VERIFYHOST, 2},
	{CURLOPT_LOW_SPEED_LIMIT, 1},
	{CURLOPT_LOW_SPEED_TIME, 20},
};

enum http_address_gate { GATE_OPEN = 0, GATE_SHUT };

/* Called by libcurl with the address it resolved, before it connects: nothing it looked up
 * earlier or will look up later can differ. A proxy's address is the operator's choice. */
static enum http_address_gate gate(struct http_call *c, const struct curl_sockaddr *address)
{
	struct http *h = c->http;
	enum http_address class = http_address_class(&address->addr);

	if (h->proxy[0] != '\0')
		return GATE_OPEN;
	if (class != HTTP_REFUSED && h->unresolved_host != NULL &&
	    strcasecmp(h->unresolved_host, c->place.host) == 0)
		h->reach |= 1U << class;
	if (http_reaches(h, class)) {
		c->gate_passed++;
		return GATE_OPEN;
	}
	c->gate_refused++;
	c->gate_class = class;
	return GATE_SHUT;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)purpose;
	if (gate(arg, address) == GATE_SHUT)
		return CURL_SOCKET_BAD;
	if (FAULT_FAILS("http.socket"))
		return CURL_SOCKET_BAD;
	((struct http_call *)arg)->opens = true;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A connection stands and the request is about to go out. When libcurl has had the body before,
 * this is its silent second try after a connection died; a signed request has one life. */
static int on_request(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	struct http_call *c = arg;

	(void)peer;
	(void)local;
	(void)peer_port;
	(void)local_port;
	c->goes_out = true;
	if (c->opens)
		http_nudge(c->http);
	if (c->body_given == 0)
		return CURL_PREREQFUNC_OK;
	c->stop = HTTP_STOP_RESEND;
	return CURL_PREREQFUNC_ABORT;
}

static size_t on_send(char *to, size_t size, size_t count, void *arg)
{
	struct http_call *c = arg;
	size_t len = c->body_len - c->body_given;

	if (len > size * count)
		len = size * count;
	if (len > 0)
		memcpy(to, c->body + c->body_given, len);
	c->body_given += len;
	return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_call *c = arg;
	size_t len = size * count;

	if (buf_add(&c->response->body, data, len) == 0)
		return len;
	c->stop = HTTP_STOP_BODY;
	return len + 1; /* anything but len ends the transfer, also when len is 0 */
}

static bool is_token(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* "Name: value" (RFC 9110 5.1). What is no such line, a folded one included, is dropped. */
static void header_keep(struct strlist *headers, const char *line, size_t len)
{
	AUTO_FREE char *name = NULL;
	size_t n = 0;

	while (n < len && is_token(line[n]))
		n++;
	if (n == 0 || n == len || line[n] != ':')
		return;
	name = mem_strn(line, n);
	for (char *p = name; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	line += n + 1;
	len -= n + 1;
	while (len > 0 && is_space(line[0]))
		line++, len--;
	while (len > 0 && is_space(line[len - 1]))
		len--;
	strlist_addf(headers, "%s: %.*s", name, (int)len, line);
}

/* A status line begins anew: what a 1xx said is forgotten (RFC 9110 15.2). Trailers come outside
 * of a header and are dropped. */
static void header_line(struct http_call *c, const char *line, size_t len)
{
	if (!c->in_header && len > 5 && memcmp(line, "HTTP/", 5) == 0) {
		strlist_clear(&c->response->headers);
		c->in_header = true;
		return;
	}
	if (c->in_header && (line[0] == '\r' || line[0] == '\n'))
		c->in_header = false;
	if (c->in_header)
		header_keep(&c->response->headers, line, len);
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct http_call *c = arg;
	size_t len = size * count;

	c->header_bytes += len;
	c->header_lines++;
	if (c->header_bytes > HTTP_MAX_HEADER_BYTES || c->header_lines > HTTP_MAX_HEADER_LINES) {
		c->stop = HTTP_STOP_HEAD;
		return len + 1;
	}
	if (len > 0)
		header_line(c, line, len);
	return len;
}

/* 0 when libcurl took every option; any other value is its complaint. */
static CURLcode set_fixed(CURL *easy)
{
	CURLcode r = CURLE_OK;

	for (size_t i = 0; i < COUNT_OF(fixed_options) && r == CURLE_OK; i++)
		r = curl_easy_setopt(easy, fixed_options[i].option, fixed_options[i].value);
	return r;
}

#define SET(easy, r, option, value)                                                                \
	do {                                                                                       \
		if ((r) == CURLE_OK)                                                               \
			(r) = curl_easy_setopt(easy, option, value);                               \
	} while (0)

static CURLcode set_callbacks(struct http_call *c)
{
	CURLcode r = CURLE_OK;

	SET(c->easy, r, CURLOPT_PRIVATE, c);
	SET(c->easy, r, CURLOPT_ERRORBUFFER, c->detail);
	SET(c->easy, r, CURLOPT_OPENSOCKETFUNCTION, on_open);
	SET(c->easy, r, CURLOPT_OPENSOCKETDATA, c);
	SET(c->easy, r, CURLOPT_PREREQFUNCTION, on_request);
	SET(c->easy, r, CURLOPT_PREREQDATA, c);
	SET(c->easy, r, CURLOPT_READFUNCTION, on_send);
	SET(c->easy, r, CURLOPT_READDATA, c);
	SET(c->easy, r, CURLOPT_HEADERFUNCTION, on_header);
	SET(c->easy, r, CURLOPT_HEADERDATA, c);
	SET(c->easy, r, CURLOPT_WRITEFUNCTION, on_body);
	SET(c->easy, r, CURLOPT_WRITEDATA, c);
	return r;
}

/* The two trusts exclude each other: libcurl's built-in defaults would be added to the operator's
 * choice. */
static CURLcode set_policy(CURL *easy, const struct http *h)
{
	CURLcode r = CURLE_OK;

	SET(easy, r, CURLOPT_PROTOCOLS_STR, h->https_only ? "https" : "http,https");
	SET(easy, r, CURLOPT_PROXY, h->proxy);
	SET(easy, r, CURLOPT_NOPROXY, "");
	SET(easy, r, CURLOPT_CONNECTTIMEOUT_MS, h->connect_ms);
	SET(easy, r, CURLOPT_TIMEOUT_MS, h->total_ms);
	if (h->user_agent != NULL)
		SET(easy, r, CURLOPT_USERAGENT, h->user_agent);
	if (h->ca_file != NULL || h->ca_directory != NULL) {
		SET(easy, r, CURLOPT_CAINFO, h->ca_file);
		SET(easy, r, CURLOPT_CAPATH, h->ca_directory);
	}
	return r;
}

static void add_header(struct http_call *c, const char *line)
{
	struct curl_slist *more = curl_slist_append(c->headers, line);

	if (more == NULL)
		abort();
	c->headers = more;
}

static CURLcode set_request(struct http_call *c, const struct http_request *request)
{
	CURLcode r = CURLE_OK;

	for (size_t i = 0; request->headers != NULL && i < request->headers->count; i++)
		add_header(c, request->headers->items[i]);
	add_header(c, "Expect:"); /* no round trip for a body of two kilobytes */
	SET(c->easy, r, CURLOPT_URL, request->url);
	SET(c->easy, r, CURLOPT_HTTPHEADER, c->headers);
	if (strcmp(request->method, "HEAD") == 0)
		SET(c->easy, r, CURLOPT_NOBODY, 1L);
	c->posts = strcmp(request->method, "POST") == 0;
	if (c->posts) {
		SET(c->easy, r, CURLOPT_POST, 1L);
		SET(c->easy, r, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body_len);
	}
	return r;
}

/* Behind a proxy no address passes our gate, so an address in the URL is judged here. */
static int judge_literal(struct http_call *c, struct err *e)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	enum http_address class = HTTP_PUBLIC;

	if (inet_pton(AF_INET, c->place.host, &v4.sin_addr) == 1)
		class = http_address_class((struct sockaddr *)&v4);
	else if (inet_pton(AF_INET6, c->place.host, &v6.sin6_addr) == 1)
		class = http_address_class((struct sockaddr *)&v6);
	else
		return 0;
	return http_reaches(c->http, class) ? 0 : http_refuse_address(c, class, e);
}

static int judge_url(struct http_call *c, const char *url, struct err *e)
{
	if (http_place_parse(url, &c->place) != 0)
		return err_set(e, ERR_CONFIG, "%s is not a URL that can be used", url);
	if (strcmp(c->place.scheme, "https") != 0 &&
	    (c->http->https_only || strcmp(c->place.scheme, "http") != 0))
		return err_set(e, ERR_CONFIG, "%s is refused: only https may be used", url);
	return c->http->proxy[0] != '\0' ? judge_literal(c, e) : 0;
}

int http_call_prepare(struct http_call *c, const struct http_request *request, struct err *e)
{
	CURLcode result;
	int r;

	r = judge_url(c, request->url, e);
	if (r != 0)
		return r;
	c->easy = curl_easy_init();
	if (c->easy == NULL)
		abort();
	result = set_fixed(c->easy);
	if (result == CURLE_OK)
		result = set_callbacks(c);
	if (result == CURLE_OK)
		result = set_policy(c->easy, c->http);
	if (result == CURLE_OK)
		result = set_request(c, request);
	if (result != CURLE_OK)
		return err_set(e, ERR_SYS, "libcurl refused an option: %s",
			       curl_easy_strerror(result));
	return 0;
}
