# SPDX-License-Identifier: MIT
#
# test_places.py - a place that is deployed into has one owner, and what people did to it is found
# before a certificate is paid for.

import json
import os
import shutil
import subprocess

import pytest

import runner


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "tls"


def test_a_second_certificate_in_the_same_folder_was_fine_and_overwrote_the_first(
        everleaf, pebble, folder, names):
    first, second = names(2)
    everleaf.obtain(first, options=["--deploy-files", folder])
    (folder.parent / "link").symlink_to(".")
    seen = pebble.watch()
    for same in (folder, f"{folder}/../tls/", folder.parent / "link" / "tls"):
        refused = everleaf.obtain(second, options=["--deploy-files", same], expect=1)
        assert first in refused.err and second in refused.err and str(folder) in refused.err
        refused = everleaf.obtain(second, options=["--deploy-files", same, "--dry-run"], expect=1)
        assert first in refused.err and second in refused.err
    assert seen.issued() == []
    assert runner.Files(folder).check().names() == {first}
    everleaf.obtain(second, options=["--deploy-files", folder.parent / "own"])
    refused = everleaf.run("reconfigure", second, "--deploy-files", folder, expect=1)
    assert first in refused.err and second in refused.err
    everleaf.run("renew", "--force", second)
    assert runner.Files(folder).check().names() == {first}
    # what was given up is free
    everleaf.run("reconfigure", first, "--deploy-files", folder.parent / "elsewhere")
    everleaf.run("reconfigure", second, "--deploy-files", folder)
    everleaf.run("deploy", second)
    assert runner.Files(folder).check().names() == {second}


def test_name_in_a_folder_and_a_hook_is_the_certificates_own(everleaf, folder, journal, names):
    first, second = names(2)
    hook = journal.hook("deploy")
    for name in (first, second):
        everleaf.obtain(name, options=["--deploy-files", folder / "{name}",
                                       "--deploy-hook", f"{hook} for={{name}}"])
        assert runner.Files(folder / name).check().names() == {name}
        assert journal.arguments("deploy") == [f"for={name}"]
    assert sorted(os.listdir(folder)) == sorted([first, second])


def test_a_file_and_a_command_do_not_share_a_folder(everleaf, pebble, folder, names, tmp_path):
    first, second = names(2)
    everleaf.obtain(first, options=["--deploy-files", folder])
    config = tmp_path / "everleaf.yaml"
    config.write_text(json.dumps({
        "accounts": {"ca": {"server": pebble.url, "ca-bundle": str(pebble.bundle),
                            "contact": "a@everleaf.test", "agree-tos": True}},
        "solvers": {"alone": {"type": "standalone", "port": pebble.http_port}},
        "deployers": {"f": {"type": "files", "directory": str(folder)}},
        "defaults": {"solver": "alone", "deploy": ["f"]},
        "certificates": {second: {}}}))
    config.chmod(0o600)
    seen = pebble.watch()
    refused = everleaf.run("--config", config, "renew", expect=1)
    assert first in refused.err and second in refused.err and str(folder) in refused.err
    assert seen.issued() == []
    assert runner.Files(folder).check().names() == {first}


TIDIED = [
    ("copies for links", "cp -rL . ../copy && rm *.pem && cp ../copy/*.pem .", True),
    ("chown -R", "chown -R 54321 .", False),
    ("a foreign file", "rm cert.pem && echo mine >cert.pem", False),
    ("behind a link", "cd .. && mv tls moved && ln -s moved tls", False),
]


@pytest.mark.parametrize("does,mended", [row[1:] for row in TIDIED],
                         ids=[row[0].replace(" ", "-") for row in TIDIED])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_tidied_folder_was_found_only_when_the_certificate_was_paid_for(
        everleaf, pebble, folder, name, does, mended):
    everleaf.obtain(name, options=["--deploy-files", folder])
    assert "OK" in everleaf.run("check").out
    subprocess.run(does, shell=True, cwd=folder, check=True)
    found = everleaf.run("check", expect=1).out
    assert "WARNING" in found and str(folder) in found
    seen = pebble.watch()
    renewed = everleaf.run("renew", "--force", name, expect=0 if mended else 1)
    assert len(seen.issued()) == (1 if mended else 0)
    if mended:
        assert os.readlink(folder / "cert.pem") == ".live/cert.pem"
        assert runner.Files(folder).check().leaf.serial_number == everleaf.serial(name)
        assert "OK" in everleaf.run("check").out
    else:
        assert "no certificate is asked for yet" in renewed.err and str(folder) in renewed.err


@pytest.mark.parametrize("does", ["rm hook.sh", "chmod 777 hook.sh"], ids=["gone", "writable"])
def test_a_hook_that_cannot_run_any_more_was_found_only_by_a_renewal(
        everleaf, pebble, folder, name, tmp_path, does):
    hook = tmp_path / "hook.sh"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    everleaf.obtain(name, options=["--deploy-files", folder, "--deploy-hook", str(hook)])
    assert "OK" in everleaf.run("check").out
    subprocess.run(does, shell=True, cwd=tmp_path, check=True)
    seen = pebble.watch()
    found = everleaf.run("check", expect=1).out
    assert "WARNING" in found and str(hook) in found
    assert seen.orders() == []


def test_after_a_restored_backup_no_renewal_was_deployed(everleaf, folder, name, tmp_path):
    everleaf.obtain(name, options=["--deploy-files", folder])
    shutil.copytree(everleaf.state, tmp_path / "backup")
    for _ in range(3):
        everleaf.run("renew", "--force", name)
    shutil.rmtree(everleaf.state)
    shutil.copytree(tmp_path / "backup", everleaf.state)
    everleaf.run("renew", "--force", name)
    assert runner.Files(folder).check().leaf.serial_number == everleaf.serial(name)


def test_after_a_lost_state_directory_no_certificate_was_deployed(everleaf, folder, name):
    everleaf.obtain(name, options=["--deploy-files", folder])
    for _ in range(2):
        everleaf.run("renew", "--force", name)
    shutil.rmtree(everleaf.state)
    everleaf.obtain(name, options=["--deploy-files", folder])
    assert runner.Files(folder).check().leaf.serial_number == everleaf.serial(name)
