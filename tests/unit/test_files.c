/* SPDX-License-Identifier: MIT */
#include "tests/unit/files_version.h"

#include "base/key.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOMEBODY 54321 /* an id that nobody has */

/* --- what it looks like ------------------------------------------------------------------- */

static void servers_find_four_names_that_never_change(void **state)
{
	struct hook_scratch *s = *state;

	assert_int_equal(files_install(s, 7), ERR_NONE);
	assert_live(s, 7);
	assert_link(s, "certs/.live", ".gen/7");
	for (size_t i = 0; i < COUNT_OF(files_names); i++) {
		AUTO_FREE char *name = mem_printf("certs/%s", files_names[i]);
		AUTO_FREE char *target = mem_printf(".live/%s", files_names[i]);

		assert_link(s, name, target);
	}
	assert_int_equal(entries_of(s, "certs"), 6);
	assert_int_equal(entries_of(s, "certs/.gen"), 1);
	assert_int_equal(entries_of(s, "certs/.gen/7"), 5);
}

static void only_the_owner_may_read_the_key_whatever_the_umask(void **state)
{
	struct hook_scratch *s = *state;
	static const mode_t umasks[] = {0, 022, 077};

	for (size_t i = 0; i < COUNT_OF(umasks); i++) {
		AUTO_FREE char *gen = mem_printf("certs/.gen/%zu", i + 1);
		AUTO_FREE char *key = mem_printf("%s/privkey.pem", gen);
		AUTO_FREE char *cert = mem_printf("%s/cert.pem", gen);

		umask(umasks[i]);
		assert_int_equal(files_install(s, (int64_t)i + 1), ERR_NONE);
		assert_int_equal(mode_of(s, key), S_IFREG | 0600);
		assert_int_equal(mode_of(s, cert), S_IFREG | 0644);
		assert_int_equal(mode_of(s, gen), S_IFDIR | 0755);
		assert_int_equal(mode_of(s, "certs/.gen"), S_IFDIR | 0755);
		assert_int_equal(mode_of(s, "certs"), S_IFDIR | 0755);
	}
	umask(077);
}

static void installing_again_changes_nothing(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_FREE char *once = NULL;
	AUTO_FREE char *twice = NULL;

	assert_int_equal(files_install(s, 6), ERR_NONE);
	assert_int_equal(files_install(s, 7), ERR_NONE);
	once = scratch_tree(s);
	assert_int_equal(files_install(s, 7), ERR_NONE);
	twice = scratch_tree(s);
	assert_string_equal(once, twice);
}

static void without_a_chain_its_file_is_empty(void **state)
{
	struct hook_scratch *s = *state;
	struct files_version v AUTO_VERSION;

	files_version_make(s, 1, &v);
	v.task.chain = "";
	assert_int_equal(files_install_version(s, &v), ERR_NONE);
	assert_content(s, "certs/chain.pem", "");
	assert_content(s, "certs/fullchain.pem", "CERT 1\n");
	assert_int_equal(mode_of(s, "certs/.gen/1/chain.pem"), S_IFREG | 0644);
}

static void certificates_never_share_a_line(void **state)
{
	struct hook_scratch *s = *state;
	struct files_version v AUTO_VERSION;

	files_version_make(s, 1, &v);
	v.task.leaf = "CERT";
	v.task.chain = "CHAIN";
	assert_int_equal(files_install_version(s, &v), ERR_NONE);
	assert_content(s, "certs/fullchain.pem", "CERT\nCHAIN\n");
}

static void missing_parents_are_made(void **state)
{
	struct hook_scratch *s = *state;
	struct files_version v AUTO_VERSION;

	files_version_make(s, 1, &v);
	json_put_text(v.settings, "directory", scratch_path(s, "a/b/c/"));
	assert_int_equal(files_check_version(s, &v), ERR_NONE);
	assert_int_equal(mode_of(s, "a"), 0); /* a check makes nothing */
	assert_int_equal(files_install_version(s, &v), ERR_NONE);
	assert_content(s, "a/b/c/privkey.pem", "KEY 1\n");
	assert_int_equal(mode_of(s, "a/b"), S_IFDIR | 0755);
}

