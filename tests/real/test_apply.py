# SPDX-License-Identifier: MIT
#
# The configuration file acted upon: by the daemon, at a reload, and by commands beside it.

import contextlib
import json
import signal
import sqlite3

import pytest

import ca
import lab
import servers


class Config:
    """A file that says which certificates are wanted, as a test changes its mind."""

    def __init__(self, path, pebble, *more):
        self.path = path
        self.accounts = {f"ca{i}": {"server": p.url, "ca-bundle": str(p.bundle),
                                    "contact": "a@everleaf.test", "agree-tos": True}
                         for i, p in enumerate([pebble, *more], 1)}
        self.port = pebble.http_port
        self.certificates = {}
        self.deployers = {}
        self.rest = {}

    def write(self, broken=""):
        whole = {"accounts": self.accounts, "deployers": self.deployers,
                 "solvers": {"alone": {"type": "standalone", "port": self.port}},
                 "defaults": {"account": ["ca1"], "solver": "alone"}, **self.rest}
        lines = [f"{key}: {json.dumps(value)}" for key, value in whole.items()]
        lines.append("certificates:")
        self.lines = {}
        for name, value in self.certificates.items():
            lines.append(f"  {name}: {json.dumps(value)}")
            self.lines[name] = len(lines)
        self.path.write_text("\n".join(lines) + "\n" + broken)
        self.path.chmod(0o600)

    def at(self, name):
        return f"{self.path}:{self.lines[name]}"


@pytest.fixture
def config(tmp_path, pebble):
    return Config(tmp_path / "everleaf.yaml", pebble)


@pytest.fixture
def daemon(everleaf, config):
    """Starts it with the file as it is."""
    def start(*options):
        config.write()
        return everleaf.start("--config", config.path, "run", *options)
    return start


def issued(everleaf, *names):
    there = {c["name"]: c for c in everleaf.certificates()}
    return all(n in there and there[n]["serial"] for n in names)


def wait_for(everleaf, *names):
    lab.wait_until(f"{names} are issued", lambda: issued(everleaf, *names), 30)


def test_the_daemon_issues_and_deploys_what_the_file_says(
        everleaf, daemon, config, journal, names, tmp_path):
    one, two = names(2)
    config.deployers = {
        "files": {"type": "files", "directory": str(tmp_path / "out")},
        "hook": {"type": "exec", "command": [str(journal.hook("deploy"))]}}
    config.certificates = {one: {"deploy": ["files", "hook"]}, "pair": {"names": [two, "b." + two]}}
    daemon()
    wait_for(everleaf, one, "pair")
    lab.wait_until("the hook ran", journal.ran)
    assert (tmp_path / "out" / "fullchain.pem").read_text().count("BEGIN CERTIFICATE") >= 2
    assert everleaf.certificate("pair")["names"] == [two, "b." + two]
    assert everleaf.ask("show", one)["certificate"]["origin"] == config.at(one)


def test_a_reload_takes_effect_at_once(everleaf, daemon, config, names):
    one, two = names(2)
    config.certificates = {one: {}}
    running = daemon()
    wait_for(everleaf, one)
    config.certificates = {two: {}, one: {"names": [one, "www." + one]}}
    config.write()
    everleaf.run("reload")
    wait_for(everleaf, two)
    lab.wait_until("the other names are there", lambda: everleaf.ask("show", one)["certificate"][
        "names"] == [one, "www." + one] and everleaf.certificate(one)["state"] == "valid")
    lab.wait_until("there is a new version", lambda: len(
        everleaf.ask("show", one)["certificate"]["versions"]) == 2)
    config.certificates = {two: {}, one: {"names": [one, "www." + one], "key": "ec-384"}}
    config.write()
    running.signal(signal.SIGHUP)
    lab.wait_until("another type of key is there", lambda: everleaf.ask("show", one)[
        "certificate"]["key_type"] == "ec-384")


