/* SPDX-License-Identifier: MIT
 *
 * quick_ca — see the header.
 */
#include "tests/machine/quick_ca.h"

#include "base/base64url.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/mock/mock_internal.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_MS 20
#define MAX_BODY  (1024 * 1024)
#define LONG_LIFE (INT64_C(20) * 365 * 86400)

struct quick_order {
	char *name;
	size_t subject;
	char *pem; /* NULL before finalize, and again after the download */
	bool valid;
};

struct quick_ca {
	struct mock_net net; /* first: what the engine is given as its loop */
	struct quick_ca_config config;
	EVP_PKEY *key;
	X509 *issuer;
	char *issuer_pem;
	X509_EXTENSION *authority, *use;
	struct quick_order *orders;
	size_t order_count;
	struct quick_leaf *leaves; /* by serial number, from 1 */
	size_t leaf_count;
	int64_t nonces, accounts;
	size_t counts[QUICK_KINDS];
};

struct quick_call {
	struct quick_ca *ca;
	struct watch *timer;
	char *method, *url;
	struct buf body;
	http_done *done;
	void *arg;
};

/* --- certificates --- */

static X509_EXTENSION *extension(X509 *issuer, X509 *subject, int nid, const char *words)
{
	X509V3_CTX context;
	X509_EXTENSION *made;

	X509V3_set_ctx(&context, issuer, subject, NULL, NULL, 0);
	made = X509V3_EXT_conf_nid(NULL, &context, nid, words);
	MOCK_MUST(made != NULL);
	return made;
}

static X509 *cert_new(const struct quick_ca *ca, int64_t serial, int64_t from, int64_t until)
{
	X509 *x = X509_new();

	MOCK_MUST(X509_set_version(x, X509_VERSION_3) == 1 &&
		  ASN1_INTEGER_set_int64(X509_get_serialNumber(x), serial) == 1 &&
		  ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from) != NULL &&
		  ASN1_TIME_set(X509_getm_notAfter(x), (time_t)until) != NULL &&
		  (ca->issuer == NULL ||
		   X509_set_issuer_name(x, X509_get_subject_name(ca->issuer)) == 1));
	return x;
}

static char *pem_of(X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;
	char *text;
	long len;

	MOCK_MUST(PEM_write_bio_X509(bio, x) == 1);
	len = BIO_get_mem_data(bio, &data);
	text = mem_strn(data, (size_t)len);
	BIO_free(bio);
	return text;
}

static void issuer_make(struct quick_ca *ca)
{
	int64_t now = clock_now(ca->config.clock);
	X509 *x = cert_new(ca, 1, now - 86400, now + LONG_LIFE);
	X509_NAME *name = X509_get_subject_name(x);
	static const struct {
		int nid;
		const char *words;
	} extensions[] = {
		{NID_subject_key_identifier, "hash"},
		{NID_basic_constraints, "critical,CA:TRUE"},
		{NID_key_usage, "critical,keyCertSign"},
	};

	ca->key = EVP_EC_gen("P-256");
	MOCK_MUST(ca->key != NULL && X509_set_pubkey(x, ca->key) == 1 &&
		  X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
					     (const unsigned char *)"Quick", -1, -1, 0) == 1 &&
		  X509_set_issuer_name(x, name) == 1);
	for (size_t i = 0; i < COUNT_OF(extensions); i++) {
		X509_EXTENSION *one = extension(x, x, extensions[i].nid, extensions[i].words);

		MOCK_MUST(X509_add_ext(x, one, -1) == 1);
		X509_EXTENSION_free(one);
	}
	MOCK_MUST(X509_sign(x, ca->key, EVP_sha256()) > 0);
	ca->issuer = x;
	ca->issuer_pem = pem_of(x);
	ca->authority = extension(x, x, NID_authority_key_identifier, "keyid:always");
	ca->use = extension(x, x, NID_ext_key_usage, "serverAuth");
}

