/* SPDX-License-Identifier: MIT
 *
 * launch — fork and exec. Everything the program finds is chosen here: argv, a small environment,
 * stdin from /dev/null or a socket to us, one pipe for what it prints, no other descriptor, no
 * signal blocked or ignored, a session of its own, "/", umask 077, no core dumps.
 *
 * Between fork and exec only async-signal-safe functions are called: what they need is made
 * before, and what fails there is told through a pipe that closes itself on exec.
 */
#include "hooks/launch.h"

#include "base/fault.h"
#include "hooks/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_FREE_FD 3    /* above stdin, stdout, stderr */
#define FD_SWEEP_END  4096 /* where close_range is not allowed: more than we ever have open */

enum stage {
	STAGE_PREPARE = 0,
	STAGE_REPLACED, /* the path led to another file than the one that was judged */
	STAGE_EXEC,
	STAGES, /* how many */
};

/* All the child needs, made before the fork. Owns its descriptors and its environment. */
struct plan {
	const struct child_request *request; /* borrowed */
	struct strlist environment;
	int program; /* the file that was judged, or our own binary */
	pid_t parent;
	int output[2]; /* read end, write end */
	int report[2];
};

static void plan_clear(struct plan *p)
{
	strlist_clear(&p->environment);
	auto_close(&p->program);
	for (int i = 0; i < 2; i++) {
		auto_close(&p->output[i]);
		auto_close(&p->report[i]);
	}
}

/* --- in the child: async-signal-safe only ------------------------------------------------- */

__attribute__((noreturn)) static void report_and_exit(const struct plan *p, enum stage stage)
{
	struct launch_report report = {.stage = (int)stage, .error = errno};
	ssize_t written = write(p->report[1], &report, sizeof(report));

	(void)written; /* then the parent sees exit code 127, as a shell would have it */
	_exit(127);
}

/* Handlers are ours and ignored signals would stay ignored: SIGPIPE, for one, is what ends a
 * script whose reader has gone. */
