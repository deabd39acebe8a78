/* SPDX-License-Identifier: MIT
 *
 * test_path — who could change what a path leads to, at every door, and whether what the sentence
 * says cures it.
 */
#include "tests/unit/hook_scratch.h"

#include "base/path.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOBODY 65534

static const struct path_rule strict = {
	.cannot = "cannot use",
	.refused = "is not used",
};

/* All doors agree, or it is said what one of them says. */
static int try_doors(const struct hook_scratch *s, const char *folder, struct err *e)
{
	AUTO_FREE char *file = mem_printf("%s/%s/file", s->dir, folder);
	AUTO_FREE char *below = mem_printf("%s/%s/below", s->dir, folder);
	AUTO_FREE char *made = mem_printf("%s/%s/made/more", s->dir, folder);
	AUTO_FREE char *above = NULL;
	int fds[] = {-1, -1, -1, -1};
	int r[COUNT_OF(fds)];

	r[0] = path_open_file(file, &strict, &fds[0], e);
	r[1] = path_open_folder(below, &strict, &fds[1], e);
	r[2] = path_open_nearest(made, &strict, &fds[2], &above, e);
	r[3] = path_make_folder(made, 0700, &strict, &fds[3], e);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		assert_int_equal(r[i], r[0]);
		assert_int_equal(fds[i] >= 0, r[0] == 0);
		if (fds[i] >= 0)
			close(fds[i]);
	}
	assert_int_equal(access(made, F_OK) == 0, r[0] == 0);
	return r[0];
}

static void give(const struct hook_scratch *s, const char *name, uid_t uid, gid_t gid)
{
	assert_int_equal(lchown(scratch_path(s, name), uid, gid), 0);
}

/* What somebody made of the folder "way", and what is said of it. */
static const struct {
	uid_t owner;
	gid_t group;
	mode_t mode;
	const char *says; /* NULL: fine */
} ways[] = {
	{0, 0, 0755, NULL},
	{0, NOBODY, 0755, NULL},
	{0, NOBODY, 01777, NULL}, /* as /tmp */
	{0, 0, 0775, NULL},       /* who is in root's group root decides */
	{0, 0, 02775, NULL},
	{0, NOBODY, 0775, "others may write to the directory"},
	{0, NOBODY, 0757, "others may write to the directory"},
	{0, 0, 0777, "others may write to the directory"},
	{NOBODY, 0, 0755, "belongs to user 65534"},
	{NOBODY, 0, 01777, "belongs to user 65534"}, /* its owner may, sticky or not */
};

static void what_others_could_change_is_refused_at_every_door_until_it_is_cured(void **state)
{
	struct hook_scratch *s = *state;

	if (geteuid() != 0)
		skip(); /* only root can give folders away */
	mkdir(scratch_path(s, "way"), 0755);
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		AUTO_FREE char *in = mem_printf("way/%zu", i);
		AUTO_FREE char *file = mem_printf("way/%zu/file", i);
		AUTO_FREE char *below = mem_printf("way/%zu/below", i);
		struct err e = {0};
		const char *cure;

		mkdir(scratch_path(s, in), 0755);
		chmod(scratch_path(s, in), 0755);
		mkdir(scratch_path(s, below), 0755);
		scratch_write(s, file, "", 0644);
		give(s, in, ways[i].owner, ways[i].group);
		chmod(scratch_path(s, in), ways[i].mode);
		assert_int_equal(try_doors(s, in, &e), ways[i].says == NULL ? 0 : ERR_CONFIG);
		if (ways[i].says == NULL)
			continue;
		if (strstr(e.text, ways[i].says) == NULL || strstr(e.text, in) == NULL)
			fail_msg("row %zu: \"%s\" does not say \"%s\"", i, e.text, ways[i].says);
		cure = strstr(e.text, ": run ");
		assert_non_null(cure);
		assert_int_equal(system(cure + strlen(": run ")), 0);
		assert_int_equal(try_doors(s, in, &e), 0);
	}
}

static void a_link_is_judged_with_what_it_leads_through(void **state)
{
	AUTO_FREE char *again = NULL;
	struct hook_scratch *s = *state;
	struct err e = {0};

	if (geteuid() != 0)
		skip();
	mkdir(scratch_path(s, "real"), 0755);
	mkdir(scratch_path(s, "real/in"), 0755);
	mkdir(scratch_path(s, "real/in/below"), 0755);
	scratch_write(s, "real/in/file", "", 0644);
	assert_int_equal(symlink("real/in", scratch_path(s, "link")), 0);
	assert_int_equal(try_doors(s, "link", &e), 0);
	again = mem_printf("rm -r %s/real/in/made", s->dir);
	assert_int_equal(system(again), 0);
	chmod(scratch_path(s, "real"), 0777);
	assert_int_equal(try_doors(s, "link", &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "others may write to the directory"));
	chmod(scratch_path(s, "real"), 0755);
	give(s, "link", NOBODY, NOBODY);
	assert_int_equal(try_doors(s, "link", &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "a symbolic link on the way belongs to user 65534"));
}

