# SPDX-License-Identifier: MIT
#
# runner.py - runs everleaf as an operator would: a command line, an exit code, two streams. Owns
# the state directory of one test and ends what it started.

import contextlib
import datetime
import itertools
import json
import os
import pathlib
import sqlite3
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding, PublicFormat, load_pem_private_key)

import lab

MAIL = "operator@everleaf.example"

# What cron gives a job, and a secret that no hook may see.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "OPERATORS_SECRET": "canary-7f3a",
}


class Result:
    def __init__(self, argv, rc, out, err):
        self.argv, self.rc, self.out, self.err = argv, rc, out, err

    @property
    def text(self):
        return self.out + self.err

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError(f"stdout is not JSON\n{self}") from None

    def __str__(self):
        line = " ".join(str(a) for a in self.argv)
        return f"$ {line}\nexit code {self.rc}\n--stdout--\n{self.out}--stderr--\n{self.err}"


class Everleaf:
    """everleaf with a state directory, against one CA (pebble may be None)."""

    def __init__(self, program, state, pebble=None):
        self.program = program
        self.state = pathlib.Path(state)
        self.pebble = pebble
        self._started = []
        self._logs = itertools.count(1)

    def argv(self, *arguments):
        return [str(self.program), "--state", str(self.state), *map(str, arguments)]

    def _environment(self, env):
        home = {"HOME": str(self.state.parent), **(env or {})}
        for name in ("LSAN_OPTIONS", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                home[name] = os.environ[name]
        return {**ENVIRONMENT, **home}

    def run(self, *arguments, expect=0, timeout=120, env=None):
        """expect: an exit code, several, or None (any but death by a signal)."""
        return self.run_argv(self.argv(*arguments), expect, timeout, env)

    def run_argv(self, argv, expect=0, timeout=120, env=None):
        try:
            done = subprocess.run(
                argv, env=self._environment(env), stdin=subprocess.DEVNULL, capture_output=True,
                timeout=timeout, cwd="/", encoding="utf-8", errors="replace", check=False)
        except subprocess.TimeoutExpired as e:
            told = (e.stderr or b"").decode("utf-8", "replace")
            raise AssertionError(f"{argv} did not end within {timeout} s:\n{told}") from None
        result = Result(argv, done.returncode, done.stdout, done.stderr)
        wanted = (expect,) if isinstance(expect, int) else expect
        good = result.rc in wanted if wanted else result.rc >= 0
        assert good, f"expected exit code {expect}\n{result}"
        return result

    def start(self, *arguments, env=None):
        """In the background; ended at the end of the test."""
        log = self.state.parent / f"everleaf-{next(self._logs)}.log"
        program = lab.Program(self.argv(*arguments), log, env=self._environment(env))
        self._started.append(program)
        return program

    def stop(self):
        for program in self._started:
            program.stop()

    # -- the usual command lines -------------------------------------------------------------

    def ca(self):
        return ["--server", self.pebble.url, "--ca-bundle", self.pebble.bundle, "-m", MAIL,
                "--agree-tos"]

    def standalone(self):
        return ["--standalone", "--http-port", self.pebble.http_port]

    @staticmethod
    def domains(names):
        return [word for name in names for word in ("-d", name)]

    def obtain(self, *names, options=(), method=None, **keywords):
        method = self.standalone() if method is None else method
        return self.run("obtain", *self.domains(names), *self.ca(), *method, *options, **keywords)

    def copy_certificate(self, name, names):
        """Wants certificates for other names as it wants the one of a name: past everleaf, because
        a hundred command lines would take longer than a hundred certificates."""
        with contextlib.closing(sqlite3.connect(self.state / "everleaf.db")) as db:
            db.row_factory = sqlite3.Row
            row = dict(db.execute("SELECT * FROM certificate WHERE name = ?", [name]).fetchone())
            last = db.execute("SELECT last FROM counter WHERE name = 'certificate'").fetchone()[0]
            for other in names:
                last += 1
                row.update(id=last, name=other, names=other, live_version_id=None)
                db.execute(f"INSERT INTO certificate ({', '.join(row)}) "
                           f"VALUES ({', '.join('?' * len(row))})", list(row.values()))
                db.execute("INSERT INTO renewal (certificate_id) VALUES (?)", [last])
                db.execute("INSERT INTO renewal_info (id) VALUES (?)", [last])
                db.execute("INSERT INTO notice (id) VALUES (?)", [last])
            db.execute("UPDATE counter SET last = ? WHERE name = 'certificate'", [last])
            db.commit()

    # -- what it says ------------------------------------------------------------------------

    def ask(self, *arguments, **keywords):
        return self.run(*arguments, "--json", **keywords).json

    def certificates(self):
        return self.ask("status")["certificates"]

    def certificate(self, name):
        found = [c for c in self.certificates() if c["name"] == name]
        assert len(found) == 1, f"{name} stands {len(found)} times in status"
        return found[0]

    def serial(self, name):
        return int(self.certificate(name)["serial"], 16)

    def export(self, name):
        folder = self.state.parent / f"export-{next(self._logs)}"
        self.run("export", name, "--out", folder)
        return Files(folder)


class Files:
    """A directory with privkey.pem, cert.pem, chain.pem, fullchain.pem."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def read(self, name):
        return (self.folder / name).read_bytes()

    @property
    def leaf(self):
        return x509.load_pem_x509_certificate(self.read("cert.pem"))

    @property
    def validity(self):
        """(notBefore, notAfter), aware of UTC in every version of cryptography."""
        leaf, utc = self.leaf, datetime.timezone.utc
        if hasattr(leaf, "not_valid_after_utc"):
            return leaf.not_valid_before_utc, leaf.not_valid_after_utc
        return leaf.not_valid_before.replace(tzinfo=utc), leaf.not_valid_after.replace(tzinfo=utc)

    @property
    def key(self):
        return load_pem_private_key(self.read("privkey.pem"), None)

    def names(self):
        san = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return set(san.value.get_values_for_type(x509.DNSName))

    def check(self):
        """The four files are one certificate: key, leaf, chain, and both together."""
        der = [k.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
               for k in (self.key.public_key(), self.leaf.public_key())]
        assert der[0] == der[1], f"{self.folder}: the key is not the certificate's"
        both = self.read("cert.pem") + self.read("chain.pem")
        assert self.read("fullchain.pem") == both, f"{self.folder}: fullchain is not cert + chain"
        return self
