# SPDX-License-Identifier: MIT
#
# large.py - what a store with very many certificates costs while nothing is due. The stores are
# made by tests/bench/fill-store; no CA is there, and none is asked.
#
# What the columns are:
#   store     size of both files
#   ready     from the start of the daemon until READY=1
#   idle      CPU time of the daemon that waits, as a share of the time
#   rss       resident memory of the daemon after that, and its largest ever with a text file of
#             metrics being written (peak)
#   status, renew, check, metrics    wall time of the command; its CPU time is the same

import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import runner

SETTLE_S = 2
COMMANDS = ("status", "renew", "check", "metrics")

COLUMNS = [  # key, heading, format
    ("store", "store MiB", "{:.0f}"),
    ("ready", "ready s", "{:.3f}"),
    ("idle", "idle cpu", "{:.4f} %"),
    ("rss", "rss MiB", "{:.1f}"),
    ("peak", "peak MiB", "{:.1f}"),
    *((command, f"{command} s", "{:.3f}") for command in COMMANDS),
]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


def memory(pid, key):
    with open(f"/proc/{pid}/status") as f:
        lines = dict(line.split(":", 1) for line in f if ":" in line)
    return int(lines[key].split()[0]) / 1024


class Daemon:
    """everleaf run, from its start until it said that it is ready; ended at the end."""

    def __init__(self, everleaf, *options):
        self.argv = everleaf.argv("-q", "run", *options)

    def __enter__(self):
        with tempfile.TemporaryDirectory() as folder, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            path = f"{folder}/notify"
            manager.bind(path)
            manager.settimeout(120)
            start = time.monotonic()
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, cwd="/",
                                            env={**runner.ENVIRONMENT, "NOTIFY_SOCKET": path})
            while b"READY=1" not in manager.recv(4096):
                pass
            self.ready = time.monotonic() - start
        self.pid = self.process.pid
        return self

    def __exit__(self, *exception):
        self.process.terminate()
        self.process.wait()


def fill(program, state, count):
    helper = pathlib.Path(program).parent / "tests" / "bench" / "fill-store"
    if not helper.exists():
        sys.exit(f"no {helper}: make tests/bench/fill-store")
    subprocess.run([helper, state, str(count)], check=True)


def measure_daemon(everleaf, folder, idle_s):
    with Daemon(everleaf) as daemon:
        time.sleep(SETTLE_S)
        before, start = cpu_seconds(daemon.pid), time.monotonic()
        time.sleep(idle_s)
        spent = cpu_seconds(daemon.pid) - before
        numbers = {"ready": daemon.ready, "rss": memory(daemon.pid, "VmRSS"),
                   "idle": 100 * spent / (time.monotonic() - start)}
    with Daemon(everleaf, "--metrics-textfile", folder / "metrics.prom") as daemon:
        time.sleep(SETTLE_S)
        numbers["peak"] = memory(daemon.pid, "VmHWM")
    return numbers


def measure_command(everleaf, command, runs):
    walls = []
    for _ in range(runs):
        start = time.monotonic()
        everleaf.run(command)
        walls.append(time.monotonic() - start)
    return statistics.median(walls)


def measure(program, counts, runs, idle_s):
    """{"10000 certificates": numbers, …}"""
    results = {}
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="everleaf-large-") as name:
            folder = pathlib.Path(name)
            everleaf = runner.Everleaf(program, folder / "state")
            fill(program, everleaf.state, count)
            size = sum(os.path.getsize(everleaf.state / n) for n in ("everleaf.db", "keys.db"))
            numbers = {"store": size / 2 ** 20, **measure_daemon(everleaf, folder, idle_s)}
            for command in COMMANDS:
                numbers[command] = measure_command(everleaf, command, runs)
            results[f"{count} certificates"] = numbers
            shutil.rmtree(everleaf.state)
        print(f"{count} certificates are measured", file=sys.stderr)
    return results
