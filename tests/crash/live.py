# SPDX-License-Identifier: MIT
#
# live.py - the files that a server reads, judged as a server would have to: at every moment either
# none are there yet, or key, certificate and chain that belong together and are not expired.
#
#   live.py DIR    watches DIR in a process of its own, as fast as it can, while its standard input
#                  says "watch NOW" (the time that certificates are judged by), until it says
#                  "rest"; answers each line by a line: "ok LOOKS" or what it saw that must not be.

import hashlib
import os
import select
import sys
import time

sys.dont_write_bytecode = True

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding, PublicFormat, load_pem_private_key)

NAMES = ("privkey.pem", "cert.pem", "chain.pem", "fullchain.pem")


class Bad(Exception):
    """What must never be was seen."""


def _spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _seconds(when):
    import calendar
    return calendar.timegm(when.timetuple())


class Live:
    """One certificate's files: (serial, notAfter, SHA-256 of the leaf's DER)."""

    _judged = {}

    def __init__(self, contents):
        key, cert, chain, full = contents
        if full != cert + chain:
            raise Bad("fullchain.pem is not cert.pem and chain.pem")
        leaf = x509.load_pem_x509_certificate(cert)
        x509.load_pem_x509_certificate(chain)
        if _spki(load_pem_private_key(key, None).public_key()) != _spki(leaf.public_key()):
            raise Bad("privkey.pem is another certificate's key")
        self.serial = leaf.serial_number
        self.not_after = _seconds(leaf.not_valid_after)
        self.fingerprint = hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest()

    @classmethod
    def of(cls, contents):
        if contents not in cls._judged:
            if len(cls._judged) > 64:
                cls._judged.clear()
            cls._judged[contents] = cls(contents)
        return cls._judged[contents]


def _read(name, dir_fd):
    fd = os.open(name, os.O_RDONLY, dir_fd=dir_fd)
    try:
        return os.read(fd, 1 << 20)
    finally:
        os.close(fd)


def look(folder, now):
    """The Live of DIR; None when nothing was ever installed there. Reads through one descriptor of
    the generation, as a server that was just told to reload could."""
    try:
        generation = os.open(os.path.join(folder, ".live"), os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        found = Live.of(tuple(_read(name, generation) for name in NAMES))
    except FileNotFoundError as e:
        raise Bad(f"{e.filename} is missing in the live generation") from None
    except ValueError as e:
        raise Bad(f"a live file cannot be read: {e}") from None
    finally:
        os.close(generation)
    if found.not_after <= now:
        raise Bad("the live certificate is expired")
    return found


def look_by_name(folder, now):
    """The same by the four names that configurations have, when nobody is installing."""
    live = look(folder, now)
    if live is None:
        return None
    try:
        named = Live.of(tuple(_read(os.path.join(folder, name), None) for name in NAMES))
    except FileNotFoundError as e:
        raise Bad(f"{e.filename} is missing") from None
    if named.fingerprint != live.fingerprint:
        raise Bad("the names lead to another certificate than .live")
    return live


def _watch(folder, now):
    """Until a line arrives; how often it looked."""
    looks, seen = 0, False
    while not select.select([sys.stdin], [], [], 0.0005)[0]:
        live = look(folder, now)
        looks += 1
        if live is None and seen:
            raise Bad("the live files were there and are not any more")
        seen = seen or live is not None
    return looks


def main():
    print("ready", flush=True)
    result = "ok 0"
    while line := sys.stdin.readline().split():
        if line[0] == "watch":
            print("watching", flush=True)
            try:
                result = f"ok {_watch(sys.argv[1], int(line[1]))}"
            except Bad as e:
                result = f"{time.time():.3f} {e}"
        else:
            print(result, flush=True)


if __name__ == "__main__":
    main()
