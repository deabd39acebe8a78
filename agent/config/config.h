/* SPDX-License-Identifier: MIT
 *
 * config — what /etc/everleaf/everleaf.yaml and the files it includes say (everleaf.yaml(5)),
 * read, checked, and with every default resolved. Nothing here touches the store or changes
 * anything; config_read may be called at any time, also to see what a changed file would mean.
 *
 *     struct config_errors errors = {0};
 *     struct config *c = config_read(path, 0, &errors);
 *
 * One mistake does not stop the rest: what is in `accounts` and `certificates` is right and may be
 * acted upon. A certificate that has a mistake, or that rests on something that has one, is in
 * `left` instead: whoever acts leaves it as it was. What is in neither is not wanted, but only
 * while `complete` is true: otherwise it may stand in a file that could not be read.
 */
#ifndef AGENT_CONFIG_CONFIG_H
#define AGENT_CONFIG_CONFIG_H

#include "agent/config/errors.h"
#include "agent/config/secret.h"
#include "base/json.h"
#include "base/strlist.h"

#define CONFIG_FILE "/etc/everleaf/everleaf.yaml"

struct config_account {
	char *name;
	char *server; /* directory URL */
	struct strlist contact;
	bool agree_tos;
	char *ca_bundle, *proxy; /* NULL: none */
	char *key;               /* reference to a key that exists already (secret.h); NULL: none */
	char *eab_kid;           /* NULL: no external account binding */
	char *eab_hmac_key;      /* reference */
	struct place at;         /* file borrowed from the config */
};

struct config_certificate {
	char *name;
	struct strlist names;    /* canonical; all of them, also the optional ones */
	struct strlist optional; /* those of them that may be left out when they fail */
	struct strlist
		accounts; /* names of config_accounts, the preferred one first; never empty */
	char *wish;       /* JSON (agent/wish.h) */
	bool paused;
	struct place at; /* its origin: file borrowed from the config, line */
};

struct config {
	struct config_account *accounts;
	size_t account_count;
	struct config_certificate *certificates; /* in the order of the files */
	size_t certificate_count;
	struct strlist left; /* names of certificates that are to be left as they are */
	bool complete;
	struct strlist notify; /* a program and its arguments; empty: none */
	char *metrics_listen;  /* "127.0.0.1:9090", "[::1]:9090", "unix:/path"; NULL: nowhere */
	char *metrics_textfile;
	char *log_format;     /* "text", "kv" or "json"; NULL: not said */
	struct strlist files; /* that were read, as they were named */
	struct json
		*effective; /* the same for people: the file's own keys with every default
			     * resolved, and "origin" (file:line) in each named entry; no secret */
};

enum config_flags {
	CONFIG_SECRETS = 1, /* follow references to secrets, and complain where they end nowhere */
};

/* path NULL: an empty configuration. Never NULL. Adds what is wrong to errors, sorted by place. */
struct config *config_read(const char *path, unsigned flags, struct config_errors *errors);

/* By name; NULL when there is none. Borrowed. */
const struct config_account *config_account_find(const struct config *c, const char *name);
const struct config_certificate *config_certificate_find(const struct config *c, const char *name);

/* "file:line". The caller's. */
char *config_origin(const struct place *at);

/* Prints `effective` as YAML that means the same when it is read again. */
void config_print(const struct config *c);

void config_free(struct config *c);
void auto_config(struct config **c);
#define AUTO_CONFIG AUTO(auto_config)

#endif
