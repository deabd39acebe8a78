# SPDX-License-Identifier: MIT
#
# handshakes.py - a strict TLS client that looks at every name of a server all the time: it trusts
# one root, wants the name in the certificate, and takes none that is expired.

import socket
import ssl
import threading
import time

from cryptography import x509


class Handshakes(threading.Thread):
    """seen: by name, the serial numbers that were shown; wrong: sentences, empty when all was
    well at every moment."""

    def __init__(self, port, names, root):
        super().__init__(daemon=True)
        self.port = port
        self.seen = {name: set() for name in names}
        self.wrong = []
        self.looks = 0
        self._trust = ssl.create_default_context(cadata=root)
        self._end = threading.Event()

    def run(self):
        while not self._end.is_set():
            for name in self.seen:
                self._look(name)
                self._end.wait(0.01)

    def _look(self, name):
        self.looks += 1
        try:
            with socket.create_connection(("127.0.0.1", self.port), 20) as plain, \
                    self._trust.wrap_socket(plain, server_hostname=name) as tls:
                shown = x509.load_der_x509_certificate(tls.getpeercert(True))
        except (OSError, ValueError) as e:
            self.wrong.append(f"{time.strftime('%H:%M:%S')} {name}: {e}")
            return
        self.seen[name].add(shown.serial_number)

    def stop(self):
        self._end.set()
        self.join()
