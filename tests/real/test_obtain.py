# SPDX-License-Identifier: MIT
#
# Obtaining and renewing over http-01: names, methods, key types, chains, repetition.

import os
import re
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import servers


def test_one_name_is_obtained_and_renewed(everleaf, pebble, name):
    seen = pebble.watch()
    everleaf.obtain(name)
    first = everleaf.serial(name)
    assert everleaf.export(name).check().names() == {name}
    everleaf.run("renew", "--force", name)
    assert everleaf.serial(name) != first
    assert everleaf.export(name).check().leaf.serial_number == everleaf.serial(name)
    assert len(seen.issued()) == 2
    assert len(seen.orders()) == 2
    assert seen.accounts() == 1
    assert len(everleaf.certificates()) == 1


def test_the_combination_of_nonces_authorizations_and_names_obtains_and_renews(
        new_pebble, everleaf_at, rounds, combination):
    nonce_reject, authz_reuse, count = combination
    pebble = new_pebble(nonce_reject=nonce_reject, authz_reuse=authz_reuse)
    try:
        for i in range(rounds(1, 20)):
            wanted = [f"n{k}.r{i}.everleaf.test" for k in range(count)]
            everleaf = everleaf_at(pebble)
            seen = pebble.watch()
            everleaf.obtain(*wanted)
            assert everleaf.export(wanted[0]).check().names() == set(wanted)
            everleaf.run("renew", "--force")
            assert everleaf.export(wanted[0]).check().names() == set(wanted)
            assert (len(seen.orders()), len(seen.issued())) == (2, 2)
    finally:
        pebble.stop()


def test_challenges_may_come_in_any_order_and_one_without_a_token_first(everleaf, pebble, names):
    """Pebble shuffles; 2.10 offers dns-persist-01, which has no token, among them."""
    seen = pebble.watch()
    for wanted in names(10):
        everleaf.obtain(wanted)
    assert len(seen.orders()) == len(seen.issued()) == 10


def test_obtaining_again_while_it_is_not_due_says_so_and_asks_the_ca_for_nothing(
        everleaf, pebble, name):
    everleaf.obtain(name)
    serial = everleaf.serial(name)
    seen = pebble.watch()
    again = everleaf.obtain(name)
    assert name in again.text and "due" in again.text
    assert everleaf.obtain(name, options=["--exit-code"], expect=3).text
    assert seen.requests() == []
    assert everleaf.serial(name) == serial


def test_renew_with_nothing_due_succeeds_and_asks_the_ca_for_nothing(everleaf, pebble, name):
    everleaf.obtain(name)
    seen = pebble.watch()
    everleaf.run("renew")
    everleaf.run("renew", name)
    everleaf.run("renew", "--exit-code", expect=3)
    assert [r for r in seen.requests() if r.startswith("POST")] == []


def test_renew_without_any_certificate_succeeds(everleaf):
    everleaf.run("renew")
    everleaf.run("renew", "--exit-code", expect=3)


def test_obtain_with_force_issues_although_it_is_not_due(everleaf, pebble, name):
    everleaf.obtain(name)
    seen = pebble.watch()
    everleaf.obtain(name, options=["--force"])
    assert len(seen.issued()) == 1


def test_a_changed_set_is_a_new_version_of_the_same_certificate(everleaf, pebble, names):
    a, b, c = names(3)
    everleaf.obtain(a)
    first = everleaf.serial(a)
    everleaf.obtain(a, b)
    assert everleaf.serial(a) != first
    everleaf.obtain(a, c, options=["--name", a])
    [only] = everleaf.certificates()
    assert only["name"] == a
    assert set(only["names"]) == everleaf.export(a).check().names() == {a, c}


