/* SPDX-License-Identifier: MIT
 *
 * respond — the process that answers challenges, `everleaf respond`: a listener (or several), the
 * folder of answers, and nothing else. It has no store and no key, can open no other file, and
 * waits for nobody but those who connect: neither a store that somebody else holds nor a parent
 * that is busy, or stopped, keeps a CA waiting. It ends with its parent.
 *
 * The parent is agent/responder.h. What they say to each other, over a socket pair
 * (base/message.h) that is the standard input here:
 *
 *     parent                              responder
 *     ANSWERS, descriptor: the folder ─►          first of all, once
 *                                     ◄─ CONFINED, text: how it locked itself up, id: 1 if it is
 *                                                 root still
 *     OPEN id, text: what kind of
 *          listener, its sockets      ─►
 *                                     ◄─ SERVES id
 *                                     ◄─ FETCHED, text: a token that a CA was given the answer of
 *     CLOSE id                        ─►
 *
 * The ids are the parent's. Another kind of listener is another row of a table in agent/respond.c.
 */
#ifndef AGENT_RESPOND_H
#define AGENT_RESPOND_H

#include "base/err.h"

enum respond_verb {
	RESPOND_ANSWERS = 1,
	RESPOND_CONFINED,
	RESPOND_OPEN,
	RESPOND_SERVES,
	RESPOND_FETCHED,
	RESPOND_CLOSE,
};

#define RESPOND_HTTP01 "http-01"

/* Returns 0 when the parent is gone, or what is wrong. channel becomes its own. */
int respond_run(int channel, struct err *e);

#endif
