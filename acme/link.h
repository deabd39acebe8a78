/* SPDX-License-Identifier: MIT
 *
 * link — Link header fields (RFC 8288): every target of one relation, resolved and checked.
 */
#ifndef ACME_LINK_H
#define ACME_LINK_H

#include "base/err.h"
#include "base/strlist.h"

#define LINK_MAX_TARGETS 16

/* Appends to targets each https target whose rel contains the given relation (case-insensitive),
 * resolved against the request URL, from one header value; at most LINK_MAX_TARGETS in all.
 * Links that cannot be read or are not https are passed over; what follows them still counts. */
void link_targets(const char *header, const char *base_url, const char *rel,
		  struct strlist *targets);

#endif
