# SPDX-License-Identifier: MIT
#
# Deploying: the layout of --deploy-files, hooks and their retries, a real TLS server that is
# restarted by a hook, and the proof by handshake.

import contextlib
import os
import re
import socket
import ssl
import stat
import threading

import pytest

import lab
import runner
import servers

FILES = ["privkey.pem", "cert.pem", "chain.pem", "fullchain.pem"]


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "tls"


def test_deployed_files_are_links_through_live_to_a_generation(everleaf, folder, name):
    everleaf.obtain(name, options=["--deploy-files", folder])
    assert folder.is_dir() and not folder.is_symlink()
    for file in FILES:
        assert os.readlink(folder / file) == f".live/{file}"
        assert not (folder / ".live" / file).is_symlink()
        assert mode(folder / file) == (0o600 if file == "privkey.pem" else 0o644)
    assert re.fullmatch(r"\.gen/\d+/?", os.readlink(folder / ".live"))
    assert runner.Files(folder).check().leaf.serial_number == everleaf.serial(name)


def test_a_renewal_switches_live_to_a_new_generation(everleaf, folder, name):
    everleaf.obtain(name, options=["--deploy-files", folder])
    first = os.readlink(folder / ".live")
    old = os.open(folder / ".live", os.O_PATH | os.O_DIRECTORY)
    everleaf.run("renew", "--force", name)
    second = os.readlink(folder / ".live")
    numbers = [int(re.search(r"\d+", link).group()) for link in (first, second)]
    assert numbers[0] < numbers[1]
    assert runner.Files(folder).check().leaf.serial_number == everleaf.serial(name)
    # Who opened .live before the switch still reads the pair of then.
    runner.Files(f"/proc/self/fd/{old}").check()
    os.close(old)
    assert [p for p in (folder / ".gen").iterdir() if not p.name.isdigit()] == []


def test_the_mode_that_was_asked_for_is_the_keys(everleaf, folder, name):
    everleaf.obtain(name, options=["--deploy-files", folder, "--deploy-mode", "0640"])
    assert mode(folder / "privkey.pem") == 0o640


def test_files_of_the_operators_own_are_not_overwritten(everleaf, folder, name):
    folder.mkdir()
    (folder / "privkey.pem").write_text("mine")
    failed = everleaf.obtain(name, options=["--deploy-files", folder], expect=1)
    assert str(folder) in failed.err and "privkey.pem" in failed.err
    assert (folder / "privkey.pem").read_text() == "mine"


def test_a_hook_gets_its_arguments_and_a_clean_documented_environment(
        everleaf, folder, journal, names):
    wanted = names(2)
    hook = journal.hook("deploy")
    everleaf.obtain(*wanted, options=["--name", "site", "--deploy-files", folder, "--deploy-hook",
                                      f"{hook} restart 'two words' \"$(id)\" '$HOME;'"])
    assert journal.ran() == ["deploy"]
    assert journal.arguments("deploy") == ["restart", "two words", "$(id)", "$HOME;"]
    environment = journal.environment("deploy")
    status = everleaf.certificate("site")
    assert environment["EVERLEAF_CERTIFICATE"] == "site"
    assert sorted(environment["EVERLEAF_NAMES"].split()) == sorted(wanted)
    assert environment["EVERLEAF_SERIAL"] == status["serial"]
    assert environment["EVERLEAF_NOT_BEFORE"] == status["not_before"]
    assert environment["EVERLEAF_NOT_AFTER"] == status["not_after"]
    assert environment["EVERLEAF_VERSION"].isdigit()
    assert environment["EVERLEAF_DIRECTORY"] == str(folder)
    assert environment["RENEWED_LINEAGE"] == str(folder)
    assert sorted(environment["RENEWED_DOMAINS"].split()) == sorted(wanted)
    assert "OPERATORS_SECRET" not in environment
    assert not any("PRIVATE KEY" in value for value in environment.values())


def test_several_hooks_run_in_their_order_on_first_issue_and_on_renewal(everleaf, journal, name):
    options = [word for hook in ("one", "two", "three")
               for word in ("--deploy-hook", journal.hook(hook))]
    everleaf.obtain(name, options=options)
    assert journal.ran() == ["one", "two", "three"]
    everleaf.run("renew", "--force", name)
    assert journal.ran() == ["one", "two", "three"] * 2


@pytest.fixture
def failing(journal, tmp_path):
    """A hook that fails with a reason until the file `mended` is there."""
    mended = tmp_path / "mended"
    hook = journal.hook("deploy", f"[ -e '{mended}' ] || {{ echo the disk is on fire >&2; "
                                  "exit 7; }")
    return hook, mended


def test_a_failing_hook_fails_the_command_keeps_the_certificate_and_is_run_again_by_deploy(
        everleaf, pebble, journal, failing, name):
    hook, mended = failing
    seen = pebble.watch()
    failed = everleaf.obtain(name, options=["--deploy-hook", hook], expect=1)
    assert "the disk is on fire" in failed.err
    assert everleaf.export(name).check().names() == {name}
    assert everleaf.certificate(name)["last_error"]
    assert "the disk is on fire" in everleaf.run("history", name).out
    everleaf.run("deploy", name, expect=1)
    mended.touch()
    everleaf.run("deploy", name)
    assert len(journal.ran()) == 3
    assert len(seen.issued()) == 1
    assert everleaf.certificate(name)["state"] == "valid"