/* --- what is not ours --------------------------------------------------------------------- */

/* Something that is in the way of the directory's layout. */
static const struct {
	const char *at;   /* below certs */
	const char *link; /* target; NULL: a file; "": a directory */
	const char *says;
} in_the_way[] = {
	{"privkey.pem", NULL, "privkey.pem is there already"},
	{"cert.pem", NULL, "cert.pem is there already"},
	{"chain.pem", NULL, "chain.pem is there already"},
	{"fullchain.pem", NULL, "fullchain.pem is there already"},
	{"fullchain.pem", "", "fullchain.pem is there already"},
	{"privkey.pem", "../../archive/a.example/privkey1.pem", "privkey.pem is there already"},
	{"privkey.pem", ".live/cert.pem", "privkey.pem is there already"},
	{"privkey.pem", ".live/privkey.pem2", "privkey.pem is there already"},
	{".live", NULL, ".live is not the link"},
	{".live", "", ".live is not the link"},
	{".live", "/etc", ".live is not the link"},
	{".live", ".gen/", ".live is not the link"},
	{".live", ".gen/../7", ".live is not the link"},
	{".live", ".gen/7/", ".live is not the link"},
	{".live", ".gen/07", ".live is not the link"},
	{".live", ".gen/-7", ".live is not the link"},
	{".live", ".gen/99999999999999999999", ".live is not the link"},
	{".gen", NULL, ".gen is no directory"},
	{".gen", "..", ".gen is no directory"},
	{".gen", "/tmp", ".gen is no directory"},
};

