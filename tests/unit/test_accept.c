/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "acme/accept.h"

#include "tests/unit/make_cert.h"

#include <stdlib.h>
#include <string.h>

#define DAY   86400
#define NOW   2000000000 /* 2033: after every build date */
#define FROM  (NOW - 3600)
#define UNTIL (NOW + 90 * DAY)

/* As in accept.c. */
#ifndef EVERLEAF_BUILD_DATE
#define EVERLEAF_BUILD_DATE 1763683200
#endif

/* What the order was for. */
#define NAMES "example.org *.example.org 192.0.2.1 2001:db8::1"
#define SAN   "DNS:example.org,DNS:*.example.org,IP:192.0.2.1,IP:2001:DB8::1"

/* The issuers a row can choose from. */
enum who {
	BY_CA = 0,  /* the CA that signs and is sent along */
	BY_MIDDLE,  /* an intermediate under it */
	BY_EXPIRED, /* a CA that expired yesterday */
	BY_OTHER,   /* another CA */
	BY_TWIN,    /* another CA of the same name */
	BY_FAKE,    /* a certificate that is no CA */
	ISSUERS,    /* how many */
};

struct bench {
	struct key *key;
	uint8_t hash[KEY_HASH_SIZE];
	struct strlist names;
	EVP_PKEY *pkey;
	EVP_PKEY *foreign;
	char *key_pem;
	struct made_cert *issuers[ISSUERS];
};

static struct made_cert *make_issuer(const char *subject, const struct made_cert *issuer,
				     int64_t until)
{
	return make_cert(&(struct make_cert_spec){.subject = subject,
						  .issuer = issuer,
						  .not_before = FROM - 900 * DAY,
						  .not_after = until,
						  .ca = true});
}

static int make_bench(void **state)
{
	struct bench *b = mem_new(sizeof(*b));

	assert_int_equal(key_generate(KEY_EC256, &b->key, NULL), 0);
	key_hash(b->key, b->hash);
	b->pkey = make_cert_pkey(b->key);
	b->foreign = EVP_EC_gen("P-256");
	b->key_pem = make_cert_key_pem(b->foreign, false, NULL);
	strlist_add_split(&b->names, NAMES, " ");
	b->issuers[BY_CA] = make_issuer("CA", NULL, UNTIL + 900 * DAY);
	b->issuers[BY_MIDDLE] = make_issuer("Middle", b->issuers[BY_CA], UNTIL + 900 * DAY);
	b->issuers[BY_EXPIRED] = make_issuer("Expired CA", NULL, NOW - DAY);
	b->issuers[BY_OTHER] = make_issuer("Other CA", NULL, UNTIL + 900 * DAY);
	b->issuers[BY_TWIN] = make_issuer("CA", NULL, UNTIL + 900 * DAY);
	b->issuers[BY_FAKE] = make_cert(&(struct make_cert_spec){.subject = "Fake",
								 .issuer = b->issuers[BY_CA],
								 .not_before = FROM,
								 .not_after = UNTIL});
	*state = b;
	return 0;
}

static int free_bench(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < ISSUERS; i++)
		made_cert_free(b->issuers[i]);
	EVP_PKEY_free(b->pkey);
	EVP_PKEY_free(b->foreign);
	key_free(b->key);
	free(b->key_pem);
	strlist_clear(&b->names);
	free(b);
	return 0;
}

/* One answer of a CA. What is 0 is right: a row says only what differs from a good chain. */
struct row {
	const char *what;
	const char *want; /* part of the sentence; NULL: accepted */
	const char *send; /* L leaf, l leaf without its end, C CA, M middle, X expired, O other,
			   * T twin, F fake, K private key, else itself; NULL: "LC" */
	const char *names;
	const char *usage; /* "": none */
	const char *aki;
	enum who issuer;
	int64_t from, until, now;
	int64_t live; /* when the certificate that it replaces begins */
	bool foreign_key;
	int code; /* 0: ERR_PROTOCOL */
};

