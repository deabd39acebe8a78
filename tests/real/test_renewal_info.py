# SPDX-License-Identifier: MIT
#
# test_renewal_info.py - the CA advises when to renew (RFC 9773), on a Pebble whose answers are
# replaced through its management port: a window in the past, one in the future, and forty answers
# that are none.

import datetime
import json
import sqlite3
import urllib.request

import pytest

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
