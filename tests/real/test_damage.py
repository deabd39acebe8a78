# SPDX-License-Identifier: MIT
#
# test_damage.py - a store that a disk, a restore or a stranger has damaged: what everleaf says of it
# is right or it says that the file is damaged; it never dies of it, and never begins anew as if
# nothing had been there. And a disk without room.

import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess

import pytest

import lab
import runner

FILES = ("everleaf.db", "keys.db")
REAL_ENDS = (0, 1, 75)


@pytest.fixture
def stored(everleaf, tmp_path, name):
    """A certificate that is deployed; (its store, its files)."""
    live = tmp_path / "live"
    everleaf.obtain(name, options=["--deploy-files", live])
    return everleaf, live


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(pathlib.Path(folder).iterdir()) if p.is_file()}


def copy_of(everleaf, number):
    copy = runner.Everleaf(everleaf.program, everleaf.state.parent / f"copy-{number}",
                           everleaf.pebble)
    shutil.copytree(everleaf.state, copy.state)
    return copy


def flip(path, bit):
    with open(path, "r+b") as f:
        f.seek(bit // 8)
        byte = f.read(1)[0]
        f.seek(bit // 8)
        f.write(bytes([byte ^ 1 << bit % 8]))


def ends_well(copy, *words):
    """Its exit code; it is one that is documented, and a failure says why."""
    result = copy.run(*words, expect=REAL_ENDS)
    assert "Sanitizer" not in result.err and "runtime error" not in result.err, str(result)
    assert result.rc == 0 or result.err.strip(), str(result)
    return result


def what_it_says(everleaf, name):
    return [everleaf.run(*words, "--json").out for words in (["status"], ["show", name])]


@pytest.mark.slow
def test_no_flipped_bit_kills_everleaf_or_makes_it_begin_anew(stored, pebble, chance, rounds, name):
    """Neither what runs from a timer, nor what puts the present certificate in place again."""
    everleaf, live = stored
    before, seen = contents(live), pebble.watch()
    told = what_it_says(everleaf, name)
    noticed = wrong = 0
    for number in range(rounds(100, 1000)):
        copy = copy_of(everleaf, number)
        path = copy.state / chance.choice(FILES)
        bit = chance.randrange(os.path.getsize(path) * 8)
        where = f"bit {bit} of {path.name}"
        flip(path, bit)
        results = [ends_well(copy, *words) for words in (
            ["status", "--json"], ["show", name, "--json"], ["renew"])]
        noticed += max(r.rc for r in results) != 0
        wrong += max(r.rc for r in results) == 0 and [r.out for r in results[:2]] != told
        assert contents(live) == before, f"{where} changed the live files"
        ends_well(copy, "deploy", name)
        assert contents(live)["fullchain.pem"] == before["fullchain.pem"], where
        assert contents(live)["privkey.pem"] == before["privkey.pem"], where
        assert seen.accounts() == 0, f"{where} made a new account"
        assert seen.orders() == [], f"{where} made a new order"
        shutil.rmtree(copy.state)
    print(f"damage was noticed {noticed} times, and {wrong} answers were not what they had been")
    assert noticed > 0
    assert wrong <= rounds(4, 20), "a byte of a wish or of a time that is derived; no more"


def change(path, what):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(what)
        db.commit()


DAMAGES = [  # id, what is done to a copy of the store, what is said
    ("zeroed-page", lambda state: zero(state / "everleaf.db", 5),
     "everleaf.db is damaged (.*): nothing was changed; stop everleaf and restore the state "
     "directory from a backup"),
    ("zeroed-key-page", lambda state: zero(state / "keys.db", 2), "keys.db is damaged (.*): .*"),
    ("torn-end", lambda state: cut(state / "everleaf.db"),
     "everleaf.db is damaged (its last page is cut off): .*"),
    ("torn-key-end", lambda state: cut(state / "keys.db"),
     "keys.db is damaged (its last page is cut off): .*"),
    ("newer", lambda state: change(state / "everleaf.db", "PRAGMA user_version = 1000"),
     "everleaf.db was written by a newer everleaf (its schema is 1000, .*): install that version "
     "again"),
    ("newer-keys", lambda state: change(state / "keys.db", "PRAGMA user_version = 1000"),
     "keys.db was written by a newer everleaf .*"),
    ("no-keys", lambda state: os.unlink(state / "keys.db"), "keys.db is missing or empty, but "
     "everleaf.db is there: restore the state directory from a backup"),
    ("no-rows", lambda state: os.unlink(state / "everleaf.db"), "everleaf.db is missing or empty, "
     "but keys.db is there: restore the state directory from a backup"),
    ("no-account", lambda state: change(state / "everleaf.db", "DELETE FROM account"),
     "everleaf.db is damaged (a row of .* names one that is gone): .*"),
    ("no-version", lambda state: change(state / "everleaf.db", "DELETE FROM version"),
     "everleaf.db is damaged (a row of .* names one that is gone): .*"),
]


def cut(path):
    """Of the last byte, where a page's first row ends: SQLite reads a zero there."""
    os.truncate(path, os.path.getsize(path) - 1)


def zero(path, number):
    with open(path, "r+b") as f:
        f.seek((number - 1) * 4096)
        f.write(bytes(4096))


@pytest.mark.parametrize("damage, said", [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES])
def test_damage_is_said_before_anything_is_done(stored, pebble, name, damage, said):
    everleaf, live = stored
    before, seen = contents(live), pebble.watch()
    damage(everleaf.state)
    pattern = said.replace("(", r"\(").replace(")", r"\)")
    for words in (["status"], ["renew"], ["renew", "--force", name], ["deploy", name], ["run"],
                  ["plan"], ["metrics"], ["store", "check"], ["history"],
                  ["obtain", "-d", name, *everleaf.ca(), *everleaf.standalone()]):
        result = everleaf.run(*words, expect=1)
        assert re.fullmatch(f"everleaf: {everleaf.state}/{pattern}\n", result.err), str(result)
    assert contents(live) == before and seen.connections() == 0


def test_what_was_issued_and_is_not_the_same_any_more_is_neither_deployed_nor_renewed(
        stored, pebble, name, tmp_path):
    everleaf, live = stored
    before, seen = contents(live), pebble.watch()
    change(everleaf.state / "everleaf.db",
           "UPDATE version SET chain = replace(chain, 'A', 'B'), not_after = 1")
    for words in (["status"], ["show", name], ["renew"], ["renew", "--force", name],
                  ["deploy", name], ["export", name, "--out", tmp_path / "out"]):
        result = everleaf.run(*words, expect=1)
        assert "everleaf.db is damaged, it is not what was issued" in result.err, str(result)
    assert contents(live) == before and seen.orders() == []
    assert not (tmp_path / "out" / "cert.pem").exists()


def test_one_damaged_version_stops_no_other_certificate(stored, pebble, names):
    everleaf, live = stored
    before, other = contents(live), names(1)[0].replace("n0", "other")
    everleaf.obtain(other)
    change(everleaf.state / "everleaf.db", "UPDATE version SET leaf = leaf || 'x' WHERE id = 1; ")
    change(everleaf.state / "everleaf.db", "UPDATE renewal SET look_at = 0")
    seen = pebble.watch()
    everleaf.run("renew", "--force", other)
    daemon = everleaf.start("run")
    lab.wait_until("the daemon says it", lambda: "version 1 in " in daemon.text())
    everleaf.run("renew", "--force", other)
    assert len(seen.issued()) == 2 and contents(live) == before
    assert daemon.running(), daemon.text()


def test_an_old_backup_goes_on_from_what_it_knows(stored, pebble, name, tmp_path):
    everleaf, live = stored
    backup = tmp_path / "backup"
    shutil.copytree(everleaf.state, backup)
    everleaf.run("renew", "--force", name)
    shutil.rmtree(everleaf.state)
    shutil.copytree(backup, everleaf.state)
    before, seen = contents(live), pebble.watch()
    everleaf.run("renew")
    everleaf.run("status")
    assert contents(live) == before and seen.orders() == []
    everleaf.run("renew", "--force", name)
    assert runner.Files(live).check().leaf.serial_number == everleaf.serial(name)
    assert seen.accounts() == 0 and len(seen.issued()) == 1


def test_a_store_that_is_cut_off_anywhere_is_refused_by_name(stored, chance, rounds):
    everleaf, live = stored
    before = contents(live)
    for number in range(rounds(20, 200)):
        copy = copy_of(everleaf, number)
        path = copy.state / chance.choice(FILES)
        os.truncate(path, chance.randrange(os.path.getsize(path)))
        result = copy.run("renew", expect=1)
        assert path.name in result.err, str(result)
        assert contents(live) == before
        shutil.rmtree(copy.state)


# --- no room ---


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 MiB of its own."""
    image, mount = tmp_path / "disk.img", tmp_path / "disk"
    mount.mkdir()
    image.write_bytes(bytes(16 << 20))
    made = subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=False)
    if os.geteuid() != 0 or made.returncode != 0 or subprocess.run(
            ["mount", "-o", "loop", image, mount], check=False).returncode != 0:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", mount],
                          check=False).returncode != 0:
            pytest.skip("needs a file system of its own: root, and mount")
    yield mount
    subprocess.run(["umount", mount], check=True)


def fill(folder, leave=0):
    """Until nothing fits any more, or only so many bytes."""
    with open(folder / "filler", "wb", buffering=0) as f:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    f.write(bytes(size))
            except OSError:
                pass
        f.truncate(max(0, f.tell() - leave))


def test_a_full_disk_under_the_deployed_files_costs_no_certificate(everleaf, pebble, small_disk,
                                                                   name):
    live = small_disk / "live"
    everleaf.obtain(name, options=["--deploy-files", live])
    before, serial = contents(live), everleaf.serial(name)
    fill(small_disk)
    seen = pebble.watch()
    result = everleaf.run("renew", "--force", name, expect=(1, 75))
    assert "live is full" in result.err, str(result)
    assert seen.issued() == [], "a certificate was wasted"
    assert contents(live) == before and everleaf.serial(name) == serial
    (small_disk / "filler").unlink()
    everleaf.run("renew", "--force", name)
    assert everleaf.serial(name) != serial
    assert contents(live) != before


@pytest.mark.slow
def test_a_full_disk_under_the_store_costs_no_certificate(program, pebble, small_disk, name,
                                                          tmp_path):
    everleaf = runner.Everleaf(program, small_disk / "state", pebble)
    live = tmp_path / "live"
    everleaf.obtain(name, options=["--deploy-files", live])
    before = contents(live)
    fill(small_disk)
    seen = pebble.watch()
    result = everleaf.run("renew", "--force", name, expect=(1, 75))
    assert "full: make room" in result.err, str(result)
    assert seen.issued() == [] and contents(live) == before
    everleaf.run("status")
    (small_disk / "filler").unlink()
    everleaf.run("renew", "--force", name)
    assert contents(live) != before


def test_a_disk_with_no_room_for_a_result_begins_no_order(program, pebble, small_disk, name):
    """The store can still be written: it is what would come that has no room."""
    everleaf = runner.Everleaf(program, small_disk / "state", pebble)
    everleaf.obtain(name)
    fill(small_disk, leave=600_000)
    seen = pebble.watch()
    result = everleaf.run("renew", "--force", name, expect=1)
    assert re.search(f"{name}: no certificate is asked for yet: the disk of {everleaf.state} is "
                     "full: less than 1 MiB is left; make room", result.err), str(result)
    assert seen.orders() == []
    (small_disk / "filler").unlink()
    everleaf.run("renew", "--force", name)
    assert len(seen.issued()) == 1


@pytest.mark.slow
def test_the_daemon_outlives_a_full_disk_and_goes_on_by_itself(program, pebbles, small_disk, name,
                                                               tmp_path):
    pebble = pebbles(validity=30)
    everleaf = runner.Everleaf(program, small_disk / "state", pebble)
    everleaf.obtain(name)
    serial = everleaf.serial(name)
    fill(small_disk)
    daemon = lab.Program(everleaf.argv("run"), tmp_path / "daemon.log", env=runner.ENVIRONMENT)
    try:
        seen = pebble.watch()
        lab.wait_until("it says that the disk is full", lambda: "full: make room" in daemon.text(),
                       90)
        assert daemon.running() and seen.orders() == [], daemon.text()
        (small_disk / "filler").unlink()
        lab.wait_until("it is renewed", lambda: everleaf.serial(name) != serial, 120)
    finally:
        daemon.stop()
