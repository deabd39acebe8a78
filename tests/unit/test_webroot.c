/* SPDX-License-Identifier: MIT */
#include "tests/unit/hook_scratch.h"

#include "base/json.h"
#include "hooks/solver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOKEN      "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
#define OTHER      "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
#define KEY_AUTH   TOKEN ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
#define CHALLENGES ".well-known/acme-challenge"

static struct json *settings_of(const char *directory)
{
	struct json *settings = json_new_map();

	json_put_text(settings, "name", "webroot");
	json_put_text(settings, "directory", directory);
	return settings;
}

static struct solver_task task_of(const struct hook_scratch *s, const struct json *settings,
				  const char *token, const char *key_authorization)
{
	return (struct solver_task){
		.loop = s->loop,
		.settings = settings,
		.type = "http-01",
		.identifier = "a.example",
		.token = token,
		.key_authorization = key_authorization,
	};
}

static enum err_code present(struct hook_scratch *s, const char *token, const char *content)
{
	AUTO_JSON struct json *settings = settings_of(s->dir);
	struct solver_task task = task_of(s, settings, token, content);

	solver_webroot.present(&task, scratch_done, s);
	return scratch_await(s);
}

static enum err_code withdraw(struct hook_scratch *s, const char *token)
{
	AUTO_JSON struct json *settings = settings_of(s->dir);
	struct solver_task task = task_of(s, settings, token, NULL);

	solver_webroot.withdraw(&task, scratch_done, s);
	return scratch_await(s);
}

static int check(const struct hook_scratch *s, struct err *e)
{
	AUTO_JSON struct json *settings = settings_of(s->dir);

	return solver_webroot.check(settings, e);
}

static mode_t mode_of(const struct hook_scratch *s, const char *name)
{
	struct stat st;

	return lstat(scratch_path(s, name), &st) == 0 ? st.st_mode : 0;
}

static void assert_content(const struct hook_scratch *s, const char *name, const char *want)
{
	AUTO_FREE char *content = scratch_read(scratch_path(s, name));

	assert_string_equal(content, want);
}

static void only_http_01_without_a_wildcard_is_handled(void **state)
{
	(void)state;
	assert_true(solver_webroot.handles("http-01", false));
	assert_false(solver_webroot.handles("http-01", true)); /* RFC 8555 8.3: cannot prove it */
	assert_false(solver_webroot.handles("dns-01", false));
	assert_false(solver_webroot.handles("tls-alpn-01", false));
	assert_false(solver_webroot.handles("", false));
}

static void an_answer_is_readable_by_the_server_whatever_the_umask(void **state)
{
	struct hook_scratch *s = *state;

	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_NONE);
	assert_content(s, CHALLENGES "/" TOKEN, KEY_AUTH);
	assert_int_equal(mode_of(s, ".well-known"), S_IFDIR | 0755);
	assert_int_equal(mode_of(s, CHALLENGES), S_IFDIR | 0755);
	assert_int_equal(mode_of(s, CHALLENGES "/" TOKEN), S_IFREG | 0644);
}

static void presenting_and_withdrawing_may_run_again(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_FREE char *once = NULL;
	AUTO_FREE char *twice = NULL;

	assert_int_equal(withdraw(s, TOKEN), ERR_NONE); /* nothing there at all */
	assert_int_equal(mode_of(s, ".well-known"), 0); /* … and nothing made for it */
	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_NONE);
	once = scratch_tree(s);
	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_NONE);
	twice = scratch_tree(s);
	assert_string_equal(once, twice);
	assert_int_equal(withdraw(s, TOKEN), ERR_NONE);
	assert_int_equal(withdraw(s, TOKEN), ERR_NONE);
	assert_int_equal(mode_of(s, CHALLENGES "/" TOKEN), 0);
}

static void withdrawing_takes_back_that_answer_and_nothing_else(void **state)
{
	struct hook_scratch *s = *state;

	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_NONE);
	assert_int_equal(present(s, OTHER, "another"), ERR_NONE);
	scratch_write(s, CHALLENGES "/theirs", "theirs", 0644);
	assert_int_equal(withdraw(s, TOKEN), ERR_NONE);
	assert_int_equal(mode_of(s, CHALLENGES "/" TOKEN), 0);
	assert_content(s, CHALLENGES "/" OTHER, "another");
	assert_content(s, CHALLENGES "/theirs", "theirs");
	assert_int_equal(withdraw(s, OTHER), ERR_NONE);
	assert_int_equal(mode_of(s, CHALLENGES), S_IFDIR | 0755); /* the server may know of it */
}

