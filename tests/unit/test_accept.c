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
	BY_MIDDLE = 0, /* an intermediate, which signs and is sent along */
	BY_CA,         /* the root above it */
	BY_EXPIRED,    /* a CA that expired yesterday */
	BY_OTHER,      /* another CA */
	BY_TWIN,       /* another CA of the same name */
	BY_FAKE,       /* a certificate that is no CA */
	BY_FIRST,      /* a CA of version 1, which has no basic constraints */
	BY_HINTED,     /* a CA by its key usage alone */
	BY_CROSS,      /* the CA, as the other CA signed it */
	BY_PAST,       /* the CA, as the expired CA signed it while it could */
	BY_LAPSED,     /* the CA, as the other CA signed it until yesterday */
	BY_DOUBLE,     /* the intermediate, as the other CA signed it */
	ISSUERS,       /* how many */
};

struct bench {
	struct key *key;
	uint8_t hash[KEY_HASH_SIZE];
	struct strlist names;
	EVP_PKEY *pkey;
	EVP_PKEY *foreign;
	char *key_pem;
	struct made_cert *issuers[ISSUERS];
	struct made_cert *beside[2]; /* for our key, and not what was ordered */
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

/* The same name and key, signed by another. */
static struct made_cert *make_again(const struct made_cert *what, const char *subject,
				    const struct made_cert *by, int64_t until)
{
	return make_cert(&(struct make_cert_spec){.subject = subject,
						  .issuer = by,
						  .key = what->key,
						  .not_before = FROM - 900 * DAY,
						  .not_after = until,
						  .ca = true});
}

static void make_odd_issuers(struct bench *b)
{
	const int64_t until = UNTIL + 900 * DAY;

	b->issuers[BY_FIRST] = make_cert(&(struct make_cert_spec){
		.subject = "First", .not_before = FROM, .not_after = until, .version_1 = true});
	b->issuers[BY_HINTED] = make_cert(&(struct make_cert_spec){.subject = "Hinted",
								   .not_before = FROM,
								   .not_after = until,
								   .ca = true,
								   .no_constraints = true});
	b->issuers[BY_CROSS] = make_again(b->issuers[BY_CA], "CA", b->issuers[BY_OTHER], until);
	b->issuers[BY_PAST] = make_again(b->issuers[BY_CA], "CA", b->issuers[BY_EXPIRED], until);
	b->issuers[BY_LAPSED] =
		make_again(b->issuers[BY_CA], "CA", b->issuers[BY_OTHER], NOW - DAY);
	b->issuers[BY_DOUBLE] =
		make_again(b->issuers[BY_MIDDLE], "Middle", b->issuers[BY_OTHER], until);
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
	make_odd_issuers(b);
	b->beside[0] = make_cert(&(struct make_cert_spec){.subject = "example.org",
							  .issuer = b->issuers[BY_CA],
							  .key = b->pkey,
							  .names = SAN,
							  .not_before = FROM,
							  .not_after = UNTIL,
							  .ca = true});
	b->beside[1] = make_cert(&(struct make_cert_spec){.subject = "example.org",
							  .issuer = b->issuers[BY_MIDDLE],
							  .key = b->pkey,
							  .names = "DNS:other.example",
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
	made_cert_free(b->beside[0]);
	made_cert_free(b->beside[1]);
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
	const char *send; /* a letter for each, see piece(); NULL: "LM" */
	const char *take; /* then: what of it is shown, the leaf first; NULL: what was sent */
	const char *names;
	const char *usage; /* "": none */
	const char *aki;
	enum who issuer; /* 0: the intermediate */
	int64_t from, until, now;
	int64_t live;     /* when the certificate that it replaces begins */
	int64_t live_end; /* … and ends, when that counts */
	bool foreign_key, ca, critical;
	const char *key_usage;
	int code; /* 0: ERR_PROTOCOL */
};

static const struct row rows[] = {
	/* good ones */
	{.what = "leaf and intermediate"},
	{.what = "leaf alone", .send = "L"},
	{.what = "leaf alone, of the root", .send = "L", .issuer = BY_CA},
	{.what = "no extended key usage", .usage = ""},
	{.what = "both usages", .usage = "clientAuth,serverAuth"},
	{.what = "a key usage", .key_usage = "digitalSignature"},
	{.what = "the key usage of RSA", .key_usage = "keyEncipherment"},
	{.what = "names in another order and case",
	 .names = "IP:2001:db8:0:0::1,DNS:EXAMPLE.org,IP:192.0.2.1,DNS:*.example.ORG"},
	{.what = "a name twice", .names = SAN ",DNS:example.org"},
	{.what = "a CA whose clock is five minutes ahead", .from = NOW + 300},
	{.what = "of the second of what it replaces", .live = FROM},
	{.what = "later than what it replaces", .live = FROM - 1},
	{.what = "ends before what it replaces, where that does not count",
	 .until = NOW + DAY,
	 .live = FROM - DAY},
	{.what = "ends with what it replaces", .live = FROM - DAY, .live_end = UNTIL},
	{.what = "valid for one more second", .until = NOW + 1},
	{.what = "no authority key identifier", .aki = ""},

	/* what is not needed is left out, and what is in disorder is put in order */
	{.what = "root included", .send = "LMC", .take = "LM"},
	{.what = "of the root itself", .send = "LC", .take = "L", .issuer = BY_CA},
	{.what = "the leaf twice", .send = "LLM", .take = "LM"},
	{.what = "everything twice", .send = "LMLMCC", .take = "LM"},
	{.what = "the leaf last", .send = "MCL", .take = "LM"},
	{.what = "swapped issuers", .send = "LCM", .take = "LM"},
	{.what = "an unrelated certificate at the end", .send = "LMO", .take = "LM"},
	{.what = "an unrelated certificate between", .send = "LOM", .take = "LM"},
	{.what = "a cross-sign", .send = "LMA", .take = "LMA"},
	{.what = "a cross-sign and both roots", .send = "LMCAO", .take = "LMA"},
	{.what = "an expired cross-sign", .send = "LMX", .take = "LM"},
	{.what = "a cross-sign that lapsed", .send = "LME", .take = "LM"},
	{.what = "a cross-sign of an expired root", .send = "LMPX", .take = "LMP"},
	{.what = "… and the root itself", .send = "LMPXC", .take = "LM"},
	{.what = "… and the root before it", .send = "LMCPX", .take = "LM"},
	{.what = "a superfluous cross-sign", .send = "LMD", .take = "LM"},
	{.what = "… first", .send = "LDM", .take = "LD"},
	{.what = "… and its root", .send = "LMDO", .take = "LM"},
	{.what = "cross-signs that lead in a circle", .send = "LMACO", .take = "LMA"},
	{.what = "an issuer of the same name beside the right one", .send = "LTCM", .take = "LM"},
	{.what = "a forged root of the right name", .send = "LMT", .take = "LM"},
	{.what = "a leaf and a CA, both for our key", .send = "BLM", .take = "LM"},
	{.what = "a leaf for other names and the right one", .send = "NLM", .take = "LM"},

	/* the text (RFC 8555 11.4); test_x509 has more of them */
	{.what = "nothing", .want = "no certificate", .send = ""},
	{.what = "a private key behind", .want = "is labelled PRIVATE KEY", .send = "LMK"},
	{.what = "a private key in front", .want = "is labelled PRIVATE KEY", .send = "KLM"},
	{.what = "a private key alone", .want = "is labelled PRIVATE KEY", .send = "K"},
	{.what = "junk behind", .want = "something else", .send = "LM#"},
	{.what = "junk in front", .want = "something else", .send = "#LM"},
	{.what = "junk between", .want = "something else", .send = "L#M"},
	{.what = "cut off", .want = "cut off", .send = "l"},
	{.what = "cut off before the CA", .want = "cut off", .send = "lM"},
	{.what = "eleven certificates", .want = "more than 10", .send = "LMCCCCCCCCC"},

	/* whose it is */
	{.what = "another key", .want = "for another key", .foreign_key = true},
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
	{.what = "a mail address more",
	 .want = "has the name email:a@example.org, which was not ordered",
	 .names = SAN ",email:a@example.org"},
	{.what = "a URI more",
	 .want = "has the name URI:spiffe://example.org/x",
	 .names = SAN ",URI:spiffe://example.org/x"},
	{.what = "a name that is only a number",
	 .want = "registeredID",
	 .names = SAN ",RID:1.2.3.4"},
	{.what = "a name of another kind",
	 .want = "has the name otherName",
	 .names = SAN ",otherName:1.2.3.4;UTF8:x"},

	/* when */
	{.what = "expired", .want = "expired at", .until = NOW - 1},
	{.what = "expires now", .want = "expired at", .until = NOW},
	{.what = "not yet valid", .want = "is not valid before", .from = NOW + 301},
	{.what = "older than what is live",
	 .want = "older than the one it replaces",
	 .live = FROM + 1},
	{.what = "ends before what it replaces, where that counts",
	 .want = "before the one it replaces",
	 .until = NOW + DAY,
	 .live = FROM - DAY,
	 .live_end = NOW + DAY + 1},
	{.what = "an expired issuer",
	 .want = "certificate 2 of the chain, which issued it (CN = Expired CA, issued by CN = "
		 "Expired CA), expired at",
	 .send = "LX",
	 .issuer = BY_EXPIRED},

	/* what for */
	{.what = "for clients only", .want = "lacks serverAuth", .usage = "clientAuth"},
	{.what = "a CA", .want = "CA:TRUE", .ca = true},
	{.what = "for signing certificates", .want = "key usage", .key_usage = "keyCertSign"},
	{.what = "an extension that nobody knows", .want = "critical extension", .critical = true},

	/* by whom */
	{.what = "an unrelated issuer", .want = "no certificate of that name", .send = "LO"},
	{.what = "an issuer of the same name",
	 .want = "did not sign",
	 .send = "LT",
	 .issuer = BY_CA},
	{.what = "signed by that one", .want = "did not sign", .send = "LC", .issuer = BY_TWIN},
	{.what = "a gap in the chain",
	 .want = "issued by CN = Middle, and no certificate of that name",
	 .send = "LC"},
	{.what = "signed by what is no CA",
	 .want = "(CN = Fake), but is no CA",
	 .send = "LFC",
	 .aki = "0102", /* else it would have none */
	 .issuer = BY_FAKE},
	{.what = "signed by a CA of version 1",
	 .want = "is no CA",
	 .send = "L1",
	 .aki = "0102",
	 .issuer = BY_FIRST},
	{.what = "signed by a CA by its key usage alone",
	 .want = "is no CA",
	 .send = "LH",
	 .issuer = BY_HINTED},

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

/* L leaf, l leaf without its end, B a CA for our key, N a leaf for other names, M intermediate,
 * C root, X expired, O other, T twin, F fake, 1 version 1, H hinted, A cross-sign of the root, P
 * that of an expired one, E one that lapsed, D cross-sign of the intermediate, K private key, else
 * junk. */
static const char *piece(const struct bench *b, const struct made_cert *leaf, char letter)
{
	static const char issuers[] = "MCXOTF1HAPED"; /* as in enum who */
	const char *at = strchr(issuers, letter);

	if (at != NULL)
		return b->issuers[at - issuers]->pem;
	if (letter == 'L')
		return leaf->pem;
	if (letter == 'B' || letter == 'N')
		return b->beside[letter == 'B' ? 0 : 1]->pem;
	return letter == 'K' ? b->key_pem : "junk\n";
}

static struct made_cert *make_leaf(const struct bench *b, const struct row *row)
{
	return make_cert(&(struct make_cert_spec){
		.subject = "example.org",
		.issuer = b->issuers[row->issuer],
		.key = row->foreign_key ? b->foreign : b->pkey,
		.names = row->names != NULL ? row->names : SAN,
		.usage = row->usage == NULL      ? "serverAuth"
			 : row->usage[0] != '\0' ? row->usage
						 : NULL,
		.key_usage = row->key_usage,
		.aki = row->aki,
		.not_before = row->from != 0 ? row->from : FROM,
		.not_after = row->until != 0 ? row->until : UNTIL,
		.ca = row->ca,
		.critical = row->critical,
	});
}

static char *make_text(const struct bench *b, const struct made_cert *leaf, const char *letters)
{
	struct buf text AUTO_BUF = {0};

	buf_init(&text, 1024 * 1024);
	for (const char *s = letters; *s != '\0'; s++) {
		if (*s == 'l')
			buf_add(&text, leaf->pem, strlen(leaf->pem) - 30);
		else
			buf_add_text(&text, piece(b, leaf, *s));
	}
	return buf_take(&text);
}

/* A line for each certificate that is not shown. */
static void check_taken(const struct bench *b, const struct made_cert *leaf, const struct row *row,
			const struct x509_chain *c)
{
	const char *sent = row->send != NULL ? row->send : "LM";
	const char *take = row->take != NULL ? row->take : sent;
	AUTO_FREE char *want = make_text(b, leaf, take);
	AUTO_FREE char *got = mem_printf("%s%s", x509_chain_leaf_pem(c), x509_chain_rest_pem(c));

	if (strcmp(got, want) != 0)
		fail_msg("%s: not %s of %s is shown", row->what, take, sent);
	if (x509_chain_count(c) != strlen(take) ||
	    x509_chain_left_out(c)->count != strlen(sent) - strlen(take))
		fail_msg("%s: %zu are left out", row->what, x509_chain_left_out(c)->count);
}

static void check_row(const struct bench *b, const struct row *row)
{
	const struct accept_wish wish = {.key_hash = b->hash,
					 .names = &b->names,
					 .now = row->now != 0 ? row->now : NOW,
					 .live_not_before = row->live,
					 .live_not_after = row->live_end};
	AUTO_MADE_CERT struct made_cert *leaf = make_leaf(b, row);
	AUTO_FREE char *text = make_text(b, leaf, row->send != NULL ? row->send : "LM");
	AUTO_CHAIN struct x509_chain *c = NULL;
	struct err e = {0};
	int r = accept_chain(text, strlen(text), &wish, &c, &e);

	if (row->want == NULL) {
		if (r != 0 || c == NULL)
			fail_msg("%s: %s", row->what, e.text);
		check_taken(b, leaf, row, c);
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

/* Each for its reason, by where it stood, so that people find it. */
static void what_is_left_out_is_told_with_its_reason(void **state)
{
	static const char *const whys[] = {
		"certificate 2 (CN = example.org, issued by CN = Middle, ",
		"it came twice",
		"certificate 4 (CN = CA, issued by CN = Other CA, ",
		"it has expired",
		"certificate 5 (CN = CA, issued by CN = CA, ",
		"it is a root, which clients have themselves",
		"certificate 6 (CN = Middle, issued by CN = Other CA, ",
		"it is not needed",
	};
	const struct bench *b = *state;
	static const struct row row = {0};
	const struct accept_wish wish = {.key_hash = b->hash, .names = &b->names, .now = NOW};
	AUTO_MADE_CERT struct made_cert *leaf = make_leaf(b, &row);
	AUTO_FREE char *text = make_text(b, leaf, "LLMECD");
	AUTO_CHAIN struct x509_chain *c = NULL;
	const struct strlist *left_out;

	assert_int_equal(accept_chain(text, strlen(text), &wish, &c, NULL), 0);
	left_out = x509_chain_left_out(c);
	assert_int_equal(left_out->count, COUNT_OF(whys) / 2);
	for (size_t i = 0; i < COUNT_OF(whys); i++)
		if (strstr(left_out->items[i / 2], whys[i]) == NULL)
			fail_msg("\"%s\" lacks \"%s\"", left_out->items[i / 2], whys[i]);
	assert_int_equal(x509_chain_facts(c, 0)->not_after, UNTIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_was_ordered_is_accepted_and_the_rest_says_why),
		cmocka_unit_test(the_key_is_judged_before_everything_else),
		cmocka_unit_test(what_is_left_out_is_told_with_its_reason),
	};
	return cmocka_run_group_tests(tests, make_bench, free_bench);
}
