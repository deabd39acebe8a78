# SPDX-License-Identifier: MIT
#
# What a certificate costs: requests and connections at the CA, durable commits here. Counted
# exactly, on a Pebble that reuses no authorization and refuses no nonce. How often a poll finds
# the CA not yet done depends on the machine, so several obtains are counted and the median must
# be within the budget; connections and commits are exact every time.

import collections
import re
import sqlite3
import statistics

import pytest

pytestmark = pytest.mark.steady  # how often a CA is polled depends on the load

COMMITS = re.compile(r"order (\d+)\b.*: (\d+) durable commits")


def costs(everleaf, pebble, sets, before=lambda: None):
    """Median of the requests of obtaining each set of names; every one over one connection."""
    counted = []
    for wanted in sets:
        before()
        seen = pebble.watch()
        everleaf.obtain(*wanted)
        assert seen.connections() == 1, seen.requests()
        assert len(seen.issued()) == 1
        counted.append(seen.requests())
        assert seen.accounts() == 0
    for requests in counted:
        print(len(requests), dict(collections.Counter(requests)))
    return statistics.median(len(requests) for requests in counted)


def test_one_name_with_a_known_account_and_directory_costs_eight_requests(
        everleaf, pebble, names):
    first, *others = names(6)
    everleaf.obtain(first)
    assert costs(everleaf, pebble, [[n] for n in others]) <= 8


def test_one_name_with_a_known_account_and_no_directory_costs_nine_requests(
        everleaf, pebble, names):
    def forget_directory():
        with sqlite3.connect(everleaf.state / "everleaf.db") as store:
            assert store.execute("DELETE FROM directory").rowcount == 1
        store.close()
    first, *others = names(6)
    everleaf.obtain(first)
    assert costs(everleaf, pebble, [[n] for n in others], forget_directory) <= 9


def test_the_very_first_name_costs_an_account_more_over_the_same_connection(
        everleaf_at, pebble, names):
    counted = []
    for name in names(5):
        seen = pebble.watch()
        everleaf_at(pebble).obtain(name)
        assert (seen.accounts(), seen.connections()) == (1, 1)
        counted.append(len(seen.requests()))
    assert statistics.median(counted) <= 10, counted


def test_fifty_names_cost_110_requests_over_one_connection(everleaf, pebble, names):
    everleaf.obtain(names(1)[0])
    sets = [[f"s{i}.{n}" for n in names(50)] for i in range(3)]
    assert costs(everleaf, pebble, sets) <= 110


def test_a_directory_that_went_stale_is_read_again_after_a_404(everleaf, pebble, names):
    first, second = names(2)
    everleaf.obtain(first)
    with sqlite3.connect(everleaf.state / "everleaf.db") as store:
        changed = store.execute("UPDATE directory SET body = replace(body, 'order-plz', 'gone')")
        assert changed.rowcount == 1
    store.close()
    seen = pebble.watch()
    if everleaf.obtain(second, expect=(0, 1, 75)).rc != 0:
        everleaf.obtain(second)
    assert seen.requests().count("GET /dir") == 1
    assert len(seen.issued()) == 1


def test_an_order_costs_at_most_five_durable_commits(everleaf, names):
    for wanted in (names(1), names(50)):
        done = everleaf.run("-vv", "obtain", *everleaf.domains(wanted), *everleaf.ca(),
                            *everleaf.standalone())
        found = COMMITS.findall(done.err)
        assert len(found) == 1, f"no line 'order N: M durable commits'\n{done}"
        assert 1 <= int(found[0][1]) <= 5


def test_renewing_twenty_at_once_uses_one_connection(everleaf, pebble, names):
    wanted = names(20)
    for name in wanted:
        everleaf.obtain(name)
    seen = pebble.watch()
    everleaf.run("renew", "--force")
    assert len(seen.issued()) == 20
    assert seen.connections() == 1
    assert len({c["serial"] for c in everleaf.certificates()}) == 20