static void add_name(X509 *x, const char *text)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();

	MOCK_MUST(ASN1_STRING_set(value, text, -1) == 1);
	GENERAL_NAME_set0_value(name, GEN_DNS, value);
	MOCK_MUST(sk_GENERAL_NAME_push(names, name) > 0 &&
		  X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0) == 1);
	GENERAL_NAMES_free(names);
}

static void issue(struct quick_ca *ca, struct quick_order *o, X509_REQ *csr)
{
	struct quick_leaf leaf = {.subject = o->subject};
	AUTO_FREE char *pem = NULL;
	X509 *x;

	leaf.not_before = clock_now(ca->config.clock) - 3600;
	leaf.not_after = leaf.not_before + ca->config.lifetime(ca->config.arg, o->subject);
	ca->leaves = mem_grow(ca->leaves, ca->leaf_count + 1, sizeof(leaf));
	ca->leaves[ca->leaf_count++] = leaf;
	x = cert_new(ca, (int64_t)ca->leaf_count, leaf.not_before, leaf.not_after);
	MOCK_MUST(X509_set_pubkey(x, X509_REQ_get0_pubkey(csr)) == 1 &&
		  X509_add_ext(x, ca->authority, -1) == 1 && X509_add_ext(x, ca->use, -1) == 1);
	add_name(x, o->name);
	MOCK_MUST(X509_sign(x, ca->key, EVP_sha256()) > 0);
	pem = pem_of(x);
	X509_free(x);
	o->pem = mem_printf("%s%s", pem, ca->issuer_pem);
	o->valid = true;
	if (ca->config.issued != NULL)
		ca->config.issued(ca->config.arg, &leaf);
}

/* --- what a request is --- */

static const struct {
	const char *path;
	enum quick_kind kind;
} paths[] = {
	{"/directory", QUICK_DIRECTORY},
	{"/nonce", QUICK_NONCE},
	{"/new-account", QUICK_NEW_ACCOUNT},
	{"/new-order", QUICK_NEW_ORDER},
	{"/order/", QUICK_ORDER},
	{"/authorization/", QUICK_AUTHORIZATION},
	{"/finalize/", QUICK_FINALIZE},
	{"/certificate/", QUICK_CERTIFICATE},
	{"/info/", QUICK_INFO},
};

struct asked {
	struct quick_request q;
	struct quick_order *order; /* that the URL names, or NULL */
	struct quick_leaf *leaf;
	struct json *payload; /* owned */
	char *base;           /* owned: of the URL */
};

/* The part of an ARI id that is the serial number. */
static struct quick_leaf *leaf_of(const struct quick_ca *ca, const char *id)
{
	struct buf bytes AUTO_BUF = {0};
	const char *dot = strchr(id, '.');
	size_t serial = 0;

	buf_init(&bytes, 32);
	MOCK_MUST(dot != NULL && base64url_decode(dot + 1, strlen(dot + 1), &bytes) == 0);
	for (size_t i = 0; i < bytes.len; i++)
		serial = serial << 8 | (unsigned char)bytes.data[i];
	MOCK_MUST(serial >= 1 && serial <= ca->leaf_count);
	return &ca->leaves[serial - 1];
}

static struct json *payload_of(const struct quick_call *call)
{
	AUTO_JSON struct json *jws = NULL;
	struct json *payload = NULL;
	struct buf text AUTO_BUF = {0};
	const char *coded;

	if (call->body.len == 0 || json_parse(call->body.data, call->body.len, &jws, NULL) != 0)
		return NULL;
	coded = json_get_text(jws, "payload");
	buf_init(&text, MAX_BODY);
	MOCK_MUST(coded != NULL && base64url_decode(coded, strlen(coded), &text) == 0);
	if (text.len > 0)
		MOCK_MUST(json_parse(text.data, text.len, &payload, NULL) == 0);
	return payload;
}

