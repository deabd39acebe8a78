/* SPDX-License-Identifier: MIT
 *
 * mock_ca — see the header: the way of a request through script, signature check and act, and the
 * record of it.
 */
#include "tests/mock/mock_ca.h"

#include "tests/mock/mock_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BASE     "https://mock.example"
#define MAX_BODY (1024 * 1024)

static const char *const kind_names[MOCK_KINDS] = {
	"any",           "directory", "nonce",    "new-account", "account", "new-order",    "order",
	"authorization", "challenge", "finalize", "certificate", "nothing", "renewal-info",
};

const char *mock_kind_name(enum mock_kind kind)
{
	return kind_names[kind];
}

int64_t mock_now(const struct mock_ca *ca)
{
	return clock_now(ca->config.clock);
}

int64_t mock_mono(const struct mock_ca *ca)
{
	return clock_mono_ms(ca->config.clock);
}

/* xorshift64* */
uint64_t mock_random(struct mock_ca *ca)
{
	ca->random ^= ca->random >> 12;
	ca->random ^= ca->random << 25;
	ca->random ^= ca->random >> 27;
	return ca->random * UINT64_C(2685821657736338717);
}

char *mock_url(const struct mock_ca *ca, const char *format, ...)
{
	AUTO_FREE char *path = NULL;
	va_list ap;

	va_start(ap, format);
	path = mem_vprintf(format, ap);
	va_end(ap);
	return mem_printf("%s/%s", ca->config.base, path);
}

/* --- answers --- */

void mock_response_init(struct mock_response *a)
{
	*a = (struct mock_response){0};
	buf_init(&a->body, MAX_BODY);
}

void mock_response_clear(struct mock_response *a)
{
	strlist_clear(&a->headers);
	buf_free(&a->body);
	*a = (struct mock_response){0};
}

static void response_copy(struct mock_response *to, const struct mock_response *from)
{
	mock_response_clear(to);
	mock_response_init(to);
	to->status = from->status;
	to->problem = from->problem;
	strlist_copy(&to->headers, &from->headers);
	MOCK_MUST(buf_add(&to->body, from->body.data, from->body.len) == 0);
}

static void set_body(struct mock_response *a, int status, const char *type, const char *body)
{
	a->status = status;
	buf_clear(&a->body);
	MOCK_MUST(buf_add_text(&a->body, body) == 0);
	strlist_addf(&a->headers, "content-type: %s", type);
}

void mock_json(struct mock_response *a, int status, struct json *body)
{
	AUTO_FREE char *text = json_print(body, false);

	json_free(body);
	set_body(a, status, "application/json", text);
}

void mock_problem(struct mock_response *a, int status, const char *type, const char *detail)
{
	AUTO_FREE char *text =
		mem_printf("{\"type\":\"" MOCK_URN "%s\",\"detail\":\"%s\",\"status\":%d}", type,
			   detail, status);

	strlist_clear(&a->headers);
	set_body(a, status, "application/problem+json", text);
	a->problem = type;
}

/* The number tells whether it was ours; the rest makes it look like one. */
static void add_nonce(struct mock_ca *ca, struct mock_response *a)
{
	size_t number = ca->nonce_count++;

	ca->nonces = mem_grow(ca->nonces, ca->nonce_count, sizeof(*ca->nonces));
	ca->nonces[number] = false;
	strlist_addf(&a->headers, "replay-nonce: n%zu_%08x", number,
		     (unsigned)(mock_random(ca) & UINT32_MAX));
}

/* As every server does (RFC 9110 6.6.1). */
static void add_date(const struct mock_ca *ca, struct mock_response *a)
{
	time_t when = (time_t)(mock_now(ca) + ca->config.date_ahead);
	struct tm tm = {0};
	char text[64];

	MOCK_MUST(gmtime_r(&when, &tm) != NULL &&
		  strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0);
	strlist_addf(&a->headers, "date: %s", text);
}

/* --- where a request goes --- */

