/* SPDX-License-Identifier: MIT
 *
 * lifetimes — how long a CA's certificates live, as far as it has announced that: data.
 */
#ifndef AGENT_LIFETIMES_H
#define AGENT_LIFETIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From a day on, certificates of a profile live so long. */
struct lifetime_change {
	const char *server;  /* directory URL */
	const char *profile; /* the CA's default one has its name here, too */
	bool is_default;     /* what a certificate gets that names no profile */
	int64_t from;        /* Unix seconds */
	int64_t lifetime;    /* seconds */
};

/* By time; NULL behind the last one. */
const struct lifetime_change *lifetime_change(size_t index);

/* Whether a change is for certificates of this CA and profile (NULL: none is named). */
bool lifetime_applies(const struct lifetime_change *change, const char *server,
		      const char *profile);

/* Of a certificate that is issued at a time; before: of the one that it replaces, 0: there is
 * none. */
int64_t lifetime_expected(const char *server, const char *profile, int64_t before, int64_t at);

#endif
