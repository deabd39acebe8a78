# SPDX-License-Identifier: MIT
#
# test_bad_input.py - one row for each thing that an operator can get wrong, beside a certificate
# that is live: one sentence that says what failed and what to do, the exit code of everleaf(1),
# no connection to the CA where it can be known before, and nothing that is live changed.

import contextlib
import http.server
import os
import pathlib
import re
import sqlite3
import ssl
import subprocess
import threading

import pytest

import runner
import servers

LIVE = "live.everleaf.test"
TABLES = ("account", "certificate", "acme_order", "version", "target", "deployment")


@pytest.fixture(scope="module")
def live(program, pebbles, tmp_path_factory):
    """everleaf with one certificate that is deployed to `files`; `root` is where cases put things."""
    root = tmp_path_factory.mktemp("bad-input")
    os.chmod(root, 0o755)
    everleaf = runner.Everleaf(program, root / "state", pebbles())
    everleaf.root, everleaf.files = root, root / "live"
    everleaf.obtain(LIVE, options=["--deploy-files", everleaf.files])
    yield everleaf
    everleaf.stop()


def contents(folder):
    return {str(p): (os.readlink(p) if p.is_symlink() else p.read_bytes())
            for p in sorted(pathlib.Path(folder).rglob("*")) if p.is_symlink() or p.is_file()}


def rows(everleaf):
    """All that is remembered, by table."""
    with contextlib.closing(sqlite3.connect(
            f"file:{everleaf.state}/everleaf.db?mode=ro", uri=True)) as db:
        return {t: db.execute(f"SELECT * FROM {t} ORDER BY id").fetchall() for t in TABLES}


@contextlib.contextmanager
def nothing_changes(everleaf):
    files, before = contents(everleaf.files), rows(everleaf)
    seen = everleaf.pebble.watch()
    yield seen
    assert contents(everleaf.files) == files
    after = rows(everleaf)
    for table in TABLES:  # new rows may come, of what was asked for in vain
        assert after[table][:len(before[table])] == before[table], table
    assert seen.orders() == [] and seen.accounts() == 0


def refused(everleaf, argv, code, sentence):
    """Runs it; its last line is the sentence, and is the only one but for progress."""
    result = everleaf.run_argv(everleaf.argv(*argv), expect=code, timeout=60)
    said = result.err.rstrip("\n").split("\n")
    pattern = sentence.replace("ROOT", re.escape(str(everleaf.root)))
    assert re.fullmatch(f"everleaf: {pattern}", said[-1]), f"not {pattern!r}:\n{result}"
    assert all(re.search("registering an account|asking the CA|it goes on at", line)
               for line in said[:-1]), str(result)


# --- what is known before anybody is asked --------------------------------------------------------

NAMES = [  # what stands behind -d, what is said of it
    ("", "give at least one name with -d"),
    (" ", '" " contains a space: give each name by itself'),
    (".", '"." has an empty label: two dots in a row, or one in front'),
    ("two..dots.test", '"two..dots.test" has an empty label: two dots in a row, or one in front'),
    (".leading.test", '".leading.test" has an empty label: two dots in a row, or one in front'),
    ("a" * 64 + ".test", '"a{64}.test" has a label of more than 63 bytes'),
    ("ü" * 60 + ".test", '"ü+.*" has a label of more than 63 bytes'),
    (".".join(["a" * 50] * 6), '"[a.]+…?.*" is longer than 253 bytes'),
    ("two words.test", '"two words.test" contains a space: give each name by itself'),
    ("slash/x.test", '"slash/x.test" contains a slash: give the name alone, without a path'),
    ("../../etc/passwd", '"../../etc/passwd" contains a slash: give the name alone, .*'),
    ("a\u2100.test", '".*" contains a slash: give the name alone, without a path'),
    ("https://x.test", '"https://x.test" is a URL: give the name alone'),
    ("x.test:443", '"x.test:443" has a port: give the name alone'),
    ("user@x.test", '"user@x.test" is an e-mail address: give the name alone'),
    ("under_score.test", '"under_score.test" contains an underscore, which no name in a .* have'),
    ("-dash.test", '"-dash.test" has a label that begins or ends with a hyphen'),
    ("dash-.test", '"dash-.test" has a label that begins or ends with a hyphen'),
    ("semi;colon.test", '"semi;colon.test" contains something else than letters, digits and .*'),
    ("$(id).test", r'"\$\(id\).test" contains something else than letters, digits and hyphens'),
    ("bell\x07.test", r'"bell\\x07.test" contains a control character'),
    ("esc\x1b[31m.test", r'"esc\\x1b\[31m.test" contains a control character'),
    ("new\nline.test", r'"new\\x0aline.test" contains a control character'),
    ("del\x7f.test", r'"del\\x7f.test" contains a control character'),
    ("*", r'"\*" alone is no name: a wildcard is "\*." and a domain'),
    ("a.*.b.test", r'"a.\*.b.test" has an asterisk that is not its whole first label'),
    ("*.*.test", r'"\*.\*.test" has an asterisk that is not its whole first label'),
    ("**.test", r'"\*\*.test" has an asterisk that is not its whole first label'),
    ("\uff0a.b.*.test", '".*" has an asterisk that is not its whole first label'),
    ("1.2.3.4.5", '"1.2.3.4.5" looks like an IPv4 address, but is none'),
    ("1.2.3.256", '"1.2.3.256" looks like an IPv4 address, but is none'),
    ("[::1", r'"\[::1" has a bracket that is not closed'),
    ("x.123", '"x.123" ends in a number, which no domain does'),
    ("\U0001f600.test", '".*" is no internationalised name that a certificate may have'),
    ("xn--a.test", '"xn--a.test" is no internationalised name that a certificate may have'),
]


