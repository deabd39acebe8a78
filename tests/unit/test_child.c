/* SPDX-License-Identifier: MIT */
#include "tests/unit/hook_run.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- how programs end ---------------------------------------------------- */

static const struct {
	const char *body;
	int exit_code;
	int signal;
	bool timed_out;
	const char *output; /* NULL: any */
	const char *says;   /* child_failed; NULL: success */
} ends[] = {
	{"exit 0", 0, 0, false, "", NULL},
	{"echo done", 0, 0, false, "done\n", NULL},
	{"echo one; echo two >&2", 0, 0, false, "one\ntwo\n", NULL}, /* one pipe for both */
	{"exit 3", 3, 0, false, "", "PROGRAM ended with exit code 3"},
	{"exit 255", 255, 0, false, "", "PROGRAM ended with exit code 255"},
	{"echo first; echo 'no route'; echo; exit 1", 1, 0, false, NULL,
	 "PROGRAM ended with exit code 1: no route"}, /* the last line that says something */
	{"printf 'a\\033[31mb'; exit 1", 1, 0, false, NULL,
	 "PROGRAM ended with exit code 1: a\\x1b[31mb"}, /* nobody paints our terminal */
	{"kill -9 $$", -1, 9, false, "", "PROGRAM was ended by signal 9 (Killed)"},
	{"kill -SEGV $$", -1, 11, false, NULL,
	 "PROGRAM was ended by signal 11 (Segmentation fault)"},
	{"exec >&- 2>&- <&-; exit 0", 0, 0, false, "", NULL}, /* closes all and ends well */
	{"exec >&- 2>&- <&-; exit 7", 7, 0, false, "", "PROGRAM ended with exit code 7"},
	{"exec >&- 2>&- <&-; exec sleep 60", -1, SIGTERM, true, "",
	 "PROGRAM did not end in time and was stopped"}, /* closes all and hangs */
	{"echo hi; exec sleep 60", -1, SIGTERM, true, "hi\n",
	 "PROGRAM did not end in time and was stopped: hi"},
	{"while :; do :; done", -1, SIGTERM, true, "",
	 "PROGRAM did not end in time and was stopped"},
	{"trap '' TERM; while :; do sleep 0.05; done", -1, SIGKILL, true, "",
	 "PROGRAM did not end in time and was stopped"}, /* does not listen */
	{"trap 'exit 0' TERM; while :; do sleep 0.05; done", 0, 0, true, NULL,
	 "PROGRAM did not end in time and was stopped"}, /* exit 0 does not make it a success */
	{"kill -STOP $$", -1, SIGKILL, true, "",
	 "PROGRAM did not end in time and was stopped"}, /* TERM waits while it is stopped */
	{"exec cat", 0, 0, false, "", NULL},             /* nothing to read: stdin is /dev/null */
	{"trap '' TERM HUP INT; (while :; do sleep 0.05; done) & (while :; do sleep 0.05; done) & "
	 "wait",
	 -1, SIGKILL, true, NULL, "PROGRAM did not end in time and was stopped"},
};

static bool starts_with(const char *text, const char *want, bool whole)
{
	size_t len = want == NULL ? 0 : strlen(want);

	if (strncmp(text, want == NULL ? "" : want, len) == 0 && (!whole || text[len] == '\0'))
		return true;
	print_error("\"%s\" instead of \"%s\"\n", text, want);
	return false;
}

static void however_a_program_ends_it_is_answered_once_and_told_apart(void **state)
{
	struct hook_scratch *s = *state;

	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		struct hook_outcome o AUTO_OUTCOME = {0};

		hook_run_script(s, ends[i].body, ends[i].timed_out ? HOOK_SHORT_MS : 0, &o);
		assert_true(o.ran);
		assert_int_equal(o.exit_code, ends[i].exit_code);
		assert_int_equal(o.signal, ends[i].signal);
		assert_int_equal(o.timed_out, ends[i].timed_out);
		if (ends[i].output != NULL)
			assert_string_equal(o.output, ends[i].output);
		/* a shell that is ended may have a last word of its own */
		assert_true(starts_with(o.failure.text, ends[i].says, !ends[i].timed_out));
		assert_int_equal(o.failure.code, ends[i].says == NULL ? ERR_NONE : ERR_CHILD);
	}
}