def test_a_name_that_is_served_is_not_lost_without_a_word(everleaf, pebble, names):
    a, b, c = names(3)
    everleaf.obtain(a, b)
    seen = pebble.watch()
    for wanted in ([a, c], [a], [a, f"*.{c}"]):
        for options in ([], ["--dry-run"]):
            told = everleaf.obtain(*wanted, options=options, expect=1).err
            for part in (f"{a},{b}", ",".join(wanted), f"lose {b}", "--expand", f"--name {a}",
                         "-d " + ",".join([a, b, *wanted[1:]])):
                assert part in told
    assert everleaf.certificate(a)["names"] == [a, b] and seen.orders() == []
    everleaf.obtain(c, a)  # another certificate, which takes nothing from that one
    assert everleaf.certificate(a)["names"] == [a, b]


@pytest.mark.parametrize("options, has", [(["--expand"], "abc"), (["--name"], "ac")])
def test_what_adds_names_or_names_the_certificate_changes_it_and_history_says_so(
        everleaf, names, options, has):
    there = dict(zip("abc", names(3)))
    a, b, c = there.values()
    everleaf.obtain(a, b)
    options = options if has == "abc" else [*options, a]
    said = everleaf.obtain(a, c, options=options).err
    assert everleaf.export(a).check().names() == {there[n] for n in has}
    story = everleaf.run("history", a).out
    assert f"added {c}" in story
    assert ("b" in has) != (f"removed {b}" in story) and ("b" in has) != (f"without {b}" in said)
    serial = everleaf.serial(a)
    everleaf.obtain(a, c, options=[*options, "--exit-code"], expect=3)
    assert everleaf.serial(a) == serial and everleaf.run("history", a).out.count("added") == 1


def test_names_that_nothing_serves_may_be_taken_back(everleaf, names):
    a, b = names(2)
    everleaf.obtain(a, "blocked-domain.example", expect=1)
    everleaf.obtain(a, b)
    everleaf.obtain(a, b, "blocked-domain.example", expect=1)
    everleaf.obtain(a, b, options=["--exit-code"], expect=(0, 3))
    assert everleaf.certificate(a)["names"] == [a, b]
    assert everleaf.run("history", a).out.count("removed blocked-domain.example") == 2


def test_the_same_set_in_another_order_is_no_change(everleaf, pebble, names):
    a, b, c = names(3)
    everleaf.obtain(a, b, c)
    seen = pebble.watch()
    everleaf.obtain(a, c, b, options=["--exit-code"], expect=3)
    assert seen.issued() == []


def test_a_certificate_has_the_name_that_it_was_given(everleaf, name):
    everleaf.obtain(name, options=["--name", "front-door"])
    assert [c["name"] for c in everleaf.certificates()] == ["front-door"]
    everleaf.run("renew", "--force", "front-door")
    assert everleaf.export("front-door").check().names() == {name}


def test_names_may_be_repeated_and_joined_by_commas(everleaf, names):
    a, b, c = names(3)
    everleaf.run("obtain", "-d", f"{a},{b}", "-d", c, "-d", a.upper(), *everleaf.ca(),
                 *everleaf.standalone())
    assert everleaf.certificate(a)["names"] == [a, b, c]
    assert everleaf.export(a).names() == {a, b, c}


def test_upper_case_and_unicode_names_become_their_canonical_form(everleaf, name):
    everleaf.obtain(f"BÜCHER.{name.upper()}", f"Www.{name}")
    canonical = f"xn--bcher-kva.{name}"
    assert everleaf.certificate(canonical)["names"] == [canonical, f"www.{name}"]
    assert everleaf.export(canonical).names() == {canonical, f"www.{name}"}


def test_global_options_stand_before_or_after_the_verb_and_others_around_operands(
        everleaf, name):
    ca = [*everleaf.ca(), *everleaf.standalone()]
    state = ["--state", str(everleaf.state)]
    everleaf.run_argv([str(everleaf.program), "obtain", "-d", name, *map(str, ca), *state])
    for arguments in (["--json", "show", name], ["show", "--json", name], ["show", name, "--json"]):
        assert everleaf.run(*arguments).json["certificate"]["name"] == name
    environment = {"EVERLEAF_STATE": str(everleaf.state)}
    assert name in everleaf.run_argv([str(everleaf.program), "status"], env=environment).out


