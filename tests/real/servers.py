# SPDX-License-Identifier: MIT
#
# servers.py - what stands around everleaf in a test: a web server for a webroot, a TLS server that
# is restarted by a hook (nginx), a process that holds a port, and hooks.

import contextlib
import functools
import http.server
import os
import pathlib
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading

from cryptography import x509

import lab


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web_server(folder, port):
    """Serves folder's files on loopback while the block runs."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


_HOLDER = """
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", int(sys.argv[1])))
s.listen()
time.sleep(600)
"""


@contextlib.contextmanager
def port_holder(port, folder):
    """A foreign process that listens on the port and answers nothing; gives its Program."""
    argv = [sys.executable, "-c", _HOLDER, port]
    program = lab.Program(argv, pathlib.Path(folder) / "holder.log")

    def listens():
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        return False
    try:
        lab.wait_until("the holder of the port listens", listens)
        yield program
    finally:
        program.stop()


def write_hook(path, body, interpreter="/bin/sh"):
    """An executable script that passes everleaf's judgement of programs."""
    path = pathlib.Path(path)
    path.write_text(f"#!{interpreter}\n{body}\n")
    os.chmod(path, 0o755)
    return path


class Journal:
    """Hooks that write down when they ran and with which environment."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.order = self.folder / "order.txt"

    def hook(self, name, then=""):
        env = shlex.quote(str(self.folder / f"{name}.env"))
        words = shlex.quote(str(self.folder / f"{name}.args"))
        return write_hook(self.folder / name, "\n".join([
            f"echo {name} >>{shlex.quote(str(self.order))}",
            f"env >{env}",
            f"for a; do echo \"$a\"; done >{words}",
            then]))

    def ran(self):
        return self.order.read_text().split() if self.order.exists() else []

    def environment(self, name):
        lines = (self.folder / f"{name}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def arguments(self, name):
        return (self.folder / f"{name}.args").read_text().splitlines()


def served_serial(port, host="127.0.0.1", server_name="localhost"):
    """The serial number of the certificate that a TLS server shows; None: nobody listens."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(OSError), socket.create_connection((host, port), 5) as plain:
        with context.wrap_socket(plain, server_hostname=server_name) as tls:
            return x509.load_der_x509_certificate(tls.getpeercert(True)).serial_number
    return None


class Nginx:
    """A TLS server that serves fullchain.pem and privkey.pem of a directory. `hook` is the
    operator's script: started with `restart` it stops and starts nginx, with `reload` it
    reloads (or starts) it."""

    def __init__(self, folder, certificates):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.port = lab.free_port()
        self.pid_file = self.folder / "nginx.pid"
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        self.program = program
        config = self.folder / "nginx.conf"
        config.write_text(self._config(certificates))
        if program:
            self.hook = self._write_hook(config)

    def _config(self, certificates):
        temporary = "\n".join(f"  {kind}_temp_path {self.folder}/{kind};" for kind in
                              ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        return f"""{user}
worker_processes 1;
pid {self.pid_file};
error_log {self.folder}/error.log;
events {{ worker_connections 64; }}
http {{
{temporary}
  access_log off;
  {self._servers(certificates)}
}}
"""

    def _servers(self, certificates):
        return self._server("localhost", certificates)

    def _server(self, name, certificates):
        return f"""server {{
    server_name {name};
    listen 127.0.0.1:{self.port} ssl;
    ssl_certificate {certificates}/fullchain.pem;
    ssl_certificate_key {certificates}/privkey.pem;
    return 204;
  }}"""

    def _before(self):
        """What the hook does first, in shell."""
        return ""

    def _write_hook(self, config):
        nginx = f"{self.program} -e {shlex.quote(str(self.folder / 'error.log'))} " \
                f"-c {shlex.quote(str(config))}"
        pid = shlex.quote(str(self.pid_file))
        return write_hook(self.folder / "nginx-hook", f"""set -eu
{self._before()}
alive() {{ [ -s {pid} ] && kill -0 "$(cat {pid})" 2>/dev/null; }}
if [ "$1" = reload ] && alive; then
    exec {nginx} -s reload
fi
if alive; then
    {nginx} -s stop
    while [ -e {pid} ]; do sleep 0.05; done
fi
exec {nginx}""")

    def stop(self):
        with contextlib.suppress(OSError, ValueError):
            pid = int(self.pid_file.read_text())
            os.kill(pid, signal.SIGTERM)
            lab.wait_until("nginx has ended", lambda: not self.pid_file.exists(), 10)


class Sites(Nginx):
    """One for any number of certificates on one port, chosen by SNI: the hook gives each its
    server block when it is deployed first."""

    def __init__(self, folder):
        self.sites = pathlib.Path(folder) / "sites"
        super().__init__(folder, None)
        self.sites.mkdir()

    def _servers(self, _):
        return f"include {self.sites}/*.conf;"

    def _before(self):
        return f"""site={shlex.quote(str(self.sites))}/$EVERLEAF_CERTIFICATE.conf
[ -e "$site" ] || cat >"$site" <<END
{self._server("$EVERLEAF_CERTIFICATE", "$EVERLEAF_DIRECTORY")}
END"""


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL)