static const struct {
	const char *path;
	enum mock_kind kind;
	int numbers;
} places[] = {
	{"directory", MOCK_DIRECTORY, 0},
	{"nonce", MOCK_NEW_NONCE, 0},
	{"new-account", MOCK_NEW_ACCOUNT, 0},
	{"new-order", MOCK_NEW_ORDER, 0},
	{"account/", MOCK_ACCOUNT, 1},
	{"order/", MOCK_ORDER, 1},
	{"authorization/", MOCK_AUTHORIZATION, 1},
	{"challenge/", MOCK_CHALLENGE, 2},
	{"finalize/", MOCK_FINALIZE, 1},
	{"certificate/", MOCK_CERTIFICATE, 2},
	{"renewal-info/", MOCK_RENEWAL_INFO, 0}, /* and any id */
};

struct mock_place mock_place_of(const struct mock_ca *ca, const char *url)
{
	struct mock_place place = {.kind = MOCK_NOTHING};
	size_t base = strlen(ca->config.base);

	if (strncmp(url, ca->config.base, base) != 0 || url[base] != '/')
		return place;
	url += base + 1;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		size_t len = strlen(places[i].path);
		const char *rest = url + len;
		char *end;

		if (strncmp(url, places[i].path, len) != 0)
			continue;
		if (places[i].numbers > 0) {
			place.id = strtoll(rest, &end, 10);
			rest = end;
		}
		if (places[i].numbers == 2 && *rest == '/') {
			place.index = (size_t)strtoul(rest + 1, &end, 10);
			rest = end;
		}
		if (*rest == '\0' || places[i].kind == MOCK_RENEWAL_INFO) {
			place.kind = places[i].kind;
			return place;
		}
	}
	return place;
}

/* --- the script --- */

void mock_ca_fault(struct mock_ca *ca, const struct mock_fault *fault)
{
	ca->script = mem_grow(ca->script, ca->script_count + 1, sizeof(*ca->script));
	ca->script[ca->script_count++] = (struct mock_script){.fault = *fault};
}

void mock_ca_heal(struct mock_ca *ca)
{
	ca->script_count = 0;
}

/* Every row that fits counts this request; the first one whose turn it is decides. */
static const struct mock_fault *script_find(struct mock_ca *ca, enum mock_kind kind)
{
	const struct mock_fault *found = NULL;

	for (size_t i = 0; i < ca->script_count; i++) {
		struct mock_script *row = &ca->script[i];
		const struct mock_fault *f = &row->fault;
		int times = f->times == 0 ? 1 : f->times;
		int seen;

		if (f->kind != MOCK_ANY && f->kind != kind)
			continue;
		seen = row->seen++;
		if (found == NULL && seen >= f->skip &&
		    (times == MOCK_FOREVER || seen < f->skip + times))
			found = f;
	}
	return found;
}

static void replace(struct mock_ca *ca, const struct mock_fault *f, struct mock_response *a)
{
	const char *type = f->content_type != NULL ? f->content_type : "application/json";

	if (f->problem == NULL && f->body == NULL && f->act == MOCK_REPLACE_AFTER) {
		a->status = f->status != 0 ? f->status : a->status; /* only headers change */
	} else {
		buf_clear(&a->body);
		strlist_clear(&a->headers);
		a->problem = NULL;
		if (f->problem != NULL)
			mock_problem(a, f->status, f->problem, "the script says so");
		else
			set_body(a, f->status, type, f->body != NULL ? f->body : "");
		add_nonce(ca, a);
	}
	for (size_t i = 0; i < COUNT_OF(f->headers) && f->headers[i] != NULL; i++)
		strlist_add(&a->headers, f->headers[i]);
}

/* What happens to an answer on its way. */
static void spoil(struct mock_ca *ca, const struct mock_fault *f, struct mock_response *a)
{
	switch (f->act) {
	case MOCK_DELAY:
		a->delay_ms = f->delay_ms;
		break;
	case MOCK_DROP_BEFORE:
	case MOCK_DROP_AFTER:
		a->end = MOCK_LOST;
		a->reused = f->reused;
		break;
	case MOCK_CUT:
		a->end = MOCK_CUT_OFF;
		a->whole = a->body.len > f->at ? a->body.len : a->body.len + 1;
		/* fall through */
	case MOCK_TRUNCATE:
		if (f->at < a->body.len) {
			a->body.len = f->at;
			a->body.data[f->at] = '\0';
		}
		break;
	case MOCK_REPLACE:
	case MOCK_REPLACE_AFTER:
		replace(ca, f, a);
		break;
	case MOCK_REPEAT:
	case MOCK_ACTS:
		break;
	}
}