SPELLINGS = [  # verb, how names, mail, agreement are spelled
    ("issue", "--domain", "--email", "--accept-tos"),
    ("certonly", "--domains", "-m", "--agree-tos"),
]


@pytest.mark.parametrize("verb, domain, mail, agree", SPELLINGS)
def test_the_spelling_of_other_clients_is_understood(everleaf, name, verb, domain, mail, agree):
    everleaf.run(verb, domain, name, mail, "operator@everleaf.example", agree, "--server",
                 everleaf.pebble.url, "--ca-bundle", everleaf.pebble.bundle,
                 *everleaf.standalone())
    assert everleaf.certificate(name)["names"] == [name]


def test_options_of_other_clients_mean_the_same(everleaf, journal, name):
    everleaf.obtain(name, method=["--standalone", "--http-01-port", everleaf.pebble.http_port],
                    options=["--cert-name", "site", "--reloadcmd", journal.hook("reload")])
    everleaf.run("renew", "--force-renewal", "site")
    assert journal.ran() == ["reload", "reload"]


def is_curve(name):
    return lambda key: isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == name


def is_rsa_2048(key):
    return isinstance(key, rsa.RSAPrivateKey) and key.key_size == 2048


KEY_TYPES = [
    ([], is_curve("secp256r1")),  # the default
    (["--key-type", "ec-256"], is_curve("secp256r1")),
    (["--key-type", "EC256"], is_curve("secp256r1")),
    (["--key-type", "ecdsa"], is_curve("secp256r1")),
    (["--key-type", "ec-384"], is_curve("secp384r1")),
    (["--key-type", "rsa-2048"], is_rsa_2048),
    (["--key-type", "2048"], is_rsa_2048),
]


@pytest.mark.parametrize("options, fits", KEY_TYPES, ids=[str(o[-1:]) for o, _ in KEY_TYPES])
def test_the_key_is_of_the_type_that_was_asked_for(everleaf, name, options, fits):
    everleaf.obtain(name, options=options)
    first = everleaf.export(name).check().key
    assert fits(first)
    everleaf.run("renew", "--force", name)
    second = everleaf.export(name).check().key
    assert fits(second)
    assert first.private_numbers() != second.private_numbers()


def test_a_chain_of_three_issuers_is_kept_whole_and_leads_to_the_root(
        pebbles, everleaf_at, name, tmp_path):
    pebble = pebbles(chain_length=3, alternate_roots=2)
    everleaf = everleaf_at(pebble)
    everleaf.obtain(name)
    files = everleaf.export(name).check()
    assert files.read("chain.pem").count(b"BEGIN CERTIFICATE") == 3
    roots = tmp_path / "roots.pem"
    roots.write_text("".join(pebble.root(n) for n in range(3)))
    done = servers.openssl("verify", "-CAfile", roots, "-untrusted", files.folder / "chain.pem",
                           files.folder / "cert.pem")
    assert done.returncode == 0, done.stdout + done.stderr


def test_method_server_and_trust_are_remembered(everleaf, pebble, names):
    first, second = names(2)
    everleaf.obtain(first)
    seen = pebble.watch()
    everleaf.run("obtain", "-d", first, "--server", pebble.url, "--force")
    assert len(seen.issued()) == 1, "the remembered bundle and method serve the same certificate"
    everleaf.run("obtain", "-d", second, "--server", pebble.url, *everleaf.standalone())
    assert len(seen.issued()) == 2, "the remembered bundle serves another at the same server"
    assert seen.accounts() == 0


# -- methods -------------------------------------------------------------------------------------


def test_without_a_method_a_free_port_is_used_standalone(everleaf, name):
    everleaf.obtain(name, method=["--http-port", everleaf.pebble.http_port])
    assert everleaf.export(name).check().names() == {name}


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_the_listener_binds_the_address_that_was_given(everleaf, name, address):
    everleaf.obtain(name, options=["--http-address", address])
    assert everleaf.certificate(name)["names"] == [name]


