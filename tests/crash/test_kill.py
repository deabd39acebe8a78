# SPDX-License-Identifier: MIT
#
# test_kill.py - everleaf dies by SIGKILL at the 1st, 2nd, 3rd … last point that it passes; the same
# command, run again, ends as if nothing had happened. Then it dies twice in a row.

import pytest

import arena
from conftest import LONG

# Without EVERLEAF_LONG: all points of these, …
WHOLE = [arena.Scenario("issue", "standalone", 3, "ec-256"),
         arena.Scenario("renew", "webroot", 1, "ec-256")]
# … and so many of each of the others.
SAMPLE = 12


def points_of(a):
    """The names of the points that an undisturbed run passes."""
    a.case()
    result = a.run(*a.command(), trace=a.trace)
    assert result.rc == 0, str(result)
    a.check_end(0)
    names = [name for name, _ in a.points()]
    assert len(names) > 60, "it passed hardly any point"
    return names


def die(a, numbers):
    """Dies at each of the numbers in turn; (the names of the points at which it did, how many
    orders the CA was asked for). Polls make a run a little longer or shorter, so a number near the
    end may not be reached."""
    a.case()
    died = []
    for number in numbers:
        a.trace.unlink(missing_ok=True)
        result = a.run(*a.command(), kill=number, trace=a.trace)
        if arena.was_killed(result):
            died.append(a.points()[-1][0])
        elif result.rc != 0:
            raise arena.Wrong(f"not killed: {result}")
        a.check_moment()
    result = a.run(*a.command())
    if result.rc != 0:
        raise arena.Wrong(f"after {died}: {result}")
    return died, a.check_end(len(died))


@pytest.mark.parametrize("scenario", arena.EVERY, ids=str)
def test_a_kill_at_any_point_loses_and_doubles_nothing(scenario, arenas, chance, tell):
    group = arenas(scenario)
    names = points_of(group.arenas[0])
    numbers = list(range(1, len(names) + 1))
    whole = LONG or scenario in WHOLE
    if not whole:
        numbers = sorted(chance.sample(numbers, SAMPLE))
    results = group.each(lambda a, n: die(a, [n]), numbers)
    died = [name for names_died, _ in results for name in names_died]
    replaced = sum(orders - 1 for _, orders in results)
    tell(f"{scenario}: killed at {len(died)} of {len(names)} points, {replaced} orders replaced")
    assert len(died) >= 0.9 * len(numbers)
    if whole:
        assert set(names) <= set(died), "a kind of point was never the last one"


def test_two_kills_in_a_row_lose_and_double_nothing(arenas, chance, tell):
    pairs = 5000 if LONG else 500
    scenarios = arena.EVERY if LONG else chance.sample(arena.EVERY, 5)
    twice = replaced = 0
    for scenario in scenarios:
        group = arenas(scenario)
        last = len(points_of(group.arenas[0]))
        numbers = [(chance.randint(1, last), chance.randint(1, last))
                   for _ in range(-(-pairs // len(scenarios)))]
        results = group.each(die, numbers)
        twice += sum(len(died) == 2 for died, _ in results)
        replaced += sum(orders - 1 for _, orders in results)
        group.stop()
    tell(f"killed twice in a row: {twice} of {pairs} pairs (the others ended before the second), "
         f"{replaced} orders replaced")
    assert twice > pairs // 3
