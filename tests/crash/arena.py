# SPDX-License-Identifier: MIT
#
# arena.py - one place where everleaf is killed again and again: a mock CA that survives, a state
# directory that is put back to where it was, a process that watches the live files throughout, and
# what must be true in the end. Everything is judged from outside: by SQL, by the CA's records, by
# the files, by the kernel's list of processes.

import collections
import dataclasses
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import lab
import live
import mock_client
import runner

LONG_AGO = 5  # seconds within which children of a killed everleaf are gone
TIMEOUT = 60  # seconds for one run of everleaf
DAY = 86400


class Wrong(Exception):
    """An invariant does not hold."""


@dataclasses.dataclass(frozen=True)
class Scenario:
    what: str  # "issue", "renew", or "forgotten": renew after the CA has lost its database
    solver: str  # "webroot" or "standalone"
    names: int
    key: str

    def __str__(self):
        return f"{self.what}-{self.solver}-{self.names}-{self.key}"


@dataclasses.dataclass(frozen=True)
class Point:
    name: str
    number: int  # how often the name was passed until then
    can_fail: bool

    def __str__(self):
        return f"{self.name}:{self.number}"


EVERY = [Scenario(what, solver, names, key) for what in ("issue", "renew")
         for solver in ("webroot", "standalone") for names in (1, 3)
         for key in ("ec-256", "ec-384", "rsa-2048")]
EVERY.append(Scenario("forgotten", "webroot", 1, "ec-256"))