@pytest.mark.parametrize("option", ["-w", "--webroot"])
def test_a_webroot_serves_the_answers_and_is_left_clean(everleaf, tmp_path, names, option):
    root = tmp_path / "www"
    root.mkdir()
    (root / "index.html").write_text("mine")
    wanted = names(3)
    with servers.web_server(root, everleaf.pebble.http_port):
        everleaf.obtain(*wanted, method=[option, root])
        everleaf.run("renew", "--force")
    assert everleaf.export(wanted[0]).check().names() == set(wanted)
    left = [p for p in root.rglob("*") if p.is_file()]
    assert left == [root / "index.html"]


def test_a_solver_program_presents_and_withdraws_the_answers(everleaf, tmp_path, names):
    root = tmp_path / "www"
    answers = root / ".well-known" / "acme-challenge"
    answers.mkdir(parents=True)
    solver = servers.write_hook(tmp_path / "solver", f"""set -eu
umask 022
cd '{answers}'
echo "$*" >>'{tmp_path}/actions'
for last; do :; done
[ "$last" = "$EVERLEAF_ACTION" ] && [ "$EVERLEAF_TYPE" = http-01 ]
case $EVERLEAF_ACTION in
present) printf %s "$EVERLEAF_KEY_AUTHORIZATION" >"$EVERLEAF_TOKEN"
    echo "$EVERLEAF_IDENTIFIER" >>'{tmp_path}/identifiers' ;;
withdraw) rm -f "$EVERLEAF_TOKEN" ;;
esac""")
    wanted = names(2)
    with servers.web_server(root, everleaf.pebble.http_port):
        everleaf.obtain(*wanted, method=["--solver-exec", f"{solver} zone 7"])
    assert everleaf.export(wanted[0]).check().names() == set(wanted)
    assert list(answers.iterdir()) == []
    assert set((tmp_path / "identifiers").read_text().split()) == set(wanted)
    actions = (tmp_path / "actions").read_text().splitlines()
    assert set(actions) == {"zone 7 present", "zone 7 withdraw"}


def test_a_solver_that_fails_fails_the_order_and_says_why(everleaf, tmp_path, name):
    solver = servers.write_hook(tmp_path / "solver", "echo zone is locked >&2; exit 1")
    seen = everleaf.pebble.watch()
    failed = everleaf.obtain(name, method=["--solver-exec", solver], expect=1)
    assert "zone is locked" in failed.err
    assert seen.issued() == []


def test_a_pre_hook_that_stops_the_web_server_makes_room_for_standalone(
        everleaf, tmp_path, journal, name):
    with servers.port_holder(everleaf.pebble.http_port, tmp_path) as holder:
        stop = journal.hook("stop", f"kill {holder.pid}; while kill -0 {holder.pid}; "
                                    "do sleep 0.05; done 2>/dev/null; true")
        start = journal.hook("start")
        # The holder is a child of this process: somebody must take its exit code.
        running = everleaf.start("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone(),
                                 "--pre-hook", stop, "--post-hook", start)
        holder.wait(60)
        assert running.wait(60) == 0, running.text()
    assert journal.ran() == ["stop", "start"]


def test_pre_and_post_hooks_run_around_issuing_and_not_when_nothing_is_due(
        everleaf, journal, name):
    hooks = [word for kind in ("pre", "deploy", "post")
             for word in (f"--{kind}-hook", journal.hook(kind))]
    everleaf.obtain(name, options=hooks)
    ran = journal.ran()
    assert sorted(ran) == ["deploy", "post", "pre"] and ran[0] == "pre"
    everleaf.obtain(name, options=hooks)
    everleaf.run("renew")
    assert journal.ran() == ran
    everleaf.run("renew", "--force", name)
    assert sorted(journal.ran()[3:]) == ["deploy", "post", "pre"] and journal.ran()[3] == "pre"


# -- two at once ---------------------------------------------------------------------------------


