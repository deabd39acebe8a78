# SPDX-License-Identifier: MIT
#
# test_targets.py - what several certificates have in common: one reload for all of them, the
# operator's check before it, and windows.

import contextlib
import json
import re
import sqlite3
import time

import pytest

import lab
import servers


def write(everleaf, *statement):
    with contextlib.closing(sqlite3.connect(everleaf.state / "everleaf.db")) as db:
        with db:
            assert db.execute(*statement).rowcount > 0


def want(everleaf, name, folder, **exec_keys):
    """Deployed by files into a folder, and by an exec deployer with these keys."""
    deploy = [{"name": "files", "directory": str(folder)},
              {"name": "exec", **{key: value if isinstance(value, str) else [str(v) for v in value]
                                  for key, value in exec_keys.items()}}]
    write(everleaf, "UPDATE certificate SET wish = json_set(wish, '$.deploy', json(?)) "
                    "WHERE name = ?", (json.dumps(deploy), name))


def make_due(everleaf):
    """All deployments of what is live, as if all of it had just been issued."""
    write(everleaf, "UPDATE deployment SET stage = 'due', ended_at = 0, raised = 0 WHERE "
                    "version_id IN (SELECT live_version_id FROM certificate) AND "
                    "target_id IN (SELECT id FROM target WHERE deployer = 'files' "
                    "OR settings LIKE '%reload%')")


class Several(servers.Nginx):
    """For the certificates of several folders, each called as its folder is."""

    def _servers(self, folders):
        return "\n  ".join(self._server(folder.name, folder) for folder in folders)


def closed_window():
    """Twelve hours from now."""
    hour = (time.gmtime().tm_hour + 12) % 24
    return f"{hour:02}:00-{hour:02}:30 UTC"


@pytest.fixture
def several(tmp_path):
    """several(folders): not started; its hook does that."""
    with contextlib.ExitStack() as stack:
        def make(folders):
            server = Several(tmp_path / "nginx", folders)
            stack.callback(server.stop)
            if not server.program:
                pytest.skip("needs nginx")
            return server
        yield make


def test_nginx_is_reloaded_once_for_certificates_that_are_deployed_at_one_time(
        everleaf, several, journal, names, tmp_path):
    three = names(3)
    for name in three:
        everleaf.obtain(name, options=["--deploy-files", tmp_path / name])
    server = several([tmp_path / name for name in three])
    reload = journal.hook("reload", f"exec '{server.hook}' \"$@\"")
    check = journal.hook("check")
    for name in three:
        want(everleaf, name, tmp_path / name, reload=[reload, "reload"], check=[check, "-t"],
             prove=f"127.0.0.1:{server.port}")
        everleaf.run("deploy", name)
    assert journal.ran() == ["check", "reload"] * 3
    for name in three:
        everleaf.run("renew", "--force", name)
    journal.order.unlink()
    make_due(everleaf)
    everleaf.run("renew")
    assert journal.ran() == ["check", "reload"]
    told = {v for v in journal.environment("reload") if v.startswith("EVERLEAF_")}
    assert told == {"EVERLEAF_HOOK"}, "nothing of one certificate"
    for name in three:
        assert servers.served_serial(server.port, server_name=name) == everleaf.serial(name)
        assert everleaf.ask("show", name)["certificate"]["deployments"][1]["state"] == "done"


def test_several_processes_and_a_daemon_share_a_reload(everleaf, journal, names, tmp_path):
    """Each is for its own certificate; at least the one that came last was reloaded for."""
    some = names(4)
    reload = journal.hook("reload", "sleep 1")
    for name in some:
        everleaf.obtain(name, options=["--deploy-files", tmp_path / name])
        want(everleaf, name, tmp_path / name, reload=[reload])
    daemon = everleaf.start("run")
    commands = [everleaf.start("deploy", name) for name in some]
    assert [c.wait(60) for c in commands] == [0] * 4
    daemon.stop()
    assert 1 <= len(journal.ran()) <= 4
    for name in some:
        deployments = everleaf.ask("show", name)["certificate"]["deployments"]
        assert [d["state"] for d in deployments] == ["done", "done"]