def test_a_failed_hook_is_run_again_by_the_next_obtain_which_issues_nothing(
        everleaf, pebble, journal, failing, name):
    hook, mended = failing
    everleaf.obtain(name, options=["--deploy-hook", hook], expect=1)
    seen = pebble.watch()
    mended.touch()
    everleaf.obtain(name, options=["--deploy-hook", hook])
    assert journal.ran() == ["deploy", "deploy"]
    assert seen.issued() == []
    everleaf.obtain(name, options=["--deploy-hook", hook, "--exit-code"], expect=3)
    assert journal.ran() == ["deploy", "deploy"]


def test_a_hook_that_others_could_have_written_is_refused(everleaf, journal, name):
    hook = journal.hook("deploy")
    os.chmod(hook, 0o777)
    failed = everleaf.obtain(name, options=["--deploy-hook", hook], expect=(1, 2))
    assert str(hook) in failed.err
    assert journal.ran() == []


def test_a_hook_that_leaves_a_child_behind_does_not_hold_the_command_up(
        everleaf, journal, tmp_path, name):
    hook = journal.hook("deploy", f"setsid sleep 300 & echo $! >'{tmp_path}/pid'")
    try:
        everleaf.obtain(name, options=["--deploy-hook", hook], timeout=50)
    finally:
        for pid in (tmp_path / "pid").read_text().split():
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                assert b"sleep" in f.read(), "a server that a hook started lives on"
            os.kill(int(pid), 9)


def wait_for_served(server, serial):
    lab.wait_until(f"nginx serves {serial:X}", lambda: servers.served_serial(server.port) == serial)


@pytest.mark.parametrize("action", ["restart", "reload"])
def test_a_hook_restarts_a_real_server_which_serves_the_certificate_before_and_after_a_renewal(
        everleaf, folder, nginx, name, action):
    server = nginx(folder)
    everleaf.obtain(name, options=["--deploy-files", folder,
                                   "--deploy-hook", f"{server.hook} {action}"])
    first = everleaf.serial(name)
    wait_for_served(server, first)
    everleaf.run("renew", "--force", name)
    second = everleaf.serial(name)
    assert first != second
    wait_for_served(server, second)


def test_the_proof_has_seen_the_new_certificate_served_when_the_command_ends(
        everleaf, folder, nginx, name):
    server = nginx(folder)
    everleaf.obtain(name, options=["--deploy-files", folder,
                                   "--deploy-hook", f"{server.hook} reload",
                                   "--prove", f"127.0.0.1:{server.port}"])
    assert servers.served_serial(server.port) == everleaf.serial(name)
    everleaf.run("renew", "--force", name)
    assert servers.served_serial(server.port) == everleaf.serial(name)


@pytest.mark.slow
def test_a_server_that_goes_on_with_the_old_certificate_fails_the_proof(
        everleaf, folder, nginx, journal, tmp_path, name):
    server = nginx(folder)
    stuck = tmp_path / "stuck"
    hook = journal.hook("deploy", f"[ -e '{stuck}' ] || exec '{server.hook}' restart")
    everleaf.obtain(name, options=["--deploy-files", folder, "--deploy-hook", hook,
                                   "--prove", f"127.0.0.1:{server.port}"])
    first = everleaf.serial(name)
    stuck.touch()
    failed = everleaf.run("renew", "--force", name, expect=1, timeout=180)
    assert str(server.port) in failed.err
    assert servers.served_serial(server.port) == first
    stuck.unlink()
    everleaf.run("deploy", name)
    assert servers.served_serial(server.port) == everleaf.serial(name) != first


class TwoProcesses:
    """A TLS server in the middle of a reload: its connections are answered by the new process and
    the old one, as `turns` says ("new", "old"), and by the new one from then on."""

    def __init__(self, folder, old, turns):
        self.folder, self.old, self.turns = folder, old, list(turns)
        self.answered = []
        self._listener = socket.create_server(("127.0.0.1", lab.free_port()))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            who = self.turns.pop(0) if self.turns else "new"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if who == "new":
                context.load_cert_chain(self.folder / "fullchain.pem", self.folder / "privkey.pem")
            else:
                context.load_cert_chain(self.old.certificate, self.old.key)
            self.answered.append(who)
            with contextlib.suppress(OSError):
                connection.settimeout(5)
                context.wrap_socket(connection, server_side=True).close()

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


def test_one_handshake_is_no_proof_while_the_old_process_still_answers(
        everleaf, folder, server_ca, name):
    server = TwoProcesses(folder, server_ca, ["old", "new", "old"])
    try:
        everleaf.obtain(name, options=["--deploy-files", folder,
                                       "--prove", f"127.0.0.1:{server.port}"])
    finally:
        server.stop()
    assert server.answered == ["old", "new", "old", "new", "new"]


def test_deploy_without_a_pending_deployment_runs_the_hook_again(everleaf, journal, name):
    everleaf.obtain(name, options=["--deploy-hook", journal.hook("deploy")])
    everleaf.run("deploy", name)
    assert journal.ran() == ["deploy", "deploy"]


def test_export_writes_the_four_files_into_a_directory_of_ones_own(everleaf, tmp_path, name):
    everleaf.obtain(name)
    out = tmp_path / "out"
    everleaf.run("export", name, "--out", out)
    assert sorted(p.name for p in out.iterdir()) == sorted(FILES)
    assert mode(out / "privkey.pem") == 0o600
    first = runner.Files(out).check().leaf.serial_number
    everleaf.run("renew", "--force", name)
    everleaf.run("export", name, "--out", out)
    assert runner.Files(out).check().leaf.serial_number == everleaf.serial(name) != first
