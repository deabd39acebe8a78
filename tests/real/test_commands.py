# SPDX-License-Identifier: MIT
#
# What the commands print, for people and as JSON, and the commands that change what is wanted.

import datetime
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import lab

STATUS_KEYS = {"name", "names", "state", "serial", "not_before", "not_after", "next", "last_error",
               "deploys_at", "left_out"}
STATES = {"valid", "due", "renewing", "degraded", "failing", "expired", "revoked", "removed"}
VERBS = ["obtain", "reconfigure", "pause", "resume", "renew", "status", "show", "history", "deploy",
         "export", "delete", "account", "run", "version", "help"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc)


def texts(value):
    """Every text in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for v in value:
            yield from texts(v)
    if isinstance(value, str):
        yield value


def check_json(value):
    assert value["schema"] == 1
    for text in texts(value):
        if re.match(r"\d{4}-\d\d-\d\d", text):
            assert TIME.fullmatch(text), f"{text} is no time in RFC 3339 UTC"
    return value


@pytest.mark.parametrize("verb", ["status", "list", "certificates"])
def test_status_lists_every_certificate(everleaf, names, verb):
    a, b = names(2)
    everleaf.obtain(a)
    everleaf.obtain(b, options=["--name", "second"])
    out = everleaf.run(verb).out
    assert a in out and "second" in out and "valid" in out
    status = check_json(everleaf.ask(verb))
    assert set(status) == {"schema", "certificates"}
    assert {c["name"] for c in status["certificates"]} == {a, "second"}


def test_status_as_json_has_exactly_the_documented_members(everleaf, name):
    everleaf.obtain(name)
    entry = everleaf.certificate(name)
    files = everleaf.export(name)
    assert set(entry) == STATUS_KEYS
    assert entry["names"] == [name]
    assert entry["state"] == "valid" and entry["state"] in STATES
    assert re.fullmatch(r"[0-9A-F]+", entry["serial"])
    assert int(entry["serial"], 16) == files.leaf.serial_number
    for member, value in zip(("not_before", "not_after"), files.validity):
        assert entry[member] == value.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert isinstance(entry["next"], dict)
    assert entry["last_error"] is None


def test_the_next_renewal_lies_within_the_lifetime(everleaf, name):
    everleaf.obtain(name)
    entry = everleaf.certificate(name)
    [when] = [t for t in texts(entry["next"]) if TIME.fullmatch(t)]
    assert entry["not_before"] < when < entry["not_after"]


def test_json_holds_no_value_that_changes_with_time(everleaf, name):
    everleaf.obtain(name)
    commands = [("status",), ("show", name), ("history", name), ("account", "show"), ("version",)]
    before = [everleaf.run(*c, "--json").out for c in commands]
    later = utc_now() + datetime.timedelta(seconds=1.1)
    lab.wait_until("a second has passed", lambda: utc_now() > later)
    assert [everleaf.run(*c, "--json").out for c in commands] == before


def test_status_of_an_empty_store_is_an_empty_list(everleaf):
    assert everleaf.ask("status") == {"schema": 1, "certificates": []}
    everleaf.run("status")


def test_show_tells_about_one_certificate(everleaf, names):
    wanted = names(2)
    everleaf.obtain(*wanted, options=["--name", "site"])
    out = everleaf.run("show", "site").out
    status = everleaf.certificate("site")
    assert "site" in out and all(n in out for n in wanted)
    assert status["serial"] in out
    shown = check_json(everleaf.ask("show", "site"))
    assert set(shown) == {"schema", "certificate"}
    for member in STATUS_KEYS:
        assert shown["certificate"][member] == status[member]


def test_history_tells_what_happened_in_order(everleaf, name, names):
    other = names(2)[1]
    everleaf.obtain(name)
    everleaf.obtain(other)
    everleaf.run("renew", "--force", name)
    assert name in everleaf.run("history", name).out
    every = check_json(everleaf.ask("history"))
    one = check_json(everleaf.ask("history", name))
    assert len(every["events"]) > len(one["events"]) >= 2
    times = [next(t for t in texts(event) if TIME.fullmatch(t)) for event in every["events"]]
    assert times == sorted(times)
    kinds = [event["kind"] for event in one["events"]]
    assert kinds.count("issued") == 2
    why = [event["text"] for event in one["events"] if event["kind"] == "ordered"]
    assert why == [f"{name}: there is no certificate yet",
                   f"{name}: somebody asked for it before it is due"]


def test_account_show_tells_the_url_that_the_ca_gave(everleaf, pebble, name):
    everleaf.obtain(name)
    prefix = f"https://127.0.0.1:{pebble.proxy.port}/my-account/"
    assert prefix in everleaf.run("account", "show").out
    shown = check_json(everleaf.ask("account", "show"))
    assert any(text.startswith(prefix) for text in texts(shown))
    assert "PRIVATE" not in everleaf.run("account", "show", "--json").out


def test_version_says_which_one_it_is(everleaf):
    assert re.search(r"everleaf \d+\.\d+", everleaf.run("version").out)
    version = check_json(everleaf.ask("version"))
    assert any(re.match(r"\d+\.\d+", text) for text in texts(version))


@pytest.mark.parametrize("words", [["help"], ["--help"], ["help", "obtain"], ["obtain", "--help"]])
def test_help_is_there_in_every_spelling(everleaf, words):
    out = everleaf.run(*words).out
    assert "obtain" in out
    if "obtain" not in words:
        for verb in VERBS:
            assert re.search(rf"\b{verb}\b", out), f"{verb} is not in help"
    assert not everleaf.state.exists(), "help needs no state directory"


def test_whatever_prints_also_prints_json(everleaf, journal, tmp_path, name):
    obtain = ["obtain", "-d", name, "--name", "x", *everleaf.ca(), *everleaf.standalone()]
    hook = journal.hook("deploy")
    wrong = []
    for words in (obtain, obtain, ["renew"], ["renew", "--force", "x"], ["deploy", "x"],
                  ["reconfigure", "x", "--deploy-hook", hook], ["pause", "x"], ["resume", "x"],
                  ["export", "x", "--out", tmp_path / "out"], ["help"], ["delete", "x"]):
        try:
            check_json(everleaf.ask(*words))
        except AssertionError as e:
            wrong.append(f"{words[0]}: {e}")
    assert not wrong, "\n".join(wrong)


def test_a_failure_with_json_is_json_too_or_nothing_on_stdout(everleaf):
    failed = everleaf.run("show", "nothing-here", "--json", expect=(1, 2))
    assert not failed.out or check_json(failed.json)
    assert "nothing-here" in failed.text


def test_text_without_a_terminal_has_no_colours_unless_asked_for(everleaf, name):
    everleaf.obtain(name)
    assert "\x1b" not in everleaf.run("status").text
    assert "\x1b" not in everleaf.run("--color", "never", "status").text
    assert "\x1b" not in everleaf.run("status", "--json", "--color", "always").out


def test_delete_removes_the_certificate_and_its_name_is_free_again(everleaf, pebble, names):
    a, b = names(2)
    everleaf.obtain(a)
    everleaf.obtain(b)
    everleaf.run("delete", a)
    assert [c["name"] for c in everleaf.certificates()] == [b]
    everleaf.run("show", a, expect=(1, 2))
    seen = pebble.watch()
    everleaf.run("renew", "--force")
    assert len(seen.issued()) == 1
    everleaf.obtain(a)
    assert len(seen.issued()) == 2


def test_reconfigure_changes_options_and_issues_nothing(everleaf, pebble, journal, name):
    everleaf.obtain(name)
    seen = pebble.watch()
    everleaf.run("reconfigure", name, "--key-type", "ec-384",
                 "--deploy-hook", journal.hook("deploy"))
    assert seen.requests() == []
    everleaf.run("renew", "--force", name)
    assert everleaf.export(name).check().key.curve.name == ec.SECP384R1().name
    assert journal.ran() == ["deploy"]


def test_paused_certificates_are_not_renewed_until_they_are_resumed(everleaf, pebble, name):
    everleaf.obtain(name)
    everleaf.run("pause", name)
    seen = pebble.watch()
    everleaf.run("renew", "--force", expect=None)
    assert seen.orders() == []
    everleaf.run("resume", name)
    everleaf.run("renew", "--force")
    assert len(seen.issued()) == 1


@pytest.mark.slow
def test_a_due_certificate_is_renewed_by_renew_unless_it_is_paused(
        pebbles, everleaf_at, name):
    pebble = pebbles(validity=20)
    everleaf = everleaf_at(pebble)
    everleaf.obtain(name)
    everleaf.run("pause", name)
    first = everleaf.serial(name)
    # 19 s from notBefore to notAfter: it is due in the second half and expired after it.
    end = everleaf.export(name).validity[1] + datetime.timedelta(seconds=1)
    lab.wait_until("it has expired", lambda: utc_now() > end, 30)
    assert everleaf.certificate(name)["state"] == "expired"
    seen = pebble.watch()
    everleaf.run("renew", expect=None)
    assert seen.orders() == []
    everleaf.run("resume", name)
    everleaf.run("renew")
    assert len(seen.issued()) == 1
    assert everleaf.serial(name) != first
    assert everleaf.certificate(name)["state"] in ("valid", "due")


def test_renew_with_a_server_moves_the_named_certificate_to_that_ca(
        everleaf_at, pebbles, pebble, names):
    other = pebbles(chain_length=3, alternate_roots=2)
    everleaf = everleaf_at(pebble)
    moved, stays = names(2)
    everleaf.obtain(moved)
    everleaf.obtain(stays)
    everleaf.run("reconfigure", moved, "--http-port", other.http_port)
    seen, elsewhere = pebble.watch(), other.watch()
    everleaf.run("renew", moved, "--force", "--server", other.url, "--ca-bundle", other.bundle,
                 "--agree-tos")
    assert (len(seen.orders()), len(elsewhere.issued())) == (0, 1)


def test_one_renew_serves_two_cas_that_look_at_two_ports(everleaf_at, pebbles, pebble, names):
    other = pebbles(chain_length=3, alternate_roots=2)
    everleaf = everleaf_at(pebble)
    a, b = names(2)
    everleaf.obtain(a)
    everleaf.run("obtain", "-d", b, "--server", other.url, "--ca-bundle", other.bundle, "-m",
                 "a@b.example", "--agree-tos", "--standalone", "--http-port", other.http_port)
    seen, elsewhere = pebble.watch(), other.watch()
    everleaf.run("renew", "--force")
    assert (len(seen.issued()), len(elsewhere.issued())) == (1, 1)
