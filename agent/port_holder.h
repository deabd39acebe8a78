/* SPDX-License-Identifier: MIT
 *
 * port_holder — who listens on a TCP port of this machine, for a sentence to the operator.
 */
#ifndef AGENT_PORT_HOLDER_H
#define AGENT_PORT_HOLDER_H

#include <stddef.h>
#include <stdint.h>

/* Looks through /proc, which takes some milliseconds: only for a message. Returns 0 with
 * "nginx (pid 123)" in text (the lowest pid of those that share the socket), or -1 with "" when
 * nobody listens or the process cannot be seen from here. */
int listener_port_holder(int port, char *text, size_t size);

/* A number of the listening socket that is another one when the port has changed hands; 0: nobody
 * listens, or it cannot be seen from here. */
uint64_t listener_port_socket(int port);

#endif
