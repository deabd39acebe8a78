/* SPDX-License-Identifier: MIT
 *
 * test_backup — a store that is only read: what a reader leaves untouched, a copy that is a store
 * again, and what an examination finds.
 */
#include "tests/unit.h"

#include "base/file.h"
#include "store/account.h"
#include "store/certificate.h"
#include "store/keys.h"
#include "store/version.h"
#include "tests/unit/make_cert.h"
#include "tests/unit/make_store.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int try_reader(struct made_store *m, struct store **ret_store, struct err *e)
{
	const struct store_opening o = {
		.dir = m->dir, .clock = &m->clock, .how = STORE_READER, .wait_ms = STORE_WAIT_MS};

	return store_open_as(&o, ret_store, e);
}

/* The reader is m->store from here on, so that the teardown closes it. */
static struct store *open_reader(struct made_store *m)
{
	struct err e = {0};

	assert_null(m->store);
	if (try_reader(m, &m->store, &e) != 0)
		fail_msg("%s", e.text);
	return m->store;
}

static void assert_no_reader(struct made_store *m, const char *says)
{
	struct store *s = NULL;
	struct err e = {0};

	assert_int_equal(try_reader(m, &s, &e), ERR_CONFIG);
	assert_null(s);
	if (strstr(e.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.text, says);
}

/* A certificate with a version whose key is stored. */
static void put_certificate(struct store *s, const char *name)
{
	AUTO_KEY struct key *key = NULL;
	AUTO_MADE_CERT struct made_cert *cert = NULL;
	EVP_PKEY *pkey;
	struct version v = {
		.key_kind = (char *)"ec-256",
		.serial = (char *)"01",
		.issuer = (char *)"CN=Test",
		.fingerprint = (char *)"00",
		.chain = (char *)"",
	};

	assert_int_equal(key_generate(KEY_EC256, &key, NULL), 0);
	pkey = make_cert_pkey(key);
	cert = make_cert(&(const struct make_cert_spec){.key = pkey});
	EVP_PKEY_free(pkey);
	v.leaf = cert->pem;
	v.certificate_id = make_certificate(s, make_account(s, "default"), name);
	assert_true(v.certificate_id > 0);
	assert_int_equal(keys_put(s, key, &v.key_id, NULL), 0);
	assert_int_equal(version_insert(s, &v, NULL), 0);
}

static void fill(struct made_store *m)
{
	struct store *s = made_store_open(m);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	put_certificate(s, "www");
	assert_int_equal(store_turn_commit(s, NULL), 0);
	made_store_close(m);
}

/* --- the reader --- */

static size_t files_in(const char *path)
{
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, NULL, NULL);

	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return count < 0 ? 0 : (size_t)count;
}

static void a_reader_makes_no_file_and_writes_nothing(void **state)
{
	struct made_store *m = *state;
	AUTO_FREE char *owners = made_store_path(m, "owners");
	size_t before;
	struct store *s;

	assert_no_reader(m, "cannot open the state directory");
	assert_int_equal(access(m->dir, F_OK), -1);
	fill(m);
	before = files_in(m->dir);
	s = open_reader(m);
	assert_int_equal(files_in(m->dir), before);
	assert_int_equal(files_in(owners), 2); /* "." and ".." */
	assert_int_equal(store_turn_begin(s, NULL), ERR_STORE);
}

static void a_reader_refuses_what_is_not_there_or_older(void **state)
{
	struct made_store *m = *state;
	AUTO_FREE char *path = made_store_path(m, "keys.db");

	assert_int_equal(mkdir(m->dir, 0700), 0);
	assert_no_reader(m, "there is no store in");
	fill(m);
	made_store_sql(m, "everleaf.db", "PRAGMA user_version = 1");
	assert_no_reader(m, "older everleaf");
	made_store_sql(m, "everleaf.db", "PRAGMA user_version = 1000");
	assert_no_reader(m, "newer everleaf");
	assert_int_equal(unlink(path), 0);
	assert_int_not_equal(try_reader(m, &m->store, NULL), 0);
}

static int write_turns(struct made_store *m, int from, int to)
{
	int64_t id = 0, number = 0;

	if (store_open(m->dir, &m->clock, &m->store, NULL) != 0)
		return -1;
	for (int i = 0; made_say(to, i) == 0; i++) {
		if (made_hear(from, &number) != 0 || number < 0)
			break;
		/* Each turn makes two certificates, or none. */
		for (int k = 0; k < 20 && id >= 0; k++) {
			if (store_turn_begin(m->store, NULL) != 0)
				return -1;
			for (int two = 0; two < 2; two++) {
				char name[32];

				snprintf(name, sizeof(name), "n%d-%d-%d", i, k, two);
				id = make_certificate(m->store, 1, name);
			}
			if (id < 0 || store_turn_commit(m->store, NULL) != 0)
				return -1;
		}
	}
	store_free(m->store);
	return 0;
}