static void folders_that_are_there_keep_their_modes(void **state)
{
	struct hook_scratch *s = *state;

	mkdir(scratch_path(s, ".well-known"), 0700);
	chmod(scratch_path(s, ".well-known"), 0711);
	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_NONE);
	assert_int_equal(mode_of(s, ".well-known"), S_IFDIR | 0711);
}

static void an_old_answer_of_ours_is_replaced(void **state)
{
	struct hook_scratch *s = *state;

	assert_int_equal(present(s, TOKEN, "from an account that is gone"), ERR_NONE);
	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_NONE);
	assert_content(s, CHALLENGES "/" TOKEN, KEY_AUTH);
	/* neither a longer nor a shorter one is taken for the same */
	assert_int_equal(present(s, TOKEN, KEY_AUTH "x"), ERR_NONE);
	assert_content(s, CHALLENGES "/" TOKEN, KEY_AUTH "x");
	assert_int_equal(present(s, TOKEN, TOKEN), ERR_NONE);
	assert_content(s, CHALLENGES "/" TOKEN, TOKEN);
}

static void what_a_crash_left_of_an_answer_goes_with_it(void **state)
{
	struct hook_scratch *s = *state;

	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_NONE);
	scratch_write(s, CHALLENGES "/." TOKEN ".0123456789abcdef.tmp", "half", 0600);
	scratch_write(s, CHALLENGES "/." OTHER ".0123456789abcdef.tmp", "not its own", 0600);
	assert_int_equal(withdraw(s, TOKEN), ERR_NONE);
	assert_int_equal(mode_of(s, CHALLENGES "/." TOKEN ".0123456789abcdef.tmp"), 0);
	assert_int_not_equal(mode_of(s, CHALLENGES "/." OTHER ".0123456789abcdef.tmp"), 0);
}

/* --- what a CA could send ------------------------------------------ */

#define PAD "AAAAAAAAAAAAAAAAAAAAAA" /* 22: long enough, so that only the rest is wrong */

static const char *const evil[] = {
	"",
	".",
	"..",
	"/",
	"a",
	"AAAAAAAAAAAAAAAAAAAAA", /* 21 */
	"../" PAD,
	"../../" PAD,
	"../../../../../../../../etc/cron.d/" PAD,
	"/etc/cron.d/" PAD,
	"//" PAD,
	"./" PAD,
	PAD "/",
	PAD "/.",
	PAD "/..",
	PAD "/../" PAD,
	PAD "/../../" PAD,
	PAD "/" PAD,
	PAD ".",
	PAD "..",
	"." PAD,
	".." PAD,
	PAD ".html",
	PAD ".php",
	".htaccess" PAD,
	"..\\" PAD,
	"\\" PAD,
	"C:\\" PAD,
	"%2e%2e%2f" PAD,
	"%2E%2E/" PAD,
	"..%2f" PAD,
	"..%c0%af" PAD,
	"%00" PAD,
	PAD "%00.html",
	"\xc0\xae\xc0\xae/" PAD,         /* overlong dots */
	"\xe2\x80\xae" PAD,              /* right to left */
	"\xef\xbc\x8e\xef\xbc\x8e/" PAD, /* full-width dots */
	"\xff\xfe" PAD,
	PAD " ",
	" " PAD,
	PAD "\t",
	PAD "\n",
	"\n" PAD,
	PAD "\r\nSet-Cookie: a=b",
	PAD "\x01",
	PAD "\x7f",
	"\x1b[2J" PAD,
	PAD "=",
	PAD "==",
	PAD "+",
	PAD "~",
	PAD "*",
	PAD "?",
	PAD ":",
	PAD "#",
	PAD "&",
	PAD ";id",
	PAD "|id",
	PAD "`id`",
	"$(id)" PAD,
	"${IFS}" PAD,
	PAD ">x",
	PAD "<x",
	PAD "'",
	PAD "\"",
	PAD "!",
	PAD ",",
	PAD "@",
	PAD "{a,b}",
	PAD "[a]",
	PAD "%s%n",
	"%n%n%n%n" PAD,
	"~root/" PAD,
	"file://" PAD,
	"https://a.example/" PAD,
	"\xc3\xa4" PAD,
	/* 129 */
	PAD PAD PAD PAD PAD "AAAAAAAAAAAAAAAAAAA",
};