def test_history_says_which_names_of_the_file_came_and_went(everleaf, config, names):
    a, b, c = names(3)
    config.certificates = {a: {"names": [a, b]}}
    config.write()
    everleaf.run("--config", config.path, "renew")
    config.certificates = {a: {"names": [a, c]}}
    config.write()
    assert f"without {b}" in everleaf.run("--config", config.path, "renew").err
    assert f"added {c}; removed {b}" in everleaf.run("history", a).out


def test_what_leaves_the_file_is_not_renewed_and_nothing_of_it_is_lost(
        everleaf, daemon, config, names):
    one, two = names(2)
    config.certificates = {one: {}, two: {}}
    daemon()
    wait_for(everleaf, one, two)
    serial = everleaf.serial(one)
    del config.certificates[one]
    config.write()
    everleaf.run("reload")
    gone = everleaf.certificate(one)
    assert gone["state"] == "dropped" and int(gone["serial"], 16) == serial
    assert gone["next"]["what"] == "nothing"
    assert "says nothing of it any more" in everleaf.run("show", one).out
    assert everleaf.certificate(two)["state"] == "valid"
    config.certificates[one] = {}
    config.write()
    everleaf.run("reload")
    back = everleaf.certificate(one)
    assert back["state"] == "valid" and int(back["serial"], 16) == serial


def test_a_broken_file_leaves_everything_as_it_was_and_says_so(everleaf, daemon, config, names):
    one, two = names(2)
    config.certificates = {one: {}, two: {}}
    running = daemon()
    wait_for(everleaf, one, two)
    config.write(broken="nonsense: [\n")
    said = everleaf.run("reload", expect=1).err
    assert str(config.path) in said and "stays as it was" in said
    assert {c["state"] for c in everleaf.certificates()} == {"valid"}
    # One mistake does not stop the others.
    config.certificates[one] = {"nmaes": [one]}
    config.certificates["third"] = {"names": ["third." + one]}
    config.write()
    said = everleaf.run("reload", expect=1).err
    assert 'did you mean "names"?' in said and config.at(one) in said
    wait_for(everleaf, "third")
    assert {c["state"] for c in everleaf.certificates()} == {"valid"}
    assert running.running()


def test_renew_without_a_daemon_acts_on_the_file_too(everleaf, config, name):
    config.certificates = {name: {}}
    config.write()
    everleaf.run("--config", config.path, "renew")
    assert everleaf.certificate(name)["state"] == "valid"
    config.certificates["broken"] = {"key": "dsa"}
    config.write()
    refused = everleaf.run("--config", config.path, "renew", expect=1)
    assert config.at("broken") in refused.err and "1 not due" in refused.out


def test_a_default_file_that_vanished_gives_nothing_up(everleaf, config, name):
    config.certificates = {name: {}}
    config.write()
    everleaf.run("--config", config.path, "renew")
    config.path.unlink()
    said = everleaf.run("--config", config.path, "renew", expect=1).err
    assert str(config.path) in said
    assert everleaf.certificate(name)["state"] == "valid"


def test_commands_do_not_change_what_a_file_defines_and_name_its_line(everleaf, config, names):
    one, two = names(2)
    config.certificates = {one: {}, "later": {"names": [two]}}
    config.write()
    in_file = ["--config", config.path]
    # Not yet applied, and known all the same.
    refused = everleaf.run(*in_file, "obtain", "-d", two, *everleaf.ca(), *everleaf.standalone(),
                           expect=1)
    assert config.at("later") in refused.err
    everleaf.run(*in_file, "renew")
    for command in (["obtain", "-d", one], ["reconfigure", one, "--key-type", "ec-384"],
                    ["pause", one], ["resume", one], ["delete", one],
                    ["renew", one, "--server", everleaf.pebble.url]):
        refused = everleaf.run(*in_file, *command, expect=1)
        assert config.at(one) in refused.err, command
    assert everleaf.certificate(one)["state"] == "valid"
    # What the file gave up is anybody's.
    config.certificates = {}
    config.write()
    everleaf.run(*in_file, "renew")
    everleaf.obtain(one)
    assert everleaf.ask("show", one)["certificate"]["origin"] == "command"
    everleaf.run(*in_file, "delete", "later")


