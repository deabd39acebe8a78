# SPDX-License-Identifier: MIT
#
# test_together.py - many everleafs at once on one state directory, all on one port, some in a PID
# namespace of their own: nobody waits for a lock that a dead one has, and nothing is done twice.

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

import pytest

import lab
import servers

EIGHT = 8


UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def can_unshare():
    return (shutil.which("unshare") and shutil.which("nsenter") and
            subprocess.run([*UNSHARE, "true"], check=False).returncode == 0)


@pytest.fixture
def namespace(tmp_path):
    """namespace(): a PID namespace; its `words` come before a command line, and with the end of its
    first process everything in it ends."""
    if not can_unshare():
        pytest.skip("needs unshare --pid and nsenter")
    made = []

    def make():
        made.append(Namespace(tmp_path / f"namespace-{len(made)}.log"))
        return made[-1]
    yield make
    for n in made:
        n.kill()


class Namespace:
    def __init__(self, log):
        self.outside = lab.Program([*UNSHARE, "sleep", "600"], log)
        self.init = int(lab.wait_until("the namespace has its first process", self._child))
        lab.wait_until("its /proc is there", self._is_ready)
        self.words = ("nsenter", "--target", str(self.init), "--pid", "--mount")

    def _child(self):
        with open(f"/proc/{self.outside.pid}/task/{self.outside.pid}/children") as f:
            return f.read().strip()

    def _is_ready(self):
        with open(f"/proc/{self.init}/comm") as f:
            return f.read().strip() == "sleep"

    def kill(self):
        if self.outside.running():
            os.kill(self.init, signal.SIGKILL)
            self.outside.process.wait()