@pytest.mark.parametrize("bad, sentence", NAMES, ids=[ascii(n)[:40] for n, _ in NAMES])
def test_a_bad_name_is_a_usage_error(live, bad, sentence):
    with nothing_changes(live) as seen:
        refused(live, ["obtain", "-d", bad, *live.ca(), *live.standalone()], 2, sentence)
        if bad:
            refused(live, ["obtain", "-d", LIVE, "-d", bad, *live.ca(), *live.standalone(),
                           "--name", LIVE], 2, sentence)
    assert seen.connections() == 0


CONVERTED = [("BÜCHER", "xn--bcher-kva"), ("straße", "xn--strae-oqa"), ("ｆｕｌｌ", "full"),
             ("例え", "xn--r8jz45g"), ("MiXeD", "mixed")]


@pytest.mark.parametrize("typed, label", CONVERTED, ids=[label for _, label in CONVERTED])
def test_a_name_in_another_script_is_converted_by_its_rules(everleaf, name, typed, label):
    everleaf.obtain(f"{typed}。{name}" if typed == "例え" else f"{typed}.{name}")
    assert everleaf.export(f"{label}.{name}").check().names() == {f"{label}.{name}"}


def write(path, text="", mode=0o644):
    path.write_text(text)
    os.chmod(path, mode)
    return path


def hook(root, name, mode=0o755, body="#!/bin/sh\nexit 0\n"):
    return write(root / name, body, mode)


def others_may_write(root):
    (root / "open").mkdir(exist_ok=True)
    os.chmod(root / "open", 0o777)
    return hook(root, "open/hook")


def a_group_may_write(root):
    path = hook(root, "group-file", 0o775)
    if os.geteuid() == 0:
        os.chown(path, 0, 65534)  # root's own group is root's word
    return path


def of_nobody(root):
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a file away")
    os.chown(hook(root, "nobodys"), 65534, 65534)
    return root / "nobodys"


PROGRAMS = [  # id, what stands for the program, the sentence
    ("missing", lambda root: root / "none", "cannot run ROOT/none: No such file or directory"),
    ("missing-word", lambda root: "no-such-program now", 'there is no program "no-such-program" '
     "in /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin or /bin: give its path"),
    ("not-executable", lambda root: hook(root, "plain", 0o644), "ROOT/plain is not executable for "
     r"us \(chmod \+x; or its file system is mounted noexec\)"),
    ("writable", lambda root: hook(root, "open-file", 0o757), "ROOT/open-file is not run: others "
     r"may write to it \(mode 0757\): run chmod go-w ROOT/open-file"),
    ("writable-by-group", a_group_may_write, "ROOT/group-file is not "
     r"run: others may write to it \(mode 0775\): run chmod go-w ROOT/group-file"),
    ("writable-above", others_may_write, "ROOT/open/hook is not run: others may write to the "
     r"directory ROOT/open and could replace it: run chmod go-w ROOT/open"),
    ("of-somebody-else", of_nobody, r"ROOT/nobodys is not run: it belongs to user 65534 \(only "
     r"root and the user running everleaf may own it\): run chown root ROOT/nobodys"),
    ("directory", lambda root: root, "ROOT is a directory, not a file"),
    ("device", lambda root: "/dev/null", "/dev/null is not a regular file"),
    ("shell", lambda root: "/bin/true && /bin/true", "everleaf starts programs without a "
     'shell, so "&" means nothing in "&& /bin/true": quote it, or write /bin/sh -c .*'),
]


