/* SPDX-License-Identifier: MIT
 *
 * test_layout — what people do to a directory that is deployed into, and whose certificate is live
 * there.
 */
#include "tests/unit/files_version.h"
#include "tests/unit/make_cert.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE   "0123456789abcdef"
#define ANOTHER "fedcba9876543210"
#define DAY     86400
#define NOW     2000000000

static int room(struct hook_scratch *s, bool strict)
{
	struct files_version v AUTO_VERSION;
	struct err e = {0};
	int r;

	files_version_make(s, 0, &v);
	v.task.strict = strict;
	r = deployer_files.room(&v.task, &e);
	s->answer = e;
	return r;
}

static void assert_says(const struct hook_scratch *s, const char *want)
{
	if (strstr(s->answer.text, want) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", s->answer.text, want);
}

/* --- tidied directories ------------------------------------------------------------------- */

/* Shell commands within certs, where generation 7 is live and 6 was before. */
static const struct {
	const char *does;
	const char *found; /* by a strict look */
	const char *stops; /* what stops a renewal, before it; NULL: it is put right */
} tidied[] = {
	/* copies for links: one, all of them, and .live as well */
	{"cp -L privkey.pem x && mv x privkey.pem", "privkey.pem is not the link", NULL},
	{"cp -rL . ../copy && rm -r .live *.pem && cp ../copy/*.pem . && cp -r ../copy/.live .",
	 ".live is not the link", NULL},
	{"cp -rL .live x && rm .live && mv x .live", ".live is not the link", NULL},
	/* other links to the same */
	{"ln -sfn $PWD/.gen/7 .live", ".live is not the link", NULL},
	{"ln -sf $PWD/.live/cert.pem cert.pem", "cert.pem is not the link", NULL},
	{"ln -sf .gen/6/chain.pem chain.pem", "chain.pem is not the link", NULL},
	{"ln -f .gen/7/cert.pem cert.pem", "cert.pem is not the link", NULL},
	/* gone */
	{"rm fullchain.pem", "fullchain.pem is gone", NULL},
	{"rm .live", ".live is gone", NULL},
	/* owners and modes */
	{"chmod 644 .gen/7/privkey.pem", "other owners or modes", NULL},
	{"chown -R 54321 .gen/7", "other owners or modes", NULL},
	{"rm .gen/7/chain.pem", "other owners or modes", NULL},
	{"chown -R 54321 .", "run chown root ", "it belongs to user 54321"},
	{"chown 54321 .gen", "chown 0 ", "could put another key there: chown 0 "},
	{"chmod -R g+w .", "chmod go-w ", "could put another key there: chmod go-w "},
	/* files of others */
	{"rm cert.pem && echo mine >cert.pem", "mv -i cert.pem", "mv -i cert.pem cert.pem.old"},
	{"ln -sf ../theirs privkey.pem && echo KEY >../theirs", "privkey.pem is there already",
	 "privkey.pem is there already"},
	{"cp -L privkey.pem x && mv x privkey.pem && echo >>privkey.pem",
	 "privkey.pem is there already", "privkey.pem is there already"},
	{"cp -rL .live x && rm .live && mv x .live && echo >.live/notes", ".live is not the link",
	 ".live is not the link"},
	{"ln -sf .live/chain.pem cert.pem", "cert.pem is there already",
	 "cert.pem is there already"},
	/* behind a link */
	{"cd .. && mv certs elsewhere && ln -s elsewhere certs", "/elsewhere now",
	 "a symbolic link or a file: give a directory itself, which is "},
};

static void run_in_certs(const struct hook_scratch *s, const char *command)
{
	AUTO_FREE char *line = mem_printf("cd %s/certs && { %s; }", s->dir, command);

	assert_int_equal(system(line), 0);
}

static void a_tidied_directory_was_found_only_after_the_ca_had_issued(void **state)
{
	struct hook_scratch *s = *state;

	if (geteuid() != 0)
		skip(); /* only root can give files away */
	for (size_t i = 0; i < COUNT_OF(tidied); i++) {
		AUTO_FREE char *before = NULL, *after = NULL;

		assert_int_equal(files_install(s, 6), ERR_NONE);
		assert_int_equal(files_install(s, 7), ERR_NONE);
		assert_int_equal(room(s, true), 0);
		run_in_certs(s, tidied[i].does);
		before = scratch_tree(s);
		assert_int_equal(room(s, true), ERR_CONFIG);
		assert_says(s, tidied[i].found);
		assert_int_equal(room(s, false), tidied[i].stops != NULL ? ERR_CONFIG : 0);
		if (tidied[i].stops != NULL)
			assert_says(s, tidied[i].stops);
		after = scratch_tree(s);
		assert_string_equal(after, before);
		assert_int_equal(files_install(s, 8), tidied[i].stops != NULL ? ERR_CONFIG : 0);
		if (tidied[i].stops == NULL) {
			assert_live(s, 8);
			assert_int_equal(room(s, true), 0);
			assert_int_equal(entries_of(s, "certs"), 6);
		}
		run_in_certs(s, "cd .. && rm -rf certs elsewhere copy theirs");
	}
}

/* --- whose it is -------------------------------------------------------------------------- */

/* A version with a real certificate. */
struct issued {
	const char *store, *certificate, *names; /* names: "a.test" or "a.test b.test" */
	int64_t number, not_before, not_after;
	const char *serial;
};

static void version_of(const struct hook_scratch *s, const struct issued *i,
		       struct files_version *v, struct strlist *names)
{
	AUTO_MADE_CERT struct made_cert *c = NULL;
	AUTO_FREE char *san = NULL;
	struct strlist sans AUTO_STRLIST = {0};

	strlist_clear(names);
	for (const char *at = i->names; *at != '\0'; at += strcspn(at, " "), at += *at == ' ')
		strlist_addf(names, "%.*s", (int)strcspn(at, " "), at);
	for (size_t k = 0; k < names->count; k++)
		strlist_addf(&sans, "DNS:%s", names->items[k]);
	san = strlist_join(&sans, ",");
	files_version_make(s, i->number, v);
	v->task.store = i->store;
	v->task.certificate = i->certificate;
	v->task.names = names;
	v->task.serial = i->serial;
	v->task.not_before = i->not_before;
	v->task.not_after = i->not_after;
	c = make_cert(&(struct make_cert_spec){
		.names = san,
		.serial = i->serial,
		.not_before = i->not_before,
		.not_after = i->not_after,
	});
	v->pem = mem_str(c->pem);
	v->task.leaf = v->pem;
}

static int install(struct hook_scratch *s, const struct issued *i, bool only_check)
{
	struct files_version v AUTO_VERSION;
	struct strlist names AUTO_STRLIST = {0};

	version_of(s, i, &v, &names);
	return only_check ? (int)files_check_version(s, &v) : (int)files_install_version(s, &v);
}

static const struct issued live = {STORE, "shop", "a.test b.test", 500, NOW, NOW + 90 * DAY, "50"};

/* What comes after it. */
static const struct {
	struct issued next;
	const char *says; /* why it is refused; NULL: it takes the place */
} successors[] = {
	{{STORE, "shop", "a.test b.test", 501, NOW + DAY, NOW + 91 * DAY, "51"}, NULL},
	/* a store that a backup took the place of: its numbers are lower, or used again */
	{{STORE, "shop", "a.test b.test", 7, NOW + DAY, NOW + 91 * DAY, "51"}, NULL},
	{{STORE, "shop", "a.test b.test", 500, NOW + DAY, NOW + 91 * DAY, "51"}, NULL},
	{{STORE, "shop", "a.test b.test", 7, NOW - DAY, NOW + 89 * DAY, "49"}, "is newer than"},
	{{STORE, "shop", "a.test b.test", 600, NOW - DAY, NOW + 89 * DAY, "49"}, "is newer than"},
	/* other names of the same certificate */
	{{STORE, "shop", "a.test c.test", 501, NOW + DAY, NOW + 91 * DAY, "51"}, NULL},
	/* two of one second, as of a CA that rounds its dates: neither is newer */
	{{STORE, "shop", "a.test b.test", 501, NOW, NOW + 90 * DAY, "51"}, NULL},
	{{STORE, "shop", "a.test b.test", 7, NOW, NOW + 90 * DAY, "49"}, NULL},
	{{STORE, "shop", "a.test b.test", 501, NOW, NOW + 80 * DAY, "51"}, "is newer than"},
	/* the same certificate once more, by another number */
	{{STORE, "shop", "a.test b.test", 7, NOW, NOW + 90 * DAY, "50"}, NULL},
	/* a state directory that was made anew */
	{{ANOTHER, "shop", "b.test a.test", 1, NOW + DAY, NOW + 91 * DAY, "51"}, NULL},
	{{ANOTHER, "other", "a.test b.test", 1, NOW + DAY, NOW + 91 * DAY, "51"}, NULL},
	{{ANOTHER, "shop", "a.test b.test", 900, NOW - DAY, NOW + 89 * DAY, "49"}, "is newer than"},
	/* another everleaf's */
	{{ANOTHER, "shop", "a.test", 900, NOW + DAY, NOW + 91 * DAY, "51"}, "another everleaf"},
	{{ANOTHER, "shop", "x.test", 900, NOW + DAY, NOW + 91 * DAY, "51"}, "another everleaf"},
};

static void what_is_newer_was_judged_by_our_numbers(void **state)
{
	struct hook_scratch *s = *state;

	for (size_t i = 0; i < COUNT_OF(successors); i++) {
		const bool refused = successors[i].says != NULL;
		AUTO_FREE char *want = mem_printf(
			".gen/%" PRId64, refused ? live.number : successors[i].next.number);

		assert_int_equal(install(s, &live, false), ERR_NONE);
		for (int check = 1; check >= 0; check--) {
			assert_int_equal(install(s, &successors[i].next, check),
					 refused ? ERR_CONFIG : ERR_NONE);
			if (refused)
				assert_says(s, successors[i].says);
		}
		assert_link(s, "certs/.live", want);
		run_in_certs(s, "rm -rf .live .gen");
	}
}

/* The certificates that still want the directory. */
static bool wants(void *arg, const char *certificate, const char *directory)
{
	assert_non_null(strstr(directory, "/certs"));
	return str_equal(arg, certificate);
}

static void a_certificate_took_the_place_of_another_one_that_is_wanted(void **state)
{
	struct hook_scratch *s = *state;
	static const char *const still[] = {"shop", "third"};

	for (size_t i = 0; i < COUNT_OF(still); i++) {
		struct issued next = {STORE, "mail", "m.test", 3, NOW - DAY, NOW + DAY, "51"};
		struct files_version v AUTO_VERSION;
		struct strlist names AUTO_STRLIST = {0};

		assert_int_equal(install(s, &live, false), ERR_NONE);
		version_of(s, &next, &v, &names);
		v.task.wants = wants;
		v.task.wants_arg = (void *)(uintptr_t)still[i];
		assert_int_equal(files_check_version(s, &v), i == 0 ? ERR_CONFIG : ERR_NONE);
		assert_int_equal(files_install_version(s, &v), i == 0 ? ERR_CONFIG : ERR_NONE);
		if (i == 0)
			assert_says(s, "the certificate shop is deployed there, too");
		assert_link(s, "certs/.live", i == 0 ? ".gen/500" : ".gen/3");
	}
}

/* The one that was live before stays, whatever the numbers say. */
static void the_generation_before_was_found_by_its_number(void **state)
{
	struct hook_scratch *s = *state;
	struct issued next = {STORE, "shop", "a.test b.test", 7, NOW + DAY, NOW + 91 * DAY, "51"};

	assert_int_equal(install(s, &live, false), ERR_NONE);
	assert_int_equal(install(s, &next, false), ERR_NONE);
	assert_int_equal(mode_of(s, "certs/.gen/500"), S_IFDIR | 0755);
	assert_int_equal(entries_of(s, "certs/.gen"), 2);
	assert_content(s, "certs/.gen/7/.origin", "certificate shop\nstore " STORE "\n");
}

#define SCRATCH_TEST(test)                                                                         \
	cmocka_unit_test_setup_teardown(test, hook_scratch_setup, hook_scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_tidied_directory_was_found_only_after_the_ca_had_issued),
		SCRATCH_TEST(what_is_newer_was_judged_by_our_numbers),
		SCRATCH_TEST(a_certificate_took_the_place_of_another_one_that_is_wanted),
		SCRATCH_TEST(the_generation_before_was_found_by_its_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