static void what_everleaf_did_not_make_it_does_not_touch(void **state)
{
	struct hook_scratch *s = *state;

	mkdir(scratch_path(s, "certs"), 0755);
	chmod(scratch_path(s, "certs"), 0755);
	for (size_t i = 0; i < COUNT_OF(in_the_way); i++) {
		AUTO_FREE char *name = mem_printf("certs/%s", in_the_way[i].at);
		AUTO_FREE char *before = NULL;
		AUTO_FREE char *after = NULL;

		if (in_the_way[i].link == NULL)
			scratch_write(s, name, "precious", 0644);
		else if (*in_the_way[i].link == '\0')
			assert_int_equal(mkdir(scratch_path(s, name), 0755), 0);
		else
			assert_int_equal(symlink(in_the_way[i].link, scratch_path(s, name)), 0);
		before = scratch_tree(s);
		assert_int_equal(files_check(s, 7), ERR_CONFIG);
		assert_int_equal(files_install(s, 7), ERR_CONFIG);
		if (strstr(s->answer.text, in_the_way[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", s->answer.text, in_the_way[i].says);
		after = scratch_tree(s);
		assert_string_equal(before, after);
		assert_int_equal(remove(scratch_path(s, name)), 0);
	}
}

static void a_directory_that_others_may_write_to_is_refused(void **state)
{
	struct hook_scratch *s = *state;

	assert_int_equal(files_install(s, 1), ERR_NONE);
	chmod(scratch_path(s, "certs"), 0777);
	assert_int_equal(files_check(s, 2), ERR_CONFIG);
	assert_int_equal(files_install(s, 2), ERR_CONFIG);
	assert_non_null(
		strstr(s->answer.text, "others may write to it (mode 0777): run chmod o-w /"));
	chmod(scratch_path(s, "certs"), 0775); /* a group of administrators is their choice */
	assert_int_equal(files_install(s, 2), ERR_NONE);
	chmod(scratch_path(s, "certs/.gen"), 0775);
	assert_int_equal(files_install(s, 3), ERR_CONFIG);
	assert_non_null(strstr(s->answer.text, "others may write to it"));
	assert_live(s, 2);
}

/* Found by all three before anything is made; who shall have the files may own the way to them. */
static void a_way_that_somebody_else_owns_is_refused_unless_the_files_are_theirs(void **state)
{
	struct hook_scratch *s = *state;
	struct files_version v AUTO_VERSION;
	struct err e = {0};

	if (geteuid() != 0)
		skip(); /* only root can give files away */
	files_version_make(s, 1, &v);
	mkdir(scratch_path(s, "theirs"), 0755);
	json_put_text(v.settings, "directory", scratch_path(s, "theirs/certs"));
	for (int made = 0; made < 2; made++) {
		assert_int_equal(chown(scratch_path(s, "theirs"), SOMEBODY, SOMEBODY), 0);
		assert_int_equal(files_check_version(s, &v), ERR_CONFIG);
		assert_non_null(strstr(s->answer.text, "belongs to user 54321, who could"));
		assert_int_equal(deployer_files.room(&v.task, &e), ERR_CONFIG);
		assert_int_equal(files_install_version(s, &v), ERR_CONFIG);
		assert_int_equal(entries_of(s, "theirs"), made);
		json_put_text(v.settings, "owner", "54321");
		assert_int_equal(files_check_version(s, &v), ERR_NONE);
		assert_int_equal(files_install_version(s, &v), ERR_NONE);
		json_put_text(v.settings, "owner", "0");
	}
}

static void the_directory_is_no_link_and_no_file(void **state)
{
	struct hook_scratch *s = *state;

	mkdir(scratch_path(s, "real"), 0755);
	assert_int_equal(symlink("real", scratch_path(s, "certs")), 0);
	assert_int_equal(files_check(s, 1), ERR_CONFIG);
	assert_int_equal(files_install(s, 1), ERR_CONFIG);
	assert_non_null(strstr(s->answer.text, "is a symbolic link or a file"));
	assert_int_equal(entries_of(s, "real"), 0);
	unlink(scratch_path(s, "certs"));
	scratch_write(s, "certs", "precious", 0644);
	assert_int_equal(files_check(s, 1), ERR_CONFIG);
	assert_int_not_equal(files_install(s, 1), ERR_NONE);
	assert_content(s, "certs", "precious");
}

static void a_directory_we_cannot_write_to_is_found_by_the_check(void **state)
{
	struct hook_scratch *s = *state;
	bool root = geteuid() == 0;
	enum err_code code;

	assert_int_equal(chmod(s->dir, 0555), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	code = files_check(s, 1);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(s->dir, 0755), 0);
	assert_int_equal(code, ERR_CONFIG);
	assert_non_null(strstr(s->answer.text, "which would have to be made"));
}

/* --- settings ----------------------------------------------------------------------------- */

static const struct {
	const char *more; /* members besides the directory */
	const char *says; /* part of the sentence; NULL: fine */
	mode_t mode;      /* of the key then */
} settings_rows[] = {
	{"", NULL, 0600},
	{",\"mode\":null,\"owner\":null,\"group\":null", NULL, 0600},
	{",\"mode\":\"0640\"", NULL, 0640},
	{",\"mode\":\"640\"", NULL, 0640},
	{",\"mode\":\"0400\"", NULL, 0400},
	{",\"mode\":\"0440\"", NULL, 0440},
	{",\"mode\":\"0644\"", "is not one for a private key", 0},
	{",\"mode\":\"0666\"", "is not one for a private key", 0},
	{",\"mode\":\"0700\"", "is not one for a private key", 0},
	{",\"mode\":\"4600\"", "is not one for a private key", 0},
	{",\"mode\":\"0200\"", "is not one for a private key", 0},
	{",\"mode\":\"\"", "is not a number like 0640", 0},
	{",\"mode\":\"rw\"", "is not a number like 0640", 0},
	{",\"mode\":\"0680\"", "is not a number like 0640", 0},
	{",\"mode\":\"-640\"", "is not a number like 0640", 0},
	{",\"mode\":\"000000640\"", "is not a number like 0640", 0},
	{",\"mode\":640", "\"mode\" of the files has to be a text", 0}, /* which is 01200 */
	{",\"owner\":0", "\"owner\" of the files has to be a text", 0},
	{",\"group\":[]", "\"group\" of the files has to be a text", 0},
	{",\"owner\":\"nobody-of-that-name\"", "there is no user", 0},
	{",\"group\":\"nobody-of-that-name\"", "there is no group", 0},
	{",\"owner\":\"\"", "there is no user", 0},
	{",\"owner\":\"-1\"", "there is no user", 0},
	{",\"owner\":\"4294967295\"", "there is no user", 0}, /* (uid_t)-1 */
	{",\"owner\":\"99999999999\"", "there is no user", 0},
};

static void settings_that_cannot_work_are_refused_before_anything_is_made(void **state)
{
	struct hook_scratch *s = *state;

	for (size_t i = 0; i < COUNT_OF(settings_rows); i++) {
		AUTO_FREE char *text =
			mem_printf("{\"directory\":\"%s/certs\"%s}", s->dir, settings_rows[i].more);
		struct files_version v AUTO_VERSION;
		bool fine = settings_rows[i].says == NULL;
		struct err e = {0};

		files_version_make(s, (int64_t)i + 1, &v);
		json_free(TAKE(v.settings));
		assert_int_equal(json_parse(text, strlen(text), &v.settings, &e), 0);
		v.task.settings = v.settings;
		assert_int_equal(deployer_files.room(&v.task, &e), fine ? 0 : ERR_CONFIG);
		assert_int_equal(files_check_version(s, &v), fine ? ERR_NONE : ERR_CONFIG);
		assert_int_equal(files_install_version(s, &v), fine ? ERR_NONE : ERR_CONFIG);
		if (fine) {
			AUTO_FREE char *key = mem_printf("certs/.gen/%zu/privkey.pem", i + 1);

			assert_int_equal(mode_of(s, key), S_IFREG | settings_rows[i].mode);
			continue;
		}
		if (strstr(s->answer.text, settings_rows[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", s->answer.text,
				 settings_rows[i].says);
	}
}

static void a_directory_has_to_be_given_by_its_full_path(void **state)
{
	struct hook_scratch *s = *state;
	static const char *const bad[] = {NULL, "", "certs", "./certs", "../certs"};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct files_version v AUTO_VERSION;

		files_version_make(s, 1, &v);
		json_put_text(v.settings, "directory", bad[i]);
		assert_int_equal(files_check_version(s, &v), ERR_CONFIG);
		assert_int_equal(files_install_version(s, &v), ERR_CONFIG);
	}
}

static void files_belong_to_whom_the_settings_say(void **state)
{
	struct hook_scratch *s = *state;
	struct files_version v AUTO_VERSION;
	struct stat st;

	if (geteuid() != 0)
		skip(); /* only root can give files away */
	assert_int_equal(files_install(s, 1), ERR_NONE);
	files_version_make(s, 1, &v);
	json_put_text(v.settings, "owner", "54321");
	json_put_text(v.settings, "group", "root");
	json_put_text(v.settings, "mode", "0640");
	assert_int_equal(files_install_version(s, &v),
			 ERR_NONE); /* a change of mind about version 1 */
	for (size_t i = 0; i < COUNT_OF(files_names); i++) {
		AUTO_FREE char *path = mem_printf("certs/%s", files_names[i]);

		assert_int_equal(stat(scratch_path(s, path), &st), 0);
		assert_int_equal(st.st_uid, SOMEBODY);
		assert_int_equal(st.st_gid, 0);
	}
	assert_int_equal(mode_of(s, "certs/.gen/1/privkey.pem"), S_IFREG | 0640);
	assert_int_equal(entries_of(s, "certs/.gen"), 1);
}

static void room_is_asked_for_where_the_directory_will_be(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_JSON struct json *missing = files_settings(scratch_path(s, "a/b/c"));
	AUTO_JSON struct json *below_file = files_settings(scratch_path(s, "file/a/b"));
	AUTO_JSON struct json *full = files_settings("/proc/everleaf");
	struct deployer_task task = {.settings = missing, .certificate = "shop", .key_fd = -1};
	struct err e = {0};

	scratch_write(s, "file", "", 0644);
	assert_int_equal(deployer_files.room(&task, &e), 0);
	task.settings = below_file;
	assert_int_equal(deployer_files.room(&task, &e), ERR_CONFIG);
	task.settings = full;
	assert_int_equal(deployer_files.room(&task, &e), ERR_SYS); /* it has no block at all */
	assert_non_null(strstr(e.text, "is full"));
	assert_int_equal(mode_of(s, "a"), 0);
}

static void a_key_that_cannot_be_read_replaces_nothing(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_FREE char *large = mem_new(KEY_PEM_MAX + 1);
	int fds[3];

	assert_int_equal(files_install(s, 1), ERR_NONE);
	memset(large, 'K', KEY_PEM_MAX + 1);
	fds[0] = files_memory("", 0);
	fds[1] = files_memory(large, KEY_PEM_MAX + 1);
	fds[2] = -1;
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		struct files_version v AUTO_VERSION;

		files_version_make(s, 2, &v);
		close(v.task.key_fd);
		v.task.key_fd = fds[i];
		assert_int_not_equal(files_install_version(s, &v), ERR_NONE);
		assert_live(s, 1);
		assert_int_equal(entries_of(s, "certs/.gen"), 1);
	}
}

/* --- export ------------------------------------------------------------------------------- */

static void an_export_is_four_plain_files(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_FREE char *directory = mem_printf("%s/out", s->dir);
	struct files_version v AUTO_VERSION;
	struct err e = {0};

	files_version_make(s, 7, &v);
	assert_int_equal(files_export(&v.task, directory, &e), 0);
	assert_int_equal(files_export(&v.task, directory, &e), 0);
	assert_content(s, "out/privkey.pem", "KEY 7\n");
	assert_content(s, "out/cert.pem", "CERT 7\n");
	assert_content(s, "out/chain.pem", "CHAIN 7\n");
	assert_content(s, "out/fullchain.pem", "CERT 7\nCHAIN 7\n");
	assert_int_equal(mode_of(s, "out/privkey.pem"), S_IFREG | 0600);
	assert_int_equal(mode_of(s, "out/cert.pem"), S_IFREG | 0644);
	assert_int_equal(entries_of(s, "out"), 4);
	scratch_write(s, "file", "", 0644);
	assert_int_not_equal(files_export(&v.task, scratch_path(s, "file"), &e), 0);
}

/* --- for a look --------------------------------------------------------------------------- */

static void a_stage_is_what_would_be_installed_and_is_gone_without_a_trace(void **state)
{
	struct hook_scratch *s = *state;
	struct files_version v AUTO_VERSION;
	struct deployer_stage stage, beside;
	AUTO_FREE char *before = NULL, *after = NULL;
	AUTO_FREE char *key = NULL, *full = NULL;
	struct err e = {0};
	struct stat st;

	assert_int_equal(files_install(s, 1), ERR_NONE);
	before = scratch_tree(s);
	files_version_make(s, 2, &v);
	json_put_text(v.settings, "mode", "0640");
	assert_int_equal(deployer_files.stage(&v.task, &stage, &e), 0);
	assert_int_equal(deployer_files.stage(&v.task, &beside, &e), 0); /* no other is swept */
	key = mem_printf("%s/.live/privkey.pem", stage.directory);
	full = mem_printf("%s/fullchain.pem", stage.directory);
	assert_content(s, strstr(key, "certs/"), "KEY 2\n");
	assert_content(s, strstr(full, "certs/"), "CERT 2\nCHAIN 2\n");
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_live(s, 1);
	deployer_files.unstage(&stage);
	deployer_files.unstage(&beside);
	after = scratch_tree(s);
	assert_string_equal(after, before);
}

static void a_stage_makes_no_directory(void **state)
{
	struct hook_scratch *s = *state;
	struct files_version v AUTO_VERSION;
	struct deployer_stage stage;
	AUTO_FREE char *before = scratch_tree(s), *after = NULL;
	struct err e = {0};

	files_version_make(s, 2, &v);
	json_put_text(v.settings, "directory", scratch_path(s, "a/b/c"));
	assert_int_equal(deployer_files.stage(&v.task, &stage, &e), 0);
	assert_int_equal(strncmp(stage.directory, s->dir, strlen(s->dir)), 0);
	assert_int_equal(access(scratch_path(s, "a"), F_OK), -1);
	deployer_files.unstage(&stage);
	after = scratch_tree(s);
	assert_string_equal(after, before);
}

static void a_stage_that_fails_leaves_nothing(void **state)
{
	struct hook_scratch *s = *state;
	struct files_version v AUTO_VERSION;
	struct deployer_stage stage;
	AUTO_FREE char *before = NULL, *after = NULL;
	struct rlimit limit, small;
	struct err e = {0};

	assert_int_equal(files_install(s, 1), ERR_NONE);
	before = scratch_tree(s);
	files_version_make(s, 2, &v);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = (struct rlimit){.rlim_cur = 3, .rlim_max = limit.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(deployer_files.stage(&v.task, &stage, &e), ERR_SYS);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_non_null(strstr(e.text, "trying to write into"));
	after = scratch_tree(s);
	assert_string_equal(after, before);
}

static void what_a_dead_process_staged_is_swept_by_the_next_install(void **state)
{
	struct hook_scratch *s = *state;
	struct files_version v AUTO_VERSION;
	struct deployer_stage stage;
	struct err e = {0};

	assert_int_equal(files_install(s, 1), ERR_NONE);
	files_version_make(s, 2, &v);
	assert_int_equal(deployer_files.stage(&v.task, &stage, &e), 0);
	assert_int_equal(files_install(s, 2), ERR_NONE);
	assert_int_equal(entries_of(s, "certs"), 7); /* its process is alive */
	close(stage.lock);
	stage.lock = -1;
	assert_int_equal(files_install(s, 2), ERR_NONE);
	assert_int_equal(entries_of(s, "certs"), 6);
	deployer_files.unstage(&stage); /* nothing is there any more */
}

#define SCRATCH_TEST(test)                                                                         \
	cmocka_unit_test_setup_teardown(test, hook_scratch_setup, hook_scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(servers_find_four_names_that_never_change),
		SCRATCH_TEST(only_the_owner_may_read_the_key_whatever_the_umask),
		SCRATCH_TEST(installing_again_changes_nothing),
		SCRATCH_TEST(without_a_chain_its_file_is_empty),
		SCRATCH_TEST(certificates_never_share_a_line),
		SCRATCH_TEST(missing_parents_are_made),
		SCRATCH_TEST(what_everleaf_did_not_make_it_does_not_touch),
		SCRATCH_TEST(a_directory_that_others_may_write_to_is_refused),
		SCRATCH_TEST(a_way_that_somebody_else_owns_is_refused_unless_the_files_are_theirs),
		SCRATCH_TEST(the_directory_is_no_link_and_no_file),
		SCRATCH_TEST(a_directory_we_cannot_write_to_is_found_by_the_check),
		SCRATCH_TEST(settings_that_cannot_work_are_refused_before_anything_is_made),
		SCRATCH_TEST(a_directory_has_to_be_given_by_its_full_path),
		SCRATCH_TEST(files_belong_to_whom_the_settings_say),
		SCRATCH_TEST(room_is_asked_for_where_the_directory_will_be),
		SCRATCH_TEST(a_key_that_cannot_be_read_replaces_nothing),
		SCRATCH_TEST(an_export_is_four_plain_files),
		SCRATCH_TEST(a_stage_is_what_would_be_installed_and_is_gone_without_a_trace),
		SCRATCH_TEST(a_stage_makes_no_directory),
		SCRATCH_TEST(a_stage_that_fails_leaves_nothing),
		SCRATCH_TEST(what_a_dead_process_staged_is_swept_by_the_next_install),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
