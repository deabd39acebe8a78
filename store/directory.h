/* SPDX-License-Identifier: MIT
 *
 * directory — the CAs' directories as last read, so that a run within a day need not ask again.
 */
#ifndef STORE_DIRECTORY_H
#define STORE_DIRECTORY_H

#include "store/store.h"

/* *ret_body is NULL when none was read in the last 24 h. The caller frees it. */
int directory_load(struct store *s, const char *server, char **ret_body, struct err *e);

/* The same whenever it was read: for what a CA can do, not for where to send anything. */
int directory_load_last(struct store *s, const char *server, char **ret_body, struct err *e);

int directory_save(struct store *s, const char *server, const char *body, struct err *e);
int directory_forget(struct store *s, const char *server, struct err *e);

#endif
