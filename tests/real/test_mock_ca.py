# SPDX-License-Identifier: MIT
#
# test_mock_ca.py - the mock CA as a process: what its script says is what comes over the wire, what
# it tells of a run is all of it, and everleaf gets its certificate whatever happens to one answer.

import base64
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import time
import urllib.parse

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

import lab

NEVER = {"nonces_reused": 0, "nonces_unknown": 0, "forged": 0}


class Wire:
    """One connection to a mock CA; answers are read as they come, cut ones too."""

    def __init__(self, ca):
        at = urllib.parse.urlsplit(ca.url)
        trust = ssl.create_default_context(cafile=str(ca.bundle))
        self._connection = http.client.HTTPSConnection(at.hostname, at.port, timeout=20,
                                                       context=trust)

    def close(self):
        self._connection.close()

    def send(self, path, method="GET", body=None, headers=None):
        self._connection.request(method, path, body, headers or {})

    def answer(self):
        """(response, body)."""
        response = self._connection.getresponse()
        return response, response.read()

    def get(self, path, **keywords):
        self.send(path, **keywords)
        return self.answer()


@pytest.fixture
def wire(mock_ca):
    """wire(): a new connection."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(contextlib.closing(Wire(mock_ca)))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Client:
    """As much of an ACME client as an account needs (RFC 8555 6.2, ES256)."""

    def __init__(self, wire, base):
        self._wire, self._base, self.kid = wire, base, None
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_numbers()
        self._jwk = {"kty": "EC", "crv": "P-256", "x": base64url(point.x.to_bytes(32, "big")),
                     "y": base64url(point.y.to_bytes(32, "big"))}

    def post(self, path, payload):
        nonce = self._wire.get("/nonce", method="HEAD")[0].headers["replay-nonce"]
        who = {"kid": self.kid} if self.kid else {"jwk": self._jwk}
        header = {"alg": "ES256", "nonce": nonce, "url": self._base + path, **who}
        parts = [base64url(json.dumps(part).encode()) for part in (header, payload)]
        r, s = utils.decode_dss_signature(
            self._key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256())))
        raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        body = {"protected": parts[0], "payload": parts[1], "signature": base64url(raw)}
        response, answer = self._wire.get(path, method="POST", body=json.dumps(body),
                                          headers={"Content-Type": "application/jose+json"})
        return response, json.loads(answer)


# -- everleaf gets its certificate ---------------------------------------------------------------

def test_standalone_ends_in_a_certificate(everleaf_at, mock_ca, names):
    everleaf, wanted = everleaf_at(mock_ca), names(3)
    everleaf.obtain(*wanted)
    assert everleaf.export(wanted[0]).check().names() == set(wanted)
    account = mock_ca.accounts()[0]
    assert account["status"] == "valid"
    assert mock_ca.orders() == [{"status": "valid", "names": sorted(wanted),
                                 "account": account["url"], "certificate": True}]
    assert mock_ca.counts()["validations"] == 3


def test_a_webroot_ends_in_a_certificate(everleaf_at, mock_ca, tmp_path, name):
    everleaf, webroot = everleaf_at(mock_ca), tmp_path / "www"
    webroot.mkdir()
    mock_ca.config(webroot=str(webroot), http_port=0)
    everleaf.obtain(name, method=["--webroot", webroot])
    assert everleaf.export(name).check().names() == {name}


def test_an_answer_that_nobody_gives_fails_the_validation(everleaf_at, mock_ca, name):
    everleaf = everleaf_at(mock_ca)
    mock_ca.config(http_port=lab.free_port())
    told = everleaf.obtain(name, expect=None)
    assert told.rc != 0 and "connection" in told.text
    assert mock_ca.orders()[0]["status"] == "invalid"


@pytest.mark.parametrize("answers", [True, False])
def test_a_validation_fails_when_the_responder_is_stopped_and_only_then(
        everleaf_at, mock_ca, wire, name, answers):
    everleaf = everleaf_at(mock_ca)
    mock_ca.config(validate_ms=300)
    running = everleaf.start("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone())
    lab.wait_until("the challenge was answered", lambda: any(
        r["kind"] == "challenge" for r in mock_ca.records()))
    stopped = [running.pid, *([] if answers else [lab.responder_of(running)])]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        lab.wait_until("the CA has asked", lambda: mock_ca.counts()["validations"] == 1)
        assert mock_ca.orders()[0]["status"] == ("ready" if answers else "invalid")
        assert wire().get("/directory")[0].status == 200
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_a_dry_run_leaves_a_deactivated_account(everleaf_at, mock_ca, name):
    everleaf_at(mock_ca).obtain(name, options=["--dry-run"])
    assert [a["status"] for a in mock_ca.accounts()] == ["deactivated"]
    assert mock_ca.counts()["deactivated"] == 1


FAULTS = [
    {"act": "delay", "delay_ms": 300},
    {"act": "drop-before"},
    {"act": "drop-after"},
    {"act": "truncate", "at": 7},
    {"act": "cut", "at": 7},
    {"act": "repeat"},
    {"act": "replace", "status": 429, "problem": "rateLimited", "headers": ["retry-after: 1"]},
    {"act": "replace", "status": 503, "body": "busy", "content_type": "text/plain"},
    {"act": "replace", "status": 200, "body": "<html>log in</html>", "content_type": "text/html"},
    {"act": "replace-after", "status": 500, "problem": "serverInternal"},
]
KINDS = ["directory", "nonce", "new-account", "new-order", "order", "authorization", "challenge",
         "finalize", "certificate"]


def obtain_at_last(everleaf, name):
    """As an operator who tries again."""
    def once():
        return everleaf.obtain(name, expect=None).rc == 0
    lab.wait_until("everleaf got its certificate", once, 60)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f['act']}-{f.get('status', '')}")
def test_one_odd_answer_of_any_kind_ends_in_one_certificate_all_the_same(
        everleaf_at, mock_ca, rounds, chance, names, fault):
    for kind in chance.sample(KINDS, rounds(3, len(KINDS))):
        print(f"{kind}: {fault}")
        mock_ca.reset()
        mock_ca.fault(kind=kind, **fault)
        everleaf, name = everleaf_at(mock_ca), names(1)[0] + f".{kind}.everleaf.test"
        obtain_at_last(everleaf, name)
        assert everleaf.export(name).check().names() == {name}
        counts = mock_ca.counts()
        assert {n: counts[n] for n in NEVER} == NEVER
        assert counts["accounts"] == 1
        assert 1 <= counts["certificates"] <= 2


# -- what the script says is what comes over the wire --------------------------------------------

def test_a_delayed_answer_comes_late_and_holds_up_nobody_else(mock_ca, wire):
    mock_ca.fault(kind="directory", act="delay", delay_ms=600 * 1000)
    wire().send("/directory")  # whose answer does not come within this test
    lab.wait_until("the request was heard", lambda: mock_ca.counts()["requests"] == 1)
    assert wire().get("/nonce")[0].status == 204
    mock_ca.fault(kind="directory", act="delay", delay_ms=500)
    start = time.monotonic()
    response, body = wire().get("/directory")
    assert time.monotonic() - start >= 0.5
    assert response.status == 200 and "newOrder" in json.loads(body)


def test_a_request_that_is_dropped_before_never_reaches_the_ca(mock_ca, wire):
    mock_ca.fault(kind="directory", act="drop-before")
    with pytest.raises(http.client.RemoteDisconnected):
        wire().get("/directory")
    record, = mock_ca.records()
    assert (record["status"], record["acted"]) == (0, False)


def test_a_request_whose_answer_is_dropped_has_reached_the_ca(mock_ca, wire):
    mock_ca.fault(kind="new-account", act="drop-after")
    client = Client(wire(), mock_ca.url.removesuffix("/directory"))
    with pytest.raises(http.client.RemoteDisconnected):
        client.post("/new-account", {})
    assert mock_ca.counts()["accounts"] == 1
    record = mock_ca.records()[-1]
    assert (record["status"], record["acted"]) == (0, True)


@pytest.mark.parametrize("at", [0, 1, 100])
def test_a_cut_answer_promises_the_whole_body_and_ends_at_the_byte(mock_ca, wire, at):
    whole = wire().get("/directory")[1]
    mock_ca.fault(kind="directory", act="cut", at=at)
    with pytest.raises(http.client.IncompleteRead) as cut:
        wire().get("/directory")
    assert cut.value.partial == whole[:at]
    assert cut.value.expected == len(whole) - at


def test_a_cut_behind_the_end_is_seen_too(mock_ca, wire):
    whole = wire().get("/directory")[1]
    mock_ca.fault(kind="directory", act="cut", at=len(whole))
    with pytest.raises(http.client.IncompleteRead) as cut:
        wire().get("/directory")
    assert cut.value.partial == whole
    assert [r["body_len"] for r in mock_ca.records()] == [len(whole)] * 2


def test_a_truncated_answer_looks_whole_and_its_connection_stays(mock_ca, wire):
    one = wire()
    whole = one.get("/directory")[1]
    mock_ca.fault(kind="directory", act="truncate", at=20)
    response, body = one.get("/directory")
    assert body == whole[:20] and response.headers["content-length"] == "20"
    assert one.get("/directory")[1] == whole


def test_a_repeated_answer_is_the_last_one_again(mock_ca, wire):
    one = wire()
    last = one.get("/nonce")[0].headers["replay-nonce"]
    mock_ca.fault(kind="nonce", act="repeat")
    assert one.get("/nonce")[0].headers["replay-nonce"] == last
    assert one.get("/nonce")[0].headers["replay-nonce"] != last


@pytest.mark.parametrize("fault, content_type, body", [
    ({"status": 429, "problem": "rateLimited"}, "application/problem+json", b"rateLimited"),
    ({"status": 503, "body": "busy", "content_type": "text/plain"}, "text/plain", b"busy"),
    ({"status": 200, "body": "<html>", "content_type": "text/html"}, "text/html", b"<html>"),
], ids=["429", "503", "html"])
def test_a_replaced_answer_is_the_script_s(mock_ca, wire, fault, content_type, body):
    mock_ca.fault(kind="directory", act="replace", headers=["retry-after: 17"], **fault)
    response, told = wire().get("/directory")
    assert response.status == fault["status"]
    assert response.headers["content-type"] == content_type
    assert response.headers["retry-after"] == "17"
    assert body in told
    record, = mock_ca.records()
    assert (record["status"], record["problem"]) == (fault["status"], fault.get("problem"))
    assert not record["acted"]


def test_a_fault_passes_some_meets_some_and_is_healed(mock_ca, wire):
    one = wire()
    mock_ca.fault(kind="directory", act="replace", status=503, skip=1, times=2)
    assert [one.get("/directory")[0].status for _ in range(4)] == [200, 503, 503, 200]
    mock_ca.fault(kind="any", act="replace", status=500, times=-1)
    assert [one.get("/directory")[0].status for _ in range(2)] == [500, 500]
    mock_ca.heal()
    assert one.get("/directory")[0].status == 200


# -- accounts ------------------------------------------------------------------------------------

def test_a_deactivated_account_is_refused_from_then_on(mock_ca, wire):
    client = Client(wire(), mock_ca.url.removesuffix("/directory"))
    response, _ = client.post("/new-account", {"contact": ["mailto:old@everleaf.example"]})
    assert response.status == 201
    client.kid = response.headers["location"]
    path = urllib.parse.urlsplit(client.kid).path
    response, account = client.post(path, {"contact": ["mailto:new@everleaf.example"]})
    assert (response.status, account["contact"]) == (200, ["mailto:new@everleaf.example"])
    response, account = client.post(path, {"status": "deactivated"})
    assert (response.status, account["status"]) == (200, "deactivated")
    order = {"identifiers": [{"type": "dns", "value": "a.everleaf.test"}]}
    response, problem = client.post("/new-order", order)
    assert (response.status, problem["type"].rpartition(":")[2]) == (401, "unauthorized")
    assert mock_ca.accounts() == [{"url": client.kid, "status": "deactivated",
                                   "contact": ["mailto:new@everleaf.example"]}]
    assert mock_ca.counts()["orders"] == 0


# -- the process ---------------------------------------------------------------------------------

def test_the_records_tell_every_request_and_outlive_the_client(everleaf_at, mock_ca, name):
    everleaf = everleaf_at(mock_ca)
    mock_ca.fault(kind="finalize", act="delay", delay_ms=60000)
    running = everleaf.start("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone())
    lab.wait_until("the order was finalized", lambda: mock_ca.counts()["certificates"] == 1)
    running.signal(signal.SIGKILL)
    running.wait(10)
    records = mock_ca.records()
    kinds = [r["kind"] for r in records]
    assert kinds[0] == "directory" and kinds[-1] == "finalize"
    assert [k for k in kinds if k.startswith("new-")] == ["new-account", "new-order"]
    assert len(records) == mock_ca.counts()["requests"]
    account = mock_ca.accounts()[0]["url"]
    for r in records:
        assert r["acted"] and r["problem"] is None and 200 <= r["status"] < 300
        assert (r["nonce"] is not None) == (r["method"] == "POST")
        assert r["account"] == (account if r["method"] == "POST" and r["kind"] != "new-account"
                                else None)
    assert [r["at_ms"] for r in records] == sorted(r["at_ms"] for r in records)
    ordered = next(r for r in records if r["kind"] == "new-order")
    assert json.loads(ordered["payload"])["identifiers"] == [{"type": "dns", "value": name}]
    assert "csr" in json.loads(records[-1]["payload"])
    assert mock_ca.records(len(records) - 1) == records[-1:]
    everleaf.obtain(name)  # the CA is there, and has its certificate
    assert mock_ca.counts()["certificates"] == 1


def test_a_reset_forgets_all_but_url_and_configuration(everleaf_at, mock_ca, names):
    first, second = names(2)
    mock_ca.config(terms=True)
    everleaf_at(mock_ca).obtain(first)
    mock_ca.fault(kind="any", act="replace", status=500, times=-1)
    mock_ca.reset()
    assert (mock_ca.accounts(), mock_ca.orders(), mock_ca.records()) == ([], [], [])
    assert set(mock_ca.counts().values()) == {0}
    everleaf_at(mock_ca).obtain(second)
    agreed = next(r for r in mock_ca.records() if r["kind"] == "new-account")
    assert json.loads(agreed["payload"])["termsOfServiceAgreed"] is True
    assert mock_ca.counts()["accounts"] == 1


def test_the_clock_of_the_ca_goes_ahead(everleaf_at, mock_ca, name):
    before = time.time()
    mock_ca.config(validate_ms=3600 * 1000)
    everleaf = everleaf_at(mock_ca)
    running = everleaf.start("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone())
    lab.wait_until("the challenge was answered", lambda: any(
        r["kind"] == "challenge" for r in mock_ca.records()))
    mock_ca.clock(3600)
    assert running.wait(30) == 0
    not_before = everleaf.export(name).validity[0].timestamp()
    assert not_before >= before // 1  # dated an hour back, as seen from an hour ahead


def test_a_clock_that_is_not_the_cas_is_said_before_anything_is_ordered(everleaf_at, mock_ca, name):
    mock_ca.config(date_ahead=-7200)
    everleaf = everleaf_at(mock_ca)
    told = everleaf.run("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone(), expect=1)
    assert "the clock of this machine says " in told.err and "2 hours ahead" in told.err
    assert mock_ca.counts()["orders"] == 0
    mock_ca.config(date_ahead=0)
    everleaf.obtain(name)
    assert mock_ca.counts()["orders"] == 1


@pytest.mark.parametrize("line", [
    '{"do": "cofnig"}', '{"config": {}}', "nonsense", "[]", '{"do": "config", "http_prot": 1}',
    '{"do": "config", "http_port": 65536}', '{"do": "config", "http_port": "80"}',
    '{"do": "config", "terms": "yes"}', '{"do": "config", "terms": 1}',
    '{"do": "config", "webroot": null}', '{"do": "config", "twist": "sideways"}',
    '{"do": "config", "validate_ms": -1}', '{"do": "config", "processing": true, "x": 1}',
    '{"do": "fault", "kind": "orders", "act": "cut"}', '{"do": "fault", "act": "slice"}',
    '{"do": "fault", "kind": "order"}', '{"do": "fault", "act": "replace"}',
    '{"do": "fault", "act": "replace-after", "body": "x"}',
    '{"do": "fault", "act": "cut", "at": -1}', '{"do": "fault", "act": "cut", "skip": 1.5}',
    '{"do": "fault", "act": "replace", "status": 20}',
    '{"do": "fault", "act": "delay", "headers": "a: b"}',
    '{"do": "fault", "act": "delay", "headers": ["1", "2", "3", "4"]}',
    '{"do": "fault", "act": "delay", "headers": [1]}', '{"do": "fault", "act": "cut", "do": "x"}',
    '{"do": "heal", "kind": "order"}', '{"do": "counts", "from": 1}', '{"do": "clock"}',
    '{"do": "clock", "add": "1"}', '{"do": "clock", "add": -1}', '{"do": "records", "from": -1}',
    '{"do": "reset", "port": 1}',
])
def test_a_line_that_is_not_understood_is_an_error_and_changes_nothing(mock_ca, line):
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(mock_ca.folder / "control"))
        channel.sendall(line.encode() + b"\n")
        assert list(json.loads(channel.makefile().readline())) == ["error"]
    mock_ca.heal()  # the fixture's own client is still heard
    assert mock_ca.counts()["requests"] == 0


def test_what_stands_beside_a_mistake_is_not_done_either(everleaf_at, mock_ca, name):
    with pytest.raises(AssertionError, match="tersm is not understood"):
        mock_ca.config(http_port=1, tersm=True)
    everleaf_at(mock_ca).obtain(name)


def test_hundreds_of_connections_stay_open_whatever_others_do(mock_ca, wire):
    many = [wire() for _ in range(300)]
    for one in many:
        assert one.get("/nonce")[0].status == 204
    port = urllib.parse.urlsplit(mock_ca.url).port
    with socket.create_connection(("127.0.0.1", port), 10) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no TLS
        with contextlib.suppress(ConnectionResetError):
            while stranger.recv(4096):
                pass
    Client(many[0], "https://elsewhere.example").post("/new-account", {})
    sockets = [one._connection.sock for one in many]
    for one in many:
        assert one.get("/nonce")[0].status == 204
    assert [one._connection.sock for one in many] == sockets, "a connection was made anew"


def test_the_process_ends_when_told_and_says_where_it_was(mock_ca):
    assert (pathlib.Path(mock_ca.folder) / "url").read_text() == mock_ca.url
    mock_ca.process.send_signal(signal.SIGTERM)
    assert mock_ca.process.wait(10) == 0


# --- what was delivered ---

@pytest.mark.parametrize("twist, why", [
    ("leaf-twice", "it came twice"),
    ("root", "it is a root"),
    ("expired-cross", "it has expired"),
    ("cross", "it is not needed"),
])
def test_what_is_left_out_of_a_chain_is_told_to_who_wants_to_know(
        everleaf_at, mock_ca, name, twist, why):
    everleaf = everleaf_at(mock_ca)
    mock_ca.config(twist=twist)
    told = everleaf.obtain(name, options=["-v"])
    assert "left out of the chain: certificate " in told.err and why in told.err
    chain = everleaf.export(name).read("chain.pem").decode()
    assert chain.count("BEGIN CERTIFICATE") == 1


def test_what_was_refused_is_not_asked_for_again_but_by_force(everleaf_at, mock_ca, name):
    everleaf = everleaf_at(mock_ca)
    mock_ca.config(twist="forged", alternates=2)
    assert everleaf.obtain(name, options=["-v"]).err.count("alternate chain") == 2
    mock_ca.config(twist="ca-leaf")
    refused = everleaf.run("renew", "--force", name, expect=1)
    assert "CA:TRUE" in refused.err
    mock_ca.config(twist="honest")
    why = everleaf.run("why", name).out
    assert "CA:TRUE" in why
    everleaf.run("renew", "--force", name)
    assert mock_ca.counts()["certificates"] == 3


def test_a_first_certificate_that_was_refused_waits_unless_it_is_forced(
        everleaf_at, mock_ca, name):
    everleaf = everleaf_at(mock_ca)
    mock_ca.config(twist="other-kinds")
    assert "URI:https://other.example/" in everleaf.obtain(name, expect=1).err
    mock_ca.config(twist="honest")
    waits = everleaf.obtain(name, expect=75).err
    assert "--force asks for it all the same" in waits
    assert "was refused at" in everleaf.run("why", name).out
    assert mock_ca.counts()["certificates"] == 1
    everleaf.obtain(name, options=["--force"])
    assert mock_ca.counts()["certificates"] == 2
