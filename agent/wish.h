/* SPDX-License-Identifier: MIT
 *
 * wish — how a certificate is to be got and deployed, as the operator said it. Kept as JSON with
 * the certificate, and copied into each order at its birth.
 *
 *     {"key":"ec-256","profile":null,"solver":{"name":"standalone","port":80},
 *      "deploy":[{"name":"files","directory":"/etc/x"},
 *                {"name":"exec","command":["/bin/x","y"],"prove":"127.0.0.1:443"},
 *                {"name":"exec","reload":["/bin/r"],"check":["/bin/c"],"window":"02:00-05:00"}],
 *      "pre_hook":["/bin/a"],"post_hook":["/bin/b"]}
 */
#ifndef AGENT_WISH_H
#define AGENT_WISH_H

#include "base/err.h"
#include "base/json.h"
#include "base/key.h"
#include "base/strlist.h"

struct wish {
	struct json *root; /* everything; the rest is borrowed from it */
	enum key_kind key;
	const struct json *solver;
	const struct json *deploy; /* a list */
	struct strlist pre_hook;   /* owned; empty: none */
	struct strlist post_hook;
};

/* What a wish is made of; what is NULL is left out. */
struct wish_parts {
	enum key_kind key;
	const char *profile;                                 /* borrowed */
	struct json *solver, *deploy, *pre_hook, *post_hook; /* owned */
};

/* The wish as JSON text, which is the caller's. Empties the parts. */
char *wish_print(struct wish_parts *parts);

void wish_parts_clear(struct wish_parts *parts);

/* ERR_SYS when the text is none of ours: the row was damaged. */
int wish_parse(const char *text, struct wish **ret_wish, struct err *e);

/* The JSON list of texts of a member as a strlist ("command"). */
void wish_words(const struct json *v, const char *member, struct strlist *words);

/* A solver or deployer for people: its name, where or what, and what proves it. The caller's. */
char *wish_brief(const struct json *settings);

void wish_free(struct wish *w);
void auto_wish(struct wish **w);
#define AUTO_WISH AUTO(auto_wish)

#endif
