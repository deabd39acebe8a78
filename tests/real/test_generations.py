# SPDX-License-Identifier: MIT
#
# test_generations.py - the daemon keeps twenty certificates of 75 seconds each alive at a real
# nginx, generation after generation: left alone, and killed again and again.

import collections
import contextlib
import os
import signal
import sqlite3
import time

import pytest

import handshakes
import servers

CERTIFICATES = 20
LIFE = 75  # seconds: the latest renewal is due with a sixth of it left
GENERATIONS = 5  # after the first
LATE = 15  # seconds: a version that lived shorter may have been missed by who looks


class Fleet:
    """Certificates of one everleaf, each with files of its own, all at one nginx."""

    def __init__(self, everleaf, server, names):
        self.everleaf, self.server, self.names = everleaf, server, names
        self.ca = everleaf.pebble.watch()
        self.watch = None

    def obtain(self):
        """Everyone is watched from the moment when the last of them is there."""
        for name in self.names:
            self.everleaf.obtain(name, options=[
                "--deploy-files", self.everleaf.state.parent / "tls" / name,
                "--deploy-hook", f"{self.server.hook} reload",
                "--prove", f"127.0.0.1:{self.server.port}"])
        self.watch = handshakes.Handshakes(
            self.server.port, self.names, self.everleaf.pebble.root())
        self.watch.start()

    def rows(self, sql):
        path = f"file:{self.everleaf.state}/everleaf.db?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True, timeout=30)) as db:
            return db.execute(sql).fetchall()

    def number(self, sql):
        return self.rows(sql)[0][0]

    def generations(self):
        """How many each certificate has had after its first."""
        done = collections.Counter(row[0] for row in self.rows(
            "SELECT certificate_id FROM acme_order WHERE stage = 'done'"))
        return [n - 1 for n in done.values()]

    def under_way(self):
        return self.number("SELECT (SELECT count(*) FROM acme_order WHERE ended_at = 0) + "
                           "(SELECT count(*) FROM deployment WHERE ended_at = 0)")

    def rest(self, daemon):
        """Nothing more is begun; what is under way is finished."""
        self.watch.stop()
        for name in self.names:
            self.everleaf.run("pause", name)
        wait_slowly("all that was under way is done", lambda: self.under_way() == 0, 120)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(30) == 0, daemon.text()

    def check(self):
        """What is true of every run when it rests."""
        assert self.watch.wrong == [], f"{len(self.watch.wrong)}: {self.watch.wrong[:10]}"
        done = "FROM acme_order WHERE stage = 'done'"
        issued = len(self.ca.issued())
        assert self.number(f"SELECT count(*) {done}") == issued
        assert self.number(f"SELECT count(DISTINCT version_id) {done}") == issued
        replaced = self.rows(f"SELECT count(replaces), count(DISTINCT replaces) {done}")
        assert replaced[0][0] == replaced[0][1], "a generation was issued twice"
        assert self.number("SELECT count(*) FROM challenge WHERE withdrawn = 0") == 0
        assert os.listdir(self.everleaf.state / "answers") == []
        assert "whole" in self.everleaf.run("store", "check").out
        assert self.ca.accounts() == 1
        for c in self.everleaf.certificates():
            shown = servers.served_serial(self.server.port, server_name=c["name"])
            assert shown == int(c["serial"], 16), f"{c['name']} is not what nginx shows"


def wait_slowly(what, condition, timeout):
    """lab.wait_until for what takes minutes: it does not keep a processor busy."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"after {timeout} s it was still not true that {what}"
        time.sleep(0.5)


@pytest.fixture
def fleet(everleaf_at, pebbles, tmp_path, names):
    server = servers.Sites(tmp_path / "nginx")
    if not server.program:
        pytest.skip("needs nginx")
    made = Fleet(everleaf_at(pebbles(validity=LIFE)), server, names(CERTIFICATES))
    yield made
    if made.watch:
        made.watch.stop()
    server.stop()


def missed(fleet):
    """Versions that were deployed, lived long enough to be seen at nginx, and were not."""
    rows = fleet.rows(
        "SELECT c.name, v.serial, v.created_at FROM version v JOIN certificate c "
        "ON c.id = v.certificate_id WHERE NOT EXISTS (SELECT 1 FROM deployment d WHERE "
        "d.version_id = v.id AND d.stage = 'superseded') ORDER BY c.id, v.id")
    found = []
    for (name, serial, at), after in zip(rows, rows[1:]):
        lived = after[2] - at if after[0] == name else 0
        if lived > LATE and int(serial, 16) not in fleet.watch.seen[name]:
            found.append((name, serial, lived))
    return found


@pytest.mark.steady
def test_five_generations_of_twenty_certificates_are_each_ordered_once_and_served(fleet):
    daemon = fleet.everleaf.start("run")
    fleet.obtain()
    wait_slowly("each has had its generations", lambda: not daemon.running() or min(
        fleet.generations()) >= GENERATIONS, 2 * LIFE * GENERATIONS)
    assert daemon.running(), daemon.text()
    fleet.rest(daemon)
    fleet.check()
    assert len(fleet.ca.orders()) == len(fleet.ca.issued()), "no order was in vain"
    assert fleet.rows("SELECT kind, text FROM event WHERE kind LIKE '%failed'") == []
    assert missed(fleet) == []


@pytest.mark.steady
def test_a_daemon_that_is_killed_again_and_again_keeps_every_certificate_valid(
        fleet, rounds, chance):
    """Each kill may cost an order that was under way a new one (its newOrder answer was lost, or
    the CA came for an answer when nobody was there), and nothing else."""
    daemon = fleet.everleaf.start("run")
    fleet.obtain()
    kills = []
    for _ in range(rounds(40, 200)):
        time.sleep(chance.random() * 2)
        assert daemon.running(), daemon.text()
        daemon.process.kill()
        daemon.process.wait()
        kills.append(time.time())
        daemon = fleet.everleaf.start("run")
    issued = len(fleet.ca.issued())
    wait_slowly("it goes on", lambda: len(fleet.ca.issued()) > issued, LIFE)
    fleet.rest(daemon)
    fleet.check()
    met = sum(born <= at < ended + 1 for at in kills for born, ended in fleet.rows(
        "SELECT created_at, ended_at FROM acme_order"))
    in_vain = len(fleet.ca.orders()) - len(fleet.ca.issued())
    print(f"{len(kills)} kills met {met} orders and cost {in_vain} unused ones; "
          f"{fleet.watch.looks} handshakes; {len(fleet.ca.issued())} issued")
    assert 0 <= in_vain <= met
