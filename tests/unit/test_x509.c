/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "base/x509.h"

#include "tests/unit/make_cert.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FROM  1999990000
#define UNTIL 2007000000
#define NOW   2000000000

/* A leaf and the CA that issued it, for all tests. */
struct pair {
	struct made_cert *ca;
	struct made_cert *leaf;
	char *key_pem;
};

static int make_pair(void **state)
{
	struct pair *p = mem_new(sizeof(*p));

	p->ca = make_cert(&(struct make_cert_spec){
		.subject = "Test CA", .ca = true, .not_before = FROM, .not_after = UNTIL});
	p->leaf = make_cert(&(struct make_cert_spec){.subject = "example.org",
						     .issuer = p->ca,
						     .names = "DNS:example.org",
						     .usage = "serverAuth",
						     .not_before = FROM,
						     .not_after = UNTIL});
	p->key_pem = make_cert_key_pem(p->leaf->key, false, NULL);
	*state = p;
	return 0;
}

static int free_pair(void **state)
{
	struct pair *p = *state;

	made_cert_free(p->ca);
	made_cert_free(p->leaf);
	free(p->key_pem);
	free(p);
	return 0;
}

static struct x509_chain *parse(const char *pem)
{
	struct x509_chain *c = NULL;
	struct err e = {0};

	if (x509_chain_parse(pem, strlen(pem), &c, &e) != 0)
		fail_msg("%s", e.text);
	return c;
}

/* The one certificate of that spec, through our parser. */
static struct x509_chain *parse_made(const struct make_cert_spec *spec)
{
	AUTO_MADE_CERT struct made_cert *made = make_cert(spec);

	return parse(made->pem);
}

