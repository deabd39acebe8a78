#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# run.py - what everleaf costs, on the Pebble of the end-to-end tests: wall and CPU time, memory,
# requests and connections for 1 name, 50 names, 20 certificates, and 100 and 1,000 that are due at
# once; and what many certificates cost of which none is due (large.py). Prints tables of medians;
# asserts nothing about time. Reported, never compared: the machine, the load and Pebble's share of
# the CPU are in the output for that.
#
#   make bench            or  tests/bench/run.py [--runs N] [--json] [--nice] [--large 100,1000]
#
# What the columns are:
#   wall         from start to end of the process (20 obtains: of all twenty together)
#   cpu          user + system time of everleaf and the programs it ran
#   rss          the largest resident set of one process (VmHWM)
#   anon         the largest anonymous part of it (RssAnon): what is really everleaf's own
#   requests     HTTPS requests in Pebble's log, those for renewal information (ari) apart
#   connections  TCP connections through the proxy
#   pebble cpu   CPU time of Pebble during the run, as a share of the wall time
# Memory is sampled every two milliseconds and at the end as late as the sampler comes.

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "real"))

import ca
import lab
import large
import runner

SAMPLE_S = 0.002


class Cost:
    """The sum over processes that ran one after the other; memory is the largest one's."""

    def __init__(self):
        self.wall = self.cpu = 0.0
        self.rss = self.anon = 0

    def add(self, argv, environment):
        start = time.monotonic()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, env=environment, cwd="/")
            pid, status, usage = self._watch(process.pid)
            self.wall += time.monotonic() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                output.seek(0)
                told = output.read().decode("utf-8", "replace")
                sys.exit(f"{' '.join(argv)}\nended with {process.returncode}:\n{told}")
        self.cpu += usage.ru_utime + usage.ru_stime

    def _watch(self, pid):
        # ru_maxrss would count the memory of this interpreter between fork and exec.
        while True:
            self._sample(pid)
            ended = os.wait4(pid, os.WNOHANG)
            if ended[0] == pid:
                return ended
            time.sleep(SAMPLE_S)

    def _sample(self, pid):
        try:
            with open(f"/proc/{pid}/status") as f:
                lines = dict(line.split(":", 1) for line in f if ":" in line)
            # Until exec the process is still a copy of this one.
            if lines["Name"].strip().startswith("python"):
                return
            self.rss = max(self.rss, int(lines["VmHWM"].split()[0]))
            self.anon = max(self.anon, int(lines["RssAnon"].split()[0]))
        except (OSError, KeyError):
            pass


class Bench:
    def __init__(self, folder, program, pebble, nice):
        self.folder = folder
        self.program = program
        self.pebble = pebble
        self.prefix = ["nice", "-n", "19"] if nice else []
        self.serial = 0

    def names(self, count):
        self.serial += 1
        return [f"n{i}.b{self.serial}.everleaf.test" for i in range(count)]

    def store(self):
        self.serial += 1
        return runner.Everleaf(self.program, self.folder / f"state-{self.serial}", self.pebble)

    def obtain(self, everleaf, names):
        return everleaf.argv("obtain", *everleaf.domains(names), *everleaf.ca(),
                             *everleaf.standalone())

    def measure(self, commands, issued):
        cost, seen = Cost(), self.pebble.watch()
        for argv in commands:
            cost.add(self.prefix + argv, runner.ENVIRONMENT)
        pebble_cpu, requests = seen.cpu_seconds(), seen.requests()
        ari = sum("renewalInfo" in r for r in requests)
        if len(seen.issued()) != issued:
            sys.exit(f"{len(seen.issued())} certificates were issued instead of {issued}")
        return {"wall": cost.wall, "cpu": cost.cpu, "rss": cost.rss / 1024,
                "anon": cost.anon / 1024, "requests": len(requests) - ari, "ari": ari,
                "connections": seen.connections(), "pebble": 100 * pebble_cpu / cost.wall}

    # -- what is measured; each gives one or more (title, numbers) -----------------------------

    def first(self):
        everleaf = self.store()
        yield "1 name, new account", self.measure([self.obtain(everleaf, self.names(1))], 1)

    def single(self):
        everleaf = self.store()
        everleaf.obtain(*self.names(1))
        yield "1 name", self.measure([self.obtain(everleaf, self.names(1))], 1)
        yield "50 names", self.measure([self.obtain(everleaf, self.names(50))], 1)

    def many(self):
        everleaf = self.store()
        everleaf.obtain(*self.names(1))
        everleaf.run("delete", everleaf.certificates()[0]["name"])
        commands = [self.obtain(everleaf, self.names(1)) for _ in range(20)]
        yield "20 certificates, 20 obtains", self.measure(commands, 20)
        renew = everleaf.argv("renew", "--force")
        yield "20 certificates, one renew", self.measure([renew], 20)
        nothing = everleaf.argv("renew")
        yield "20 certificates, nothing due", self.measure([nothing], 0)

    def due(self, count):
        everleaf = self.store()
        first, *others = self.names(count + 1)
        everleaf.obtain(first)
        everleaf.copy_certificate(first, others)
        yield f"{count} due at once, one renew", self.measure([everleaf.argv("renew")], count)


