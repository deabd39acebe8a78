# SPDX-License-Identifier: MIT
#
# test_responder.py - a CA asks for the answer to a challenge, and gets it: while everleaf is stopped
# and its store is held, after the process that answers was killed, and while ten thousand connections
# want nothing good. Every order ends in a certificate.

import contextlib
import errno
import fcntl
import os
import random
import re
import resource
import select
import shutil
import signal
import socket
import sqlite3
import threading
import time

import pytest

import arena
import lab

CONNECTIONS = 10000
ASKS = 20
LATER = 240  # seconds: less than clocks may differ

JUNK = [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), b"\x00" * 32,
        b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST /" + b"a" * 900, b"GET /a\r\n\r\n",
        b"GET /nine\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 9000, b"\r\n" * 40,
        b"SSH-2.0-x\r\n", b"\xff\xfe\r\n\r\n"]


class Storm:
    """Connections that say nothing, junk, or one byte each 0.4 s, opened again when they are closed,
    CONNECTIONS of them in all and then on at the same pace until it is stopped."""

    def __init__(self, port, chance):
        self.port, self.chance = port, chance
        self.opened, self.refused = 0, 0
        self._open, self._slow = {}, set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _connect(self):
        s = socket.socket()
        s.setblocking(False)
        error = s.connect_ex(("127.0.0.1", self.port))
        if error not in (0, errno.EINPROGRESS):
            self.refused += 1
            s.close()
            return
        self.opened += 1
        self._open[s.fileno()] = s

    def _greet(self, s):
        try:
            if self.chance.random() < 0.5:
                s.send(self.chance.choice(JUNK))
            else:
                self._slow.add(s.fileno())
        except OSError:
            self._drop(s)

    def _drop(self, s):
        self._open.pop(s.fileno(), None)
        self._slow.discard(s.fileno())
        s.close()

    def _run(self):
        drip = time.monotonic() + 0.4
        while not self._end.is_set():
            for _ in range(200 if len(self._open) < 1500 else 20):
                self._connect()
            fresh = [s for fd, s in list(self._open.items()) if fd not in self._slow]
            for s in self.chance.sample(fresh, min(200, len(fresh))):
                self._greet(s)
            self._reap()
            if time.monotonic() > drip:
                drip += 0.4
                for fd in list(self._slow):
                    try:
                        self._open[fd].send(b"G")
                    except OSError:
                        self._drop(self._open[fd])
            time.sleep(0.01)

    def _reap(self):
        poll = select.poll()
        for fd in self._open:
            poll.register(fd, select.POLLIN | select.POLLHUP | select.POLLERR)
        for fd, _ in poll.poll(0):
            self._drop(self._open[fd])

    def stop(self):
        self._end.set()
        self._thread.join()
        for s in list(self._open.values()):
            s.close()


