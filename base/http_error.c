/* SPDX-License-Identifier: MIT
 *
 * http_error — libcurl's verdict as one sentence that names the host and what to do about it.
 */
#include "base/http_internal.h"

#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *class_name(enum http_address class)
{
	switch (class) {
	case HTTP_PRIVATE:
		return "a private";
	case HTTP_LOOPBACK:
		return "a loopback";
	case HTTP_REFUSED:
		return "a link-local, metadata or reserved";
	case HTTP_PUBLIC:
		break;
	}
	return "a public";
}

int http_refuse_address(const struct http_call *c, enum http_address class, struct err *e)
{
	return err_set(
		e, ERR_CONFIG,
		"%s:%s is refused: it lies at %s address, where this server must not send us",
		c->place.host, c->place.port, class_name(class));
}

/* strerror and libcurl begin with a capital; here they stand in the middle of a sentence. Words
 * like SSL and OpenSSL keep theirs. */
static const char *lower_first(const char *text, char *to, size_t size)
{
	size_t small = 1;

	snprintf(to, size, "%s", text);
	while (to[0] != '\0' && islower((unsigned char)to[small]))
		small++;
	if (!isupper((unsigned char)to[small]))
		to[0] = (char)tolower((unsigned char)to[0]);
	return to;
}

static const char *detail(const struct http_call *c, CURLcode result, char *to, size_t size)
{
	return lower_first(c->detail[0] != '\0' ? c->detail : curl_easy_strerror(result), to, size);
}

static const char *trust(const struct http *h)
{
	if (h->ca_file != NULL)
		return h->ca_file;
	return h->ca_directory != NULL ? h->ca_directory : "libcurl's built-in bundle";
}

static bool connection_was_reused(const struct http_call *c)
{
	long connects = 0;

	return curl_easy_getinfo(c->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK &&
	       connects == 0;
}

/* What may be done twice without harm (RFC 9110 9.2.2). */
static bool may_be_repeated(const struct http_call *c)
{
	return !c->posts;
}

/* True when the request may have reached nobody, because an idle connection had been closed by the
 * other side, or does no harm a second time. The caller may make it anew at once. */
static bool connection_was_lost(const struct http_call *c, CURLcode result)
{
	if (c->header_lines > 0 && !may_be_repeated(c))
		return false;
	if (c->stop == HTTP_STOP_RESEND || result == CURLE_SEND_FAIL_REWIND)
		return true;
	switch (result) {
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_PARTIAL_FILE: /* an HTTP/2 stream that broke off before it began */
		return may_be_repeated(c) || connection_was_reused(c);
	default:
		return false;
	}
}

static int explain_stop(const struct http_call *c, struct err *e)
{
	if (c->stop == HTTP_STOP_HEAD)
		return err_set(e, ERR_PROTOCOL, "%s:%s sent more header than %d lines or %d bytes",
			       c->place.host, c->place.port, HTTP_MAX_HEADER_LINES,
			       HTTP_MAX_HEADER_BYTES);
	return err_set(e, ERR_PROTOCOL, "%s:%s sent an answer of more than %zu bytes",
		       c->place.host, c->place.port, c->max_body);
}

static int explain_unreachable(const struct http_call *c, struct err *e)
{
	char text[128];
	long number = 0;

	if (c->gate_refused > 0 && c->gate_passed == 0)
		return http_refuse_address(c, c->gate_class, e);
	curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &number);
	return err_set(e, ERR_NET, "%s:%s could not be reached: %s", c->place.host, c->place.port,
		       number > 0 ? lower_first(strerror((int)number), text, sizeof(text))
				  : "no address answered");
}

/* What OpenSSL found (its X509_V_ERR_… numbers never change), and whether our clock decided it. */
static const struct {
	long verdict;
	const char *words;
	bool by_clock;
} verdicts[] = {
	{9, "its certificate is not valid yet", true},
	{10, "its certificate has expired", true},
	{18, "its certificate is signed by itself", false},
	{19, "its chain ends in a certificate that is not trusted", false},
	{20, "its certificate is not signed by a CA that is trusted", false},
	{21, "its certificate is not signed by a CA that is trusted", false},
	{62, "its certificate is for other names", false},
	{64, "its certificate is for other addresses", false},
};