static void of_a_flood_64_kib_are_kept_and_the_rest_is_counted(void **state)
{
	struct hook_outcome o AUTO_OUTCOME = {0};
	const size_t flood = 64 * 1024 * 1024;

	hook_run(*state, "/usr/bin/head -c 67108864 /dev/zero", 0, &o);
	assert_true(o.ran);
	assert_int_equal(o.exit_code, 0);
	assert_int_equal(o.len, CHILD_MAX_OUTPUT);
	assert_int_equal(o.len + o.dropped, flood);
}

static void a_flood_without_end_is_ended_by_the_timeout(void **state)
{
	struct hook_outcome o AUTO_OUTCOME = {0};

	hook_run_script(*state, "trap '' TERM; while :; do head -c 1000000 /dev/zero; done",
			HOOK_SHORT_MS, &o);
	assert_true(o.timed_out);
	assert_int_equal(o.len, CHILD_MAX_OUTPUT);
	assert_true(o.dropped > 0);
}

static void a_grandchild_that_holds_the_pipe_is_not_waited_for_and_lives_on(void **state)
{
	struct hook_scratch *s = *state;
	struct hook_outcome o AUTO_OUTCOME = {0};
	AUTO_FREE char *body = mem_printf("sleep 600 & echo $! >%s/pid; echo up; exit 0", s->dir);
	pid_t pid;

	hook_run_script(s, body, 0, &o);
	assert_true(o.ran);
	assert_int_equal(o.exit_code, 0);
	assert_string_equal(o.output, "up\n");

	pid = scratch_process(s, "pid");
	assert_true(pid > 1);
	assert_int_equal(kill(pid, 0), 0); /* a server that the hook restarted */
	kill(pid, SIGKILL);
	assert_true(scratch_process_ends(s, "pid"));
}

static void a_daemon_in_a_session_of_its_own_survives_even_a_timeout(void **state)
{
	struct hook_scratch *s = *state;
	struct hook_outcome o AUTO_OUTCOME = {0};
	AUTO_FREE char *body =
		mem_printf("setsid sh -c 'echo $$ >%s/pid; exec sleep 600' & "
			   "while [ ! -s %s/pid ]; do sleep 0.02; done; exec sleep 60",
			   s->dir, s->dir);

	hook_run_script(s, body, 1000, &o);
	assert_true(o.timed_out);
	assert_int_equal(kill(scratch_process(s, "pid"), 0), 0);
	kill(scratch_process(s, "pid"), SIGKILL);
	assert_true(scratch_process_ends(s, "pid"));
}

/* Who of the group ignores TERM is killed, also after its leader has obeyed. */
static const char *const stubborn[] = {
	"(trap '' TERM; echo $$ >/dev/null; while :; do sleep 0.05; done) & echo $! >%s/pid; wait",
	"trap 'exit 0' TERM; (trap '' TERM; while :; do sleep 0.05; done) & echo $! >%s/pid; wait",
	"sleep 600 & echo $! >%s/pid; trap '' TERM; while :; do sleep 0.05; done",
};

static void a_timeout_ends_the_whole_group(void **state)
{
	struct hook_scratch *s = *state;

	for (size_t i = 0; i < COUNT_OF(stubborn); i++) {
		struct hook_outcome o AUTO_OUTCOME = {0};
		struct strlist body AUTO_STRLIST = {0};
		AUTO_FREE char *text = NULL;

		strlist_add_split(&body, stubborn[i], "%");
		text = mem_printf("%s%s%s", body.items[0], s->dir, body.items[1] + 1);
		hook_run_script(s, text, 500, &o);
		assert_true(o.timed_out);
		assert_true(scratch_process_ends(s, "pid"));
	}
}

static void after_term_the_rest_of_the_group_has_time_to_clean_up(void **state)
{
	struct hook_scratch *s = *state;
	struct hook_outcome o AUTO_OUTCOME = {0};
	struct strlist argv AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv, .timeout_ms = 1000, .kill_ms = 20000};
	AUTO_FREE char *body = mem_printf("(trap 'sleep 0.3; echo tidy >%s/tidy; exit 0' TERM; "
					  "while :; do sleep 0.05; done) & "
					  "trap 'exit 1' TERM; wait",
					  s->dir);
	AUTO_FREE char *tidy = NULL;

	strlist_add(&argv, scratch_script(s, "script", body));
	hook_run_request(s, &request, &o);
	assert_true(o.timed_out);
	tidy = scratch_read(scratch_path(s, "tidy"));
	assert_string_equal(tidy, "tidy\n");
}