static void assert_refused(struct hook_scratch *s, const char *token)
{
	AUTO_FREE char *before = scratch_tree(s);
	AUTO_FREE char *after = NULL;

	assert_int_equal(present(s, token, KEY_AUTH), ERR_PROTOCOL);
	assert_int_equal(withdraw(s, token), ERR_PROTOCOL);
	after = scratch_tree(s);
	assert_string_equal(before, after);
}

static void a_token_that_is_no_token_touches_no_file(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_FREE char *large = mem_new(1024 * 1024 + 1);

	assert_true(COUNT_OF(evil) >= 60);
	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_NONE); /* the folders are there */
	scratch_write(s, PAD, "what ../../ leads to", 0644);
	scratch_write(s, CHALLENGES "/" PAD ".html", "theirs", 0644);
	for (size_t i = 0; i < COUNT_OF(evil); i++)
		assert_refused(s, evil[i]);
	memset(large, 'A', 1024 * 1024);
	assert_refused(s, large);
	assert_refused(s, NULL);
}

static void tokens_of_22_to_128_characters_are_taken(void **state)
{
	struct hook_scratch *s = *state;
	static const char *const good[] = {
		PAD, "-_" PAD, /* base64url, also in front */
		"--help" PAD,  /* no option of anything: it is a name in our folder */
		PAD PAD PAD PAD PAD "AAAAAAAAAAAAAAAAAA", /* 128 */
	};

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		AUTO_FREE char *name = mem_printf(CHALLENGES "/%s", good[i]);

		assert_int_equal(present(s, good[i], KEY_AUTH), ERR_NONE);
		assert_content(s, name, KEY_AUTH);
		assert_int_equal(withdraw(s, good[i]), ERR_NONE);
		assert_int_equal(mode_of(s, name), 0);
	}
}

/* --- what others could put in the way ------------------------------------- */

static void a_link_to_the_webroot_itself_is_the_operators(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_JSON struct json *settings = settings_of(scratch_path(s, "link"));
	struct solver_task task = task_of(s, settings, TOKEN, KEY_AUTH);
	struct err e = {0};

	mkdir(scratch_path(s, "real"), 0755);
	assert_int_equal(symlink("real", scratch_path(s, "link")), 0);
	assert_int_equal(solver_webroot.check(settings, &e), 0);
	solver_webroot.present(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_NONE);
	assert_content(s, "real/" CHALLENGES "/" TOKEN, KEY_AUTH);
}

/* Something that lies where a folder of ours has to be. */
static const struct {
	const char *at;
	const char *link; /* target; NULL: a regular file */
} in_the_way[] = {
	{".well-known", "elsewhere"}, {".well-known", "/"},  {".well-known", "."},
	{".well-known", "nowhere"},   {".well-known", NULL}, {CHALLENGES, "../elsewhere"},
	{CHALLENGES, "/tmp"},         {CHALLENGES, "."},     {CHALLENGES, "nowhere"},
	{CHALLENGES, NULL},
};

static void no_link_below_the_webroot_is_followed(void **state)
{
	struct hook_scratch *s = *state;

	mkdir(scratch_path(s, "elsewhere"), 0755);
	for (size_t i = 0; i < COUNT_OF(in_the_way); i++) {
		AUTO_FREE char *before = NULL;
		AUTO_FREE char *after = NULL;
		struct err e = {0};

		if (strcmp(in_the_way[i].at, CHALLENGES) == 0)
			mkdir(scratch_path(s, ".well-known"), 0755);
		if (in_the_way[i].link == NULL)
			scratch_write(s, in_the_way[i].at, "", 0644);
		else
			assert_int_equal(
				symlink(in_the_way[i].link, scratch_path(s, in_the_way[i].at)), 0);
		before = scratch_tree(s);
		assert_int_equal(check(s, &e), ERR_CONFIG);
		assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_CONFIG);
		assert_non_null(strstr(s->answer.text, "is a symbolic link or a file"));
		assert_int_equal(withdraw(s, TOKEN), ERR_CONFIG);
		after = scratch_tree(s);
		assert_string_equal(before, after);
		assert_int_equal(unlink(scratch_path(s, in_the_way[i].at)), 0);
	}
}

