"""What `kernel` and `problems` share: small experiments that tell, line by line, what they see."""
from __future__ import annotations

import contextlib
import socket
import sys
import textwrap
from typing import Callable, Dict, Iterator, NoReturn, Tuple

from ..commandline import Parser, say

Experiment = Callable[[], Iterator[str]]
HERE = "127.0.0.1"


def main(program: str, experiments: Dict[str, Experiment]) -> NoReturn:
    """List the experiments, or run those that are named."""
    parser = Parser(prog=program)
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to see; without it all are listed; `all` is all")
    names = parser.parse_args().names
    if not names:
        width = max(map(len, experiments))
        for name, experiment in experiments.items():
            line = f"{name:{width}}  {(experiment.__doc__ or '').splitlines()[0]}"
            say(textwrap.fill(line, 79, subsequent_indent=" " * (width + 2), break_on_hyphens=False))
        say(f"\nSee one:  python3 -m demos.lessons.{program} NAME")
    for name in experiments if names == ["all"] else names:
        if name not in experiments:
            parser.error(f"there is no {name!r}: python3 -m demos.lessons.{program} lists what there is")
        for line in (f"{name}: {(experiments[name].__doc__ or '').splitlines()[0]}",
                     *(f"  {line}" for line in experiments[name]())):
            say(textwrap.fill(line, 79, subsequent_indent="    ", break_on_hyphens=False))
    sys.exit(0)


@contextlib.contextmanager
def connection(small: bool = False) -> Iterator[Tuple[socket.socket, socket.socket]]:
    """A TCP connection over loopback: the server's end and the client's; a `small` client's takes few bytes."""
    with socket.create_server((HERE, 0)) as listener, socket.socket() as client:
        if small:  # before connect(): the window is agreed on then
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(5)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            yield server, client


def read_all(sock: socket.socket) -> Tuple[int, str]:
    """Read until the end: how many bytes, and what the end was."""
    count = 0
    try:
        while True:
            data = sock.recv(65536)
            if not data:
                return count, "end of file"
            count += len(data)
    except OSError as exc:
        return count, type(exc).__name__


def outcome(call: Callable[[], object]) -> str:
    """What a call returns or raises, in words."""
    try:
        return repr(call())
    except (OSError, ValueError) as exc:
        return f"{type(exc).__name__}: {exc}"
