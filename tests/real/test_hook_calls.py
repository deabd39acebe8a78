# SPDX-License-Identifier: MIT
#
# Programs of the operator's that turn on everleaf: that call it for the certificate they are run
# for, or that end it.

import contextlib
import pathlib
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess

import pytest

import lab

STARTS = 4


class Calls:
    """A hook that calls everleaf once, and what it was answered."""

    def __init__(self, everleaf, folder, journal):
        self.everleaf, self.folder, self.journal = everleaf, folder, journal

    def hook(self, *arguments, before="", name="call"):
        line = " ".join(shlex.quote(a) for a in self.everleaf.argv(*arguments))
        return self.journal.hook(name, f"[ -e '{self.folder}/{name}.rc' ] && exit 0\n"
                                       f": >'{self.folder}/{name}.rc'\n"
                                       f"timeout 30 {before} {line} >'{self.folder}/{name}.out' 2>&1\n"
                                       f"echo $? >'{self.folder}/{name}.rc'")

    def answer(self, name="call"):
        return (int((self.folder / f"{name}.rc").read_text()),
                (self.folder / f"{name}.out").read_text())

    def assert_told(self, name="call"):
        rc, text = self.answer(name)
        assert rc == 75, text
        assert "would wait for itself" in text and "everleaf-hooks(7)" in text


@pytest.fixture
def calls(everleaf, tmp_path, journal):
    return Calls(everleaf, tmp_path, journal)


def change(everleaf, statement):
    with contextlib.closing(sqlite3.connect(everleaf.state / "everleaf.db", timeout=30)) as db, db:
        db.execute(statement)


def rows(everleaf, query):
    with contextlib.closing(sqlite3.connect(everleaf.state / "everleaf.db", timeout=30)) as db:
        return db.execute(query).fetchall()


# -- who calls us --------------------------------------------------------------------------------

@pytest.mark.parametrize("verb", [
    ["renew"], ["renew", "--force"], ["renew", "--force", "--server", "https://127.0.0.1:1/dir"],
    ["deploy"], ["delete"], ["reconfigure", "--key-type", "rsa-2048"]],
    ids=lambda v: " ".join(v[:2]))
def test_a_deploy_hook_that_calls_for_its_own_certificate_is_told_at_once(
        everleaf, pebble, calls, name, verb):
    seen = pebble.watch()
    everleaf.obtain(name, options=["--deploy-hook", calls.hook(*verb, name)], timeout=25)
    calls.assert_told()
    assert len(seen.issued()) == 1
    assert rows(everleaf, "SELECT removed_at, wish LIKE '%rsa%' FROM certificate") == [(0, 0)]


def test_a_hook_that_obtains_its_own_names_is_told_at_once(everleaf, pebble, calls, name):
    seen = pebble.watch()
    hook = calls.hook("obtain", "-d", name, "--force", *everleaf.ca(), *everleaf.standalone())
    everleaf.obtain(name, options=["--deploy-hook", hook], timeout=25)
    calls.assert_told()
    assert len(seen.issued()) == 1


@pytest.mark.parametrize("before", ["env -i", "setsid -w", "sh -c 'exec \"$@\"; :' sh",
                                    "env -u EVERLEAF_HOOK setsid -w env -i"])
def test_a_cleaned_environment_or_another_session_hides_no_caller(everleaf, calls, name, before):
    everleaf.obtain(name, options=["--deploy-hook", calls.hook("renew", name, before=before)],
                    timeout=25)
    calls.assert_told()


@pytest.mark.parametrize("option", ["--pre-hook", "--post-hook"])
def test_hooks_around_an_order_are_told_at_once(everleaf, calls, name, option):
    everleaf.obtain(name, options=["--pre-hook", "/bin/true", option, calls.hook("renew", name)],
                    timeout=25)
    calls.assert_told()


def test_a_solver_is_told_at_once(everleaf, calls, name, tmp_path):
    everleaf.obtain(name, method=["--solver-exec", calls.hook("deploy", name)], expect=None,
                    timeout=60)
    rc, text = calls.answer()
    assert (rc, "no certificate yet" in text) == (1, True)  # a reason that comes before
    (tmp_path / "call.rc").unlink()
    everleaf.run("reconfigure", name, "--solver-exec", calls.hook("renew", name))
    everleaf.run("renew", name, expect=None, timeout=60)
    calls.assert_told()


