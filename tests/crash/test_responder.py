# SPDX-License-Identifier: MIT
#
# test_responder.py - ten thousand connections that want nothing good, while a CA asks for the
# answer to a challenge: it gets it within a second, and the order ends in a certificate.

import errno
import random
import resource
import select
import socket
import threading
import time

import pytest

import arena
import lab

CONNECTIONS = 10000
ASKS = 20

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


def test_a_challenge_is_answered_within_a_second_in_a_storm(program, mock, folder, chance, tell,
                                                            descriptors):
    (folder / "storm").mkdir()
    a = arena.Arena(program, mock, folder / "storm",
                    arena.Scenario("issue", "standalone", 1, "ec-256"))
    try:
        a.ca.config(validate_ms=3600 * 1000)
        a.case()
        everleaf = a.start(*a.obtain())
        lab.wait_until("the CA was told", lambda: any(
            r["kind"] == "challenge" for r in a.ca.records()))
        [token] = [p.name for p in (a.state / "answers").iterdir()]
        storm = Storm(a.port, random.Random(chance.random()))
        times = []
        try:
            lab.wait_until("the storm is there", lambda: storm.opened > CONNECTIONS // 4, 60)
            for _ in range(ASKS):
                took, answer = ask(a.port, token)
                assert answer.startswith(b"HTTP/1.1 200") and token.encode() in answer, answer
                times.append(took)
            lab.wait_until("it was a storm", lambda: storm.opened >= CONNECTIONS, 120)
            took, answer = ask(a.port, token)
            assert answer.startswith(b"HTTP/1.1 200")
            times.append(took)
            with open(f"/proc/{everleaf.pid}/status") as f:
                peak = [int(line.split()[1]) for line in f if line.startswith("VmHWM")][0]
            a.ca.clock(3600)
            assert everleaf.wait(60) == 0, everleaf.text()
        finally:
            storm.stop()
        tell(f"{storm.opened} hostile connections, {len(times)} challenges "
             f"answered, the slowest after {max(times):.3f} s, everleaf's peak {peak // 1024} MiB")
        assert max(times) < 1
        a.check_end(0)
    finally:
        a.stop()