static const char *first_name(const struct json *payload)
{
	return json_get_text(json_at(json_get(payload, "identifiers"), 0), "value");
}

static size_t subject_of(const char *name)
{
	return strtoul(name + 1, NULL, 10);
}

static void asked_read(struct quick_ca *ca, const struct quick_call *call, struct asked *a)
{
	const char *path = strchr(call->url + strlen("https://"), '/');
	size_t number = 0;

	*a = (struct asked){.q = {.kind = QUICK_KINDS, .subject = QUICK_NOBODY}};
	a->q.method = call->method;
	a->q.url = call->url;
	MOCK_MUST(path != NULL);
	a->base = mem_strn(call->url, (size_t)(path - call->url));
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		if (strncmp(path, paths[i].path, strlen(paths[i].path)) != 0)
			continue;
		a->q.kind = paths[i].kind;
		path += strlen(paths[i].path);
		break;
	}
	MOCK_MUST(a->q.kind != QUICK_KINDS);
	if (a->q.kind == QUICK_INFO)
		a->leaf = leaf_of(ca, path);
	else if (*path != '\0')
		number = strtoul(path, NULL, 10);
	if (number >= 1 && number <= ca->order_count)
		a->order = &ca->orders[number - 1];
	if (a->q.kind == QUICK_NEW_ORDER || a->q.kind == QUICK_FINALIZE)
		a->payload = payload_of(call);
	if (a->q.kind == QUICK_NEW_ORDER)
		a->q.subject = subject_of(first_name(a->payload));
	else if (a->order != NULL)
		a->q.subject = a->order->subject;
	else if (a->leaf != NULL)
		a->q.subject = a->leaf->subject;
	a->q.replaces = json_get_text(a->payload, "replaces") != NULL;
}

/* --- answers --- */

static void say(struct http_response *r, int status, const char *type, const char *body)
{
	r->status = status;
	strlist_addf(&r->headers, "content-type: %s", type);
	MOCK_MUST(buf_add_text(&r->body, body) == 0);
}

static void say_json(struct http_response *r, int status, char *body)
{
	say(r, status, "application/json", body);
	free(body);
}

static void say_problem(struct http_response *r, int status, const char *type)
{
	AUTO_FREE char *body =
		mem_printf("{\"type\":\"" MOCK_URN "%s\",\"status\":%d}", type, status);

	say(r, status, "application/problem+json", body);
}

static void say_directory(const struct quick_ca *ca, const char *base, struct http_response *r)
{
	AUTO_FREE char *info = NULL;

	if (str_equal(base, ca->config.informing))
		info = mem_printf(",\"renewalInfo\":\"%s/info\"", base);
	say_json(r, 200,
		 mem_printf("{\"newNonce\":\"%s/nonce\",\"newAccount\":\"%s/new-account\","
			    "\"newOrder\":\"%s/new-order\"%s}",
			    base, base, base, info != NULL ? info : ""));
}

static void say_order(const struct quick_ca *ca, const struct asked *a, int status,
		      struct http_response *r)
{
	size_t id = (size_t)(a->order - ca->orders) + 1;
	AUTO_FREE char *certificate =
		mem_printf(",\"certificate\":\"%s/certificate/%zu\"", a->base, id);

	strlist_addf(&r->headers, "location: %s/order/%zu", a->base, id);
	say_json(r, status,
		 mem_printf("{\"status\":\"%s\",\"identifiers\":[{\"type\":\"dns\",\"value\":"
			    "\"%s\"}],\"authorizations\":[\"%s/authorization/%zu\"],"
			    "\"finalize\":\"%s/finalize/%zu\"%s}",
			    a->order->valid ? "valid" : "ready", a->order->name, a->base, id,
			    a->base, id, a->order->valid ? certificate : ""));
}

