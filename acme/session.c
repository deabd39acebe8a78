/* SPDX-License-Identifier: MIT
 *
 * session — calls and their ways: they wait for directory and nonce, are signed, sent, answered.
 *
 * All sending happens at a turn of the loop of its own (session_look), so every call of a burst
 * is known before nonces are asked for. An owner is called as the very last thing a callback
 * does: he may cancel, submit, or free the session.
 */
#include "acme/session.h"

#include "acme/response.h"
#include "acme/session_state.h"
#include "base/mem.h"
#include "base/url.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAX_JWS (256 * 1024)

static void call_free(struct session_call *call)
{
	free(call->request.url);
	free(call->request.payload);
	free(call->kid);
	free(call->url);
	free(call->nonce);
	free(call);
}

static void call_unlink(struct session_call *call)
{
	struct session_call **at = &call->session->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
}

/* Nothing of the session may be touched after this: its owner may have freed it. */
static void call_finish(struct session_call *call, struct acme_response *response,
			const struct err *e)
{
	struct err copy = {0}; /* e may lie in the call */
	session_done *done = call->done;
	void *arg = call->arg;

	if (e != NULL)
		copy = *e;
	session_wake(call->session); /* others may wait for what this one had */
	call_unlink(call);
	call_free(call);
	done(arg, response, e != NULL ? &copy : NULL);
}

/* For failures outside of a callback of our own: the owner hears at the next look. */
static void call_end_later(struct session_call *call, const struct err *e)
{
	call->state = CALL_ENDED;
	call->err = *e;
	session_wake(call->session);
}

void session_fail_waiting(struct session *s, const struct err *e)
{
	for (struct session_call *call = s->calls; call != NULL; call = call->next) {
		if (call->state == CALL_WAITING)
			call_end_later(call, e);
	}
}

size_t session_count(const struct session *s, enum call_state state)
{
	size_t count = 0;

	for (const struct session_call *call = s->calls; call != NULL; call = call->next)
		count += call->state == state;
	return count;
}

static void call_again(struct session_call *call)
{
	call->state = CALL_WAITING;
	session_wake(call->session);
}

/* RFC 8555 6.5: the next try MUST use the nonce of the error, which the CA surely knows. Should
 * it bring none, any other has to do. */
static void call_bad_nonce(struct session_call *call, const char *nonce)
{
	struct session *s = call->session;
	struct err e = {0};

	nonces_forget(&s->nonces, call->sent_ms);
	if (call->bad_nonces < SESSION_MAX_BAD_NONCE) {
		call->bad_nonces++;
		if (nonce_ok(nonce))
			mem_set_str(&call->nonce, nonce);
		call_again(call);
		return;
	}
	nonces_add(&s->nonces, nonce, clock_mono_ms(s->clock));
	err_set(&e, ERR_NET, "the CA refused %d nonces in a row for %.200s", call->bad_nonces + 1,
		call->url);
	(void)err_because(&e, CAUSE_BAD_NONCE);
	call_finish(call, NULL, &e);
}

/* Such an answer may mean that the CA moved its resources (HACKING.md). */
static bool suggests_moved(int r, const struct acme_response *answer)
{
	if (r != 0)
		return r == ERR_PROTOCOL;
	return answer->status == 404 || answer->status == 405 ||
	       acme_problem_is(answer->problem, "malformed");
}

/* The caller's copy of the directory sent it to where nothing is (any more): it is read, and the
 * call goes to where it says. Once, because then it is no copy any more. */
static bool call_went_astray(const struct session_call *call, int status)
{
	return call->session->directory_cached && call->request.target != ACME_TO_URL &&
	       (status == 404 || status == 405);
}

static void call_answered(struct session_call *call, struct http_response *http)
{
	struct session *s = call->session;
	const struct response_question question = {call->url, call->request.wants_chain,
						   clock_now(s->clock)};
	const char *nonce = http_header(http, "replay-nonce", 0);
	AUTO_RESPONSE struct acme_response *answer = NULL;
	struct err e = {0};
	int r = response_read(http, &question, &answer, &e);

	if (!call->request.unsigned_get) /* that may come out of a cache */
		session_note_date(s, http);
	if (suggests_moved(r, answer)) {
		session_distrust_directory(s);
		if (call_went_astray(call, http->status)) {
			call_again(call);
			return;
		}
	}
	if (r == 0 && !call->request.unsigned_get && /* that has none */
	    acme_problem_is(answer->problem, "badNonce")) {
		call_bad_nonce(call, nonce);
		return;
	}
	nonces_add(&s->nonces, nonce, clock_mono_ms(s->clock));
	if (r != 0)
		call_finish(call, NULL, &e);
	else
		call_finish(call, TAKE(answer), NULL);
}

