# SPDX-License-Identifier: MIT
#
# `everleaf run` beside commands.

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

import lab


@pytest.fixture
def short_lived(pebbles):
    """Certificates of half a minute: a quarter of one after obtaining, renewing is due."""
    return pebbles(validity=30)


def test_a_certificate_obtained_by_a_command_is_renewed_by_the_daemon_and_its_hook_run(
        everleaf_at, short_lived, journal, name):
    everleaf = everleaf_at(short_lived)
    daemon = everleaf.start("run")
    seen = short_lived.watch()
    everleaf.obtain(name, options=["--deploy-hook", journal.hook("deploy")])
    first = journal.environment("deploy")["EVERLEAF_SERIAL"]
    assert len(seen.issued()) == 1
    # The daemon looks for work that others made once a minute.
    lab.wait_until("the daemon has run the hook for a new certificate", lambda: journal.environment(
        "deploy").get("EVERLEAF_SERIAL", first) not in (first, ""), 120)
    assert daemon.running(), daemon.text()
    assert len(journal.ran()) >= 2
    assert len(seen.issued()) >= 2
    assert seen.accounts() == 1
    assert len(everleaf.certificates()) == 1
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_the_daemon_ends_within_ten_seconds_of_a_signal(everleaf, name, number):
    everleaf.obtain(name)
    daemon = everleaf.start("-v", "run")
    owners = everleaf.state / "owners"
    lab.wait_until("the daemon has opened the store", lambda: any(owners.iterdir()))
    lab.wait_until("the daemon heeds the signal", lambda: daemon.heeds(number))
    daemon.signal(number)
    assert daemon.wait(10) == 0, daemon.text()
    assert list(owners.iterdir()) == [], "its owner file is gone with it"


def test_the_daemon_ends_within_ten_seconds_while_the_ca_does_not_answer(
        everleaf_at, new_pebble, name):
    pebble = new_pebble(validity=20)
    try:
        everleaf = everleaf_at(pebble)
        everleaf.obtain(name)
        pebble.running.signal(signal.SIGSTOP)
        daemon = everleaf.start("run")
        connections = pebble.proxy.connections
        lab.wait_until("the daemon asks the CA", lambda: pebble.proxy.connections > connections, 60)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(10) == 0, daemon.text()
    finally:
        pebble.running.signal(signal.SIGCONT)
        pebble.stop()


def test_commands_work_beside_the_daemon_and_issue_each_certificate_once(
        everleaf, pebble, journal, names):
    daemon = everleaf.start("run")
    seen = pebble.watch()
    wanted = names(4)
    for name in wanted:
        everleaf.obtain(name, options=["--deploy-hook", journal.hook("deploy")])
    everleaf.run("renew", "--force", wanted[0])
    everleaf.run("delete", wanted[3])
    assert {c["name"] for c in everleaf.certificates()} == set(wanted[:3])
    assert len(seen.issued()) == 5
    assert len(journal.ran()) == 5
    assert daemon.running(), daemon.text()
    daemon.stop()
    assert daemon.process.returncode == 0, daemon.text()


def test_an_order_of_a_killed_command_is_finished_by_the_daemon(
        everleaf, pebble, journal, tmp_path, name):
    """The command is killed while its pre-hook runs: the certificate is wanted, nothing came."""
    waiting = tmp_path / "waiting"
    hook = journal.hook("pre", f"if [ ! -e '{waiting}' ]; then touch '{waiting}'; sleep 60; fi")
    seen = pebble.watch()
    victim = everleaf.start("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone(),
                            "--pre-hook", hook)
    lab.wait_until("the pre-hook runs", waiting.exists)
    victim.process.kill()
    victim.process.wait()
    daemon = everleaf.start("run")
    lab.wait_until("the daemon has obtained it", lambda: len(seen.issued()) == 1, 90)
    lab.wait_until("it is valid", lambda: everleaf.certificate(name)["state"] == "valid")
    assert len(seen.orders()) <= 2
    daemon.stop()


class Manager:
    """A service manager's notify socket, and what was said to it."""

    def __init__(self, folder):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.setblocking(False)
        self.said = []

    def heard(self, beginning):
        try:
            while True:
                self.said += self.socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            pass
        return any(line.startswith(beginning) for line in self.said)


@pytest.fixture
def manager(tmp_path):
    manager = Manager(tmp_path)
    yield manager
    manager.socket.close()


