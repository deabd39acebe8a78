# SPDX-License-Identifier: MIT
#
# test_dry_run.py - a dry run does everything that can be done without changing anything: the whole
# of ACME at the CA, the checks of the deployers, and then its account is gone.

import json
import os
import pathlib
import signal
import sqlite3

import pytest

import lab
import runner
import servers


def dump(everleaf):
    """Every row of the store but those of owners, which come and go with processes."""
    with sqlite3.connect(f"file:{everleaf.state}/everleaf.db?mode=ro", uri=True) as db:
        return list(db.iterdump())


def stats(folder):
    """Inode, time and content of everything below a folder."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        st = path.lstat()
        found[str(path)] = (st.st_ino, st.st_mtime_ns,
                            path.read_bytes() if path.is_file() else os.readlink(path)
                            if path.is_symlink() else None)
    return found


def left_of_scratch(everleaf):
    folder = everleaf.state / "scratch"
    return os.listdir(folder) if folder.exists() else []


def deactivated(seen):
    return [r for r in seen.requests() if r.startswith("POST /my-account/")]


@pytest.fixture
def live(everleaf, journal, tmp_path, name):
    """A certificate that is deployed by files and by a hook; what the hook did is forgotten."""
    files = tmp_path / "live"
    everleaf.obtain(name, options=["--deploy-files", files, "--deploy-hook", journal.hook("reload"),
                                   "--pre-hook", journal.hook("pre"),
                                   "--post-hook", journal.hook("post")])
    journal.order.unlink()
    return files


def test_a_dry_run_of_a_new_name_leaves_nothing_but_an_account_that_is_dead(
        everleaf, pebble, journal, tmp_path, name):
    files = tmp_path / "live"
    seen = pebble.watch()
    told = everleaf.obtain(name, options=["--dry-run", "--deploy-files", files, "--deploy-hook",
                                          journal.hook("reload")])
    assert f"{name}: could be issued by {pebble.url}" in told.out
    assert f"files {files}: could be deployed" in told.out
    assert "nothing was changed" in told.out
    assert "it has issued a real certificate" in told.out  # Pebble has no staging server
    assert seen.accounts() == 1 and len(deactivated(seen)) == 1
    assert len(seen.issued()) == 1
    assert everleaf.certificates() == []
    assert everleaf.ask("account", "show")["accounts"] == []
    assert not files.exists() and journal.ran() == []
    assert left_of_scratch(everleaf) == []
    assert os.listdir(everleaf.state / "answers") == []


def test_a_dry_run_of_a_renewal_changes_no_file_no_row_and_runs_no_hook(
        everleaf, pebble, journal, live, name):
    before, rows = stats(live), dump(everleaf)
    seen = pebble.watch()
    told = everleaf.run("renew", "--dry-run", name)
    assert "could be issued" in told.out and "could be deployed" in told.out
    assert seen.accounts() == 1 and len(deactivated(seen)) == 1
    assert stats(live) == before
    assert dump(everleaf) == rows
    assert journal.ran() == []
    assert left_of_scratch(everleaf) == []


def test_a_dry_run_of_all_certificates_uses_one_account(everleaf, pebble, names):
    three = names(3)
    for one in three:
        everleaf.obtain(one)
    rows, seen = dump(everleaf), pebble.watch()
    report = everleaf.ask("renew", "--dry-run")["dry_run"]
    assert sorted(r["certificate"] for r in report) == sorted(three)
    assert all(r["issued"] and r["error"] is None and r["not_after"] for r in report)
    assert all(r["real"] for r in report)
    assert seen.accounts() == 1 and len(deactivated(seen)) == 1 and len(seen.issued()) == 3
    assert dump(everleaf) == rows


def test_what_would_fail_to_deploy_is_said(everleaf, journal, live, name):
    (journal.folder / "reload").chmod(0o644)
    told = everleaf.run("renew", "--dry-run", name, expect=1)
    assert "could be issued" in told.out
    assert "reload" in told.out and "not executable" in told.text
    report = everleaf.ask("renew", "--dry-run", name, expect=1)["dry_run"]
    assert [d["error"] is None for d in report[0]["deployments"]] == [True, False]


def test_a_check_that_fails_does_not_hide_the_next_one(everleaf, journal, live, name):
    (journal.folder / "reload").chmod(0o644)
    live.chmod(0o777)
    report = everleaf.ask("renew", "--dry-run", name, expect=1)["dry_run"]
    errors = [d["error"] for d in report[0]["deployments"]]
    assert "writable" in errors[0] or "write" in errors[0]
    assert "reload" in errors[1]


def test_a_name_that_cannot_be_validated_is_said_and_the_account_given_up(everleaf, pebble, live,
                                                                          tmp_path, name):
    rows, seen = dump(everleaf), pebble.watch()
    empty = tmp_path / "www"
    empty.mkdir()
    told = everleaf.obtain(name, method=["--webroot", empty], options=["--dry-run"], expect=1)
    assert f"{name}: cannot be issued by {pebble.url}: " in told.out
    assert "the CA could not connect" in told.out or "the CA says" in told.out
    assert len(deactivated(seen)) == 1
    assert dump(everleaf) == rows
    assert os.listdir(empty / ".well-known" / "acme-challenge") == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=str)
def test_an_interrupted_dry_run_takes_back_what_it_published(everleaf, pebble, name, tmp_path, how):
    """At once, or, when it was killed, by the next renew: the answer, the account, the store."""
    journal = tmp_path / "journal"
    hook = servers.write_hook(tmp_path / "solver", f"""echo "$1" >>{journal}
