# SPDX-License-Identifier: MIT
#
# lab.py - what every process of a test needs: free ports on loopback, programs that are started
# and surely ended, a throw-away certificate authority for localhost, and a TCP proxy that counts
# connections. Knows neither Pebble nor everleaf.

import collections
import datetime
import ipaddress
import os
import pathlib
import random
import shutil
import socket
import subprocess
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Below the kernel's range for outgoing connections: a port that is free now is not taken a moment
# later by somebody's connect(). Tests that run beside each other have a slice each.
SLICES = 8
_slice = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % SLICES
PORTS = range(10000 + _slice, 32000, SLICES)
_given = set()


def free_port():
    while True:
        port = random.SystemRandom().choice(PORTS)
        if port not in _given and _bindable(port):
            _given.add(port)
            return port


def _bindable(port):
    families = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0")]
    if os.path.exists("/proc/net/if_inet6"):
        families.append((socket.AF_INET6, "::"))
    for family, address in families:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                with socket.socket(family, kind) as s:
                    s.bind((address, port))
            except OSError:
                return False
    return True


def wait_until(what, condition, timeout=20.0):
    """Returns condition()'s first true value; fails with the sentence `what` after `timeout`."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout:.0f} s it was still not true that {what}")
        time.sleep(0.02)


def is_program(path):
    return os.path.isfile(path) and os.access(path, os.X_OK)


def find_program(variable, name, extra=()):
    """$variable, the directories in extra, build/, PATH, Go's bin: the first that has it."""
    told = os.environ.get(variable)
    if told:
        return os.path.abspath(told)
    go = pathlib.Path(os.environ.get("GOPATH", "~/go")).expanduser() / "bin"
    build = [ROOT / "build" / "pebble", ROOT / "build"]
    path = [pathlib.Path(p) for p in os.get_exec_path()]
    for folder in [*extra, *build, *path, go]:
        if is_program(folder / name):
            return str(folder / name)
    return None


def find_everleaf():
    """$EVERLEAF, else where the builds put it, else None."""
    told = os.environ.get("EVERLEAF")
    built = [ROOT / "build" / "everleaf", ROOT / "build" / "release" / "everleaf",
             ROOT / "everleaf"]
    for path in [told] if told else built:
        if is_program(path):
            return os.path.abspath(path)
    return None


class Program:
    """A program in the background: its output goes to a file; ended by its pid, at the latest
    when we end (also by SIGKILL, where setpriv is there)."""

    def __init__(self, argv, log, env=None, cwd="/"):
        self.argv = [str(a) for a in argv]
        self.log = pathlib.Path(log)
        setpriv = shutil.which("setpriv")
        leash = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                leash + self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                cwd=cwd)
        self.pid = self.process.pid

    def running(self):
        return self.process.poll() is None

    def name(self):
        """As /proc calls it."""
        with open(f"/proc/{self.pid}/comm") as f:
            return f.read().strip()

    def text(self, start=0):
        with open(self.log, "rb") as f:
            f.seek(start)
            return f.read().decode("utf-8", "replace")

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def heeds(self, number):
        """Whether the program has said what a signal does to it (a handler, or a signalfd)."""
        with open(f"/proc/{self.pid}/status") as f:
            masks = dict(line.split(":", 1) for line in f)
        both = int(masks["SigCgt"], 16) | int(masks["SigBlk"], 16)
        return both >> (number - 1) & 1

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def wait(self, timeout):
        return self.process.wait(timeout)

    def stop(self):
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


class ServerCA:
    """A certificate authority made for one test run, and its certificate for localhost."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "everleaf test CA")])
        self.bundle = folder / "ca.pem"
        self.certificate = folder / "localhost.pem"
        self.key = folder / "localhost.key"
        root = self._sign(key, name, key.public_key(), name, True)
        self.bundle.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        leaf_key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        leaf = self._sign(key, name, leaf_key.public_key(), subject, False)
        self.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))

    @staticmethod
    def _sign(issuer_key, issuer, public_key, subject, is_ca):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
            .public_key(public_key).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                issuer_key.public_key()), False))
        if is_ca:
            # RFC 5280 4.2.1.3; Python insists since 3.13
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        else:
            local = [x509.DNSName("localhost"),
                     x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(local), False)
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(usage, False)
        return builder.sign(issuer_key, hashes.SHA256())


class Proxy:
    """A TCP proxy on loopback that counts the connections it accepted."""

    def __init__(self, to_port):
        self.to_port = to_port
        self.port = free_port()
        self.connections = 0
        self._open = collections.deque()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self.to_port))
            except OSError:
                client.close()
                continue
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(s)
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    @staticmethod
    def _copy(source, target):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                target.sendall(data)
        except OSError:
            pass
        for s, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
            try:
                s.shutdown(how)
            except OSError:
                pass

    def stop(self):
        # A blocked accept() sleeps on after close(); shutdown() wakes it.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for s in self._open:
            s.close()


def responder_of(everleaf):
    """The process that answers: a child of everleaf's."""
    def look():
        with open(f"/proc/{everleaf.pid}/task/{everleaf.pid}/children") as f:
            for pid in map(int, f.read().split()):
                with open(f"/proc/{pid}/cmdline", "rb") as words:
                    if words.read().startswith(b"everleaf\0respond\0"):
                        return pid
        return None
    return wait_until("it has a responder", look)