def test_a_hook_may_look_and_call_for_other_certificates(everleaf, calls, names):
    one, other = names(2)
    everleaf.obtain(other)
    serial = everleaf.serial(other)
    hooks = [calls.hook(*words, name=words[0]) for words in
             [["renew", "--force", other], ["status"], ["show", one], ["why", one],
              ["history", one], ["plan"], ["check"], ["pause", one]]]
    everleaf.obtain(one, options=[w for hook in hooks for w in ("--deploy-hook", hook)])
    for hook in hooks:
        rc, text = calls.answer(pathlib.Path(hook).name)
        assert rc == 0, text
    assert everleaf.serial(other) != serial
    assert rows(everleaf, f"SELECT paused FROM certificate WHERE name = '{one}'") == [(1,)]


def test_a_hook_that_renews_everything_is_told_that_its_own_is_left_out(everleaf, calls, names):
    one, other = names(2)
    everleaf.obtain(other)
    serial = everleaf.serial(other)
    everleaf.obtain(one, options=["--deploy-hook", calls.hook("renew", "--force")], timeout=60)
    calls.assert_told()
    assert everleaf.serial(other) != serial
    assert one in calls.answer()[1]


def test_a_hook_of_a_hook_is_told_that_the_first_one_waits(everleaf, calls, names):
    one, other = names(2)
    everleaf.obtain(other, options=["--deploy-hook", calls.hook("status", name="inner")])
    (calls.folder / "inner.rc").unlink()
    calls.hook("renew", one, name="inner")
    everleaf.obtain(one, options=["--deploy-hook", calls.hook("renew", "--force", other,
                                                             name="outer")], timeout=60)
    assert calls.answer("outer")[0] == 0, calls.answer("outer")[1]
    calls.assert_told("inner")


@pytest.mark.parametrize("who", ["the command", "a daemon"])
def test_a_call_for_a_certificate_with_the_same_target_does_not_wait_for_it(
        everleaf, calls, names, who):
    """Both are deployed by the same command, and one of them at a time: the hook of the one would
    wait for that of the other, which waits for it."""
    one, other = names(2)
    hook = calls.hook("renew", "--force", other)
    (calls.folder / "call.rc").touch()
    for name in (one, other):
        everleaf.obtain(name, options=["--deploy-hook", hook])
    (calls.folder / "call.rc").unlink()
    if who == "a daemon":
        change(everleaf, "UPDATE deployment SET stage = 'due', ended_at = 0, raised = 0")
        daemon = everleaf.start("run")
        lab.wait_until("the hook was answered", lambda: (calls.folder / "call.rc").exists() and
                       (calls.folder / "call.rc").read_text().strip(), 60)
        daemon.stop()
    else:
        everleaf.run("deploy", one, timeout=60)
    rc, text = calls.answer()
    assert rc == 75 or (rc == 0 and who == "a daemon"), text
    everleaf.run("deploy", other)
    assert rows(everleaf, "SELECT count(*) FROM deployment WHERE ended_at = 0") == [(0,)]


def test_what_a_hook_leaves_behind_may_call_when_the_hook_is_over(everleaf, calls, name, tmp_path):
    go, rc = tmp_path / "go", tmp_path / "left.rc"
    line = " ".join(everleaf.argv("renew", "--force", name))
    hook = calls.journal.hook("leave", f"[ -e '{rc}' ] && exit 0; : >'{rc}'\n"
                              f"setsid sh -c 'until [ -e {go} ]; do sleep 0.1; done; {line}; "
                              f"echo $? >{rc}' >'{tmp_path}/left.out' 2>&1 &")
    everleaf.obtain(name, options=["--deploy-hook", hook])
    serial = everleaf.serial(name)
    go.touch()
    lab.wait_until("it has called", lambda: rc.read_text().strip() != "", 60)
    assert rc.read_text().strip() == "0", (tmp_path / "left.out").read_text()
    assert everleaf.serial(name) != serial


# -- who ends us ---------------------------------------------------------------------------------

