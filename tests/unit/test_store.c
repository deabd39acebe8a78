/* SPDX-License-Identifier: MIT
 *
 * test_store — opening a state directory: what is made, and everything that is refused.
 */
#include "tests/unit.h"

#include "store/event.h"
#include "store/internal.h"
#include "store/notice.h"
#include "store/renewal_info.h"
#include "store/version.h"
#include "tests/unit/make_store.h"

#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DATABASE (16 * 1024 * 1024)

/* Opening must fail as the operator's business, with this in the sentence. */
static void assert_refused(struct made_store *m, const char *text)
{
	struct store *s = NULL;
	struct err e = {0};

	assert_int_equal(store_open(m->dir, &m->clock, &s, &e), ERR_CONFIG);
	assert_null(s);
	if (strstr(e.text, text) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.text, text);
}

static mode_t mode_of(const struct made_store *m, const char *name)
{
	AUTO_FREE char *path = made_store_path(m, name);
	struct stat st;

	if (lstat(path, &st) != 0)
		fail_msg("%s is missing", path);
	return st.st_mode & 07777;
}

/* Fills the database, so that it has journals and more than a few pages. */
static void fill(struct store *s)
{
	assert_int_equal(store_turn_begin(s, NULL), 0);
	for (int i = 0; i < 100; i++)
		assert_true(make_event(s, 0, "something happened here that fills a page") > 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
}

static void all_that_is_made_is_closed_to_others_under_any_umask(void **state)
{
	static const char *const files[] = {"everleaf.db", "everleaf.db-journal", "keys.db",
					    "turn"};
	static const char *const folders[] = {".", "owners", "answers"};
	static const mode_t masks[] = {0, 0377};
	struct made_store *m = *state;

	for (size_t i = 0; i < COUNT_OF(masks); i++) {
		const mode_t before = umask(masks[i]);

		fill(made_store_open(m));
		umask(before);
		for (size_t f = 0; f < COUNT_OF(files); f++)
			assert_int_equal(mode_of(m, files[f]), 0600);
		for (size_t f = 0; f < COUNT_OF(folders); f++)
			assert_int_equal(mode_of(m, folders[f]), 0700);
		made_store_close(m);
		snprintf(m->dir, sizeof(m->dir), "%s/a/b/second", m->base);
	}
}

static int open_and_say_seed(struct made_store *m, int from, int to)
{
	int64_t number = 0;
	int r;

	if (made_hear(from, &number) != 0 || store_open(m->dir, &m->clock, &m->store, NULL) != 0)
		return -1;
	memcpy(&number, store_seed(m->store), sizeof(number));
	r = made_say(to, number);
	store_free(m->store);
	return r;
}

static void processes_that_start_at_once_make_one_store(void **state)
{
	struct made_store *m = *state;
	struct made_child children[6];
	int64_t seed;

	for (size_t i = 0; i < COUNT_OF(children); i++)
		made_child_start(&children[i], m, open_and_say_seed);
	for (size_t i = 0; i < COUNT_OF(children); i++)
		assert_int_equal(made_say(children[i].to, 0), 0);
	made_store_open(m);
	memcpy(&seed, store_seed(m->store), sizeof(seed));
	made_store_close(m);
	for (size_t i = 0; i < COUNT_OF(children); i++) {
		int64_t theirs = 0;

		assert_int_equal(made_hear(children[i].from, &theirs), 0);
		assert_int_equal(made_child_end(&children[i]), 0);
		assert_true(theirs == seed);
	}
}

static int open_and_say(struct made_store *m, int from, int to)
{
	int64_t number = 0;

	if (made_hear(from, &number) != 0 || store_open(m->dir, &m->clock, &m->store, NULL) != 0 ||
	    made_say(to, 1) != 0)
		return -1;
	store_free(m->store);
	return 0;
}

static void a_new_store_is_made_in_a_turn(void **state)
{
	struct made_store *m = *state;
	AUTO_FREE char *path = made_store_path(m, "turn");
	struct made_child child;
	struct pollfd heard = {.events = POLLIN};
	int64_t number = 0;
	int fd AUTO_FD = -1;

	made_child_start(&child, m, open_and_say); /* before the lock, which it would inherit */
	assert_int_equal(mkdir(m->dir, 0700), 0);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(made_say(child.to, 1), 0);
	heard.fd = child.from;
	assert_int_equal(poll(&heard, 1, 300), 0); /* it cannot have been made */
	assert_int_equal(flock(fd, LOCK_UN), 0);
	assert_int_equal(made_hear(child.from, &number), 0);
	assert_int_equal(made_child_end(&child), 0);
}

static void a_store_keeps_its_seed_and_shares_it_with_no_other(void **state)
{
	struct made_store *m = *state;
	uint8_t seed[32], zero[32] = {0};

	memcpy(seed, store_seed(made_store_open(m)), sizeof(seed));
	made_store_close(m);
	assert_memory_equal(store_seed(made_store_open(m)), seed, sizeof(seed));
	made_store_close(m);
	assert_memory_not_equal(seed, zero, sizeof(seed));
	snprintf(m->dir, sizeof(m->dir), "%s/second", m->base);
	assert_memory_not_equal(store_seed(made_store_open(m)), seed, sizeof(seed));
}

static void a_database_that_is_open_to_others_is_refused(void **state)
{
	static const char *const files[] = {"everleaf.db", "keys.db"};
	struct made_store *m = *state;

	made_store_open(m);
	made_store_close(m);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		AUTO_FREE char *path = made_store_path(m, files[i]);

		assert_int_equal(chmod(path, 0640), 0);
		assert_refused(m, "open to others");
		assert_int_equal(chmod(path, 0600), 0);
	}
	made_store_open(m);
}

