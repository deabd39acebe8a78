# SPDX-License-Identifier: MIT
#
# test_many.py - very many certificates in one store: what is not due costs nothing, what is due at
# once shares connections and commits, and damage is noticed before anything is done. Counted
# exactly; how long it takes is for tests/bench.

import pathlib
import signal
import sqlite3
import struct
import subprocess

import pytest

import lab
import runner

FILLED = 1500  # certificates; with fewer the file would be small (STORE_SMALL)
NOT_DUE = f"{FILLED} certificates: 0 renewed, {FILLED} not due, 0 waiting, 0 failed\n"
DAMAGED = "everleaf.db is damaged (a row of certificate names one that is gone)"


@pytest.fixture(scope="session")
def filled(program, tmp_path_factory):
    """A state directory with FILLED certificates, of which none is due; not to be changed."""
    fill = pathlib.Path(program).parent / "tests" / "bench" / "fill-store"
    if not lab.is_program(fill):
        pytest.fail(f"no fill-store at {fill}: make tests/bench/fill-store")
    state = tmp_path_factory.mktemp("filled") / "state"
    subprocess.run([fill, state, str(FILLED)], check=True)
    assert (state / "everleaf.db").stat().st_size > 8 * 1024 * 1024
    return state


@pytest.fixture
def large(everleaf_at, filled):
    everleaf = everleaf_at()
    subprocess.run(["cp", "-a", filled, everleaf.state], check=True)
    return everleaf


def commits(everleaf):
    """SQLite counts in its header the transactions that changed a file."""
    header = (everleaf.state / "everleaf.db").read_bytes()[:28]
    return struct.unpack(">I", header[24:])[0]


def change(everleaf, what):
    with sqlite3.connect(everleaf.state / "everleaf.db") as db:
        db.execute(what)
    db.close()


def test_a_renewal_of_which_nothing_is_due_writes_nothing_and_counts_all(large):
    before = (large.state / "everleaf.db").read_bytes()
    assert large.run("renew").out == NOT_DUE
    assert large.run("renew", "--exit-code", expect=3).out == NOT_DUE
    assert len(large.ask("renew")["certificates"]) == FILLED
    assert (large.state / "everleaf.db").read_bytes() == before


def test_what_the_schedule_was_never_asked_about_is_looked_at_once(large):
    change(large, "UPDATE renewal SET look_at = 0")
    assert large.run("renew").out == NOT_DUE
    after = commits(large)
    assert large.run("renew").out == NOT_DUE
    assert commits(large) == after


def test_a_paused_certificate_is_not_counted(large):
    change(large, "UPDATE certificate SET paused = 1 WHERE id <= 100")
    assert f"{FILLED - 100} certificates: 0 renewed, {FILLED - 100} not due" in \
        large.run("renew").out
    assert len(large.ask("renew")["certificates"]) == FILLED - 100


def test_all_of_them_are_told_of_in_the_order_of_their_names(large):
    told = large.certificates()
    assert [c["name"] for c in told] == [f"host{i:06}.filled.example"
                                         for i in range(1, FILLED + 1)]
    assert {c["state"] for c in told} == {"valid"}
    assert large.run("status").out.count("\n") == FILLED + 1
    assert f"{FILLED} certificates" in large.run("check").out
    page = large.run("metrics").out
    assert page.count("everleaf_certificate_not_after_seconds{") == FILLED


def test_damage_of_a_large_store_is_said_before_anything_is_done(large):
    change(large, "DELETE FROM account")
    before = (large.state / "everleaf.db").read_bytes()
    assert large.run("status").out.count("valid") >= FILLED  # it tells, and does nothing
    assert large.run("renew").out == NOT_DUE
    assert "1 not due" in large.run("renew", "host000001.filled.example").out
    for words in (["renew", "--force"], ["renew", "--force", "host000001.filled.example"],
                  ["store", "check"], ["deploy", "host000001.filled.example"], ["pause", "host000001.filled.example"],
                  ["run"]):
        assert DAMAGED in large.run(*words, expect=1).err
    change(large, "UPDATE renewal SET look_at = 0 WHERE certificate_id = 1")
    assert DAMAGED in large.run("renew", expect=1).err
    change(large, "UPDATE renewal SET look_at = 9999999999 WHERE certificate_id = 1")
    assert DAMAGED in large.run("renew", expect=1).err, "a time of a wrong clock is due"
    assert len(before) == (large.state / "everleaf.db").stat().st_size


def test_a_version_that_is_not_what_was_issued_is_not_shown_from_a_large_store(large):
    change(large, "UPDATE version SET chain = 'x' WHERE certificate_id = 7")
    assert large.certificate("host000007.filled.example")["state"] == "valid"
    for words in (["show"], ["deploy"], ["renew", "--force"]):
        result = large.run(*words, "host000007.filled.example", expect=1)
        assert "it is not what was issued" in result.err, str(result)
    assert "it is not what was issued" in large.run("store", "check", expect=1).out


def test_the_daemon_of_many_is_quiet_and_ends_well(large):
    before = (large.state / "everleaf.db").read_bytes()
    daemon = large.start("run")
    lab.wait_until("it runs", lambda: "running on" in daemon.text())
    live = lab.wait_until("it has looked", lambda: large.ask("status", "--live")["live"])
    assert (live["orders"], live["under_way"], live["ca_requests"]) == (0, [], 0)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(20) == 0
    assert (large.state / "everleaf.db").read_bytes() == before


def test_a_hundred_that_are_due_at_once_cost_seven_requests_each_and_share_the_rest(
        everleaf, pebble, names):
    first, *others = names(101)
    everleaf.obtain(first)
    everleaf.copy_certificate(first, others)
    before, seen = commits(everleaf), pebble.watch()
    everleaf.run("renew")
    requests = [r for r in seen.requests() if "renewalInfo" not in r]
    assert len(seen.issued()) == len(seen.orders()) == 100
    assert len(requests) <= 720, requests
    assert seen.connections() <= 4
    assert commits(everleaf) - before <= 200
    told = everleaf.certificates()
    assert {c["state"] for c in told} == {"valid"}
    assert len({c["serial"] for c in told}) == 101
