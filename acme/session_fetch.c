/* SPDX-License-Identifier: MIT
 *
 * session_fetch — the session's own requests: the directory (RFC 8555 7.1.1) and new nonces
 * (7.2). Neither is signed, so both may be repeated after a lost connection.
 */
#include "acme/session_state.h"

#include "acme/response.h"
#include "base/mem.h"

#include <stdlib.h>

static http_done fetch_heard;

static void fetch_submit(struct fetch *f)
{
	struct transport *t = f->session->transport;
	const struct strlist no_headers = {0};
	const struct http_request request = {
		.method = f->kind == FETCH_NONCE ? "HEAD" : "GET",
		.url = f->url,
		.headers = &no_headers,
		.max_body = ACME_MAX_JSON,
	};

	f->sent_ms = clock_mono_ms(f->session->clock);
	f->handle = t->ops->submit(t, &request, fetch_heard, f);
}

static void fetch_start(struct session *s, enum fetch_kind kind, const char *url)
{
	struct fetch *f = mem_new(sizeof(*f));

	f->session = s;
	f->kind = kind;
	f->url = mem_str(url);
	f->next = s->fetches;
	s->fetches = f;
	fetch_submit(f);
}

static void fetch_free(struct fetch *f)
{
	struct fetch **at = &f->session->fetches;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	free(f->url);
	free(f);
}

static size_t fetch_count(const struct session *s, enum fetch_kind kind)
{
	size_t count = 0;

	for (const struct fetch *f = s->fetches; f != NULL; f = f->next)
		count += f->kind == kind;
	return count;
}

void session_cancel_fetches(struct session *s)
{
	while (s->fetches != NULL) {
		s->transport->ops->cancel(s->transport, s->fetches->handle);
		fetch_free(s->fetches);
	}
}

static bool fetch_is_held(const struct session *s, enum fetch_kind kind)
{
	return clock_mono_ms(s->clock) < s->held[kind].until_ms;
}

static void fetch_hold(struct session *s, enum fetch_kind kind, const struct err *e)
{
	int64_t seconds = e->retry_at - clock_now(s->clock);

	s->held[kind].until_ms = clock_mono_ms(s->clock) + seconds * 1000;
	s->held[kind].why = *e;
}

void session_distrust_directory(struct session *s)
{
	s->directory_wanted = true;
	if (s->directory_cached && s->directory_fetched != NULL)
		s->directory_fetched(s->arg, s->server, NULL, 0);
}

void session_fetch_directory(struct session *s)
{
	if (fetch_count(s, FETCH_DIRECTORY) > 0)
		return;
	if (fetch_is_held(s, FETCH_DIRECTORY))
		session_fail_waiting(s, &s->held[FETCH_DIRECTORY].why);
	else
		fetch_start(s, FETCH_DIRECTORY, s->server);
}

/* Calls that need a nonce and bring one back. */
static size_t signed_count(const struct session *s, enum call_state state)
{
	size_t count = 0;

	for (const struct session_call *call = s->calls; call != NULL; call = call->next)
		count += call->state == state && !call->request.unsigned_get;
	return count;
}

/* Each request in flight brings a nonce back; a new one takes as long. So the first is asked for
 * when none is on its way, and more only for what would have to wait longer than that. */
void session_fetch_nonces(struct session *s)
{
	size_t waiting = signed_count(s, CALL_WAITING);
	size_t coming = signed_count(s, CALL_SENT) + fetch_count(s, FETCH_NONCE);

	if (waiting <= coming)
		return;
	if (fetch_is_held(s, FETCH_NONCE)) {
		if (coming == 0)
			session_fail_waiting(s, &s->held[FETCH_NONCE].why);
		return;
	}
	if (coming == 0) {
		fetch_start(s, FETCH_NONCE, s->directory->new_nonce);
		coming++;
	}
	for (; waiting > coming && coming < 1 + SESSION_EXTRA_NONCES; coming++) {
		if (s->extra_nonces == SESSION_EXTRA_NONCES)
			break;
		s->extra_nonces++;
		fetch_start(s, FETCH_NONCE, s->directory->new_nonce);
	}
}