static void a_database_with_a_second_name_is_refused(void **state)
{
	struct made_store *m = *state;
	AUTO_FREE char *path = made_store_path(m, "keys.db");
	AUTO_FREE char *other = made_store_path(m, "other");

	made_store_open(m);
	made_store_close(m);
	assert_int_equal(link(path, other), 0);
	assert_refused(m, "plain file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("other", path), 0);
	assert_refused(m, "plain file");
}

static void a_database_of_another_program_or_a_newer_everleaf_is_refused(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} rows[] = {
		{"PRAGMA user_version = 1000", "newer everleaf"},
		{"PRAGMA user_version = 1; PRAGMA application_id = 7", "another program"},
		{"PRAGMA application_id = 0", "another program"},
	};
	static const char *const files[] = {"everleaf.db", "keys.db"};
	struct made_store *m = *state;

	for (size_t f = 0; f < COUNT_OF(files); f++) {
		snprintf(m->dir, sizeof(m->dir), "%s/%zu", m->base, f);
		made_store_open(m);
		made_store_close(m);
		for (size_t i = 0; i < COUNT_OF(rows); i++) {
			made_store_sql(m, files[f], rows[i].text);
			assert_refused(m, rows[i].says);
			assert_refused(m, files[f]);
		}
	}
}

/* What 0002 to 0005 made is taken away again, as if it had not been there. */
static const char before_0002[] =
	"DROP INDEX certificate_of_file; "
	"ALTER TABLE account DROP COLUMN eab_kid; ALTER TABLE account DROP COLUMN eab_hmac_key; "
	"ALTER TABLE account DROP COLUMN key_reference; "
	"ALTER TABLE acme_order DROP COLUMN issued; ALTER TABLE version DROP COLUMN profile; "
	"ALTER TABLE acme_order DROP COLUMN renews; ALTER TABLE acme_order DROP COLUMN exempt; "
	"ALTER TABLE renewal DROP COLUMN hasty; "
	"ALTER TABLE acme_order DROP COLUMN err_cause; "
	"ALTER TABLE acme_order DROP COLUMN shown_by; "
	"ALTER TABLE acme_order DROP COLUMN processing_at; ALTER TABLE renewal DROP COLUMN "
	"replaced; "
	"ALTER TABLE account DROP COLUMN doubt; ALTER TABLE account DROP COLUMN confirmed; "
	"ALTER TABLE account DROP COLUMN checked_at; "
	"ALTER TABLE account DROP COLUMN contact_told; "
	"ALTER TABLE account DROP COLUMN contact_kept; "
	"ALTER TABLE certificate DROP COLUMN optional; ALTER TABLE certificate DROP COLUMN "
	"accounts; "
	"ALTER TABLE certificate DROP COLUMN moved_at; "
	"ALTER TABLE certificate DROP COLUMN dropped_at; ALTER TABLE renewal DROP COLUMN issued; "
	"ALTER TABLE renewal DROP COLUMN left_out; ALTER TABLE renewal DROP COLUMN left_at; "
	"ALTER TABLE target DROP COLUMN begun; "
	"ALTER TABLE target DROP COLUMN window; ALTER TABLE deployment DROP COLUMN raised; "
	"DROP INDEX acme_order_account; CREATE INDEX acme_order_account ON acme_order "
	"(account_id); "
	"ALTER TABLE version DROP COLUMN seal; "
	"DROP TABLE notice; DROP TABLE renewal_info; DROP INDEX renewal_look; "
	"ALTER TABLE renewal DROP COLUMN look_at; ALTER TABLE version DROP COLUMN account_id; "
	"PRAGMA user_version = 1";

