/* SPDX-License-Identifier: MIT
 *
 * secret — secrets stand in the configuration as references, never themselves:
 *
 *     file:/path   a file; a line feed at its end is no part of the secret
 *     env:NAME     a variable of the environment
 *     cred:NAME    a credential of systemd's: $CREDENTIALS_DIRECTORY/NAME
 */
#ifndef AGENT_CONFIG_SECRET_H
#define AGENT_CONFIG_SECRET_H

#include "base/buf.h"
#include "base/err.h"

#define CONFIG_SECRET_MAX (64 * 1024)

/* ERR_CONFIG when it is no reference; the sentence does not repeat the text, which may be the
 * secret itself. */
int config_secret_check(const char *reference, struct err *e);

/* Appends the secret to a secret buffer (limit ≥ CONFIG_SECRET_MAX). ERR_CONFIG: not a reference;
 * missing; empty; larger than CONFIG_SECRET_MAX; a file that is not regular, belongs to neither
 * root nor us, or that everybody may read or others may write. */
int config_secret_read(const char *reference, struct buf *secret, struct err *e);

#endif
