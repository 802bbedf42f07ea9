"""Blackjack: a table for each player, all in one thread.  Play with telnet, nc or talk."""
from __future__ import annotations

from argparse import ArgumentParser, Namespace

from protocols.blackjack import Tables
from reactor import Reactor

from .commandline import Factory, Server


def arguments(parser: ArgumentParser) -> None:
    """What is dealt."""
    parser.add_argument("--seed", type=int, metavar="N", help="deal the same cards in every run")


def make(reactor: Reactor, options: Namespace) -> Factory:
    """A factory of tables; an idle player is told and dropped by the table itself."""
    return Tables(call_later=reactor.call_later, seed=options.seed)


SERVER = Server("blackjack", 9001, "python3 -m demos.talk {host} {port}", make, arguments)

if __name__ == "__main__":
    SERVER.main()
