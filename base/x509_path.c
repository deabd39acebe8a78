/* SPDX-License-Identifier: MIT
 *
 * x509_path — from what a CA sent, in whatever order and with whatever beside it, the chain that a
 * server has to show: the leaf, and behind each certificate the one that signed it.
 *
 * Of several ways the best is one that does not end below an issuer that is out of date, of those
 * the longest (a cross-sign helps clients that know the older root), of those the one that the CA
 * sent first. A root ends a way and is left out: who does not have it would not believe it either
 * (RFC 8446 4.4.2).
 */
#include "base/x509_internal.h"

#include "base/clock.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

/* What one certificate is to another, from the least to the most. */
enum link {
	LINK_NONE = 0, /* it was issued under another name */
	LINK_NO_CA,    /* the right name, but it may not issue */
	LINK_FORGED,   /* … but it did not sign */
	LINK_STALE,    /* it signed, and is not valid now */
	LINK_GOOD,
};

struct way {
	size_t steps[X509_MAX_CERTS]; /* the leaf first */
	size_t count;
};

struct search {
	const struct x509_chain *c;
	int64_t now;
	enum link links[X509_MAX_CERTS][X509_MAX_CERTS]; /* [of][by] */
	bool again[X509_MAX_CERTS];                      /* the same was sent before */
	struct way way;
	struct way best;
	bool best_lives;
};

static bool is_valid(const struct x509_facts *f, int64_t now)
{
	return f->not_before <= now + X509_CLOCK_SKEW && now < f->not_after;
}

static enum link link_of(const struct search *s, size_t of, size_t by)
{
	X509 *cert = s->c->certs[of];
	X509 *issuer = s->c->certs[by];
	EVP_PKEY *key = X509_get0_pubkey(issuer);

	if (X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) != 0)
		return LINK_NONE;
	/* 1 is basicConstraints CA:TRUE and a key usage that allows it; higher values are guesses
	 * for certificates that say nothing */
	if (X509_check_ca(issuer) != 1)
		return LINK_NO_CA;
	if (key == NULL || X509_verify(cert, key) != 1)
		return LINK_FORGED;
	return is_valid(&s->c->facts[by], s->now) ? LINK_GOOD : LINK_STALE;
}

static void search_begin(struct search *s)
{
	const struct x509_facts *f = s->c->facts;

	for (size_t i = 0; i < s->c->count; i++) {
		for (size_t k = 0; k < i; k++)
			if (memcmp(f[i].fingerprint, f[k].fingerprint, 32) == 0)
				s->again[i] = true;
		for (size_t k = 0; k < s->c->count; k++)
			s->links[i][k] = link_of(s, i, k);
	}
	ERR_clear_error();
}

static bool is_root(const struct search *s, size_t i)
{
	return s->links[i][i] >= LINK_STALE;
}

/* Whoever has this name and key is on the way already: a cross-sign that leads back. */
static bool was_met(const struct search *s, size_t i)
{
	for (size_t k = 0; k < s->way.count; k++) {
		size_t met = s->way.steps[k];

		if (memcmp(s->c->facts[i].key_hash, s->c->facts[met].key_hash, 32) == 0 &&
		    X509_NAME_cmp(X509_get_subject_name(s->c->certs[i]),
				  X509_get_subject_name(s->c->certs[met])) == 0)
			return true;
	}
	return false;
}

/* The way ends here. lives: not below an issuer that is out of date. */
static void search_end(struct search *s, bool lives)
{
	struct way found = s->way;

	if (found.count > 1 && is_root(s, found.steps[found.count - 1]))
		found.count--;
	if (s->best.count > 0 &&
	    (lives < s->best_lives || (lives == s->best_lives && found.count <= s->best.count)))
		return;
	s->best = found;
	s->best_lives = lives;
}