def started(everleaf, *arguments, env=None):
    daemon = everleaf.start(*arguments, "run", env=env)
    lab.wait_until("the daemon answers", lambda: everleaf.run(
        "status", "--live", expect=None).rc == 0 or not daemon.running())
    assert daemon.running(), daemon.text()
    return daemon


def test_a_service_manager_is_told_of_start_reload_life_and_end(everleaf, manager):
    env = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "200000"}
    daemon = everleaf.start("run", env=env)
    for said in ("READY=1", "STATUS=no order under way", "WATCHDOG=1"):
        lab.wait_until(f"it said {said}", lambda said=said: manager.heard(said))
    assert manager.said[0] == "READY=1", "nothing is said before"
    daemon.signal(signal.SIGHUP)
    lab.wait_until("it said that it reloads", lambda: manager.heard("MONOTONIC_USEC="))
    lab.wait_until("it was ready again", lambda: manager.heard("") and
                   manager.said.count("READY=1") == 2)
    assert manager.said.index("RELOADING=1") < len(manager.said) - 1
    assert not manager.heard("STOPPING=1")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()
    assert manager.heard("STOPPING=1")


def test_the_daemon_says_what_it_does_and_reloads_when_asked(everleaf, name):
    assert "no daemon" in everleaf.run("status", "--live", expect=1).err
    assert "no daemon" in everleaf.run("reload", expect=1).err
    daemon = started(everleaf)
    live = everleaf.ask("status", "--live")["live"]
    assert live["pid"] == daemon.pid
    assert live["state"] == str(everleaf.state)
    assert live["under_way"] == [] and live["last_error"] is None
    assert f"pid {daemon.pid}" in everleaf.run("status", "--live").out
    assert everleaf.run("reload").out == "reloaded\n"
    everleaf.obtain(name)
    assert daemon.running(), daemon.text()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()
    assert not (everleaf.state / "control").exists()


def test_what_is_under_way_is_told_and_ended_in_order(everleaf, pebble, journal, tmp_path, name):
    """The daemon takes an order over, stands in its pre-hook, and is told to stop: it waits for
    the hook, begins nothing more, and what is left is one order that the next one finishes."""
    going, wait = tmp_path / "going", tmp_path / "wait"
    hook = journal.hook("pre", f"touch '{going}'; while [ -e '{wait}' ]; do sleep 0.05; done")
    wait.touch()
    seen = pebble.watch()
    victim = everleaf.start("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone(),
                            "--pre-hook", hook)
    lab.wait_until("the pre-hook runs", going.exists)
    victim.process.kill()
    victim.process.wait()
    going.unlink()
    daemon = started(everleaf)
    lab.wait_until("the daemon is in the pre-hook", going.exists)
    steps = everleaf.ask("status", "--live")["live"]["under_way"]
    assert [(s["machine"], s["certificate"]) for s in steps] == [("order", name)], steps
    daemon.signal(signal.SIGTERM)
    lab.wait_until("it stops", lambda: "stopping" in daemon.text())
    assert daemon.running(), "it waits for the hook"
    wait.unlink()
    assert daemon.wait(10) == 0, daemon.text()
    assert len(seen.issued()) == 0
    everleaf.run("renew", name)
    assert everleaf.certificate(name)["state"] == "valid"
    assert len(seen.issued()) == 1 and len(seen.orders()) <= 2


