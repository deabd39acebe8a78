/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "acme/renewal_info.h"
#include "acme/types.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/url.h"

#include <string.h>

static void order_must_be_sound(const struct acme_order *o)
{
	FUZZ_MUST(o->authorizations.count <= ACME_MAX_AUTHORIZATIONS);
	FUZZ_MUST(url_check_https(o->finalize, NULL) == 0);
	FUZZ_MUST(o->certificate == NULL || url_check_https(o->certificate, NULL) == 0);
	for (size_t i = 0; i < o->authorizations.count; i++)
		FUZZ_MUST(url_check_https(o->authorizations.items[i], NULL) == 0);
}

static void authorization_must_be_sound(const struct acme_authorization *a)
{
	FUZZ_MUST(a->challenge_count <= ACME_MAX_CHALLENGES);
	for (size_t i = 0; i < a->challenge_count; i++)
		FUZZ_MUST(url_check_https(a->challenges[i].url, NULL) == 0);
}

/* What is read as JSON is printed and read again; each object of a CA's is read from the same
 * bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	AUTO_DIRECTORY struct acme_directory *directory = NULL;
	AUTO_ACCOUNT struct acme_account *account = NULL;
	AUTO_ORDER struct acme_order *order = NULL;
	AUTO_AUTHORIZATION struct acme_authorization *authorization = NULL;
	AUTO_CHALLENGE struct acme_challenge *challenge = NULL;
	AUTO_RENEWAL_INFO struct acme_renewal_info *info = NULL;
	AUTO_JSON struct json *v = NULL;
	AUTO_JSON struct json *again = NULL;
	AUTO_FREE char *printed = NULL;

	if (json_parse(text, size, &v, NULL) == 0) {
		printed = json_print(v, false);
		FUZZ_MUST(json_parse(printed, strlen(printed), &again, NULL) == 0);
	}
	if (acme_directory_parse(text, size, &directory, NULL) == 0)
		FUZZ_MUST(url_check_https(directory->new_order, NULL) == 0);
	(void)acme_account_parse(text, size, &account, NULL);
	if (acme_order_parse(text, size, &order, NULL) == 0)
		order_must_be_sound(order);
	if (acme_authorization_parse(text, size, &authorization, NULL) == 0)
		authorization_must_be_sound(authorization);
	(void)acme_challenge_parse(text, size, &challenge, NULL);
	if (acme_renewal_info_parse(text, size, &info, NULL) == 0)
		FUZZ_MUST(info->start < info->end);
	return 0;
}
