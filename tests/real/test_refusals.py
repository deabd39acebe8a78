# SPDX-License-Identifier: MIT
#
# What is refused: with the right exit code, one sentence that says what to do, and before
# anything is asked of the CA.

import os
import re
import socket

import pytest

import servers


def sentence(result):
    """The one line on stderr."""
    lines = result.err.strip().splitlines()
    assert len(lines) == 1, f"not one sentence\n{result}"
    assert len(lines[0]) > 15 and "Traceback" not in lines[0]
    return lines[0]


BAD_NAMES = [
    "",
    " ",
    ".",
    "two words.example.test",
    "under_score.example.test",
    "-dash.example.test",
    "dash-.example.test",
    "two..dots.example.test",
    ".leading.example.test",
    "slash/example.test",
    "../../etc/passwd",
    "https://example.test",
    "example.test:443",
    "user@example.test",
    "a" * 64 + ".example.test",
    ".".join(["a" * 50] * 6),
    "www.*.example.test",
    "**.example.test",
    "*",
    "a.*.example.test",
    "*.*.example.test",
    "del\x7f.example.test",
    "esc\x1b[31m.example.test",
    "new\nline.example.test",
    "semi;colon.example.test",
    "$(id).example.test",
]


@pytest.mark.parametrize("bad", BAD_NAMES, ids=ascii)
def test_a_bad_name_is_a_usage_error_with_one_clear_sentence(everleaf, pebble, bad):
    seen = pebble.watch()
    refused = everleaf.obtain(bad, expect=2)
    said = sentence(refused)
    assert "\x1b" not in said
    if bad.strip() and bad.isprintable() and len(bad) < 60:
        assert bad in said
    assert seen.connections() == 0


def test_a_wildcard_over_http_is_refused_with_a_reason(everleaf, pebble, name):
    seen = pebble.watch()
    refused = everleaf.obtain(f"*.{name}", expect=(1, 2))
    assert f"*.{name}" in refused.err and "dns" in refused.err.lower()
    assert seen.orders() == []


USAGE = [  # command line, what the sentence names
    (["--frobnicate"], "--frobnicate"),
    (["obtain", "-d", "x.test", "--frobnicate"], "--frobnicate"),
    (["frobnicate"], "frobnicate"),
    (["obtain"], "-d"),
    (["obtain", "-d", "x.test", "--http-port", "0"], "0"),
    (["obtain", "-d", "x.test", "--http-port", "65536"], "65536"),
    (["obtain", "-d", "x.test", "--http-port", "http"], "http"),
    (["obtain", "-d", "x.test", "--key-type", "rsa-512"], "rsa-512"),
    (["obtain", "-d", "x.test", "--name", "../x"], "../x"),
    (["show"], "show"),
    (["export", "x"], "--out"),
    (["account", "frobnicate"], "frobnicate"),
    (["status", "--color", "sometimes"], "sometimes"),
]


@pytest.mark.parametrize("words, named", USAGE, ids=[" ".join(w) for w, _ in USAGE])
def test_a_usage_error_has_exit_code_two_and_names_what_is_wrong(everleaf, words, named):
    assert named in everleaf.run(*words, expect=2).err


def test_no_command_at_all_is_a_usage_error_that_points_to_help(everleaf):
    refused = everleaf.run_argv([str(everleaf.program)], expect=2)
    assert "help" in refused.text.lower()


def test_a_server_without_https_is_refused_before_anything_is_sent(everleaf, pebble, name):
    seen = pebble.watch()
    url = pebble.url.replace("https://", "http://")
    refused = everleaf.run("obtain", "-d", name, "--server", url, "-m", "a@b.example",
                           "--agree-tos", *everleaf.standalone(), expect=(1, 2))
    assert "https" in sentence(refused)
    assert seen.connections() == 0


def test_a_ca_that_the_bundle_does_not_vouch_for_sees_no_request(
        everleaf, pebble, other_ca, name):
    seen = pebble.watch()
    refused = everleaf.run("obtain", "-d", name, "--server", pebble.url, "--ca-bundle",
                           other_ca.bundle, "-m", "a@b.example", "--agree-tos",
                           *everleaf.standalone(), expect=(1, 75))
    assert "certificate" in refused.err
    assert seen.requests() == []


def test_a_ca_bundle_that_is_not_there_is_named(everleaf, pebble, name):
    missing = everleaf.state.parent / "no-such-bundle.pem"
    refused = everleaf.run("obtain", "-d", name, "--server", pebble.url, "--ca-bundle", missing,
                           "--agree-tos", *everleaf.standalone(), expect=(1, 2))
    assert str(missing) in refused.err


def test_terms_that_were_not_agreed_to_are_shown_and_no_account_is_made(everleaf, pebble, name):
    seen = pebble.watch()
    refused = everleaf.run("obtain", "-d", name, "--server", pebble.url, "--ca-bundle",
                           pebble.bundle, "-m", "a@b.example", *everleaf.standalone(),
                           expect=(1, 2))
    assert pebble.directory["meta"]["termsOfService"] in refused.err
    assert "--agree-tos" in refused.err
    assert seen.accounts() == 0
    assert "POST /order-plz" not in seen.requests()


