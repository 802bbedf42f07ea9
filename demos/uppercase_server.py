"""Capitals: a stream, one reply (--once), a session of lines (--lines), or datagrams (--udp)."""
from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from protocols.uppercase import Uppercase, UppercaseDatagrams, UppercaseLines
from reactor import Reactor

from .commandline import Factory, Server


def arguments(parser: ArgumentParser) -> None:
    """How to serve: at most one of the three."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--udp", action="store_true", help="datagrams instead of a stream")
    how.add_argument("--once", action="store_true", help="answer what arrives first, then close")
    how.add_argument("--lines", action="store_true", help="a session of lines, which an empty line ends")


def make(reactor: Reactor, options: Namespace) -> Factory:
    """The protocol that the options ask for."""
    if options.udp:
        return UppercaseDatagrams
    if options.lines:
        return partial(UppercaseLines, call_later=reactor.call_later)
    return partial(Uppercase, once=options.once)


SERVER = Server("uppercase", 12000, "python3 -m demos.uppercase_client {host} {port}", make, arguments)

if __name__ == "__main__":
    SERVER.main()