/* --- one request --- */

static struct mock_record *record_new(struct mock_ca *ca, const struct mock_request *q,
				      enum mock_kind kind)
{
	struct mock_record *r = mem_new(sizeof(*r));

	r->at_ms = mock_mono(ca);
	r->kind = kind;
	r->method = mem_str(q->method);
	r->url = mem_str(q->url);
	ca->records = mem_grow(ca->records, ca->record_count + 1, sizeof(*ca->records));
	ca->records[ca->record_count++] = r;
	return r;
}

static void directory_act(struct mock_ca *ca, struct mock_response *a)
{
	struct json *d = json_new_map();
	struct json *meta = json_new_map();
	static const char *const entries[][2] = {
		{"newNonce", "nonce"},
		{"newAccount", "new-account"},
		{"newOrder", "new-order"},
	};

	for (size_t i = 0; i < COUNT_OF(entries); i++) {
		AUTO_FREE char *url = mock_url(ca, "%s", entries[i][1]);

		json_put_text(d, entries[i][0], url);
	}
	if (ca->config.renewal_info) {
		AUTO_FREE char *url = mock_url(ca, "renewal-info");

		json_put_text(d, "renewalInfo", url);
	}
	if (ca->config.terms) {
		AUTO_FREE char *url = mock_url(ca, "terms");

		json_put_text(meta, "termsOfService", url);
	}
	if (ca->config.eab_kid != NULL)
		json_put_flag(meta, "externalAccountRequired", true);
	json_put(d, "meta", meta);
	mock_json(a, 200, d);
}

static void request_act(struct mock_ca *ca, const struct mock_request *q, struct mock_record *r,
			struct mock_response *a)
{
	struct mock_place place = mock_place_of(ca, q->url);
	struct mock_signed s = {0};

	if (place.kind == MOCK_NOTHING || place.kind == MOCK_RENEWAL_INFO) {
		mock_problem(a, 404, "malformed", "there is nothing here");
	} else if (place.kind == MOCK_DIRECTORY || place.kind == MOCK_NEW_NONCE) {
		if (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0)
			mock_problem(a, 405, "malformed", "only GET and HEAD");
		else if (place.kind == MOCK_DIRECTORY)
			directory_act(ca, a);
		else
			a->status = strcmp(q->method, "GET") == 0 ? 204 : 200;
	} else if (strcmp(q->method, "POST") != 0) {
		mock_problem(a, 405, "malformed", "only POST");
	} else if (mock_verify(ca, q, r, &s, a)) {
		mock_act(ca, &place, &s, a);
	}
	mock_signed_clear(&s);
	r->acted = a->problem == NULL;
	if (place.kind != MOCK_DIRECTORY)
		add_nonce(ca, a);
	if (strcmp(q->method, "HEAD") == 0)
		buf_clear(&a->body);
}

void mock_ca_answer(struct mock_ca *ca, const struct mock_request *q, struct mock_response *a)
{
	enum mock_kind kind = mock_place_of(ca, q->url).kind;
	struct mock_record *r = record_new(ca, q, kind);
	const struct mock_fault *f;

	mock_ca_tick(ca);
	f = script_find(ca, kind);
	if (f != NULL && f->act == MOCK_REPEAT && ca->last[kind].status != 0) {
		response_copy(a, &ca->last[kind]);
	} else if (f == NULL || (f->act != MOCK_DROP_BEFORE && f->act != MOCK_REPLACE)) {
		request_act(ca, q, r, a);
		response_copy(&ca->last[kind], a);
	}
	add_date(ca, a);
	r->body_len = a->body.len;
	if (f != NULL)
		spoil(ca, f, a);
	r->status = a->end == MOCK_WHOLE ? a->status : 0;
	r->problem = a->end == MOCK_WHOLE ? a->problem : NULL;
}

/* --- by itself --- */

