/* SPDX-License-Identifier: MIT
 *
 * layout — see layout.h.
 */
#include "hooks/layout.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/x509.h"
#include "hooks/folder.h"
#include "hooks/generation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE (2 * 1024 * 1024) /* of ours; a fullchain.pem has less */

int64_t layout_number(const char *name)
{
	char again[LAYOUT_NAME];
	int64_t number = strtoll(name, NULL, 10);

	snprintf(again, sizeof(again), "%" PRId64, number);
	return number > 0 && strcmp(again, name) == 0 ? number : 0;
}

void layout_each(int dir_fd, void (*visit)(int dir_fd, const char *name, void *arg), void *arg)
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

static const char *folder_of(const struct deployer_task *task)
{
	const char *directory = json_get_text(task->settings, "directory");

	return directory != NULL ? directory : ".";
}

/* --- files that are the same -------------------------------------------------------------- */

/* A regular file of at most MAX_FILE, never through a link. False: it is none. The caller wipes
 * data: it may be the key. */
static bool read_file(int dir_fd, const char *name, struct buf *data)
{
	int fd AUTO_FD = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	char piece[4096];
	ssize_t n = 0;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	while (r == 0 && (n = read(fd, piece, sizeof(piece))) > 0)
		r = buf_add(data, piece, (size_t)n);
	mem_wipe(piece, sizeof(piece));
	return r == 0 && n == 0;
}

