/* SPDX-License-Identifier: MIT
 *
 * program — the only place that decides whether a program may be run.
 *
 * What runs in the end is often not argv[0]: a script names its interpreter in its first line, an
 * interpreter is given its script, and env, nice or timeout another program. Each of those that
 * argv and first lines show is judged like argv[0]; what a program finds by itself is its author's.
 */
#include "hooks/program.h"

#include "base/path.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH  4   /* interpreters that are scripts: as the kernel */
#define FIRST_LINE 256 /* as much as the kernel reads */

static const struct path_rule rule = {
	.cannot = "cannot run",
	.refused = "is not run",
	.forbidden = S_IWGRP | S_IWOTH,
};

/* How a program takes what it runs. */
enum kind {
	KIND_OTHER = 0,
	KIND_SHELL,       /* a script, or -c and a command */
	KIND_INTERPRETER, /* a script */
	KIND_ENV,         /* variables, and a command that is looked for */
};

static const struct {
	const char *name; /* what a basename begins with: versions may follow */
	enum kind kind;
} kinds[] = {
	{"sh", KIND_SHELL},
	{"bash", KIND_SHELL},
	{"dash", KIND_SHELL},
	{"ash", KIND_SHELL},
	{"ksh", KIND_SHELL},
	{"zsh", KIND_SHELL},
	{"env", KIND_ENV},
	{"python", KIND_INTERPRETER},
	{"perl", KIND_INTERPRETER},
	{"ruby", KIND_INTERPRETER},
	{"node", KIND_INTERPRETER},
	{"php", KIND_INTERPRETER},
	{"lua", KIND_INTERPRETER},
	{"tclsh", KIND_INTERPRETER},
	{"expect", KIND_INTERPRETER},
	{"Rscript", KIND_INTERPRETER},
};

static int judge_words(const struct strlist *words, int depth, struct err *e);

static int not_full(const char *path, struct err *e)
{
	return err_set(e, ERR_CONFIG,
		       "the program \"%s\" has to be given by its full path, starting with /",
		       path);
}

/* "python3.11" is a python, "shred" is no sh. */
static enum kind kind_of(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash != NULL ? slash + 1 : program;

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		size_t len = strlen(kinds[i].name);

		if (strncmp(name, kinds[i].name, len) == 0 &&
		    strspn(name + len, "0123456789.-") == strlen(name + len))
			return kinds[i].kind;
	}
	return KIND_OTHER;
}

/* "#!/usr/bin/env python3": the interpreter and its arguments. False: the file has none. */
static bool first_line(int fd, struct strlist *words)
{
	char line[FIRST_LINE + 1];
	ssize_t len = pread(fd, line, FIRST_LINE, 0);

	if (len < 2 || line[0] != '#' || line[1] != '!')
		return false;
	line[len] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	strlist_add_split(words, line + 2, " \t");
	return words->count > 0;
}

/* A script's first line counts when the kernel reads it: when the script is what is started. */
static int judge_interpreter(int fd, const char *path, int depth, struct err *e)
{
	struct strlist words AUTO_STRLIST = {0};
	int r;

	if (depth >= MAX_DEPTH || !first_line(fd, &words))
		return 0; /* deeper, the kernel refuses */
	r = judge_words(&words, depth, e);
	return r == 0 ? 0 : err_while(e, "in the first line of %s", path);
}

/* What is not there, or closed to us, is not run either: whoever wants it says so. */
static int judge_if_there(const char *path, int depth, struct err *e)
{
	int fd AUTO_FD = -1;
	struct stat st;
	int r;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
	    faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
		return 0;
	r = path_open_file(path, &rule, &fd, e);
	if (r != 0 || (st.st_mode & 0111) == 0)
		return r;
	return judge_interpreter(fd, path, depth + 1, e);
}

