# SPDX-License-Identifier: MIT
#
# test_syscalls.py - everleaf dies at a system call of its own, not at a point that we have chosen:
# at each one of an issue with EVERLEAF_LONG=1, else at some of each kind.

import collections
import re
import shutil

import pytest

import arena
from conftest import LONG

SAMPLE = 40


def calls_of(a):
    """How often an undisturbed issue makes each system call: the process that makes it most often,
    since each counts for itself."""
    a.case()
    log = a.folder / "strace.log"
    result = a.run(*a.command(), wrapper=["strace", "-f", "-o", log])
    assert result.rc == 0, str(result)
    a.check_end(0)
    made = collections.Counter(re.findall(r"^(\d+) +([a-z0-9_]+)\(",
                                          log.read_text(errors="replace"), re.MULTILINE))
    most = collections.Counter()
    for (_, name), count in made.items():
        most[name] = max(most[name], count)
    return most


def die(a, item):
    name, number = item
    a.case()
    inject = f"inject={name}:signal=SIGKILL:when={number}"
    result = a.run(*a.command(), wrapper=["strace", "-qq", "-f", "-o", "/dev/null",
                                          "-e", f"trace={name}", "-e", inject])
    killed = arena.was_killed(result)
    if not killed and result.rc not in (0, 1, 75):  # a child of ours may be what died
        raise arena.Wrong(str(result))
    a.check_moment()
    a.advance(2 * 3600)  # a hook that was killed is tried again after its back-off
    result = a.run(*a.command())
    if result.rc != 0:
        raise arena.Wrong(str(result))
    a.check_end(1, may_fail=not killed)
    return killed


def test_a_kill_at_any_system_call_loses_and_doubles_nothing(arenas, chance, tell):
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    group = arenas(arena.Scenario("issue", "standalone", 1, "ec-256"))
    calls = calls_of(group.arenas[0])
    for name in ("execve", "execveat"):
        calls.pop(name, None)  # before it there is no everleaf
    items = [(name, n + 1) for name, count in sorted(calls.items()) for n in range(count)]
    if not LONG:
        items = chance.sample(items, SAMPLE)
    killed = group.each(die, items)
    tell(f"killed at {sum(killed)} of {calls.total()} system calls of {len(calls)} kinds")
    assert sum(killed) > len(items) * 0.8