static bool same_content(int a_fd, int b_fd, const char *name)
{
	struct buf a AUTO_BUF = {0}, b AUTO_BUF = {0};

	buf_init_secret(&a, MAX_FILE);
	buf_init_secret(&b, MAX_FILE);
	return read_file(a_fd, name, &a) && read_file(b_fd, name, &b) && a.len == b.len &&
	       (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Whether a link, followed, ends at the same file or directory. */
static bool same_inode(int a_fd, const char *a, int b_fd, const char *b)
{
	struct stat x, y;

	return fstatat(a_fd, a, &x, 0) == 0 && fstatat(b_fd, b, &y, AT_SYMLINK_NOFOLLOW) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_link(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* --- the live generation ------------------------------------------------------------------ */

/* Looks through the generations for the one that something is. */
struct search {
	int dir_fd;
	const char *name; /* one of generation_names, or NULL: .live */
	int64_t found;
};

static void count_others(int fd, const char *name, void *arg)
{
	size_t *others = arg;

	(void)fd;
	for (size_t i = 0; i < GENERATION_FILES; i++)
		if (strcmp(name, generation_names[i]) == 0)
			return;
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, LAYOUT_ORIGIN) != 0)
		++*others;
}

/* .live as a directory with copies of all files of the generation, and nothing else. */
static bool is_copied_generation(int dir_fd, int gen_fd)
{
	int fd AUTO_FD = folder_open_at(dir_fd, LAYOUT_LIVE, O_RDONLY);
	size_t others = 0;

	if (fd < 0)
		return false;
	layout_each(fd, count_others, &others);
	for (size_t i = 0; others == 0 && i < GENERATION_FILES; i++)
		if (!same_content(fd, gen_fd, generation_names[i]))
			return false;
	return others == 0;
}

static void search_generation(int gens_fd, const char *name, void *arg)
{
	struct search *s = arg;
	int64_t number = layout_number(name);
	const char *what = s->name != NULL ? s->name : LAYOUT_LIVE;
	int gen_fd AUTO_FD = number > 0 ? folder_open_at(gens_fd, name, O_RDONLY) : -1;
	bool same;

	if (gen_fd < 0)
		return;
	if (is_link(s->dir_fd, what))
		same = same_inode(s->dir_fd, what, gen_fd, s->name != NULL ? s->name : ".");
	else if (s->name != NULL)
		same = same_content(s->dir_fd, gen_fd, s->name);
	else
		same = is_copied_generation(s->dir_fd, gen_fd);
	if (same && number > s->found)
		s->found = number;
}

/* The newest generation that it is a copy of, or another link to. 0: none. */
static int64_t find_generation(int dir_fd, const char *name)
{
	struct search s = {.dir_fd = dir_fd, .name = name};
	int gens_fd AUTO_FD = folder_open_at(dir_fd, LAYOUT_GENS, O_RDONLY);

	if (gens_fd >= 0)
		layout_each(gens_fd, search_generation, &s);
	return s.found;
}

int layout_live(int dir_fd, int64_t *ret_number, enum layout_state *ret_state, struct err *e)
{
	char target[LAYOUT_NAME];
	ssize_t len = readlinkat(dir_fd, LAYOUT_LIVE, target, sizeof(target) - 1);
	int64_t number = 0;

	*ret_number = 0;
	*ret_state = LAYOUT_MISSING;
	if (len < 0 && errno == ENOENT)
		return 0;
	if (len > 0) {
		target[len] = '\0';
		if (strncmp(target, LAYOUT_GENS "/", strlen(LAYOUT_GENS "/")) == 0)
			number = layout_number(target + strlen(LAYOUT_GENS "/"));
	}
	*ret_state = number != 0 ? LAYOUT_MADE : LAYOUT_COPY;
	if (number == 0)
		number = find_generation(dir_fd, NULL);
	if (number == 0)
		return err_set(e, ERR_CONFIG,
			       LAYOUT_LIVE " is not the link that everleaf makes: move it away");
	*ret_number = number;
	return 0;
}

int layout_open_live(int dir_fd)
{
	int gens_fd AUTO_FD = folder_open_at(dir_fd, LAYOUT_GENS, O_RDONLY);
	enum layout_state state;
	char name[LAYOUT_NAME];
	int64_t number = 0;

	if (gens_fd < 0 || layout_live(dir_fd, &number, &state, NULL) != 0 || number == 0)
		return -1;
	snprintf(name, sizeof(name), "%" PRId64, number);
	return folder_open_at(gens_fd, name, O_RDONLY);
}

int layout_name(int dir_fd, const char *name, enum layout_state *ret_state, struct err *e)
{
	char want[LAYOUT_NAME];
	char target[LAYOUT_NAME];
	ssize_t len = readlinkat(dir_fd, name, target, sizeof(target));
	int want_len = snprintf(want, sizeof(want), LAYOUT_LIVE "/%s", name);

	*ret_state = LAYOUT_MISSING;
	if (len < 0 && errno == ENOENT)
		return 0;
	if (len < 0 && errno != EINVAL) /* EINVAL: no link at all */
		return err_sys(e, ERR_SYS, "cannot examine %s", name);
	*ret_state = LAYOUT_MADE;
	if (len == want_len && memcmp(target, want, (size_t)len) == 0)
		return 0;
	*ret_state = LAYOUT_COPY;
	if (find_generation(dir_fd, name) != 0)
		return 0;
	return err_set(e, ERR_CONFIG,
		       "%s is there already and was not made by everleaf: move it away (mv -i %s "
		       "%s.old), or choose another directory",
		       name, name, name);
}

uid_t layout_user(const struct deployer_task *task)
{
	return geteuid() == 0 ? task->as : geteuid();
}

int layout_judge_gens(const struct stat *st, const struct deployer_task *task, struct err *e)
{
	const char *folder = folder_of(task);

	if (!S_ISDIR(st->st_mode))
		return err_set(e, ERR_CONFIG,
			       LAYOUT_GENS " is no directory: move " LAYOUT_GENS " and " LAYOUT_LIVE
					   " away");
	if (st->st_uid != 0 && st->st_uid != layout_user(task))
		return err_set(e, ERR_CONFIG,
			       LAYOUT_GENS " belongs to another user (%u), who could put another "
					   "key there: chown %u %s/" LAYOUT_GENS,
			       (unsigned)st->st_uid, (unsigned)layout_user(task), folder);
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_CONFIG,
			       LAYOUT_GENS ": others may write to it, and could put another key "
					   "there: chmod go-w %s/" LAYOUT_GENS,
			       folder);
	return 0;
}

/* --- whose it is -------------------------------------------------------------------------- */

char *layout_origin(const struct deployer_task *task)
{
	if (task->store == NULL)
		return NULL;
	return mem_printf("certificate %s\nstore %s\n", task->certificate, task->store);
}

/* The rest of the line that begins with word. The caller's; NULL: there is none. */
static char *origin_word(const struct buf *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *line = text->data; line != NULL && *line != '\0';) {
		size_t end = strcspn(line, "\n");

		if (end > len && strncmp(line, word, len) == 0)
			return mem_strn(line + len, end - len);
		line += end + (line[end] == '\n');
	}
	return NULL;
}

/* What is live, as its own files say. */
struct live {
	char *certificate, *store; /* NULL: they do not say */
	struct x509_chain *chain;
	const struct x509_facts *facts; /* NULL: no certificate is there */
};

static void live_clear(struct live *l)
{
	free(l->certificate);
	free(l->store);
	x509_chain_free(l->chain);
}

static void live_read(int dir_fd, struct live *l)
{
	struct buf origin AUTO_BUF = {0}, pem AUTO_BUF = {0};
	int fd AUTO_FD = layout_open_live(dir_fd);

	if (fd < 0)
		return;
	buf_init(&origin, 4096);
	buf_init(&pem, MAX_FILE);
	if (read_file(fd, LAYOUT_ORIGIN, &origin)) {
		l->certificate = origin_word(&origin, "certificate ");
		l->store = origin_word(&origin, "store ");
	}
	if (read_file(fd, "cert.pem", &pem) &&
	    x509_chain_parse(pem.data, pem.len, &l->chain, NULL) == 0)
		l->facts = x509_chain_facts(l->chain, 0);
}