def test_without_a_method_a_taken_port_80_names_its_holder_and_the_webroot(
        everleaf, pebble, tmp_path, name):
    try:
        socket.create_server(("", 80)).close()
    except OSError as e:
        pytest.skip(f"needs a port 80 that this user can have: {e}")
    seen = pebble.watch()
    with servers.port_holder(80, tmp_path) as holder:
        refused = everleaf.obtain(name, method=[], expect=(1, 2))
    assert re.search(rf"\b{holder.pid}\b", refused.err)
    assert "--webroot" in refused.err
    assert seen.orders() == []


def test_a_foreign_listener_on_the_standalone_port_is_named_with_its_pid_and_the_webroot(
        everleaf, pebble, tmp_path, name):
    seen = pebble.watch()
    with servers.web_server(tmp_path, pebble.http_port):
        refused = everleaf.obtain(name, expect=(1, 75), timeout=180)
    assert re.search(rf"\b{os.getpid()}\b", refused.err)
    assert str(pebble.http_port) in refused.err
    assert "--webroot" in refused.err
    assert seen.issued() == []


def test_a_name_that_the_ca_blocks_fails_with_the_cas_own_words(everleaf):
    failed = everleaf.obtain("www.blocked-domain.example", expect=1)
    assert "blocked-domain.example" in failed.err
    [only] = everleaf.certificates()
    assert "blocked-domain.example" in str(only["last_error"])
    assert only["state"] == "failing"


def test_a_challenge_that_the_ca_cannot_reach_fails_with_the_cas_own_words(
        everleaf, pebble, tmp_path, name):
    """A webroot that nobody serves."""
    seen = pebble.watch()
    root = tmp_path / "www"
    root.mkdir()
    failed = everleaf.obtain(name, method=["--webroot", root], expect=1)
    assert name in failed.err
    assert seen.issued() == []
    assert [p for p in root.rglob("*") if p.is_file()] == []
    assert everleaf.certificate(name)["state"] == "failing"


def test_a_webroot_that_is_not_there_is_named(everleaf, pebble, tmp_path, name):
    seen = pebble.watch()
    missing = tmp_path / "no-such-directory"
    refused = everleaf.obtain(name, method=["--webroot", missing], expect=(1, 2))
    assert str(missing) in refused.err
    assert seen.orders() == []


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_state_directory_that_others_can_write_is_refused(everleaf, pebble, name, mode):
    everleaf.state.mkdir()
    os.chmod(everleaf.state, mode)
    seen = pebble.watch()
    refused = everleaf.obtain(name, expect=1)
    assert str(everleaf.state) in sentence(refused)
    assert list(everleaf.state.iterdir()) == []
    assert seen.connections() == 0


def test_a_store_that_is_no_database_is_refused_and_left_alone(everleaf, name):
    everleaf.obtain(name)
    database = everleaf.state / "everleaf.db"
    broken = b"no database at all" * 100
    database.write_bytes(broken)
    refused = everleaf.run("status", expect=1)
    assert "everleaf.db" in refused.err
    assert database.read_bytes() == broken


@pytest.mark.parametrize("verb", ["show", "renew", "deploy", "history", "delete", "pause", "resume",
                                  "reconfigure", "export"])
def test_an_unknown_certificate_is_named(everleaf, name, verb):
    everleaf.obtain(name)
    options = ["--out", everleaf.state.parent / "out"] if verb == "export" else []
    options += ["--key-type", "ec-384"] if verb == "reconfigure" else []
    refused = everleaf.run(verb, "no-such-certificate", *options, expect=(1, 2))
    assert "no-such-certificate" in sentence(refused)


@pytest.mark.parametrize("kind", ["--deploy-hook", "--pre-hook", "--post-hook", "--solver-exec"])
def test_a_program_that_is_not_there_is_refused_before_the_ca_is_asked(
        everleaf, pebble, tmp_path, name, kind):
    seen = pebble.watch()
    method = [] if kind == "--solver-exec" else None
    for program in (tmp_path / "no-such-program", "no-such-program with arguments"):
        refused = everleaf.obtain(name, method=method, options=[kind, program], expect=(1, 2))
        assert "no-such-program" in sentence(refused)
    assert seen.connections() == 0


def test_a_hundred_and_one_names_are_one_too_many(everleaf, pebble, names):
    seen = pebble.watch()
    told = everleaf.obtain(*names(101), expect=2)
    assert "100" in told.err
    assert seen.requests() == []


def test_a_name_in_letters_of_the_world_is_converted(everleaf, name):
    """UTS 46 by libidn2: the certificate is for the A-label."""
    everleaf.run("obtain", "-d", "B\u00dcCHER." + name, *everleaf.ca(), *everleaf.standalone())
    [only] = everleaf.certificates()
    assert only["names"] == ["xn--bcher-kva." + name]
