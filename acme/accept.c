/* SPDX-License-Identifier: MIT
 *
 * accept — the list of what must be true of a certificate before anybody may see it, and the search
 * for a chain that can be shown in what came with it (base/x509_path.c).
 *
 * Checks stand in the order in which their answers help: a certificate with the wrong key is
 * somebody else's, so nothing else about it matters.
 */
#include "acme/accept.h"

#include "base/clock.h"

#include <string.h>

/* Set by the build (from SOURCE_DATE_EPOCH, so that it stays reproducible). */
#ifndef EVERLEAF_BUILD_DATE
#define EVERLEAF_BUILD_DATE 1763683200
#endif

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
	if (leaf->others.count > 0)
		return err_set(e, ERR_PROTOCOL,
			       "the certificate has the name %s, which was not ordered",
			       leaf->others.items[0]);
	return 0;
}

static int check_dates(const struct x509_facts *leaf, const struct accept_wish *wish, struct err *e)
{
	char date[CLOCK_TEXT_SIZE], other[CLOCK_TEXT_SIZE];

	if (leaf->not_before - X509_CLOCK_SKEW > wish->now)
		return err_set(e, ERR_PROTOCOL,
			       "the certificate is not valid before %s, and it is %s now; is the "
			       "clock of this machine right?",
			       clock_format(leaf->not_before, date),
			       clock_format(wish->now, other));
	if (leaf->not_after <= wish->now)
		return err_set(e, ERR_PROTOCOL, "the certificate expired at %s, and it is %s now",
			       clock_format(leaf->not_after, date), clock_format(wish->now, other));
	if (leaf->not_before < wish->live_not_before)
		return err_set(e, ERR_PROTOCOL,
			       "the certificate is of %s, older than the one it replaces (%s)",
			       clock_format(leaf->not_before, date),
			       clock_format(wish->live_not_before, other));
	if (leaf->not_after < wish->live_not_after)
		return err_set(e, ERR_PROTOCOL,
			       "the certificate ends at %s, before the one it replaces (%s)",
			       clock_format(leaf->not_after, date),
			       clock_format(wish->live_not_after, other));
	return 0;
}

static int check_leaf(const struct x509_chain *c, size_t i, const struct accept_wish *wish,
		      struct err *e)
{
	const struct x509_facts *leaf = x509_chain_facts(c, i);
	const char *misfit = x509_chain_misfit(c, i);
	int r = check_names(leaf, wish, e);

	if (r == 0)
		r = check_dates(leaf, wish, e);
	if (r == 0 && misfit != NULL)
		r = err_set(e, ERR_PROTOCOL, "no TLS client takes the certificate: %s", misfit);
	return r;
}

/* RFC 8555 9.1 has it first, some CAs have it elsewhere, or twice: it is the one with our key. Of
 * several that are not what was ordered the first says why. */
static int find_leaf(const struct x509_chain *c, const struct accept_wish *wish, size_t *ret_leaf,
		     struct err *e)
{
	struct err first = {0};

	for (size_t i = 0; i < x509_chain_count(c); i++) {
		const uint8_t *hash = x509_chain_facts(c, i)->key_hash;

		if (memcmp(hash, wish->key_hash, KEY_HASH_SIZE) != 0)
			continue;
		if (check_leaf(c, i, wish, first.code == ERR_NONE ? &first : NULL) == 0) {
			*ret_leaf = i;
			return 0;
		}
	}
	if (first.code == ERR_NONE) {
		err_set(e, ERR_PROTOCOL, "the certificate is for another key than the one ordered");
		return err_because(e, CAUSE_OTHER_KEY);
	}
	if (e != NULL)
		*e = first;
	return first.code;
}

int accept_chain(const char *pem, size_t len, const struct accept_wish *wish,
		 struct x509_chain **ret_chain, struct err *e)
{
	AUTO_CHAIN struct x509_chain *c = NULL;
	size_t leaf = 0;
	int r;

	r = accept_clock(wish->now, e);
	if (r == 0)
		r = x509_chain_parse(pem, len, &c, e);
	if (r == 0)
		r = find_leaf(c, wish, &leaf, e);
	if (r == 0)
		r = x509_chain_build(c, leaf, wish->now, e);
	if (r != 0)
		return r;
	*ret_chain = TAKE(c);
	return 0;
}
