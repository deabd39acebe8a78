# SPDX-License-Identifier: MIT
#
# The harness itself: what the other tests count and start is counted and started right. Needs no
# everleaf.

import http.client
import json
import os
import socket
import ssl
import struct
import time

import pytest

import ca
import lab
import runner
import servers

CONFIGURATIONS = [
    {},
    {"nonce_reject": 50, "authz_reuse": 100},
    {"chain_length": 3, "alternate_roots": 2},
    {"validity": 60},
]


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_a_pebble_of_any_configuration_starts_answers_and_is_gone_after_its_end(
        new_pebble, configuration):
    pebble = new_pebble(**configuration)
    log = pebble.running.text()
    pebble.stop()
    assert not pebble.running.running()
    assert f"Configured to reject {configuration.get('nonce_reject', 0)}% of good nonces" in log
    assert f"{configuration.get('authz_reuse', 0)}% of the time" in log
    assert "Disabling random VA sleeps" in log
    if "validity" in configuration:
        assert "validity period of 60 seconds" in log


def test_every_url_of_the_directory_leads_through_the_proxy(pebble):
    urls = [v for k, v in pebble.directory.items() if k != "meta"]
    assert len(urls) >= 5
    for url in urls:
        assert url.startswith(f"https://127.0.0.1:{pebble.proxy.port}/"), url


def test_two_requests_on_one_connection_are_counted_as_two_and_one(pebble):
    seen = pebble.watch()
    trust = ssl.create_default_context(cafile=str(pebble.bundle))
    client = http.client.HTTPSConnection("127.0.0.1", pebble.proxy.port, context=trust)
    for method, path in (("GET", "/dir"), ("HEAD", "/nonce-plz")):
        client.request(method, path, headers={"User-Agent": "everleaf-tests"})
        client.getresponse().read()
    client.close()
    assert seen.requests() == ["GET /dir", "HEAD /nonce-plz"]
    assert seen.connections() == 1


def test_the_configured_number_of_roots_can_be_fetched(pebbles):
    pebble = pebbles(chain_length=3, alternate_roots=2)
    roots = {pebble.root(n) for n in range(3)}
    assert len(roots) == 3
    assert all(root.startswith("-----BEGIN CERTIFICATE-----") for root in roots)


def dns_answers(port, name, kind):
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
    question = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + labels + b"\0" + \
        struct.pack(">2H", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(question, ("127.0.0.1", port))
        reply = s.recv(512)
    return struct.unpack(">H", reply[6:8])[0], reply


def test_any_name_is_ipv4_loopback_and_has_no_ipv6_address(dns, name):
    count, reply = dns_answers(dns.port, name, 1)
    assert count == 1 and socket.inet_aton("127.0.0.1") in reply
    assert dns_answers(dns.port, name, 28)[0] == 0


def test_a_certificate_of_another_authority_is_not_trusted(pebble, other_ca):
    trust = ssl.create_default_context(cafile=str(other_ca.bundle))
    plain = socket.create_connection(("127.0.0.1", pebble.proxy.port))
    with plain, pytest.raises(ssl.SSLCertVerificationError):
        trust.wrap_socket(plain, server_hostname="localhost")


def test_ports_are_never_given_twice():
    ports = [lab.free_port() for _ in range(200)]
    assert len(set(ports)) == 200


def test_a_program_that_hangs_fails_its_test_and_is_ended(tmp_path):
    sleeper = servers.write_hook(tmp_path / "sleeper", "exec sleep 600")
    with pytest.raises(AssertionError, match="did not end within 0.2 s"):
        runner.Everleaf(sleeper, tmp_path / "state").run("anything", timeout=0.2)


def test_an_unexpected_exit_code_shows_what_was_said(tmp_path):
    failing = servers.write_hook(tmp_path / "failing", "echo the reason >&2; exit 4")
    with pytest.raises(AssertionError, match="the reason"):
        runner.Everleaf(failing, tmp_path / "state").run("anything")
    assert runner.Everleaf(failing, tmp_path / "state").run("anything", expect=(3, 4)).rc == 4


def test_a_program_in_the_background_is_ended_by_stop(tmp_path):
    stubborn = servers.write_hook(tmp_path / "stubborn", "exec sleep 600")
    program = lab.Program([stubborn], tmp_path / "log")
    assert program.running()
    program.stop()
    assert not os.path.exists(f"/proc/{program.pid}")


def test_a_journal_keeps_order_arguments_and_environment_of_hooks(tmp_path, journal):
    for name in ("first", "second"):
        everleaf = runner.Everleaf(journal.hook(name), tmp_path / "state")
        everleaf.run("a b", env={"EVERLEAF_NAMES": "x y"})
    assert journal.ran() == ["first", "second"]
    assert journal.arguments("first")[-1] == "a b"
    assert journal.environment("second")["EVERLEAF_NAMES"] == "x y"


def test_nginx_serves_what_lies_in_the_directory_after_its_hook(tmp_path, nginx, server_ca):
    folder = tmp_path / "tls"
    folder.mkdir()
    (folder / "fullchain.pem").write_bytes(server_ca.certificate.read_bytes())
    (folder / "privkey.pem").write_bytes(server_ca.key.read_bytes())
    server = nginx(folder)
    for action in ("restart", "reload", "restart"):
        runner.Everleaf(server.hook, tmp_path / "state").run_argv([str(server.hook), action])
        assert lab.wait_until("nginx serves", lambda: servers.served_serial(server.port))


def test_the_web_server_serves_a_file_and_the_holder_holds_a_port(tmp_path):
    port = lab.free_port()
    (tmp_path / "x").write_text("content")
    with servers.web_server(tmp_path, port):
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.request("GET", "/x")
        assert client.getresponse().read() == b"content"
    with servers.port_holder(port, tmp_path) as holder, pytest.raises(OSError):
        assert holder.running()
        socket.create_server(("127.0.0.1", port))


def test_cpu_time_of_a_program_grows(tmp_path):
    busy = lab.Program(["/bin/sh", "-c", "while :; do :; done"], tmp_path / "log")
    lab.wait_until("it used a twentieth of a second", lambda: busy.cpu_seconds() >= 0.05)
    busy.stop()


def test_waiting_in_vain_fails_with_the_sentence():
    start = time.monotonic()
    with pytest.raises(AssertionError, match="the sun is green"):
        lab.wait_until("the sun is green", lambda: False, 0.1)
    assert time.monotonic() >= start + 0.1


def test_the_configuration_file_of_pebble_is_json(pebble):
    written = json.loads((pebble.folder / "pebble.json").read_text())
    assert written["pebble"]["httpPort"] == pebble.http_port
    assert isinstance(pebble, ca.Pebble)