static int explain_verdict(const struct http_call *c, CURLcode result, struct err *e)
{
	char text[CURL_ERROR_SIZE], now[CLOCK_TEXT_SIZE];
	const char *words = NULL;
	bool by_clock = false;
	long verdict = 0;

	curl_easy_getinfo(c->easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
	for (size_t i = 0; i < COUNT_OF(verdicts); i++)
		if (verdicts[i].verdict == verdict) {
			words = verdicts[i].words;
			by_clock = verdicts[i].by_clock;
		}
	if (by_clock)
		return err_set(e, ERR_NET,
			       "%s:%s could not be verified: %s, or the clock of this machine is "
			       "wrong: it says %s (timedatectl set-ntp true sets it)",
			       c->place.host, c->place.port, words,
			       clock_format(clock_now(clock_system()), now));
	return err_set(e, ERR_NET,
		       "%s:%s could not be verified: %s (trusted is what %s holds; --ca-bundle "
		       "changes that)",
		       c->place.host, c->place.port,
		       words != NULL ? words : detail(c, result, text, sizeof(text)),
		       trust(c->http));
}

/* Trust is the operator's to change, but an expired or wrong certificate is the server's, and may
 * be a captive portal's that is gone tomorrow: so the request may be made again. */
static int explain_trust(const struct http_call *c, CURLcode result, struct err *e)
{
	if (result == CURLE_SSL_CACERT_BADFILE)
		return err_set(e, ERR_CONFIG,
			       "the trusted CA certificates in %s cannot be read; --ca-bundle "
			       "names others",
			       trust(c->http));
	return explain_verdict(c, result, e);
}

/* A transfer that began and did not end. */
static int explain_broken(const struct http_call *c, CURLcode result, struct err *e)
{
	char text[CURL_ERROR_SIZE];
	const char *words = "broke the connection";

	if (result == CURLE_OPERATION_TIMEDOUT)
		words = c->header_lines > 0 ? "did not finish its answer in time"
					    : "did not answer in time";
	else if (result == CURLE_GOT_NOTHING)
		words = "closed the connection without an answer";
	else if (c->header_lines > 0)
		words = "broke the connection within its answer";
	return err_set(e, ERR_NET, "%s:%s %s (%s)", c->place.host, c->place.port, words,
		       detail(c, result, text, sizeof(text)));
}

static int explain_result(const struct http_call *c, CURLcode result, struct err *e)
{
	char text[CURL_ERROR_SIZE];
	const char *host = c->place.host;
	const char *port = c->place.port;

	switch (result) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_set(e, ERR_NET,
			       "%s could not be resolved: no such name, or no name server answers",
			       host);
	case CURLE_COULDNT_RESOLVE_PROXY:
		return err_set(e, ERR_NET, "%s:%s: the proxy's name could not be resolved", host,
			       port);
	case CURLE_COULDNT_CONNECT:
		return explain_unreachable(c, e);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return explain_trust(c, result, e);
	case CURLE_SSL_CONNECT_ERROR:
		return err_set(e, ERR_NET, "%s:%s: the TLS handshake failed: %s", host, port,
			       detail(c, result, text, sizeof(text)));
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_PARTIAL_FILE:
		return explain_broken(c, result, e);
	case CURLE_PROXY:
		return err_set(e, ERR_NET, "the proxy did not let us through to %s:%s: %s", host,
			       port, detail(c, result, text, sizeof(text)));
	case CURLE_UNSUPPORTED_PROTOCOL: /* the URL's was judged before: this is HTTP/0.9 */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
		return err_set(e, ERR_PROTOCOL, "%s:%s did not answer in HTTP: %s", host, port,
			       detail(c, result, text, sizeof(text)));
	default:
		return err_set(e, ERR_NET, "the request to %s:%s failed: %s", host, port,
			       detail(c, result, text, sizeof(text)));
	}
}

void http_call_explain(struct http_call *c, CURLcode result)
{
	struct err *e = &c->failure;

	if (connection_was_lost(c, result)) {
		if (c->header_lines == 0 && (c->posts || connection_was_reused(c)))
			err_set(e, ERR_NET, "%s:%s closed a connection in use before it answered",
				c->place.host, c->place.port);
		else
			explain_result(c, result, e);
		(void)err_because(e, CAUSE_CONNECTION_LOST);
		return;
	}
	if (c->stop == HTTP_STOP_HEAD || c->stop == HTTP_STOP_BODY)
		explain_stop(c, e);
	else
		explain_result(c, result, e);
}
