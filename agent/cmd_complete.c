/* SPDX-License-Identifier: MIT
 *
 * complete — for the shells (packaging/completions): everleaf complete -- WORD... prints what the
 * last word may become, one "WORD<tab>what it means" a line; nothing: whatever, a file maybe. All
 * of it comes from the tables and the store, so that no shell has a copy of them.
 */
#include "agent/run.h"

#include <stdio.h>
#include <string.h>

#define COMPLETE_MS 200 /* nobody wants to wait for a key press */

struct completion {
	const struct strlist *words;
	const char *last; /* what is being typed */
	const char *verb; /* NULL: none yet */
};

static void offer(void *arg, const char *word, const char *text)
{
	const struct completion *t = arg;

	if (strncmp(word, t->last, strlen(t->last)) == 0)
		printf("%s\t%s\n", word, text);
}

static void offer_option(void *arg, const char *name, const char *text)
{
	AUTO_FREE char *word = mem_printf("--%s", name);

	offer(arg, word, text);
}

static void offer_each(struct completion *t, const char *words)
{
	struct strlist list AUTO_STRLIST = {0};

	strlist_add_split(&list, words, " ");
	for (size_t i = 0; i < list.count; i++)
		offer(t, list.items[i], "");
}

/* The words of an option's argument; others are free. */
static void offer_argument(struct completion *t, const char *option)
{
	static const struct {
		const char *option, *words;
	} known[] = {
		{"--server",
		 "letsencrypt letsencrypt-staging zerossl google buypass actalis sslcom"},
		{"--key-type", "ec-256 ec-384 rsa-2048"},
		{"--color", "auto always never"},
	};

	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (str_equal(known[i].option, option))
			offer_each(t, known[i].words);
}

static int offer_certificates(struct context *c, struct completion *t, struct err *e)
{
	struct certificate_walk w AUTO_CERTIFICATE_WALK = {0};
	int r;

	while ((r = certificate_walk(c->store, &w, e)) > 0)
		for (size_t i = 0; i < w.count; i++)
			offer(t, w.list[i]->name, "");
	return r;
}

static void offer_operand(struct context *c, struct completion *t)
{
	AUTO_FREE char *dir = NULL;
	struct store_opening o = {.clock = c->clock, .how = STORE_READER, .wait_ms = COMPLETE_MS};

	if (t->verb == NULL || str_equal(t->verb, "help"))
		commands_each(offer, t);
	else if (str_equal(t->verb, "store"))
		offer_each(t, "backup check");
	else if (str_equal(t->verb, "account"))
		offer_each(t, "show register");
	else if (strstr(command_find(t->verb)->operands, "CERTIFICATE") != NULL &&
		 command_state(c->options, &dir, NULL) == 0) {
		o.dir = dir;
		if (store_open_as(&o, &c->store, NULL) == 0)
			(void)offer_certificates(c, t, NULL);
	}
	store_free(TAKE(c->store));
}

/* The verb and the state directory among the words before the last one. */
static void words_read(struct completion *t, struct options *o)
{
	for (size_t i = 0; i + 1 < t->words->count; i++) {
		const char *word = t->words->items[i];

		if (options_takes_argument(word)) {
			i++;
			if (str_equal(word, "--state") && i + 1 < t->words->count)
				o->state = t->words->items[i];
		} else if (word[0] != '-' && t->verb == NULL) {
			t->verb = command_name(word);
		}
	}
}

int cmd_complete(struct context *c, struct err *e)
{
	struct completion t = {.words = &c->options->operands};
	struct options options = *c->options; /* borrows; only state is changed */
	struct context of = {.options = &options, .clock = c->clock};
	const char *before;

	(void)e;
	if (t.words->count == 0)
		return EXIT_DONE;
	t.last = t.words->items[t.words->count - 1];
	before = t.words->count > 1 ? t.words->items[t.words->count - 2] : "";
	words_read(&t, &options);
	if (options_takes_argument(before))
		offer_argument(&t, before);
	else if (t.last[0] == '-')
		options_each(t.verb, offer_option, &t);
	else
		offer_operand(&of, &t);
	return EXIT_DONE;
}
