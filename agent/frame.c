/* SPDX-License-Identifier: MIT
 *
 * frame — see frame.h.
 */
#include "agent/frame.h"

#include <string.h>

static size_t frame_length(const char *data)
{
	const unsigned char *p = (const unsigned char *)data;

	return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static enum frame_state frame_bad(struct err *e, const char *why)
{
	err_set(e, ERR_PROTOCOL, "%s", why);
	return FRAME_BAD;
}

enum frame_state frame_parse(const char *data, size_t len, struct json **ret_json, struct err *e)
{
	AUTO_JSON struct json *j = NULL;
	int64_t version = 0;
	size_t want;

	if (len < FRAME_HEADER)
		return FRAME_INCOMPLETE;
	want = frame_length(data);
	if (want == 0 || want > FRAME_MAX)
		return frame_bad(e, "a frame is 1 to 65536 bytes of JSON");
	if (len < FRAME_HEADER + want)
		return FRAME_INCOMPLETE;
	if (len > FRAME_HEADER + want)
		return frame_bad(e, "one frame at a time");
	if (json_parse(data + FRAME_HEADER, want, &j, e) != 0)
		return FRAME_BAD;
	if (!json_number(json_get(j, "version"), &version) || version != FRAME_VERSION)
		return frame_bad(e, "only \"version\":1 is spoken here");
	*ret_json = TAKE(j);
	return FRAME_COMPLETE;
}

int frame_add(struct buf *b, const struct json *j)
{
	AUTO_FREE char *text = json_print(j, false);
	size_t len = strlen(text);
	const char header[FRAME_HEADER] = {(char)(len >> 24), (char)(len >> 16), (char)(len >> 8),
					   (char)len};

	if (len > FRAME_MAX || b->limit - b->len < FRAME_HEADER + len)
		return -1;
	(void)buf_add(b, header, sizeof(header));
	return buf_add(b, text, len);
}

struct json *frame_new(void)
{
	struct json *j = json_new_map();

	json_put_number(j, "version", FRAME_VERSION);
	return j;
}
