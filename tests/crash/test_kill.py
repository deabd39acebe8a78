# SPDX-License-Identifier: MIT
#
# test_kill.py - everleaf dies by SIGKILL at the 1st, 2nd, 3rd … last point that it passes; the same
# command, run again, ends as if nothing had happened. Then it dies twice in a row.

import pytest

import arena
from conftest import LONG

# Without EVERLEAF_LONG: all points of these, …
WHOLE = [arena.Scenario("issue", "standalone", 3, "ec-256"),
         arena.Scenario("renew", "webroot", 1, "ec-256"),
         arena.Scenario("forgotten", "webroot", 1, "ec-256")]
# … and so many of each of the others.
SAMPLE = 12


def points_of(a):
    """What an undisturbed run passes."""
    a.case()
    result = a.run(*a.command(), trace=a.trace)
    assert result.rc == 0, str(result)
    a.check_end(0)
    points = a.points()
    assert len(points) > 60, "it passed hardly any point"
    return points


def die(a, points):
    """Dies at each of the points in turn; (those at which it did, how many orders the CA was asked
    for). Polls make a run a little longer or shorter, so the last of a name may not be reached."""
    a.case()
    died = []
    for point in points:
        result = a.run(*a.command(), kill=point)
        if arena.was_killed(result):
            died.append(point)
        elif result.rc != 0:
            raise arena.Wrong(f"not killed: {result}")
        a.check_moment()
    result = a.run(*a.command())
    if result.rc != 0:
        raise arena.Wrong(f"after {list(map(str, died))}: {result}")
    return died, a.check_end(len(died))


@pytest.mark.parametrize("scenario", arena.EVERY, ids=str)
def test_a_kill_at_any_point_loses_and_doubles_nothing(scenario, arenas, chance, tell):
    group = arenas(scenario)
    points = points_of(group.arenas[0])
    whole = LONG or scenario in WHOLE
    chosen = points if whole else chance.sample(points, SAMPLE)
    results = group.each(lambda a, point: die(a, [point]), chosen)
    died = [point for died_at, _ in results for point in died_at]
    replaced = sum(orders - 1 for _, orders in results)
    tell(f"{scenario}: killed at {len(died)} of {len(points)} points, {replaced} orders replaced")
    assert len(died) >= 0.9 * len(chosen)
    if whole:
        assert {p.name for p in points} == {p.name for p in died}, "a kind of point was missed"


def test_two_kills_in_a_row_lose_and_double_nothing(arenas, chance, tell):
    pairs = 5000 if LONG else 500
    scenarios = arena.EVERY if LONG else chance.sample(arena.EVERY, 5)
    twice = replaced = 0
    for scenario in scenarios:
        group = arenas(scenario)
        points = points_of(group.arenas[0])
        chosen = [(chance.choice(points), chance.choice(points))
                  for _ in range(-(-pairs // len(scenarios)))]
        results = group.each(die, chosen)
        twice += sum(len(died) == 2 for died, _ in results)
        replaced += sum(orders - 1 for _, orders in results)
        group.stop()
    tell(f"killed twice in a row: {twice} of {pairs} pairs (the others ended before the second), "
         f"{replaced} orders replaced")
    assert twice > pairs // 3
