# SPDX-License-Identifier: MIT
#
# test_looks.py - who reads stops nobody who writes, and what is told of very many costs the memory
# of few; what concerns one certificate reads one certificate. Counted, never timed.

import contextlib
import json
import os
import pathlib
import pty
import resource
import select
import sqlite3
import subprocess

import pytest

import lab

FILLED = 1500  # certificates; with fewer the file would be small (STORE_SMALL)
COPIES = 19    # … of each in a store that is huge
PIPE = 4096    # bytes that fit into the smallest pipe
SET_PIPE_SIZE = 1031

EVERY = [
    ("status",), ("status", "--json"), ("plan",), ("plan", "--json"), ("metrics",),
    ("check", "--json"), ("config", "show"), ("config", "show", "--json"), ("renew", "--json"),
    ("history",), ("history", "--json"), ("complete", "--", "show", ""),
]


def host(number):
    return f"host{number:06}.filled.example"


def fill(program, state, count):
    helper = pathlib.Path(program).parent / "tests" / "bench" / "fill-store"
    if not lab.is_program(helper):
        pytest.fail(f"no fill-store at {helper}: make tests/bench/fill-store")
    subprocess.run([helper, state, str(count)], check=True)


@pytest.fixture(scope="module")
def filled(program, tmp_path_factory):
    """A state directory with FILLED certificates, of which none is due; not to be changed."""
    state = tmp_path_factory.mktemp("filled") / "state"
    fill(program, state, FILLED)
    return state


@pytest.fixture
def large(everleaf_at, filled):
    everleaf = everleaf_at()
    subprocess.run(["cp", "-a", filled, everleaf.state], check=True)
    return everleaf


def copy_rows(db, table, how):
    """how: columns that differ in copy k of a row."""
    names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(how.get(name, name) for name in names)
    for k in range(1, COPIES + 1):
        db.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT "
                   f"{values.replace('@', str(k * FILLED))} FROM {table} "
                   f"WHERE {names[0]} <= {FILLED}")


@pytest.fixture(scope="module")
def multiplied(filled, tmp_path_factory):
    """The same COPIES + 1 times: past everleaf, because keys and signatures would take minutes."""
    state = tmp_path_factory.mktemp("multiplied") / "state"
    subprocess.run(["cp", "-a", filled, state], check=True)
    with contextlib.closing(sqlite3.connect(state / "everleaf.db")) as db:
        db.execute("UPDATE version SET chain = '', seal = NULL")
        copy_rows(db, "certificate", {"id": "id + @", "name": "name || '.' || @",
                                      "live_version_id": "live_version_id + @"})
        copy_rows(db, "version", {"id": "id + @", "certificate_id": "certificate_id + @"})
        copy_rows(db, "renewal", {"certificate_id": "certificate_id + @"})
        copy_rows(db, "renewal_info", {"id": "id + @", "version_id": "version_id + @"})
        copy_rows(db, "notice", {"id": "id + @", "version_id": "version_id + @"})
        db.execute(f"UPDATE counter SET last = last + {COPIES * FILLED}")
        db.commit()
    return state


@pytest.fixture
def huge(everleaf_at, multiplied):
    everleaf = everleaf_at()
    subprocess.run(["cp", "-a", multiplied, everleaf.state], check=True)
    return everleaf


# -- who reads, and who writes ---------------------------------------------------------------


