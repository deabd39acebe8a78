# SPDX-License-Identifier: MIT
#
# The EXAMPLES of everleaf(1), taken out of the man page and run. Only names, servers, ports,
# paths and the owner of files are others; what the manual shows must work as it stands.

import contextlib
import grp
import os
import pwd
import re
import shlex

import pytest

import lab
import runner
import servers

MANUAL = lab.ROOT / "packaging" / "man" / "everleaf.1"


def examples():
    """The examples in order, each a list of command lines."""
    section = re.search(r"^\.Sh EXAMPLES\n(.*?)^\.Sh ", MANUAL.read_text(), re.M | re.S)[1]
    found = re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed|^\.Dl ([^\n]*)", section, re.M | re.S)
    texts = [(block or line).replace("\\e\n", " ").replace("\\-", "-") for block, line in found]
    return [[line for line in text.splitlines() if line.strip()] for text in texts]


def title(example):
    return re.sub(r"[^a-z0-9]+", "-", " then ".join(e[9:40] for e in example).lower()).strip("-")


class Machine:
    """The machine of the examples: its folders below root, its nginx a hook that writes down how
    it was called, its two CAs one Pebble with two addresses."""

    def __init__(self, everleaf, journal, name, root):
        self.everleaf, self.journal, self.name, self.root = everleaf, journal, name, root
        self.pebble = everleaf.pebble
        self.webroot = root / "var/www"
        self.webroot.mkdir(parents=True)
        self.nginx = journal.hook("nginx")
        self.proxy = lab.Proxy(self.pebble.listen_port)
        self.servers = {"letsencrypt": f"https://127.0.0.1:{self.proxy.port}/dir",
                        "letsencrypt-staging": self.pebble.url}
        self.owner = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"

    def words(self, line):
        """The example's words for this machine, without the first."""
        line = line.replace("--staging", "--server letsencrypt-staging")
        line = line.replace("example.org", self.name).replace("root:root", self.owner)
        line = re.sub(r"(?<=[\s\"])/[\w./-]+", lambda m: self._path(m[0]), line)
        program, *words = shlex.split(line)
        assert program == "everleaf", f"an example that runs {program} cannot be tried"
        if "--server" in words: # one that is not known here must not be asked
            at = words.index("--server") + 1
            words[at] = self.servers[words[at]]
        elif words[0] == "obtain" and not self._known(words):
            words += ["--server", self.pebble.url]
        if "--server" in words:
            words += ["--ca-bundle", str(self.pebble.bundle)]
        if "--standalone" in words:
            words += ["--http-port", str(self.pebble.http_port)]
        return words

    def _path(self, path):
        return str(self.nginx) if path == "/usr/sbin/nginx" else str(self.root) + path

    def _known(self, words):
        names = words[words.index("-d") + 1].split(",")
        return any(c["name"] == names[0] for c in self.everleaf.certificates())

    def run(self, example):
        standalone = any("--standalone" in line for line in example)
        port = self.pebble.http_port
        web = contextlib.nullcontext() if standalone else servers.web_server(self.webroot, port)
        with web:
            for line in example:
                words = self.words(line)
                serials = {c["name"]: c["serial"] for c in self.everleaf.certificates()}
                self.check(words, serials, self.everleaf.run(*words))

    def check(self, words, serials, result):
        """What the manual says of such a command line."""
        if "--json" in words:
            assert result.json["schema"] == 1
        else:
            assert "-q" in words or result.out.strip(), f"it says nothing\n{result}"
        if "renew" in words and "--server" in words:
            moved = next(w for w in words if w in serials)
            shown = self.everleaf.ask("show", moved)["certificate"]
            assert shown["server"] == words[words.index("--server") + 1]
            assert shown["serial"] != serials[moved], "it was not moved"
        if "obtain" in words:
            assert {c["state"] for c in self.everleaf.certificates()} == {"valid"}, str(result)
            shown = self.everleaf.ask("show", self.name)["certificate"]
            for wish in shown["wish"]["deploy"]:
                if wish["name"] == "files":
                    runner.Files(wish["directory"]).check()
                if wish["name"] == "exec":
                    assert self.journal.arguments("nginx") == wish["command"][1:]


@pytest.fixture
def machine(everleaf, journal, name, tmp_path):
    made = Machine(everleaf, journal, name, tmp_path / "root")
    yield made
    made.proxy.stop()


@pytest.mark.parametrize("example", examples(), ids=title)
def test_an_example_of_the_manual_works(machine, example):
    """The first example makes the certificate that the others are about."""
    first = examples()[0]
    machine.run(first)
    if example != first:
        machine.run(example)