/* A bare name, as env looks for it with the PATH that programs get from us. */
static int judge_found(const char *name, int depth, struct err *e)
{
	static const char *const places[] = {PROGRAM_PLACES};

	for (size_t i = 0; i < COUNT_OF(places); i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", places[i], name);

		if (access(path, X_OK) == 0)
			return judge_if_there(path, depth, e);
	}
	return 0;
}

/* "/opt/reload nginx && x": the first command of a shell's, if it is a path. */
static int judge_shell_command(const char *text, int depth, struct err *e)
{
	AUTO_FREE char *word = NULL;

	text += strspn(text, " \t\n");
	if (strncmp(text, "exec ", 5) == 0)
		text += 5;
	word = mem_strn(text, strcspn(text, " \t\n;&|<>()'\"$`\\"));
	return word[0] == '/' ? judge_if_there(word, depth, e) : 0;
}

static bool is_executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

/* One argument. *first: none before it was what the program is to run. */
static int judge_argument(enum kind kind, const char *word, bool *first, int depth, struct err *e)
{
	const bool runs = *first && kind != KIND_OTHER;

	if (kind == KIND_ENV && *first && strchr(word, '=') != NULL)
		return 0;
	*first = false;
	if (word[0] == '/')
		return runs || is_executable(word) ? judge_if_there(word, depth, e) : 0;
	return runs && kind == KIND_ENV && strchr(word, '/') == NULL ? judge_found(word, depth, e)
								     : 0;
}

/* Whatever argv shows that argv[0] may run: what an interpreter is given first, and any argument
 * that is the path of a program. */
static int judge_arguments(const struct strlist *words, int depth, struct err *e)
{
	const enum kind kind = kind_of(words->items[0]);
	bool first = true;
	int r = 0;

	for (size_t i = 1; r == 0 && i < words->count; i++) {
		const char *word = words->items[i];

		if (word[0] != '-')
			r = judge_argument(kind, word, &first, depth, e);
		else if (kind == KIND_SHELL && first && word[1] != '-' &&
			 strchr(word, 'c') != NULL && i + 1 < words->count)
			return judge_shell_command(words->items[i + 1], depth, e);
	}
	return r;
}

static int judge_words(const struct strlist *words, int depth, struct err *e)
{
	int r = judge_if_there(words->items[0], depth, e);

	return r == 0 ? judge_arguments(words, depth, e) : r;
}

int program_open(const struct strlist *argv, int *ret_fd, struct err *e)
{
	const char *path = argv->count > 0 ? argv->items[0] : "";
	int fd AUTO_FD = -1;
	int r;

	if (path[0] != '/')
		return not_full(path, e);
	r = path_open_file(path, &rule, &fd, e);
	if (r != 0)
		return r;
	if (faccessat(fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) != 0)
		return err_set(e, ERR_CONFIG,
			       "%s is not executable for us (chmod +x; or its file system is "
			       "mounted noexec)",
			       path);
	r = judge_interpreter(fd, path, 0, e);
	if (r == 0 && (r = judge_arguments(argv, 0, e)) != 0)
		err_while(e, "in the arguments of %s", path);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

int program_command(const struct json *settings, const char *member, struct strlist *argv,
		    struct err *e)
{
	const struct json *command = json_get(settings, member);
	size_t count = json_count(command);
	const char *path = json_text(json_at(command, 0));

	if (count == 0 || count > PROGRAM_MAX_ARGUMENTS)
		return err_set(e, ERR_CONFIG,
			       "\"%s\" has to be a list of a program and its arguments, at most %d",
			       member, PROGRAM_MAX_ARGUMENTS);
	for (size_t i = 0; i < count; i++)
		if (json_text(json_at(command, i)) == NULL)
			return err_set(e, ERR_CONFIG, "item %zu of \"%s\" is no text", i + 1,
				       member);
	if (path[0] != '/')
		return not_full(path, e);
	for (size_t i = 0; i < count; i++)
		strlist_add(argv, json_text(json_at(command, i)));
	return 0;
}
