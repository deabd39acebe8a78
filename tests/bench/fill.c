/* SPDX-License-Identifier: MIT
 *
 * fill-store DIR COUNT — makes a state directory with COUNT certificates, each as it is some time
 * after it was issued and deployed: every row is written by the functions that the product has for
 * it. Nothing is due within an hour. For tests/bench/run.py and tests/real.
 */
#include "tests/unit.h"

#include "base/mem.h"
#include "base/x509.h"
#include "store/account.h"
#include "store/certificate.h"
#include "store/deployment.h"
#include "store/event.h"
#include "store/keys.h"
#include "store/notice.h"
#include "store/order.h"
#include "store/renewal_info.h"
#include "store/version.h"
#include "tests/unit/make_cert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOUR 3600
#define DAY  (24 * HOUR)
#define LIFE (90 * DAY)

/* What is made here need not outlive a power failure: SQLite and base/file.c call these. */
int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

struct fill {
	struct store *s;
	struct made_cert *root, *issuer;
	int64_t now;
	int64_t account_id;
};

/* One certificate while it is made. */
struct made {
	int64_t number;
	int64_t key_id;
	char *host;
	char *wish;
	char *settings; /* of its target */
	char *pem;      /* leaf and chain */
	uint8_t key_hash[KEY_HASH_SIZE];
	struct certificate certificate;
	struct version version;
	int64_t order_id;
};

static void must(int r, const struct err *e)
{
	if (r == 0)
		return;
	fprintf(stderr, "fill-store: %s\n", e->text);
	exit(1);
}

static int64_t key_new(const struct fill *f, struct key **ret_key)
{
	struct err e = {0};
	int64_t id = 0;

	must(key_generate(KEY_EC256, ret_key, &e), &e);
	must(keys_put(f->s, *ret_key, &id, &e), &e);
	return id;
}

/* Under an RSA root, as the chains of public CAs are. */
static void fill_begin(struct fill *f)
{
	struct make_cert_spec spec = {
		.subject = "Filled Root",
		.key = EVP_RSA_gen(4096),
		.not_before = f->now - 3650 * DAY,
		.not_after = f->now + 3650 * (int64_t)DAY,
		.ca = true,
	};

	f->root = make_cert(&spec);
	EVP_PKEY_free(spec.key);
	spec.key = NULL;
	spec.subject = "Filled Issuer";
	spec.issuer = f->root;
	f->issuer = make_cert(&spec);
}

static void fill_account(struct fill *f)
{
	AUTO_KEY struct key *k = NULL;
	struct account a = {
		.server = (char *)"https://ca.example/directory",
		.entry = (char *)"default",
		.contact = (char *)"operator@everleaf.example",
		.agreed = true,
		.url = (char *)"https://ca.example/account/1",
		.stage = (char *)"key",
	};
	struct account *row = NULL;
	struct err e = {0};
	bool taken = false;

	a.key_id = key_new(f, &k);
	must(account_insert(f->s, &a, &e), &e);
	must(claim_take(f->s, CLAIM_ACCOUNT, a.id, &taken, &e), &e);
	must(account_load(f->s, a.id, &row, &e), &e);
	row->key_id = a.key_id;
	row->url = mem_str(a.url);
	row->contact_told = mem_str(a.contact); /* nothing is to be told */
	mem_set_str(&row->stage, "ready");
	row->standing.attempts = 0;
	must(account_save(f->s, row, true, &e), &e);
	account_free(row);
	f->account_id = a.id;
}

static void make_leaf(const struct fill *f, struct made *m)
{
	AUTO_KEY struct key *k = NULL;
	AUTO_FREE char *names = mem_printf("DNS:%s,DNS:www.%s", m->host, m->host);
	AUTO_FREE char *serial = mem_printf("04%030llX", (long long)m->number);
	AUTO_MADE_CERT struct made_cert *leaf = NULL;
	/* Issued at any time within fifty days: due when two thirds have passed, at the earliest
	 * on the fifty-seventh. */
	const int64_t age = HOUR + m->number * 7919 % (50 * DAY);
	struct make_cert_spec spec = {
		.subject = m->host,
		.issuer = f->issuer,
		.names = names,
		.serial = serial,
		.usage = "serverAuth",
		.not_before = f->now - age,
		.not_after = f->now - age + LIFE,
	};

	m->key_id = key_new(f, &k);
	key_hash(k, m->key_hash);
	spec.key = make_cert_pkey(k);
	leaf = make_cert(&spec);
	EVP_PKEY_free(spec.key);
	m->pem = mem_printf("%s%s%s", leaf->pem, f->issuer->pem, f->root->pem);
}

