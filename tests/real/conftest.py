# SPDX-License-Identifier: MIT
#
# conftest.py - the fixtures of the end-to-end tests. Pebbles live for the session, one for each
# configuration; a state directory lives for one test; everything listens on loopback.
#
#   EVERLEAF              the binary under test (else build/everleaf, build/release/everleaf,
#                         ./everleaf)
#   EVERLEAF_MOCK_CA      the mock CA (else tests/mock/mock-ca beside the binary)
#   EVERLEAF_PEBBLE       Pebble; pebble-challtestsrv is looked for beside it
#   EVERLEAF_LONG=1       all combinations, many times
#   EVERLEAF_TEST_SEED         repeats the random choices of an earlier run

import sys

sys.dont_write_bytecode = True

import os
import pathlib
import random
import secrets

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "mock"))

import pytest

import ca
import lab
import mock_client
import runner
import servers

SEED = int(os.environ.get("EVERLEAF_TEST_SEED") or secrets.randbelow(10 ** 9))
LONG = os.environ.get("EVERLEAF_LONG", "0") not in ("", "0")

os.environ["EVERLEAF_TEST_SEED"] = str(SEED)  # of those that run tests beside us, too

os.umask(0o022)


def pytest_report_header():
    return f"EVERLEAF_TEST_SEED={SEED}{' EVERLEAF_LONG=1' if LONG else ''}"


def pytest_generate_tests(metafunc):
    """`combination`: (nonce reject %, authz reuse %, number of names). A Latin square of the 27 in
    CI: every pair of values occurs once."""
    if "combination" not in metafunc.fixturenames:
        return
    nonce, reuse, names = [0, 15, 50], [0, 50, 100], [1, 2, 50]
    every = [(n, r, k) for n in nonce for r in reuse for k in names]
    if not LONG:
        choice = random.Random(SEED)
        shift, order = choice.randrange(3), choice.sample(names, 3)
        every = [(n, r, order[(i + j + shift) % 3])
                 for i, n in enumerate(nonce) for j, r in enumerate(reuse)]
    ids = [f"noncereject-{n}-authzreuse-{r}-names-{k}" for n, r, k in every]
    metafunc.parametrize("combination", every, ids=ids)


@pytest.fixture
def rounds():
    """rounds(few, many): how often to repeat something; many with EVERLEAF_LONG=1."""
    return lambda few, many: many if LONG else few


@pytest.fixture
def chance(request):
    """Random numbers that EVERLEAF_TEST_SEED repeats, different for each test."""
    print(f"EVERLEAF_TEST_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def server_ca(tmp_path_factory):
    return lab.ServerCA(tmp_path_factory.mktemp("server-ca"))


@pytest.fixture(scope="session")
def other_ca(tmp_path_factory):
    """Signed nothing that Pebble shows."""
    return lab.ServerCA(tmp_path_factory.mktemp("other-ca"))


@pytest.fixture(scope="session")
def pebble_programs():
    pebble = lab.find_program("EVERLEAF_PEBBLE", "pebble")
    if not pebble:
        pytest.fail("no pebble: install it, or name it in EVERLEAF_PEBBLE")
    beside = pathlib.Path(pebble).parent
    dns = lab.find_program("EVERLEAF_CHALLTESTSRV", "pebble-challtestsrv", [beside])
    if not dns:
        pytest.fail("no pebble-challtestsrv: install it, or name it in EVERLEAF_CHALLTESTSRV")
    return pebble, dns


@pytest.fixture(scope="session")
def dns(pebble_programs, tmp_path_factory):
    server = ca.Dns(pebble_programs[1], tmp_path_factory.mktemp("dns")).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def new_pebble(pebble_programs, dns, server_ca, tmp_path_factory):
    """new_pebble(**configuration): a Pebble of one's own; whoever asks stops it."""
    def make(**configuration):
        folder = tmp_path_factory.mktemp("pebble")
        return ca.Pebble(pebble_programs[0], dns, server_ca, folder, **configuration).start()
    return make


@pytest.fixture(scope="session")
def pebbles(new_pebble):
    """pebbles(**configuration): the session's Pebble of this configuration."""
    running = {}

    def get(**configuration):
        key = tuple(sorted(configuration.items()))
        if key not in running:
            running[key] = new_pebble(**configuration)
        return running[key]
    yield get
    for pebble in running.values():
        pebble.stop()


@pytest.fixture
def pebble(pebbles):
    return pebbles()


@pytest.fixture
def modern_pebble(pebble):
    if not pebble.modern:
        pytest.skip("needs Pebble 2.10: this one advises nothing that a test could set")
    return pebble


@pytest.fixture(scope="session")
def program():
    found = lab.find_everleaf()
    if found:
        return found
    pytest.fail("no everleaf: build it, or name it in EVERLEAF")


@pytest.fixture
def everleaf_at(program, tmp_path):
    """everleaf_at(pebble): everleaf with a state directory of its own, against that Pebble."""
    made = []

    def make(pebble=None):
        folder = tmp_path / f"everleaf-{len(made) + 1}"
        folder.mkdir()
        made.append(runner.Everleaf(program, folder / "state", pebble))
        return made[-1]
    yield make
    for everleaf in made:
        everleaf.stop()


@pytest.fixture
def everleaf(everleaf_at, pebble):
    return everleaf_at(pebble)


@pytest.fixture
def mock_ca(program, tmp_path):
    """A mock CA of the test's own, which looks for http-01 answers at its http_port."""
    mock = mock_client.find(program)
    if not lab.is_program(mock):
        pytest.fail(f"no mock CA at {mock}: make tests/mock/mock-ca")
    folder = tmp_path / "mock-ca"
    folder.mkdir()
    with mock_client.MockCa(mock, folder) as running:
        running.http_port = lab.free_port()
        running.config(http_port=running.http_port)
        yield running


@pytest.fixture
def journal(tmp_path):
    folder = tmp_path / "hooks"
    folder.mkdir()
    return servers.Journal(folder)


@pytest.fixture
def names():
    """names(n): n names that no other test has."""
    tag = "t" + secrets.token_hex(5)
    return lambda count: [f"n{i}.{tag}.everleaf.test" for i in range(count)]


@pytest.fixture
def name(names):
    return names(1)[0]


@pytest.fixture
def nginx(tmp_path):
    """nginx(directory with the certificate): not started; its hook does that."""
    made = []

    def make(certificates):
        made.append(servers.Nginx(tmp_path / f"nginx-{len(made) + 1}", certificates))
        if not made[-1].program:
            pytest.skip("needs nginx")
        return made[-1]
    yield make
    for server in made:
        server.stop()