class Ender:
    """A hook that ends the daemon and waits for its end, as `systemctl restart` does, as long as
    `armed` is there."""

    def __init__(self, everleaf, folder, journal, number):
        self.everleaf, self.folder, self.journal = everleaf, folder, journal
        self.armed, self.pid = folder / "armed", folder / "pid"
        self.path = journal.hook("ender", f"[ -e '{self.armed}' ] || exit 0\n"
                                          f"echo x >>'{folder}/ends'\n"
                                          f"kill -{number} \"$(cat '{self.pid}')\"\n"
                                          f"while kill -0 \"$(cat '{self.pid}')\"; do sleep 0.1; "
                                          "done 2>/dev/null; sleep 30")

    def ends(self):
        path = self.folder / "ends"
        return len(path.read_text().split()) if path.exists() else 0

    def start_again_and_again(self, *options):
        """As a service manager does. A daemon that is not ended by the hook is ended here, once it
        has looked at everything."""
        texts = []
        for _ in range(STARTS):
            before = self.ends()
            daemon = self.everleaf.start("-v", "run", *options)
            self.pid.write_text(str(daemon.pid))
            lab.wait_until("it works or rests", lambda: self.ends() > before or
                           not daemon.running() or self.rests(), 60)
            if self.ends() == before:
                daemon.signal(signal.SIGTERM)
            daemon.wait(30)
            texts.append(daemon.text())
        return "".join(texts)

    def rests(self):
        """Nothing is due, by the rows."""
        due = rows(self.everleaf,
                   "SELECT count(*) FROM (SELECT next_at, ended_at FROM deployment UNION ALL "
                   "SELECT next_at, ended_at FROM acme_order UNION ALL SELECT next_at, 0 FROM notice "
                   "WHERE failures < 4 AND attempts > 0) WHERE ended_at = 0 "
                   "AND next_at <= strftime('%s', 'now')")
        wanted = rows(self.everleaf,
                      "SELECT count(*) FROM renewal AS r JOIN certificate AS c "
                      "ON c.id = r.certificate_id WHERE c.live_version_id IS NULL "
                      "AND r.next_at <= strftime('%s', 'now') AND NOT EXISTS (SELECT 1 FROM "
                      "acme_order AS o WHERE o.certificate_id = c.id AND o.ended_at = 0)")
        return due == wanted == [(0,)] and any((self.everleaf.state / "owners").iterdir())


@pytest.fixture(params=["TERM", "KILL"])
def ender(everleaf, tmp_path, journal, request):
    return Ender(everleaf, tmp_path, journal, request.param)


def test_a_deploy_hook_that_restarts_the_daemon_runs_once_and_is_a_try(everleaf, ender, name):
    everleaf.obtain(name, options=["--deploy-hook", ender.path])
    change(everleaf, "UPDATE deployment SET stage = 'due', ended_at = 0, raised = 0")
    ender.armed.touch()
    text = ender.start_again_and_again()
    assert ender.ends() == 1, text
    assert re.search(r'everleaf ended while ".*ender" ran, 1 time in a row', text)
    assert "it must not wait for it" in everleaf.run("history", name).out
    assert everleaf.certificate(name)["last_error"]
    change(everleaf, "UPDATE target SET next_at = 0")  # its back-off is over
    change(everleaf, "UPDATE deployment SET next_at = 0")
    text = ender.start_again_and_again()
    assert ender.ends() == 2, text
    assert "2 times in a row" in text
    [(wait,)] = rows(everleaf, "SELECT next_at - strftime('%s', 'now') FROM target")
    assert wait > 300, "the waits grow"
    ender.armed.unlink()
    everleaf.run("deploy", name)
    assert rows(everleaf, "SELECT failures, begun FROM target") == [(0, 0)]


def test_certificates_that_share_a_target_end_the_daemon_once_together(everleaf, ender, names):
    wanted = names(3)
    for name in wanted:
        everleaf.obtain(name, options=["--deploy-hook", ender.path])
    change(everleaf, "UPDATE deployment SET stage = 'due', ended_at = 0, raised = 0")
    ender.armed.touch()
    text = ender.start_again_and_again()
    assert ender.ends() == 1, text


@pytest.mark.parametrize("option, ender", [("--solver-exec", "TERM"), ("--pre-hook", "KILL"),
                                           ("--post-hook", "TERM")], indirect=["ender"])
def test_a_program_of_an_order_that_restarts_the_daemon_ends_in_a_failure(
        everleaf, ender, name, option):
    everleaf.obtain(name, method=["--solver-exec", "/bin/false"], expect=1)
    method = [] if option == "--solver-exec" else everleaf.standalone()
    everleaf.run("reconfigure", name, "--pre-hook", "/bin/true", *method, option, ender.path)
    change(everleaf, "UPDATE renewal SET next_at = 0, look_at = 0, failures = 0")
    ender.armed.touch()
    text = ender.start_again_and_again()
    assert 1 <= ender.ends() <= 3, text
    assert "everleaf ended 3 times while it was at" in text
    ends = ender.ends()
    change(everleaf, "UPDATE acme_order SET next_at = 0")  # its back-off is over
    change(everleaf, "UPDATE renewal SET next_at = strftime('%s', 'now') + 9000")
    text = ender.start_again_and_again()
    if option == "--post-hook":  # the certificate is there, so its order ends without
        assert ender.ends() == ends, text
        assert rows(everleaf, "SELECT count(*) FROM acme_order WHERE ended_at = 0") == [(0,)], text
        assert "left" in everleaf.run("history", name).out
    else:
        [(wait,)] = rows(everleaf, "SELECT max(next_at) - strftime('%s', 'now') FROM acme_order")
        assert ender.ends() <= ends + 3 and wait > 300, text  # the waits grow