void mock_ca_tick(struct mock_ca *ca)
{
	int64_t now = mock_mono(ca);

	for (size_t i = 0; i < ca->authorization_count; i++) {
		struct mock_authorization *z = ca->authorizations[i];

		for (size_t k = 0; k < z->challenge_count; k++)
			if (z->challenges[k].due_ms != 0 && z->challenges[k].due_ms <= now)
				mock_challenge_validate(ca, z, &z->challenges[k]);
	}
	for (size_t i = 0; i < ca->order_count; i++) {
		struct mock_order *o = ca->orders[i];

		mock_order_judge(ca, o);
		if (o->due_ms != 0 && o->due_ms <= now)
			mock_order_issue(ca, o);
	}
}

int64_t mock_ca_next_ms(const struct mock_ca *ca)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < ca->authorization_count; i++)
		for (size_t k = 0; k < ca->authorizations[i]->challenge_count; k++) {
			int64_t due = ca->authorizations[i]->challenges[k].due_ms;

			next = due != 0 && due < next ? due : next;
		}
	for (size_t i = 0; i < ca->order_count; i++)
		if (ca->orders[i]->due_ms != 0 && ca->orders[i]->due_ms < next)
			next = ca->orders[i]->due_ms;
	if (next == INT64_MAX)
		return -1;
	next -= mock_mono(ca);
	return next > 0 ? next : 0;
}

/* --- what tests ask --- */

struct mock_ca_config *mock_ca_config(struct mock_ca *ca)
{
	return &ca->config;
}

void mock_ca_forget_orders(struct mock_ca *ca)
{
	ca->forgotten_orders = ca->order_count;
}

struct mock_counts mock_ca_counts(const struct mock_ca *ca)
{
	struct mock_counts c = ca->counts;

	c.requests = ca->record_count;
	c.accounts = ca->account_count;
	c.orders = ca->order_count;
	for (size_t i = 0; i < ca->order_count; i++) {
		const char *status = ca->orders[i]->status;

		if (strcmp(status, "pending") == 0 || strcmp(status, "ready") == 0)
			c.unused_orders++;
	}
	return c;
}

size_t mock_ca_count(const struct mock_ca *ca, enum mock_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < ca->record_count; i++)
		count += kind == MOCK_ANY || ca->records[i]->kind == kind;
	return count;
}

const struct mock_record *mock_ca_record(const struct mock_ca *ca, size_t index)
{
	return index < ca->record_count ? ca->records[index] : NULL;
}

const char *mock_ca_order_status(const struct mock_ca *ca, size_t index)
{
	return index < ca->order_count ? ca->orders[index]->status : NULL;
}

const char *mock_ca_directory(const struct mock_ca *ca)
{
	return ca->directory;
}

/* --- birth and death --- */

struct mock_ca *mock_ca_new(const struct mock_ca_config *config)
{
	struct mock_ca *ca = mem_new(sizeof(*ca));

	ca->config = *config;
	if (ca->config.base == NULL)
		ca->config.base = BASE;
	ca->directory = mock_url(ca, "directory");
	ca->random = config->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	if (ca->random == 0)
		ca->random = 1;
	mock_issuer_make(ca);
	return ca;
}

static void record_free(struct mock_record *r)
{
	free(r->method);
	free(r->url);
	free(r->nonce);
	free(r->account);
	free(r->payload);
	free(r);
}

void mock_ca_free(struct mock_ca *ca)
{
	if (ca == NULL)
		return;
	for (size_t i = 0; i < ca->account_count; i++)
		mock_account_free(ca->accounts[i]);
	for (size_t i = 0; i < ca->authorization_count; i++)
		mock_authorization_free(ca->authorizations[i]);
	for (size_t i = 0; i < ca->order_count; i++)
		mock_order_free(ca->orders[i]);
	for (size_t i = 0; i < ca->record_count; i++)
		record_free(ca->records[i]);
	for (size_t i = 0; i < MOCK_KINDS; i++)
		mock_response_clear(&ca->last[i]);
	mock_issuer_clear(&ca->issuer);
	free(ca->accounts);
	free(ca->authorizations);
	free(ca->orders);
	free(ca->records);
	free(ca->nonces);
	free(ca->script);
	free(ca->directory);
	free(ca);
}
