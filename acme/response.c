/* SPDX-License-Identifier: MIT
 *
 * response — checks come in the order in which they make the others meaningless: redirect, then
 * refusal, then media type, then Location.
 */
#include "acme/response.h"

#include "acme/link.h"
#include "acme/retry.h"
#include "base/mem.h"
#include "base/url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JSON_TYPE  "application/json"
#define CHAIN_TYPE "application/pem-certificate-chain"

/* Case and parameters do not matter (RFC 9110 8.3.1). */
static bool media_type_is(const char *header, const char *type)
{
	size_t len = strlen(type);

	return strncasecmp(header, type, len) == 0 && strchr("; \t", header[len]) != NULL;
}

/* An empty body has no type; whether there may be none is the parser's business. */
static int check_media_type(const struct http_response *http,
			    const struct response_question *question, struct err *e)
{
	const char *want = question->wants_chain ? CHAIN_TYPE : JSON_TYPE;
	const char *have = http_header(http, "content-type", 0);

	if (http->body.len == 0 || http->status >= 400)
		return 0;
	if (have != NULL && media_type_is(have, want))
		return 0;
	if (have != NULL && media_type_is(have, "text/html"))
		return err_set(e, ERR_NET,
			       "%.200s was answered with a web page: does a captive portal or a "
			       "proxy stand between us and the CA?",
			       question->url);
	return err_set(e, ERR_PROTOCOL, "%.200s was answered with \"%.80s\" instead of %s",
		       question->url, have != NULL ? have : "no media type", want);
}

/* None is followed: a signature holds for one URL, and a directory that has moved is the
 * operator's to correct. */
static int check_status(const struct http_response *http, const struct response_question *question,
			struct err *e)
{
	const char *target = http_header(http, "location", 0);

	if (http->status >= 200 && http->status < 300)
		return 0;
	if (http->status >= 400 && http->status < 600)
		return 0;
	if (http->status >= 300 && http->status < 400)
		return err_set(e, ERR_PROTOCOL,
			       "%.150s redirects to %.200s, and a redirect of a CA is not followed",
			       question->url, target != NULL ? target : "nowhere");
	return err_set(e, ERR_PROTOCOL, "%.200s was answered with HTTP status %d", question->url,
		       http->status);
}

/* An absolute URL is kept byte for byte: an account URL is compared so (RFC 8555 6.4, 7.3). */
static int read_location(const struct http_response *http, const struct response_question *question,
			 char **ret_location, struct err *e)
{
	const char *location = http_header(http, "location", 0);
	int r;

	if (location == NULL)
		return 0;
	if (url_check_https(location, NULL) == 0) {
		*ret_location = mem_str(location);
		return 0;
	}
	r = url_resolve(question->url, location, ret_location, e);
	if (r != 0)
		err_while(e, "reading the Location that the CA sent");
	return r;
}

/* Several headers: when all of them allow. */
static int64_t read_retry_after(const struct http_response *http, int64_t now)
{
	int64_t longest = 0;
	const char *header;

	for (size_t i = 0; (header = http_header(http, "retry-after", i)) != NULL; i++) {
		int64_t seconds = retry_after_parse(header, now);

		if (seconds > longest)
			longest = seconds;
	}
	return longest;
}

static void read_alternates(const struct http_response *http, const char *url,
			    struct strlist *alternates)
{
	const char *header;

	for (size_t i = 0; (header = http_header(http, "link", i)) != NULL; i++)
		link_targets(header, url, "alternate", alternates);
}

int response_read(struct http_response *http, const struct response_question *question,
		  struct acme_response **ret_response, struct err *e)
{
	AUTO_RESPONSE struct acme_response *a = NULL;
	AUTO_FREE char *location = NULL;
	int r = check_status(http, question, e);

	if (r == 0)
		r = check_media_type(http, question, e);
	if (r != 0)
		return r;
	r = read_location(http, question, &location, http->status < 400 ? e : NULL);
	if (r != 0 && http->status < 400)
		return r; /* a refusal is worth more than its odd Location */
	a = mem_new(sizeof(*a));
	a->status = http->status;
	a->location = TAKE(location);
	a->retry_after = read_retry_after(http, question->now);
	read_alternates(http, question->url, &a->alternates);
	a->body = http->body;
	http->body = (struct buf){0};
	if (a->status >= 400)
		a->problem = acme_problem_parse(a->status, a->body.data, a->body.len);
	*ret_response = TAKE(a);
	return 0;
}

int response_read_plain(struct http_response *http, const struct response_question *question,
			struct acme_response **ret_response, struct err *e)
{
	AUTO_RESPONSE struct acme_response *a = NULL;
	int r = response_read(http, question, &a, e);

	if (r != 0)
		return r;
	if (a->problem != NULL)
		return retry_error(a->problem, a->retry_after, question->now, e);
	*ret_response = TAKE(a);
	return 0;
}

void acme_response_free(struct acme_response *r)
{
	if (r == NULL)
		return;
	free(r->location);
	strlist_clear(&r->alternates);
	buf_free(&r->body);
	acme_problem_free(r->problem);
	free(r);
}

void auto_acme_response(struct acme_response **r)
{
	acme_response_free(*r);
}