@pytest.mark.parametrize("kind", ["--deploy-hook", "--pre-hook", "--post-hook", "--solver-exec"])
@pytest.mark.parametrize("make, sentence", [row[1:] for row in PROGRAMS],
                         ids=[row[0] for row in PROGRAMS])
def test_a_program_that_cannot_be_run_is_refused_before_the_ca_is_asked(live, kind, make, sentence):
    method = [] if kind == "--solver-exec" else live.standalone()
    program = make(live.root)
    code = 2 if "&&" in str(program) else 1
    with nothing_changes(live) as seen:
        refused(live, ["obtain", "-d", "x.test", *live.ca(), *method, kind, program], code,
                sentence)
        refused(live, ["obtain", "-d", LIVE, *live.ca(), *method, kind, program], code, sentence)
        refused(live, ["reconfigure", LIVE, *method, kind, program], code, sentence)
    assert seen.connections() == 0


def plain(url):
    return url.replace("https:", "http:")


BEFORE = [  # id, exit code, options behind `obtain -d NAME`, the sentence
    ("http", 2, lambda e: ["--server", plain(e.pebble.url), *e.standalone()],
     '--server is an https URL or a short name: the URL "http://.*" cannot be used: it does not '
     "begin with https://"),
    ("no-host", 2, lambda e: ["--server", "https://", *e.standalone()],
     "--server is an https URL or a short name: .* its host is empty or no host name"),
    ("no-such-server", 2, lambda e: ["--server", "letsencript", *e.standalone()],
     '--server is an https URL or a short name: the URL "letsencript" cannot be used: .*'),
    ("no-bundle", 1, lambda e: [*e.ca(), *e.standalone(), "--ca-bundle", e.root / "none.pem"],
     "reading the trusted CA certificates: .*ROOT/none.pem: No such file or directory"),
    ("empty-bundle", 1, lambda e: [*e.ca(), *e.standalone(), "--ca-bundle",
                                   write(e.root / "empty.pem")],
     "ROOT/empty.pem holds no PEM certificate to trust"),
    ("bundle-without-hashes", 1, lambda e: [*e.ca(), *e.standalone(), "--ca-bundle", e.root],
     "ROOT has no certificate under its hash: run 'openssl rehash ROOT'"),
    ("mail", 2, lambda e: [*e.ca(), *e.standalone(), "-m", "not a mail"],
     '-m takes one mail address, not "not a mail"'),
    ("no-webroot", 1, lambda e: [*e.ca(), "--webroot", e.root / "none"],
     "the webroot ROOT/none does not exist: make it, or correct its path"),
    ("webroot-file", 1, lambda e: [*e.ca(), "--webroot", write(e.root / "file")],
     "cannot use the webroot ROOT/file: Not a directory"),
    ("webroot-empty", 2, lambda e: [*e.ca(), "--webroot", ""],
     "--webroot is empty: give the document root of the web server"),
    ("port", 2, lambda e: [*e.ca(), "--standalone", "--http-port", "65536"],
     '--http-port is a number from 1 to 65535, not "65536"'),
    ("two-methods", 2, lambda e: [*e.ca(), *e.standalone(), "--webroot", e.root],
     "choose one of --standalone, --webroot and --solver-exec"),
    ("deploy-into-a-file", 1, lambda e: [*e.ca(), *e.standalone(), "--deploy-files",
                                         write(e.root / "file") / "below"],
     "cannot use ROOT/file/below: Not a directory"),
]


@pytest.mark.parametrize("code, make, sentence", [row[1:] for row in BEFORE],
                         ids=[row[0] for row in BEFORE])
def test_what_can_be_known_is_refused_before_the_ca_is_asked(live, code, make, sentence):
    options = make(live)
    with nothing_changes(live) as seen:
        for name in ("x.test", LIVE):
            refused(live, ["obtain", "-d", name, *options], code, sentence)
    assert seen.connections() == 0


def test_a_wildcard_over_http_is_refused_with_the_reason(live):
    with nothing_changes(live) as seen:
        for solver, *options in (["standalone", *live.standalone()],
                                 ["webroot", "--webroot", live.root]):
            refused(live, ["obtain", "-d", "*.x.test", *live.ca(), *options], 1, r"\*.x.test needs "
                    f"a DNS challenge, which {solver} cannot answer: leave it out")
    assert seen.connections() == 0


def test_a_hundred_and_one_names_are_one_too_many(live):
    names = [word for i in range(101) for word in ("-d", f"n{i}.test")]
    with nothing_changes(live) as seen:
        refused(live, ["obtain", *names, *live.ca(), *live.standalone()], 2,
                "a certificate has at most 100 names")
    assert seen.connections() == 0