static size_t certificates_of(struct store *s)
{
	struct certificate **list = NULL;
	size_t count = 0;

	assert_int_equal(certificate_list(s, &list, &count, NULL), 0);
	certificate_list_free(list, count);
	return count;
}

static void what_a_look_sees_stays_as_it_is_while_others_write(void **state)
{
	struct made_store *m = *state;
	struct made_child child;
	int64_t number = 0;

	fill(m);
	made_child_start(&child, m, write_turns);
	for (int i = 0; i < 10; i++) {
		size_t first;

		assert_int_equal(made_hear(child.from, &number), 0);
		assert_int_equal(made_say(child.to, 0), 0);
		open_reader(m);
		assert_int_equal(store_look_begin(m->store, NULL), 0);
		first = certificates_of(m->store);
		assert_int_equal(first % 2, 1);
		for (int k = 0; k < 20; k++)
			assert_int_equal(certificates_of(m->store), first);
		store_look_end(m->store);
		made_store_close(m);
	}
	assert_int_equal(made_hear(child.from, &number), 0);
	assert_int_equal(made_say(child.to, -1), 0);
	assert_int_equal(made_child_end(&child), 0);
}

/* --- the backup --- */

static char *backup_path(const struct made_store *m)
{
	return mem_printf("%s/copy", m->base);
}

static void assert_plain(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
}

/* As the manual says: a new directory, and the two files in it under their names. */
static void restore(struct made_store *m, const char *file)
{
	AUTO_FREE char *keys = mem_printf("%s.keys", file);
	AUTO_FREE char *to = NULL;
	AUTO_FREE char *keys_to = NULL;

	snprintf(m->dir, sizeof(m->dir), "%s/restored", m->base);
	assert_int_equal(mkdir(m->dir, 0700), 0);
	to = made_store_path(m, "everleaf.db");
	keys_to = made_store_path(m, "keys.db");
	assert_int_equal(rename(file, to), 0);
	assert_int_equal(rename(keys, keys_to), 0);
}

static void assert_sound(struct store *s)
{
	struct strlist findings AUTO_STRLIST = {0};
	struct err e = {0};

	if (store_examine(s, &findings, NULL, &e) != 0)
		fail_msg("%s", e.text);
	if (findings.count > 0)
		fail_msg("%s", findings.items[0]);
}

static void a_directory_made_of_a_backup_is_a_store(void **state)
{
	struct made_store *m = *state;
	AUTO_FREE char *file = backup_path(m);
	AUTO_FREE char *keys = mem_printf("%s.keys", file);
	AUTO_CERTIFICATE struct certificate *c = NULL;
	AUTO_VERSION struct version *v = NULL;
	AUTO_KEY struct key *key = NULL;
	uint8_t seed[32];
	mode_t before;

	fill(m);
	before = umask(0);
	assert_int_equal(store_backup(open_reader(m), file, NULL), 0);
	umask(before);
	memcpy(seed, store_seed(m->store), sizeof(seed));
	made_store_close(m);
	assert_plain(file);
	assert_plain(keys);
	assert_int_equal(files_in(m->base), 2 + 1 + 2); /* nothing else is left there */
	restore(m, file);
	assert_sound(made_store_open(m));
	assert_memory_equal(store_seed(m->store), seed, sizeof(seed));
	assert_int_equal(certificate_find(m->store, "www", &c, NULL), 0);
	assert_int_equal(version_load(m->store, c->live_version_id, &v, NULL), 0);
	assert_int_equal(keys_get(m->store, v->key_id, &key, NULL), 0);
	assert_int_equal(store_turn_begin(m->store, NULL), 0); /* it can be worked on */
	put_certificate(m->store, "other");
	assert_int_equal(store_turn_commit(m->store, NULL), 0);
}

/* Whoever may change a folder could have the keys, by putting a file of theirs where SQLite is
 * about to write. What is said cures it. */
static void a_backup_gives_the_keys_to_nobody_who_may_change_the_folder(void **state)
{
	static const struct {
		uid_t owner;
		mode_t mode;
		bool refused;
	} folders[] = {
		{0, 0755, false}, {0, 01777, false}, /* as /tmp */
		{0, 0777, true},  {65534, 0755, true}, {65534, 01777, true},
	};
	struct made_store *m = *state;
	AUTO_FREE char *folder = mem_printf("%s/folder", m->base);

	if (geteuid() != 0)
		skip(); /* only root can give folders away */
	fill(m);
	open_reader(m);
	assert_int_equal(mkdir(folder, 0755), 0);
	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		AUTO_FREE char *file = mem_printf("%s/%zu", folder, i);
		AUTO_FREE char *below = mem_printf("%s/made/%zu", folder, i);
		const size_t before = files_in(folder);
		struct err e = {0};

		assert_int_equal(chown(folder, folders[i].owner, 65534), 0);
		assert_int_equal(chmod(folder, folders[i].mode), 0);
		assert_int_equal(store_backup(m->store, below, &e), ERR_CONFIG); /* not there */
		assert_int_equal(store_backup(m->store, file, &e),
				 folders[i].refused ? ERR_CONFIG : 0);
		assert_int_equal(files_in(folder), before + (folders[i].refused ? 0 : 2));
		if (!folders[i].refused)
			continue;
		assert_non_null(strstr(e.text, "is not used for keys: "));
		assert_int_equal(system(strstr(e.text, ": run ") + strlen(": run ")), 0);
		assert_int_equal(store_backup(m->store, file, &e), 0);
	}
}

