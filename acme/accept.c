/* SPDX-License-Identifier: MIT
 *
 * accept — the list of what must be true of a chain before anybody may see it.
 *
 * Checks stand in the order in which their answers help: a chain with the wrong key is somebody
 * else's, so nothing else about it matters.
 */
#include "acme/accept.h"

#include "base/clock.h"

#include <string.h>

/* Set by the build (from SOURCE_DATE_EPOCH, so that it stays reproducible). */
#ifndef EVERLEAF_BUILD_DATE
#define EVERLEAF_BUILD_DATE 1763683200
#endif

/* A CA's clock may be ahead of ours by this much; most of them date back by an hour anyway. */
#define CLOCK_SKEW (5 * 60)

/* Every check below believes the clock, so it comes first. RFC 9773 6 warns of skew too. */
int accept_clock(int64_t present, struct err *e)
{
	char now[CLOCK_TEXT_SIZE], built[CLOCK_TEXT_SIZE];

	if (present >= EVERLEAF_BUILD_DATE)
		return 0;
	return err_set(e, ERR_CONFIG,
		       "the clock of this machine says %s, but this program was built at %s; set "
		       "the clock, no certificate can be judged before",
		       clock_format(present, now), clock_format(EVERLEAF_BUILD_DATE, built));
}

static int check_key(const struct x509_facts *leaf, const struct accept_wish *wish, struct err *e)
{
	if (memcmp(leaf->key_hash, wish->key_hash, sizeof(leaf->key_hash)) == 0)
		return 0;
	return err_set(e, ERR_PROTOCOL, "the certificate is for another key than the one ordered");
}

/* As sets: RFC 8555 7.1.3 gives the identifiers no order, and a CA may repeat one. */
static int check_names(const struct x509_facts *leaf, const struct accept_wish *wish, struct err *e)
{
	for (size_t i = 0; i < wish->names->count; i++) {
		if (!strlist_has(&leaf->names, wish->names->items[i]))
			return err_set(e, ERR_PROTOCOL, "the certificate lacks the name %s",
				       wish->names->items[i]);
	}
	for (size_t i = 0; i < leaf->names.count; i++) {
		if (!strlist_has(wish->names, leaf->names.items[i]))
			return err_set(e, ERR_PROTOCOL,
				       "the certificate has the name %s, which was not ordered",
				       leaf->names.items[i]);
	}
	return 0;
}

static int check_dates(const struct x509_facts *leaf, const struct accept_wish *wish, struct err *e)
{
	char date[CLOCK_TEXT_SIZE], other[CLOCK_TEXT_SIZE];

	if (leaf->not_before - CLOCK_SKEW > wish->now)
		return err_set(e, ERR_PROTOCOL,
			       "the certificate is not valid before %s, and it is %s now; is the "
			       "clock of this machine right?",
			       clock_format(leaf->not_before, date),
			       clock_format(wish->now, other));
	if (leaf->not_after <= wish->now)
		return err_set(e, ERR_PROTOCOL, "the certificate expired at %s, and it is %s now",
			       clock_format(leaf->not_after, date), clock_format(wish->now, other));
	/* Its end may well be earlier: lifetimes shrink from one renewal to the next. */
	if (leaf->not_before < wish->live_not_before)
		return err_set(e, ERR_PROTOCOL,
			       "the certificate is of %s, older than the one it replaces (%s)",
			       clock_format(leaf->not_before, date),
			       clock_format(wish->live_not_before, other));
	return 0;
}

static int check_use(const struct x509_chain *c, struct err *e)
{
	if (!x509_chain_serves_tls(c))
		return err_set(e, ERR_PROTOCOL,
			       "the certificate is not for TLS servers (its "
			       "extended key usage lacks serverAuth)");
	if (x509_chain_facts(c, 0)->ari_id == NULL)
		return err_set(e, ERR_PROTOCOL,
			       "the certificate does not say which key of the CA signed it (no "
			       "authority key identifier, RFC 5280 4.2.1.1), so the CA could not "
			       "tell us when to renew it");
	return 0;
}

/* An expired certificate in the middle breaks every client that has no other path. */
static int check_issuers(const struct x509_chain *c, const struct accept_wish *wish, struct err *e)
{
	char date[CLOCK_TEXT_SIZE];

	for (size_t i = 1; i < x509_chain_count(c); i++) {
		const struct x509_facts *f = x509_chain_facts(c, i);

		if (f->not_after <= wish->now)
			return err_set(e, ERR_PROTOCOL,
				       "certificate %zu of the chain (issued by %s) expired at %s",
				       i + 1, f->issuer, clock_format(f->not_after, date));
	}
	return 0;
}

int accept_chain(const char *pem, size_t len, const struct accept_wish *wish,
		 struct x509_chain **ret_chain, struct err *e)
{
	AUTO_CHAIN struct x509_chain *c = NULL;
	const struct x509_facts *leaf;
	int r;

	r = accept_clock(wish->now, e);
	if (r != 0)
		return r;
	r = x509_chain_parse(pem, len, &c, e);
	if (r != 0)
		return r;
	leaf = x509_chain_facts(c, 0);
	r = check_key(leaf, wish, e);
	if (r == 0)
		r = check_names(leaf, wish, e);
	if (r == 0)
		r = check_dates(leaf, wish, e);
	if (r == 0)
		r = check_use(c, e);
	if (r == 0)
		r = check_issuers(c, wish, e);
	if (r == 0)
		r = x509_chain_check(c, e);
	if (r != 0)
		return r;
	*ret_chain = TAKE(c);
	return 0;
}