COLUMNS = [  # key, heading, format
    ("wall", "wall s", "{:.3f}"),
    ("cpu", "cpu s", "{:.3f}"),
    ("rss", "rss MiB", "{:.1f}"),
    ("anon", "anon MiB", "{:.1f}"),
    ("requests", "requests", "{:.0f}"),
    ("ari", "ari", "{:.0f}"),
    ("connections", "connections", "{:.0f}"),
    ("pebble", "pebble cpu", "{:.0f} %"),
]


def print_table(results, columns):
    rows = [["", *(heading for _, heading, _ in columns)]]
    for title, numbers in results.items():
        rows.append([title, *(form.format(numbers[key]) for key, _, form in columns)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells))


def run(bench, runs):
    measured = {}
    for i in range(runs):
        parts = [bench.first(), bench.single(), bench.many(), bench.due(100)]
        for part in parts + ([bench.due(1000)] if i == 0 else []):
            for title, numbers in part:
                measured.setdefault(title, []).append(numbers)
        print(f"run {i + 1} of {runs}", file=sys.stderr)
    return {title: {key: statistics.median(n[key] for n in every) for key, _, _ in COLUMNS}
            for title, every in measured.items()}


def start_pebble(folder):
    program = lab.find_program("EVERLEAF_PEBBLE", "pebble")
    beside = [pathlib.Path(program).parent] if program else []
    resolver = lab.find_program("EVERLEAF_CHALLTESTSRV", "pebble-challtestsrv", beside)
    if not program or not resolver:
        sys.exit("no pebble or pebble-challtestsrv: install them, or name them in "
                 "EVERLEAF_PEBBLE and EVERLEAF_CHALLTESTSRV")
    dns = ca.Dns(resolver, folder).start()
    pebble = ca.Pebble(program, dns, lab.ServerCA(folder), folder / "pebble")
    return dns, pebble.start()


def main():
    parser = argparse.ArgumentParser(description="what everleaf costs, on a Pebble of its own")
    parser.add_argument("--runs", type=int, default=5, help="medians of so many runs (5)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--nice", action="store_true", help="run everleaf at the lowest priority")
    parser.add_argument("--large", default="100,1000,10000", metavar="N,N…",
                        help="certificates in the large stores (100,1000,10000); '': none")
    parser.add_argument("--idle", type=float, default=10, help="seconds of idling (10)")
    options = parser.parse_args()
    program = lab.find_everleaf()
    if not program:
        sys.exit("no everleaf: build it, or name it in EVERLEAF")
    with tempfile.TemporaryDirectory(prefix="everleaf-bench-") as name:
        folder = pathlib.Path(name)
        dns, pebble = start_pebble(folder)
        try:
            results = run(Bench(folder, program, pebble, options.nice), options.runs)
        finally:
            pebble.stop()
            dns.stop()
    counts = [int(n) for n in options.large.split(",") if n]
    stores = large.measure(program, counts, options.runs, options.idle)
    where = {"cpus": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0],
             "pebble": "2.10 or later" if pebble.modern else "before 2.10",
             "runs": options.runs, "nonce_reject": 0, "authz_reuse": 0, "retry_after": 0}
    if options.json:
        print(json.dumps({"schema": 1, "where": where, "results": results, "stores": stores},
                         indent=1))
        return
    print(f"medians of {options.runs} runs, {where['cpus']} CPUs, Linux {where['kernel']}, load "
          f"{where['load']:.1f}, Pebble {where['pebble']} (no Retry-After, no badNonce, no reuse)")
    print_table(results, COLUMNS)
    if stores:
        print(f"\nnothing due, idle for {options.idle:g} s, wall times are medians of "
              f"{options.runs}")
        print_table(stores, large.COLUMNS)


main()
