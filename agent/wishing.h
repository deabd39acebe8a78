/* SPDX-License-Identifier: MIT
 *
 * wishing — from what was typed, and what is remembered, to a wish (agent/wish.h).
 */
#ifndef AGENT_WISHING_H
#define AGENT_WISHING_H

#include "agent/options.h"
#include "base/strlist.h"

/* What is not given stays as in old (NULL: nothing is remembered). Without any method: standalone
 * when its port is free, else ERR_CONFIG with a sentence that names --webroot and who has the port.
 * Programs and directories that are named must be there. names: to refuse wildcards early.
 * *ret_wish is JSON, the caller's. */
int wishing(const struct options *o, const char *old, const struct strlist *names, char **ret_wish,
	    struct err *e);

/* The directory URL for a URL or a short name; the default's when server is NULL and staging is
 * false. "usage" when it is neither. Borrowed. */
int wishing_server(const char *server, bool staging, const char **ret_url, struct err *e);

/* The server to rehearse at for a directory URL: its CA's staging server where that is known, else
 * the same. Borrowed. */
const char *wishing_staging(const char *url);

#endif