static void make_certificate(const struct fill *f, struct made *m)
{
	struct certificate *c = &m->certificate;
	struct err e = {0};

	c->name = m->host;
	c->origin = (char *)"command";
	c->wish = m->wish;
	c->account_id = f->account_id;
	strlist_add(&c->names, m->host);
	strlist_addf(&c->names, "www.%s", m->host);
	must(certificate_insert(f->s, c, &e), &e);
}

static void make_order(const struct fill *f, struct made *m)
{
	struct order o = {
		.account_id = f->account_id,
		.certificate_id = m->certificate.id,
		.key_id = m->key_id,
		.key_kind = (char *)"ec-256",
		.wish = m->wish,
		.created_at = f->now - DAY,
	};
	char csr[400] = "a CSR of this size";
	struct err e = {0};
	bool inserted = false;

	memcpy(o.key_hash, m->key_hash, sizeof(o.key_hash));
	strlist_copy(&o.names, &m->certificate.names);
	buf_init(&o.csr, sizeof(csr));
	(void)buf_add(&o.csr, csr, sizeof(csr));
	must(order_insert(f->s, &o, &inserted, &e), &e);
	m->order_id = o.id;
	strlist_clear(&o.names);
	buf_free(&o.csr);
	free(o.stage);
}

static void order_ends(const struct fill *f, const struct made *m)
{
	AUTO_ORDER_ROW struct order *o = NULL;
	struct err e = {0};

	must(order_load(f->s, m->order_id, &o, &e), &e);
	o->url = mem_printf("https://ca.example/order/%lld", (long long)o->id);
	mem_set_str(&o->stage, "done");
	o->version_id = m->version.id;
	o->ended_at = f->now - DAY;
	o->standing.attempts = 0;
	must(order_save(f->s, o, true, &e), &e);
}

static void make_version(const struct fill *f, struct made *m)
{
	AUTO_CHAIN struct x509_chain *chain = NULL;
	const struct x509_facts *facts;
	struct version *v = &m->version;
	struct err e = {0};

	must(x509_chain_parse(m->pem, strlen(m->pem), &chain, &e), &e);
	facts = x509_chain_facts(chain, 0);
	v->certificate_id = m->certificate.id;
	v->order_id = m->order_id;
	v->key_id = m->key_id;
	v->key_kind = (char *)"ec-256";
	v->serial = facts->serial;
	v->issuer = facts->issuer;
	v->fingerprint = mem_printf("%064llx", (long long)m->number);
	v->ari_id = facts->ari_id;
	strlist_copy(&v->names, &facts->names);
	v->not_before = facts->not_before;
	v->not_after = facts->not_after;
	v->leaf = (char *)x509_chain_leaf_pem(chain);
	v->chain = (char *)x509_chain_rest_pem(chain);
	v->created_at = v->not_before + HOUR;
	v->account_id = f->account_id;
	must(version_insert(f->s, v, &e), &e);
	free(v->fingerprint);
	strlist_clear(&v->names);
}

static void make_deployment(const struct fill *f, const struct made *m)
{
	struct target t = {.deployer = (char *)"files", .settings = m->settings};
	struct deployment d = {.certificate_id = m->certificate.id, .version_id = m->version.id};
	AUTO_DEPLOYMENT struct deployment *row = NULL;
	struct err e = {0};
	bool taken = false;

	must(target_put(f->s, &t, &e), &e);
	d.target_id = t.id;
	must(deployment_insert(f->s, &d, &e), &e);
	free(d.stage);
	must(claim_take(f->s, CLAIM_DEPLOYMENT, d.id, &taken, &e), &e);
	must(deployment_load(f->s, d.id, &row, &e), &e);
	mem_set_str(&row->stage, "done");
	row->ended_at = f->now - DAY;
	row->standing.attempts = 0;
	must(deployment_save(f->s, row, true, &e), &e);
}

