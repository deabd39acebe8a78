# SPDX-License-Identifier: MIT
#
# test_together.py - several processes on one state directory, at moments that only a scripted CA
# can hold still: an owner that stands still for an hour, a dry run beside a real one, the end of
# whoever shows the others' answers.

import os
import signal
import sqlite3
import time

import pytest

import arena
import lab
import runner

HOUR = 3600
LATER = 240  # seconds: less than clocks may differ


@pytest.fixture
def place(program, mock, folder):
    """An arena whose CA looks at an answer an hour later by its own clock."""
    (folder / "together").mkdir()
    a = arena.Arena(program, mock, folder / "together",
                    arena.Scenario("issue", "standalone", 1, "ec-256"))
    a.ca.config(validate_ms=HOUR * 1000)
    yield a
    a.stop()


def told(a):
    """How many answers the CA may look at by now."""
    return sum(r["kind"] == "challenge" and r["status"] == 200 for r in a.ca.records())


def holder_of(port):
    """The process that listens on a port."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f]
    inodes = {f"socket:[{r[9]}]" for r in rows[1:]
              if r[3] == "0A" and int(r[1].rpartition(":")[2], 16) == port}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if any(os.readlink(f"/proc/{pid}/fd/{fd}") in inodes
                   for fd in os.listdir(f"/proc/{pid}/fd")):
                return int(pid)
        except OSError:
            pass
    return None


def obtain_of(a, name, *more):
    """Another certificate by the same means, without files or hooks."""
    return ["obtain", "-d", name, "--server", a.ca.url, "--ca-bundle", a.ca.bundle, "-m",
            runner.MAIL, "--agree-tos", "--standalone", "--http-port", a.port, "--http-address",
            "127.0.0.1", *more]


@pytest.mark.parametrize("other", ["run", "obtain"])
def test_an_owner_that_stands_still_for_an_hour_keeps_its_order(place, other):
    place.case()
    owner = place.start(*place.obtain())
    lab.wait_until("the CA was told", lambda: told(place) == 1)
    owner.signal(signal.SIGSTOP)
    before = len(place.ca.records())
    place.clock.write_text(str(place.ahead + HOUR))
    beside = place.start(*(["run"] if other == "run" else place.obtain()), hurry=1)
    lab.wait_until("the other one is at work", lambda: "running on" in beside.text() or
                   "waiting for another everleaf" in beside.text())
    time.sleep(2)  # in which it looks every 50 ms, and minutes pass for it
    assert len(place.ca.records()) == before, "somebody worked on another's order"
    owner.signal(signal.SIGCONT)
    place.ca.clock(HOUR)
    assert owner.wait(30) == 0, owner.text()
    if other == "obtain":
        assert beside.wait(30) == 0, beside.text()
    beside.stop()
    place.check_end(0)


@pytest.mark.parametrize("first_is_dry", [True, False], ids=["dry-first", "real-first"])
def test_a_dry_run_and_a_real_one_share_the_port(place, first_is_dry):
    """Whoever has the port shows the other's answers, and keeps it until they are gone."""
    place.case()
    dry = obtain_of(place, "rehearsed.everleaf.test", "--dry-run")
    real = obtain_of(place, "real.everleaf.test")
    first = place.start(*(dry if first_is_dry else real))
    lab.wait_until("the CA was told", lambda: told(place) == 1)
    second = place.start(*(real if first_is_dry else dry))
    lab.wait_until("the CA was told of the other one", lambda: told(place) == 2)
    assert holder_of(place.port) == first.pid
    place.ca.clock(HOUR)
    assert first.wait(30) == 0, first.text()
    assert second.wait(30) == 0, second.text()
    counts = place.ca.counts()
    assert counts["certificates"] == 2 and counts["accounts"] == 2 and counts["deactivated"] == 1
    with sqlite3.connect(f"file:{place.state}/everleaf.db?mode=ro", uri=True) as db:
        assert db.execute("SELECT name FROM certificate").fetchall() == [("real.everleaf.test",)]
    db.close()
    assert os.listdir(place.state / "answers") == []
    assert os.listdir(place.state / "scratch") == []


def two_on_one_port(a):
    """Two commands whose answers the CA will look at in an hour; the first one has the port."""
    a.case()
    first = a.start(*obtain_of(a, "first.everleaf.test"))
    lab.wait_until("the CA was told", lambda: told(a) == 1)
    second = a.start(*obtain_of(a, "second.everleaf.test"))
    lab.wait_until("the CA was told of the other one", lambda: told(a) == 2)
    assert holder_of(a.port) == first.pid
    return first, second


def ask_rows(a, sql):
    with sqlite3.connect(f"file:{a.state}/everleaf.db?mode=ro", uri=True) as db:
        found = db.execute(sql).fetchall()
    db.close()
    return found


def check_second(a, second, orders):
    assert second.wait(30) == 0, second.text()
    counts = a.ca.counts()
    assert (counts["certificates"], counts["orders"], counts["accounts"]) == (1, orders, 1)
    assert ask_rows(a, "SELECT count(*) FROM event WHERE kind = 'failed'") == [(0,)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda n: n.name)
def test_the_port_of_one_that_ends_is_taken_by_another_before_the_ca_looks(place, number):
    first, second = two_on_one_port(place)
    first.signal(number)
    first.process.wait()
    lab.wait_until("the other one listens", lambda: holder_of(place.port) == second.pid)
    place.ca.clock(HOUR)
    check_second(place, second, 2)


def test_an_answer_that_nobody_showed_any_more_is_no_failure(place):
    """The CA looks while nobody listens: the order is replaced at once."""
    place.ca.config(validate_ms=LATER * 1000)  # another order is made after that
    first, second = two_on_one_port(place)
    second.signal(signal.SIGSTOP)
    first.signal(signal.SIGKILL)
    first.process.wait()
    place.ca.clock(LATER)
    lab.wait_until("the CA has judged", lambda: all(
        o["status"] == "invalid" for o in place.ca.orders()))
    place.ca.config(validate_ms=0)
    second.signal(signal.SIGCONT)
    check_second(place, second, 3)
    assert ask_rows(place, "SELECT count(*) FROM event WHERE kind = 'interrupted'") == [(1,)]
