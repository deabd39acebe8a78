/* SPDX-License-Identifier: MIT
 *
 * wishing — from what was typed, and what is remembered, to a wish (agent/wish.h).
 */
#ifndef AGENT_WISHING_H
#define AGENT_WISHING_H

#include "agent/options.h"
#include "base/json.h"
#include "base/strlist.h"

#define WISHING_HANDLE_MAX 64

/* For whom: what it is called, its names (to refuse wildcards early), and what is remembered of it
 * (NULL: nothing). */
struct wishing_of {
	const char *certificate;
	const struct strlist *names;
	const char *wish;
};

/* What is not given stays as it is remembered. Without any method: standalone when its port is
 * free, else ERR_CONFIG with a sentence that names --webroot and who has the port. Programs and
 * directories that are named must be there. *ret_wish is JSON, the caller's. */
int wishing(const struct options *o, const struct wishing_of *of, char **ret_wish, struct err *e);

/* The directory URL for a URL or a short name; the default's when server is NULL and staging is
 * false. "usage" when it is neither. Borrowed. */
int wishing_server(const char *server, bool staging, const char **ret_url, struct err *e);

/* Whether nothing is known of a staging server of that CA, and it is none itself as far as is
 * known. */
bool wishing_is_real(const char *url);

/* The server to rehearse at for a directory URL: its CA's staging server where that is known, else
 * the same. Borrowed. */
const char *wishing_staging(const char *url);

/* The URL for a short name, else NULL; and all short names. */
const char *wishing_server_url(const char *name);
void wishing_server_names(struct strlist *names);

/* Whether text can name a certificate, and whatever else is named: [a-z0-9][a-z0-9._-]{0,63},
 * never a path. */
bool wishing_handle_ok(const char *text);

/* "HOST:PORT", as for prove. */
bool wishing_endpoint_ok(const char *text);

/* Whether the solver of these settings can answer for all of the names (ERR_CONFIG, also when there
 * is no such solver); and whether one that there is could do so here and now: directory there,
 * program runnable. */
int wishing_solver_handles(const struct json *solver, const struct strlist *names, struct err *e);
int wishing_solver_check(const struct json *solver, struct err *e);

#endif
