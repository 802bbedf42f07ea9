"""What the glass box costs: an echo server with the hook cut out, with the hook, traced and recorded, side by side.

    python3 -m demos.glassbox.cost             under a minute
    python3 -m demos.glassbox.cost --quick     some ten seconds

"hook cut out" is the same code without the statements that are there for the observer alone, in a temporary
folder: what a reactor without a glass box would cost.  "off" is the code as it is, with no observer.  The other
two are `demos.echo_server` with --trace and --record, each to a file.

Each server is a process of its own, on another core than the client where the system lets one choose.  They are
measured in turn, A B C D A B C D, so that a slow moment of the machine hits each, and compared within each round.
What decides is, for the hook, the CPU time of the server for one request, which a slow client does not blur; for the
other two the throughput, which is what their users see.  It falls no further than the CPU time says, and less far
where the server also waits for its clients.
"""
from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import socket
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ..benchmark import MESSAGE, Progress, Server, pin, report
from ..echo_server import SERVER

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CUT, OFF, TRACE, RECORD = "hook cut out", "off", "--trace", "--record"
BUSY = 1, 10, 50  # connections
LIMIT = "4000"  # MiB of a recording: more than a run fills
LEAST = {OFF: (CUT, 0.98), TRACE: (OFF, 1 / 4), RECORD: (OFF, 1 / 3)}  # as part of which other one each shall be


# -- the servers


class Cutter(ast.NodeTransformer):
    """Cuts out of a module what is there for the observer alone; `cuts` says how many statements that were."""

    cuts = 0

    def visit_If(self, node: ast.If) -> Any:
        """`if observer is not None:`, of whatever has one, with all that stands below it."""
        self.generic_visit(node)
        if not re.search(r"\bobserver is not None$", ast.unparse(node.test)):
            return node
        self.cuts += 1
        return node.orelse or ast.Pass()

    def visit_Expr(self, node: ast.Expr) -> Any:
        """`self.tell(...)`."""
        if not re.match(r"[\w.]+\.tell\(", ast.unparse(node)):
            return node
        self.cuts += 1
        return ast.Pass()


def copy(folder: str, cutter: ast.NodeTransformer) -> None:
    """Copy all packages into the folder, the modules of reactor/ as the transformer leaves them."""
    for package in ("demos", "protocols", "reactor"):
        shutil.copytree(os.path.join(ROOT, package), os.path.join(folder, package),
                        ignore=shutil.ignore_patterns("__pycache__"))
    for name in os.listdir(os.path.join(folder, "reactor")):
        if name.endswith(".py"):
            path = os.path.join(folder, "reactor", name)
            with open(path, encoding="utf-8") as file:
                tree = ast.parse(file.read())
            with open(path, "w", encoding="utf-8") as file:
                file.write(ast.unparse(cutter.visit(tree)))


def serve(arguments: List[str]) -> None:
    """Be one of the servers."""
    report()
    SERVER.main(arguments)


def start(folder: str, stack: ExitStack) -> Dict[str, Server]:
    """All of them, by name, until the stack is closed."""
    copies = {CUT: os.path.join(folder, "cut"), OFF: os.path.join(folder, "whole")}
    copy(copies[CUT], Cutter())
    copy(copies[OFF], ast.NodeTransformer())
    trace = stack.enter_context(open(os.path.join(folder, "trace"), "wb"))
    record = ["--record", os.path.join(folder, "record"), "--record-limit", LIMIT]
    servers = {}
    for name, arguments in ((CUT, []), (OFF, []), (TRACE, ["--trace"]), (RECORD, record)):
        command = ["demos.glassbox.cost", "--serve", "--port", "0", *arguments]
        servers[name] = server = Server(name, command, cwd=copies.get(name, copies[OFF]), stderr=trace)
        stack.callback(server.stop)
    return servers


# -- measuring


class Sample(NamedTuple):
    """What one round found."""

    cpu: float  # microseconds of the server for a request
    rate: float  # requests a second