/* The world says what is newer, not our numbers: those begin anew with a store, and go back with
 * a backup of it. Of two with the same dates neither is newer: there the machine sees to it that
 * what comes later is the newer one (agent/deployment.c, 4). */
static int check_age(const struct live *l, const struct deployer_task *task, struct err *e)
{
	const struct x509_facts *f = l->facts;
	char live[CLOCK_TEXT_SIZE], ours[CLOCK_TEXT_SIZE];

	if (f == NULL || task->version == 0 || str_equal(f->serial, task->serial) ||
	    f->not_before < task->not_before ||
	    (f->not_before == task->not_before && f->not_after <= task->not_after))
		return 0;
	return err_set(e, ERR_CONFIG,
		       "the certificate that is live there (%s, of %s) is newer than the one to "
		       "deploy (%s, of %s), which is not put in its place",
		       f->serial, clock_format(f->not_before, live), task->serial,
		       clock_format(task->not_before, ours));
}

static bool same_names(const struct strlist *a, const struct strlist *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!strlist_has(b, a->items[i]))
			return false;
	for (size_t i = 0; i < b->count; i++)
		if (!strlist_has(a, b->items[i]))
			return false;
	return true;
}

/* Another store's is replaced only where it is plain that this one took its place. */
static int check_stranger(const struct live *l, const struct deployer_task *task, struct err *e)
{
	AUTO_FREE char *names = NULL;

	if (l->facts == NULL || task->names == NULL || same_names(&l->facts->names, task->names))
		return 0;
	names = strlist_join(&l->facts->names, ", ");
	return err_set(e, ERR_CONFIG,
		       "another everleaf deployed a certificate for %s there, so %s is not put in "
		       "its place: choose another directory, or move %s/" LAYOUT_LIVE " away",
		       names, task->certificate, folder_of(task));
}

static int check_whose(int dir_fd, const struct deployer_task *task, struct err *e)
{
	struct live l AUTO(live_clear) = {0};
	bool ours;
	int r = 0;

	live_read(dir_fd, &l);
	ours = l.store != NULL && str_equal(l.store, task->store) && l.certificate != NULL;
	if (!ours)
		r = check_stranger(&l, task, e);
	else if (!str_equal(l.certificate, task->certificate)) {
		if (task->wants == NULL ||
		    !task->wants(task->wants_arg, l.certificate, folder_of(task)))
			return 0; /* it was given up */
		return err_set(e, ERR_CONFIG,
			       "the certificate %s is deployed there, too, and one would take the "
			       "place of the other: give %s a directory of its own",
			       l.certificate, task->certificate);
	}
	return r == 0 ? check_age(&l, task, e) : r;
}

/* --- all of it ---------------------------------------------------------------------------- */

static int check_gens(int dir_fd, const struct deployer_task *task, struct err *e)
{
	struct stat st;

	if (fstatat(dir_fd, LAYOUT_GENS, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : err_sys(e, ERR_SYS, "cannot examine " LAYOUT_GENS);
	return layout_judge_gens(&st, task, e);
}

/* Nothing is live, and nothing ever was: that is no fault. */
static bool is_new(int dir_fd, enum layout_state live)
{
	return live == LAYOUT_MISSING && faccessat(dir_fd, LAYOUT_GENS, F_OK, 0) != 0;
}

static int to_be_mended(const struct deployer_task *task, const char *what, enum layout_state state,
			struct err *e)
{
	return err_set(
		e, ERR_CONFIG,
		"%s is %s: the next deployment puts it right, or everleaf deploy %s at once", what,
		state == LAYOUT_MISSING ? "gone" : "not the link any more that everleaf made",
		task->certificate);
}

int layout_check(int dir_fd, const struct deployer_task *task, struct err *e)
{
	enum layout_state state = LAYOUT_MADE;
	int64_t number = 0;
	bool strict;
	int r = check_gens(dir_fd, task, e);

	if (r == 0)
		r = layout_live(dir_fd, &number, &state, e);
	strict = task->strict && !is_new(dir_fd, state);
	if (r == 0 && strict && state != LAYOUT_MADE)
		return to_be_mended(task, LAYOUT_LIVE, state, e);
	for (size_t i = 0; r == 0 && i < GENERATION_FILES; i++) {
		r = layout_name(dir_fd, generation_names[i], &state, e);
		if (r == 0 && strict && state != LAYOUT_MADE)
			return to_be_mended(task, generation_names[i], state, e);
	}
	if (r == 0 && number != 0 && task->store != NULL)
		r = check_whose(dir_fd, task, e);
	return r;
}
