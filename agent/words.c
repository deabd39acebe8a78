/* SPDX-License-Identifier: MIT
 *
 * words — see words.h.
 */
#include "agent/words.h"

#include "agent/options.h"
#include "base/buf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 65536

/* One word from *at on; leaves *at behind it. */
static int word_next(const char **at, struct buf *word, struct err *e)
{
	const char *p = *at;
	char quote = '\0';

	for (; *p != '\0' && (quote != '\0' || !isspace((unsigned char)*p)); p++) {
		if (quote != '\0' && *p == quote) {
			quote = '\0';
		} else if (quote == '\0' && (*p == '\'' || *p == '"')) {
			quote = *p;
		} else if (quote == '\0' && strchr("|;&<>$`*", *p) != NULL) {
			return usage(
				e,
				"everleaf starts programs without a shell, so \"%c\" means nothing "
				"in \"%s\": quote it, or write /bin/sh -c '…'",
				*p, *at);
		} else {
			if (quote != '\'' && *p == '\\' && p[1] != '\0')
				p++;
			(void)buf_add(word, p, 1);
		}
	}
	if (quote != '\0')
		return usage(e, "a quote %c is not closed in \"%s\"", quote, *at);
	*at = p;
	return 0;
}

char *words_path(const char *path)
{
	AUTO_FREE char *here = NULL;

	if (path[0] == '/')
		return mem_str(path);
	here = getcwd(NULL, 0);
	return mem_printf("%s/%s", here != NULL ? here : "", path);
}

static int program_find(char **word, struct err *e)
{
	static const char *const places[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					     "/usr/bin",        "/sbin",          "/bin"};

	if (strchr(*word, '/') != NULL) {
		char *path = words_path(*word);

		free(*word);
		*word = path;
		return 0;
	}
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", places[i], *word);

		if (access(path, X_OK) != 0)
			continue;
		mem_set_str(word, path);
		return 0;
	}
	return err_set(e, ERR_CONFIG,
		       "there is no program \"%s\" in /usr/local/sbin, "
		       "/usr/local/bin, /usr/sbin, /usr/bin, /sbin or /bin: give its path",
		       *word);
}

int words_command(const char *text, struct strlist *words, struct err *e)
{
	const char *at = text;

	for (;;) {
		struct buf word AUTO_BUF = {0};
		int r;

		while (isspace((unsigned char)*at))
			at++;
		if (*at == '\0')
			break;
		buf_init(&word, WORDS_MAX);
		r = word_next(&at, &word, e);
		if (r != 0)
			return r;
		strlist_add(words, word.data);
	}
	if (words->count == 0)
		return usage(e, "a command is empty");
	return program_find(&words->items[0], e);
}