static void make_events(const struct fill *f, const struct made *m)
{
	struct event events[] = {
		{.kind = (char *)"issued", .text = (char *)"certificate 04, valid until a day"},
		{.kind = (char *)"deployed", .text = (char *)"files: certificate 04"},
		{.kind = (char *)"advised", .text = (char *)"the CA advises to renew it between"},
	};
	struct err e = {0};

	for (size_t i = 0; i < COUNT_OF(events); i++) {
		events[i].certificate_id = m->certificate.id;
		events[i].order_id = m->order_id;
		must(event_record(f->s, &events[i], &e), &e);
	}
}

/* What the engine leaves behind when it has asked the CA and found nothing to do or to say. */
static void make_renewal(const struct fill *f, const struct made *m)
{
	const int64_t id = m->certificate.id;
	struct renewal renewal = {.certificate_id = id, .succeeded_at = m->version.created_at};
	AUTO_INFO_ROW struct renewal_info *i = NULL;
	struct notice *n = NULL;
	struct err e = {0};
	bool taken = false;

	must(renewal_save(f->s, &renewal, &e), &e);
	must(claim_take(f->s, CLAIM_RENEWAL_INFO, id, &taken, &e), &e);
	must(renewal_info_load(f->s, id, &i, &e), &e);
	i->version_id = m->version.id;
	i->window_start = m->version.not_after - 32 * DAY;
	i->window_end = i->window_start + 2 * DAY;
	i->asked_at = f->now - HOUR;
	i->standing.attempts = 0;
	i->standing.next_at = f->now + HOUR + m->number * 17 % (5 * HOUR);
	must(renewal_info_save(f->s, i, true, &e), &e);
	must(renewal_look(f->s, id, i->standing.next_at, &e), &e);
	must(claim_take(f->s, CLAIM_NOTICE, id, &taken, &e), &e);
	must(notice_load(f->s, id, &n, &e), &e);
	n->version_id = m->version.id;
	n->standing.attempts = 0;
	must(notice_save(f->s, n, true, &e), &e);
	free(n);
	must(notice_look(f->s, id, f->now + 3 * HOUR + m->number * 23 % (20 * HOUR), &e), &e);
}

static void make_one(const struct fill *f, int64_t number)
{
	struct made m = {.number = number};

	m.host = mem_printf("host%06lld.filled.example", (long long)number);
	m.settings =
		mem_printf("{\"name\":\"files\",\"directory\":\"/etc/everleaf/live/%s\"}", m.host);
	m.wish = mem_printf("{\"key\":\"ec-256\",\"solver\":{\"name\":\"standalone\",\"port\":80},"
			    "\"deploy\":[%s]}",
			    m.settings);
	make_leaf(f, &m);
	make_certificate(f, &m);
	make_order(f, &m);
	make_version(f, &m);
	order_ends(f, &m);
	make_deployment(f, &m);
	make_events(f, &m);
	make_renewal(f, &m);
	strlist_clear(&m.certificate.names);
	free(m.pem);
	free(m.wish);
	free(m.settings);
	free(m.host);
}

int main(int argc, char **argv)
{
	struct fill f = {.now = clock_now(clock_system())};
	int64_t count = argc == 3 ? strtoll(argv[2], NULL, 10) : 0;
	struct err e = {0};

	if (count <= 0) {
		fprintf(stderr, "usage: fill-store DIR COUNT\n");
		return 2;
	}
	fill_begin(&f);
	must(store_open(argv[1], clock_system(), &f.s, &e), &e);
	must(store_turn_begin(f.s, &e), &e);
	fill_account(&f);
	for (int64_t i = 1; i <= count; i++)
		make_one(&f, i);
	must(store_turn_commit(f.s, &e), &e);
	store_free(f.s);
	made_cert_free(f.issuer);
	made_cert_free(f.root);
	return 0;
}