# --- what the CA's side shows ---------------------------------------------------------------------


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, kind, body = self.server.page
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_HEAD = do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def pages(server_ca):
    """pages(status, type, body): the URL of an https server that answers everything like this."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_ca.certificate, server_ca.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def make(*page):
        server.page = page
        return f"https://127.0.0.1:{server.server_address[1]}/dir"
    yield make
    server.shutdown()
    server.server_close()


PAGES = [  # status, media type, body, exit code, the sentence behind "reading the directory URL: "
    (200, "text/html", "<html>log in</html>", 75, ".* was answered with a web page: does a captive "
     "portal or a proxy stand between us and the CA\\?; it goes on at .*"),
    (503, "text/html", "<html>busy</html>", 75, ".*HTTP status 503.*"),
    (404, "text/html", "<html>nothing here</html>", 1, ".*nothing here.*HTTP status 404.*"),
    (200, "text/plain", "hello", 1, '.* was answered with "text/plain" instead of .*json.*'),
    (200, "application/json", "{}", 1, "the CA's answer has no URL \"newNonce\""),
    (200, "application/json", "[", 1, ".*"),
    (302, "text/html", "", 1, ".* redirects to nowhere, and a redirect of a CA is not followed"),
]


@pytest.mark.parametrize("page", PAGES, ids=[f"{p[0]}-{p[1]}-{p[2]}" for p in PAGES])
def test_a_directory_that_is_none_is_said(live, pages, server_ca, name, page):
    url = pages(*page[:3])
    with nothing_changes(live) as seen:
        refused(live, ["obtain", "-d", name, "--server", url, "--ca-bundle", server_ca.bundle,
                       "--agree-tos", *live.standalone()], page[3],
                f"{name}: reading the directory {url}: {page[4]}")
    assert seen.connections() == 0


def test_a_bundle_that_does_not_vouch_for_the_ca_lets_no_request_out(live, other_ca):
    """The bundle is remembered for a CA: so a second everleaf, which has none."""
    other = runner.Everleaf(live.program, live.root / "untrusting", live.pebble)
    other.root = live.root
    with nothing_changes(live) as seen:
        refused(other, ["obtain", "-d", "x.test", "--server", live.pebble.url, "--ca-bundle",
                        other_ca.bundle, "--agree-tos", *live.standalone()], 75,
                r"x.test: .*127.0.0.1:\d+ could not be verified: .*certificate.* \(trusted is what "
                f"{re.escape(str(other_ca.bundle))} holds; --ca-bundle changes that\\); .*")
    assert seen.requests() == []


# --- where it runs --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_port_that_is_taken_is_told_with_its_holder(live, tmp_path, name):
    """Ten seconds later: the holder might have been a proxy to us, so there is an order."""
    port, files = live.pebble.http_port, contents(live.files)
    seen = live.pebble.watch()
    with servers.port_holder(port, tmp_path) as holder:
        result, holds = live.obtain(name, expect=1, timeout=60), holder.name()
    assert result.err.splitlines()[-1] == (
        f"everleaf: {name}: port {port} is taken by {holds} (pid {holder.pid}) and does "
        "not show our answers: stop it, or let it serve them with --webroot DIR"), str(result)
    assert seen.issued() == [] and contents(live.files) == files


def test_a_state_directory_of_another_user_is_refused_to_both(live):
    if os.geteuid() != 0:
        pytest.skip("needs root, to be two users")
    theirs = live.root / "theirs"
    theirs.mkdir(0o700)
    os.chown(theirs, 65534, 65534)
    with nothing_changes(live):
        refused(runner_at(live, theirs), ["status"], 1, "the state directory ROOT/theirs belongs "
                "to user 65534, but everleaf runs as user 0: run it as that user")
    assert list(theirs.iterdir()) == []
    os.chmod(live.root.parent, 0o755)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run([*nobody, *live.argv("status")], capture_output=True, text=True,
                          check=False, env=runner.ENVIRONMENT, cwd="/")
    if "setpriv: failed to execute" in done.stderr:
        pytest.skip("the build folder is closed to other users")
    assert done.returncode == 1
    assert done.stderr.startswith("everleaf: "), done.stderr
    assert len(done.stderr.splitlines()) == 1


def runner_at(everleaf, state):
    other = runner.Everleaf(everleaf.program, state, everleaf.pebble)
    other.root = everleaf.root
    return other


def test_a_state_directory_that_is_none_is_said(live):
    write(live.root / "flat")
    refused(runner_at(live, live.root / "flat"), ["status"], 1, "ROOT/flat is not a directory")
