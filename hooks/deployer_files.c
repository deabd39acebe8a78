/* SPDX-License-Identifier: MIT
 *
 * deployer_files — privkey.pem, cert.pem, chain.pem and fullchain.pem in a directory of the
 * operator's choice, replaced all at once (hooks/generation.h says how).
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/key.h"
#include "base/path.h"
#include "hooks/deployer.h"
#include "hooks/folder.h"
#include "hooks/generation.h"
#include "hooks/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MODE  0600
#define OPEN_MODE 0644
#define MAX_PEM   (1024 * 1024) /* leaf and chain passed their own, lower limits */

/* --- settings ----------------------------------------------------------------------------- */

struct files_settings {
	const char *directory; /* borrowed */
	uid_t owner;
	gid_t group;
	mode_t key_mode;
};

/* A decimal id; false for anything else, and for -1, which would mean "leave as it is". */
static bool parse_id(const char *text, unsigned *ret_id)
{
	unsigned long long id;

	if (*text == '\0' || strspn(text, "0123456789") != strlen(text) || strlen(text) > 10)
		return false;
	id = strtoull(text, NULL, 10);
	if (id >= (unsigned)-1)
		return false;
	*ret_id = (unsigned)id;
	return true;
}

static int read_owner(const char *text, uid_t *ret_owner, struct err *e)
{
	const struct passwd *user;

	if (text == NULL || parse_id(text, ret_owner))
		return 0;
	user = getpwnam(text);
	if (user == NULL)
		return err_set(e, ERR_CONFIG, "there is no user \"%s\" to own the files", text);
	*ret_owner = user->pw_uid;
	return 0;
}

static int read_group(const char *text, gid_t *ret_group, struct err *e)
{
	const struct group *group;

	if (text == NULL || parse_id(text, ret_group))
		return 0;
	group = getgrnam(text);
	if (group == NULL)
		return err_set(e, ERR_CONFIG, "there is no group \"%s\" to own the files", text);
	*ret_group = group->gr_gid;
	return 0;
}

int files_mode_parse(const char *text, mode_t *ret_mode, struct err *e)
{
	unsigned long mode;

	if (*text == '\0' || strspn(text, "01234567") != strlen(text) || strlen(text) > 5)
		return err_set(e, ERR_CONFIG, "mode \"%s\" is not a number like 0640", text);
	mode = strtoul(text, NULL, 8);
	if ((mode & ~0660UL) != 0 || (mode & 0400) == 0)
		return err_set(
			e, ERR_CONFIG,
			"mode %s is not one for a private key: only owner and group may read "
			"or write it (0600, 0640, …)",
			text);
	*ret_mode = (mode_t)mode;
	return 0;
}

/* Text, absent or null. A number is refused, because 640 without quotes is not 0640. */
static int read_text(const struct json *settings, const char *key, const char **ret_text,
		     struct err *e)
{
	const struct json *value = json_get(settings, key);
	int64_t number;

	if (json_number(value, &number) || json_is_map(value) || json_is_list(value))
		return err_set(e, ERR_CONFIG, "\"%s\" of the files has to be a text in quotes",
			       key);
	*ret_text = json_text(value);
	return 0;
}

static int settings_read(const struct json *settings, struct files_settings *ret_settings,
			 struct err *e)
{
	struct files_settings s = {
		.directory = json_get_text(settings, "directory"),
		.owner = (uid_t)-1,
		.group = (gid_t)-1,
		.key_mode = KEY_MODE,
	};
	const char *owner = NULL, *group = NULL, *mode = NULL;
	int r;

	if (s.directory == NULL || s.directory[0] != '/')
		return err_set(e, ERR_CONFIG,
			       "\"directory\" of the files has to be a full path, starting with /");
	r = read_text(settings, "owner", &owner, e);
	if (r == 0)
		r = read_text(settings, "group", &group, e);
	if (r == 0)
		r = read_text(settings, "mode", &mode, e);
	if (r == 0)
		r = read_owner(owner, &s.owner, e);
	if (r == 0)
		r = read_group(group, &s.group, e);
	if (r == 0 && mode != NULL)
		r = files_mode_parse(mode, &s.key_mode, e);
	if (r == 0)
		*ret_settings = s;
	return r;
}

/* --- the directory ------------------------------------------------------------------------ */

/* Whoever can change the way to the directory, or write in it, could have the key, or put another
 * in its place. A link would make it a question of the moment where the key goes. To whom the files
 * are given, the directories may belong, too; a group that may write there is the operator's
 * choice. */
static struct path_rule rule_of(const struct files_settings *s)
{
	return (struct path_rule){
		.cannot = "cannot use",
		.refused = "is not used for keys",
		.forbidden = S_IWOTH,
		.owner = s->owner,
		.no_link = true,
	};
}

/* The directory, made if it is missing. */
static int open_directory(const struct files_settings *s, int *ret_fd, struct err *e)
{
	const struct path_rule rule = rule_of(s);
	int way AUTO_FD = -1;
	int r = path_make_folder(s->directory, 0755, &rule, &way, e);
	int fd;

	if (r != 0)
		return r;
	fd = openat(way, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, ERR_CONFIG, "cannot open the directory %s", s->directory);
	*ret_fd = fd;
	return 0;
}