def test_a_notify_hook_that_restarts_the_daemon_is_not_run_at_each_start(everleaf, ender, name):
    everleaf.obtain(name, method=["--solver-exec", "/bin/false"], expect=None)
    change(everleaf, "UPDATE renewal SET failures = 3, next_at = strftime('%s', 'now') + 9000")
    ender.armed.touch()
    text = ender.start_again_and_again("--notify-hook", str(ender.path))
    assert 1 <= ender.ends() <= 3, text


# -- a container's first process -----------------------------------------------------------------

def zombies(parent):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] == "Z" and int(fields[1]) == parent:
                found.append(stat.parent.name)
    return found


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.skipif(subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"],
                                   capture_output=True, check=False).returncode != 0,
                    reason="no PID namespaces here")
def test_pid_1_leaves_no_zombies_of_what_hooks_left_behind(everleaf, journal, name, tmp_path):
    hook = journal.hook("leave", "for i in 1 2 3; do setsid sleep 0.3 >/dev/null 2>&1 & done; "
                                 f"[ -e '{tmp_path}/bad' ] && exit 7; exit 0")
    everleaf.obtain(name, options=["--deploy-hook", hook])
    (tmp_path / "bad").touch()
    change(everleaf, "UPDATE deployment SET stage = 'due', ended_at = 0, raised = 0")
    daemon = lab.Program(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                          *everleaf.argv("-v", "run")], tmp_path / "log",
                         env=everleaf._environment({}))
    try:
        lab.wait_until("it runs", lambda: children(daemon.pid), 30)
        [inner] = map(int, children(daemon.pid))
        lab.wait_until("the hook has failed", lambda: "exit code 7" in daemon.text(), 60)
        lab.wait_until("nothing is left", lambda: not children(inner), 30)
        assert zombies(inner) == []
        assert "running on" in daemon.text()
    finally:
        daemon.stop()


# -- signals -------------------------------------------------------------------------------------

LIBC_OWN = 3 << 31  # signals 32 and 33: nobody can change them
STRAY = ["XFSZ", "USR1", "USR2", "ALRM", "VTALRM", "IO", "PWR", "STKFLT"]


@pytest.mark.parametrize("number", STRAY)
def test_a_stray_signal_does_not_end_the_daemon(everleaf, number):
    daemon = everleaf.start("run")
    lab.wait_until("it runs", lambda: "running on" in daemon.text(), 30)
    daemon.signal(getattr(signal, f"SIG{number}"))
    everleaf.run("status", "--live")
    assert daemon.running()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()


def test_a_hook_finds_no_signal_ignored_or_blocked(everleaf, journal, name, tmp_path):
    hook = journal.hook("deploy", f"cat /proc/self/status >'{tmp_path}/status'")
    everleaf.obtain(name, options=["--deploy-hook", hook])
    status = (tmp_path / "status").read_text()
    for mask in ("SigIgn", "SigBlk"):
        found = int(re.search(rf"{mask}:\s*(\S+)", status).group(1), 16)
        assert found & ~LIBC_OWN == 0, status


def test_blocked_signals_of_our_parent_do_not_keep_the_daemon_running(everleaf, program, tmp_path):
    block = ("import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, "
             "[signal.SIGTERM, signal.SIGCHLD]); os.execv(sys.argv[1], sys.argv[1:])")
    daemon = lab.Program(["/usr/bin/env", "python3", "-c", block, *everleaf.argv("run")],
                         tmp_path / "log", env=everleaf._environment({}))
    try:
        lab.wait_until("it runs", lambda: "running on" in daemon.text(), 30)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(10) == 0, daemon.text()
    finally:
        daemon.stop()


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit (util-linux)")
@pytest.mark.parametrize("limit", [0, 4096, 200000])
def test_a_limit_of_file_size_is_an_error_and_no_death(everleaf, name, limit):
    everleaf.obtain(name)
    done = everleaf.run_argv(["prlimit", f"--fsize={limit}", *everleaf.argv("renew", "--force", name)],
                             expect=(0, 1))
    if done.rc != 0:
        assert done.err.strip().startswith("everleaf: ")
    everleaf.run("store", "check")
    everleaf.run("renew", "--force", name)
