# SPDX-License-Identifier: MIT
#
# test_renewal_info.py - the CA advises when to renew (RFC 9773), on a Pebble whose answers are
# replaced through its management port: a window in the past, one in the future, and forty answers
# that are none; and on a mock CA, whose answers are none as HTTP. tests/machine/test_advice.c lives
# with such answers until a certificate ends.

import datetime
import json
import sqlite3
import urllib.request

import pytest

import lab

MALFORMED = [
    "true", " ", "{", "}", "{}", "[]", "null", "7", "\"x\"", "<html>busy</html>",
    *(json.dumps(v) for v in (
        {"suggestedWindow": None}, {"suggestedWindow": []}, {"suggestedWindow": "now"},
        {"suggestedWindow": 7}, {"suggestedWindow": {}}, {"window": {}})),
    *(json.dumps({"suggestedWindow": {"start": a, "end": b}}) for a, b in (
        (None, None), (1735790400, 1735876800), ("", ""), ("now", "later"),
        ("2020-01-02", "2020-01-03"), ("2020-01-02 04:00:00Z", "2020-01-03 04:00:00Z"),
        ("2020-01-02T04:00:00", "2020-01-03T04:00:00"),
        ("2020-13-02T04:00:00Z", "2020-13-03T04:00:00Z"),
        ("2020-02-30T04:00:00Z", "2020-03-03T04:00:00Z"),
        ("2020-01-02T25:00:00Z", "2020-01-03T04:00:00Z"),
        ("2020-01-02T04:60:00Z", "2020-01-03T04:00:00Z"),
        ("2020-01-02T04:00:61Z", "2020-01-03T04:00:00Z"),
        ("2020-01-02T04:00:00+24:00", "2020-01-03T04:00:00Z"),
        ("2020-01-02T04:00:00.Z", "2020-01-03T04:00:00Z"),
        ("-020-01-02T04:00:00Z", "2020-01-03T04:00:00Z"),
        ("2020-01-02T04:00:00Z ", "2020-01-03T04:00:00Z"),
        ("2020-01-02T04:00:00Z\0", "2020-01-03T04:00:00Z"),
        (["2020-01-02T04:00:00Z"], "2020-01-03T04:00:00Z"),
        ("2020-01-02T04:00:00Z", "2020-01-02T04:00:00Z"),
        ("2020-01-03T04:00:00Z", "2020-01-02T04:00:00Z"),
        ("2020-01-02T04:00:00Z", "2020-01-02T05:00:00+02:00"))),
    json.dumps({"suggestedWindow": {"start": "2020-01-02T04:00:00Z"}}),
    json.dumps({"suggestedWindow": {"end": "2020-01-02T04:00:00Z"}}),
    "{\"suggestedWindow\":{\"start\":\"2020-01-02T04:00:00Z\",\"start\":\"2020-01-02T04:00:00Z\","
    "\"end\":\"2020-01-03T04:00:00Z\"}}",
]


DAY = 86400


def window(start, end, **more):
    def text(days):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (now + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"suggestedWindow": {"start": text(start), "end": text(end)}, **more})


def advise(pebble, everleaf, name, answer):
    pem = everleaf.export(name).read("cert.pem").decode()
    body = json.dumps({"Certificate": pem, "ARIResponse": answer}).encode()
    url = f"https://127.0.0.1:{pebble.management_port}/set-renewal-info/"
    with urllib.request.urlopen(urllib.request.Request(url, body), context=pebble._trust,
                                timeout=10) as answered:
        assert answered.status == 200


def row(everleaf, columns):
    with sqlite3.connect(f"file:{everleaf.state}/everleaf.db?mode=ro", uri=True) as db:
        return db.execute(f"SELECT {columns} FROM renewal_info").fetchone()


def forget_when_asked(everleaf):
    """As if the last time had been long ago."""
    with sqlite3.connect(everleaf.state / "everleaf.db") as db:
        db.execute("UPDATE renewal_info SET asked_at = 0")
    db.close()


def asked(seen):
    return [r for r in seen.requests() if "renewal-info" in r or "draft-ietf-acme-ari" in r]


@pytest.fixture
def informed(everleaf, modern_pebble, name):
    everleaf.obtain(name)
    return everleaf


def test_the_ca_is_asked_once_and_then_not_before_it_said(informed, pebble, name):
    seen = pebble.watch()
    informed.run("renew")
    assert len(asked(seen)) == 1
    start, end, next_at, asked_at, text = row(
        informed, "window_start, window_end, next_at, asked_at, err_text")
    assert 0 < start < end and text == ""
    assert next_at - asked_at == 21600  # Pebble's Retry-After
    informed.run("renew")
    informed.run("renew", name)
    assert len(asked(seen)) == 1


def test_a_recheck_asks_now_but_not_twice_in_a_minute(informed, pebble):
    informed.run("renew")
    seen = pebble.watch()
    informed.run("renew", "--recheck")
    assert asked(seen) == []
    forget_when_asked(informed)
    informed.run("renew", "--recheck")
    informed.run("renew", "--recheck")
    assert len(asked(seen)) == 1


def test_a_recheck_pulls_a_renewal_in_that_the_ca_had_advised_for_later(informed, pebble, name):
    informed.run("renew")
    serial = informed.serial(name)
    advise(pebble, informed, name, window(-3, -2))
    assert "1 not due" in informed.run("renew").out
    forget_when_asked(informed)
    assert "1 renewed" in informed.run("renew", "--recheck").out
    assert informed.serial(name) != serial


