/* SPDX-License-Identifier: MIT
 *
 * renewal_info — see the header.
 */
#include "acme/renewal_info.h"

#include "acme/fields.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/url.h"

#include <stdlib.h>

#define MINUTE       60
#define HOUR         3600
#define DAY          86400
#define LONG_TERM    (6 * HOUR)
#define MAX_DOUBLING 6 /* tries at growing distances, then it is a long-term error */

static int window_time(const struct json *window, const char *member, int64_t *ret_when,
		       struct err *e)
{
	const char *text = json_get_text(window, member);

	if (!clock_parse(text, ret_when))
		return err_set(e, ERR_PROTOCOL,
			       "\"%s\" of the CA's renewal window is no time: \"%s\"", member,
			       text != NULL ? text : "(none)");
	return 0;
}

static int window_read(const struct json *v, struct acme_renewal_info *i, struct err *e)
{
	const struct json *window = json_get(v, "suggestedWindow");
	int r;

	if (!json_is_map(window))
		return err_set(e, ERR_PROTOCOL, "the CA's renewal information has no window");
	r = window_time(window, "start", &i->start, e);
	if (r == 0)
		r = window_time(window, "end", &i->end, e);
	if (r == 0 && i->end <= i->start)
		r = err_set(e, ERR_PROTOCOL, "the CA's renewal window ends before it begins");
	return r;
}

int acme_renewal_info_parse(const char *body, size_t len, struct acme_renewal_info **ret,
			    struct err *e)
{
	AUTO_RENEWAL_INFO struct acme_renewal_info *i = mem_new(sizeof(*i));
	AUTO_JSON struct json *v = NULL;
	const char *url;
	int r;

	r = fields_body(body, len, &v, e);
	if (r == 0)
		r = window_read(v, i, e);
	if (r != 0)
		return r;
	url = json_get_text(v, "explanationURL");
	if (url != NULL && url_check_https(url, NULL) == 0)
		i->explanation_url = mem_str(url);
	*ret = TAKE(i);
	return 0;
}

int64_t renewal_info_again(int64_t retry_after)
{
	if (retry_after <= 0)
		return LONG_TERM;
	if (retry_after < MINUTE)
		return MINUTE;
	return retry_after < DAY ? retry_after : DAY;
}

int64_t renewal_info_retry(const struct err *why, int64_t failures, int64_t now)
{
	if (why->code == ERR_BUSY && why->retry_at > now)
		return renewal_info_again(why->retry_at - now);
	if (why->code != ERR_NET || failures > MAX_DOUBLING)
		return LONG_TERM;
	return MINUTE << (failures > 0 ? failures - 1 : 0);
}

void acme_renewal_info_free(struct acme_renewal_info *i)
{
	if (i == NULL)
		return;
	free(i->explanation_url);
	free(i);
}

void auto_acme_renewal_info(struct acme_renewal_info **i)
{
	acme_renewal_info_free(*i);
}
