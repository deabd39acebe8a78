/* SPDX-License-Identifier: MIT
 *
 * words — a command line typed as one text, split into a program and its arguments without a
 * shell; and paths made absolute, because they are remembered.
 */
#ifndef AGENT_WORDS_H
#define AGENT_WORDS_H

#include "base/err.h"
#include "base/strlist.h"

/* Splits at white space; '…' and "…" keep it, \ takes the next character as it is. What only a
 * shell would understand (| ; & < > $ ` * outside quotes) is an error that says how to ask for a
 * shell. The first word becomes an absolute path, looked for in the places hooks have as PATH.
 * "usage" errors. */
int words_command(const char *text, struct strlist *words, struct err *e);

/* The path, absolute. The caller's. */
char *words_path(const char *path);

#endif
