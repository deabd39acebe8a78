/* SPDX-License-Identifier: MIT
 *
 * mock_server — the mock CA as a process of its own: what its three files share. mock_server.c has
 * the life of it and http-01 as the CA sees it, mock_https.c the wire, mock_control.c the channel
 * through which a test changes the script and asks what happened.
 */
#ifndef TESTS_MOCK_MOCK_SERVER_H
#define TESTS_MOCK_MOCK_SERVER_H

#include "base/json.h"
#include "base/loop.h"
#include "tests/mock/mock_ca.h"

#include <openssl/ssl.h>

struct mock_server {
	struct loop *loop;
	struct mock_ca *ca;
	struct clock clock; /* the system's, ahead of it */
	int64_t ahead_ms;
	char *base; /* of its URLs */
	char *directory;
	struct watch *tick;
	int http_port;       /* where http-01 is fetched, … */
	const char *webroot; /* … unless this is not "" and the file is read there; borrowed */
};

/* Answers every request on a new listening socket of 127.0.0.1; its port. Makes ca.pem in dir. */
int mock_https_listen(struct mock_server *s, const char *dir);

/* Listens on the UNIX socket path. One JSON object a line, both ways, to any number of clients;
 * "do" says what:
 *
 *     config    http_port, webroot ("": none), reuse_orders, reuse_authorizations, processing,
 *               validate_ms, process_ms, retry_after, lifetime, terms, renewal_info, twist
 *               ("honest", "other-key", "other-names", "secret", "old", "other-order",
 *               "other-authorization", "other-wildcard", "other-kinds", "ca-leaf", "future",
 *               "no-key-id", "forged", "version-1", "expired", "leaf-last", "leaf-twice", "root",
 *               "expired-cross", "cross"), alternates, verdict_in_answer,
 *               authorizations_stay, orders_stay, silent, answered_again, spells, judge,
 *               issue_error ("": none); how accounts are refused (unknown_status, unknown_problem,
 * the same of inactive and absent, shows_inactive, alone), same_ids, eab_kid, eab_hmac_key; what is
 * not said stays as it is fault     the members of struct mock_fault; kind by its name
 * (mock_kind_name), act by its own
 *               ("delay", "drop-before", "drop-after", "truncate", "cut", "replace",
 *               "replace-after", "repeat"; one is needed), headers as a list, times -1: for ever
 *     heal      forgets the script
 *     counts    struct mock_counts
 *     records   a list of every request (struct mock_record), from the index "from" on
 *     orders    a list of {"status", "names", "account", "certificate": whether it was issued}
 *     accounts  a list of {"url", "status", "contact"}
 *     reset     a new CA without accounts, orders, records and script; URL, configuration and clock
 *               stay
 *     forget-accounts      the CA's database is lost: all accounts and orders
 *     deactivate-accounts  somebody deactivates all of them
 *     clock     add: seconds that the CA's clock goes ahead
 *
 * What is not understood (a verb, a member, a value) changes nothing and is answered by
 * {"error": …}: a test must not go on believing. */
void mock_control_listen(struct mock_server *s, const char *path);

/* The CA may have something to do by itself: looks when its time comes. */
void mock_server_ticks(struct mock_server *s);

#endif