static const struct row rows[] = {
	/* good ones */
	{.what = "leaf and CA"},
	{.what = "leaf alone", .send = "L"},
	{.what = "leaf, intermediate, root", .send = "LMC", .issuer = BY_MIDDLE},
	{.what = "leaf and intermediate", .send = "LM", .issuer = BY_MIDDLE},
	{.what = "no extended key usage", .usage = ""},
	{.what = "both usages", .usage = "clientAuth,serverAuth"},
	{.what = "names in another order and case",
	 .names = "IP:2001:db8:0:0::1,DNS:EXAMPLE.org,IP:192.0.2.1,DNS:*.example.ORG"},
	{.what = "a name twice", .names = SAN ",DNS:example.org"},
	{.what = "a CA whose clock is five minutes ahead", .from = NOW + 300},
	{.what = "of the second of what it replaces", .live = FROM},
	{.what = "later than what it replaces", .live = FROM - 1},
	{.what = "ends before what it replaces", .until = NOW + DAY, .live = FROM - DAY},
	{.what = "valid for one more second", .until = NOW + 1},

	/* the text (RFC 8555 11.4); test_x509 has more of them */
	{.what = "nothing", .want = "no certificate", .send = ""},
	{.what = "a private key behind", .want = "is labelled PRIVATE KEY", .send = "LCK"},
	{.what = "a private key in front", .want = "is labelled PRIVATE KEY", .send = "KLC"},
	{.what = "a private key alone", .want = "is labelled PRIVATE KEY", .send = "K"},
	{.what = "junk behind", .want = "something else", .send = "LC#"},
	{.what = "junk in front", .want = "something else", .send = "#LC"},
	{.what = "junk between", .want = "something else", .send = "L#C"},
	{.what = "cut off", .want = "cut off", .send = "l"},
	{.what = "cut off before the CA", .want = "cut off", .send = "lC"},
	{.what = "eleven certificates", .want = "more than 10", .send = "LCCCCCCCCCC"},

	/* whose it is */
	{.what = "another key", .want = "for another key", .foreign_key = true},
	{.what = "the CA in front", .want = "for another key", .send = "CL"},
	{.what = "the CA alone", .want = "for another key", .send = "C"},
	{.what = "a name missing",
	 .want = "lacks the name *.example.org",
	 .names = "DNS:example.org,IP:192.0.2.1,IP:2001:DB8::1"},
	{.what = "an address missing",
	 .want = "lacks the name 192.0.2.1",
	 .names = "DNS:example.org,DNS:*.example.org,IP:2001:DB8::1"},
	{.what = "an address as a DNS name",
	 .want = "lacks the name 2001:db8::1",
	 .names = "DNS:example.org,DNS:*.example.org,IP:192.0.2.1,DNS:2001.db8.1"},
	{.what = "one name more",
	 .want = "has the name www.example.org",
	 .names = SAN ",DNS:www.example.org"},
	{.what = "one address more", .want = "has the name 10.0.0.1", .names = SAN ",IP:10.0.0.1"},
	{.what = "a wildcard of another depth",
	 .want = "lacks the name *.example.org",
	 .names = "DNS:example.org,DNS:*.a.example.org,IP:192.0.2.1,IP:2001:DB8::1"},
	{.what = "a name that the wildcard would cover",
	 .want = "lacks the name *.example.org",
	 .names = "DNS:example.org,DNS:a.example.org,IP:192.0.2.1,IP:2001:DB8::1"},
	{.what = "a trailing dot",
	 .want = "lacks the name example.org",
	 .names = "DNS:example.org.,DNS:*.example.org,IP:192.0.2.1,IP:2001:DB8::1"},
	{.what = "only a mail address", .want = "lacks the name", .names = "email:a@example.org"},

	/* when */
	{.what = "expired", .want = "expired at", .until = NOW - 1},
	{.what = "expires now", .want = "expired at", .until = NOW},
	{.what = "not yet valid", .want = "is not valid before", .from = NOW + 301},
	{.what = "older than what is live",
	 .want = "older than the one it replaces",
	 .live = FROM + 1},
	{.what = "an expired issuer",
	 .want = "certificate 2 of the chain (issued by CN = Expired CA) expired at",
	 .send = "LX",
	 .issuer = BY_EXPIRED},

	/* what for */
	{.what = "for clients only", .want = "lacks serverAuth", .usage = "clientAuth"},
	{.what = "no authority key identifier", .want = "authority key identifier", .aki = ""},

	/* by whom */
	{.what = "an unrelated issuer", .want = "under another name", .send = "LO"},
	{.what = "an issuer of the same name", .want = "not signed by", .send = "LT"},
	{.what = "signed by that one", .want = "not signed by", .issuer = BY_TWIN},
	{.what = "swapped issuers",
	 .want = "under another name",
	 .send = "LCM",
	 .issuer = BY_MIDDLE},
	{.what = "a gap in the chain",
	 .want = "under another name",
	 .send = "LC",
	 .issuer = BY_MIDDLE},
	{.what = "the leaf twice", .want = "under another name", .send = "LLC"},
	{.what = "an unrelated certificate at the end",
	 .want = "certificate 2 of the chain was issued under another name",
	 .send = "LCO"},
	{.what = "signed by what is no CA",
	 .want = "no CA",
	 .send = "LFC",
	 .aki = "0102", /* else it would have none */
	 .issuer = BY_FAKE},

	/* with such a clock nothing else can be judged, not even garbage */
	{.what = "a clock before the build",
	 .want = "set the clock",
	 .now = EVERLEAF_BUILD_DATE - 1,
	 .code = ERR_CONFIG},
	{.what = "that clock and no chain",
	 .want = "set the clock",
	 .send = "",
	 .now = 1,
	 .code = ERR_CONFIG},
};

