# SPDX-License-Identifier: MIT
#
# What makes everleaf a service: what a monitor sees, numbers, notices, backups, units, completions.

import contextlib
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import stat
import subprocess

import pytest

import lab

SAMPLE = re.compile(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.]+')
SANDBOX_LIMIT = 2.0


def script(tmp_path, name, body):
    path = tmp_path / name
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)
    return path


def change(database, statement):
    with contextlib.closing(sqlite3.connect(database)) as db, db:
        db.execute(statement)


def end_back_off(everleaf):
    """Only attempts after a back-off count."""
    change(everleaf.state / "everleaf.db", "UPDATE renewal SET next_at = 0, look_at = 0")


# -- check ---------------------------------------------------------------------------------------

def test_check_of_a_fresh_certificate_is_ok_and_one_line(everleaf, name):
    everleaf.obtain(name)
    result = everleaf.run("check")
    assert re.fullmatch(r"EVERLEAF OK - 1 certificate, the next expires in \d+ \w+ \| "
                        r"certificates=1 warning=0 critical=0 next=\d+s\n", result.out)
    assert everleaf.run("check", name).out.startswith("EVERLEAF OK - 1 certificate")


def test_check_has_the_codes_of_nagios_for_every_level(everleaf, name):
    everleaf.obtain(name)
    warning = everleaf.run("check", "--warning", "40000", expect=1)
    assert warning.out.startswith("EVERLEAF WARNING - ")
    assert f"\n{name}: WARNING: it expires in " in warning.out
    assert everleaf.run("check", "--critical", "40000", expect=2).out.startswith(
        "EVERLEAF CRITICAL - ")
    asked = everleaf.ask("check", "--critical", "40000", expect=2)["check"]
    assert (asked["level"], asked["code"]) == ("CRITICAL", 2)
    assert asked["certificates"][0]["name"] == name


def test_check_knows_nothing_of_a_store_that_is_missing_or_damaged(everleaf, name):
    assert everleaf.run("check", expect=3).out.startswith("EVERLEAF UNKNOWN - ")
    assert not everleaf.state.exists()
    everleaf.obtain(name)
    assert everleaf.run("check", "nowhere.example", expect=3).out.startswith("EVERLEAF UNKNOWN")
    everleaf.run("check", "--no-such-option", expect=3)
    everleaf.run("check", "--warning", "much", expect=3)
    (everleaf.state / "everleaf.db").write_bytes(b"\0" * 8192)
    assert everleaf.run("check", expect=3).out.startswith("EVERLEAF UNKNOWN - ")
    assert everleaf.ask("check", expect=3)["check"]["code"] == 3


def test_check_says_what_fails_when_there_is_no_certificate(everleaf, name):
    everleaf.obtain(name, method=["--solver-exec", "/bin/false"], expect=None)
    result = everleaf.run("check", expect=2)
    assert "there is no certificate yet: " in result.out


# -- numbers -------------------------------------------------------------------------------------

def get(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(path))
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    head, _, body = answer.decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 ")
    return body


def samples(text):
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            assert SAMPLE.fullmatch(line), line
            series, value = line.rsplit(" ", 1)
            found[series] = float(value)
    return found


def test_the_daemon_shows_numbers_of_what_it_did(everleaf, name, tmp_path):
    everleaf.obtain(name)
    renewals = tmp_path / "everleaf.prom"
    daemon = everleaf.start("run", "--metrics", f"unix:{tmp_path}/metrics.sock",
                            "--metrics-textfile", renewals)
    lab.wait_until("the file is there", renewals.exists)
    assert stat.S_IMODE(renewals.stat().st_mode) == 0o644
    numbers = samples(get(tmp_path / "metrics.sock"))
    assert numbers[f'everleaf_certificate_not_after_seconds{{certificate="{name}"}}'] > 0
    assert numbers[f'everleaf_certificate_state{{certificate="{name}",state="valid"}}'] == 1
    assert set(numbers) >= set(samples(everleaf.run("metrics").out))
    assert daemon.running()
    daemon.stop()
    assert not (tmp_path / "metrics.sock").exists()


def test_requests_to_the_ca_are_counted(everleaf, name, tmp_path):
    everleaf.obtain(name, method=["--solver-exec", "/bin/false"], expect=None)
    everleaf.run("reconfigure", name, *everleaf.standalone())
    end_back_off(everleaf)
    everleaf.start("run", "--metrics", f"unix:{tmp_path}/metrics.sock")
    orders = 'everleaf_ca_requests_total{kind="new-order",answer="2xx"}'
    lab.wait_until("the socket is there", (tmp_path / "metrics.sock").exists)
    lab.wait_until("an order was made", lambda: samples(get(tmp_path / "metrics.sock")).get(orders),
                   timeout=180)
    numbers = samples(get(tmp_path / "metrics.sock"))
    assert numbers['everleaf_ca_request_duration_seconds_count{kind="new-order"}'] >= 1
    assert numbers['everleaf_ca_requests_total{kind="nonce",answer="2xx"}'] >= 1


def test_numbers_for_a_cron_job_replace_a_file(everleaf, name, tmp_path):
    everleaf.obtain(name)
    path = tmp_path / "everleaf.prom"
    path.write_text("old")
    assert everleaf.run("metrics", "--textfile", path).out == ""
    assert name in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".everleaf")] == []


# -- notices -------------------------------------------------------------------------------------