def test_a_check_that_fails_keeps_the_server_from_being_reloaded(everleaf, journal, name,
                                                                 tmp_path):
    mended = tmp_path / "mended"
    check = journal.hook("check", f"[ -e '{mended}' ] || {{ echo line 7 is wrong >&2; exit 1; }}")
    everleaf.obtain(name, options=["--deploy-files", tmp_path / name])
    want(everleaf, name, tmp_path / name, reload=[journal.hook("reload")], check=[check])
    failed = everleaf.run("deploy", name, expect=1)
    assert "line 7 is wrong" in failed.err
    assert journal.ran() == ["check"]
    assert journal.environment("check")["EVERLEAF_DIRECTORY"] == str(tmp_path / name)
    mended.touch()
    everleaf.run("deploy", name)
    assert journal.ran() == ["check", "check", "reload"]


def test_a_renewal_waits_for_its_window_and_who_asks_for_it_does_not(everleaf, journal, name,
                                                                     tmp_path):
    everleaf.obtain(name, options=["--deploy-files", tmp_path / name])
    window = closed_window()
    want(everleaf, name, tmp_path / name, command=[journal.hook("hook")], window=window)
    everleaf.run("deploy", name)
    everleaf.run("renew", "--force", name)
    assert journal.ran() == ["hook"] * 2
    write(everleaf, "UPDATE deployment SET stage = 'due', ended_at = 0 WHERE id = "
                    "(SELECT max(id) FROM deployment)")
    told = everleaf.run("renew", expect=75)
    at = re.search(r"waits for its window; it is deployed at (\S+)", told.err)[1]
    assert at[11:16] == window[:5]
    assert everleaf.certificate(name)["deploys_at"] == at
    assert everleaf.certificate(name)["state"] == "valid"
    assert f"waits for its window until {at}" in everleaf.run("status").out
    assert f"waits for its window until {at}" in everleaf.run("show", name).out
    assert f"waits until {at}: its window opens then" in everleaf.run("why", name).out
    again = everleaf.run("renew", expect=75)
    assert "waits for its window" not in again.err
    assert journal.ran() == ["hook"] * 2
    everleaf.run("deploy", name)
    assert journal.ran() == ["hook"] * 3
    assert everleaf.certificate(name)["deploys_at"] is None


def test_another_window_deploys_nothing_again(everleaf, journal, name, tmp_path):
    everleaf.obtain(name, options=["--deploy-files", tmp_path / name])
    hook = journal.hook("hook")
    want(everleaf, name, tmp_path / name, command=[hook])
    everleaf.run("deploy", name)
    want(everleaf, name, tmp_path / name, command=[hook], window=closed_window())
    everleaf.obtain(name, options=["--exit-code"], method=[], expect=3)
    assert journal.ran() == ["hook"]
    assert everleaf.ask("show", name)["certificate"]["deployments"][1]["window"] == closed_window()


def test_a_file_says_what_is_reloaded_once_and_when(everleaf, pebble, journal, names, tmp_path):
    three = names(3)
    deployers = {f"files{i}": {"type": "files", "directory": str(tmp_path / name)}
                 for i, name in enumerate(three)}
    deployers["server"] = {"type": "exec", "reload": [str(journal.hook("reload"))],
                           "check": [str(journal.hook("check"))]}
    whole = {
        "accounts": {"pebble": {"server": pebble.url, "ca-bundle": str(pebble.bundle),
                                "agree-tos": True}},
        "solvers": {"alone": {"type": "standalone", "port": pebble.http_port}},
        "deployers": deployers,
        "defaults": {"solver": "alone"},
        "certificates": {name: {"deploy": [f"files{i}", "server"]}
                         for i, name in enumerate(three)}}
    config = tmp_path / "everleaf.yaml"

    def deployed():
        there = [everleaf.ask("show", c["name"])["certificate"]["deployments"]
                 for c in everleaf.certificates() if c["serial"]]
        return len(there) == 3 and all(d["state"] == "done" for two in there for d in two)

    config.write_text(json.dumps(whole))
    daemon = everleaf.start("--config", config, "run")
    lab.wait_until("all are deployed", deployed)
    ran = journal.ran()
    assert ran in [["check", "reload"] * n for n in (1, 2, 3)]
    deployers["server"]["window"] = closed_window()
    config.write_text(json.dumps(whole))
    everleaf.run("reload")
    everleaf.run("--config", config, "renew", "--force", three[0])  # is asked for
    assert journal.ran() == ran + ["check", "reload"]
    shown = everleaf.ask("show", three[1])["certificate"]["deployments"][1]
    assert shown["window"] == closed_window() and shown["state"] == "done"
    daemon.stop()
