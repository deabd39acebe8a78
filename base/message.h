/* SPDX-License-Identifier: MIT
 *
 * message — what two processes of ours say to each other: small datagrams over a socket pair, with
 * descriptors.
 *
 * Neither side trusts the other to be in its right mind: a datagram that is no message ends the
 * talk. What verbs there are, and which of them a side may say, is for its user to define.
 */
#ifndef BASE_MESSAGE_H
#define BASE_MESSAGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_TEXT 160 /* with its NUL */
#define MESSAGE_FDS  4

struct message {
	uint32_t verb;
	uint32_t id; /* of what it is about; the verb says */
	char text[MESSAGE_TEXT];
	int fds[MESSAGE_FDS]; /* received ones are the receiver's, close-on-exec */
	size_t fd_count;
};

/* Both ends are the caller's and close on exec; both lie above stderr. */
int message_pair(int ret_ends[2], struct err *e);

enum message_result {
	MESSAGE_GOT = 0, /* or sent */
	MESSAGE_NONE,    /* nothing came yet; there is no room */
	MESSAGE_END,     /* the other side is gone */
	MESSAGE_BAD,     /* it sent something that is no message */
};

/* Never waits, and is never MESSAGE_BAD. */
enum message_result message_send(int fd, const struct message *m);

/* Only MESSAGE_GOT fills *ret; one that waits is never MESSAGE_NONE. */
enum message_result message_receive(int fd, bool waits, struct message *ret);

/* Closes the descriptors it has. */
void message_clear(struct message *m);

#endif