static void call_heard(void *arg, struct http_response *response, const struct err *e)
{
	AUTO_HTTP_RESPONSE struct http_response *http = response;
	struct session_call *call = arg;

	acme_count(call->session->counters, acme_asked_of(&call->request),
		   http != NULL ? http->status : 0,
		   clock_mono_ms(call->session->clock) - call->sent_ms);
	call->handle = NULL;
	if (http != NULL) {
		call_answered(call, http);
	} else if (!call->resent && e->cause == CAUSE_CONNECTION_LOST) {
		/* Whether the CA saw it is unknown: with a new nonce it is a new request. */
		call->resent = true;
		call_again(call);
	} else {
		call_finish(call, NULL, e);
	}
}

/* RFC 9773 4.1: exactly one slash between them. */
static char *renewal_info_url(const char *base, const char *certificate_id)
{
	size_t len = strlen(base);

	return mem_printf("%s%s%s", base, len > 0 && base[len - 1] == '/' ? "" : "/",
			  certificate_id);
}

/* The caller frees it; NULL: the directory has no such entry. */
static char *call_target(const struct session_call *call)
{
	const struct acme_directory *d = call->session->directory;

	switch (call->request.target) {
	case ACME_TO_NEW_ACCOUNT:
		return mem_str(d->new_account);
	case ACME_TO_NEW_ORDER:
		return mem_str(d->new_order);
	case ACME_TO_RENEWAL_INFO:
		return d->renewal_info == NULL
			       ? NULL
			       : renewal_info_url(d->renewal_info, call->request.url);
	case ACME_TO_URL:
	case ACME_TARGETS:
		break;
	}
	return mem_str(call->request.url);
}

static void call_submit(struct session_call *call, const struct buf *body)
{
	struct transport *t = call->session->transport;
	struct strlist headers AUTO_STRLIST = {0};
	const struct http_request request = {
		.method = "POST",
		.url = call->url,
		.body = body->data,
		.body_len = body->len,
		.headers = &headers,
		.max_body = call->request.wants_chain ? ACME_MAX_CHAIN : ACME_MAX_JSON,
	};

	/* RFC 8555 6.2: exactly so. */
	strlist_add(&headers, "Content-Type: application/jose+json");
	call->state = CALL_SENT;
	call->sent_ms = clock_mono_ms(call->session->clock);
	call->handle = t->ops->submit(t, &request, call_heard, call);
}

/* RFC 9773 4.1: renewal information is nobody's secret. */
static void call_send_unsigned(struct session_call *call)
{
	struct transport *t = call->session->transport;
	const struct strlist no_headers = {0};
	struct http_request request = {
		.method = "GET",
		.headers = &no_headers,
		.max_body = SESSION_MAX_RENEWAL_INFO,
	};
	struct err e = {0};

	free(call->url);
	call->url = call_target(call);
	if (call->url == NULL) {
		err_set(&e, ERR_PROTOCOL, "the CA's directory offers no renewal information");
		(void)err_because(&e, CAUSE_NO_RENEWAL_INFO);
	}
	if (call->url == NULL || url_check_https(call->url, &e) != 0) {
		call_end_later(call, &e);
		return;
	}
	request.url = call->url;
	call->state = CALL_SENT;
	call->sent_ms = clock_mono_ms(call->session->clock);
	call->handle = t->ops->submit(t, &request, call_heard, call);
}

/* A nonce that no request carried away goes back. */
static void call_send(struct session_call *call, const char *nonce)
{
	struct session *s = call->session;
	struct jws_header header = {.nonce = nonce, .kid = call->kid};
	struct buf body AUTO_BUF = {0};
	struct err e = {0};
	int r;

	buf_init(&body, MAX_JWS);
	free(call->url);
	call->url = call_target(call);
	header.url = call->url;
	r = url_check_https(call->url, &e);
	if (r == 0)
		r = call->signer.sign(call->signer.arg, &header, call->request.payload, &body, &e);
	if (r == 0) {
		call_submit(call, &body);
		return;
	}
	nonces_add(&s->nonces, nonce, clock_mono_ms(s->clock));
	call_end_later(call, &e);
}

/* RFC 8555 has no dates in its requests, but what comes of an order would be judged by our clock.
 */
