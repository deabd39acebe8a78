/* SPDX-License-Identifier: MIT
 *
 * trial — whether the present version could be deployed as it is wanted: what the deployers can
 * check, the files written beside what is live and removed again, and the operator's checks, which
 * find them there. No row and no live file is changed. The deploy hooks run if they are asked for.
 */
#ifndef AGENT_TRIAL_H
#define AGENT_TRIAL_H

#include "base/json.h"
#include "store/certificate.h"

/* Borrowed. */
struct trial_ask {
	struct store *store;
	const struct certificate *certificate; /* has a live version */
	const char *wish;                      /* whose deployers they are */
	bool checks;                           /* all that changes nothing */
	bool runs_hooks;                       /* with what is live, if no check has failed */
};

struct trial;

/* ERR_BUSY: stopped by a signal. What a deployer said is in the trial, which is the caller's. */
int trial_run(const struct trial_ask *ask, struct trial **ret_trial, struct err *e);

bool trial_failed(const struct trial *t);

/* One line for each deployer that had something to do; NULL: nothing. */
void trial_print(const struct trial *t);

/* [{"deployer":…,"done":[…],"error":…},…]. The caller's. */
struct json *trial_json(const struct trial *t);

void trial_free(struct trial *t);
void auto_trial(struct trial **t);
#define AUTO_TRIAL AUTO(auto_trial)

#endif
