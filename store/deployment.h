/* SPDX-License-Identifier: MIT
 *
 * deployment — the rows of targets (one for each deployer instance) and of deployments (a version
 * × a target). Stages are those of agent/deployment.c; "done" and "superseded" have ended.
 */
#ifndef STORE_DEPLOYMENT_H
#define STORE_DEPLOYMENT_H

#include "store/standing.h"

struct target {
	int64_t id;
	char *deployer;   /* "files", "exec" */
	char *settings;   /* JSON; (deployer, settings) is unique */
	int64_t wanted;   /* installs so far */
	char *window;     /* when it may be deployed (agent/window.h); "" or NULL: always */
	int64_t done;     /* the value of wanted when the last reload that succeeded began */
	int64_t begun;    /* its value when one began that was not heard yet, 0: none was */
	int64_t failures; /* reloads in a row that were never heard: everleaf ended meanwhile, … */
	int64_t next_at;  /* … so there is no other one before this */
};

struct deployment {
	int64_t id;
	int64_t certificate_id;
	int64_t version_id;
	int64_t target_id;
	int64_t position; /* deployments of one version run in this order */
	char *stage;      /* "due", "reload", "done", "superseded" */
	int64_t created_at;
	int64_t ended_at; /* 0: live */
	int64_t raised;   /* the target's `wanted`, as raised for it; 0: it was not */
	struct standing standing;
};

/* Finds or inserts the target; fills t->id, wanted, done. Its window becomes t's: deployments that
 * wait for another one are due now. */
int target_put(struct store *s, struct target *t, struct err *e);
int target_load(struct store *s, int64_t id, struct target **ret_target, struct err *e);

/* wanted + 1, returned through ret_wanted; and done = what it was at the reload's start. */
int target_raise(struct store *s, int64_t id, int64_t *ret_wanted, struct err *e);
int target_reached(struct store *s, int64_t id, int64_t wanted, struct err *e);

/* A reload begins: durable before it does. Then it is heard, whatever it says; or whoever claims
 * the target next finds that it never was. */
int target_begins(struct store *s, int64_t id, int64_t wanted, struct err *e);
int target_heard(struct store *s, int64_t id, struct err *e);
int target_cut(struct store *s, int64_t id, int64_t next_at, struct err *e);

/* Inserts, owned by nobody, stage "due". Fills d->id. */
int deployment_insert(struct store *s, struct deployment *d, struct err *e);

/* Ends every live deployment of this certificate's other versions as "superseded", and takes them
 * from whoever has them (fence + 1). */
int deployment_supersede(struct store *s, int64_t certificate_id, int64_t version_id,
			 struct err *e);

int deployment_load(struct store *s, int64_t id, struct deployment **ret_deployment, struct err *e);
/* As account_save: stage, ended_at, raised, standing. */
int deployment_save(struct store *s, const struct deployment *d, bool release, struct err *e);

/* Makes the ended deployments of a version due again (`everleaf deploy`), and live ones due now. */
int deployment_renew(struct store *s, int64_t version_id, struct err *e);

/* The newest other version of the same certificate that was deployed to the same target; 0: none.
 */
int deployment_before(struct store *s, const struct deployment *d, int64_t *ret_version_id,
		      struct err *e);

/* Whether a living process is about to bring another version to the target: it works on what comes
 * before that in the version's order. */
int deployment_coming(struct store *s, int64_t target_id, bool *ret_coming, struct err *e);

/* Of one version, by position; an owned array of owned structs. */
int deployment_list(struct store *s, int64_t version_id, struct deployment ***ret_deployments,
		    size_t *ret_count, struct err *e);

/* Live deployments that are first in the order of their version, of one certificate or all (0). */
int deployment_open(struct store *s, int64_t certificate_id, struct open_rows *ret_rows,
		    struct err *e);

void target_free(struct target *t);
void auto_target(struct target **t);
#define AUTO_TARGET AUTO(auto_target)
void deployment_free(struct deployment *d);
void deployment_list_free(struct deployment **list, size_t count);
void auto_deployment(struct deployment **d);
#define AUTO_DEPLOYMENT AUTO(auto_deployment)

#endif