def account_names(everleaf):
    return [a["name"] for a in everleaf.ask("account", "show")["accounts"]]


@pytest.mark.parametrize("command", [
    ["obtain", "-d", "NAME"], ["obtain", "-d", "NAME", "--agree-tos"],
    ["reconfigure", "NAME", "--key-type", "ec-256"], ["renew", "NAME", "--agree-tos"]])
def test_a_certificate_keeps_its_account_when_a_command_takes_it_over(
        everleaf, config, names, pebble, command):
    one, two = names(2)
    config.certificates = {one: {}, two: {}}
    config.write()
    seen = pebble.watch()
    everleaf.run("--config", config.path, "renew")
    del config.certificates[one]
    config.write()
    everleaf.run("--config", config.path, "renew")
    everleaf.run("--config", config.path, *[one if word == "NAME" else word for word in command])
    assert account_names(everleaf) == ["ca1"]
    serial = everleaf.serial(one)
    everleaf.run("--config", config.path, "obtain", "-d", one, "--force")
    assert everleaf.serial(one) != serial and seen.accounts() == 1


def test_what_only_the_file_could_say_stays_with_what_a_command_takes_over(
        everleaf, config, pebble, journal, tmp_path, names):
    def stored():
        with contextlib.closing(sqlite3.connect(everleaf.state / "everleaf.db")) as db:
            return db.execute("SELECT wish, optional, accounts, account_id, names FROM certificate "
                              "WHERE name = ?", [name]).fetchone()

    name, other, extra = names(3)
    config.accounts["ca2"] = {"server": "https://ca.invalid/dir"}
    config.deployers = {
        "one": {"type": "files", "directory": str(tmp_path / "one")},
        "hook": {"type": "exec", "reload": [str(journal.hook("reload"))], "window": "00:00-23:59"},
        "two": {"type": "files", "directory": str(tmp_path / "two")}}
    config.certificates = {other: {}, name: {
        "names": [name, extra], "optional": [extra], "account": ["ca1", "ca2"],
        "deploy": ["one", "hook", "two"]}}
    if pebble.modern:
        config.certificates[name]["profile"] = "default"
    config.write()
    everleaf.run("--config", config.path, "renew")
    before = stored()
    assert before[1] and "," in before[2] or " " in before[2]
    del config.certificates[name]
    config.write()
    everleaf.run("--config", config.path, "renew")
    everleaf.run("obtain", "-d", f"{name},{extra}")
    assert stored() == before and everleaf.certificate(name)["state"] == "valid"
    everleaf.run("reconfigure", name, "--deploy-hook", journal.hook("after"))
    deploys = [d.get("directory") for d in json.loads(stored()[0])["deploy"]]
    assert deploys == [str(tmp_path / "one"), str(tmp_path / "two"), None]


def test_obtain_beside_a_file_uses_its_account_at_that_ca(
        everleaf, config, names, pebble, tmp_path):
    one, two, three = names(3)
    other = tmp_path / "bundle.pem"
    other.write_text(pebble.root(0))
    config.certificates = {one: {}}
    config.write()
    obtain = ["--config", config.path, "obtain", "--server", pebble.url, *everleaf.standalone(),
              "-d"]
    told = everleaf.run(*obtain, two, "-m", "me@everleaf.test", expect=2).err
    assert f"{config.path}:1" in told and "ca1" in told
    everleaf.run(*obtain, two)  # neither trust nor consent was typed
    everleaf.run(*obtain, three, "-m", "a@everleaf.test", "--ca-bundle", pebble.bundle,
                 "--agree-tos")
    config.accounts["ca1"]["contact"] = "b@everleaf.test"
    config.write()
    everleaf.run("--config", config.path, "renew")
    [account] = everleaf.ask("account", "show")["accounts"]
    assert (account["name"], account["contact"]) == ("ca1", "b@everleaf.test")
    everleaf.run("--config", config.path, "renew", "--ca-bundle", other, expect=2)
    assert account_names(everleaf) == ["ca1"]