def test_two_processes_obtain_two_names_over_one_port_at_once(everleaf, pebble, names):
    seen = pebble.watch()
    wanted = names(2)
    running = [everleaf.start("obtain", "-d", n, *everleaf.ca(), *everleaf.standalone())
               for n in wanted]
    for process in running:
        assert process.wait(120) == 0, process.text()
    assert {c["name"] for c in everleaf.certificates()} == set(wanted)
    for n in wanted:
        assert everleaf.export(n).check().names() == {n}
    assert len(seen.issued()) == 2
    assert seen.accounts() == 1


def test_a_command_that_meets_the_live_order_of_another_waits_for_its_result(
        everleaf, pebble, name):
    seen = pebble.watch()
    running = [everleaf.start("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone())
               for _ in range(3)]
    for process in running:
        assert process.wait(120) == 0, process.text()
    assert (len(seen.orders()), len(seen.issued())) == (1, 1)
    assert len(everleaf.certificates()) == 1


@pytest.mark.parametrize("count", [1, 3])
def test_killed_at_any_moment_it_ends_with_one_certificate_and_at_most_one_order_more(
        everleaf_at, pebble, names, rounds, chance, count):
    usual = pebble.watch()
    everleaf_at(pebble).obtain(*names(count))
    duration = usual.seconds()
    for i in range(rounds(10, 200)):
        wanted = [f"k{i}.{n}" for n in names(count)]
        everleaf = everleaf_at(pebble)
        seen = pebble.watch()
        delay = chance.uniform(0, duration)
        victim = everleaf.start("obtain", *everleaf.domains(wanted), *everleaf.ca(),
                                *everleaf.standalone())
        try:
            victim.wait(delay)
        except subprocess.TimeoutExpired:
            victim.process.kill()
        victim.process.wait()
        where = f"round {i}, killed after {delay * 1000:.1f} ms: {seen.requests()}"
        everleaf.obtain(*wanted)
        assert len(seen.issued()) == 1, where
        assert len(seen.orders()) <= 2, where
        assert seen.accounts() == 1, where
        [only] = everleaf.certificates()
        assert set(only["names"]) == everleaf.export(only["name"]).check().names() == set(wanted)


def test_waiting_is_said_with_its_end(pebbles, everleaf_at, modern_pebble, name):
    """Pebble 2.10 sends Retry-After; the progress line says until when is waited."""
    everleaf = everleaf_at(pebbles(retry_after=(2, 2)))
    done = everleaf.obtain(name)
    assert re.search(r"\d\d:\d\d:\d\d", done.err), f"no line says until when\n{done}"


def test_quiet_is_silent_when_all_went_well(everleaf, name):
    done = everleaf.run("-q", "obtain", "-d", name, *everleaf.ca(), *everleaf.standalone())
    assert done.text == ""
    assert everleaf.run("renew", "--force", "-q").text == ""


def test_it_works_under_a_umask_of_zero_and_keeps_its_files_to_itself(everleaf, name):
    command = everleaf.argv("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone())
    script = "import os, sys; os.umask(0); os.execv(sys.argv[1], sys.argv[1:])"
    everleaf.run_argv([sys.executable, "-c", script, *command])
    assert everleaf.state.stat().st_mode & 0o777 == 0o700
    files = [p for p in everleaf.state.rglob("*") if p.is_file()]
    assert files
    for path in files:
        assert path.stat().st_mode & 0o077 == 0, path
    assert not any(b"PRIVATE KEY" in p.read_bytes() for p in files if "key" not in p.name)


def test_the_default_state_directory_is_the_xdg_one_of_a_normal_user(everleaf, tmp_path, name):
    if os.geteuid() == 0:
        pytest.skip("root's state directory is /var/lib/everleaf")
    home = tmp_path / "xdg"
    home.mkdir()
    argv = [str(a) for a in (everleaf.program, "obtain", "-d", name, *everleaf.ca(),
                             *everleaf.standalone())]
    everleaf.run_argv(argv, env={"XDG_STATE_HOME": str(home)})
    assert [p.name for p in home.iterdir()] == ["everleaf"]
    assert os.stat(home / "everleaf").st_mode & 0o777 == 0o700