static void reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int signal = 1; signal <= SIGRTMAX; signal++)
		sigaction(signal, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Marked, not closed: the program's own descriptor and the report live until exec. */
static void hide_descriptors(void)
{
	if (close_range(FIRST_FREE_FD, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	for (int fd = FIRST_FREE_FD; fd < FD_SWEEP_END; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int prepare(const struct plan *p)
{
	struct rlimit no_core = {0, 0};
	int in = p->request->channel;

	reset_signals();
	if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return -1;
	if (getppid() != p->parent)
		_exit(127); /* it died before the line above could matter */
	if (in == 0)
		in = open("/dev/null", O_RDWR);
	if (in < 0 || dup2(in, STDIN_FILENO) < 0)
		return -1;
	if (dup2(p->output[1], STDOUT_FILENO) < 0 || dup2(p->output[1], STDERR_FILENO) < 0)
		return -1;
	if (setrlimit(RLIMIT_CORE, &no_core) != 0 || chdir("/") != 0)
		return -1;
	if (p->request->own_program)
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* old kernels: none */
	umask(077); /* what a hook writes without thinking may be a key */
	hide_descriptors();
	return 0;
}

/* A script is not run through its descriptor: the kernel would hand the interpreter /dev/fd/N, so
 * that $0 and `dirname "$0"`, which many hooks live by, would be useless. (With close-on-exec it
 * refuses, ENOENT; the same for binaries of other machines that binfmt_misc gives to an emulator.)
 * So it is run by its path, which has to lead still to the file that was judged. Who could change
 * that between these lines is root or us: program.c has judged every directory on the way. */
static void exec_path(const struct plan *p, char *const *argv)
{
	struct stat judged, now;

	if (fstat(p->program, &judged) != 0 || stat(argv[0], &now) != 0)
		report_and_exit(p, STAGE_PREPARE);
	if (judged.st_dev != now.st_dev || judged.st_ino != now.st_ino)
		report_and_exit(p, STAGE_REPLACED);
	execve(argv[0], argv, p->environment.items);
}

__attribute__((noreturn)) static void become(const struct plan *p)
{
	char *const *argv = p->request->argv->items;

	if (prepare(p) != 0)
		report_and_exit(p, STAGE_PREPARE);
	execveat(p->program, "", argv, p->environment.items, AT_EMPTY_PATH);
	if (errno == ENOENT) /* it needs an interpreter that would not find the descriptor */
		exec_path(p, argv);
	report_and_exit(p, STAGE_EXEC);
}

/* --- in the parent ------------------------------------------------------------------------ */

/* Both ends close on exec and lie above stderr, also if we were started without one. */
static int make_pipe(int ends[2], struct err *e)
{
	if (FAULT_FAILS("child.pipe") || pipe2(ends, O_CLOEXEC) != 0)
		return err_sys(e, ERR_SYS, "cannot make a pipe");
	for (int i = 0; i < 2; i++) {
		int old = ends[i];

		if (old >= FIRST_FREE_FD)
			continue;
		ends[i] = fcntl(old, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		close(old);
		if (ends[i] < 0)
			return err_sys(e, ERR_SYS, "cannot make a pipe");
	}
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
		return err_sys(e, ERR_SYS, "cannot make a pipe");
	return 0;
}

/* The program's descriptor, too, must survive the three dup2. Our own is opened here: for valgrind,
 * which knows this path when we open it, and not when it is run. */
static int open_program(const struct child_request *request, int *ret_fd, struct err *e)
{
	const char *path = request->own_program ? "/proc/self/exe" : request->argv->items[0];
	int fd AUTO_FD = -1;
	int r = 0;

	if (request->own_program)
		fd = open(path, O_PATH | O_CLOEXEC);
	else
		r = program_open(request->argv, &fd, e);
	if (r != 0)
		return r;
	if (fd < 0)
		return err_sys(e, ERR_SYS, "cannot open our own program %s", path);
	*ret_fd = fd < FIRST_FREE_FD ? fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD) : TAKE_FD(fd);
	if (*ret_fd < 0)
		return err_sys(e, ERR_SYS, "cannot open %s", path);
	return 0;
}

static int make_plan(const struct child_request *request, struct plan *p, struct err *e)
{
	int r;

	if (request->argv->count == 0)
		return err_set(e, ERR_CONFIG, "there is no program to run");
	p->request = request;
	p->parent = getpid();
	r = open_program(request, &p->program, e);
	if (r != 0)
		return r;
	strlist_add(&p->environment,
		    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	strlist_add(&p->environment, "LANG=C");
	strlist_add(&p->environment, "HOME=/");
	for (size_t i = 0; request->environment != NULL && i < request->environment->count; i++)
		strlist_add(&p->environment, request->environment->items[i]);
	r = make_pipe(p->output, e);
	if (r != 0)
		return r;
	return make_pipe(p->report, e);
}

/* With all signals blocked: a handler of the loop that ran in the child would write to the
 * descriptors it shares with us. */
static pid_t fork_quietly(const struct plan *p)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		become(p);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}

int launch(const struct child_request *request, struct launched *ret_launched, struct err *e)
{
	struct plan p AUTO(plan_clear) = {
		.program = -1,
		.output = {-1, -1},
		.report = {-1, -1},
	};
	pid_t pid;
	int r;

	r = make_plan(request, &p, e);
	if (r != 0)
		return r;
	pid = FAULT_FAILS("child.start") ? -1 : fork_quietly(&p);
	if (pid < 0)
		return err_sys(e, ERR_SYS, "cannot start %s", request->argv->items[0]);
	FAULT("child.started");
	*ret_launched = (struct launched){
		.pid = pid,
		.output = TAKE_FD(p.output[0]),
		.report = TAKE_FD(p.report[0]),
	};
	return 0;
}

/* Errors of exec that are the file's fault, and stay until somebody changes it. */
static bool is_lasting(int error)
{
	return error == ENOENT || error == EACCES || error == ENOEXEC || error == ENOTDIR ||
	       error == ELOOP || error == EPERM;
}

int launch_explain(const struct launch_report *report, const char *program, struct err *e)
{
	errno = report->error;
	if (report->stage == STAGE_REPLACED)
		return err_set(e, ERR_SYS, "%s was replaced while it was being started", program);
	if (report->stage == STAGE_PREPARE)
		return err_sys(e, ERR_SYS, "cannot start %s", program);
	if (report->error == ENOENT)
		return err_set(e, ERR_CONFIG,
			       "%s cannot be run: the interpreter or loader that it names does "
			       "not exist",
			       program);
	if (report->error == ENOEXEC)
		return err_set(e, ERR_CONFIG,
			       "%s cannot be run: it is neither a program for this machine nor "
			       "a script that begins with #!",
			       program);
	return err_sys(e, is_lasting(report->error) ? ERR_CONFIG : ERR_SYS, "%s cannot be run",
		       program);
}

int child_check_command(const struct strlist *argv, struct err *e)
{
	int fd AUTO_FD = -1;

	return program_open(argv, &fd, e);
}
