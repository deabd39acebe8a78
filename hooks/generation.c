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
#include "hooks/layout.h"

#include <assert.h>
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

#define LIVE      LAYOUT_LIVE
#define GENS      LAYOUT_GENS
#define STAGE     ".stage"
#define TEMPORARY ".tmp-" /* in names that a crash may leave behind */
#define NAME_SIZE LAYOUT_NAME

#define ORIGIN_MODE 0644

const char *const generation_names[GENERATION_FILES] = {
	"privkey.pem",
	"cert.pem",
	"chain.pem",
	"fullchain.pem",
};

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
	unlinkat(fd, LAYOUT_ORIGIN, 0);
	unlinkat(gens_fd, name, AT_REMOVEDIR);
}

static bool owned_as(const struct stat *st, const struct generation *g)
{
	uid_t owner = g->owner == (uid_t)-1 ? layout_user(g->task) : g->owner;

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

static bool same_file(int gen_fd, const char *name, const struct generation_file *file,
		      const struct generation *g)
{
	int fd AUTO_FD = openat(gen_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_mode & 07777) == file->mode && owned_as(&st, g) && same_content(fd, file);
}

/* Whose it is, as a file. False: that is not said. */
static bool origin_file(const struct generation *g, struct generation_file *ret_file)
{
	if (g->origin == NULL)
		return false;
	*ret_file = (struct generation_file){g->origin, strlen(g->origin), ORIGIN_MODE};
	return true;
}

bool generation_looks_right(int dir_fd, const struct generation *g)
{
	int fd AUTO_FD = layout_open_live(dir_fd);
	struct stat st;

	for (size_t i = 0; fd >= 0 && i < GENERATION_FILES; i++)
		if (fstatat(fd, generation_names[i], &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode) || (st.st_mode & 07777) != g->files[i].mode ||
		    !owned_as(&st, g))
			return false;
	return true;
}

/* On the disk under its name and still as it was written: then nothing is left to be written. */
static bool is_there(int gens_fd, const char *name, const struct generation *g)
{
	int fd AUTO_FD = folder_open_at(gens_fd, name, O_PATH);
	struct generation_file origin;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || (st.st_mode & 0777) != 0755 ||
	    st.st_uid != layout_user(g->task))
		return false;
	for (size_t i = 0; i < GENERATION_FILES; i++)
		if (!same_file(fd, generation_names[i], &g->files[i], g))
			return false;
	return !origin_file(g, &origin) || same_file(fd, LAYOUT_ORIGIN, &origin, g);
}