@pytest.mark.slow
def test_a_certificate_that_cannot_be_got_is_told_to_the_notify_hook(everleaf, name, tmp_path):
    told = tmp_path / "told"
    hook = script(tmp_path, "notify", f"env | grep ^EVERLEAF_ >>{told}\n")
    everleaf.obtain(name, method=["--solver-exec", "/bin/false"], expect=None)
    for _ in range(2):
        everleaf.run("renew", name, "--notify-hook", hook, expect=None)
        end_back_off(everleaf)
    everleaf.run("renew", name, "--notify-hook", hook, expect=None)
    lines = told.read_text().splitlines()
    assert "EVERLEAF_EVENT=failed" in lines and f"EVERLEAF_CERTIFICATE={name}" in lines
    assert lines.count("EVERLEAF_EVENT=failed") == 1
    everleaf.run("reconfigure", name, *everleaf.standalone())
    everleaf.run("renew", name, "--notify-hook", hook)
    assert "EVERLEAF_EVENT=renewed" in told.read_text().splitlines()


def test_a_notify_hook_that_fails_does_not_change_the_exit_code(everleaf, name):
    everleaf.obtain(name)
    assert everleaf.run("renew", "--force", name, "--notify-hook", "/bin/false").rc == 0


# -- the store as files --------------------------------------------------------------------------

def test_a_store_made_of_a_backup_renews(everleaf, everleaf_at, pebble, name, tmp_path):
    everleaf.obtain(name)
    copy = tmp_path / "backup"
    everleaf.run("store", "backup", copy)
    everleaf.run("store", "backup", copy, expect=1)
    for path in copy, tmp_path / "backup.keys":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = everleaf_at(pebble)
    other.state.mkdir(mode=0o700)
    shutil.copyfile(copy, other.state / "everleaf.db")
    shutil.copyfile(tmp_path / "backup.keys", other.state / "keys.db")
    for path in other.state.iterdir():
        path.chmod(0o600)
    other.run("store", "check")
    assert other.serial(name) == everleaf.serial(name)
    other.run("renew", "--force", name)
    assert other.serial(name) != everleaf.serial(name)
    other.run("store", "check")


def test_store_check_names_a_key_that_is_lost(everleaf, name):
    everleaf.obtain(name)
    change(everleaf.state / "keys.db", "DELETE FROM key")
    result = everleaf.run("store", "check", expect=1)
    assert f"{name}, version 1: there is no key " in result.out
    assert len(everleaf.ask("store", "check", expect=1)["findings"]) == 2  # and the account's


# -- units ---------------------------------------------------------------------------------------

@pytest.fixture
def units(program):
    folder = pathlib.Path(program).parent / "packaging" / "systemd"
    assert (folder / "everleaf.service").exists(), "make has not made the units"
    return folder


@pytest.fixture
def analyze():
    return shutil.which("systemd-analyze") or pytest.skip("needs systemd-analyze")


@pytest.mark.parametrize("unit", ["everleaf.service", "everleaf-renew.service"])
@pytest.mark.parametrize("dropin", [None, "root.conf"])
def test_the_sandbox_is_tight(units, analyze, tmp_path, unit, dropin):
    (tmp_path / f"{unit}.d").mkdir()
    shutil.copy(units / unit, tmp_path)
    if dropin:
        shutil.copy(lab.ROOT / "packaging" / "systemd" / dropin, tmp_path / f"{unit}.d")
    done = subprocess.run([analyze, "security", "--offline=yes", "--no-pager", tmp_path / unit],
                          capture_output=True, text=True, check=False)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+) ", done.stdout)
    assert level, done.stdout + done.stderr
    assert float(level[1]) <= SANDBOX_LIMIT, done.stdout


def test_units_name_programs_and_directives_that_exist(units, analyze, tmp_path):
    for path in [*units.glob("*.service"),
                 *(lab.ROOT / "packaging" / "systemd").glob("everleaf*.[st][oi]*")]:
        if path.suffix != ".in":
            text = path.read_text()
            text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M)
            (tmp_path / path.name).write_text(text)
    assert len(list(tmp_path.iterdir())) == 4
    for path in tmp_path.iterdir():
        done = subprocess.run([analyze, "verify", "--man=no", path], capture_output=True, text=True,
                              env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}, check=False)
        ours = [line for line in done.stderr.splitlines() if "everleaf" in line]
        assert not ours, done.stderr


# -- completions ---------------------------------------------------------------------------------

def complete(everleaf, *words):
    argv = [everleaf.program, "complete", "--", *words]
    return [line.split("\t")[0] for line in everleaf.run_argv(argv).out.splitlines()]


def test_every_command_and_option_is_completed(everleaf):
    commands = [c["name"] for c in everleaf.ask("help")["commands"]]
    assert complete(everleaf, "") == commands
    assert complete(everleaf, "ob") == ["obtain"]
    for command in commands:
        shown = re.findall(r"^  .{4}--([a-z0-9-]+)", everleaf.run("help", command).out, re.M)
        offered = complete(everleaf, command, "--")
        missing = {f"--{option}" for option in shown} - set(offered)
        assert not missing, f"{command}: {missing}"


def test_certificates_are_completed(everleaf, name):
    everleaf.obtain(name)
    state = ["--state", str(everleaf.state)]
    assert complete(everleaf, *state, "show", name[:3]) == [name]
    assert complete(everleaf, *state, "run", "") == []
    assert complete(everleaf, "obtain", "--server", "letsencrypt-") == ["letsencrypt-staging"]
    assert complete(everleaf, "obtain", "--webroot", "/va") == []


def test_bash_completes(everleaf, name, tmp_path):
    everleaf.obtain(name)
    (tmp_path / "everleaf").symlink_to(everleaf.program)
    ask = (f". {lab.ROOT}/packaging/completions/everleaf.bash; COMP_WORDS=(everleaf sho); COMP_CWORD=1; "
           "_everleaf everleaf; echo \"${COMPREPLY[*]}\"")
    done = everleaf.run_argv(["bash", "-c", ask], env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert done.out == "show\n"