static const char *piece(const struct bench *b, const struct made_cert *leaf, char letter)
{
	switch (letter) {
	case 'L':
		return leaf->pem;
	case 'C':
		return b->issuers[BY_CA]->pem;
	case 'M':
		return b->issuers[BY_MIDDLE]->pem;
	case 'X':
		return b->issuers[BY_EXPIRED]->pem;
	case 'O':
		return b->issuers[BY_OTHER]->pem;
	case 'T':
		return b->issuers[BY_TWIN]->pem;
	case 'F':
		return b->issuers[BY_FAKE]->pem;
	case 'K':
		return b->key_pem;
	default:
		return "junk\n";
	}
}

static char *make_text(const struct bench *b, const struct row *row)
{
	AUTO_MADE_CERT struct made_cert *leaf = make_cert(&(struct make_cert_spec){
		.subject = "example.org",
		.issuer = b->issuers[row->issuer],
		.key = row->foreign_key ? b->foreign : b->pkey,
		.names = row->names != NULL ? row->names : SAN,
		.usage = row->usage == NULL      ? "serverAuth"
			 : row->usage[0] != '\0' ? row->usage
						 : NULL,
		.aki = row->aki,
		.not_before = row->from != 0 ? row->from : FROM,
		.not_after = row->until != 0 ? row->until : UNTIL,
	});
	struct buf text AUTO_BUF = {0};

	buf_init(&text, 1024 * 1024);
	for (const char *s = row->send != NULL ? row->send : "LC"; *s != '\0'; s++) {
		if (*s == 'l')
			buf_add(&text, leaf->pem, strlen(leaf->pem) - 30);
		else
			buf_add_text(&text, piece(b, leaf, *s));
	}
	return buf_take(&text);
}

static void check_row(const struct bench *b, const struct row *row)
{
	const struct accept_wish wish = {.key_hash = b->hash,
					 .names = &b->names,
					 .now = row->now != 0 ? row->now : NOW,
					 .live_not_before = row->live};
	AUTO_FREE char *text = make_text(b, row);
	AUTO_CHAIN struct x509_chain *c = NULL;
	struct err e = {0};
	int r = accept_chain(text, strlen(text), &wish, &c, &e);

	if (row->want == NULL) {
		if (r != 0 || c == NULL)
			fail_msg("%s: %s", row->what, e.text);
		return;
	}
	if (r != (row->code != 0 ? row->code : ERR_PROTOCOL) || c != NULL)
		fail_msg("%s: answer %d, \"%s\"", row->what, r, e.text);
	if (strstr(e.text, row->want) == NULL)
		fail_msg("%s: \"%s\" lacks \"%s\"", row->what, e.text, row->want);
}

static void only_what_was_ordered_is_accepted_and_the_rest_says_why(void **state)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check_row(*state, &rows[i]);
}

/* The sentence names what is wrong first: with a foreign key nothing else matters. */
static void the_key_is_judged_before_everything_else(void **state)
{
	static const struct row row = {.what = "everything is wrong",
				       .want = "for another key",
				       .send = "LO",
				       .names = "DNS:evil.example",
				       .usage = "clientAuth",
				       .aki = "",
				       .until = NOW - 1,
				       .foreign_key = true};

	check_row(*state, &row);
}

static void the_accepted_chain_is_the_one_that_was_sent(void **state)
{
	const struct bench *b = *state;
	static const struct row row = {.send = "LMC", .issuer = BY_MIDDLE};
	const struct accept_wish wish = {.key_hash = b->hash, .names = &b->names, .now = NOW};
	AUTO_FREE char *text = make_text(b, &row);
	AUTO_FREE char *again = NULL;
	AUTO_CHAIN struct x509_chain *c = NULL;

	assert_int_equal(accept_chain(text, strlen(text), &wish, &c, NULL), 0);
	again = mem_printf("%s%s", x509_chain_leaf_pem(c), x509_chain_rest_pem(c));
	assert_string_equal(again, text);
	assert_int_equal(x509_chain_facts(c, 0)->not_after, UNTIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_was_ordered_is_accepted_and_the_rest_says_why),
		cmocka_unit_test(the_key_is_judged_before_everything_else),
		cmocka_unit_test(the_accepted_chain_is_the_one_that_was_sent),
	};
	return cmocka_run_group_tests(tests, make_bench, free_bench);
}