static void a_link_at_the_place_of_the_answer_is_not_written_through(void **state)
{
	struct hook_scratch *s = *state;

	assert_int_equal(present(s, OTHER, "another"), ERR_NONE);
	scratch_write(s, "victim", "precious", 0644);
	assert_int_equal(symlink("../../victim", scratch_path(s, CHALLENGES "/" TOKEN)), 0);
	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_CONFIG);
	assert_non_null(strstr(s->answer.text, "symbolic link"));
	assert_content(s, "victim", "precious");
	assert_int_equal(withdraw(s, TOKEN), ERR_NONE); /* the link goes, not what it names */
	assert_int_equal(mode_of(s, CHALLENGES "/" TOKEN), 0);
	assert_content(s, "victim", "precious");

	/* also when it leads to where nothing is yet */
	assert_int_equal(symlink("../../new", scratch_path(s, CHALLENGES "/" TOKEN)), 0);
	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_CONFIG);
	assert_int_equal(mode_of(s, "new"), 0);
}

static void what_is_no_file_of_ours_is_left_alone(void **state)
{
	struct hook_scratch *s = *state;

	assert_int_equal(present(s, OTHER, "another"), ERR_NONE);
	mkdir(scratch_path(s, CHALLENGES "/" TOKEN), 0755);
	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_CONFIG);
	assert_int_equal(withdraw(s, TOKEN), ERR_CONFIG);
	rmdir(scratch_path(s, CHALLENGES "/" TOKEN));

	assert_int_equal(mkfifo(scratch_path(s, CHALLENGES "/" TOKEN), 0644), 0);
	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_CONFIG); /* and does not hang */
	unlink(scratch_path(s, CHALLENGES "/" TOKEN));

	if (geteuid() != 0)
		return;
	scratch_write(s, CHALLENGES "/" TOKEN, "theirs", 0644);
	assert_int_equal(chown(scratch_path(s, CHALLENGES "/" TOKEN), 65534, 65534), 0);
	assert_int_equal(present(s, TOKEN, KEY_AUTH), ERR_CONFIG);
	assert_content(s, CHALLENGES "/" TOKEN, "theirs");
}

/* Puts links in the way and takes them away again, as fast as it goes. */
__attribute__((noreturn)) static void attack(const char *challenges, const char *answer)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		AUTO_FREE char *aside = mem_printf("%s.aside", challenges);

		unlink(answer);
		if (symlink("../../victim", answer) != 0)
			continue;
		unlink(answer);
		if (rename(challenges, aside) != 0)
			continue;
		if (symlink("../elsewhere", challenges) == 0)
			unlink(challenges);
		rename(aside, challenges);
	}
}

static void no_race_with_links_writes_elsewhere(void **state)
{
	struct hook_scratch *s = *state;
	const char *challenges = scratch_path(s, CHALLENGES);
	const char *answer = scratch_path(s, CHALLENGES "/" TOKEN);
	pid_t attacker;

	mkdir(scratch_path(s, "elsewhere"), 0755);
	scratch_write(s, "victim", "precious", 0644);
	assert_int_equal(present(s, OTHER, "another"), ERR_NONE);
	attacker = fork();
	if (attacker == 0)
		attack(challenges, answer);
	for (int i = 0; i < 1000; i++) {
		present(s, TOKEN, KEY_AUTH); /* may fail, must not go astray */
		withdraw(s, TOKEN);
	}
	kill(attacker, SIGKILL);
	assert_int_equal(waitpid(attacker, NULL, 0), attacker);
	assert_content(s, "victim", "precious");
	assert_int_equal(rmdir(scratch_path(s, "elsewhere")), 0); /* empty */
}

/* A server that reads all the time finds all of an answer or none of it. */
__attribute__((noreturn)) static void serve(const char *answer, const char *want)
{
	int seen = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (seen < 200) {
		AUTO_FREE char *content = scratch_read(answer);

		if (access(answer, F_OK) == 0 && *content != '\0' && strcmp(content, want) != 0)
			_exit(1);
		seen += *content != '\0';
	}
	_exit(0);
}

