# SPDX-License-Identifier: MIT
#
# test_held.py - another program holds the store, as a backup with sqlite3 or a stopped process
# does; or the store's files are replaced under the daemon. Nobody waits in silence, and nothing is
# written where nobody will read it.

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

import lab

MANUAL = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "man" / "everleaf-service.7"

HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
db.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def everleaf(everleaf_at, mock_ca):
    return everleaf_at(mock_ca)


@contextlib.contextmanager
def held(everleaf, file="everleaf.db"):
    """Another program has the store; its process."""
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(everleaf.state / file)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"held\n"
        yield child
    finally:
        child.stdin.close()
        child.wait()


def live(everleaf):
    result = everleaf.run("status", "--live", "--json", expect=None)
    return result.json["live"] if result.rc == 0 else None


def started(everleaf, *arguments):
    daemon = everleaf.start("run", *arguments)
    lab.wait_until("the daemon answers", lambda: live(everleaf) or not daemon.running())
    assert daemon.running(), daemon.text()
    return daemon


@pytest.mark.parametrize("file", ["everleaf.db", "keys.db"])
def test_every_command_says_who_holds_the_store_and_exits_with_75(everleaf, name, tmp_path, file):
    everleaf.obtain(name)
    commands = [["status"], ["show", name], ["why", name], ["history"], ["plan"], ["metrics"],
                ["renew"], ["renew", "--force", name], ["deploy", name], ["pause", name],
                ["export", name, "--out", tmp_path / "out"], ["account", "show"],
                ["store", "check"], ["store", "backup", tmp_path / "copy"], ["run"],
                ["obtain", "-d", "b." + name, *everleaf.ca(), *everleaf.standalone()]]
    with held(everleaf, file) as holder:
        running = [everleaf.start(*words) for words in commands]
        for program in running:
            assert program.wait(60) == 75, program.text()
            said = program.text()
            assert "everleaf: waiting for python" in said, said
            assert f"(pid {holder.pid}), which holds the store {everleaf.state}" in said, said
            assert re.search(rf"the store {everleaf.state} is held by python\S* \(pid {holder.pid}\)"
                             ": look at what that does, or end it, and try again", said), said
        assert everleaf.run("check", expect=3).out.startswith("EVERLEAF UNKNOWN - the store ")
    assert everleaf.certificate(name)["state"] == "valid"


def test_the_daemon_answers_reloads_later_and_ends_in_time_while_the_store_is_held(
        everleaf, name):
    everleaf.obtain(name)
    daemon = started(everleaf)
    with held(everleaf) as holder:
        everleaf.run("reload", expect=75)
        told = lab.wait_until("it says who holds the store",
                              lambda: live(everleaf)["store_held_by"] and live(everleaf), 90)
        assert f"(pid {holder.pid})" in told["store_held_by"]
        assert told["store_held_since"]
        page = everleaf.run("status", "--live").out
        assert re.search(rf"^held +the store, by .*\(pid {holder.pid}\) since ", page, re.M), page
    lab.wait_until("it has read everything again", lambda: "everleaf: reloaded\n" in daemon.text())
    lab.wait_until("nobody holds it", lambda: live(everleaf)["store_held_by"] is None)
    with held(everleaf):
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(10) == 0, daemon.text()


def test_an_order_under_way_goes_on_when_the_store_is_let_go(everleaf, mock_ca):
    mock_ca.config(validate_ms=3000)
    everleaf.obtain("first.everleaf.test")
    program = everleaf.start("obtain", "-d", "second.everleaf.test", *everleaf.ca(),
                             *everleaf.standalone())
    lab.wait_until("the CA validates", lambda: "waiting for the CA" in program.text())
    with held(everleaf):
        lab.wait_until("it says who holds the store", lambda: "holds the store" in program.text())
    assert program.wait(60) == 0, program.text()
    assert mock_ca.counts()["orders"] == 2
    assert "has let go of the store" in program.text()


REPLACEMENTS = [
    ("rows", "cp -p everleaf.db new && mv new everleaf.db"),
    ("keys", "cp -p keys.db new && mv new keys.db"),
    ("folder", "cd .. && cp -rp state new && rm -f new/owners/* new/control && mv state old && "
     "mv new state"),
]


@pytest.mark.parametrize("how", [r[1] for r in REPLACEMENTS], ids=[r[0] for r in REPLACEMENTS])
def test_a_daemon_ends_with_a_sentence_when_its_store_is_replaced(everleaf, name, how):
    everleaf.obtain(name)
    daemon = started(everleaf)
    subprocess.run(["sh", "-ec", how], cwd=everleaf.state, check=True)
    assert daemon.wait(90) == 75, daemon.text()
    assert re.search(r"was replaced, moved or removed while everleaf had it open: nothing more is "
                     r"written; start everleaf again", daemon.text()), daemon.text()
    again = started(everleaf)
    assert everleaf.certificate(name)["state"] == "valid"
    again.stop()


def literal_blocks(title):
    """The examples of a section of everleaf-service(7), as shell would get them."""
    text = MANUAL.read_text().split(f".Sh {title}\n")[1].split("\n.Sh ")[0]
    return re.findall(r"\.Bd -literal -offset indent\n(.*?)\.Ed", text, re.S)


def test_the_manual_says_how_to_copy_and_to_restore(everleaf, name, tmp_path):
    """Its very lines, with our folder and user in the place of the service's."""
    here, backups = everleaf.state, tmp_path / "backups"
    backups.mkdir(mode=0o700)

    def run(block):
        lines = [line for line in block.splitlines() if not line.startswith("systemctl ")]
        script = "\n".join(lines).replace("\\e", "\\").replace("/var/lib/everleaf", str(here))
        script = script.replace("/var/backups/everleaf", str(backups))
        script = script.replace("-o everleaf -g everleaf", f"-o {os.getuid()} -g {os.getgid()}")
        script = script.replace("runuser -u everleaf -- everleaf", str(everleaf.program))
        subprocess.run(["sh", "-ec", script], check=True)

    copy, restore = literal_blocks("BACKUP")
    everleaf.obtain(name)
    serial = everleaf.serial(name)
    daemon = started(everleaf)
    run(copy)
    everleaf.run("delete", name)
    daemon.stop()
    run(restore)
    daemon = started(everleaf)
    assert everleaf.serial(name) == serial
    everleaf.run("store", "check")
    everleaf.run("renew", "--force", name)
    assert everleaf.serial(name) != serial
    daemon.stop()
