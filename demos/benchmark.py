"""This reactor beside asyncio and threads: what an echo costs the server.

    python3 -m demos.benchmark                     about two minutes
    python3 -m demos.benchmark --quick             about twenty seconds
    python3 -m demos.benchmark --svg costs.svg     and a drawing of it

Every server runs in a process of its own, on another core than the client where the system lets
one choose, and all are measured in turn, A B C A B C, so that a slow moment of the machine hits each.
What is compared is the CPU time that the *server* used for one request: a slow client cannot
distort it.  Requests a second and latency are as this client, itself a Python program, sees them.
A ratio is the median of the ratios within each round; above 1 is cheaper than asyncio on select.
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
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from protocols.echo import Echo
from reactor import Reactor

from .benchmark_chart import Panel, Points, draw

MESSAGE = b"x" * 64
REFERENCE = "asyncio, select"
FD_SETSIZE = 512 if sys.platform == "win32" else 1024
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
CHURN = 1000  # connections a round: each blocks a port for a minute afterwards, and those are finite


# -- the servers: each prints its port, then answers each line on stdin with the CPU seconds used so far


def serve_reactor() -> None:
    """The reactor of this project."""
    with Reactor() as reactor:
        _ready(reactor.listen(Echo).port)
        reactor.run()


def serve_asyncio(loop: asyncio.AbstractEventLoop) -> None:
    """The same Protocol object, under asyncio."""
    factory: Any = Echo
    listener = _listening()
    loop.run_until_complete(loop.create_server(factory, sock=listener, backlog=FD_SETSIZE))
    _ready(listener.getsockname()[1])
    loop.run_forever()


def serve_threads() -> None:
    """A thread for each client."""
    listener = _listening()
    _ready(listener.getsockname()[1])
    while True:
        threading.Thread(target=_echo, args=(listener.accept()[0],), daemon=True).start()


def _listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=FD_SETSIZE)


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


def report() -> None:
    """From now on, answer each line on stdin with the CPU seconds used so far; end with the benchmark."""
    def work() -> None:
        for _ in sys.stdin:
            print(time.process_time(), flush=True)
        os._exit(0)

    threading.Thread(target=work, daemon=True).start()


def _ready(port: int) -> None:
    report()
    print(port, flush=True)


class Server:
    """One of them in its process.  Raises OSError where it stops answering.

    It may be another module than this one, in another folder: one that says its port and reports as these do.
    """

    def __init__(self, name: str, command: Sequence[str] = (), **where: Any) -> None:
        self.name = name
        # Out of reach of Ctrl-C, which is for the benchmark to hear: a session here, a group on Windows.
        self._process = subprocess.Popen([sys.executable, "-m", *(command or ("demos.benchmark", "--serve", name))],
                                         text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         start_new_session=True,
                                         creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0), **where)
        try:
            pin(self._process.pid, 0)  # the client has the last core
            self.port = int(self._answer().rpartition(":")[2])
        except BaseException:
            self.stop()
            raise

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise OSError(f"the server '{self.name}' has ended")
        return str(line)

    def cpu(self) -> float:
        """CPU seconds used so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return float(self._answer())

    def settle(self) -> None:
        """Wait until it is done with what it still had to do, for a moment at most."""
        for _ in range(20):
            before = self.cpu()
            time.sleep(0.01)
            if self.cpu() - before < 0.001:
                return

    def memory(self) -> float:
        """Resident KiB; nan where the system does not tell."""
        try:
            with open(f"/proc/{self._process.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
        except OSError:
            pass  # no Linux: perhaps there is a ps
        try:
            return float(subprocess.check_output(["ps", "-o", "rss=", "-p", str(self._process.pid)], timeout=5))
        except (OSError, ValueError, subprocess.SubprocessError):
            return float("nan")

    def connect(self) -> socket.socket:
        """A client."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(None)  # a time limit would cost a system call each time
        return client

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def pin(pid: int, which: int) -> None:
    """Keep a process, 0 being this one, on that core, where the system lets one choose."""
    if len(CORES) > 1:
        os.sched_setaffinity(pid, {CORES[which]})


# -- the loads


class Load(NamedTuple):
    """Busy connections with one message under way each, beside idle ones; or new ones all the time."""

    title: str
    busy: int
    idle: int = 0
    churn: bool = False


class Sample(NamedTuple):
    """What one round found: microseconds, and requests a second."""

    cpu: float
    rate: float
    p50: float
    p99: float


def measure(load: Load, server: Server, seconds: float) -> Sample:
    """One server under one load for so long, once all connections stand."""
    clients: List[socket.socket] = []
    try:
        for _ in range(load.idle + load.busy):
            clients.append(server.connect())
        busy = clients[load.idle:]
        echoes(busy, 0.0)  # an answer to the last one says that all have been accepted
        before, start = server.cpu(), time.perf_counter()
        latencies = churn(server, seconds) if load.churn else echoes(busy, seconds)
        elapsed, used = time.perf_counter() - start, server.cpu() - before
    finally:
        for client in clients:
            client.close()
    server.settle()
    return sample(latencies, elapsed, used)


def echoes(clients: Sequence[socket.socket], seconds: float) -> List[float]:
    """One message after another on each, once at least, none waiting for the others: how long each took."""
    latencies: List[float] = []
    sent: Dict[Any, float] = {}
    clock, end = time.perf_counter, time.perf_counter() + seconds
    with selectors.DefaultSelector() as selector:
        for new in clients:
            selector.register(new, selectors.EVENT_READ)
            sent[new] = clock()
            new.sendall(MESSAGE)
        while sent:
            for key, _ in selector.select():
                client: Any = key.fileobj
                _receive(client)
                now = clock()
                latencies.append(now - sent.pop(client))
                if now < end:
                    sent[client] = now
                    client.sendall(MESSAGE)
    return latencies


def churn(server: Server, seconds: float) -> List[float]:
    """Connect, one echo, close; until the time is over or the ports might be."""
    latencies: List[float] = []
    end = time.perf_counter() + seconds
    while not latencies or (time.perf_counter() < end and len(latencies) < CHURN):
        start = time.perf_counter()
        with server.connect() as client:
            client.sendall(MESSAGE)
            _receive(client)
        latencies.append(time.perf_counter() - start)
    return latencies


def _receive(client: socket.socket) -> None:
    missing = len(MESSAGE)
    while missing:
        data = client.recv(missing)
        if not data:
            raise OSError("a server closed a connection")
        missing -= len(data)


def sample(latencies: Sequence[float], elapsed: float, used: float) -> Sample:
    """The figures of a round that took `elapsed` seconds and `used` of the server's CPU time."""
    ordered = sorted(latencies)
    count = len(ordered)
    return Sample(used / count * 1e6, count / elapsed, ordered[count // 2] * 1e6, ordered[count * 99 // 100] * 1e6)


def memory(server: Server, count: int) -> float:
    """KiB for an idle connection, measured on so many."""
    clients: List[socket.socket] = []
    try:
        figures = []
        for more in (count // 5, count):  # the first ones make it grow for other reasons too
            clients += [server.connect() for _ in range(more)]
            echoes(clients[-1:], 0.0)
            server.settle()
            figures.append(server.memory())
        return (figures[1] - figures[0]) / count
    finally:
        for client in clients:
            client.close()


# -- the run


class Plan(NamedTuple):
    """How long to measure what."""

    rounds: int
    seconds: float
    busy: Sequence[int]
    idle: Sequence[int]  # select holds 1024 descriptors, on Windows 512 sockets


FULL = Plan(7, 0.34, (1, 10, 50, 200), (10, 30, 100, 300, 900))
QUICK = Plan(3, 0.12, (1, 10, 50, 200), (10, 100, 900))

Samples = Dict[str, List[Sample]]  # by server, one for each round
Show = Callable[[str], object]


def loads(plan: Plan, descriptors: int) -> List[Load]:
    """What is measured where a process may have so many descriptors."""
    most = descriptors - 50
    return [*(Load(f"echo, {count} connection{'s' * (count > 1)}", count) for count in plan.busy if count < most),
            *(Load(f"10 busy among {count} idle", 10, count) for count in plan.idle if count < most),
            Load("connect, echo, close", 0, churn=True)]


def in_turn(load: Load, servers: Sequence[Server], plan: Plan, show: Show) -> Samples:
    """A sample of each server in each round, after a short round that warms up."""
    samples: Samples = {server.name: [] for server in servers}
    for server in servers:
        measure(load, server, plan.seconds / 4)
    for number in range(plan.rounds):
        for server in servers:
            show(f"{load.title}: round {number + 1} of {plan.rounds}, {server.name}")
            samples[server.name].append(measure(load, server, plan.seconds))
    return samples


def median(samples: Sequence[Sample]) -> Sample:
    """The median of each figure."""
    return Sample(*map(statistics.median, zip(*samples)))


def ratio(samples: Sequence[Sample], reference: Sequence[Sample]) -> float:
    """How many times cheaper than the reference, which was measured in the same rounds."""
    return statistics.median(other.cpu / max(own.cpu, 1e-9) for own, other in zip(samples, reference))


HEAD = f"{'':26}{'server CPU':>12}{'':10}{'requests':>12}{'latency, us':>18}\n" \
       f"{'':26}{'us/request':>12}{'ratio':>10}{'a second':>12}{'p50':>9}{'p99':>9}"


def rows(load: Load, samples: Samples) -> str:
    """The part of the table that is about one load."""
    lines = [load.title]
    for name, own in samples.items():
        middle = median(own)
        lines.append(f"  {name:24}{middle.cpu:12.2f}{ratio(own, samples[REFERENCE]):9.2f}x"
                     f"{middle.rate:12,.0f}{middle.p50:9,.0f}{middle.p99:9,.0f}")
    return "\n".join(lines)


def panels(results: Dict[Load, Samples]) -> List[Panel]:
    """What is drawn: the cost against the idle and against the busy connections."""
    def lines(chosen: Dict[int, Samples]) -> Dict[str, Points]:
        return {name: [(count, median(samples[name]).cpu) for count, samples in chosen.items()] for name in SERVERS}

    idle = {load.idle: samples for load, samples in results.items() if load.idle}
    busy = {load.busy: samples for load, samples in results.items() if load.busy and not load.idle}
    return [Panel("10 busy connections among idle ones", "idle connections", lines(idle)),
            Panel("All connections busy", "connections", lines(busy))]


class Progress:
    """One line on the terminal, drawn over; nothing where stderr is none."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._start = time.monotonic()
        self._on = sys.stderr is not None and sys.stderr.isatty()

    def __call__(self, what: str) -> None:
        """The next step begins."""
        passed = time.monotonic() - self._start
        left = f", {passed / self._done * (self._steps - self._done):.0f} s left" if self._done else ""
        self._done += 1
        self._draw(f"[{self._done}/{self._steps}] {what}{left}")

    def clear(self) -> None:
        """Make room for the table."""
        self._draw("")

    def _draw(self, text: str) -> None:
        if self._on:
            print(f"\r{text:79.79}\r{text:.79}", end="", file=sys.stderr, flush=True)


def run(servers: Sequence[Server], plan: Plan, descriptors: int) -> Dict[Load, Samples]:
    """Measure all, and print the table as it comes."""
    todo = loads(plan, descriptors)
    progress = Progress(len(servers) * (1 + len(todo) * plan.rounds))
    print(HEAD, flush=True)
    memories = []
    for server in servers:
        progress(f"memory, {server.name}")
        memories.append(memory(server, min(500, descriptors // 2)))
    results: Dict[Load, Samples] = {}
    for load in todo:
        results[load] = in_turn(load, servers, plan, progress)
        progress.clear()
        print(rows(load, results[load]), flush=True)
    print("KiB of memory for an idle connection")
    for server, size in zip(servers, memories):
        print(f"  {server.name:24}" + (f"{size:12.2f}" if size == size else f"{'not known here':>16}"))
    return results


def more_descriptors() -> int:
    """How many a process may have, after asking for as many as select can hold, and a client's files."""
    try:
        import resource
    except ImportError:
        return FD_SETSIZE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * FD_SETSIZE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return FD_SETSIZE
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return min(wanted, FD_SETSIZE)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m demos.benchmark", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="twenty seconds instead of two minutes")
    parser.add_argument("--svg", metavar="FILE", help="draw the costs, too")
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.serve:
        SERVERS[options.serve]()
    servers: List[Server] = []
    try:
        if options.svg:
            open(options.svg, "a", encoding="utf-8").close()  # better told now than in two minutes
        descriptors = more_descriptors()
        for name in SERVERS:
            servers.append(Server(name))
        pin(0, -1)
        results = run(servers, QUICK if options.quick else FULL, descriptors)
        if options.svg:
            with open(options.svg, "w", encoding="utf-8") as file:
                file.write(draw("CPU time of the server for one echo of 64 bytes, in microseconds", panels(results)))
    except KeyboardInterrupt:
        print("\nstopped")
    except OSError as exc:
        print(f"benchmark: {exc}", file=sys.stderr)
        return 1
    finally:
        for server in servers:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