static void order_new(struct quick_ca *ca, struct asked *a)
{
	ca->orders = mem_grow(ca->orders, ca->order_count + 1, sizeof(*ca->orders));
	a->order = &ca->orders[ca->order_count++];
	*a->order = (struct quick_order){
		.name = mem_str(first_name(a->payload)),
		.subject = a->q.subject,
	};
}

static void finalize(struct quick_ca *ca, const struct asked *a)
{
	const char *text = json_get_text(a->payload, "csr");
	struct buf der AUTO_BUF = {0};
	const unsigned char *at;
	X509_REQ *csr;

	if (a->order->valid)
		return;
	buf_init(&der, MAX_BODY);
	MOCK_MUST(text != NULL && base64url_decode(text, strlen(text), &der) == 0);
	at = (const unsigned char *)der.data;
	csr = d2i_X509_REQ(NULL, &at, (long)der.len);
	MOCK_MUST(csr != NULL);
	issue(ca, a->order, csr);
	X509_REQ_free(csr);
}

static void say_info(struct quick_ca *ca, const struct asked *a, struct http_response *r)
{
	struct quick_advice advice = ca->config.advice(ca->config.arg, a->leaf);
	char start[CLOCK_TEXT_SIZE], end[CLOCK_TEXT_SIZE];

	if (advice.retry_after > 0)
		strlist_addf(&r->headers, "retry-after: %lld", (long long)advice.retry_after);
	say_json(r, 200,
		 mem_printf("{\"suggestedWindow\":{\"start\":\"%s\",\"end\":\"%s\"}}",
			    clock_format(advice.start, start), clock_format(advice.end, end)));
}

static void act(struct quick_ca *ca, struct asked *a, struct http_response *r)
{
	switch (a->q.kind) {
	case QUICK_DIRECTORY:
		say_directory(ca, a->base, r);
		break;
	case QUICK_NONCE:
		r->status = 200;
		break;
	case QUICK_NEW_ACCOUNT:
		strlist_addf(&r->headers, "location: %s/account/%lld", a->base,
			     (long long)++ca->accounts);
		say_json(r, 201, mem_str("{\"status\":\"valid\"}"));
		break;
	case QUICK_NEW_ORDER:
		order_new(ca, a);
		say_order(ca, a, 201, r);
		break;
	case QUICK_FINALIZE:
		finalize(ca, a);
		/* fall through */
	case QUICK_ORDER:
		say_order(ca, a, 200, r);
		break;
	case QUICK_AUTHORIZATION:
		say_json(r, 200,
			 mem_printf("{\"status\":\"valid\",\"identifier\":{\"type\":\"dns\","
				    "\"value\":\"%s\"},\"challenges\":[]}",
				    a->order->name));
		break;
	case QUICK_CERTIFICATE:
		MOCK_MUST(a->order->pem != NULL);
		say(r, 200, "application/pem-certificate-chain", a->order->pem);
		free(TAKE(a->order->pem));
		break;
	case QUICK_INFO:
		say_info(ca, a, r);
		break;
	case QUICK_KINDS:
		break;
	}
}

static void say_date(const struct quick_ca *ca, struct http_response *r)
{
	time_t when = (time_t)clock_now(ca->config.clock);
	struct tm tm = {0};
	char text[64];

	MOCK_MUST(gmtime_r(&when, &tm) != NULL &&
		  strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0);
	strlist_addf(&r->headers, "date: %s", text);
}

/* --- the way there and back --- */

static struct http_response *answer(struct quick_ca *ca, const struct quick_call *call)
{
	struct http_response *r = mem_new(sizeof(*r));
	struct quick_weather weather;
	struct asked a;