static int write_file(int gen_fd, const char *name, const struct generation_file *file,
		      const struct generation *g, struct err *e)
{
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
	struct generation_file origin;
	int r = 0;

	if (fd < 0)
		return err_sys(e, ERR_SYS, "cannot open the new generation");
	for (size_t i = 0; r == 0 && i < GENERATION_FILES; i++)
		r = write_file(fd, generation_names[i], &g->files[i], g, e);
	if (r == 0 && origin_file(g, &origin))
		r = write_file(fd, LAYOUT_ORIGIN, &origin, g, e);
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

/* What a crash left of an install: ".live.tmp-…". */
static void sweep_link(int dir_fd, const char *name, void *arg)
{
	(void)arg;
	if (strncmp(name, LIVE TEMPORARY, strlen(LIVE TEMPORARY)) == 0 &&
	    unlinkat(dir_fd, name, 0) != 0)
		remove_generation(dir_fd, name); /* a copy that .live was */
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
	int64_t previous; /* that was live before it; else the greatest below it */
};

static void find_previous(int gens_fd, const char *name, void *arg)
{
	struct pruning *p = arg;
	int64_t number = layout_number(name);

	(void)gens_fd;
	if (number > p->previous && number < p->live)
		p->previous = number;
}

static void prune_one(int gens_fd, const char *name, void *arg)
{
	const struct pruning *p = arg;
	int64_t number = layout_number(name);

	if (number != 0 && number != p->live && number != p->previous)
		remove_generation(gens_fd, name);
}

/* The one before stays for readers that have it open half way, and for people. It may have the
 * greater number, of another store or of one that a backup took the place of. */
static void prune(int gens_fd, int64_t live, int64_t before)
{
	struct pruning p = {.live = live, .previous = before != live ? before : 0};

	FAULT("generation.prune");
	if (p.previous == 0)
		layout_each(gens_fd, find_previous, &p);
	layout_each(gens_fd, prune_one, &p);
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

static int open_gens(int dir_fd, const struct deployer_task *task, int *ret_fd, struct err *e)
{
	int fd AUTO_FD = -1;
	int r = folder_make_at(dir_fd, GENS, 0755, e);
	struct stat st;

	if (r != 0)
		return r;
	fd = folder_open_at(dir_fd, GENS, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_sys(e, ERR_SYS, "cannot open " GENS);
	r = layout_judge_gens(&st, task,
			      e); /* the one that is open, whoever may rename it meanwhile */
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

/* Puts a link in the place of whatever is there: one rename. A directory, which no rename takes the
 * place of, is a copy of ours: the two change places. */
static int place_link(int dir_fd, const char *target, const char *name, struct err *e)
{
	char suffix[FOLDER_SUFFIX_SIZE];
	char temporary[NAME_SIZE];
	int r;

	r = folder_random_suffix(suffix, e);
	if (r != 0)
		return r;
	snprintf(temporary, sizeof(temporary), LIVE TEMPORARY "%s", suffix);
	r = make_link(dir_fd, target, temporary, e);
	if (r != 0)
		return r;
	r = FAULT_FAILS("generation.switch") ? -1 : renameat(dir_fd, temporary, dir_fd, name);
	if (r != 0 && errno == EISDIR) {
		r = renameat2(dir_fd, temporary, dir_fd, name, RENAME_EXCHANGE);
		if (r == 0)
			remove_generation(dir_fd, temporary);
	}
	if (r == 0)
		return 0;
	r = err_sys(e, ERR_SYS, "cannot switch %s to %s", name, target);
	unlinkat(dir_fd, temporary, 0);
	return r;
}

/* The one rename that everything else is there for. */
static int switch_live(int dir_fd, int64_t number, struct err *e)
{
	char target[NAME_SIZE];
	int r;

	snprintf(target, sizeof(target), GENS "/%" PRId64, number);
	r = place_link(dir_fd, target, LIVE, e);
	if (r != 0)
		return r;
	FAULT("generation.switched");
	return 0;
}

/* After .live, so that they never lead nowhere. */
static int make_names(int dir_fd, enum layout_state only, struct err *e)
{
	enum layout_state state;
	char target[NAME_SIZE];
	int r = 0;

	for (size_t i = 0; r == 0 && i < GENERATION_FILES; i++) {
		r = layout_name(dir_fd, generation_names[i], &state, e);
		if (r != 0 || state != only)
			continue;
		snprintf(target, sizeof(target), LIVE "/%s", generation_names[i]);
		r = state == LAYOUT_COPY ? place_link(dir_fd, target, generation_names[i], e)
					 : make_link(dir_fd, target, generation_names[i], e);
	}
	return r;
}

/* What became copies is links again, to the same contents, before anything changes: so the switch
 * stays one rename. */
static int mend(int dir_fd, int64_t *ret_live, struct err *e)
{
	enum layout_state state;
	int r = layout_live(dir_fd, ret_live, &state, e);

	if (r == 0 && *ret_live != 0 && state == LAYOUT_COPY)
		r = switch_live(dir_fd, *ret_live, e);
	if (r == 0 && *ret_live != 0)
		r = make_names(dir_fd, LAYOUT_COPY, e);
	FAULT("generation.mended");
	return r;
}

int generation_install(int dir_fd, const struct generation *g, struct err *e)
{
	int gens_fd AUTO_FD = -1;
	char name[NAME_SIZE];
	int64_t before = 0;
	int r;

	assert(g->number > 0);
	r = layout_check(dir_fd, g->task, e);
	if (r == 0)
		r = mend(dir_fd, &before, e);
	if (r == 0)
		r = open_gens(dir_fd, g->task, &gens_fd, e);
	if (r != 0)
		return r;
	layout_each(dir_fd, sweep_link, NULL);
	layout_each(dir_fd, sweep_stage, NULL);
	layout_each(gens_fd, sweep_generation, NULL);

	snprintf(name, sizeof(name), "%" PRId64, g->number);
	if (!is_there(gens_fd, name, g))
		r = write_generation(gens_fd, g, e);
	if (r == 0)
		r = file_sync(gens_fd, GENS, e);
	if (r == 0)
		r = switch_live(dir_fd, g->number, e); /* also if it is so: that costs nothing */
	if (r == 0)
		r = make_names(dir_fd, LAYOUT_COPY, e); /* of another one, without .live */
	if (r == 0)
		r = make_names(dir_fd, LAYOUT_MISSING, e);
	if (r == 0)
		r = file_sync(dir_fd, "the directory", e);
	if (r == 0)
		prune(gens_fd, g->number, before);
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

	layout_each(dir_fd, sweep_stage, NULL);
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