static bool call_waits_for_clock(struct session_call *call)
{
	struct err e = {0};
	int r = 0;

	if (call->request.target == ACME_TO_NEW_ORDER)
		r = session_check_clock(call->session, &e);
	if (r < 0)
		call_end_later(call, &e);
	return r != 0;
}

static void send_waiting(struct session *s)
{
	for (struct session_call *call = s->calls; call != NULL; call = call->next) {
		AUTO_FREE char *nonce = NULL;

		if (call->state != CALL_WAITING)
			continue;
		if (call->request.unsigned_get) {
			call_send_unsigned(call);
			continue;
		}
		if (call_waits_for_clock(call))
			continue;
		nonce = TAKE(call->nonce);
		if (nonce == NULL)
			nonce = nonces_take(&s->nonces, clock_mono_ms(s->clock));
		if (nonce != NULL)
			call_send(call, nonce);
	}
}

static void deliver_ended(struct session *s)
{
	for (struct session_call *call = s->calls; call != NULL; call = call->next) {
		if (call->state == CALL_ENDED) {
			call_finish(call, NULL, &call->err);
			return; /* one a turn: its owner may have freed the session */
		}
	}
}

static void session_look(void *arg)
{
	struct session *s = arg;

	s->timer = NULL;
	if (session_count(s, CALL_WAITING) == 0) {
		s->extra_nonces = 0;
	} else if (s->directory_wanted) {
		session_fetch_directory(s);
	} else {
		send_waiting(s);
		session_fetch_nonces(s);
	}
	deliver_ended(s);
}

void session_wake(struct session *s)
{
	if (s->timer == NULL)
		s->timer = loop_watch_timer(s->loop, 0, session_look, s);
}

struct session_call *session_submit(struct session *s, const struct acme_request *request,
				    const struct session_signer *signer, session_done *done,
				    void *arg)
{
	struct session_call *call = mem_new(sizeof(*call));
	struct session_call **at = &s->calls;

	assert(request->target != ACME_TO_URL || request->url != NULL);
	/* RFC 8555 6.2: never both, never neither */
	assert(request->unsigned_get || request->with_jwk == (signer->kid == NULL));
	call->session = s;
	call->request = *request;
	call->request.url = mem_str(request->url);
	call->request.payload = mem_str(request->payload);
	call->signer = *signer;
	call->kid = mem_str(signer->kid);
	call->signer.kid = call->kid;
	call->done = done;
	call->arg = arg;
	while (*at != NULL)
		at = &(*at)->next;
	*at = call;
	session_wake(s);
	return call;
}

void session_cancel(struct session_call *call)
{
	struct session *s;

	if (call == NULL)
		return;
	s = call->session;
	if (call->handle != NULL)
		s->transport->ops->cancel(s->transport, call->handle);
	nonces_add(&s->nonces, call->nonce, clock_mono_ms(s->clock));
	call_unlink(call);
	call_free(call);
	session_wake(s); /* a nonce that others counted on may have gone with it */
}

int session_new(const struct session_config *config, struct session **ret_session, struct err *e)
{
	struct session *s;
	int r = url_check_https(config->server, e);

	if (r != 0) {
		config->transport->ops->free(config->transport);
		if (e != NULL)
			e->code = ERR_CONFIG; /* this URL is the operator's, not the CA's */
		return ERR_CONFIG;
	}
	s = mem_new(sizeof(*s));
	s->server = mem_str(config->server);
	s->loop = config->loop;
	s->clock = config->clock;
	s->transport = config->transport;
	s->counters = config->counters;
	s->directory_fetched = config->directory_fetched;
	s->arg = config->arg;
	s->directory_wanted = true;
	/* A copy that cannot be read is as good as none. */
	if (config->directory != NULL &&
	    acme_directory_parse(config->directory, strlen(config->directory), &s->directory,
				 NULL) == 0) {
		s->directory_wanted = false;
		s->directory_cached = true;
	}
	*ret_session = s;
	return 0;
}

const struct acme_directory *session_directory(const struct session *s)
{
	return s->directory;
}

void session_free(struct session *s)
{
	if (s == NULL)
		return;
	loop_cancel(s->loop, s->timer);
	session_cancel_fetches(s);
	while (s->calls != NULL) {
		struct session_call *call = s->calls;

		if (call->handle != NULL)
			s->transport->ops->cancel(s->transport, call->handle);
		call_unlink(call);
		call_free(call);
	}
	nonces_clear(&s->nonces);
	acme_directory_free(s->directory);
	free(s->server);
	s->transport->ops->free(s->transport);
	free(s);
}