/* Each step takes a certificate of its own, so there are few ways through ten of them. */
static void search_from(struct search *s, size_t at)
{
	bool ends = true;
	bool lives = true;

	s->way.steps[s->way.count++] = at;
	for (size_t i = 0; !is_root(s, at) && i < s->c->count; i++) {
		if (s->again[i] || was_met(s, i))
			continue;
		if (s->links[at][i] == LINK_GOOD) {
			ends = false;
			search_from(s, i);
		}
		lives = lives && s->links[at][i] != LINK_STALE;
	}
	if (ends)
		search_end(s, lives);
	s->way.count--;
}

/* Certificates came with the leaf, and none of them is its issuer: the one that comes nearest says
 * why. */
static int search_fails(const struct search *s, size_t leaf, struct err *e)
{
	const struct x509_facts *f;
	char date[CLOCK_TEXT_SIZE];
	size_t nearest = 0;

	for (size_t i = 0; i < s->c->count; i++)
		if (nearest == leaf || (i != leaf && s->links[leaf][i] > s->links[leaf][nearest]))
			nearest = i;
	f = &s->c->facts[nearest];
	switch (s->links[leaf][nearest]) {
	case LINK_STALE:
		return err_set(
			e, ERR_PROTOCOL,
			"certificate %zu of the chain, which issued it (%s, issued by %s), %s "
			"%s",
			f->place, f->subject, f->issuer,
			f->not_after <= s->now ? "expired at" : "is not valid before",
			clock_format(f->not_after <= s->now ? f->not_after : f->not_before, date));
	case LINK_FORGED:
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain has the name of its issuer (%s), but "
			       "did not sign it",
			       f->place, f->subject);
	case LINK_NO_CA:
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain has the name of its issuer (%s), but "
			       "is no CA",
			       f->place, f->subject);
	default:
		return err_set(e, ERR_PROTOCOL,
			       "it was issued by %s, and no certificate of that name came with it",
			       s->c->facts[leaf].issuer);
	}
}

static bool way_has(const struct way *w, size_t i)
{
	for (size_t k = 0; k < w->count; k++)
		if (w->steps[k] == i)
			return true;
	return false;
}

static void note_left_out(struct search *s, size_t i, struct strlist *notes)
{
	const struct x509_facts *f = &s->c->facts[i];
	char date[CLOCK_TEXT_SIZE];
	const char *why = "it is not needed";

	if (s->again[i])
		why = "it came twice";
	else if (f->not_after <= s->now)
		why = "it has expired";
	else if (is_root(s, i))
		why = "it is a root, which clients have themselves";
	strlist_addf(notes, "certificate %zu (%s, issued by %s, valid until %s): %s", f->place,
		     f->subject, f->issuer, clock_format(f->not_after, date), why);
}

/* Only what is on the way stays, in its order. */
static void chain_follow(struct x509_chain *c, const struct way *w)
{
	struct x509_chain old = *c;

	for (size_t i = 0; i < old.count; i++) {
		if (way_has(w, i))
			continue;
		X509_free(old.certs[i]);
		x509_facts_clear(&old.facts[i]);
	}
	for (size_t i = 0; i < w->count; i++) {
		c->certs[i] = old.certs[w->steps[i]];
		c->facts[i] = old.facts[w->steps[i]];
	}
	c->count = w->count;
}

/* Nothing came with it, or what issued it did, be it a root. */
static bool leaf_suffices(const struct search *s, size_t leaf)
{
	bool alone = true;

	for (size_t i = 0; i < s->c->count; i++) {
		if (memcmp(s->c->facts[i].fingerprint, s->c->facts[leaf].fingerprint, 32) == 0)
			continue;
		if (s->links[leaf][i] == LINK_GOOD)
			return true;
		alone = false;
	}
	return alone;
}

int x509_chain_build(struct x509_chain *c, size_t leaf, int64_t now, struct err *e)
{
	struct search s = {.c = c, .now = now};

	ERR_clear_error();
	search_begin(&s);
	if (!leaf_suffices(&s, leaf))
		return search_fails(&s, leaf, e);
	search_from(&s, leaf);
	for (size_t i = 0; i < c->count; i++)
		if (!way_has(&s.best, i))
			note_left_out(&s, i, &c->left_out);
	chain_follow(c, &s.best);
	return x509_chain_print(c, e);
}
