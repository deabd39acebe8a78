# SPDX-License-Identifier: MIT
#
# test_contact.py - the contact that is shown of an account is the one that the CA has.

import pytest

import servers

OLD, NEW = "operator@everleaf.example", "new@everleaf.example"


def account(everleaf):
    found, = everleaf.ask("account", "show")["accounts"]
    return found


def contacts(mock_ca):
    return [a["contact"] for a in mock_ca.accounts()]


def updates(mock_ca):
    return [r for r in mock_ca.records() if r["kind"] == "account"]


@pytest.fixture
def known(everleaf_at, mock_ca, name):
    """everleaf with a certificate, and so with an account."""
    everleaf = everleaf_at(mock_ca)
    everleaf.obtain(name)
    assert contacts(mock_ca) == [[f"mailto:{OLD}"]] and account(everleaf)["contact"] == OLD
    return everleaf


def obtain(everleaf, name, mail, **keywords):
    return everleaf.run("obtain", "-d", name, "-m", mail, **keywords)


def test_a_changed_mail_is_sent_before_it_is_shown(known, mock_ca, name):
    obtain(known, name, NEW)
    assert contacts(mock_ca) == [[f"mailto:{NEW}"]] and account(known)["contact"] == NEW
    obtain(known, name, "")
    assert contacts(mock_ca) == [[]] and account(known)["contact"] is None
    known.run("account", "register", "-m", OLD)
    assert contacts(mock_ca) == [[f"mailto:{OLD}"]] and account(known)["contact"] == OLD
    before = len(updates(mock_ca))
    obtain(known, name, OLD)
    known.run("renew", "--force", name)
    assert before == 3 and len(updates(mock_ca)) == before, "what the CA has is not told again"


def test_a_changed_contact_of_the_file_is_sent_although_nothing_is_due(
        everleaf_at, mock_ca, names, tmp_path):
    everleaf, config = everleaf_at(mock_ca), tmp_path / "everleaf.yaml"

    def renew(contact):
        config.write_text(f"""
accounts: {{here: {{server: '{mock_ca.url}', ca-bundle: {mock_ca.bundle}, contact: {contact}}}}}
solvers: {{alone: {{type: standalone, port: {mock_ca.http_port}}}}}
certificates:
  {names(1)[0]}: {{account: here, solver: alone}}
""")
        everleaf.run("--config", config, "renew")
    renew(OLD)
    renew(f"[{OLD}, {NEW}]")
    assert contacts(mock_ca) == [[f"mailto:{OLD}", f"mailto:{NEW}"]]
    assert account(everleaf)["contact"] == f"{OLD} {NEW}"
    renew(f"[{OLD}, {NEW}]")
    assert len(updates(mock_ca)) == 1


@pytest.mark.parametrize("status, problem", [
    (400, "invalidContact"), (400, "unsupportedContact"), (403, "unauthorized"), (400, "malformed"),
    (500, "serverInternal")])
def test_a_contact_that_the_ca_refuses_is_not_shown_as_its_own_and_stops_no_renewal(
        known, mock_ca, name, status, problem):
    mock_ca.config(contact_status=status, contact_problem=problem)
    told = obtain(known, name, NEW, expect=(1, 75))
    assert NEW in told.err and "nobody lives there" in told.err
    shown = account(known)
    assert (shown["contact"], shown["contact_wanted"], shown["state"]) == (OLD, NEW, "update")
    assert f"yet to be told {NEW}" in known.run("account", "show").out
    before = known.serial(name)
    known.run("renew", "--force", name)
    assert known.serial(name) != before and "its account" not in known.run("why", name).out
    obtain(known, name, OLD)
    shown = account(known)
    assert (shown["contact"], shown["state"], shown["last_error"]) == (OLD, "ready", None)


def test_a_contact_that_was_not_sent_is_sent_by_the_next_command(known, mock_ca, name):
    mock_ca.fault(kind="account", act="drop-after", times=20)
    obtain(known, name, NEW, expect=(1, 75))
    assert account(known)["contact"] == OLD
    mock_ca.heal()
    known.run("renew", "--force", name)
    assert contacts(mock_ca) == [[f"mailto:{NEW}"]] and account(known)["contact"] == NEW


def test_an_account_that_is_forgotten_is_found_out_by_its_new_contact(known, mock_ca, name):
    mock_ca.forget_accounts()
    obtain(known, name, NEW)
    assert contacts(mock_ca) == [[f"mailto:{NEW}"]] and account(known)["contact"] == NEW


def test_a_ca_that_keeps_no_contact_is_told_once_and_shown_so(everleaf_at, mock_ca, name):
    mock_ca.config(keeps_no_contact=True)
    everleaf = everleaf_at(mock_ca)
    everleaf.obtain(name)
    obtain(everleaf, name, NEW)
    assert "(the CA keeps none)" in everleaf.run("account", "show").out
    everleaf.run("renew", "--force", name)
    everleaf.run("account", "register")
    assert len(updates(mock_ca)) == 1


@pytest.mark.parametrize("contact, has", [(f"contact: {NEW}, ", NEW), ("", OLD)])
def test_the_contact_of_an_account_that_was_there_before_is_read_and_not_assumed(
        everleaf_at, mock_ca, name, tmp_path, contact, has):
    """Its key exists already: newAccount ignores what is asked for (RFC 8555 7.3)."""
    key, config = tmp_path / "account.pem", tmp_path / "everleaf.yaml"
    servers.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                    key)
    key.chmod(0o600)
    for told in (f"contact: {OLD}, ", contact):
        config.write_text(f"""
accounts:
  here: {{server: '{mock_ca.url}', ca-bundle: {mock_ca.bundle}, {told}key: 'file:{key}'}}
solvers: {{alone: {{type: standalone, port: {mock_ca.http_port}}}}}
certificates:
  {name}: {{account: here, solver: alone}}
""")
        everleaf = everleaf_at(mock_ca)
        everleaf.run("--config", config, "renew")
    assert contacts(mock_ca) == [[f"mailto:{has}"]]
    if contact:
        assert account(everleaf)["contact"] == has
