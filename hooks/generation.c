/* SPDX-License-Identifier: MIT
 *
 * generation — the only place that knows the order of writes, fsyncs and renames after which a
 * server can rely on the files of a certificate.
 *
 * Everything is done through descriptors and no link below DIR is followed. A file that fsync
 * failed for is never trusted: it goes, and the next try writes a new one.
 */
#include "hooks/generation.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "hooks/folder.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIVE      ".live"
#define GENS      ".gen"
#define STAGE     ".stage"
#define TEMPORARY ".tmp-" /* in names that a crash may leave behind */
#define NAME_SIZE 64      /* of names we make */

const char *const generation_names[GENERATION_FILES] = {
	"privkey.pem",
	"cert.pem",
	"chain.pem",
	"fullchain.pem",
};

/* --- what is there ------------------------------------------------------------------------ */

/* The number of "7"; 0 for everything that is not exactly how we write one. */
static int64_t parse_number(const char *name)
{
	char again[NAME_SIZE];
	int64_t number = strtoll(name, NULL, 10);

	snprintf(again, sizeof(again), "%" PRId64, number);
	return number > 0 && strcmp(again, name) == 0 ? number : 0;
}

/* *ret_number is 0 when there is no .live yet. */
static int read_live(int dir_fd, int64_t *ret_number, struct err *e)
{
	char target[NAME_SIZE];
	ssize_t len = readlinkat(dir_fd, LIVE, target, sizeof(target) - 1);
	int64_t number = 0;

	if (len < 0 && errno == ENOENT) {
		*ret_number = 0;
		return 0;
	}
	if (len > 0) {
		target[len] = '\0';
		if (strncmp(target, GENS "/", strlen(GENS "/")) == 0)
			number = parse_number(target + strlen(GENS "/"));
	}
	if (number == 0)
		return err_set(e, ERR_CONFIG,
			       LIVE " is not the link that everleaf makes: move it away");
	*ret_number = number;
	return 0;
}

/* *ret_made: the link is there already. */
static int check_name(int dir_fd, const char *name, bool *ret_made, struct err *e)
{
	char want[NAME_SIZE];
	char target[NAME_SIZE];
	ssize_t len = readlinkat(dir_fd, name, target, sizeof(target));
	int want_len = snprintf(want, sizeof(want), LIVE "/%s", name);

	*ret_made = false;
	if (len < 0 && errno == ENOENT)
		return 0;
	if (len < 0 && errno != EINVAL) /* EINVAL: no link at all */
		return err_sys(e, ERR_SYS, "cannot examine %s", name);
	if (len != want_len || memcmp(target, want, (size_t)len) != 0)
		return err_set(e, ERR_CONFIG,
			       "%s is there already and was not made by everleaf: move it away, or "
			       "choose another directory",
			       name);
	*ret_made = true;
	return 0;
}

