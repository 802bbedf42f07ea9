"""Demos as subprocesses: started on a free port, known by their ready lines, ended whatever happens."""
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 10.0
PROMPT = 5.0  # what takes a moment takes less than this on the busiest machine, and what waits for PATIENCE does not


def program(name, *arguments):
    """The command that runs a demo, warnings being errors; `name` "" is `python3 -m demos`."""
    return [sys.executable, "-W", "error", "-m", f"demos.{name}" if name else "demos", *map(str, arguments)]


def client(name, *arguments, stdin=b"", **kwargs):
    """Run a client to its end: a CompletedProcess with bytes."""
    return subprocess.run(program(name, *arguments), cwd=ROOT, input=stdin, timeout=PATIENCE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)


class Running:
    """A server that runs: its ready line is read, so clients can come."""

    def __init__(self, name, *arguments, lines=1, **kwargs):
        kwargs.setdefault("stderr", subprocess.PIPE)
        self.process = subprocess.Popen(program(name, *arguments), cwd=ROOT, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, **kwargs)
        self.lines = [self.process.stdout.readline().decode().rstrip("\n") for _ in range(lines)]

    @property
    def ports(self):
        """The port of each ready line, by name."""
        ready = [line.split(" listening on ") for line in self.lines if " listening on " in line]
        return {name: int(where.rsplit(":", 1)[1]) for name, where in ready}

    @property
    def port(self):
        (port,) = self.ports.values()
        return port

    def end(self, signum=signal.SIGINT):
        """Signal it: its exit status, what it still said on stdout and stderr, and how long that took."""
        start = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, out.decode(), (err or b"").decode(), time.monotonic() - start

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.process.kill()
        self.process.communicate()


def connected(port, host="127.0.0.1"):
    """A blocking client socket that gives up after a while."""
    return socket.create_connection((host, port), timeout=PATIENCE)


def talked(port, *pieces):
    """What a server says until it closes, to a client that sends the pieces and then half-closes."""
    with connected(port) as sock:
        for piece in pieces:
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        return everything(sock)


def everything(sock):
    """All bytes until end of file."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


@contextlib.contextmanager
def serving(handle, datagrams=False):
    """A course text's server in a thread of ours: `handle(socket)` serves its one client; yields the port."""
    with socket.socket(type=socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(PATIENCE)
        if not datagrams:
            sock.listen(5)
        thread = threading.Thread(target=handle, args=(sock,))
        thread.start()
        yield sock.getsockname()[1]
        thread.join(PATIENCE)


def has_ipv6():
    """True where ::1 can be bound."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False


POSIX = os.name == "posix"