class Arena:
    """For one scenario. Made once, then `case()` for each kill."""

    def __init__(self, program, mock, folder, scenario):
        self.program, self.scenario = program, scenario
        self.folder = pathlib.Path(folder)
        self.case_folder = self.folder / "case"
        self.template = self.folder / "template"
        self.state = self.case_folder / "state"
        self.webroot = self.case_folder / "www"
        self.files = self.case_folder / "live"
        self.journal = self.case_folder / "journal"
        self.clock = self.folder / "clock"
        self.trace = self.folder / "trace"
        self.port = lab.free_port()
        self.hook = self._write_hook()
        (self.folder / "ca").mkdir()
        self.ca = mock_client.MockCa(mock, self.folder / "ca").start()
        self.ahead = 0
        self.watcher = subprocess.Popen(
            [sys.executable, live.__file__, str(self.files)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self._expect_watcher("ready")
        self._prepare()

    def stop(self):
        self.watcher.stdin.close()
        self.watcher.wait()
        self.ca.stop()

    def _write_hook(self):
        hook = self.folder / "hook"
        hook.write_text(f"#!/bin/sh\necho \"$EVERLEAF_SERIAL\" >>{self.journal}\n")
        hook.chmod(0o755)
        return hook

    # -- the beginning of every case --

    def _prepare(self):
        config = {"http_port": self.port}
        if self.scenario.solver == "webroot":
            config = {"webroot": str(self.webroot)}
        self.ca.config(**config)
        self.case_folder.mkdir()
        self.webroot.mkdir()
        self.advance(0)
        if self.scenario.what != "issue":
            self._must(self.run(*self.obtain()))
            self.journal.unlink()  # what ran from now on counts
            self.advance(62 * DAY)
        shutil.copytree(self.case_folder, self.template, symlinks=True)

    def advance(self, seconds):
        self.ahead += seconds
        self.clock.write_text(str(self.ahead))
        self.ca.clock(seconds)

    @staticmethod
    def _must(result):
        if result.rc != 0:
            raise Wrong(f"could not prepare: {result}")

    def case(self):
        """Everything as in the beginning; the CA's records from here on count."""
        shutil.rmtree(self.case_folder)
        shutil.copytree(self.template, self.case_folder, symlinks=True)
        if self.scenario.what == "forgotten":
            self.ca.forget_accounts()
        self.before = self.ca.counts()
        self.trace.unlink(missing_ok=True)
        self.watcher.stdin.write(f"watch {self.now()}\n")
        self.watcher.stdin.flush()
        self._expect_watcher("watching")

    def now(self):
        return int(time.time()) + self.ahead

    def _expect_watcher(self, wanted):
        line = self.watcher.stdout.readline().strip()
        if line != wanted:
            raise Wrong(f"the watcher says {line!r}")

    # -- runs --

    def obtain(self):
        names = [f"n{i}.everleaf.test" for i in range(self.scenario.names)]
        method = (["--webroot", self.webroot] if self.scenario.solver == "webroot" else
                  ["--standalone", "--http-port", self.port, "--http-address", "127.0.0.1"])
        return ["obtain", *runner.Everleaf.domains(names), "--server", self.ca.url,
                "--ca-bundle", self.ca.bundle, "-m", runner.MAIL, "--agree-tos", *method,
                "--key-type", self.scenario.key, "--deploy-files", self.files,
                "--deploy-hook", self.hook]

    def command(self):
        return self.obtain() if self.scenario.what == "issue" else ["renew"]

    def environment(self, **fault):
        env = {**runner.ENVIRONMENT, "HOME": str(self.folder),
               "EVERLEAF_FAULT_CLOCK": str(self.clock)}
        for name in ("LSAN_OPTIONS", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        return {**env, **{f"EVERLEAF_FAULT_{k.upper()}": str(v) for k, v in fault.items()}}

    def start(self, *words, **fault):
        """In the background; its output goes to a file of the arena's."""
        return lab.Program(self.argv(*words), self.folder / "background.log",
                           env=self.environment(**fault))

    def argv(self, *words):
        return [str(self.program), "--state", str(self.state), *map(str, words)]

    def run(self, *words, wrapper=(), **fault):
        """One run to its end, however it ends."""
        argv = [*map(str, wrapper), *self.argv(*words)]
        done = subprocess.run(argv, env=self.environment(**fault), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=TIMEOUT, cwd="/", encoding="utf-8",
                              errors="replace", check=False)
        result = runner.Result(argv, done.returncode, done.stdout, done.stderr)
        if "Sanitizer" in result.err or "runtime error:" in result.err:
            raise Wrong(f"a sanitizer has something to say: {result}")
        return result

    def points(self):
        """What the last traced run passed, in its order: [Point]."""
        if not self.trace.exists():
            return []
        seen = collections.Counter()
        found = []
        for words in map(str.split, self.trace.read_text().splitlines()):
            seen[words[0]] += 1
            found.append(Point(words[0], seen[words[0]], words[-1] == "fails"))
        return found

    # -- what must be true --

    def check_moment(self):
        """At the instant of a death: the files, and soon nothing that still runs."""
        live.look(str(self.files), self.now())
        deadline = time.monotonic() + LONG_AGO
        while self._running():
            if time.monotonic() > deadline:
                raise Wrong(f"still running: {self._running()}")
            time.sleep(0.002)

    def _running(self):
        """Command lines of processes of this case; the CA and the watcher name other folders."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == self.watcher.pid:
                continue
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if any(str(path).encode() in words
                   for path in (self.state, self.state / "answers", self.hook)):
                found.append(b" ".join(words).decode("utf-8", "replace"))
        return found

    def check_end(self, deaths, may_fail=False):
        """When all is done: nothing lost, nothing doubled. Each death may have cost one order; an
        attempt must not have failed, unless it may."""
        self.may_fail = may_fail
        self.check_moment()
        self.watcher.stdin.write("rest\n")
        self.watcher.stdin.flush()
        told = self.watcher.stdout.readline().strip()
        if not told.startswith("ok "):
            raise Wrong(f"the watcher saw: {told}")
        files = live.look_by_name(str(self.files), self.now())
        if files is None:
            raise Wrong("nothing was installed")
        with sqlite3.connect(f"file:{self.state}/everleaf.db?mode=ro", uri=True) as db:
            self._check_rows(db, files)
        db.close()
        self._check_ca(deaths)
        self._check_leftovers()
        ran = self.journal.read_text().split() if self.journal.exists() else []
        if not ran or int(ran[-1], 16) != files.serial:
            raise Wrong(f"the hook ran for {ran}, not for {files.serial:x} at last")
        return self.ca.counts()["orders"] - self.before["orders"]

    def _one(self, db, wanted, sql):
        found = db.execute(sql).fetchone()[0]
        if found != wanted:
            raise Wrong(f"{found} instead of {wanted}: {sql}")

    def _check_rows(self, db, files):
        generation = 1 if self.scenario.what == "issue" else 2
        self._one(db, "ok", "PRAGMA integrity_check")
        self._one(db, 1, "SELECT count(*) FROM certificate WHERE removed_at = 0")
        self._one(db, 1, "SELECT count(*) FROM account WHERE stage = 'ready' AND doubt = ''")
        self._one(db, 1, "SELECT count(*) FROM account")
        self._one(db, generation, "SELECT count(*) FROM version")
        self._one(db, files.fingerprint, "SELECT fingerprint FROM version v "
                  "JOIN certificate c ON c.live_version_id = v.id")
        self._one(db, 0, "SELECT count(*) FROM acme_order WHERE ended_at = 0")
        self._one(db, 1, "SELECT count(*) FROM acme_order o JOIN certificate c "
                  "ON c.live_version_id = o.version_id WHERE o.stage = 'done'")
        self._one(db, 0, "SELECT count(*) FROM challenge WHERE withdrawn = 0")
        self._one(db, 0, "SELECT count(*) FROM deployment WHERE ended_at = 0")
        if not self.may_fail:
            self._one(db, 0, "SELECT count(*) FROM event WHERE kind = 'failed'")
        db.execute("ATTACH ? AS keys", (f"file:{self.state}/keys.db?mode=ro",))
        self._one(db, "ok", "PRAGMA keys.integrity_check")
        self._one(db, 0, "SELECT count(*) FROM version v WHERE NOT EXISTS "
                  "(SELECT 1 FROM keys.key k WHERE k.id = v.key_id)")
        self._one(db, 0, "SELECT count(*) FROM account a WHERE NOT EXISTS "
                  "(SELECT 1 FROM keys.key k WHERE k.id = a.key_id)")

    def _check_ca(self, deaths):
        after = self.ca.counts()
        new = {name: after[name] - self.before[name] for name in after}
        if new["certificates"] != 1:
            raise Wrong(f"{new['certificates']} certificates were issued")
        if new["accounts"] != (0 if self.scenario.what == "renew" else 1):
            raise Wrong(f"{new['accounts']} accounts were made")
        if not 1 <= new["orders"] <= 1 + deaths:
            raise Wrong(f"{new['orders']} orders after {deaths} deaths")
        for never in ("nonces_reused", "nonces_unknown", "forged"):
            if new[never] != 0:
                raise Wrong(f"{never}: {new[never]}")

    def _check_leftovers(self):
        for folder in (self.webroot / ".well-known" / "acme-challenge", self.state / "answers"):
            left = os.listdir(folder) if folder.exists() else []
            if left:
                raise Wrong(f"left in {folder}: {left}")
        for folder in (self.files, self.files / ".gen"):
            left = [name for name in os.listdir(folder) if ".tmp-" in name]
            if left:
                raise Wrong(f"left in {folder}: {left}")


def was_killed(result):
    return result.rc == -signal.SIGKILL