/* On success the session has a new directory, and its owner is told last: he may do anything. */
static void directory_heard(struct session *s, const struct acme_response *answer, struct err *e)
{
	AUTO_DIRECTORY struct acme_directory *d = NULL;

	if (answer == NULL ||
	    acme_directory_parse(answer->body.data, answer->body.len, &d, e) != 0) {
		err_while(e, "reading the directory %.200s", s->server);
		if (e->code == ERR_BUSY)
			fetch_hold(s, FETCH_DIRECTORY, e);
		session_fail_waiting(s, e);
		return;
	}
	acme_directory_free(s->directory);
	s->directory = TAKE(d);
	s->directory_wanted = false;
	s->directory_cached = false;
	session_wake(s);
	if (s->directory_fetched != NULL)
		s->directory_fetched(s->arg, s->server, answer->body.data, answer->body.len);
}

/* What is wrong with a nonce does not matter to the calls while another one may still come. */
static void nonce_failed(struct session *s, int status, struct err *e)
{
	err_while(e, "asking the CA for a nonce");
	if (e->code == ERR_BUSY)
		fetch_hold(s, FETCH_NONCE, e);
	s->extra_nonces = SESSION_EXTRA_NONCES; /* no more than needed, while it does not work */
	if (status == 404 || status == 405) {
		session_distrust_directory(s);
		if (s->directory_cached)
			return; /* the CA moved since the caller's copy: read it and try again */
	}
	if (s->nonces.count == 0 && signed_count(s, CALL_SENT) == 0 &&
	    fetch_count(s, FETCH_NONCE) == 0)
		session_fail_waiting(s, e);
}

static void nonce_heard(struct session *s, const char *nonce, int status, struct err *e)
{
	session_wake(s);
	if (e->code == ERR_NONE && nonce_ok(nonce))
		return;
	if (e->code == ERR_NONE)
		err_set(e, ERR_PROTOCOL, "the answer carries no nonce that RFC 8555 allows");
	nonce_failed(s, status, e);
}

static void fetch_answered(struct fetch *f, struct http_response *http)
{
	struct session *s = f->session;
	enum fetch_kind kind = f->kind;
	const struct response_question question = {.url = f->url, .now = clock_now(s->clock)};
	const char *nonce = http_header(http, "replay-nonce", 0);
	AUTO_RESPONSE struct acme_response *answer = NULL;
	struct err e = {0};

	(void)response_read_plain(http, &question, &answer, &e);
	fetch_free(f);
	if (kind == FETCH_NONCE) /* a directory may come out of a cache */
		session_note_date(s, http);
	nonces_add(&s->nonces, nonce, clock_mono_ms(s->clock));
	if (kind == FETCH_DIRECTORY)
		directory_heard(s, answer, &e);
	else
		nonce_heard(s, nonce, http->status, &e);
}

static void fetch_heard(void *arg, struct http_response *response, const struct err *e)
{
	AUTO_HTTP_RESPONSE struct http_response *http = response;
	struct fetch *f = arg;
	struct session *s = f->session;
	enum fetch_kind kind = f->kind;
	struct err copy;

	acme_count(s->counters, kind == FETCH_NONCE ? ACME_ASKED_NONCE : ACME_ASKED_DIRECTORY,
		   http != NULL ? http->status : 0, clock_mono_ms(s->clock) - f->sent_ms);
	if (http != NULL) {
		fetch_answered(f, http);
		return;
	}
	if (!f->resent && e->cause == CAUSE_CONNECTION_LOST) {
		f->resent = true;
		fetch_submit(f);
		return;
	}
	copy = *e;
	fetch_free(f);
	if (kind == FETCH_DIRECTORY)
		directory_heard(s, NULL, &copy);
	else
		nonce_heard(s, NULL, 0, &copy);
}
