# SPDX-License-Identifier: MIT
#
# check-config and config show: what is wrong with a configuration, and what it means. No CA is
# asked.

import json
import os
import re

import pytest

import lab

MANUAL = lab.ROOT / "packaging" / "man" / "everleaf.yaml.5"

GOOD = """
include: conf.d/*.yaml
accounts:
  le: {server: letsencrypt, proxy: 'http://user:geheim@proxy.test'}
  zero: {server: zerossl, eab: {kid: k, hmac-key: 'env:EVERLEAF_TEST_HMAC'}}
solvers:
  alone: {type: standalone}
deployers:
  reload: {type: exec, command: [/bin/true, "a\\nb", yes]}
defaults: {account: [le, zero], solver: alone, deploy: reload, pre-hook: [/bin/true]}
certificates:
  a.test:
  b: {names: [b.test, c.test], optional: [c.test], pre-hook: [], paused: true}
metrics: {listen: '127.0.0.1:9090'}
"""
SECRET = {"EVERLEAF_TEST_HMAC": "canary-3b1f"}


@pytest.fixture
def everleaf(everleaf_at):
    return everleaf_at()


@pytest.fixture
def write(tmp_path):
    """write(text, name): a configuration file."""
    def make(text, name="everleaf.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
        return path
    return make


def shown(everleaf, path):
    """The effective configuration, without where things stand."""
    result = everleaf.ask("config", "show", "--config", path, env=SECRET)
    assert result["schema"] == 1
    file = result["config"]["file"]
    for section in file.values():
        for entry in section.values():
            if isinstance(entry, dict):
                assert re.fullmatch(r"/.*:\d+", entry.pop("origin"))
    return file


def test_a_good_file_has_a_summary_and_no_errors(everleaf, write):
    write("certificates: {d.test: {}}\n", "conf.d/d.yaml")
    result = everleaf.run("check-config", write(GOOD), env=SECRET)
    assert (result.out, result.err) == ("3 certificates, 2 accounts; 0 errors\n", "")
    assert everleaf.run("-q", "check-config", write(GOOD), env=SECRET).text == ""
    assert not everleaf.state.exists(), "checking needs no store"


def test_every_error_is_a_line_and_the_exit_code_says_so(everleaf, write):
    bad = write(GOOD + "log: {format: xml}\n").with_name("everleaf.yaml")
    write("certificates: {d.test: {solver: alown}}\n", "conf.d/d.yaml")
    result = everleaf.run("check-config", bad, env=SECRET, expect=1)
    line = GOOD.count("\n") + 1
    assert result.err.splitlines() == [
        f'{bad}:{line}:15: "format" has to be text, kv or json, not "xml"',
        f'{bad.parent}/conf.d/d.yaml:1:33: there is no solver "alown" (did you mean "alone"?)']
    assert result.out == "2 certificates, 2 accounts; 2 errors\n"


def test_errors_as_json(everleaf, write):
    bad = write("certificates: {a.test: }\naccounts: {le: {server: le, ca-bundle: /nonexistent}}\n"
                "log: {form: x}\n")
    check = everleaf.ask("check-config", bad, expect=1)["check"]
    assert check["certificates"] == 1 and check["accounts"] == 1 and check["left"] == []
    assert check["errors"] == [
        {"file": str(bad), "line": 2, "column": 40, "warning": True,
         "text": "the CA bundle /nonexistent cannot be read: No such file or directory"},
        {"file": str(bad), "line": 3, "column": 7, "warning": False,
         "text": '"form" is no key of "log" (did you mean "format"?)'}]


def test_a_secret_is_looked_for_and_never_printed(everleaf, write):
    path = write(GOOD)
    assert "warning: EVERLEAF_TEST_HMAC is not in the env" in everleaf.run("check-config", path).err
    for verb in (["check-config", path], ["config", "show", "--config", path]):
        for options in ([], ["--json"]):
            text = everleaf.run(*verb, *options, env=SECRET).text
            assert "canary" not in text and "geheim" not in text


def test_the_file_is_named_by_operand_option_or_environment(everleaf, write):
    path = write("log: {format: xml}\n")
    for words, env in ((["check-config", path], None), (["check-config", "--config", path], None),
                       (["check-config"], {"EVERLEAF_CONFIG": str(path)})):
        assert f"{path}:1:15:" in everleaf.run(*words, env=env, expect=1).err
    everleaf.run("check-config", path, "--config", path, expect=2)
    everleaf.run("check-config", path, path, expect=2)
    missing = everleaf.run("check-config", path.with_name("gone.yaml"), expect=1)
    assert "gone.yaml: No such file or directory" in missing.err


def test_without_the_default_file_nothing_is_wrong(everleaf):
    if os.path.exists("/etc/everleaf/everleaf.yaml"):
        pytest.skip("this machine has a configuration")
    assert "there is no /etc/everleaf/everleaf.yaml" in everleaf.run("check-config").out
    assert everleaf.ask("check-config")["check"]["errors"] == []
    assert everleaf.ask("config", "show")["config"] == {"file": {}, "commands": {}}


def test_what_is_shown_means_the_same_when_it_is_read_again(everleaf, write):
    path = write(GOOD.replace("user:geheim@", ""))
    out = everleaf.run("config", "show", "--config", path, env=SECRET).out
    assert "# " + str(path) + ":" in out
    again = write(out, "again.yaml")
    assert shown(everleaf, again) == shown(everleaf, path)
    assert everleaf.run("check-config", again, env=SECRET).err == ""


def test_every_default_is_resolved(everleaf, write):
    certificates = shown(everleaf, write(GOOD))["certificates"]
    assert certificates["a.test"] == {
        "names": ["a.test"], "account": ["le", "zero"], "solver": "alone", "deploy": ["reload"],
        "key": "ec-256", "pre-hook": ["/bin/true"], "paused": False}
    assert certificates["b"] == {
        "names": ["b.test", "c.test"], "optional": ["c.test"], "account": ["le", "zero"],
        "solver": "alone", "deploy": ["reload"], "key": "ec-256", "paused": True}


def test_what_obtain_made_is_shown_as_a_comment(everleaf_at, pebble, write, name):
    everleaf = everleaf_at(pebble)
    everleaf.obtain(name)
    path = write(GOOD)
    made = everleaf.ask("config", "show", "--config", path, env=SECRET)["config"]["commands"]
    assert list(made) == [name]
    assert made[name]["origin"] == "command" and made[name]["names"] == [name]
    assert made[name]["server"] == pebble.url and made[name]["wish"]["key"] == "ec-256"
    out = everleaf.run("config", "show", "--config", path, env=SECRET).out
    [line] = [line for line in out.splitlines() if name in line]
    assert json.loads(line.removeprefix(f"#   {name}: "))["names"] == [name]


def test_the_example_of_the_manual_has_no_error(everleaf, write):
    section = re.search(r"^\.Sh EXAMPLES\n(.*?)^\.Sh ", MANUAL.read_text(), re.M | re.S)[1]
    [example] = re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed", section, re.M | re.S)
    path = write(example.replace("\\e\n", "\n"))
    result = everleaf.run("check-config", path)
    assert result.out.startswith("2 certificates, 2 accounts; 0 errors")
    assert all(": warning: " in line for line in result.err.splitlines())
    assert len(shown(everleaf, path)["certificates"]) == 2


def test_the_manual_has_every_key(everleaf):
    """Every key of the tables in the source stands in everleaf.yaml(5)."""
    manual = MANUAL.read_text()
    keys = set()
    for name in ("sections.c", "certificates.c", "files.c"):
        source = (lab.ROOT / "agent" / "config" / name).read_text()
        keys |= set(re.findall(r'^\t\{"([a-z-]+)", ', source, re.M))
    assert {"server", "names", "certificates", "hmac-key"} <= keys
    for key in keys:
        assert re.search(rf"\.(It )?Cm (.*[ ,:|])?{key}( |$)|Cm {key} :|, {key} :", manual, re.M), key