def test_a_term_at_any_moment_leaves_one_order_that_goes_on(
        everleaf_at, pebble, chance, names, rounds):
    for name in names(rounds(4, 40)):
        everleaf = everleaf_at(pebble)
        seen = pebble.watch()
        victim = everleaf.start("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone())
        lab.wait_until("the store is there", (everleaf.state / "everleaf.db").exists)
        time.sleep(chance.random() * 0.2)
        victim.process.kill()
        victim.process.wait()
        for _ in range(5):
            daemon = everleaf.start("run")
            lab.wait_until("the daemon heeds the signal", lambda d=daemon: d.heeds(signal.SIGTERM))
            time.sleep(chance.random() * 0.2)
            daemon.signal(signal.SIGTERM)
            assert daemon.wait(15) == 0, daemon.text()
        everleaf.obtain(name)
        assert len(seen.issued()) == 1
        kinds = [e["kind"] for e in everleaf.ask("history")["events"]]
        assert "failed" not in kinds, kinds


def test_a_second_daemon_runs_without_a_control_socket_and_says_so(everleaf):
    first = started(everleaf)
    second = everleaf.start("run")
    lab.wait_until("it says so", lambda: "without a control socket" in second.text())
    second.signal(signal.SIGTERM)
    assert second.wait(10) == 0, second.text()
    assert everleaf.ask("status", "--live")["live"]["pid"] == first.pid


def test_a_socket_of_a_killed_daemon_is_replaced(everleaf):
    first = started(everleaf)
    first.process.kill()
    first.process.wait()
    assert (everleaf.state / "control").exists()
    second = started(everleaf)
    assert everleaf.ask("status", "--live")["live"]["pid"] == second.pid


def test_the_daemon_answers_on_sockets_that_it_is_given(everleaf_at, pebbles, journal, name):
    """As a service manager does: descriptors 3 and 4, bound before the daemon lives. Nobody else
    can bind the port, so the validation went over the one it was given."""
    pebble = pebbles(validity=30)
    everleaf = everleaf_at(pebble)
    everleaf.obtain(name)
    control = everleaf.state / "passed"
    with socket.socket() as http, socket.socket(socket.AF_UNIX) as local:
        http.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        http.bind(("0.0.0.0", int(pebble.http_port)))
        http.listen(16)
        local.bind(str(control))
        local.listen(16)
        script = ("import os, sys; a, b = map(int, sys.argv[1:3]); "
                  "os.dup2(a, 13); os.dup2(b, 14); os.dup2(13, 3); os.dup2(14, 4); "
                  "os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[3], sys.argv[3:])")
        seen = pebble.watch()
        daemon = subprocess.Popen(
            [sys.executable, "-c", script, str(http.fileno()), str(local.fileno()),
             *everleaf.argv("run")],
            pass_fds=[http.fileno(), local.fileno()],
            env={"PATH": "/usr/bin:/bin", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:control"})
        try:
            lab.wait_until("it answers on the socket it was given", lambda: everleaf.run(
                "--control", control, "status", "--live", expect=None).rc == 0)
            lab.wait_until("it renewed", lambda: len(seen.issued()) >= 1, 60)
            link = everleaf.state / "control"
            assert os.readlink(link) == str(control)
            assert everleaf.ask("status", "--live")["live"]["pid"] == daemon.pid
        finally:
            daemon.terminate()
            assert daemon.wait(15) == 0
        assert not os.path.lexists(link) and control.exists()


def test_log_lines_have_fields_or_priorities(everleaf, pebble, tmp_path, name):
    done = everleaf.run("--log-format", "json", "-v", "obtain", "-d", name, *everleaf.ca(),
                        *everleaf.standalone())
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert all({"time", "level", "msg"} <= set(line) for line in lines)
    assert any(line.get("certificate") == name and "order" in line for line in lines)
    done = everleaf.run("-v", "renew", "--force", name, env={"EVERLEAF_LOG_FORMAT": "kv"})
    assert all(line.startswith("level=") for line in done.err.splitlines()), done
    assert f" certificate={name} order=" in done.err
    with open(tmp_path / "journal", "wb") as out:
        st = os.fstat(out.fileno())
        subprocess.run(everleaf.argv("show", "nothing"), stderr=out, check=False, env={
            "PATH": "/usr/bin:/bin", "JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"})
    assert (tmp_path / "journal").read_text().startswith("<3>there is no certificate")
    assert "--log-format" in everleaf.run("--log-format", "xml", "status", expect=2).err


@pytest.mark.parametrize("form", ["text", "kv", "json"])
def test_what_a_hostile_ca_says_stays_in_its_line(everleaf_at, mock_ca, name, form):
    everleaf = everleaf_at(mock_ca)
    detail = 'no\nlevel=error msg="canary-forged"\r\x1b[31m"}\n<0>canary-forged \u202e'
    mock_ca.fault(kind="new-order", times=-1, act="replace", status=400,
                  content_type="application/problem+json",
                  body=json.dumps({"type": "urn:ietf:params:acme:error:malformed",
                                   "detail": detail}))
    done = everleaf.obtain(name, options=["--log-format", form], expect=1)
    lines = done.err.splitlines()
    assert any("canary-forged" in line for line in lines), done
    assert not any(c in done.err for c in "\r\x1b\u202e")
    beginning = {"text": "everleaf: ", "kv": "level=", "json": "{"}[form]
    assert all(line.startswith(beginning) for line in lines), done
    if form == "kv":
        assert not any(line.startswith('level=error msg="canary') for line in lines)
    if form == "json":
        assert all(set(json.loads(line)) >= {"time", "level", "msg"} for line in lines)
