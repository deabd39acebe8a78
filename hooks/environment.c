/* SPDX-License-Identifier: MIT
 *
 * environment — what the hooks of a certificate are told. Only values of our own making: names
 * are canonical, serial and times come from the certificate that was accepted.
 */
#include "base/clock.h"
#include "hooks/deployer.h"

#include <inttypes.h>

void deployer_environment(const struct deployer_task *task, struct strlist *environment)
{
	AUTO_FREE char *names = strlist_join(task->names, " ");
	char text[CLOCK_TEXT_SIZE];

	strlist_addf(environment, "EVERLEAF_CERTIFICATE=%s", task->certificate);
	strlist_addf(environment, "EVERLEAF_NAMES=%s", names);
	strlist_addf(environment, "EVERLEAF_VERSION=%" PRId64, task->version);
	strlist_addf(environment, "EVERLEAF_SERIAL=%s", task->serial);
	strlist_addf(environment, "EVERLEAF_NOT_BEFORE=%s", clock_format(task->not_before, text));
	strlist_addf(environment, "EVERLEAF_NOT_AFTER=%s", clock_format(task->not_after, text));
	if (task->directory == NULL)
		return;
	strlist_addf(environment, "EVERLEAF_DIRECTORY=%s", task->directory);
	/* what certbot's deploy hooks expect, so that they run unmodified */
	strlist_addf(environment, "RENEWED_LINEAGE=%s", task->directory);
	strlist_addf(environment, "RENEWED_DOMAINS=%s", names);
}
