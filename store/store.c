/* SPDX-License-Identifier: MIT
 *
 * store — puts the state directory together: the place, the turn's file, both databases, the
 * owner; and takes it apart again.
 */
#include "store/internal.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/key.h"
#include "base/path.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A symbolic link may lead here: systemd's DynamicUser makes one. What it leads to is judged, by
 * place_check. */
static const struct path_rule state_rule = {
	.cannot = "cannot open the state directory",
	.refused = "is not used",
	.end_free = true,
};

/* way: O_PATH, so that a directory which is closed to us can still be looked at. */
static int enter_directory(struct store *s, int way, struct err *e)
{
	s->dir_fd = openat(way, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return place_closed(way, s->dir, e);
	return place_check(s->dir_fd, s->dir, e);
}

static int open_directory(struct store *s, struct err *e)
{
	int way AUTO_FD = -1;
	int r = path_open_folder(s->dir, &state_rule, &way, e);

	return r == 0 ? enter_directory(s, way, e) : r;
}

static int make_directory(struct store *s, struct err *e)
{
	int way AUTO_FD = -1;
	int r = path_make_folder(s->dir, 0700, &state_rule, &way, e);

	return r == 0 ? enter_directory(s, way, e) : r;
}

/* *ret_made becomes true when it was not there. */
static int make_folder(struct store *s, const char *name, bool *ret_made, struct err *e)
{
	if (FAULT_FAILS("store.mkdir") || mkdirat(s->dir_fd, name, 0700) != 0) {
		if (errno == EEXIST)
			return 0;
		return err_sys(e, ERR_SYS, "cannot make %s/%s", s->dir, name);
	}
	if (fchmodat(s->dir_fd, name, 0700, 0) != 0) /* mkdir heeds the umask */
		return err_sys(e, ERR_SYS, "cannot set the mode of %s/%s", s->dir, name);
	*ret_made = true;
	return 0;
}

static int make_files(struct store *s, struct err *e)
{
	const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	bool made = false;
	int r;

	r = make_folder(s, "owners", &made, e);
	if (r == 0)
		r = make_folder(s, "answers", &made, e);
	if (r != 0)
		return r;
	if (!FAULT_FAILS("store.turn"))
		s->turn_fd = openat(s->dir_fd, "turn", flags, 0600);
	if (s->turn_fd < 0 || fchmod(s->turn_fd, 0600) != 0) /* open heeds the umask */
		return err_sys(e, ERR_SYS, "cannot open %s/turn", s->dir);
	return made ? file_sync(s->dir_fd, s->dir, e) : 0;
}

/* The seed itself is not told to those who may read what we deploy. */
static void make_id(struct store *s)
{
	static const char what[] = "everleaf store";
	uint8_t mac[32];

	hmac_sha256(s->seed, sizeof(s->seed), what, sizeof(what) - 1, mac);
	for (size_t i = 0; i < STORE_NAME_SIZE / 2; i++)
		snprintf(s->id + 2 * i, 3, "%02x", mac[i]);
}

static int load_seed(struct store *s, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "SELECT seed FROM meta WHERE id = $1");
	int r;

	sql_bind_int(&q, 1);
	r = sql_row(&q, "seed", 1, e);
	if (r != 0)
		return r;
	sql_bytes(&q, s->seed, sizeof(s->seed));
	make_id(s);
	return 0;
}

static int open_parts(struct store *s, struct err *e)
{
	int r;

	r = make_directory(s, e);
	if (r == 0)
		r = make_files(s, e);
	if (r == 0)
		r = migrate_open(s, e);
	if (r == 0)
		r = load_seed(s, e);
	if (r == 0)
		r = owner_make(s, e);
	return r;
}

static int open_reader_parts(struct store *s, struct err *e)
{
	int r;

	r = open_directory(s, e);
	if (r == 0)
		r = migrate_open_reader(s, e);
	if (r == 0)
		r = load_seed(s, e);
	return r;
}

int store_open_as(const struct store_opening *o, struct store **ret_store, struct err *e)
{
	AUTO_STORE struct store *s = mem_new(sizeof(*s));
	int r;

	s->dir = mem_str(o->dir);
	s->clock = o->clock;
	s->quickly = o->how != STORE_SOUND;
	s->waiting = (struct waiting){.store = s, .most_ms = o->wait_ms, .tell = o->tell};
	s->db.waiting = s->keys.waiting = &s->waiting;
	s->dir_fd = -1;
	s->turn_fd = -1;
	s->owner_fd = -1;
	r = o->how == STORE_READER ? open_reader_parts(s, e) : open_parts(s, e);
	if (r != 0)
		return r;
	*ret_store = TAKE(s);
	return 0;
}

int store_open(const char *dir, const struct clock *clock, struct store **ret_store, struct err *e)
{
	const struct store_opening o = {.dir = dir, .clock = clock, .wait_ms = STORE_WAIT_MS};

	return store_open_as(&o, ret_store, e);
}

int store_waits(struct store *s, int ms)
{
	int before = s->waiting.most_ms;

	s->waiting.most_ms = ms;
	return before;
}

const char *store_dir(const struct store *s)
{
	return s->dir;
}

int store_room(const struct store *s, struct err *e)
{
	return file_check_room(s->dir_fd, s->dir, e);
}

const char *store_owner(const struct store *s)
{
	return s->owner;
}

const char *store_id(const struct store *s)
{
	return s->id;
}

const uint8_t *store_seed(const struct store *s)
{
	return s->seed;
}

static int check_one(struct db *d, struct err *e)
{
	const bool opening = d->opening;
	int r;

	d->opening = true; /* the operator asked: tell them what to do */
	r = db_check(d, e);
	d->opening = opening;
	return r;
}

int store_check(struct store *s, struct err *e)
{
	int r = check_one(&s->db, e);

	return r != 0 ? r : check_one(&s->keys, e);
}

int store_check_rest(struct store *s, struct err *e)
{
	int r = 0;

	if (s->keys.unchecked)
		r = check_one(&s->keys, e);
	if (r == 0 && s->db.unchecked)
		r = check_one(&s->db, e);
	return r;
}

void store_free(struct store *s)
{
	if (s == NULL)
		return;
	if (store_in_turn(s))
		store_turn_undo(s);
	owner_give_up(s); /* before the databases: whoever takes our rows finds them at rest */
	db_close(&s->db);
	db_close(&s->keys);
	if (s->turn_fd >= 0)
		close(s->turn_fd);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	free(s->dir);
	mem_wipe(s->seed, sizeof(s->seed));
	free(s);
}

void auto_store(struct store **s)
{
	store_free(*s);
}