def rows(everleaf, sql, file="everleaf.db"):
    with sqlite3.connect(f"file:{everleaf.state}/{file}?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


def count(everleaf, what):
    return rows(everleaf, f"SELECT count(*) FROM {what}")[0][0]


def orders(everleaf):
    """How many orders there are; also before there is a store."""
    with contextlib.suppress(sqlite3.OperationalError):
        return count(everleaf, "acme_order")
    return 0


class Crowd:
    """Commands started at one moment; each wrapped in the words that come before it."""

    def __init__(self, everleaf):
        self.everleaf = everleaf
        self.programs = []

    def start(self, arguments, wrapper=()):
        log = self.everleaf.state.parent / f"crowd-{len(self.programs)}.log"
        argv = [*wrapper, *self.everleaf.argv(*arguments)]
        self.programs.append(lab.Program(argv, log, env=self.everleaf._environment(None)))
        self.everleaf._started.append(self.programs[-1])
        return self.programs[-1]

    def wait(self, programs=None):
        for program in programs or self.programs:
            assert program.wait(60) == 0, program.text()

    def text(self):
        return "\n".join(program.text() for program in self.programs)


def obtain(everleaf, names, *options):
    return ["obtain", *everleaf.domains(names), *everleaf.ca(), *everleaf.standalone(), *options]


def check_rest(everleaf):
    """Nothing is under way or left, and everything is sound."""
    assert count(everleaf, "acme_order WHERE ended_at = 0") == 0
    assert count(everleaf, "challenge WHERE withdrawn = 0") == 0
    assert count(everleaf, "deployment WHERE ended_at = 0") == 0
    for file in ("everleaf.db", "keys.db"):
        assert rows(everleaf, "PRAGMA integrity_check", file) == [("ok",)]
    assert rows(everleaf, "PRAGMA foreign_key_check") == []
    assert os.listdir(everleaf.state / "answers") == []
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", everleaf.pebble.http_port))


def check(everleaf, seen, certificates):
    """One certificate and one order for each, one account; nobody failed on the way."""
    assert len(seen.issued()) == certificates
    assert len(seen.orders()) == certificates
    assert seen.accounts() == 1
    for what in ("certificate", "version", "acme_order", "acme_order WHERE stage = 'done'"):
        assert count(everleaf, what) == certificates, what
    assert count(everleaf, "account") == 1
    assert count(everleaf, "event WHERE kind IN ('failed', 'interrupted')") == 0
    assert os.listdir(everleaf.state / "owners") == []
    check_rest(everleaf)


def hold(everleaf, name, ending, words):
    """An order stands still in its pre-hook, and a second command waits for it: both as a crowd,
    and what lets the hook go on (and end so)."""
    folder = everleaf.state.parent
    hook = servers.write_hook(
        folder / "hook", f"until [ -e {folder}/go ]; do sleep 0.05; done; {ending}")
    crowd = Crowd(everleaf)
    crowd.start(obtain(everleaf, [name], "--pre-hook", hook))
    lab.wait_until("it has an order", lambda: orders(everleaf))
    second = crowd.start(words)
    lab.wait_until("the other one waits", lambda: "waiting for another everleaf" in second.text())
    return crowd, (folder / "go").touch


@pytest.fixture(params=["one-namespace", "two-namespaces"])
def crowd_words(request):
    """What comes before the command line of number i."""
    if request.param == "one-namespace":
        return lambda i: ()
    other = request.getfixturevalue("namespace")()
    return lambda i: other.words if i % 2 else ()


@pytest.mark.slow
@pytest.mark.parametrize("same", [False, True], ids=["eight-names", "the-same-names"])
def test_eight_obtains_at_once_on_one_port(everleaf_at, pebble, names, crowd_words, same):
    """On a state directory that is not there yet: one order and certificate each, one account."""
    took = []
    for _ in range(20):
        everleaf, seen = everleaf_at(pebble), pebble.watch()
        crowd, eight = Crowd(everleaf), names(EIGHT)
        began = time.monotonic()
        for i in range(EIGHT):
            crowd.start(obtain(everleaf, eight if same else [f"{i}.{eight[i]}"]), crowd_words(i))
        crowd.wait()
        took.append(time.monotonic() - began)
        check(everleaf, seen, 1 if same else EIGHT)
    print(f"a round took {min(took):.2f} to {max(took):.2f} s")


# -- ended in the middle -------------------------------------------------------------------------


def test_what_a_namespace_takes_with_it_another_finishes(
        everleaf_at, pebble, names, chance, namespace, rounds):
    """Two commands for one certificate in each of two namespaces; one namespace is killed."""
    for i in range(rounds(5, 20)):
        everleaf, seen = everleaf_at(pebble), pebble.watch()
        crowd, wanted, places = Crowd(everleaf), names(2), [namespace(), namespace()]
        for n in range(4):
            crowd.start(obtain(everleaf, wanted), places[n % 2].words)
        lab.wait_until("an order is there", lambda: orders(everleaf))
        time.sleep(chance.uniform(0, 0.2))
        places[0].kill()
        crowd.wait(crowd.programs[1::2])
        where = f"round {i}\n{crowd.text()}"
        assert count(everleaf, "version") == 1 == len(seen.issued()), where
        assert 1 <= len(seen.orders()) <= 2, where
        assert seen.accounts() == 1, where
        assert count(everleaf, "event WHERE kind = 'failed'") == 0, where
        check_rest(everleaf)


@pytest.mark.slow
def test_the_end_of_some_fails_nobody_elses_order(
        everleaf_at, pebble, names, chance, namespace, rounds):
    """Four names in each of two namespaces on one port; with one namespace goes, maybe, the
    listener that showed everybody's answers, and maybe the account's registration."""
    for i in range(rounds(8, 20)):
        everleaf, seen = everleaf_at(pebble), pebble.watch()
        crowd, wanted, places = Crowd(everleaf), names(EIGHT), [namespace(), namespace()]
        wanted = [f"r{i}.{name}" for name in wanted]
        for n, name in enumerate(wanted):
            crowd.start(obtain(everleaf, [name]), places[n % 2].words)
        lab.wait_until("an order is there", lambda: orders(everleaf))
        time.sleep(chance.uniform(0, 0.6))
        places[0].kill()
        crowd.wait(crowd.programs[1::2])
        for name in wanted[0::2]:
            everleaf.obtain(name)
        where = f"round {i}\n{crowd.text()}"
        assert len(seen.issued()) == count(everleaf, "version") == EIGHT, where
        assert seen.accounts() == 1, where
        assert count(everleaf, "event WHERE kind = 'failed'") == 0, where
        check_rest(everleaf)


@pytest.mark.parametrize("daemon", ["before", "after", "killed"])
def test_obtains_beside_the_daemon(everleaf_at, pebble, names, chance, rounds, daemon):
    for i in range(rounds(3, 20)):
        everleaf, seen = everleaf_at(pebble), pebble.watch()
        crowd, wanted, daemons = Crowd(everleaf), [f"r{i}.{n}" for n in names(4)], []
        if daemon != "after":
            daemons = [crowd.start(["run"])]
            lab.wait_until("it runs", lambda: "running on" in daemons[0].text())
        commands = [crowd.start(obtain(everleaf, [name])) for name in wanted]
        if daemon == "after":
            daemons = [crowd.start(["run"])]
        if daemon == "killed":
            time.sleep(chance.uniform(0, 0.5))
            daemons[0].process.kill()
        crowd.wait(commands)
        daemons[0].signal(signal.SIGTERM)
        assert daemons[0].wait(15) == (-signal.SIGKILL if daemon == "killed" else 0)
        assert len(seen.issued()) == 4 and seen.accounts() == 1, crowd.text()
        assert 4 <= len(seen.orders()) <= (8 if daemon == "killed" else 4), crowd.text()
        assert count(everleaf, "version") == 4
        assert count(everleaf, "event WHERE kind = 'failed'") == 0, crowd.text()
        check_rest(everleaf)


# -- the same thing twice ------------------------------------------------------------------------


def make_due(everleaf):
    with sqlite3.connect(everleaf.state / "everleaf.db") as db:
        db.execute("UPDATE version SET not_before = not_before - 80 * 86400, "
                   "not_after = not_after - 80 * 86400, seal = NULL")
        db.execute("UPDATE renewal SET look_at = 0")
    db.close()


@pytest.mark.parametrize("verb", ["run", "renew"])
def test_two_that_renew_renew_once_what_is_due(everleaf_at, pebble, name, rounds, verb):
    for _ in range(rounds(5, 20)):
        everleaf = everleaf_at(pebble)
        everleaf.obtain(name)
        make_due(everleaf)
        seen, crowd = pebble.watch(), Crowd(everleaf)
        for _ in range(2):
            crowd.start([verb])
        if verb == "run":
            lab.wait_until("it is renewed", lambda: count(everleaf, "version") == 2)
            for daemon in crowd.programs:
                daemon.signal(signal.SIGTERM)
        crowd.wait()
        assert len(seen.issued()) == 1 == len(seen.orders())
        everleaf.run("renew", name)
        check_rest(everleaf)


def test_a_second_daemon_goes_on_when_the_first_is_killed(everleaf, pebble, name, tmp_path):
    """The one that works is the parent of the pre-hook."""
    worker = tmp_path / "worker"
    hook = servers.write_hook(
        tmp_path / "hook", f"[ -e {worker} ] || {{ echo $PPID >{worker}.tmp; "
                           f"mv {worker}.tmp {worker}; exec sleep 60; }}")
    worker.write_text("none yet")
    everleaf.obtain(name, options=["--pre-hook", hook])
    make_due(everleaf)
    worker.unlink()
    seen, crowd = pebble.watch(), Crowd(everleaf)
    daemons = [crowd.start(["run"]), crowd.start(["run"])]
    lab.wait_until("the hook runs", worker.exists)
    [first] = [d for d in daemons if d.pid == int(worker.read_text())]
    [other] = [d for d in daemons if d is not first]
    first.process.kill()
    first.process.wait()
    lab.wait_until("the other one has renewed it", lambda: count(everleaf, "version") == 2)
    other.signal(signal.SIGTERM)
    crowd.wait([other])
    assert len(seen.issued()) == 1 == len(seen.orders())
    everleaf.run("renew", name)
    check_rest(everleaf)


# -- changed under way ---------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["delete", "reconfigure"])
def test_an_order_is_finished_or_withdrawn_when_its_certificate_is_changed(
        everleaf_at, pebble, name, chance, rounds, verb):
    for _ in range(rounds(6, 20)):
        everleaf, seen = everleaf_at(pebble), pebble.watch()
        command = Crowd(everleaf).start(obtain(everleaf, [name]))
        lab.wait_until("it is known", lambda: orders(everleaf))
        time.sleep(chance.uniform(0, 0.25))
        everleaf.run(verb, name, *(["--key-type", "ec-384"] if verb == "reconfigure" else []))
        ended = command.wait(30)
        assert len(seen.orders()) <= 1 and count(everleaf, "version") <= len(seen.issued())
        if verb == "delete":
            assert ended == 0 or (ended == 1 and "deleted" in command.text()), command.text()
            assert everleaf.certificates() == []
        else:  # the order goes on as it was born, and the next one has the other key
            assert ended == 0 and len(seen.issued()) == 1, command.text()
            assert everleaf.export(name).check().key.curve.name == "secp256r1"
            everleaf.run("renew", "--force", name)
            assert everleaf.export(name).check().key.curve.name == "secp384r1"
        check_rest(everleaf)


def test_another_key_that_is_asked_for_during_an_order_is_there_at_the_end(
        everleaf, pebble, name):
    seen = pebble.watch()
    crowd, go = hold(everleaf, name, "true", obtain(everleaf, [name], "--key-type", "ec-384"))
    go()
    crowd.wait()
    assert everleaf.export(name).check().key.curve.name == "secp384r1"
    assert len(seen.issued()) == 2 == len(seen.orders())
    check_rest(everleaf)


def test_who_awaited_one_certificate_and_failed_to_get_another_has_failed(everleaf, name):
    crowd, go = hold(everleaf, name, "true", obtain(
        everleaf, [name], "--key-type", "ec-384", "--pre-hook", "/bin/false"))
    go()
    assert [program.wait(30) for program in crowd.programs] == [0, 1], crowd.text()
    assert everleaf.export(name).check().key.curve.name == "secp256r1"
    check_rest(everleaf)


# -- stopped, not dead ---------------------------------------------------------------------------


def test_an_owner_that_stands_still_keeps_what_it_has(everleaf, pebble, name, tmp_path):
    """Its pre-hook stops it, so that it stands between two turns."""
    hook = servers.write_hook(tmp_path / "hook", "kill -STOP $PPID")
    seen, crowd = pebble.watch(), Crowd(everleaf)
    first = crowd.start(obtain(everleaf, [name], "--pre-hook", hook))
    stat = pathlib.Path(f"/proc/{first.pid}/stat")
    lab.wait_until("it stands still", lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
    before = rows(everleaf, "SELECT id, owner, fence, stage FROM acme_order")
    second = crowd.start(obtain(everleaf, [name]))
    lab.wait_until("the other one waits", lambda: "waiting for another everleaf" in second.text())
    time.sleep(5)  # in which it looks 25 times
    assert rows(everleaf, "SELECT id, owner, fence, stage FROM acme_order") == before
    assert len(before) == 1 and second.running()
    first.signal(signal.SIGCONT)
    crowd.wait()
    check(everleaf, seen, 1)


# -- who only waits ------------------------------------------------------------------------------


def test_who_waits_for_an_order_that_fails_says_why(everleaf, name):
    crowd, go = hold(everleaf, name, "echo the door is locked >&2; exit 1", ["renew"])
    go()
    for program in crowd.programs:
        assert program.wait(30) == 1
        assert program.text().count("the door is locked") == 1, program.text()


def test_who_waits_for_a_certificate_that_is_deleted_says_so(everleaf, name):
    crowd, go = hold(everleaf, name, "true", obtain(everleaf, [name]))
    delete = crowd.start(["delete", name])
    lab.wait_until("it is marked", lambda: count(everleaf, "certificate WHERE removed_at <> 0"))
    go()
    assert delete.wait(30) == 0, delete.text()
    for program in crowd.programs[:2]:
        assert program.wait(30) == 1
        assert program.text().count("deleted") == 1, program.text()
    check_rest(everleaf)
