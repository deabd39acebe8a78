# SPDX-License-Identifier: MIT
#
# test_account.py - what an operator sees and can do when a CA does not know his account any more,
# or refuses it.

import pytest

RENEW = ["renew", "--force"]


def account(everleaf):
    found, = everleaf.ask("account", "show")["accounts"]
    return found


def serial_after(everleaf, name, *arguments, **keywords):
    before = everleaf.serial(name)
    result = everleaf.run(*RENEW, name, *arguments, **keywords)
    return result, everleaf.serial(name) != before


@pytest.fixture
def known(everleaf_at, mock_ca, name):
    """everleaf with a certificate, and so with an account."""
    everleaf = everleaf_at(mock_ca)
    everleaf.obtain(name)
    assert account(everleaf)["state"] == "ready"
    return everleaf


@pytest.mark.parametrize("status, problem", [
    (400, "accountDoesNotExist"), (401, "unauthorized"), (403, "unauthorized"),
    (404, "malformed"), (400, "malformed"), (500, "serverInternal")])
def test_an_account_that_the_ca_forgot_is_made_again_in_the_same_command(
        known, mock_ca, name, status, problem):
    mock_ca.config(unknown_status=status, unknown_problem=problem, alone=True, same_ids=True)
    mock_ca.forget_accounts()
    told, renewed = serial_after(known, name)
    assert renewed and "does not know the account any more" in told.err
    assert known.certificate(name)["state"] == "valid"
    assert "failed" not in known.run("history", name).out
    assert [a["status"] for a in mock_ca.accounts()] == ["valid"]


def test_an_account_that_is_deactivated_is_shown_so_and_never_replaced_in_silence(
        known, mock_ca, name):
    mock_ca.deactivate_accounts()
    told, renewed = serial_after(known, name, expect=1)
    assert not renewed and "everleaf account register --new" in told.err
    shown = account(known)
    assert shown["state"] == "refused" and "deactivated" in shown["last_error"]
    assert "account register --new" in known.run("why", name).out
    assert mock_ca.counts()["accounts"] == 1
    known.run("account", "register", expect=1)
    assert mock_ca.counts()["accounts"] == 1


def test_register_new_makes_a_key_and_an_account_where_the_ca_refuses_the_present_one(
        known, mock_ca, name):
    mock_ca.deactivate_accounts()
    before = account(known)["url"]
    made = known.ask("account", "register", "--new")["accounts"][0]  # it finds out by itself
    assert made["state"] == "ready" and made["url"] != before
    assert made["contact"] == account(known)["contact"] != ""
    assert [a["status"] for a in mock_ca.accounts()] == ["deactivated", "valid"]
    assert serial_after(known, name)[1]


def test_register_new_leaves_an_account_alone_that_the_ca_accepts(known, mock_ca):
    before = account(known)
    told = known.run("account", "register", "--new")
    assert "so it stays" in told.err
    assert account(known) == before
    assert mock_ca.counts()["accounts"] == 1


def test_register_makes_an_account_again_that_the_ca_forgot(known, mock_ca):
    mock_ca.forget_accounts()
    known.run("account", "register")
    assert account(known)["state"] == "ready"
    assert [a["status"] for a in mock_ca.accounts()] == ["valid"]


@pytest.mark.parametrize("words, says", [
    (["register", "x", "y"], "one account"), (["register", "x"], "no such account"),
    (["register", "--server", "zerossl"], "no such account"), (["show", "x"], "prints all"),
    (["show", "--new"], "prints all"), (["bury"], '"bury"')])
def test_what_account_cannot_do_is_said(known, words, says):
    assert says in known.run("account", *words, expect=(1, 2)).err


def test_an_account_of_the_file_is_changed_there(everleaf_at, mock_ca, name, tmp_path):
    everleaf, config = everleaf_at(mock_ca), tmp_path / "everleaf.yaml"
    config.write_text(f"""
accounts:
  here: {{server: '{mock_ca.url}', ca-bundle: {mock_ca.bundle}}}
solvers:
  alone: {{type: standalone, port: {mock_ca.http_port}}}
certificates:
  {name}: {{account: here, solver: alone}}
""")
    everleaf.run("--config", config, "renew")
    told = everleaf.run("account", "register", "here", "-m", "me@everleaf.example", expect=2)
    assert "configuration file" in told.err
    everleaf.run("account", "register", "here")