static void a_store_of_the_first_schema_is_brought_to_this_one(void **state)
{
	struct made_store *m = *state;
	AUTO_VERSION struct version *v = NULL;
	AUTO_INFO_ROW struct renewal_info *info = NULL;
	AUTO_FREE struct notice *notice = NULL;
	struct store *s = made_store_open(m);
	int64_t account, certificate, version;
	struct err e = {0};

	assert_int_equal(store_turn_begin(s, &e), 0);
	account = make_account(s, "default");
	certificate = make_certificate(s, account, "a.test");
	assert_true(make_order_row(s, account, certificate) > 0);
	version = make_version(s, certificate, 1, m->now + MAKE_STORE_DAY);
	assert_int_equal(store_turn_commit(s, &e), 0);
	made_store_close(m);
	made_store_sql(m, "everleaf.db", "UPDATE version SET order_id = 1");
	made_store_sql(m, "everleaf.db", before_0002);
	s = made_store_open(m);
	assert_int_equal(version_load(s, version, &v, &e), 0);
	assert_int_equal(v->account_id, account);
	assert_int_equal(renewal_info_load(s, certificate, &info, &e), 0);
	assert_non_null(info);
	assert_int_equal(info->window_end, 0);
	assert_int_equal(notice_load(s, certificate, &notice, &e), 0);
	assert_non_null(notice);
	assert_int_equal(notice->level, 0);
	assert_int_equal(store_check(s, &e), 0);
}

/* One for each way in which a version could be wrong without its database being so. */
static const char *const changes[] = {
	"leaf = replace(leaf, 'A', 'B')",
	"chain = chain || 'x'",
	"not_after = not_after + 1",
	"not_before = 0",
	"key_id = key_id + 1",
	"names = 'other.test'",
	"fingerprint = 'x'",
	"seal = zeroblob(32)",
};

static void a_version_that_is_not_what_was_issued_is_not_given_out(void **state)
{
	struct made_store *m = *state;
	struct store *s = made_store_open(m);
	AUTO_VERSION struct version *unsealed = NULL;
	int64_t certificate;

	assert_int_equal(store_turn_begin(s, NULL), 0);
	certificate = make_certificate(s, make_account(s, "default"), "a.test");
	for (size_t i = 0; i < COUNT_OF(changes); i++)
		assert_int_equal(make_version(s, certificate, 1, m->now + MAKE_STORE_DAY), i + 1);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	made_store_close(m);
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		AUTO_VERSION struct version *v = NULL;
		AUTO_FREE char *change =
			mem_printf("UPDATE version SET %s WHERE id = %zu", changes[i], i + 1);
		struct err e = {0};

		made_store_sql(m, "everleaf.db", change);
		if (version_load(made_store_open(m), (int64_t)i + 1, &v, &e) != ERR_SYS)
			fail_msg("nobody noticed: %s", change);
		assert_non_null(strstr(e.text, "everleaf.db is damaged"));
		made_store_close(m);
	}
	made_store_sql(m, "everleaf.db", "UPDATE version SET seal = NULL");
	assert_int_equal(version_load(made_store_open(m), 1, &unsealed, NULL), 0);
}

/* Ways a disk or a restore damages a file of at least three pages of 4096 bytes. */
static const struct {
	off_t zero_from; /* this byte … */
	size_t zero;     /* … and so many */
	off_t cut_to;    /* 0: not cut */
} damages[] = {
	{0, 16, 0},      /* not even the name of the format */
	{40, 64, 0},     /* the header's later half: version numbers */
	{100, 8, 0},     /* the root of the schema */
	{4096, 4096, 0}, /* a lost page */
	{0, 0, 8192},    /* the end is missing */
	{0, 0, 100},
};

