# SPDX-License-Identifier: MIT
#
# test_surroundings.py - what surrounds everleaf misbehaves: the CA's directory is a web page, the
# clock is wrong, hooks do what they should not. One clear sentence, and nothing live changes.

import time

import pytest

import arena
import servers


@pytest.fixture
def place(program, mock, folder):
    """An arena with a certificate that is due."""
    (folder / "place").mkdir()
    a = arena.Arena(program, mock, folder / "place",
                    arena.Scenario("renew", "standalone", 1, "ec-256"))
    a.case()
    yield a
    a.stop()


def contents(a):
    return {p.name: p.read_bytes() for p in sorted(a.files.iterdir()) if p.is_file()}


def forget_directory(a):
    with arena.sqlite3.connect(f"{a.state}/everleaf.db") as db:
        db.execute("DELETE FROM directory")
    db.close()


@pytest.mark.parametrize("status, body, content_type", [
    (200, "<html>log in to this network first</html>", "text/html"),
    (200, "{}", "application/json"),
    (404, "not here", "text/plain"),
    (503, "<html>maintenance</html>", "text/html"),
    (200, "{\"newNonce\":\"http://plain.example/\"}", "application/json"),
])
def test_a_directory_that_is_none_is_said_and_nothing_changes(place, status, body, content_type):
    forget_directory(place)
    before, certificates = contents(place), place.ca.counts()["certificates"]
    place.ca.fault(kind="directory", act="replace", status=status, body=body,
                   content_type=content_type, times=-1)
    result = place.run("renew")
    assert result.rc in (1, 75), str(result)
    assert f"reading the directory {place.ca.url}" in result.err
    assert place.ca.counts()["certificates"] == certificates
    assert contents(place) == before
    place.ca.heal()
    place.advance(2 * 3600)
    assert place.run("renew").rc == 0
    assert contents(place) != before


def test_a_clock_before_the_build_date_publishes_nothing(place):
    before, orders = contents(place), place.ca.counts()["orders"]
    place.clock.write_text(str(-20 * 365 * 86400))
    for words in (["renew"], ["renew", "--force", "n0.everleaf.test"], place.obtain()):
        result = place.run(*words)
        assert result.rc == 1, str(result)
        assert "set the clock" in result.err and len(result.err.splitlines()) == 1, str(result)
    assert place.run("status").rc == 0
    assert contents(place) == before and place.ca.counts()["orders"] == orders
    place.advance(0)
    assert place.run("renew", "n0.everleaf.test").rc == 0
    assert contents(place) != before


FLOOD = "head -c 1073741824 /dev/zero; exit 0"
FORK = "(setsid sleep 30 >/dev/null 2>&1 &) ; (setsid sleep 30 &) ; exit 0"
CLOSE = "exec >&- 2>&- </dev/null; sleep 0.2; exit 0"
HANG = "trap '' TERM; while :; do sleep 1; done"
KINDS = ["--deploy-hook", "--pre-hook", "--solver-exec"]


def give_hook(place, kind, body):
    """Has the certificate renewed with a hook that does this; a solver publishes first."""
    if kind == "--solver-exec":
        folder = place.webroot / ".well-known" / "acme-challenge"
        folder.mkdir(parents=True)
        place.ca.config(webroot=str(place.webroot), http_port=0)
        body = f"""umask 022
case $EVERLEAF_ACTION in
present) printf %s "$EVERLEAF_KEY_AUTHORIZATION" >'{folder}'/"$EVERLEAF_TOKEN" ;;
withdraw) rm -f '{folder}'/"$EVERLEAF_TOKEN"; exit 0 ;;
esac
{body}"""
    hook = servers.write_hook(place.folder / "odd", body)
    assert place.run("reconfigure", "n0.everleaf.test", kind, hook).rc == 0
    return hook


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [FLOOD, FORK, CLOSE], ids=["floods", "forks-away", "closes"])
def test_a_hook_that_misbehaves_and_ends_well_is_done(place, kind, body):
    give_hook(place, kind, body)
    before, started = contents(place), time.monotonic()
    child = place.start("renew")
    peak = 0
    while child.running():
        with open(f"/proc/{child.pid}/status") as f:
            text = f.read()
        if "VmHWM" in text:
            peak = max(peak, int(text.split("VmHWM:")[1].split()[0]))
        time.sleep(0.01)
    assert child.wait(1) == 0, child.text()
    assert contents(place) != before
    assert time.monotonic() - started < 25, "it waited for what the hook left behind"
    assert peak < 64 * 1024, f"its memory grew to {peak} KiB"


def test_hooks_that_hang_and_ignore_term_are_killed_after_a_minute(program, mock, folder):
    """One of each kind, at once: that minute is real."""
    places, started = {}, time.monotonic()
    try:
        for kind in KINDS:
            (folder / kind.strip("-")).mkdir()
            place = arena.Arena(program, mock, folder / kind.strip("-"),
                                arena.Scenario("renew", "standalone", 1, "ec-256"))
            place.case()
            places[kind] = place, give_hook(place, kind, HANG), contents(place)
        children = {kind: p[0].start("renew") for kind, p in places.items()}
        for kind, (place, hook, before) in places.items():
            assert children[kind].wait(150) == 1, children[kind].text()
            assert f"{hook} did not end in time and was stopped" in children[kind].text()
            installed = kind == "--deploy-hook"  # the files come first; what failed is the reload
            assert (contents(place) != before) == installed
            place.check_moment()
        assert time.monotonic() - started >= 60
    finally:
        for place, *_ in places.values():
            place.stop()
