# SPDX-License-Identifier: MIT
#
# conftest.py - the crash tests: everleaf is killed, and its calls made to fail, at every point that
# it passes. They need a build with fault points and the mock CA of the same build.
#
#   EVERLEAF              the binary under test, built with --enable-fault
#   EVERLEAF_MOCK_CA      the mock CA (else tests/mock/mock-ca beside the binary)
#   EVERLEAF_LONG=1       every point of every scenario; else some scenarios are sampled
#   EVERLEAF_TEST_SEED         repeats the random choices of an earlier run

import sys

sys.dont_write_bytecode = True

import concurrent.futures
import os
import pathlib
import queue
import random
import secrets
import shutil
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "real"), str(ROOT / "tests" / "mock")]

import pytest

import arena
import lab
import mock_client

SEED = int(os.environ.get("EVERLEAF_TEST_SEED") or secrets.randbelow(10 ** 9))
LONG = os.environ.get("EVERLEAF_LONG", "0") not in ("", "0")
WORKERS = max(1, len(os.sched_getaffinity(0)))

os.umask(0o022)

told = []  # lines for the end of the run


def pytest_report_header():
    return f"EVERLEAF_TEST_SEED={SEED}{' EVERLEAF_LONG=1' if LONG else ''}"


def pytest_terminal_summary(terminalreporter):
    for line in told:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def tell():
    """tell(line): what was counted, printed at the end."""
    return told.append


@pytest.fixture
def chance(request):
    """Random numbers that EVERLEAF_TEST_SEED repeats, different for each test."""
    print(f"EVERLEAF_TEST_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def program():
    found = os.environ.get("EVERLEAF")
    if not found or not lab.is_program(found):
        pytest.fail("name a build with --enable-fault in EVERLEAF")
    return found


@pytest.fixture(scope="session")
def mock(program):
    found = mock_client.find(program)
    if not lab.is_program(found):
        pytest.fail(f"no mock CA at {found}")
    return found


@pytest.fixture
def folder():
    """In memory where there is such a place: what a kill leaves is the same there."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = tempfile.mkdtemp(prefix="everleaf-crash-", dir=memory)
    yield pathlib.Path(path)
    shutil.rmtree(path)


class Arenas:
    """As many arenas of one scenario as there are processors, and work for them."""

    def __init__(self, program, mock, folder, scenario):
        self.arenas = []
        self._free = queue.SimpleQueue()
        for i in range(WORKERS):
            (folder / f"{scenario}-{i}").mkdir()
            self.arenas.append(
                arena.Arena(program, mock, folder / f"{scenario}-{i}", scenario))
            self._free.put(self.arenas[-1])

    def stop(self):
        for a in self.arenas:
            a.stop()

    def each(self, work, items):
        """work(arena, item) for every item; fails with all that went wrong, by item."""
        def one(item):
            a = self._free.get()
            try:
                return work(a, item)
            except Exception as e:
                return Failure(item, e)
            finally:
                self._free.put(a)
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            results = list(pool.map(one, items))
        failures = [r for r in results if isinstance(r, Failure)]
        if failures:
            more = "\n\n".join(f"{f.item}: {f.why!r}" for f in failures[:5])
            raise AssertionError(f"{len(failures)} of {len(results)} went wrong:\n{more}")
        return results


class Failure:
    def __init__(self, item, why):
        self.item, self.why = item, why


@pytest.fixture
def arenas(program, mock, folder):
    """arenas(scenario): ended with the test."""
    made = []

    def make(scenario):
        made.append(Arenas(program, mock, folder, scenario))
        return made[-1]
    yield make
    for a in made:
        a.stop()
