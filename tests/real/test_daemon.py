# SPDX-License-Identifier: MIT
#
# `everleaf run` beside commands.

import signal

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