[ "$1" != present ] || exec sleep 60""")
    seen = pebble.watch()
    dry = everleaf.start("obtain", "-d", name, *everleaf.ca(), "--solver-exec", hook, "--dry-run")
    lab.wait_until("the answer is being published", journal.exists)
    dry.signal(how)
    assert dry.wait(20) == (-how if how == signal.SIGKILL else 75)
    everleaf.run("renew")
    assert journal.read_text().split()[-1] == "withdraw"
    assert left_of_scratch(everleaf) == []
    assert everleaf.certificates() == []
    assert seen.accounts() == 1 and len(deactivated(seen)) == 1


def test_a_certificate_that_was_renewed_often_can_be_rehearsed(everleaf, live, name):
    for _ in range(3):
        everleaf.run("renew", "--force", name)
    assert "could be deployed" in everleaf.run("renew", "--dry-run", name).out


def test_another_server_can_be_rehearsed_at(everleaf, new_pebble, live, name):
    other = new_pebble()
    try:
        rows, seen = dump(everleaf), other.watch()
        # Pebble's validation looks at its own port.
        told = everleaf.run("renew", "--dry-run", name, "--server", other.url, "--ca-bundle",
                            other.bundle, expect=None)
        assert other.url in told.out
        assert seen.accounts() == 1
        assert dump(everleaf) == rows
    finally:
        other.stop()


# --- deploy --dry-run -------------------------------------------------------------------------


def store_bytes(everleaf):
    return {file: (everleaf.state / file).read_bytes() for file in ("everleaf.db", "keys.db")}


@pytest.fixture
def checked(everleaf, journal, live, name):
    """The same certificate, with a check of the operator's before its hook, and one more folder that
    is not there yet. What the check finds in the folder is copied to `seen`."""
    seen = journal.folder / "seen"
    check = journal.hook("check", f"cp -r \"$EVERLEAF_DIRECTORY/.live/\" '{seen}'")
    deploy = [{"name": "files", "directory": str(live)},
              {"name": "exec", "command": [str(journal.folder / "reload"), "x"],
               "check": [str(check), "-t"]},
              {"name": "files", "directory": str(live.parent / "a" / "b"), "mode": "0640"}]
    with sqlite3.connect(everleaf.state / "everleaf.db") as db:
        db.execute("UPDATE certificate SET wish = json_set(wish, '$.deploy', json(?))",
                   (json.dumps(deploy),))
    return seen


def test_a_dry_run_of_a_deployment_shows_the_files_to_the_check_and_changes_nothing(
        everleaf, journal, live, checked, name):
    before, rows, store = stats(live), dump(everleaf), store_bytes(everleaf)
    there = sorted(os.listdir(live.parent))
    told = everleaf.run("deploy", "--dry-run", name)
    assert f"{name}: could be deployed" in told.out
    assert f"files {live}: checked, written for a try" in told.out
    assert f"exec {journal.folder}/reload x: checked by {journal.folder}/check -t" in told.out
    assert "nothing was changed" in told.out
    assert journal.ran() == ["check"]
    shown = journal.environment("check")["EVERLEAF_DIRECTORY"]
    assert shown.startswith(f"{live}/.stage.tmp-")
    assert runner.Files(checked).check().leaf.serial_number == everleaf.serial(name)
    assert stats(live) == before and dump(everleaf) == rows and store_bytes(everleaf) == store
    assert sorted(os.listdir(live.parent)) == there


def test_what_would_fail_is_said_by_a_dry_run_of_a_deployment(everleaf, journal, live, checked,
                                                              name):
    journal.hook("check", "echo line 7 is wrong >&2; exit 1")
    before, rows = stats(live), dump(everleaf)
    report = everleaf.ask("deploy", "--dry-run", "--run-deploy-hooks", name, expect=1)["dry_run"]
    assert report[0]["certificate"] == name
    assert [d["error"] is None for d in report[0]["deployments"]] == [True, False, True]
    assert "line 7 is wrong" in report[0]["deployments"][1]["error"]
    assert journal.ran() == ["check"], "no hook runs when a check has failed"
    (live / ".live").rename(live / ".was")
    (live / ".live").write_text("mine")
    failed = everleaf.run("deploy", "--dry-run", name, expect=1)
    assert ".live is not the link that everleaf makes" in failed.out
    (live / ".live").unlink()
    (live / ".was").rename(live / ".live")
    assert stats(live).keys() == before.keys() and dump(everleaf) == rows


def test_the_hooks_run_with_what_is_live_when_a_dry_run_is_asked_to_run_them(
        everleaf, journal, live, checked, name):
    before, rows, store = stats(live), dump(everleaf), store_bytes(everleaf)
    everleaf.run("deploy", "--dry-run", "--run-deploy-hooks", name)
    assert journal.ran() == ["check", "reload"]
    environment = journal.environment("reload")
    assert environment["EVERLEAF_DIRECTORY"] == str(live)
    assert environment["EVERLEAF_SERIAL"] == everleaf.certificate(name)["serial"]
    assert stats(live) == before and dump(everleaf) == rows and store_bytes(everleaf) == store
    told = everleaf.run("renew", "--dry-run", "--run-deploy-hooks", name)
    assert "could be issued" in told.out and f"exec {journal.folder}/reload x: run" in told.out
    assert journal.ran() == ["check", "reload", "reload"]
    assert journal.environment("reload")["EVERLEAF_SERIAL"] == environment["EVERLEAF_SERIAL"]
    assert stats(live) == before and dump(everleaf) == rows
    journal.hook("reload", "exit 9")
    failed = everleaf.ask("renew", "--dry-run", "--run-deploy-hooks", name, expect=1)["dry_run"]
    assert "exit code 9" in failed[0]["hooks"][1]["error"]


def test_without_a_certificate_there_is_nothing_to_run_a_hook_with(everleaf, journal, name):
    told = everleaf.obtain(name, options=["--dry-run", "--run-deploy-hooks", "--deploy-hook",
                                          journal.hook("reload")])
    assert "no deploy hook was run: there is no certificate yet" in told.err
    assert journal.ran() == []


def test_hooks_are_run_by_dry_runs_only(everleaf, live, name):
    for words in (["deploy", name], ["renew", name], ["obtain", "-d", name]):
        refused = everleaf.run(*words, "--run-deploy-hooks", expect=2)
        assert "--dry-run" in refused.err
    everleaf.run("show", name, "--run-deploy-hooks", "--dry-run", expect=2)


def test_what_a_killed_dry_run_of_a_deployment_has_written_is_removed_by_the_next(
        everleaf, journal, live, checked, name):
    journal.hook("check", "exec sleep 60")
    dry = everleaf.start("deploy", "--dry-run", name)
    lab.wait_until("the check runs", lambda: journal.ran() == ["check"])
    dry.signal(signal.SIGKILL)
    dry.wait(20)
    assert list(live.glob(".stage.tmp-*")) != []
    journal.hook("check")
    everleaf.run("deploy", name)
    assert list(live.glob(".stage.tmp-*")) == []
    assert runner.Files(live).check().leaf.serial_number == everleaf.serial(name)
