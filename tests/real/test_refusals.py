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