def ask(port, token):
    """As a CA does; how long it took, and the answer."""
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.settimeout(5)
        s.sendall(f"GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: a.test\r\n"
                  "User-Agent: CA\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while chunk := s.recv(4096):
            answer += chunk
    return time.monotonic() - start, answer


@pytest.fixture
def descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Asked:
    """An obtain that has told the CA to look, which it will do after LATER seconds, and its
    responder."""

    def __init__(self, a):
        self.a = a
        a.ca.config(validate_ms=LATER * 1000)
        a.case()
        self.everleaf = a.start(*a.obtain())
        lab.wait_until("the CA was told", lambda: any(
            r["kind"] == "challenge" for r in a.ca.records()))
        [self.token] = [p.name for p in (a.state / "answers").iterdir()]

    def responder(self):
        return lab.responder_of(self.everleaf)

    def answered(self):
        """The CA's question, answered; how long it took."""
        took, answer = ask(self.a.port, self.token)
        assert answer.startswith(b"HTTP/1.1 200") and self.token.encode() in answer, answer
        return took

    def finish(self, deaths=0):
        self.a.ca.clock(LATER)
        assert self.everleaf.wait(60) == 0, self.everleaf.text()
        self.a.check_end(deaths)


@pytest.fixture
def asked(program, mock, folder):
    (folder / "asked").mkdir()
    a = arena.Arena(program, mock, folder / "asked",
                    arena.Scenario("issue", "standalone", 1, "ec-256"))
    yield Asked(a)
    a.stop()


def status(pid):
    """What the kernel says of a process: {name: value}."""
    with open(f"/proc/{pid}/status") as f:
        return {k: v.strip() for k, v in (line.split(":", 1) for line in f)}


@contextlib.contextmanager
def held(state):
    """Somebody holds the store: nobody can write to it, nor read it."""
    with open(state / "turn", "r+b") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        db = sqlite3.connect(state / "everleaf.db", isolation_level=None, timeout=30)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        yield
        db.execute("ROLLBACK")
        db.close()


def test_a_ca_is_answered_while_everleaf_is_stopped_and_its_store_is_held(asked):
    with held(asked.a.state):
        asked.answered()
        asked.everleaf.signal(signal.SIGSTOP)
        lab.wait_until("it stands still",
                       lambda: status(asked.everleaf.pid)["State"].startswith("T"))
        for _ in range(ASKS):
            asked.answered()
        asked.everleaf.signal(signal.SIGCONT)
    asked.finish()


def test_a_responder_that_is_killed_is_followed_and_the_operator_is_told(asked):
    killed = []
    for _ in range(3):
        killed.append(asked.responder())
        os.kill(killed[-1], signal.SIGKILL)
        lab.wait_until("it is said", lambda: asked.everleaf.text().count(
            "the process that answers challenges ended: everleaf respond was ended by signal 9") ==
            len(killed))
        asked.answered()
    assert asked.responder() not in killed
    asked.finish()


def test_an_order_whose_responder_died_while_the_ca_asked_is_replaced_at_once(asked):
    responder = asked.responder()
    asked.answered()
    for pid in (asked.everleaf.pid, responder):
        os.kill(pid, signal.SIGSTOP)
    asked.a.ca.clock(LATER)
    lab.wait_until("the CA has asked", lambda: asked.a.ca.counts()["validations"] == 1)
    assert asked.a.ca.orders()[0]["status"] == "invalid"
    asked.a.ca.config(validate_ms=0)
    os.kill(responder, signal.SIGKILL)
    lab.wait_until("it is dead", lambda: status(responder)["State"].startswith("Z"))
    asked.everleaf.signal(signal.SIGCONT)
    assert asked.everleaf.wait(60) == 0, asked.everleaf.text()
    asked.a.check_end(1)  # and nobody failed


def test_an_answer_that_is_fetched_once_more_when_it_should_be_gone_hurts_nobody(
        program, mock, folder):
    (folder / "arena").mkdir()
    a = arena.Arena(program, mock, folder / "arena",
                    arena.Scenario("issue", "standalone", 1, "ec-256"))
    try:
        answer = b""
        while not answer.startswith(b"HTTP/1.1 200"):  # else it was taken back before we asked
            a.case()
            everleaf = a.start(*a.obtain(), fail="answer.remove:1")
            failed = lab.wait_until("it could not be taken back", lambda: re.search(
                "cannot remove the answer ([^:]*):", everleaf.text()))
            with contextlib.suppress(ConnectionError):
                answer = ask(a.port, failed[1])[1]
            assert everleaf.wait(60) == 0, everleaf.text()
        a.check_end(0)
    finally:
        a.stop()


def test_a_ca_is_not_told_of_answers_that_nobody_will_show(program, mock, folder):
    own = folder / "everleaf"
    shutil.copy(program, own)
    (folder / "arena").mkdir()
    a = arena.Arena(own, mock, folder / "arena",
                    arena.Scenario("issue", "standalone", 1, "ec-256"))
    try:
        a.case()
        hook = folder / "pre"
        hook.write_text(f"#!/bin/sh\ntouch {folder}/here\n"
                        f"until [ -e {folder}/go ]; do sleep 0.02; done\n")
        hook.chmod(0o755)
        everleaf = a.start(*a.obtain(), "--pre-hook", hook, hurry=1)
        lab.wait_until("its order stands still", (folder / "here").exists)
        responder = lab.responder_of(everleaf)
        own.chmod(0o600)  # no other one can be started
        os.kill(responder, signal.SIGKILL)
        lab.wait_until("it is said", lambda: "started again" in everleaf.text())
        (folder / "go").touch()
        assert everleaf.wait(60) == 75, everleaf.text()
        assert "the process that answers challenges ended: " in everleaf.text()
        assert "cannot be run" in everleaf.text()
        assert not any(r["kind"] == "challenge" for r in a.ca.records())
        own.chmod(0o755)
        a.advance(2 * 3600)
        assert a.run(*a.obtain()).rc == 0
        a.check_end(1, may_fail=True)
    finally:
        a.stop()


def test_the_responder_ends_with_everleaf_and_not_before(asked):
    responder = asked.responder()
    asked.answered()  # from now on it is past its start
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(responder, number)
    asked.answered()
    assert asked.responder() == responder
    asked.everleaf.signal(signal.SIGKILL)
    asked.everleaf.wait(10)
    asked.a.check_moment()  # nobody runs
    with pytest.raises(ConnectionError):  # its socket may end a moment after its memory
        ask(asked.a.port, asked.token)
    asked.everleaf = asked.a.start(*asked.a.obtain())
    assert asked.responder() != responder
    asked.answered()
    asked.finish(deaths=1)


def test_the_responder_has_nothing_but_its_sockets_and_the_folder_of_answers(asked):
    responder = asked.responder()
    lab.wait_until("it is confined", lambda: status(responder)["NoNewPrivs"] == "1")
    asked.answered()
    assert status(responder)["CapEff"].strip("0") == ""
    if os.geteuid() == 0:
        assert status(responder)["Uid"].split() == ["65534"] * 4
        assert status(responder)["Gid"].split() == ["65534"] * 4
        assert os.readlink(f"/proc/{responder}/root") == str(asked.a.state / "answers")
    opened = {os.readlink(f"/proc/{responder}/fd/{fd}").split(":")[0]
              for fd in os.listdir(f"/proc/{responder}/fd")}
    assert opened <= {"socket", "pipe", "anon_inode", str(asked.a.state / "answers")}, opened
    asked.finish()


def test_a_challenge_is_answered_within_a_second_in_a_storm(asked, chance, tell, descriptors):
    responder = asked.responder()
    storm = Storm(asked.a.port, random.Random(chance.random()))
    times = []
    try:
        lab.wait_until("the storm is there", lambda: storm.opened > CONNECTIONS // 4, 60)
        for _ in range(ASKS):
            times.append(asked.answered())
        lab.wait_until("it was a storm", lambda: storm.opened >= CONNECTIONS, 120)
        times.append(asked.answered())
        assert asked.responder() == responder, "it died of the storm and was started again"
        peaks = [int(status(pid)["VmHWM"].split()[0]) // 1024
                 for pid in (asked.everleaf.pid, responder)]
        asked.finish()
    finally:
        storm.stop()
    assert "started again" not in asked.everleaf.text()
    tell(f"{storm.opened} hostile connections, {len(times)} challenges answered, the slowest after "
         f"{max(times):.3f} s; everleaf's peak {peaks[0]} MiB, its responder's {peaks[1]} MiB")
    assert max(times) < 1