def test_a_file_does_not_take_what_a_command_made(everleaf, config, names):
    one, two = names(2)
    everleaf.obtain(one)
    config.certificates = {one: {"names": [two]}, two: {}}
    config.write()
    said = everleaf.run("--config", config.path, "renew", expect=1).err
    assert config.at(one) in said and "everleaf obtain" in said
    assert everleaf.certificate(one)["names"] == [one]
    assert everleaf.certificate(two)["state"] == "valid"


def test_an_optional_name_that_the_ca_refuses_does_not_block_the_rest(
        everleaf, config, name, pebble):
    if not pebble.modern:
        pytest.skip("needs Pebble 2.10: this one refuses without saying which name")
    config.certificates = {name: {"names": [name], "optional": ["blocked-domain.example"]}}
    config.write()
    seen = pebble.watch()
    everleaf.run("--config", config.path, "renew")
    got = everleaf.certificate(name)
    assert got["state"] == "degraded" and got["left_out"] == ["blocked-domain.example"]
    assert got["names"] == [name, "blocked-domain.example"], "what is wanted stays wanted"
    assert "without blocked-domain.example" in everleaf.run("status").out
    assert len(seen.issued()) == 1
    everleaf.run("--config", config.path, "renew")
    assert len(seen.issued()) == 1, "it is tried again in a day"


def test_the_next_ca_of_the_list_is_used_when_the_first_does_not_want_the_account(
        everleaf_at, new_pebble, tmp_path, name):
    refuses = new_pebble(eab=True)
    issues = new_pebble()
    try:
        everleaf = everleaf_at(issues)
        config = Config(tmp_path / "everleaf.yaml", refuses, issues)
        config.port = issues.http_port
        config.rest = {"defaults": {"account": ["ca1", "ca2"], "solver": "alone"}}
        config.certificates = {name: {}}
        config.write()
        everleaf.run("--config", config.path, "renew")
        assert everleaf.certificate(name)["state"] == "valid"
        history = everleaf.run("history", name).out
        assert refuses.url in history and issues.url in history
    finally:
        refuses.stop()
        issues.stop()


@pytest.fixture
def eab_pebble(new_pebble):
    pebble = new_pebble(eab=True)
    yield pebble
    pebble.stop()


def test_an_external_account_binding_is_made_of_a_secret_that_is_nowhere_kept(
        everleaf_at, eab_pebble, tmp_path, name):
    everleaf = everleaf_at(eab_pebble)
    config = Config(tmp_path / "everleaf.yaml", eab_pebble)
    secret = tmp_path / "mac-key"
    secret.write_text(ca.EAB_MAC_KEY + "\n")
    secret.chmod(0o600)
    config.accounts["ca1"]["eab"] = {"kid": ca.EAB_KID, "hmac-key": f"file:{secret}"}
    config.certificates = {name: {}}
    config.write()
    everleaf.run("--config", config.path, "-vv", "renew")
    assert everleaf.certificate(name)["state"] == "valid"
    for file in everleaf.state.rglob("*"):
        assert file.is_dir() or ca.EAB_MAC_KEY.encode() not in file.read_bytes(), file


def test_a_wrong_mac_key_is_an_error_that_says_so(everleaf_at, eab_pebble, tmp_path, name):
    everleaf = everleaf_at(eab_pebble)
    config = Config(tmp_path / "everleaf.yaml", eab_pebble)
    config.certificates = {name: {}}
    config.accounts["ca1"]["eab"] = {"kid": ca.EAB_KID, "hmac-key": "env:EVERLEAF_TEST_MAC"}
    config.write()
    for secret, says in (("AAAA", "the CA says"), ("no base64url!", "copy it again"),
                         ("", "EVERLEAF_TEST_MAC")):
        refused = everleaf.run("--config", config.path, "renew", name, expect=1,
                               env={"EVERLEAF_TEST_MAC": secret})
        assert says in refused.err
        assert secret == "" or secret not in refused.err