static void damage(const struct made_store *m, const char *name, size_t row)
{
	static const char zeroes[4096];
	AUTO_FREE char *path = made_store_path(m, name);
	int fd AUTO_FD = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, zeroes, damages[row].zero, damages[row].zero_from),
			 damages[row].zero);
	if (damages[row].cut_to != 0)
		assert_int_equal(ftruncate(fd, damages[row].cut_to), 0);
}

static void read_file(const struct made_store *m, const char *name, struct buf *b)
{
	AUTO_FREE char *path = made_store_path(m, name);

	buf_init(b, MAX_DATABASE);
	assert_int_equal(file_read(path, b, NULL), 0);
}

static void a_damaged_database_is_refused_and_left_as_it_is(void **state)
{
	static const char *const files[] = {"everleaf.db", "keys.db"};
	struct made_store *m = *state;

	for (size_t i = 0; i < 2 * COUNT_OF(damages); i++) {
		struct buf before AUTO_BUF = {0};
		struct buf after AUTO_BUF = {0};
		const char *file = files[i % 2];

		snprintf(m->dir, sizeof(m->dir), "%s/%zu", m->base, i);
		fill(made_store_open(m));
		made_store_close(m);
		damage(m, file, i / 2);
		read_file(m, file, &before);
		assert_refused(m, file);
		read_file(m, file, &after);
		assert_int_equal(before.len, after.len);
		assert_memory_equal(before.data, after.data, before.len);
	}
}

static void no_descriptor_of_the_store_survives_an_exec(void **state)
{
	struct made_store *m = *state;
	DIR *d = opendir("/proc/self/fd");
	int ours = 0;

	fill(made_store_open(m));
	assert_non_null(d);
	for (struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d)) {
		char target[256] = "";
		const int fd = atoi(entry->d_name);

		if (readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1) < 0 ||
		    strncmp(target, m->dir, strlen(m->dir)) != 0)
			continue;
		assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
		ours++;
	}
	closedir(d);
	assert_true(ours >= 5); /* directory, turn, owner, two databases */
}

static void make_www(struct made_store *m)
{
	struct store *s = made_store_open(m);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(make_certificate(s, make_account(s, "default"), "www"), 1);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	assert_int_equal(store_check(s, NULL), 0);
	made_store_close(m);
}

static void a_row_that_names_one_that_is_gone_is_found_before_anything_is_done(void **state)
{
	struct made_store *m = *state;

	make_www(m);
	made_store_sql(m, "everleaf.db", "PRAGMA foreign_keys = OFF; DELETE FROM account");
	assert_refused(m, "a row of certificate names one that is gone");
}

/* One byte of the server's URL, where an index keeps it: the row would seem not to be there. */
static void hide_account(const struct made_store *m)
{
	static const char server[] = "https://ca.example/directory";
	AUTO_FREE char *path = made_store_path(m, "everleaf.db");
	int fd AUTO_FD = open(path, O_RDWR | O_CLOEXEC);
	int hidden = 0;
	char page[4096];

	for (off_t at = 0; pread(fd, page, sizeof(page), at) == sizeof(page); at += 4096) {
		const char *text = memmem(page, sizeof(page), server, sizeof(server) - 1);

		if (text == NULL || page[0] != 0x0a) /* a leaf of an index (fileformat2.html 1.6) */
			continue;
		hidden++;
		assert_int_equal(pwrite(fd, "H", 1, at + (text - page)), 1);
	}
	assert_int_equal(hidden, 1);
}

static void an_index_that_hides_an_account_is_damage(void **state)
{
	struct made_store *m = *state;

	make_www(m);
	hide_account(m);
	assert_refused(m, "everleaf.db is damaged");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_that_is_made_is_closed_to_others_under_any_umask),
		TEST(processes_that_start_at_once_make_one_store),
		TEST(a_new_store_is_made_in_a_turn),
		TEST(a_store_keeps_its_seed_and_shares_it_with_no_other),
		TEST(a_database_that_is_open_to_others_is_refused),
		TEST(a_database_with_a_second_name_is_refused),
		TEST(a_database_of_another_program_or_a_newer_everleaf_is_refused),
		TEST(a_store_of_the_first_schema_is_brought_to_this_one),
		TEST(a_version_that_is_not_what_was_issued_is_not_given_out),
		TEST(a_damaged_database_is_refused_and_left_as_it_is),
		TEST(no_descriptor_of_the_store_survives_an_exec),
		TEST(a_row_that_names_one_that_is_gone_is_found_before_anything_is_done),
		TEST(an_index_that_hides_an_account_is_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