/* The directory, or the deepest one above it that exists: then *ret_above is that one's. Where we
 * look for somebody else, it may be theirs. */
static int open_nearest(const struct deployer_task *task, const struct files_settings *s,
			int *ret_fd, char **ret_above, struct err *e)
{
	struct path_rule rule = rule_of(s);
	struct stat st;
	int r;

	if (s->owner == (uid_t)-1)
		rule.owner = layout_user(task);
	r = path_open_nearest(s->directory, &rule, ret_fd, ret_above, e);
	if (r != 0 && e != NULL && lstat(s->directory, &st) == 0 && S_ISLNK(st.st_mode)) {
		AUTO_FREE char *real = folder_resolve(s->directory);
		AUTO_FREE char *why = mem_str(e->text);

		return err_set(e, e->code, "%s, which is %s now", why, real);
	}
	return r;
}

/* Owners and modes as they should be: for a look that knows no version. */
static int check_modes(int fd, const struct deployer_task *task, const struct files_settings *s,
		       struct err *e)
{
	struct generation g = {.task = task, .owner = s->owner, .group = s->group};

	for (size_t i = 0; i < GENERATION_FILES; i++)
		g.files[i].mode = i == 0 ? s->key_mode : OPEN_MODE;
	if (!task->strict || generation_looks_right(fd, &g))
		return 0;
	return err_set(e, ERR_CONFIG,
		       "the files have other owners or modes than were asked for: the next "
		       "deployment puts that right, or everleaf deploy %s at once",
		       task->certificate);
}

static int look(int fd, const struct deployer_task *task, const struct files_settings *s,
		struct err *e)
{
	int r = layout_check(fd, task, e);

	if (r == 0)
		r = check_modes(fd, task, s, e);
	return r != 0 ? err_while(e, "looking at %s", s->directory) : 0;
}

static int check(const struct deployer_task *task, bool room, struct err *e)
{
	struct files_settings s;
	AUTO_FREE char *above = NULL;
	int fd AUTO_FD = -1;
	int r;

	r = settings_read(task->settings, &s, e);
	if (r == 0)
		r = open_nearest(task, &s, &fd, &above, e);
	if (r == 0 && room)
		r = file_check_room(fd, s.directory, e);
	if (r != 0)
		return r;
	if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return err_sys(e, ERR_CONFIG, "cannot write to %s%s", s.directory,
			       above != NULL ? ", which would have to be made" : "");
	return above == NULL ? look(fd, task, &s, e) : 0;
}

/* What can be known before there is a certificate. */
static int files_room(const struct deployer_task *task, struct err *e)
{
	return check(task, true, e);
}

static char *files_place(const struct json *settings)
{
	const char *directory = json_get_text(settings, "directory");

	return directory != NULL ? folder_resolve(directory) : NULL;
}

static struct hook_call *files_check(const struct deployer_task *task, hook_done *done, void *arg)
{
	struct err e = {0};
	int r = check(task, task->only_looks, &e);

	return hook_call_answer(task->loop, r == 0 ? NULL : &e, done, arg);
}

/* --- the contents ------------------------------------------------------------------------- */

/* Texts of the four files. */
struct contents {
	struct buf key; /* secret */
	struct buf leaf, chain, full;
};

static void contents_clear(struct contents *c)
{
	buf_free(&c->key);
	buf_free(&c->leaf);
	buf_free(&c->chain);
	buf_free(&c->full);
}

static int read_key(int fd, struct buf *key, struct err *e)
{
	char data[KEY_PEM_MAX + 1];
	size_t got = 0;
	ssize_t n;

	do {
		n = pread(fd, data + got, sizeof(data) - got, (off_t)got);
		if (n > 0)
			got += (size_t)n;
	} while ((n > 0 && got < sizeof(data)) || (n < 0 && errno == EINTR));
	if (n == 0 && got > 0 && got <= KEY_PEM_MAX)
		buf_add(key, data, got);
	mem_wipe(data, sizeof(data));
	if (n < 0)
		return err_sys(e, ERR_SYS, "cannot read the private key");
	if (key->len == 0)
		return err_set(e, ERR_BUG, "the private key to deploy is empty or too large");
	return 0;
}

/* With a line feed at its end, so that what follows begins a line of its own. */
static int add_pem(struct buf *b, const char *pem, struct err *e)
{
	size_t len = strlen(pem);
	int r = buf_add(b, pem, len);

	if (r == 0 && len > 0 && pem[len - 1] != '\n')
		r = buf_add(b, "\n", 1);
	if (r != 0)
		return err_set(e, ERR_BUG, "the certificate to deploy is too large");
	return 0;
}

