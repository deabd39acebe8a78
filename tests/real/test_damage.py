# SPDX-License-Identifier: MIT
#
# test_damage.py - a store that a disk, a restore or a stranger has damaged: what everleaf says of it
# is right or it says that the file is damaged; it never dies of it, and never begins anew as if
# nothing had been there. And a disk without room.

import os
import pathlib
import shutil
import subprocess

import pytest

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


def test_no_flipped_bit_kills_everleaf_or_makes_it_begin_anew(stored, pebble, chance, rounds):
    everleaf, live = stored
    before, seen = contents(live), pebble.watch()
    said = 0
    for number in range(rounds(100, 1000)):
        copy = copy_of(everleaf, number)
        path = copy.state / chance.choice(FILES)
        bit = chance.randrange(os.path.getsize(path) * 8)
        flip(path, bit)
        codes = [ends_well(copy, *words).rc for words in (["status"], ["renew"])]
        said += max(codes) != 0
        assert contents(live) == before, f"bit {bit} of {path.name} changed the live files"
        assert seen.accounts() == 0, f"bit {bit} of {path.name} made a new account"
        assert seen.orders() == [], f"bit {bit} of {path.name} made a new order"
        shutil.rmtree(copy.state)
    print(f"damage was noticed {said} times")
    assert said > 0


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


def fill(folder):
    """Until nothing fits any more."""
    with open(folder / "filler", "wb", buffering=0) as f:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    f.write(bytes(size))
            except OSError:
                pass


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
    (small_disk / "filler").unlink()
    everleaf.run("renew", "--force", name)
    assert contents(live) != before
