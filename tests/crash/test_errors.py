# SPDX-License-Identifier: MIT
#
# test_errors.py - instead of killing: every call that can fail does so once, at the 1st, 2nd, 3rd …
# point. A daemon goes on by itself, and ends as if nothing had happened. A command says what failed
# and keeps what it has; the same command again finishes.

import errno
import signal
import sqlite3

import pytest

import arena
import lab
from conftest import LONG

# What a call may fail with: no room, a dying disk, no descriptor left, no process to be had.
ERRORS = [errno.ENOSPC, errno.EIO, errno.EMFILE, errno.EAGAIN]

SCENARIOS = [s for s in arena.EVERY if s.key == "ec-256" or (s.key, s.names) == ("rsa-2048", 1)]
WHOLE = [arena.Scenario("issue", "standalone", 1, "ec-256"),
         arena.Scenario("renew", "webroot", 1, "ec-256")]
SAMPLE = 10


def ends_of_start(points):
    """How many points a process passes until it has a place in the store: who fails before that
    may end, and whoever started it starts it again."""
    return [p.name for p in points].index("owner.made") + 1


def wish(a):
    """The case, with what is wanted made durable and nothing done for it (issue only)."""
    a.case()
    if a.scenario.what != "issue":
        return
    result = a.run(*a.command(), trace=a.trace, kill=a.after_wish) if a.after_wish else None
    assert result is None or arena.was_killed(result), str(result)


def find_wish(a):
    """The point after the commit of the wish: the first commit of a process in its place."""
    a.after_wish = None
    if a.scenario.what != "issue":
        return
    a.case()
    assert a.run(*a.command(), trace=a.trace).rc == 0
    points = a.points()
    names = [p.name for p in points]
    a.after_wish = points[names.index("db.committed", ends_of_start(points))]
    a.check_end(0)


def is_deployed(a):
    if not a.journal.exists():
        return False
    with sqlite3.connect(f"file:{a.state}/everleaf.db?mode=ro", uri=True, timeout=5) as db:
        left = db.execute("SELECT (SELECT count(*) FROM deployment WHERE ended_at = 0) + "
                          "(SELECT count(*) FROM acme_order WHERE ended_at = 0)").fetchone()[0]
    db.close()
    return left == 0


def run_daemon(a, **fault):
    """The daemon until all is deployed, or until it ends by itself; its exit code then, else 0."""
    daemon = a.start("run", hurry=1, **fault)
    try:
        lab.wait_until("it is deployed", lambda: is_deployed(a) or not daemon.running(), 40)
        if not daemon.running():
            return daemon.process.returncode
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(15) == 0
        return 0
    except AssertionError as e:
        raise arena.Wrong(f"{e}\n{daemon.text()[-3000:]}") from None
    finally:
        daemon.stop()


def failing_points(a):
    """The points of an undisturbed daemon at which a call can fail, and those of them that belong to
    its start."""
    wish(a)
    a.trace.unlink(missing_ok=True)
    assert run_daemon(a, trace=a.trace) == 0
    a.check_end(1)
    points = a.points()
    return ([p for p in points if p.can_fail],
            [p for p in points[:ends_of_start(points)] if p.can_fail])


def chosen(scenario, points, chance):
    """[(point, errno)]: all of them when there is time, else one errno for each, or for some."""
    if not LONG and scenario not in WHOLE:
        points = chance.sample(points, min(SAMPLE, len(points)))
    return [(point, error) for point in points
            for error in (ERRORS if LONG else [chance.choice(ERRORS)])]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_daemon_goes_on_after_any_call_that_failed(scenario, arenas, chance, tell):
    group = arenas(scenario)
    for a in group.arenas:
        find_wish(a)
    points, start = failing_points(group.arenas[0])
    items = chosen(scenario, points, chance)

    def fail(a, item):
        point, error = item
        wish(a)
        code = run_daemon(a, fail=point, errno=error)
        if code != 0:
            if point not in start or code not in (1, 75):
                raise arena.Wrong(f"it ended with {code}: "
                                  f"{(a.folder / 'background.log').read_text()[-1000:]}")
            assert run_daemon(a) == 0
        a.check_end(2, may_fail=True)
        return code

    codes = group.each(fail, items)
    tell(f"{scenario}: the daemon went on after {len(items)} calls that failed, one at a time "
         f"({sum(c != 0 for c in codes)} of them ended its start)")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_command_says_what_failed_and_the_next_one_finishes(scenario, arenas, chance, tell):
    group = arenas(scenario)
    first = group.arenas[0]
    first.case()
    assert first.run(*first.command(), trace=first.trace).rc == 0
    points = [p for p in first.points() if p.can_fail]
    first.check_end(0)
    items = chosen(scenario, points, chance)

    def fail(a, item):
        point, error = item
        a.case()
        result = a.run(*a.command(), fail=point, errno=error)
        if result.rc not in (0, 1, 75) or (result.rc != 0 and not result.err.strip()):
            raise arena.Wrong(str(result))
        a.advance(2 * 3600) # past every back-off
        again = a.run(*a.command())
        if again.rc != 0:
            raise arena.Wrong(f"{result}\nand then\n{again}")
        a.check_end(1, may_fail=True)
        return result.rc

    codes = group.each(fail, items)
    tell(f"{scenario}: a command met {len(items)} calls that failed, one at a time; "
         f"{codes.count(0)} times it did not matter")
