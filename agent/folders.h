/* SPDX-License-Identifier: MIT
 *
 * folders — which certificate each place belongs to that something is deployed into: a place has
 * one owner. Two are the same when they are after links and "..".
 */
#ifndef AGENT_FOLDERS_H
#define AGENT_FOLDERS_H

#include "base/json.h"
#include "hooks/deployer.h"
#include "store/certificate.h"

/* A deployer's settings for one certificate: its name in the place of each "{name}" in the
 * directory, the command and its check. No name is a path or begins with a full stop
 * (wishing_handle_ok). The caller's. */
struct json *folders_expand(const struct json *deployer, const char *certificate);

/* Whether it says "{name}" anywhere in a member. */
bool folders_named(const struct json *deployer, const char *member);

/* Places of many certificates. */
struct folder_place {
	char *place;             /* owned */
	const char *certificate; /* borrowed */
};

struct folders {
	struct folder_place *items;
	size_t count;
	bool sorted;
};

/* certificate stays with the caller, as long as the list is used. */
void folders_add(struct folders *f, const char *certificate, const struct json *deploy);

/* The certificate that has one of the places of deploy, too: another than the one named; NULL:
 * there is none. *ret_place is borrowed. */
const char *folders_other(struct folders *f, const char *certificate, const struct json *deploy,
			  const char **ret_place);
void folders_clear(struct folders *f);
#define AUTO_FOLDERS AUTO(folders_clear)

/* Of two in one place: for people. */
int folders_clash(const char *certificate, const char *other, const char *place, struct err *e);

/* ERR_CONFIG when another certificate of the store is deployed where the wish deploys that of the
 * name. */
int folders_refuse(struct store *s, const char *certificate, const char *wish, struct err *e);

/* What deployers are told of this store, to compare it with what is there. */
void folders_task(struct deployer_task *task, struct store *s);

/* Asks each deployer of a list whether what is coming could go there (deployer_ops.room). The task
 * lacks the settings alone. */
int folders_room(const struct json *deploy, struct deployer_task *task, struct err *e);

#endif
