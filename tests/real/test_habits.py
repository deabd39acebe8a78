# SPDX-License-Identifier: MIT
#
# test_habits.py - CAs that speak otherwise than Pebble does, as a process: what became of a
# challenge is heard wherever it is said, people read why and of which name, and nothing is waited
# for that cannot succeed.

import re
import time

import pytest

import lab

HABITS = {  # as they were seen at real CAs
    "step-ca": {"verdict_in_answer": True, "authorizations_stay": True},
    "acme2certifier": {"orders_stay": True, "silent": True},
    "slow": {"authorizations_stay": True, "validate_ms": 500},
}


@pytest.mark.parametrize("habit", HABITS)
def test_a_failed_challenge_is_told_at_once_with_its_name_and_not_waited_for(
        everleaf_at, mock_ca, name, habit):
    everleaf = everleaf_at(mock_ca)
    mock_ca.config(http_port=lab.free_port(), **HABITS[habit])
    began = time.monotonic()
    failed = everleaf.obtain(name, expect=1)
    assert time.monotonic() - began < 60, "it waited"
    assert f"{name}: " in failed.err
    assert ("connection" in failed.err) == (habit != "acme2certifier")
    assert "interrupted" not in everleaf.run("history", name).out
    why = everleaf.run("why", name).out
    assert re.search(rf"last error.*{re.escape(name)}", why), why
    mock_ca.config(http_port=mock_ca.http_port, validate_ms=0)
    everleaf.obtain(name)
    assert everleaf.export(name).check().names() == {name}
    assert [o["status"] for o in mock_ca.orders()][1:] == ["valid"]


def test_an_answer_that_could_not_be_fetched_is_fetched_when_the_ca_is_told_again(
        everleaf_at, mock_ca, name):
    everleaf = everleaf_at(mock_ca)
    mock_ca.config(http_port=lab.free_port(), verdict_in_answer=True, answered_again=True)
    running = everleaf.start("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone())
    lab.wait_until("the CA has looked", lambda: mock_ca.counts()["validations"] == 1)
    mock_ca.config(http_port=mock_ca.http_port)
    assert running.wait(60) == 0
    assert len(mock_ca.orders()) == 1
    assert "unanswered" in everleaf.run("history", name).out


def test_an_order_that_the_ca_broke_is_replaced_by_force(everleaf_at, mock_ca, name):
    everleaf = everleaf_at(mock_ca)
    everleaf.obtain(name)
    mock_ca.config(issue_error="serverInternal")
    failed = everleaf.run("renew", name, "--force", expect=1)
    assert "serverInternal" in failed.err
    assert [o["status"] for o in mock_ca.orders()] == ["valid", "invalid"]
    mock_ca.config(issue_error="")
    everleaf.run("renew", name, "--force")
    assert [o["status"] for o in mock_ca.orders()] == ["valid", "invalid", "valid"]


@pytest.mark.parametrize("kind", ["authorization", "challenge", "order", "finalize", "certificate"])
def test_one_failed_request_does_not_end_a_command(everleaf_at, mock_ca, name, kind):
    everleaf = everleaf_at(mock_ca)
    mock_ca.fault(kind=kind, act="replace", status=500, problem="serverInternal")
    everleaf.obtain(name)
    assert len(mock_ca.orders()) == 1


def test_a_dry_run_whose_order_is_parked_ends(everleaf_at, mock_ca, name):
    everleaf = everleaf_at(mock_ca)
    mock_ca.fault(kind="order", act="replace", status=503, body="", times=-1,
                  headers=["retry-after: 100"])
    assert everleaf.obtain(name, options=["--dry-run"], expect=None).rc != 0
    assert list((everleaf.state / "answers").iterdir()) == []


def test_a_hook_gets_the_name_as_it_was_ordered(everleaf_at, mock_ca, tmp_path, name):
    everleaf = everleaf_at(mock_ca)
    seen, hook = tmp_path / "seen", tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\necho \"$1 $EVERLEAF_IDENTIFIER\" >>{seen}\nexit 1\n")
    hook.chmod(0o755)
    mock_ca.config(spells=True)
    everleaf.obtain(name, method=["--solver-exec", hook], expect=None)
    assert set(seen.read_text().split()) - {"present", "withdraw"} == {name}