def test_a_daemon_renews_when_a_recheck_beside_it_heard_to(informed, pebble, name):
    """In a few seconds: the command that asked has ended by then."""
    daemon = informed.start("run")
    lab.wait_until("the daemon has asked", lambda: row(informed, "window_end")[0] > 0)
    serial = informed.serial(name)
    seen = pebble.watch()
    advise(pebble, informed, name, window(5 / DAY, 7 / DAY))
    forget_when_asked(informed)
    assert "1 not due" in informed.run("renew", "--recheck").out
    lab.wait_until("the daemon has renewed it", lambda: informed.serial(name) != serial, 90)
    daemon.stop()
    assert daemon.process.returncode == 0, daemon.text()
    assert len(seen.orders()) == len(seen.issued()) == 1


def test_a_window_in_the_past_pulls_the_renewal_in_and_the_order_says_what_it_replaces(
        informed, pebble, name):
    serial = informed.serial(name)
    advise(pebble, informed, name, window(-3, -2, explanationURL="https://ca.example/why"))
    told = informed.run("renew")
    assert "1 renewed" in told.out and informed.serial(name) != serial
    with sqlite3.connect(f"file:{informed.state}/everleaf.db?mode=ro", uri=True) as db:
        replaces = db.execute("SELECT replaces FROM acme_order ORDER BY id DESC").fetchone()[0]
    assert replaces is not None and "." in replaces


def test_a_window_in_the_future_is_when_it_is_due(informed, pebble, name):
    advise(pebble, informed, name, window(9, 10))
    informed.run("renew")
    told = informed.run("show", name).out
    assert "the CA advises it" in told
    start, end = row(informed, "window_start, window_end")
    due = datetime.datetime.fromisoformat(
        informed.certificate(name)["next"]["at"].replace("Z", "+00:00")).timestamp()
    assert start <= due <= end


@pytest.mark.parametrize("answer", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_answer_neither_blocks_nor_hurries_a_renewal(informed, pebble, name, answer):
    assert len(MALFORMED) >= 40
    before = informed.certificate(name)
    advise(pebble, informed, name, answer)
    seen = pebble.watch()
    told = informed.run("renew")
    assert len(asked(seen)) == 1 and "1 not due" in told.out
    assert row(informed, "window_end, next_at - asked_at") == (0, 21600)
    after = informed.certificate(name)
    assert (after["serial"], after["next"]) == (before["serial"], before["next"])


# As HTTP; what of it must not be believed would be urgent.
URGENT = window(-3, -2)
NO_ANSWERS = [
    {"status": 301, "headers": ["location: /renewal-info/other"]},
    {"status": 302, "headers": ["location: http://127.0.0.1:1/"]},
    {"status": 307, "headers": ["location: file:///etc/passwd"]},
    {"status": 204}, {"status": 304}, {"status": 404}, {"status": 410}, {"status": 500},
    {"status": 429, "headers": ["retry-after: 99999999999999999999"]},
    {"status": 503, "headers": ["retry-after: Fri, 31 Dec 9999 23:59:59 GMT"]},
    {"status": 503, "headers": ["retry-after: -1"]},
    {"content_type": "text/html"},
    {"content_type": "application/pem-certificate-chain"},
    {"body": "[" * 2000},
    {"body": URGENT[:-1]},
    {"act": "truncate", "at": 30},
    {"act": "cut", "at": 30},
    {"act": "drop-before"},
    {"act": "drop-after"},
]


@pytest.fixture
def mock(mock_ca, everleaf_at, name):
    """answers(**fault): what the mock CA answers from now on, for a certificate that is there."""
    everleaf = everleaf_at(mock_ca)
    mock_ca.config(renewal_info=True)

    def answers(**fault):
        whole = {"act": "replace", "status": 200, "body": URGENT, **fault}
        if whole["act"] in ("drop-before", "drop-after"):
            whole = {"act": whole["act"]}
        mock_ca.heal()
        mock_ca.fault(kind="renewal-info", times=-1, **whole)
    mock_ca.answers, mock_ca.everleaf = answers, everleaf
    return mock_ca


def asked_of_mock(mock):
    return sum(r["kind"] == "renewal-info" for r in mock.records())


@pytest.mark.parametrize("answer", NO_ANSWERS, ids=range(len(NO_ANSWERS)))
def test_an_answer_that_is_none_as_http_neither_blocks_nor_hurries_a_renewal(mock, name, answer):
    mock.everleaf.obtain(name)
    before = mock.everleaf.certificate(name)
    mock.answers(**answer)
    told = mock.everleaf.run("renew", timeout=60)
    assert "1 not due" in told.out and 1 <= asked_of_mock(mock) <= 2
    end, again = row(mock.everleaf, "window_end, next_at - asked_at")
    assert end == 0 and 60 <= again <= DAY
    after = mock.everleaf.certificate(name)
    assert (after["serial"], after["next"]) == (before["serial"], before["next"])
    mock.everleaf.run("renew", "--force", name)
    assert mock.counts()["certificates"] == 2


def test_a_ca_that_never_answers_does_not_hold_a_renewal_up(mock, name):
    """The mock dates certificates an hour back: half of the lifetime is over, so a minute passes."""
    mock.config(lifetime=7200)
    mock.answers(act="delay", delay_ms=120000)
    daemon = mock.everleaf.start("run")
    mock.everleaf.obtain(name)
    lab.wait_until("it is renewed", lambda: mock.counts()["certificates"] > 1, 100)
    lab.wait_until("it is live", lambda: mock.everleaf.certificate(name)["state"] == "valid")
    assert asked_of_mock(mock) >= 1
    daemon.stop()
    kinds = [e["kind"] for e in mock.everleaf.ask("history")["events"]]
    assert "failed" not in kinds, kinds
