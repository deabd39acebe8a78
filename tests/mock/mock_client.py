# SPDX-License-Identifier: MIT
#
# mock_client.py - the mock CA of this project as a process, for Python tests: starts and ends it,
# and speaks with it through its control socket (mock_server.h has the verbs and their members).
#
#     with mock_client.MockCa(program, folder) as ca:
#         ca.config(http_port=8080)
#         ca.fault(kind="finalize", act="drop-after")
#         ...
#         assert ca.counts()["certificates"] == 1
#
# It ends with the thread that started it: start it where the test runs.

import json
import os
import pathlib
import socket
import subprocess


def find(program):
    """$EVERLEAF_MOCK_CA, else the one that was built with this everleaf."""
    beside = pathlib.Path(program).parent / "tests" / "mock" / "mock-ca"
    return os.path.abspath(os.environ.get("EVERLEAF_MOCK_CA") or beside)


class MockCa:
    """url (of the directory), bundle (what to trust), process."""

    def __init__(self, program, folder):
        self.program = str(program)
        self.folder = pathlib.Path(folder)
        self.bundle = self.folder / "ca.pem"

    def start(self):
        self.process = subprocess.Popen([self.program, str(self.folder)], cwd="/", text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise AssertionError(f"the mock CA ended with {self.process.wait()}")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(self.folder / "control"))
        self._lines = self._socket.makefile("r", encoding="utf-8")
        return self

    def stop(self):
        self._lines.close()
        self._socket.close()
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def ask(self, verb, **members):
        line = json.dumps({"do": verb, **members}) + "\n"
        self._socket.sendall(line.encode())
        answer = self._lines.readline()
        if not answer:
            raise AssertionError("the mock CA has hung up")
        answer = json.loads(answer)
        if "error" in answer:
            raise AssertionError(f"the mock CA says: {answer['error']}")
        return answer

    def config(self, **members):
        self.ask("config", **members)

    def fault(self, **members):
        self.ask("fault", **members)

    def heal(self):
        self.ask("heal")

    def reset(self):
        self.ask("reset")

    def counts(self):
        return self.ask("counts")

    def records(self, start=0):
        return self.ask("records", **{"from": start})["records"]

    def orders(self):
        return self.ask("orders")["orders"]

    def accounts(self):
        return self.ask("accounts")["accounts"]

    def forget_accounts(self):
        self.ask("forget-accounts")

    def deactivate_accounts(self):
        self.ask("deactivate-accounts")

    def clock(self, seconds):
        self.ask("clock", add=seconds)