static void a_cancelled_child_is_killed_with_its_group_and_never_answers(void **state)
{
	struct hook_scratch *s = *state;
	struct hook_outcome o AUTO_OUTCOME = {0};
	struct strlist argv AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv};
	AUTO_FREE char *body =
		mem_printf("trap '' TERM; sleep 600 & echo $! >%s/pid; echo $$ >%s/leader; wait",
			   s->dir, s->dir);
	struct child *c;

	strlist_add(&argv, scratch_script(s, "script", body));
	c = child_start(s->loop, &request, hook_outcome_fill, &o);
	while (scratch_process(s, "leader") == 0)
		poll(NULL, 0, 5);
	child_cancel(c);
	assert_true(scratch_process_ends(s, "pid"));
	assert_true(poll_loop_reap(s->poll));
	assert_true(scratch_process_ends(s, "leader"));
	assert_false(o.answered);
}

static void a_child_can_be_cancelled_before_anything_happened(void **state)
{
	struct hook_scratch *s = *state;
	struct hook_outcome o AUTO_OUTCOME = {0};
	struct strlist argv AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv};

	child_cancel(NULL);
	strlist_add(&argv, "/nowhere/program"); /* refused: only its answer is on the way */
	child_cancel(child_start(s->loop, &request, hook_outcome_fill, &o));
	strlist_clear(&argv);
	strlist_add(&argv, "/bin/sleep");
	strlist_add(&argv, "600");
	child_cancel(child_start(s->loop, &request, hook_outcome_fill, &o));
	assert_true(poll_loop_reap(s->poll));
	assert_false(o.answered);
}

static void a_child_dies_with_us(void **state)
{
	struct hook_scratch *s = *state;
	AUTO_FREE char *body = mem_printf("echo $$ >%s/pid; exec sleep 600", s->dir);
	const char *script = scratch_script(s, "script", body);
	pid_t agent = fork();

	if (agent == 0) {
		struct strlist argv = {0};
		struct child_request request = {.argv = &argv};
		struct hook_outcome o = {0};

		strlist_add(&argv, script);
		child_start(s->loop, &request, hook_outcome_fill, &o);
		while (scratch_process(s, "pid") == 0)
			poll(NULL, 0, 5);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(agent, NULL, 0), agent);
	assert_true(scratch_process_ends(s, "pid"));
}

/* --- what programs find ------------------------------------------------------------------- */

static void a_program_finds_our_environment_and_nothing_else(void **state)
{
	struct hook_scratch *s = *state;
	struct hook_outcome o AUTO_OUTCOME = {0};
	struct strlist argv AUTO_STRLIST = {0};
	struct strlist environment AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv, .environment = &environment};

	setenv("SECRET_OF_OURS", "1", 1);
	strlist_add(&argv, "/usr/bin/env");
	strlist_add(&environment, "EVERLEAF_NAMES=a.example b.example");
	hook_run_request(s, &request, &o);
	unsetenv("SECRET_OF_OURS");
	assert_string_equal(o.output,
			    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
			    "LANG=C\nHOME=/\nEVERLEAF_NAMES=a.example b.example\n");
}

static void arguments_reach_a_program_as_they_are(void **state)
{
	struct hook_scratch *s = *state;
	struct hook_outcome o AUTO_OUTCOME = {0};
	struct strlist argv AUTO_STRLIST = {0};
	struct child_request request = {.argv = &argv};

	strlist_add(&argv, scratch_script(s, "script", "printf '<%s>' \"$@\""));
	strlist_add(&argv, "two words");
	strlist_add(&argv, "");
	strlist_add(&argv, "$(id);`id`|&>*?'\"\\");
	hook_run_request(s, &request, &o);
	assert_string_equal(o.output, "<two words><><$(id);`id`|&>*?'\"\\>");
}

static void a_program_inherits_no_descriptor(void **state)
{
	struct hook_outcome o AUTO_OUTCOME = {0};
	int fds[2];

	assert_int_equal(pipe(fds), 0); /* without O_CLOEXEC, as a library might */
	assert_int_equal(dup2(fds[0], 77), 77);
	hook_run(*state, "/bin/ls /proc/self/fd", 0, &o);
	close(77);
	close(fds[0]);
	close(fds[1]);
	assert_string_equal(o.output, "0\n1\n2\n3\n"); /* 3: ls reading the directory */
}