/* Whoever else could write to .gen could put a certificate of his own into our server. */
static int judge_gens(const struct stat *st, struct err *e)
{
	if (!S_ISDIR(st->st_mode) || (st->st_uid != 0 && st->st_uid != geteuid()) ||
	    (st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_CONFIG,
			       GENS
			       " is no directory, belongs to another user, or others may write "
			       "to it: move " GENS " and " LIVE " away");
	return 0;
}

static int check_gens(int dir_fd, struct err *e)
{
	struct stat st;

	if (fstatat(dir_fd, GENS, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : err_sys(e, ERR_SYS, "cannot examine " GENS);
	return judge_gens(&st, e);
}
int generation_check(int dir_fd, int64_t number, struct err *e)
{
	int64_t live = 0;
	bool made;
	int r;

	r = read_live(dir_fd, &live, e);
	if (r == 0)
		r = check_gens(dir_fd, e);
	for (size_t i = 0; r == 0 && i < GENERATION_FILES; i++)
		r = check_name(dir_fd, generation_names[i], &made, e);
	if (r != 0)
		return r;
	if (number > 0 && number < live)
		return err_set(e, ERR_CONFIG,
			       "version %" PRId64 " is live and newer than version %" PRId64
			       ", which is not put in its place (if the state directory was made "
			       "anew, move " LIVE " and " GENS " away)",
			       live, number);
	return 0;
}

/* --- one generation ----------------------------------------------------------------------- */

/* A generation or what was to become one; files that are not ours keep it alive, and harm nobody.
 */
static void remove_generation(int gens_fd, const char *name)
{
	int fd AUTO_FD = folder_open_at(gens_fd, name, O_RDONLY);

	if (fd < 0)
		return;
	for (size_t i = 0; i < GENERATION_FILES; i++)
		unlinkat(fd, generation_names[i], 0);
	unlinkat(gens_fd, name, AT_REMOVEDIR);
}

static bool owned_as(const struct stat *st, const struct generation *g)
{
	uid_t owner = g->owner == (uid_t)-1 ? geteuid() : g->owner;

	/* without a group asked for, a setgid directory may have given one */
	return st->st_uid == owner && (g->group == (gid_t)-1 || st->st_gid == g->group);
}

static bool same_content(int fd, const struct generation_file *file)
{
	AUTO_FREE char *data = mem_new(file->len + 1);
	size_t got = 0;
	ssize_t n;
	bool same;

	do {
		n = pread(fd, data + got, file->len + 1 - got, (off_t)got);
		if (n > 0)
			got += (size_t)n;
	} while (n > 0 && got <= file->len);
	same = n == 0 && got == file->len && memcmp(data, file->data, got) == 0;
	mem_wipe(data, file->len + 1); /* it may be the key */
	return same;
}

static bool same_file(int gen_fd, size_t index, const struct generation *g)
{
	const struct generation_file *file = &g->files[index];
	int fd AUTO_FD = openat(gen_fd, generation_names[index],
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_mode & 07777) == file->mode && owned_as(&st, g) && same_content(fd, file);
}

/* On the disk under its name and still as it was written: then nothing is left to be written. */
static bool is_there(int gens_fd, const char *name, const struct generation *g)
{
	int fd AUTO_FD = folder_open_at(gens_fd, name, O_PATH);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || (st.st_mode & 0777) != 0755)
		return false;
	for (size_t i = 0; i < GENERATION_FILES; i++)
		if (!same_file(fd, i, g))
			return false;
	return true;
}

static int write_file(int gen_fd, size_t index, const struct generation *g, struct err *e)
{
	const struct generation_file *file = &g->files[index];
	const char *name = generation_names[index];
	int fd AUTO_FD = -1;
	int r;

	if (!FAULT_FAILS("generation.create"))
		fd = openat(gen_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
	if (fd < 0)
		return err_sys(e, ERR_SYS, "cannot make %s", name);
	/* before the content: at no time may anybody read the key who must not.
	 * The owner first, because a change of owner may take bits off the mode. */
	if ((g->owner != (uid_t)-1 || g->group != (gid_t)-1) && fchown(fd, g->owner, g->group) != 0)
		return err_sys(e, ERR_CONFIG, "cannot give %s to the owner or group asked for",
			       name);
	if (fchmod(fd, file->mode) != 0)
		return err_sys(e, ERR_SYS, "cannot set the mode of %s", name);
	r = file_write_all(fd, file->data, file->len, e);
	if (r != 0)
		return err_while(e, "writing %s", name);
	return file_sync(fd, name, e);
}

static int fill(int gens_fd, const char *temporary, const struct generation *g, struct err *e)
{
	int fd AUTO_FD = folder_open_at(gens_fd, temporary, O_RDONLY);
	int r = 0;

	if (fd < 0)
		return err_sys(e, ERR_SYS, "cannot open the new generation");
	for (size_t i = 0; r == 0 && i < GENERATION_FILES; i++)
		r = write_file(fd, i, g, e);
	if (r != 0)
		return r;
	return file_sync(fd, "the new generation", e);
}

/* Gives a complete generation its name. One that is there under it but is not right (somebody
 * changed it) may be live: the two change places, so that no reader finds a hole. */
static int name_generation(int gens_fd, const char *temporary, const char *name, struct err *e)
{
	int r;

	r = FAULT_FAILS("generation.name") ? -1 : renameat(gens_fd, temporary, gens_fd, name);
	if (r != 0 && (errno == EEXIST || errno == ENOTEMPTY)) {
		r = renameat2(gens_fd, temporary, gens_fd, name, RENAME_EXCHANGE);
		if (r == 0)
			remove_generation(gens_fd, temporary); /* the wrong one, by now */
		else if (errno == EINVAL || errno == ENOSYS) {
			remove_generation(gens_fd, name); /* a file system that cannot exchange */
			r = renameat(gens_fd, temporary, gens_fd, name);
		}
	}
	if (r != 0)
		return err_sys(e, ERR_SYS, "cannot name the new generation %s", name);
	FAULT("generation.named");
	return 0;
}

static int write_generation(int gens_fd, const struct generation *g, struct err *e)
{
	char suffix[FOLDER_SUFFIX_SIZE];
	char name[NAME_SIZE];
	char temporary[NAME_SIZE];
	int r;

	r = folder_random_suffix(suffix, e);
	if (r != 0)
		return r;
	snprintf(name, sizeof(name), "%" PRId64, g->number);
	snprintf(temporary, sizeof(temporary), "%" PRId64 TEMPORARY "%s", g->number, suffix);
	r = folder_make_at(gens_fd, temporary, 0755, e);
	if (r == 0)
		r = fill(gens_fd, temporary, g, e);
	if (r == 0)
		r = name_generation(gens_fd, temporary, name, e);
	if (r != 0)
		remove_generation(gens_fd, temporary);
	return r;
}

/* --- the directory ------------------------------------------------------------------------ */

/* Calls visit for each entry; what is added or removed meanwhile may be seen or not. */
static void each_entry(int dir_fd, void (*visit)(int dir_fd, const char *name, void *arg),
		       void *arg)
{
	int fd AUTO_FD = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL)
		return;
	(void)TAKE_FD(fd); /* dir's from here on */
	while ((entry = readdir(dir)) != NULL)
		visit(dir_fd, entry->d_name, arg);
	closedir(dir);
}

/* What a crash left of an install: ".live.tmp-…". */
static void sweep_link(int dir_fd, const char *name, void *arg)
{
	(void)arg;
	if (strncmp(name, LIVE TEMPORARY, strlen(LIVE TEMPORARY)) == 0)
		unlinkat(dir_fd, name, 0);
}

/* … and "7.tmp-…". */
static void sweep_generation(int gens_fd, const char *name, void *arg)
{
	(void)arg;
	if (name[0] >= '1' && name[0] <= '9' && strstr(name, TEMPORARY) != NULL)
		remove_generation(gens_fd, name);
}

struct pruning {
	int64_t live;
	int64_t previous; /* the greatest below live */
};

static void find_previous(int gens_fd, const char *name, void *arg)
{
	struct pruning *p = arg;
	int64_t number = parse_number(name);

	(void)gens_fd;
	if (number > p->previous && number < p->live)
		p->previous = number;
}

static void prune_one(int gens_fd, const char *name, void *arg)
{
	const struct pruning *p = arg;
	int64_t number = parse_number(name);

	if (number != 0 && number != p->live && number != p->previous)
		remove_generation(gens_fd, name);
}

/* The one before stays for readers that have it open half way, and for people. */
static void prune(int gens_fd, int64_t live)
{
	struct pruning p = {.live = live};

	FAULT("generation.prune");
	each_entry(gens_fd, find_previous, &p);
	each_entry(gens_fd, prune_one, &p);
	FAULT("generation.pruned");
}

/* … and ".stage.tmp-…" of a process that is dead: nobody has it locked. */
static void sweep_stage(int dir_fd, const char *name, void *arg)
{
	int fd AUTO_FD = -1;

	(void)arg;
	if (strncmp(name, STAGE TEMPORARY, strlen(STAGE TEMPORARY)) != 0)
		return;
	fd = folder_open_at(dir_fd, name, O_RDONLY);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		generation_unstage(dir_fd, name);
}

static int open_gens(int dir_fd, int *ret_fd, struct err *e)
{
	int fd AUTO_FD = -1;
	int r = folder_make_at(dir_fd, GENS, 0755, e);
	struct stat st;

	if (r != 0)
		return r;
	fd = folder_open_at(dir_fd, GENS, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_sys(e, ERR_SYS, "cannot open " GENS);
	r = judge_gens(&st, e); /* the one that is open, whoever may rename it meanwhile */
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

static int make_link(int dir_fd, const char *target, const char *name, struct err *e)
{
	if (FAULT_FAILS("generation.link") || symlinkat(target, dir_fd, name) != 0)
		return err_sys(e, ERR_SYS, "cannot make the link %s", name);
	return 0;
}

/* The one rename that everything else is there for. */
static int switch_live(int dir_fd, int64_t number, struct err *e)
{
	char suffix[FOLDER_SUFFIX_SIZE];
	char temporary[NAME_SIZE];
	char target[NAME_SIZE];
	int r;

	r = folder_random_suffix(suffix, e);
	if (r != 0)
		return r;
	snprintf(temporary, sizeof(temporary), LIVE TEMPORARY "%s", suffix);
	snprintf(target, sizeof(target), GENS "/%" PRId64, number);
	r = make_link(dir_fd, target, temporary, e);
	if (r != 0)
		return r;
	if (FAULT_FAILS("generation.switch") || renameat(dir_fd, temporary, dir_fd, LIVE) != 0) {
		r = err_sys(e, ERR_SYS, "cannot switch " LIVE " to %s", target);
		unlinkat(dir_fd, temporary, 0);
		return r;
	}
	FAULT("generation.switched");
	return 0;
}

/* After .live, so that they never lead nowhere. */
static int make_names(int dir_fd, struct err *e)
{
	char target[NAME_SIZE];
	bool made;
	int r = 0;

	for (size_t i = 0; r == 0 && i < GENERATION_FILES; i++) {
		r = check_name(dir_fd, generation_names[i], &made, e);
		if (r != 0 || made)
			continue;
		snprintf(target, sizeof(target), LIVE "/%s", generation_names[i]);
		r = make_link(dir_fd, target, generation_names[i], e);
	}
	return r;
}

int generation_install(int dir_fd, const struct generation *g, struct err *e)
{
	int gens_fd AUTO_FD = -1;
	char name[NAME_SIZE];
	int r;

	assert(g->number > 0);
	r = generation_check(dir_fd, g->number, e);
	if (r == 0)
		r = open_gens(dir_fd, &gens_fd, e);
	if (r != 0)
		return r;
	each_entry(dir_fd, sweep_link, NULL);
	each_entry(dir_fd, sweep_stage, NULL);
	each_entry(gens_fd, sweep_generation, NULL);

	snprintf(name, sizeof(name), "%" PRId64, g->number);
	if (!is_there(gens_fd, name, g))
		r = write_generation(gens_fd, g, e);
	if (r == 0)
		r = file_sync(gens_fd, GENS, e);
	if (r == 0)
		r = switch_live(dir_fd, g->number, e); /* also if it is so: that costs nothing */
	if (r == 0)
		r = make_names(dir_fd, e);
	if (r == 0)
		r = file_sync(dir_fd, "the directory", e);
	if (r == 0)
		prune(gens_fd, g->number);
	return r;
}

/* --- for a look --------------------------------------------------------------------------- */

static int stage_lock(int dir_fd, const char *name, int *ret_fd, struct err *e)
{
	int fd AUTO_FD = folder_open_at(dir_fd, name, O_RDONLY);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
		return err_sys(e, ERR_SYS, "cannot lock %s", name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int generation_stage(int dir_fd, const struct generation *g, char **ret_name, int *ret_fd,
		     struct err *e)
{
	char suffix[FOLDER_SUFFIX_SIZE];
	AUTO_FREE char *name = NULL;
	int fd AUTO_FD = -1;
	int r;

	each_entry(dir_fd, sweep_stage, NULL);
	r = folder_random_suffix(suffix, e);
	if (r != 0)
		return r;
	name = mem_printf(STAGE TEMPORARY "%s", suffix);
	r = folder_make_at(dir_fd, name, 0755, e);
	if (r == 0)
		r = stage_lock(dir_fd, name, &fd, e);
	if (r == 0)
		r = fill(dir_fd, name, g, e);
	if (r == 0)
		r = make_link(fd, ".", LIVE, e);
	if (r != 0) {
		generation_unstage(dir_fd, name);
		return r;
	}
	*ret_name = TAKE(name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void generation_unstage(int dir_fd, const char *name)
{
	int fd AUTO_FD = folder_open_at(dir_fd, name, O_PATH);

	if (fd >= 0)
		unlinkat(fd, LIVE, 0);
	remove_generation(dir_fd, name);
}
