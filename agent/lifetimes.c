/* SPDX-License-Identifier: MIT
 *
 * lifetimes — see lifetimes.h.
 */
#include "agent/lifetimes.h"

#include "base/mem.h"

#define DAY         86400
#define LETSENCRYPT "https://acme-v02.api.letsencrypt.org/directory"

/* letsencrypt.org, "Decreasing Certificate Lifetimes to 45 Days", December 2025. */
static const struct lifetime_change changes[] = {
	{LETSENCRYPT, "tlsserver", false, 1778630400, 45 * DAY}, /* 2026-05-13 */
	{LETSENCRYPT, "classic", true, 1802217600, 64 * DAY},    /* 2027-02-10 */
	{LETSENCRYPT, "classic", true, 1834272000, 45 * DAY},    /* 2028-02-16 */
};

const struct lifetime_change *lifetime_change(size_t index)
{
	return index < COUNT_OF(changes) ? &changes[index] : NULL;
}

bool lifetime_applies(const struct lifetime_change *change, const char *server, const char *profile)
{
	return str_equal(change->server, server) &&
	       (profile != NULL ? str_equal(change->profile, profile) : change->is_default);
}

int64_t lifetime_expected(const char *server, const char *profile, int64_t before, int64_t at)
{
	int64_t lifetime = before != 0 ? before : 90 * DAY;

	for (size_t i = 0; i < COUNT_OF(changes); i++)
		if (changes[i].from <= at && lifetime_applies(&changes[i], server, profile) &&
		    changes[i].lifetime < lifetime)
			lifetime = changes[i].lifetime;
	return lifetime;
}