/* A user's own folders: as the user, with the group that only this user is in. */
static void a_users_own_folders_are_that_users(void **state)
{
	struct hook_scratch *s = *state;
	const struct passwd *user = getpwnam("games");
	struct err e = {0};
	int r;

	if (geteuid() != 0 || user == NULL)
		skip();
	mkdir(scratch_path(s, "home"), 0755);
	mkdir(scratch_path(s, "home/below"), 0755);
	scratch_write(s, "home/file", "", 0664);
	give(s, "home", user->pw_uid, user->pw_gid);
	give(s, "home/below", user->pw_uid, user->pw_gid);
	give(s, "home/file", user->pw_uid, user->pw_gid);
	chmod(scratch_path(s, "home"), 0775);
	assert_int_equal(try_doors(s, "home", &e), ERR_CONFIG); /* not root's */
	assert_int_equal(setegid(user->pw_gid) | seteuid(user->pw_uid), 0);
	r = try_doors(s, "home", &e);
	assert_int_equal(seteuid(0) | setegid(0), 0);
	assert_int_equal(r, 0);
}

static void one_more_user_may_own_folders_but_lead_nowhere(void **state)
{
	struct hook_scratch *s = *state;
	const struct path_rule theirs = {
		.cannot = "cannot use",
		.refused = "is not used",
		.forbidden = S_IWOTH,
		.owner = NOBODY,
	};
	struct err e = {0};
	int fd AUTO_FD = -1, again AUTO_FD = -1;

	if (geteuid() != 0)
		skip();
	mkdir(scratch_path(s, "theirs"), 0755);
	give(s, "theirs", NOBODY, NOBODY);
	assert_int_equal(path_make_folder(scratch_path(s, "theirs/a"), 0700, &theirs, &fd, &e), 0);
	assert_int_equal(symlink("a", scratch_path(s, "theirs/link")), 0);
	give(s, "theirs/link", NOBODY, NOBODY);
	assert_int_equal(path_open_folder(scratch_path(s, "theirs/link"), &theirs, &again, &e),
			 ERR_CONFIG);
	assert_int_equal(again, -1);
}

static mode_t mode_of(const struct hook_scratch *s, const char *name)
{
	struct stat st = {0};

	assert_int_equal(stat(scratch_path(s, name), &st), 0);
	return st.st_mode;
}

static int make(const char *path, mode_t mode, struct err *e)
{
	int fd AUTO_FD = -1;

	return path_make_folder(path, mode, &strict, &fd, e);
}

static void missing_parents_are_made_and_the_last_folder_gets_its_mode(void **state)
{
	struct hook_scratch *s = *state;
	struct err e = {0};
	mode_t old = umask(077);
	int r = make(scratch_path(s, "a//b/c/"), 0750, &e);

	umask(old);
	assert_int_equal(r, 0);
	assert_int_equal(mode_of(s, "a"), S_IFDIR | 0755);
	assert_int_equal(mode_of(s, "a/b"), S_IFDIR | 0755);
	assert_int_equal(mode_of(s, "a/b/c"), S_IFDIR | 0750);
	assert_int_equal(make(scratch_path(s, "a//b/c/"), 0700, &e), 0);
	assert_int_equal(mode_of(s, "a/b/c"), S_IFDIR | 0750); /* one that exists is left alone */
	assert_int_equal(make("/", 0700, &e), 0);
	assert_int_equal(e.code, ERR_NONE);
}

static void a_folder_cannot_be_made_where_a_file_is_or_a_link_leads_nowhere(void **state)
{
	struct hook_scratch *s = *state;
	struct err e = {0};

	scratch_write(s, "file", "x", 0600);
	assert_int_equal(make(scratch_path(s, "file"), 0700, &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "/file is not a directory"));
	assert_int_equal(make(scratch_path(s, "file/below"), 0700, &e), ERR_CONFIG);
	assert_int_equal(symlink("no/where", scratch_path(s, "dangling")), 0);
	assert_int_equal(make(scratch_path(s, "dangling"), 0700, &e), ERR_CONFIG);
	assert_int_equal(make(scratch_path(s, "dangling/below"), 0700, &e), ERR_CONFIG);
	assert_int_equal(make("", 0700, &e), ERR_CONFIG);
	assert_int_equal(access(scratch_path(s, "no"), F_OK), -1);
}

static void a_relative_path_is_judged_from_the_root_on(void **state)
{
	struct hook_scratch *s = *state;
	int here AUTO_FD = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd AUTO_FD = -1, again AUTO_FD = -1;
	struct err e = {0};
	int r;

	mkdir(scratch_path(s, "a"), 0755);
	scratch_write(s, "a/file", "x", 0600);
	assert_int_equal(chdir(scratch_path(s, "a")), 0);
	assert_int_equal(path_open_file("../a/file", &strict, &fd, &e), 0);
	chmod(s->dir, 0777);
	r = path_open_file("file", &strict, &again, &e);
	chmod(s->dir, 0755);
	assert_int_equal(fchdir(here), 0);
	assert_int_equal(r, ERR_CONFIG);
	assert_non_null(strstr(e.text, "file is not used: others may write to the directory /"));
}

#define SCRATCH_TEST(test)                                                                         \
	cmocka_unit_test_setup_teardown(test, hook_scratch_setup, hook_scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(what_others_could_change_is_refused_at_every_door_until_it_is_cured),
		SCRATCH_TEST(a_link_is_judged_with_what_it_leads_through),
		SCRATCH_TEST(a_users_own_folders_are_that_users),
		SCRATCH_TEST(one_more_user_may_own_folders_but_lead_nowhere),
		SCRATCH_TEST(missing_parents_are_made_and_the_last_folder_gets_its_mode),
		SCRATCH_TEST(a_folder_cannot_be_made_where_a_file_is_or_a_link_leads_nowhere),
		SCRATCH_TEST(a_relative_path_is_judged_from_the_root_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
