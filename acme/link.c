/* SPDX-License-Identifier: MIT
 *
 * link — Link header fields (RFC 8288 3), read forgivingly: what cannot be read ends at the next
 * comma, and what follows still counts. Never fails; time is linear in the header's length.
 */
#include "acme/link.h"

#include "base/mem.h"
#include "base/url.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SPACE " \t"

/* What one link says that matters here. */
struct found {
	char *target;  /* between < and > */
	char *rel;     /* value of the first rel; NULL: none */
	bool anchored; /* about another resource than the one we asked for (3.2) */
};

static void found_clear(struct found *f)
{
	free(f->target);
	free(f->rel);
}

/* Bytes up to the closing quote. */
static size_t quoted_length(const char *s)
{
	const char *p = s;

	while (*p != '\0' && *p != '"')
		p += *p == '\\' && p[1] != '\0' ? 2 : 1;
	return (size_t)(p - s);
}

/* Reads a token or a quoted string at *p; *p goes behind it. */
static char *value_read(const char **p)
{
	const char *s = *p;
	char *value;
	size_t len = 0;

	if (*s != '"') {
		len = strcspn(s, ";, \t");
		*p = s + len;
		return mem_strn(s, len);
	}
	s++;
	value = mem_new(quoted_length(s) + 1);
	for (; *s != '\0' && *s != '"'; s++) {
		if (*s == '\\' && s[1] != '\0')
			s++;
		value[len++] = *s;
	}
	*p = *s == '"' ? s + 1 : s;
	return value;
}

static void param_keep(struct found *f, const char *name, size_t len, char **value)
{
	if (len == 3 && strncasecmp(name, "rel", 3) == 0 && f->rel == NULL)
		f->rel = TAKE(*value); /* only the first one counts (3.3) */
	if (len == 6 && strncasecmp(name, "anchor", 6) == 0)
		f->anchored = true;
}

/* Reads ";name=value" at *p. False: none is there. */
static bool param_read(const char **p, struct found *f)
{
	AUTO_FREE char *value = NULL;
	const char *s = *p + strspn(*p, SPACE);
	const char *name;
	size_t len;

	if (*s != ';')
		return false;
	s++;
	s += strspn(s, SPACE);
	name = s;
	len = strcspn(s, "=;, \t\"");
	s += len;
	s += strspn(s, SPACE);
	if (*s == '=') {
		s++;
		s += strspn(s, SPACE);
		value = value_read(&s);
	}
	param_keep(f, name, len, &value);
	*p = s;
	return true;
}

/* Goes behind the next comma that is not quoted, or to the end. */
static const char *skip_link(const char *s)
{
	bool quoted = false;

	for (; *s != '\0'; s++) {
		if (*s == '"')
			quoted = !quoted;
		else if (quoted && *s == '\\' && s[1] != '\0')
			s++;
		else if (!quoted && *s == ',')
			return s + 1;
	}
	return s;
}

static bool rel_has(const char *rels, const char *rel)
{
	size_t want = strlen(rel);

	while (rels != NULL && *rels != '\0') {
		size_t len;

		rels += strspn(rels, SPACE);
		len = strcspn(rels, SPACE);
		if (len == want && strncasecmp(rels, rel, len) == 0)
			return true;
		rels += len;
	}
	return false;
}

/* A good absolute URL is kept byte for byte (RFC 8555 6.4). */
static void target_add(const char *target, const char *base_url, struct strlist *targets)
{
	AUTO_FREE char *url = NULL;

	if (url_check_https(target, NULL) == 0)
		strlist_add(targets, target);
	else if (url_resolve(base_url, target, &url, NULL) == 0)
		strlist_add(targets, url);
}

void link_targets(const char *header, const char *base_url, const char *rel,
		  struct strlist *targets)
{
	const char *s = header;

	while (s != NULL && *s != '\0' && targets->count < LINK_MAX_TARGETS) {
		struct found f AUTO(found_clear) = {0};
		const char *end;

		s += strspn(s, SPACE ",");
		if (*s != '<') {
			s = skip_link(s);
			continue;
		}
		end = strchr(s, '>');
		if (end == NULL)
			return; /* no link can follow */
		f.target = mem_strn(s + 1, (size_t)(end - s) - 1);
		s = end + 1;
		while (param_read(&s, &f))
			;
		s = skip_link(s);
		if (!f.anchored && rel_has(f.rel, rel))
			target_add(f.target, base_url, targets);
	}
}