static void a_backup_overwrites_nothing(void **state)
{
	static const char *const suffixes[] = {"", ".keys"};
	struct made_store *m = *state;
	AUTO_FREE char *file = backup_path(m);

	fill(m);
	open_reader(m);
	for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
		AUTO_FREE char *path = mem_printf("%s%s", file, suffixes[i]);
		struct err e = {0};

		assert_int_equal(symlink("nowhere", path), 0);
		assert_int_equal(store_backup(m->store, file, &e), ERR_CONFIG);
		assert_non_null(strstr(e.text, "overwrites nothing"));
		assert_int_equal(files_in(m->base), 2 + 1 + 1);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(store_backup(m->store, file, NULL), 0);
	assert_int_equal(store_backup(m->store, file, NULL), ERR_CONFIG);
}

static void a_backup_taken_while_others_write_is_whole(void **state)
{
	struct made_store *m = *state;
	AUTO_FREE char *file = backup_path(m);
	char before[sizeof(m->dir)];
	struct made_child child;
	int64_t number = 0;

	fill(m);
	made_child_start(&child, m, write_turns);
	for (int i = 0; i < 10; i++) {
		AUTO_FREE char *db = NULL;
		AUTO_FREE char *keys = NULL;

		assert_int_equal(made_hear(child.from, &number), 0);
		assert_int_equal(made_say(child.to, 0), 0);
		assert_int_equal(store_backup(open_reader(m), file, NULL), 0);
		made_store_close(m);
		memcpy(before, m->dir, sizeof(before));
		restore(m, file);
		assert_sound(open_reader(m));
		assert_int_equal(certificates_of(m->store) % 2, 1);
		made_store_close(m);
		db = made_store_path(m, "everleaf.db");
		keys = made_store_path(m, "keys.db");
		assert_int_equal(unlink(db) | unlink(keys) | rmdir(m->dir), 0);
		memcpy(m->dir, before, sizeof(before));
	}
	assert_int_equal(made_hear(child.from, &number), 0);
	assert_int_equal(made_say(child.to, -1), 0);
	assert_int_equal(made_child_end(&child), 0);
}

/* --- the examination --- */

/* What somebody did to a sound store, and what is said of it. */
static const struct {
	const char *file;
	const char *statement;
	const char *says;
} damages[] = {
	{"keys.db", "DELETE FROM key WHERE id = 1", "www, version 1: there is no key 1"},
	{"keys.db", "UPDATE key SET pem = x'00' WHERE id = 1", "key 1 in"},
	{"everleaf.db", "UPDATE version SET chain = 'x' WHERE id = 1", "it is not what was issued"},
	{"everleaf.db", "UPDATE version SET key_id = 2, seal = NULL WHERE id = 1",
	 "www, version 1: key 2 is another one"},
	{"everleaf.db", "UPDATE version SET leaf = 'x', seal = NULL WHERE id = 1",
	 "www, version 1: its certificate cannot be read"},
	{"everleaf.db", "UPDATE account SET key_id = 77", "the account at https://ca.example"},
	{"everleaf.db", "DROP INDEX version_key", NULL}, /* no harm, and nothing is said */
};

static void an_examination_names_what_is_wrong(void **state)
{
	struct made_store *m = *state;

	for (size_t i = 0; i < COUNT_OF(damages); i++) {
		struct strlist findings AUTO_STRLIST = {0};
		struct err e = {0};

		snprintf(m->dir, sizeof(m->dir), "%s/%zu", m->base, i);
		fill(m);
		made_store_open(m);
		assert_int_equal(store_turn_begin(m->store, NULL), 0);
		put_certificate(m->store, "other");
		assert_int_equal(store_turn_commit(m->store, NULL), 0);
		assert_sound(m->store);
		made_store_close(m);
		made_store_sql(m, damages[i].file, damages[i].statement);
		if (store_examine(open_reader(m), &findings, NULL, &e) != 0)
			fail_msg("%s", e.text);
		assert_int_equal(findings.count > 0, damages[i].says != NULL);
		if (findings.count > 0 && strstr(findings.items[0], damages[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", findings.items[0], damages[i].says);
		made_store_close(m);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reader_makes_no_file_and_writes_nothing),
		TEST(a_reader_refuses_what_is_not_there_or_older),
		TEST(what_a_look_sees_stays_as_it_is_while_others_write),
		TEST(a_directory_made_of_a_backup_is_a_store),
		TEST(a_backup_gives_the_keys_to_nobody_who_may_change_the_folder),
		TEST(a_backup_overwrites_nothing),
		TEST(a_backup_taken_while_others_write_is_whole),
		TEST(an_examination_names_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
