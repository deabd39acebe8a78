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

/* Gives a certificate its account at a CA, and that what was typed about it: mail, bundle, proxy,
 * terms. What it has at that CA it keeps (server NULL: at its present one); else the configuration
 * file's account there counts (c->config), and then the one that commands make. What is typed of an
 * account that the file defines, and is not so already, is refused. */
int wanted_account(struct context *c, struct certificate *certificate, const char *server,
		   struct err *e);

/* Makes a row of an account, unless it has one, with what was typed; a->id is filled. */
struct account;
int wanted_account_as(struct context *c, struct account *a, struct err *e);

/* An account as the file defines it, without a row. The caller's. */
struct config_account;
struct account *wanted_account_of_file(const struct context *c, const struct config_account *from);

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
