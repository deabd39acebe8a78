/* SPDX-License-Identifier: MIT
 *
 * wanted — what commands write down before anything is done about it: accounts, and what follows
 * from a changed wish. All within a turn.
 */
#ifndef AGENT_WANTED_H
#define AGENT_WANTED_H

#include "agent/command.h"
#include "store/certificate.h"

#define WANTED_ENTRY "default" /* the configuration entry of accounts made by commands */

/* The account at a CA, made (at KEY) when there is none, with what was typed about it: mail,
 * bundle, proxy, terms. */
int wanted_account(struct context *c, const char *server, int64_t *ret_id, struct err *e);

/* The same for an account that is filled already; a->id is. */
struct account;
int wanted_account_as(struct context *c, struct account *a, struct err *e);

/* Whether text is one mail address, as far as a CA's contact needs it. */
bool wanted_mail_ok(const char *mail);

/* Remembers for `history` which names came and went since a certificate had those of before, and
 * says which went. */
int wanted_names(struct context *c, const struct certificate *certificate,
		 const struct strlist *before, struct err *e);

/* Deployments of the present version to what the wish names only now; again: to all of it once
 * more. What it does not name any more is no longer tried. */
int wanted_deployments(struct context *c, const struct certificate *certificate, bool again,
		       struct err *e);

/* Only the latter. */
int wanted_no_more(struct context *c, const struct certificate *certificate, struct err *e);

/* A live order that nobody works on and that was born of another wish is let go: the next one is
 * born of this wish. */
int wanted_order(struct store *s, const struct certificate *c, struct err *e);

#endif