	buf_init(&r->body, MAX_BODY);
	asked_read(ca, call, &a);
	ca->counts[a.q.kind]++;
	weather = ca->config.weather(ca->config.arg, &a.q);
	if (weather.mood == QUICK_BUSY) {
		strlist_addf(&r->headers, "retry-after: %lld", (long long)weather.retry_after);
		say_problem(r, 429, "rateLimited");
	} else if (weather.mood == QUICK_REFUSES) {
		say_problem(r, 403, "rejectedIdentifier");
	} else if (weather.mood == QUICK_FINE) {
		act(ca, &a, r);
	}
	say_date(ca, r);
	if (a.q.kind != QUICK_DIRECTORY && a.q.kind != QUICK_INFO)
		strlist_addf(&r->headers, "replay-nonce: n%lld", (long long)++ca->nonces);
	json_free(a.payload);
	free(a.base);
	if (weather.mood != QUICK_DOWN)
		return r;
	http_response_free(r);
	return NULL;
}

static void call_free(struct quick_call *call)
{
	call->ca->net.in_flight--;
	free(call->method);
	free(call->url);
	buf_free(&call->body);
	free(call);
}

static void call_arrives(void *arg)
{
	struct quick_call *call = arg;
	http_done *done = call->done;
	void *done_arg = call->arg;
	struct http_response *r = answer(call->ca, call);
	struct err e = {0};

	if (r == NULL)
		err_set(&e, ERR_NET, "%s: nobody answers", call->url);
	call_free(call);
	done(done_arg, r, r == NULL ? &e : NULL);
}

struct quick_transport {
	struct transport transport; /* first */
	struct quick_ca *ca;
};

static void *transport_submit(struct transport *t, const struct http_request *request,
			      http_done *done, void *arg)
{
	struct quick_ca *ca = ((struct quick_transport *)(void *)t)->ca;
	struct quick_call *call = mem_new(sizeof(*call));

	call->ca = ca;
	call->method = mem_str(request->method);
	call->url = mem_str(request->url);
	buf_init(&call->body, MAX_BODY);
	if (request->body != NULL)
		MOCK_MUST(buf_add(&call->body, request->body, request->body_len) == 0);
	call->done = done;
	call->arg = arg;
	ca->net.in_flight++;
	call->timer = loop_watch_timer(ca->net.inner, ANSWER_MS, call_arrives, call);
	return call;
}

static void transport_cancel(struct transport *t, void *handle)
{
	struct quick_call *call = handle;

	(void)t;
	loop_cancel(call->ca->net.inner, call->timer);
	call_free(call);
}

static void transport_end(struct transport *t)
{
	free(t);
}

static const struct transport_ops transport_ops = {
	.name = "quick",
	.submit = transport_submit,
	.cancel = transport_cancel,
	.free = transport_end,
};

int quick_ca_transport(struct loop *l, const struct transport_config *config,
		       struct transport **ret_transport, struct err *e)
{
	struct quick_transport *t = mem_new(sizeof(*t));

	(void)config, (void)e;
	t->transport.ops = &transport_ops;
	t->ca = (struct quick_ca *)(void *)l;
	*ret_transport = &t->transport;
	return 0;
}

/* --- birth and death --- */

struct quick_ca *quick_ca_new(const struct quick_ca_config *config, struct loop *inner)
{
	struct quick_ca *ca = mem_new(sizeof(*ca));

	mock_net_init(&ca->net, inner, NULL);
	ca->config = *config;
	issuer_make(ca);
	return ca;
}

struct loop *quick_ca_loop(struct quick_ca *ca)
{
	return &ca->net.loop;
}

size_t quick_ca_count(const struct quick_ca *ca, enum quick_kind kind)
{
	return ca->counts[kind];
}

void quick_ca_free(struct quick_ca *ca)
{
	for (size_t i = 0; i < ca->order_count; i++) {
		free(ca->orders[i].name);
		free(ca->orders[i].pem);
	}
	free(ca->orders);
	free(ca->leaves);
	X509_EXTENSION_free(ca->authority);
	X509_EXTENSION_free(ca->use);
	X509_free(ca->issuer);
	EVP_PKEY_free(ca->key);
	free(ca->issuer_pem);
	free(ca);
}
