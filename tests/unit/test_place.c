/* SPDX-License-Identifier: MIT
 *
 * test_place — where a store may lie: on a disk of this machine's, and nobody else's to change.
 */
#include "tests/unit.h"

#include "store/internal.h"
#include "tests/unit/make_store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_refused(struct made_store *m, const char *text)
{
	struct store *s = NULL;
	struct err e = {0};

	assert_int_equal(store_open(m->dir, &m->clock, &s, &e), ERR_CONFIG);
	assert_null(s);
	if (strstr(e.text, text) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.text, text);
}

/* Modes of the state directory. */
static const struct {
	mode_t mode;
	bool refused;
} directories[] = {
	{0700, false}, {0755, false}, /* the files in it are closed by themselves */
	{0770, true},  {0702, true},
	{01777, true}, /* sticky does not keep others from making files */
};

static void a_directory_that_others_may_write_to_is_refused(void **state)
{
	struct made_store *m = *state;

	made_store_open(m);
	made_store_close(m);
	for (size_t i = 0; i < COUNT_OF(directories); i++) {
		assert_int_equal(chmod(m->dir, directories[i].mode), 0);
		if (directories[i].refused) {
			assert_refused(m, "others may write");
			continue;
		}
		made_store_open(m);
		made_store_close(m);
	}
	assert_int_equal(chmod(m->dir, 0700), 0);
}

static void a_directory_of_another_user_is_refused_even_to_root(void **state)
{
	struct made_store *m = *state;

	if (geteuid() != 0)
		skip(); /* only root can make one */
	assert_int_equal(mkdir(m->dir, 0700), 0);
	assert_int_equal(chown(m->dir, 4711, 4711), 0);
	assert_refused(m, "belongs to user 4711");
}

/* SQLite opens the databases by path: whoever could lead that path elsewhere meanwhile would have
 * the keys written there. Neither is anything made on such a way. */
static void a_way_to_the_state_that_others_can_change_is_refused(void **state)
{
	struct made_store *m = *state;

	for (int made = 0; made < 2; made++) {
		assert_int_equal(chmod(m->base, 0777), 0);
		assert_refused(m, "others may write to the directory");
		assert_int_equal(chmod(m->base, 01777), 0);
		if (geteuid() == 0) {
			assert_int_equal(chown(m->base, 4711, 4711), 0);
			assert_refused(m, "belongs to user 4711");
			assert_int_equal(chown(m->base, 0, 0), 0);
		}
		assert_int_equal(access(m->dir, F_OK), made - 1);
		made_store_open(m);
		made_store_close(m);
	}
}

/* f_type of statfs, as the kernel gives it on 64 bits. */
static const struct {
	uint64_t type;
	bool network;
} types[] = {
	{0xef53, false},            /* ext4 */
	{0x58465342, false},        /* xfs */
	{0x9123683e, false},        /* btrfs */
	{0x01021994, false},        /* tmpfs */
	{0x794c7630, false},        /* overlay: containers */
	{0x01021997, false},        /* 9p: virtual machines */
	{0x6969, true},             /* nfs */
	{0xff534d42, true},         /* cifs */
	{0xffffffffff534d42, true}, /* the same where f_type is signed */
	{0xfe534d42, true},         /* smb3 */
	{0x00c36400, true},         /* ceph */
	{0x01161970, true},         /* gfs2 */
};

static void file_systems_of_several_machines_are_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(types); i++)
		assert_int_equal(place_is_network(types[i].type), types[i].network);
}

static void a_fuse_mount_is_judged_by_its_kind(void **state)
{
	static const char mounts[] =
		"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
		"40 22 0:35 / /mnt/a rw shared:9 master:2 - fuse.sshfs user@host: rw\n"
		"41 22 0:36 / /mnt/b rw - fuse.fuse-overlayfs fuse-overlayfs rw\n"
		"42 22 0:37 / /mnt/fuse.sshfs rw - fuse.sshfsx x rw\n"
		"broken\n"
		"43 22 0:38 / /mnt/c rw - fuse.glusterfs x rw";

	(void)state;
	assert_true(place_is_network_mount(mounts, 0, 35));
	assert_false(place_is_network_mount(mounts, 0, 36));
	assert_false(place_is_network_mount(mounts, 0, 37));
	assert_true(place_is_network_mount(mounts, 0, 38));
	assert_false(place_is_network_mount(mounts, 8, 1));
	assert_false(place_is_network_mount("", 0, 35));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_directory_that_others_may_write_to_is_refused),
		TEST(a_directory_of_another_user_is_refused_even_to_root),
		TEST(a_way_to_the_state_that_others_can_change_is_refused),
		TEST(file_systems_of_several_machines_are_known),
		TEST(a_fuse_mount_is_judged_by_its_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