def test_an_account_whose_key_exists_already_is_found_at_the_ca(
        everleaf_at, pebble, tmp_path, name):
    key = tmp_path / "account.pem"
    servers.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                    key)
    key.chmod(0o600)
    seen = pebble.watch()
    for _ in range(2):
        everleaf = everleaf_at(pebble)
        config = Config(tmp_path / "everleaf.yaml", pebble)
        config.accounts["ca1"]["key"] = f"file:{key}"
        config.certificates = {name: {}}
        config.write()
        everleaf.run("--config", config.path, "renew")
        assert everleaf.certificate(name)["state"] == "valid"
    assert seen.accounts() == 1


def reasons(everleaf, name):
    told = {}
    for reason in everleaf.ask("why", name)["why"]["reasons"]:
        told.setdefault(reason["about"], []).append(reason["text"])
    return {about: "; ".join(texts) for about, texts in told.items()}


def test_why_says_what_is_wanted_what_is_there_and_what_comes_next(
        everleaf, config, name, pebble):
    config.certificates = {name: {}}
    config.write()
    everleaf.run("--config", config.path, "renew")
    everleaf.run("--config", config.path, "renew")
    told = reasons(everleaf, name)
    assert name in told["wanted"] and config.at(name) in told["wanted"]
    assert everleaf.certificate(name)["serial"] in told["there"]
    assert told["CA"] == pebble.url
    assert told["next"].startswith("renew it at ")
    assert "without advice" in told["lifetime"]
    if pebble.modern:
        assert "the CA advises between" in told["advice"]
        assert "is asked again at" in told["advice"]
    people = everleaf.run("why", name).out
    assert all(text.split(";")[0] in people for text in told.values())


def test_why_repeats_what_the_ca_said_of_a_failure_and_what_to_do(everleaf, name):
    everleaf.obtain("blocked-domain.example", expect=1)
    told = reasons(everleaf, "blocked-domain.example")
    assert "no certificate yet" in told["there"]
    assert "the CA says:" in told["last error"]
    assert "this CA issues no certificate for that name" in told["last error"]
    assert "1 attempt failed" in told["back-off"] and "not again before" in told["back-off"]
    assert "there is no certificate yet" not in told["next"], "a failure comes first"
    assert "attempt 1 failed" in told["next"]


@pytest.mark.slow
def test_a_profile_of_a_minute_is_ordered_and_lived_in(everleaf_at, pebbles, tmp_path, names):
    """The CA has another one, of ninety days."""
    pebble = pebbles(profile=("minute", 60))
    if not pebble.modern:
        pytest.skip("needs Pebble 2.10: this one has no profiles")
    everleaf = everleaf_at(pebble)
    wanted = names(3)
    config = Config(tmp_path / "everleaf.yaml", pebble)
    config.certificates = {name: {"profile": "minute"} for name in wanted}
    config.write()
    seen = pebble.watch()
    running = everleaf.start("--config", config.path, "run")
    lab.wait_until("each has been renewed", lambda: len(seen.issued()) >= 6 and all(
        len(everleaf.ask("show", name)["certificate"]["versions"]) >= 2 for name in wanted), 150)
    running.signal(signal.SIGTERM)
    assert running.wait(15) == 0, running.text()
    for name in wanted:
        begin, end = everleaf.export(name).validity
        assert (end - begin).total_seconds() in (59, 60)
        assert everleaf.ask("show", name)["certificate"]["profile"] == "minute"
        assert "profile      minute\n" in everleaf.run("show", name).out