class Slow:
    """A command whose output nobody reads: it goes into a pipe that becomes full."""

    def __init__(self, everleaf, words, size=None):
        self.reads, self.writes = os.pipe()
        if size:
            import fcntl
            fcntl.fcntl(self.writes, SET_PIPE_SIZE, size)
        self.process = subprocess.Popen(everleaf.argv(*words), stdin=subprocess.DEVNULL,
                                        stdout=self.writes, stderr=subprocess.PIPE, cwd="/",
                                        env=everleaf._environment(None))

    def is_full(self):
        assert self.process.poll() is None, "it ended before its output filled the pipe"
        poll = select.poll()
        poll.register(self.writes, select.POLLOUT)
        return not poll.poll(0)

    def rest(self):
        """All that it prints, and what it says."""
        os.close(self.writes)
        self.writes = -1
        with open(self.reads, "rb", closefd=False) as stream:
            out = stream.read().decode()
        err = self.process.stderr.read().decode()
        assert self.process.wait() == 0, err
        return out

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.reads)
        if self.writes >= 0:
            os.close(self.writes)


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_another_process_commits_while_nobody_reads_what_a_command_prints(large, words):
    with Slow(large, words, PIPE) as slow:
        lab.wait_until("the pipe is full", slow.is_full)
        large.run("pause", host(FILLED))
        large.run("resume", host(FILLED))
        assert slow.is_full()
        out = slow.rest()
    if "--json" in words:
        json.loads(out)
    if words[0] == "status":
        assert [out.count(host(i)) > 0 for i in range(1, FILLED + 1)] == [True] * FILLED


def test_a_list_in_a_pager_tells_at_its_end_what_is_so_by_then(large):
    with Slow(large, ("status",)) as slow:  # more than the 64 KiB of a usual pipe
        lab.wait_until("the pipe is full", slow.is_full)
        for number in (1, FILLED):
            large.run("pause", host(number))
        lines = slow.rest().splitlines()
    assert len(lines) == FILLED + 1
    assert "paused" not in lines[1] and "paused" in lines[-1]


def test_another_process_commits_while_nobody_reads_the_log_of_one_that_writes(large, tmp_path):
    file = tmp_path / "everleaf.yaml"
    file.write_text("""
accounts: {here: {server: "https://ca.example/directory", agree-tos: true}}
solvers: {alone: {type: standalone}}
defaults: {account: here, solver: alone}
certificates: {new: {names: [new.filled.example], paused: true}}
""")
    large.run("--config", file, "renew")
    file.write_text("certificates: {}\n")  # what it says of that is a line of the log
    reads, writes = os.pipe()
    with open(reads, "rb"), open(writes, "wb") as full:
        os.set_blocking(writes, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writes, b"." * 4096)
        os.set_blocking(writes, True)
        process = subprocess.Popen(large.argv("--config", file, "renew"), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=full, cwd="/",
                                   env=large._environment(None))
        try:
            lab.wait_until("what the file says is durable", lambda: dropped(large, process))
            large.run("pause", host(1))
            assert process.poll() is None, "it said nothing"
        finally:
            process.kill()
            process.wait()


def dropped(everleaf, process):
    """Of a store that can be read; the one who writes waits for whoever reads its log."""
    with contextlib.closing(sqlite3.connect(everleaf.state / "everleaf.db", timeout=0)) as db:
        try:
            rows = db.execute("SELECT count(*) FROM certificate WHERE dropped_at <> 0")
            return rows.fetchone()[0] == 1
        except sqlite3.OperationalError:
            return False


# -- memory ----------------------------------------------------------------------------------

MEMORY = 48 * 1024 * 1024  # of data; a tree of all of them takes more than twice as much


def limited():
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


@pytest.mark.parametrize("words", [
    ("status", "--json"), ("status",), ("plan",), ("plan", "--json"), ("config", "show"),
    ("config", "show", "--json"), ("check", "--json"), ("renew", "--json"), ("metrics",),
], ids=" ".join)
def test_what_is_told_of_very_many_certificates_costs_the_memory_of_few(huge, words):
    with open(huge.program, "rb") as file:
        if b"__asan_init" in file.read():
            pytest.skip("the sanitizer's memory is not everleaf's")
    with open(huge.state.parent / "out", "wb") as out:
        done = subprocess.run(huge.argv(*words), stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.PIPE, preexec_fn=limited, check=False, cwd="/",
                              env=huge._environment(None))
    assert done.returncode == 0, done.stderr.decode()
    assert (huge.state.parent / "out").stat().st_size > FILLED * COPIES * 60