static int contents_read(const struct deployer_task *task, struct contents *c, struct err *e)
{
	int r;

	buf_init_secret(&c->key, KEY_PEM_MAX);
	buf_init(&c->leaf, MAX_PEM);
	buf_init(&c->chain, MAX_PEM);
	buf_init(&c->full, (size_t)2 * MAX_PEM);
	r = read_key(task->key_fd, &c->key, e);
	if (r == 0)
		r = add_pem(&c->leaf, task->leaf, e);
	if (r == 0)
		r = add_pem(&c->chain, task->chain, e);
	if (r == 0)
		r = add_pem(&c->full, c->leaf.data, e);
	if (r == 0)
		r = add_pem(&c->full, c->chain.data, e);
	return r;
}

/* In the order of generation_names. */
static void list_files(const struct contents *c, mode_t key_mode,
		       struct generation_file files[GENERATION_FILES])
{
	files[0] = (struct generation_file){c->key.data, c->key.len, key_mode};
	files[1] = (struct generation_file){c->leaf.data, c->leaf.len, OPEN_MODE};
	files[2] = (struct generation_file){c->chain.data, c->chain.len, OPEN_MODE};
	files[3] = (struct generation_file){c->full.data, c->full.len, OPEN_MODE};
}

/* --- the ops ------------------------------------------------------------------------------ */

/* Everything of a generation; its files are borrowed from the contents. */
static int generation_of(const struct deployer_task *task, struct contents *contents,
			 struct files_settings *s, struct generation *g, struct err *e)
{
	int r = settings_read(task->settings, s, e);

	if (r == 0)
		r = contents_read(task, contents, e);
	if (r != 0)
		return r;
	*g = (struct generation){
		.task = task,
		.number = task->version,
		.owner = s->owner,
		.group = s->group,
	};
	list_files(contents, s->key_mode, g->files);
	return 0;
}

static int install(const struct deployer_task *task, struct err *e)
{
	struct contents contents AUTO(contents_clear) = {0};
	AUTO_FREE char *origin = layout_origin(task);
	struct generation g;
	struct files_settings s;
	int fd AUTO_FD = -1;
	int r;

	r = generation_of(task, &contents, &s, &g, e);
	if (r == 0)
		r = open_directory(&s, &fd, e);
	if (r != 0)
		return r;
	g.origin = origin;
	r = generation_install(fd, &g, e);
	if (r != 0)
		err_while(e, "installing into %s", s.directory);
	return r;
}

/* May run again after a crash: what is there and right is kept. */
static struct hook_call *files_install(const struct deployer_task *task, hook_done *done, void *arg)
{
	struct err e = {0};
	int r = install(task, &e);

	return hook_call_answer(task->loop, r == 0 ? NULL : &e, done, arg);
}

/* Where the directory is missing it is not made: the files go into the one above it. */
static int files_stage(const struct deployer_task *task, struct deployer_stage *ret_stage,
		       struct err *e)
{
	struct contents contents AUTO(contents_clear) = {0};
	struct generation g;
	struct files_settings s;
	AUTO_FREE char *above = NULL;
	AUTO_FREE char *name = NULL;
	int fd AUTO_FD = -1, lock AUTO_FD = -1;
	int r;

	r = generation_of(task, &contents, &s, &g, e);
	if (r == 0)
		r = open_nearest(task, &s, &fd, &above, e);
	if (r != 0)
		return r;
	r = generation_stage(fd, &g, &name, &lock, e);
	if (r != 0)
		return err_while(e, "trying to write into %s", above != NULL ? above : s.directory);
	ret_stage->directory = mem_printf("%s/%s", above != NULL ? above : s.directory, name);
	ret_stage->name = TAKE(name);
	ret_stage->dir_fd = TAKE_FD(fd);
	ret_stage->lock = TAKE_FD(lock);
	return 0;
}

static void files_unstage(struct deployer_stage *stage)
{
	generation_unstage(stage->dir_fd, stage->name);
	auto_close(&stage->dir_fd);
	auto_close(&stage->lock);
	free(TAKE(stage->name));
	free(TAKE(stage->directory));
}

int files_export(const struct deployer_task *task, const char *directory, struct err *e)
{
	struct contents contents AUTO(contents_clear) = {0};
	struct generation_file files[GENERATION_FILES];
	const struct files_settings s = {.directory = directory};
	int fd AUTO_FD = -1;
	int r;

	r = contents_read(task, &contents, e);
	if (r == 0)
		r = open_directory(&s, &fd, e);
	if (r != 0)
		return r;
	list_files(&contents, KEY_MODE, files);
	for (size_t i = 0; r == 0 && i < GENERATION_FILES; i++) {
		const struct buf content = {.data = (char *)(uintptr_t)files[i].data,
					    .len = files[i].len};

		r = file_replace_at(fd, generation_names[i], &content, files[i].mode, e);
	}
	if (r != 0)
		err_while(e, "exporting to %s", directory);
	return r;
}

const struct deployer_ops deployer_files = {
	.name = "files",
	.room = files_room,
	.place = files_place,
	.check = files_check,
	.install = files_install,
	.stage = files_stage,
	.unstage = files_unstage,
};