/* What a script sees of itself. */
static const struct {
	const char *body;
	const char *output;
} selves[] = {
	{"pwd", "/\n"},
	{"umask", "0077\n"},
	{"ulimit -c", "0\n"},
	{"readlink /proc/self/fd/0", "/dev/null\n"},
	{"[ $(readlink /proc/$$/fd/1) = $(readlink /proc/$$/fd/2) ] && echo same", "same\n"},
	{"[ \"$(cut -d' ' -f5,6 /proc/$$/stat)\" = \"$$ $$\" ] && echo leader", "leader\n"},
	/* 32 and 33 are the C library's own, and no program can set them back (make ignores them)
	 */
	{"grep -c -E '^Sig(Blk|Ign):.0+(180000000)?$' /proc/self/status", "2\n"},
	{"basename \"$0\"", "script\n"},
	{". \"$(dirname \"$0\")/library\"", "library\n"}, /* what half of all hooks begin with */
};

static void a_script_finds_a_clean_process_and_its_own_path(void **state)
{
	struct hook_scratch *s = *state;
	sigset_t some, old;

	scratch_write(s, "library", "echo library\n", 0644);
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	sigprocmask(SIG_BLOCK, &some, &old);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < COUNT_OF(selves); i++) {
		struct hook_outcome o AUTO_OUTCOME = {0};

		hook_run_script(s, selves[i].body, 0, &o);
		assert_string_equal(o.output, selves[i].output);
	}
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void our_own_descriptors_may_be_the_first_three(void **state)
{
	struct hook_scratch *s = *state;
	struct hook_outcome o AUTO_OUTCOME = {0};
	int kept = dup(STDIN_FILENO);

	close(STDIN_FILENO); /* then a pipe of ours gets number 0 */
	hook_run_script(s, "echo well", 0, &o);
	if (kept >= 0) {
		dup2(kept, STDIN_FILENO);
		close(kept);
	}
	assert_string_equal(o.output, "well\n");
}

static void our_own_binary_can_be_run(void **state)
{
	struct hook_outcome o AUTO_OUTCOME = {0};
	struct strlist argv AUTO_STRLIST = {0};
	struct child_request request = {
		.argv = &argv,
		.own_program = true,
		.secret_output = true,
	};

	strlist_add(&argv, "/proc/self/exe");
	strlist_add(&argv, "--as-child");
	hook_run_request(*state, &request, &o);
	assert_true(o.ran);
	assert_int_equal(o.exit_code, 5);
	assert_string_equal(o.output, "key\n");
	assert_true(o.secret);
	assert_string_equal(o.failure.text, "PROGRAM ended with exit code 5"); /* and no key */
}

#define SCRATCH_TEST(test)                                                                         \
	cmocka_unit_test_setup_teardown(test, hook_scratch_setup, hook_scratch_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(however_a_program_ends_it_is_answered_once_and_told_apart),
		SCRATCH_TEST(of_a_flood_64_kib_are_kept_and_the_rest_is_counted),
		SCRATCH_TEST(a_flood_without_end_is_ended_by_the_timeout),
		SCRATCH_TEST(a_grandchild_that_holds_the_pipe_is_not_waited_for_and_lives_on),
		SCRATCH_TEST(a_daemon_in_a_session_of_its_own_survives_even_a_timeout),
		SCRATCH_TEST(a_timeout_ends_the_whole_group),
		SCRATCH_TEST(after_term_the_rest_of_the_group_has_time_to_clean_up),
		SCRATCH_TEST(a_cancelled_child_is_killed_with_its_group_and_never_answers),
		SCRATCH_TEST(a_child_can_be_cancelled_before_anything_happened),
		SCRATCH_TEST(a_child_dies_with_us),
		SCRATCH_TEST(a_program_finds_our_environment_and_nothing_else),
		SCRATCH_TEST(arguments_reach_a_program_as_they_are),
		SCRATCH_TEST(a_program_inherits_no_descriptor),
		SCRATCH_TEST(a_script_finds_a_clean_process_and_its_own_path),
		SCRATCH_TEST(our_own_descriptors_may_be_the_first_three),
		SCRATCH_TEST(our_own_binary_can_be_run),
	};

	if (argc == 2 && strcmp(argv[1], "--as-child") == 0) {
		puts("key");
		return 5;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