static void assert_refused(const char *pem, size_t len, const char *want)
{
	struct x509_chain *c = NULL;
	struct err e = {0};

	assert_int_equal(x509_chain_parse(pem, len, &c, &e), ERR_PROTOCOL);
	assert_null(c);
	if (strstr(e.text, want) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", e.text, want);
}

/* Replaces @L by the leaf, @l by the leaf without its last line break, @C by the CA and @K by a
 * private key. */
static char *fill(const struct pair *p, const char *template)
{
	struct buf b AUTO_BUF = {0};

	buf_init(&b, 1024 * 1024);
	for (const char *t = template; *t != '\0'; t++) {
		if (*t != '@') {
			buf_add(&b, t, 1);
			continue;
		}
		t++;
		buf_add_text(&b, *t == 'C' ? p->ca->pem : *t == 'K' ? p->key_pem : p->leaf->pem);
		if (*t == 'l')
			b.data[--b.len] = '\0';
	}
	return buf_take(&b);
}

/* RFC 9773 4.1's own example. */
static void the_renewal_id_is_that_of_rfc_9773(void **state)
{
	AUTO_CHAIN struct x509_chain *c = parse_made(&(struct make_cert_spec){
		.subject = "a.example",
		.serial = "87654321",
		.aki = "69885b6b87464041e1b37b847ba0ae2cde01c8d4",
		.not_before = FROM,
		.not_after = UNTIL,
	});

	(void)state;
	assert_string_equal(x509_chain_facts(c, 0)->ari_id, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
	assert_string_equal(x509_chain_facts(c, 0)->serial, "87654321");
}

static void a_certificate_without_a_key_identifier_has_no_renewal_id(void **state)
{
	AUTO_CHAIN struct x509_chain *c = parse_made(&(struct make_cert_spec){
		.subject = "a.example", .aki = "", .not_before = FROM, .not_after = UNTIL});

	(void)state;
	assert_null(x509_chain_facts(c, 0)->ari_id);
}

static void a_serial_is_written_as_bytes(void **state)
{
	static const struct {
		const char *serial;
		const char *want;
	} rows[] = {
		{"1", "01"},
		{"0A3F", "0A3F"},
		{"7F", "7F"},
		{"80", "80"}, /* DER writes 0080 */
		{"0", "00"},
		{"-7F", "7F"}, /* no legal serial, and none to stumble over */
		{"0123456789abcdef0123456789abcdef01234567",
		 "0123456789ABCDEF0123456789ABCDEF01234567"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_CHAIN struct x509_chain *c =
			parse_made(&(struct make_cert_spec){.subject = "a.example",
							    .serial = rows[i].serial,
							    .not_before = FROM,
							    .not_after = UNTIL});

		assert_string_equal(x509_chain_facts(c, 0)->serial, rows[i].want);
	}
}

static void the_facts_of_a_certificate_are_what_it_says(void **state)
{
	const struct pair *p = *state;
	AUTO_KEY struct key *k = NULL;
	AUTO_MADE_CERT struct made_cert *made = NULL;
	AUTO_CHAIN struct x509_chain *c = NULL;
	AUTO_FREE char *names = NULL;
	AUTO_FREE char *others = NULL;
	const struct x509_facts *f;
	uint8_t hash[32];
	EVP_PKEY *pkey;

	assert_int_equal(key_generate(KEY_EC384, &k, NULL), 0);
	pkey = make_cert_pkey(k);
	made = make_cert(&(struct make_cert_spec){
		.subject = "www.example.org",
		.issuer = p->ca,
		.key = pkey,
		.names = "DNS:www.Example.ORG,IP:2001:DB8:0:0::1,DNS:*.a.example,IP:192.0.2.1,"
			 "email:x@example.org,URI:https://example.org/,DNS:a.example",
		.not_before = -86400,
		.not_after = 4102444800, /* 2100, a GeneralizedTime */
	});
	EVP_PKEY_free(pkey);
	c = parse(made->pem);
	f = x509_chain_facts(c, 0);
	names = strlist_join(&f->names, " ");
	assert_string_equal(names, "*.a.example 192.0.2.1 2001:db8::1 a.example www.example.org");
	others = strlist_join(&f->others, " ");
	assert_string_equal(others, "email:x@example.org URI:https://example.org/");
	assert_string_equal(f->subject, "CN = www.example.org");
	assert_int_equal(f->not_before, -86400);
	assert_int_equal(f->not_after, 4102444800);
	assert_string_equal(f->issuer, "CN = Test CA");
	key_hash(k, hash);
	assert_memory_equal(f->key_hash, hash, 32);
	assert_int_equal(X509_digest(made->x509, EVP_sha256(), hash, NULL), 1);
	assert_memory_equal(f->fingerprint, hash, 32);
}

static void an_issuer_cannot_smuggle_control_characters(void **state)
{
	static const struct {
		const char *subject;
		const char *want;
	} rows[] = {
		{"caf\xc3\xa9", "CN = caf\xc3\xa9"},
		{"a\xe2\x80\xae"
		 "b",
		 "CN = a\\xE2\\x80\\xAEb"}, /* bidi override */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_CHAIN struct x509_chain *c = parse_made(&(struct make_cert_spec){
			.subject = rows[i].subject, .not_before = FROM, .not_after = UNTIL});

		if (strcasecmp(x509_chain_facts(c, 0)->issuer, rows[i].want) != 0)
			fail_msg("%s", x509_chain_facts(c, 0)->issuer);
	}
}

static void an_index_beyond_the_chain_has_no_facts(void **state)
{
	const struct pair *p = *state;
	AUTO_CHAIN struct x509_chain *c = parse(p->leaf->pem);

	assert_int_equal(x509_chain_count(c), 1);
	assert_null(x509_chain_facts(c, 1));
}

/* White space is all that may stand around blocks, and the text is written anew without it. */
static void only_white_space_between_blocks_is_tolerated_and_not_kept(void **state)
{
	static const char *const rows[] = {"@L@C", "\n\n@L\n\n@C", " @L \t@C\r\n", "@L@C \n \r\n",
					   "\r\n@L\r\n@C\n\n"};
	const struct pair *p = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_FREE char *text = fill(p, rows[i]);
		AUTO_CHAIN struct x509_chain *c = parse(text);

		assert_int_equal(x509_chain_count(c), 2);
		assert_string_equal(x509_chain_leaf_pem(c), p->leaf->pem);
		assert_string_equal(x509_chain_rest_pem(c), p->ca->pem);
	}
}

static void a_leaf_alone_has_an_empty_rest(void **state)
{
	const struct pair *p = *state;
	AUTO_FREE char *text = fill(p, "@l");
	AUTO_CHAIN struct x509_chain *c = parse(text);

	assert_string_equal(x509_chain_leaf_pem(c), p->leaf->pem);
	assert_string_equal(x509_chain_rest_pem(c), "");
	assert_int_equal(x509_chain_build(c, 0, NOW, NULL), 0);
	assert_int_equal(x509_chain_count(c), 1);
}

static void windows_line_ends_are_read(void **state)
{
	const struct pair *p = *state;
	struct buf b AUTO_BUF = {0};
	AUTO_CHAIN struct x509_chain *c = NULL;

	buf_init(&b, 65536);
	for (const char *t = p->leaf->pem; *t != '\0'; t++)
		buf_add(&b, *t == '\n' ? "\r\n" : t, *t == '\n' ? 2 : 1);
	c = parse(b.data);
	assert_string_equal(x509_chain_leaf_pem(c), p->leaf->pem);
}

#define BEGIN "-----BEGIN CERTIFICATE-----\n"
#define END   "-----END CERTIFICATE-----\n"

/* RFC 8555 11.4: anything but certificates makes the whole answer worthless. */
static const struct {
	const char *text;
	const char *want;
} wrong_texts[] = {
	{"", "no certificate"},
	{" \r\n\t", "no certificate"},
	{"@K", "block 1 of the certificate chain is labelled PRIVATE KEY"},
	{"@L@K", "block 2 of the certificate chain is labelled PRIVATE KEY"},
	{"@L@C@K", "block 3 of the certificate chain is labelled PRIVATE KEY"},
	{"@K@L@C", "block 1 of the certificate chain is labelled PRIVATE KEY"},
	{"@L-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "is labelled X509 CRL"},
	{"-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n", "is labelled TRUSTED CERTIFICATE"},
	{"-----BEGIN X509 CERTIFICATE-----\nAAAA\n", "is labelled X509 CERTIFICATE"},
	{"-----BEGIN certificate-----\nAAAA\n", "is labelled certificate, only"},
	{"-----BEGIN \x1b[2J-----\n", "\\x1"},
	{"-----BEGIN 01234567890123456789012345678901234567890-----", "no readable label"},
	{"-----BEGIN ", "no readable label"},
	{"-----BEGIN", "something else than a PEM block"},
	{"-", "something else than a PEM block"},
	{"<html>captive portal</html>", "something else than a PEM block"},
	{"subject=CN = example.org\n@L", "something else than a PEM block"},
	{"\xef\xbb\xbf@L", "something else than a PEM block"},
	{"@L# the issuer:\n@C", "where block 2 should begin"},
	{"@L@Cjunk", "where block 3 should begin"},
	{"@l@C", "followed by something else"},
	{"@ljunk", "followed by something else"},
	{BEGIN END, "cannot be read"},
	{BEGIN "AAAA\n" END, "cannot be read"},
	{BEGIN "AAA\n" END, "no base64"},
	{BEGIN "AA=A\n" END, "no base64"},
	{BEGIN "A===\n" END, "no base64"},
	{BEGIN "AAAA====\n" END, "no base64"},
	{BEGIN "AAAA=\n" END, "no base64"},
	{BEGIN "AAA_\n" END, "no base64"},
	{BEGIN "AA*A\n" END, "no base64"},
	{BEGIN "AAB=\n" END, "no base64"}, /* bits left over */
	{BEGIN "Proc-Type: 4,ENCRYPTED\n\nAAAA\n" END, "cut off or damaged"},
	{BEGIN "AAAA\n", "cut off or damaged"},
	{BEGIN, "cut off or damaged"},
	{BEGIN "AAAA-----END CERTIFICATE-----\n", "cut off or damaged"},
	{BEGIN "AAAA\n-----END PRIVATE KEY-----\n", "cut off or damaged"},
	{BEGIN "AAAA\n-----END CERTIFICATE----\n", "cut off or damaged"},
	{BEGIN BEGIN "AAAA\n" END, "cut off or damaged"},
	{"-----BEGIN CERTIFICATE-----", "no line of its own"},
	{"-----BEGIN CERTIFICATE-----AAAA\n" END, "no line of its own"},
	{"@L@C@L@C@L@C@L@C@L@C@L", "more than 10 certificates"},
};

static void a_text_that_is_not_only_certificates_is_refused_as_a_whole(void **state)
{
	const struct pair *p = *state;

	for (size_t i = 0; i < COUNT_OF(wrong_texts); i++) {
		AUTO_FREE char *text = fill(p, wrong_texts[i].text);

		assert_refused(text, strlen(text), wrong_texts[i].want);
	}
}

static void a_nul_does_not_end_the_text_early(void **state)
{
	const struct pair *p = *state;
	struct buf b AUTO_BUF = {0};

	buf_init(&b, 65536);
	buf_add_text(&b, p->leaf->pem);
	buf_add(&b, "\0", 1);
	buf_add_text(&b, p->key_pem);
	assert_refused(b.data, b.len, "where block 2 should begin");
}

static void the_text_of_somebody_elses_key_is_never_quoted(void **state)
{
	const struct pair *p = *state;
	struct x509_chain *c = NULL;
	struct err e = {0};
	AUTO_FREE char *text = fill(p, "@L@K");
	AUTO_FREE char *line = mem_strn(strchr(p->key_pem, '\n') + 1, 16);

	assert_int_equal(x509_chain_parse(text, strlen(text), &c, &e), ERR_PROTOCOL);
	assert_null(strstr(e.text, line));
}

/* Cut anywhere but after a whole certificate it is refused; a changed byte never passes. */
static void a_chain_is_refused_when_cut_or_changed_at_any_byte(void **state)
{
	const struct pair *p = *state;
	AUTO_FREE char *text = fill(p, "@L@C");
	size_t len = strlen(text), leaf = strlen(p->leaf->pem);

	for (size_t n = 0; n < len; n++) {
		struct x509_chain *c = NULL;
		char kept = text[n];

		if (n == leaf - 1 || n == leaf || n == len - 1)
			continue;
		assert_int_equal(x509_chain_parse(text, n, &c, NULL), ERR_PROTOCOL);
		text[n] = '!';
		assert_int_equal(x509_chain_parse(text, len, &c, NULL), ERR_PROTOCOL);
		text[n] = kept;
	}
}

static char *pem_of(const unsigned char *der, size_t len)
{
	AUTO_FREE char *text = mem_new(len * 2 + 8);

	EVP_EncodeBlock((unsigned char *)text, der, (int)len);
	return mem_printf(BEGIN "%s\n" END, text);
}

static void what_is_not_exactly_one_certificate_in_der_is_refused(void **state)
{
	const struct pair *p = *state;
	unsigned char *der = NULL, *changed;
	AUTO_FREE char *longer = NULL;
	AUTO_FREE char *padded = NULL;
	AUTO_FREE char *shorter = NULL;
	int len = i2d_X509(p->leaf->x509, &der);

	assert_true(len > 256);
	changed = mem_new((size_t)len + 1);
	memcpy(changed, der, (size_t)len);
	longer = pem_of(changed, (size_t)len + 1);
	shorter = pem_of(changed, (size_t)len - 1);
	/* the outer length in three bytes instead of two: legal BER only */
	changed[1] = 0x83;
	changed[2] = 0;
	memcpy(changed + 3, der + 2, (size_t)len - 2);
	padded = pem_of(changed, (size_t)len + 1);
	assert_refused(longer, strlen(longer), "not plain DER");
	assert_refused(shorter, strlen(shorter), "cannot be read");
	assert_refused(padded, strlen(padded), "not plain DER");
	free(changed);
	OPENSSL_free(der);
}

static void a_certificate_above_its_limit_is_refused(void **state)
{
	AUTO_FREE char *many = NULL;
	AUTO_MADE_CERT struct made_cert *made = NULL;
	struct buf b AUTO_BUF = {0};

	(void)state;
	buf_init(&b, 1024 * 1024);
	for (int i = 0; i < 4000; i++)
		buf_printf(&b, "%sDNS:host-%d.example.org", i > 0 ? "," : "", i);
	many = buf_take(&b);
	made = make_cert(&(struct make_cert_spec){
		.subject = "a", .names = many, .not_before = FROM, .not_after = UNTIL});
	assert_refused(made->pem, strlen(made->pem), "above 64 KiB");
}

static void a_text_above_its_limit_is_refused(void **state)
{
	const struct pair *p = *state;
	AUTO_FREE char *text = mem_new(X509_MAX_PEM + 2);
	AUTO_CHAIN struct x509_chain *c = NULL;

	memset(text, '\n', X509_MAX_PEM + 1);
	memcpy(text, p->leaf->pem, strlen(p->leaf->pem));
	assert_int_equal(x509_chain_parse(text, X509_MAX_PEM, &c, NULL), 0);
	assert_refused(text, X509_MAX_PEM + 1, "more than 262144");
}

static void a_certificate_with_unreadable_names_is_refused(void **state)
{
	static const struct {
		const char *hex;
		const char *want;
	} rows[] = {
		{"30058203610062", "a name that is none"}, /* "a\0b" */
		{"30038201e4", "a name that is none"},     /* not ASCII */
		{"300582036120"
		 "62",
		 "a name that is none"},                       /* a space */
		{"30028200", "a name that is none"},           /* empty */
		{"300787050102030405", "a name that is none"}, /* an address of five bytes */
		{"30820100", "subjectAltName cannot be read"}, /* cut off */
		{"0101ff", "subjectAltName cannot be read"},   /* no sequence */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_MADE_CERT struct made_cert *made =
			make_cert(&(struct make_cert_spec){.subject = "a.example",
							   .names_hex = rows[i].hex,
							   .not_before = FROM,
							   .not_after = UNTIL});
		struct x509_chain *c = NULL;
		struct err e = {0};

		assert_int_equal(x509_chain_parse(made->pem, strlen(made->pem), &c, &e),
				 ERR_PROTOCOL);
		/* libcrypto may have refused the extension before we did */
		if (strstr(e.text, rows[i].want) == NULL &&
		    strstr(e.text, "extensions that cannot be read") == NULL)
			fail_msg("row %zu: %s", i, e.text);
	}
}

static void a_certificate_is_for_servers_unless_it_says_otherwise(void **state)
{
	static const struct {
		const char *usage;
		bool serves;
	} rows[] = {
		{NULL, true},
		{"serverAuth", true},
		{"clientAuth,serverAuth", true},
		{"clientAuth", false},
		{"emailProtection,1.2.3.4", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_CHAIN struct x509_chain *c =
			parse_made(&(struct make_cert_spec){.subject = "a.example",
							    .usage = rows[i].usage,
							    .not_before = FROM,
							    .not_after = UNTIL});

		assert_true((x509_chain_misfit(c, 0) == NULL) == rows[i].serves);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_renewal_id_is_that_of_rfc_9773),
		cmocka_unit_test(a_certificate_without_a_key_identifier_has_no_renewal_id),
		cmocka_unit_test(a_serial_is_written_as_bytes),
		cmocka_unit_test(the_facts_of_a_certificate_are_what_it_says),
		cmocka_unit_test(an_issuer_cannot_smuggle_control_characters),
		cmocka_unit_test(an_index_beyond_the_chain_has_no_facts),
		cmocka_unit_test(only_white_space_between_blocks_is_tolerated_and_not_kept),
		cmocka_unit_test(a_leaf_alone_has_an_empty_rest),
		cmocka_unit_test(windows_line_ends_are_read),
		cmocka_unit_test(a_text_that_is_not_only_certificates_is_refused_as_a_whole),
		cmocka_unit_test(a_nul_does_not_end_the_text_early),
		cmocka_unit_test(the_text_of_somebody_elses_key_is_never_quoted),
		cmocka_unit_test(a_chain_is_refused_when_cut_or_changed_at_any_byte),
		cmocka_unit_test(what_is_not_exactly_one_certificate_in_der_is_refused),
		cmocka_unit_test(a_certificate_above_its_limit_is_refused),
		cmocka_unit_test(a_text_above_its_limit_is_refused),
		cmocka_unit_test(a_certificate_with_unreadable_names_is_refused),
		cmocka_unit_test(a_certificate_is_for_servers_unless_it_says_otherwise),
	};
	return cmocka_run_group_tests(tests, make_pair, free_pair);
}