static void a_server_never_sees_half_an_answer(void **state)
{
	struct hook_scratch *s = *state;
	const char *answer = scratch_path(s, CHALLENGES "/" TOKEN);
	AUTO_FREE char *content = mem_new(4097);
	int status = 0;
	pid_t server;

	memset(content, 'k', 4096);
	server = fork();
	if (server == 0)
		serve(answer, content);
	while (waitpid(server, &status, WNOHANG) == 0) {
		assert_int_equal(present(s, TOKEN, content), ERR_NONE);
		assert_int_equal(withdraw(s, TOKEN), ERR_NONE);
	}
	assert_int_equal(status, 0);
}

/* --- check -------------------------------------------------------------------------------- */

static void a_webroot_that_cannot_work_is_found_before_a_ca_is_asked(void **state)
{
	struct hook_scratch *s = *state;
	static const char *const bad[] = {NULL, "", "relative", "./x", "/nowhere/webroot"};
	struct err e = {0};

	scratch_write(s, "file", "", 0644);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		AUTO_JSON struct json *settings = settings_of(bad[i]);

		assert_int_equal(solver_webroot.check(settings, &e), ERR_CONFIG);
	}
	assert_string_equal(e.text, "the webroot /nowhere/webroot does not exist: make it, or "
				    "correct its path");
	assert_int_equal(check(s, &e), 0);
	assert_int_equal(mode_of(s, ".well-known"), 0); /* looking made nothing */
}

static void a_file_is_no_webroot(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_JSON struct json *settings = settings_of(scratch_write(s, "file", "", 0644));
	struct solver_task task = task_of(s, settings, TOKEN, KEY_AUTH);
	struct err e = {0};

	assert_int_equal(solver_webroot.check(settings, &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "Not a directory"));
	solver_webroot.present(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_CONFIG);
}

static void a_missing_webroot_is_an_error_to_present_and_none_to_withdraw(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_JSON struct json *settings = settings_of("/nowhere/webroot");
	struct solver_task task = task_of(s, settings, TOKEN, KEY_AUTH);

	solver_webroot.present(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_CONFIG);
	assert_string_equal(
		s->answer.text,
		"publishing for a.example: the webroot /nowhere/webroot does not exist: "
		"make it, or correct its path");
	task.key_authorization = NULL;
	solver_webroot.withdraw(&task, scratch_done, s);
	assert_int_equal(scratch_await(s), ERR_NONE);
}

static void a_folder_we_cannot_write_to_is_found_by_the_check(void **state)
{
	struct hook_scratch *s = *state;
	struct err e = {0};
	bool root = geteuid() == 0;
	int r;

	assert_int_equal(chmod(s->dir, 0555), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	r = check(s, &e);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(s->dir, 0755), 0);
	assert_int_equal(r, ERR_CONFIG);
	assert_non_null(strstr(e.text, "cannot write to the webroot"));
}

#define SCRATCH_TEST(test)                                                                         \
	cmocka_unit_test_setup_teardown(test, hook_scratch_setup, hook_scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_http_01_without_a_wildcard_is_handled),
		SCRATCH_TEST(an_answer_is_readable_by_the_server_whatever_the_umask),
		SCRATCH_TEST(presenting_and_withdrawing_may_run_again),
		SCRATCH_TEST(withdrawing_takes_back_that_answer_and_nothing_else),
		SCRATCH_TEST(folders_that_are_there_keep_their_modes),
		SCRATCH_TEST(an_old_answer_of_ours_is_replaced),
		SCRATCH_TEST(what_a_crash_left_of_an_answer_goes_with_it),
		SCRATCH_TEST(a_token_that_is_no_token_touches_no_file),
		SCRATCH_TEST(tokens_of_22_to_128_characters_are_taken),
		SCRATCH_TEST(a_link_to_the_webroot_itself_is_the_operators),
		SCRATCH_TEST(no_link_below_the_webroot_is_followed),
		SCRATCH_TEST(a_link_at_the_place_of_the_answer_is_not_written_through),
		SCRATCH_TEST(what_is_no_file_of_ours_is_left_alone),
		SCRATCH_TEST(no_race_with_links_writes_elsewhere),
		SCRATCH_TEST(a_server_never_sees_half_an_answer),
		SCRATCH_TEST(a_webroot_that_cannot_work_is_found_before_a_ca_is_asked),
		SCRATCH_TEST(a_file_is_no_webroot),
		SCRATCH_TEST(a_missing_webroot_is_an_error_to_present_and_none_to_withdraw),
		SCRATCH_TEST(a_folder_we_cannot_write_to_is_found_by_the_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
