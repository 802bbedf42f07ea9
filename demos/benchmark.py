"""This reactor beside asyncio and threads: what an echo costs the server.

    python3 -m demos.benchmark            about two minutes
    python3 -m demos.benchmark --quick    about twenty seconds

Every server runs in a process of its own, on another core than the client where the system lets
one choose, and all are measured in turn, A B C A B C, so that a slow moment of the machine hits each.
What is compared is the CPU time that the *server* used for one request: a slow client cannot
distort it.  A ratio is the median of the ratios within each round; above 1 is cheaper than asyncio on select.
"""
from __future__ import annotations

import argparse
import asyncio
import os
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time
from typing import Callable, Dict, List, NamedTuple

from protocols.echo import Echo
from reactor import Reactor

MESSAGE = b"x" * 64
REFERENCE = "asyncio, select"


# -- the servers: each prints its port, then answers each line on stdin with the CPU seconds used so far


def serve_reactor() -> None:
    """The reactor of this project."""
    with Reactor() as reactor:
        _ready(reactor.listen(Echo).port)
        reactor.run()


def serve_asyncio(loop: asyncio.AbstractEventLoop) -> None:
    """The same Protocol object, under asyncio."""
    server = loop.run_until_complete(loop.create_server(Echo, "127.0.0.1", 0))
    _ready(server.sockets[0].getsockname()[1])
    loop.run_forever()


def serve_threads() -> None:
    """A thread for each client."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
    _ready(listener.getsockname()[1])
    while True:
        threading.Thread(target=_echo, args=(listener.accept()[0],), daemon=True).start()


def _echo(client: socket.socket) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client:
        while data := client.recv(65536):
            client.sendall(data)


SERVERS: Dict[str, Callable[[], None]] = {
    "this reactor": serve_reactor,
    REFERENCE: lambda: serve_asyncio(asyncio.SelectorEventLoop(selectors.SelectSelector())),
    "asyncio, default": lambda: serve_asyncio(asyncio.new_event_loop()),
    "threads": serve_threads,
}


def _ready(port: int) -> None:
    def report() -> None:
        for _ in sys.stdin:
            print(time.process_time(), flush=True)
        os._exit(0)  # the benchmark has gone

    threading.Thread(target=report, daemon=True).start()
    print(port, flush=True)


class Server:
    """One of them in its process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process = subprocess.Popen([sys.executable, "-m", "demos.benchmark", "--serve", name], text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        _pin(self._process.pid, 0)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def cpu(self) -> float:
        """CPU seconds used so far."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def memory(self) -> float:
        """Resident KiB; nan where the system does not tell."""
        try:
            with open(f"/proc/{self._process.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
        except OSError:
            return float("nan")

    def connect(self) -> socket.socket:
        """A client."""
        client = socket.create_connection(("127.0.0.1", self.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def _pin(pid: int, core: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


# -- the loads: each runs for so many seconds and answers how many requests it made


def echoes(server: Server, seconds: float, connections: int) -> int:
    """Each of the connections has one message under way at a time."""
    clients = [server.connect() for _ in range(connections)]
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for client in clients:
            client.send(MESSAGE)
        for client in clients:
            client.recv(4096)
        count += connections
    for client in clients:
        client.close()
    return count


def churn(server: Server, seconds: float) -> int:
    """Connect, one echo, close."""
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        with server.connect() as client:
            client.send(MESSAGE)
            client.recv(4096)
        count += 1
    return count


def among_idle(server: Server, seconds: float) -> int:
    """Ten busy connections among many idle ones."""
    idle = [server.connect() for _ in range(800)]
    try:
        return echoes(server, seconds, 10)
    finally:
        for client in idle:
            client.close()


class Load(NamedTuple):
    """One row of the table."""

    title: str
    run: Callable[[Server, float], int]


LOADS = [
    Load("echo, 1 connection", lambda server, seconds: echoes(server, seconds, 1)),
    Load("echo, 50 connections", lambda server, seconds: echoes(server, seconds, 50)),
    Load("connect, echo, close", churn),
    Load("10 busy among 800 idle", among_idle),
]


def measure(load: Load, servers: List[Server], rounds: int, seconds: float) -> Dict[str, List[float]]:
    """Microseconds of server CPU for each request, by server, a figure a round."""
    costs: Dict[str, List[float]] = {server.name: [] for server in servers}
    for round_ in range(-1, rounds):
        for server in servers:
            if sys.stderr.isatty():
                print(f"\r{load.title}: round {max(round_, 0) + 1} of {rounds}, {server.name:20}", end="", file=sys.stderr)
            before = server.cpu()
            count = load.run(server, seconds if round_ >= 0 else seconds / 4)
            if round_ >= 0:  # the first one warms up
                costs[server.name].append((server.cpu() - before) / count * 1e6)
    return costs


def memory(server: Server) -> float:
    """KiB for an idle connection."""
    warm = [server.connect() for _ in range(100)]
    time.sleep(0.3)
    before = server.memory()
    clients = [server.connect() for _ in range(500)]
    time.sleep(0.3)
    grown = server.memory() - before
    for client in warm + clients:
        client.close()
    time.sleep(0.3)
    return grown / len(clients)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python3 -m demos.benchmark", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="twenty seconds instead of two minutes")
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        SERVERS[options.serve]()
        return 0
    rounds, seconds = (3, 0.35) if options.quick else (7, 1.0)
    _pin(0, 1)
    servers = [Server(name) for name in SERVERS]
    try:
        memories = {server.name: memory(server) for server in servers}
        print(f"{'microseconds of server CPU':28}" + "".join(f"{name:>22}" for name in SERVERS))
        for load in LOADS:
            costs = measure(load, servers, rounds, seconds)
            print(f"\r{load.title:28}" + "".join(_cell(costs[name], costs[REFERENCE]) for name in SERVERS), flush=True)
        print(f"{'KiB an idle connection':28}" + "".join(f"{memories[name]:14.2f}        " for name in SERVERS))
    except KeyboardInterrupt:
        print("\nstopped")
    finally:
        for server in servers:
            server.stop()
    return 0


def _cell(costs: List[float], reference: List[float]) -> str:
    ratio = statistics.median(other / own for own, other in zip(costs, reference))
    return f"{statistics.median(costs):12.2f} ({ratio:5.2f}x)"


if __name__ == "__main__":
    sys.exit(main())
