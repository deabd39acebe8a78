/* SPDX-License-Identifier: MIT
 *
 * mock_net — the way from an engine to the mock CA inside one process: a loop that knows the CA
 * (engine_config.transport_new is given nothing else), and the transport over it. A request
 * travels there_ms, the answer back_ms; who forgets a request loses it where it is just then.
 */
#ifndef TESTS_MOCK_MOCK_NET_H
#define TESTS_MOCK_MOCK_NET_H

#include "acme/transport.h"
#include "tests/mock/mock_ca.h"

struct mock_net {
	struct loop loop;   /* first: what the engine is given */
	struct loop *inner; /* borrowed: does the work */
	struct mock_ca *ca; /* borrowed */
	int64_t there_ms, back_ms;
	size_t in_flight;
	size_t most_in_flight;
};

void mock_net_init(struct mock_net *n, struct loop *inner, struct mock_ca *ca);

/* For engine_config.transport_new; l is a struct mock_net. */
int mock_net_transport(struct loop *l, const struct transport_config *config,
		       struct transport **ret_transport, struct err *e);

#endif
