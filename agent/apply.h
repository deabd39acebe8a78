/* SPDX-License-Identifier: MIT
 *
 * apply — brings the store to what the configuration file says (everleaf.yaml(5)): its accounts and
 * certificates become rows, beside those that commands made. What is not there any more is not
 * renewed any more, and nothing of it is deleted. What has a mistake stays as it was.
 *
 * A certificate belongs to who made it first, the file or a command; the other one's definition is
 * an error that names the first.
 */
#ifndef AGENT_APPLY_H
#define AGENT_APPLY_H

#include "agent/command.h"
#include "agent/config/config.h"
#include "store/certificate.h"

/* Reads the file and writes what it says, in one turn of the store. ERR_CONFIG when something was
 * wrong with the file: every mistake was logged, e has the first one, and everything else was
 * applied. With another error nothing was. *ret_config is what was read, the caller's, also after
 * ERR_CONFIG; it may be NULL. */
int apply_file(struct context *c, struct config **ret_config, struct err *e);

/* Refuses to change by a command what a file defines, with its file:line. */
int apply_refuse(const struct certificate *certificate, struct err *e);

/* The file as it is now, without a word about its mistakes; NULL: there is none. The caller's. */
struct config *apply_look(const struct context *c);

/* The same for names that are wanted by a handle, as the file is now, applied or not: whoever
 * defines a certificate of this handle, or of the same names. */
int apply_refuse_new(const struct config *config, const char *handle, const struct strlist *names,
		     struct err *e);

#endif
