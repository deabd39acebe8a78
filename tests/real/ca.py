# SPDX-License-Identifier: MIT
#
# ca.py - real CAs for the tests: Pebble (2.10 and Debian's 2.4.0) behind a counting proxy, with
# pebble-challtestsrv as its resolver. Requests, orders, accounts and certificates are counted from
# Pebble's log, which has a line for a request before the request is handled.

import contextlib
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import time
import urllib.request

import lab

NINETY_DAYS = 90 * 24 * 3600

# What a Pebble that wants an external account binding knows.
EAB_KID = "kid-1"
EAB_MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


class Dns:
    """pebble-challtestsrv: every name is 127.0.0.1, and no name has an IPv6 address."""

    def __init__(self, program, folder):
        self.program = program
        self.folder = pathlib.Path(folder)
        self.port = None
        self.running = None

    def start(self):
        for _ in range(3):
            self.port = lab.free_port()
            self.running = lab.Program(self._argv(lab.free_port()), self.folder / "dns.log")
            with contextlib.suppress(AssertionError):
                lab.wait_until("challtestsrv listens or ended", self._settled)
            if self._listens():
                return self
            self.running.stop()
        raise AssertionError(f"{self.program} does not start:\n{self.running.text()}")

    def _argv(self, management):
        # Debian's 2.4.0 calls it -dns01 and has no DNS over HTTPS.
        usage = subprocess.run([self.program, "-h"], capture_output=True, text=True, check=False)
        new = "-dnsserver " in usage.stderr + usage.stdout
        argv = [self.program, "-dnsserver" if new else "-dns01", f"127.0.0.1:{self.port}"]
        for unused in ["-http01", "-https01", "-tlsalpn01"] + (["-doh"] if new else []):
            argv += [unused, ""]
        return argv + ["-management", f"127.0.0.1:{management}",
                       "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]

    def _settled(self):
        return not self.running.running() or self._listens()

    def _listens(self):
        return self.running.running() and _tcp_listens(self.port)

    def stop(self):
        self.running.stop()


def _tcp_listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Pebble:
    """One Pebble. Attributes worth knowing: url (of the directory, through the proxy), bundle,
    http_port (where it looks for http-01 answers), modern (2.10: profiles, advice that a test
    sets, Retry-After)."""

    def __init__(self, program, dns, server_ca, folder, *, nonce_reject=0, authz_reuse=0,
                 chain_length=1, alternate_roots=0, retry_after=(0, 0), validity=NINETY_DAYS,
                 eab=False, profile=None):
        self.program = program
        self.dns = dns
        self.server_ca = server_ca
        self.folder = pathlib.Path(folder)
        self.bundle = server_ca.bundle
        self.retry_after = retry_after
        self.validity = validity
        self.profile = profile  # another one than the default: (name, seconds)
        self.eab = eab  # wants an external account binding
        self.environment = {
            "PATH": os.environ["PATH"],
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": str(nonce_reject),
            "PEBBLE_AUTHZREUSE": str(authz_reuse),
            "PEBBLE_CHAIN_LENGTH": str(chain_length),
            "PEBBLE_ALTERNATE_ROOTS": str(alternate_roots),
        }
        self._trust = ssl.create_default_context(cafile=str(self.bundle))

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(3):
            if self._start_once():
                return self
            self.running.stop()
        raise AssertionError(f"{self.program} does not start:\n{self.running.text()}")

    def _start_once(self):
        self.listen_port, self.management_port = lab.free_port(), lab.free_port()
        self.http_port = lab.free_port()
        config = self.folder / "pebble.json"
        config.write_text(json.dumps({"pebble": self._config()}))
        self.running = lab.Program(
            [self.program, "-config", config, "-dnsserver", f"127.0.0.1:{self.dns.port}"],
            self.folder / "pebble.log", env=self.environment)
        lab.wait_until("Pebble listens or ended", lambda: not self.running.running() or (
            _tcp_listens(self.listen_port) and _tcp_listens(self.management_port)))
        if not self.running.running():
            return False
        self.proxy = lab.Proxy(self.listen_port)
        self.url = f"https://127.0.0.1:{self.proxy.port}/dir"
        self.directory = json.loads(self.get(self.url))
        self.modern = "renewalInfo" in self.directory and self._takes_advice()
        return True

    def _takes_advice(self):
        """Whether it can be told what to advise: 2.6 advises, and cannot."""
        url = f"https://127.0.0.1:{self.management_port}/set-renewal-info/"
        try:
            urllib.request.urlopen(url, b"{}", timeout=10, context=self._trust).close()
        except urllib.error.HTTPError as e:
            return e.code != 404
        return True

    def _config(self):
        # 2.4.0 knows no profiles and ignores them; 2.10 does not look at the old member then.
        return {
            "listenAddress": f"127.0.0.1:{self.listen_port}",
            "managementListenAddress": f"127.0.0.1:{self.management_port}",
            "certificate": str(self.server_ca.certificate),
            "privateKey": str(self.server_ca.key),
            "httpPort": self.http_port,
            "tlsPort": lab.free_port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": self.eab,
            "externalAccountMACKeys": {EAB_KID: EAB_MAC_KEY} if self.eab else {},
            "domainBlocklist": ["blocked-domain.example"],
            "retryAfter": {"authz": self.retry_after[0], "order": self.retry_after[1]},
            "keyAlgorithm": "ecdsa",
            "profiles": {name: {"description": name, "validityPeriod": seconds} for name, seconds
                         in filter(None, [("default", self.validity), self.profile])},
            "certificateValidityPeriod": self.validity,
        }

    def get(self, url):
        request = urllib.request.Request(url, headers={"User-Agent": "everleaf-tests"})
        with urllib.request.urlopen(request, context=self._trust, timeout=10) as answer:
            return answer.read().decode()

    def root(self, number=0):
        return self.get(f"https://127.0.0.1:{self.management_port}/roots/{number}")

    def watch(self):
        return Watch(self)

    def stop(self):
        self.proxy.stop()
        self.running.stop()


class Watch:
    """What a Pebble saw since the watch was made, as of the moment of asking."""

    def __init__(self, pebble):
        self.pebble = pebble
        self._start = os.path.getsize(pebble.running.log)
        self._connections = pebble.proxy.connections
        self._cpu = pebble.running.cpu_seconds()
        self._at = time.monotonic()

    def _find(self, pattern):
        return re.findall(pattern, self.pebble.running.text(self._start))

    def requests(self):
        """["HEAD /nonce-plz", "POST /order-plz", …]: Pebble logs the pattern, not the path."""
        return self._find(r"([A-Z]+ /\S*) -> calling")

    def connections(self):
        return self.pebble.proxy.connections - self._connections

    def accounts(self):
        return len(self._find(r"There are now \d+ accounts in memory"))

    def orders(self):
        return self._find(r'Added order "([^"]+)" to the db')

    def issued(self):
        """Serials as Pebble prints them, one for each certificate."""
        return self._find(r"Issued certificate serial (\S+) for order")

    def cpu_seconds(self):
        return self.pebble.running.cpu_seconds() - self._cpu

    def seconds(self):
        return time.monotonic() - self._at