# -- one certificate -------------------------------------------------------------------------


def bytes_read(everleaf, words):
    """By all read calls of a command that ends well, as the kernel counts them."""
    process = subprocess.Popen(everleaf.argv(*words), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/",
                               env=everleaf._environment(None))
    err = process.stderr.read().decode()
    process.stderr.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with open(f"/proc/{process.pid}/io") as file:
        counts = dict(line.split(": ") for line in file.read().splitlines())
    assert process.wait() == 0, err
    return int(counts["rchar"])


def test_what_concerns_one_certificate_reads_one_certificate(large, tmp_path):
    whole = (large.state / "everleaf.db").stat().st_size
    for words in (["renew", host(7)], ["renew", host(7), host(8), "--json"], ["account", "show"],
                  ["account", "show", "--json"], ["show", host(7)], ["why", host(7)],
                  ["history", host(7)], ["check", host(7)],
                  ["export", host(7), "--out", tmp_path / "out"]):
        assert bytes_read(large, words) < whole / 8, words
    assert bytes_read(large, ["pause", host(7)]) > whole, "the count counts nothing"


def test_a_file_beside_very_many_certificates_of_commands_reads_only_its_own(large, tmp_path):
    file = tmp_path / "everleaf.yaml"
    file.write_text("certificates: {}\n")
    whole = (large.state / "everleaf.db").stat().st_size
    assert bytes_read(large, ["--config", file, "renew", host(7)]) < whole / 8


@pytest.mark.parametrize("change", [
    "UPDATE renewal SET look_at = 0 WHERE certificate_id = 7",
    "UPDATE renewal SET look_at = 9999999999 WHERE certificate_id = 7",
    "UPDATE certificate SET names = names || ' other.filled.example' WHERE id = 7",
    "UPDATE version SET not_after = 1, seal = NULL WHERE certificate_id = 7",
    "UPDATE deployment SET stage = 'due', ended_at = 0 WHERE certificate_id = 7",
])
def test_before_something_may_be_done_for_one_that_is_named_all_is_looked_at(large, change):
    with contextlib.closing(sqlite3.connect(large.state / "everleaf.db")) as db:
        db.execute("DELETE FROM account")  # damage that is none of a certificate that is not due
        db.commit()
        assert large.run("renew", host(7), host(8)).out == \
            "2 certificates: 0 renewed, 2 not due, 0 waiting, 0 failed\n"
        db.execute(change)
        db.commit()
    assert "2 not due" in large.run("renew", host(8), host(9)).out
    assert "everleaf.db is damaged" in large.run("renew", host(8), host(7), expect=1).err


# -- how far it has come ---------------------------------------------------------------------


def on_a_terminal(everleaf, *words):
    """What a command says on a terminal, and what it prints."""
    ours, its = pty.openpty()
    process = subprocess.Popen(everleaf.argv(*words), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=its, cwd="/",
                               env=everleaf._environment(None))
    os.close(its)
    said = b""
    while True:
        try:
            some = os.read(ours, 4096)
        except OSError:  # nobody has the other side any more
            break
        if not some:
            break
        said += some
    os.close(ours)
    out = process.stdout.read().decode()
    process.stdout.close()
    assert process.wait() == 0
    return said.decode(), out


def test_a_check_of_the_store_says_on_a_terminal_how_far_it_is(large):
    said, out = on_a_terminal(large, "store", "check")
    assert "as a whole" in said
    assert f"versions: 64 of {FILLED}" in said and f"versions: {FILLED} of {FILLED}" in said
    assert said.endswith("\r\033[K"), "the line is taken away in the end"
    assert out == f"{large.state} is whole\n"
    assert on_a_terminal(large, "-q", "store", "check") == ("", "")
    quiet = large.run("store", "check")
    assert quiet.err == "" and quiet.out == out