def measure(server: Server, clients: Sequence[socket.socket], seconds: float) -> Sample:
    """Echo on all of them for so long: each message is sent again as soon as it has come back."""
    requests = len(clients)
    used, began = server.cpu(), time.perf_counter()
    for client in clients:
        client.send(MESSAGE)
    while time.perf_counter() < began + seconds:
        for client in clients:
            _receive(client, server)
            client.send(MESSAGE)
        requests += len(clients)
    for client in clients:
        _receive(client, server)
    elapsed = time.perf_counter() - began
    return Sample((server.cpu() - used) / requests * 1e6, requests / elapsed)


def _receive(client: socket.socket, server: Server) -> None:
    if len(client.recv(len(MESSAGE), socket.MSG_WAITALL)) < len(MESSAGE):
        raise OSError(f"the server '{server.name}' closed a connection")


class Plan(NamedTuple):
    """How long to measure."""

    rounds: int
    seconds: float


FULL, QUICK = Plan(40, 0.09), Plan(10, 0.07)
Samples = Dict[str, List[Sample]]  # by server, one for each round


def in_turn(servers: Dict[str, Server], busy: int, plan: Plan, show: Progress) -> Samples:
    """A sample of each server in each round, after a round that warms up."""
    samples: Samples = {name: [] for name in servers}
    with ExitStack() as stack:
        clients = {name: [stack.enter_context(server.connect()) for _ in range(busy)]
                   for name, server in servers.items()}
        for number in range(plan.rounds + 1):
            show(f"{title(busy)}: round {number} of {plan.rounds}")
            for name, server in servers.items():
                sample = measure(server, clients[name], plan.seconds)
                if number:
                    samples[name].append(sample)
    return samples


# -- what came out


def cheapness(name: str, samples: Samples) -> List[float]:
    """Requests for the same CPU time, as part of the other server's, in each round."""
    other = samples[LEAST[name][0]]
    return [theirs.cpu / mine.cpu for mine, theirs in zip(samples[name], other)]


def throughput(name: str, samples: Samples) -> List[float]:
    """Requests a second, as part of the other server's, in each round."""
    other = samples[LEAST[name][0]]
    return [mine.rate / theirs.rate for mine, theirs in zip(samples[name], other)]


HEAD = f"{'':16}{'server CPU':>10}{'requests':>12}{'of the same':>14}{'worst':>9}{'throughput':>12}\n" \
       f"{'':16}{'us/request':>10}{'a second':>12}{'CPU time':>14}{'round':>9}{'kept':>12}  wanted"


def title(busy: int) -> str:
    """The load."""
    return f"echo, {busy} connection{'s' * (busy > 1)}"


def row(name: str, samples: Samples) -> str:
    """One line of the table."""
    cpu, rate = map(statistics.median, zip(*samples[name]))
    line = f"  {name:14}{cpu:10.2f}{rate:12,.0f}"
    if name not in LEAST:
        return line
    parts, (other, least) = cheapness(name, samples), LEAST[name]
    kept = statistics.median(throughput(name, samples))
    return f"{line}{statistics.median(parts):14.3f}{min(parts):9.3f}{kept:12.3f}  {least:.2f} of {other}"


def holds(samples: Samples) -> bool:
    """Whether each is as good as it shall be, in the median of the rounds."""
    parts = {name: (cheapness if name == OFF else throughput)(name, samples) for name in LEAST}
    return all(statistics.median(parts[name]) >= least for name, (_, least) in LEAST.items())


def run(plan: Plan) -> bool:
    """Measure all and print the table; whether all holds."""
    progress = Progress(len(BUSY) * (plan.rounds + 1))
    good = True
    print(HEAD, flush=True)
    for busy in BUSY:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            samples = in_turn(start(folder, stack), busy, plan, progress)
        progress.clear()
        print("\n".join([title(busy), *(row(name, samples) for name in samples)]), flush=True)
        good = good and holds(samples)
    return good


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Exit status 0 where all holds, 1 where not or where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python3 -m demos.glassbox.cost", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="ten seconds instead of a minute")
    options = parser.parse_args(argv)
    try:
        pin(0, -1)
        return 0 if run(QUICK if options.quick else FULL) else 1
    except KeyboardInterrupt:
        print("\nstopped")
        return 0
    except OSError as exc:
        print(f"cost: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2:])
    sys.exit(main())
